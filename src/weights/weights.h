/* Checkpoints behind one question: "find this tensor by its official name". Every format is read in place: tensors
 * point into the mapped file (or the caller's bytes), nothing is copied but names. */
#ifndef WEIGHTS_WEIGHTS_H
#define WEIGHTS_WEIGHTS_H

#include "base/alloc.h"
#include "base/mapfile.h"

#include <stdbool.h>

typedef enum weights_type { WEIGHTS_F32 = 0, WEIGHTS_F16 = 1, WEIGHTS_BF16 = 2 } weights_type;

/* Bytes of one element. */
size_t weights_type_size(weights_type type);
const char *weights_type_name(weights_type type); /* "float32" ... */

#define WEIGHTS_MAX_DIMS 8

/* How a tensor's elements lie in memory. Packed ones are matrices [n, k], k being the product of all sizes but the
 * first, as the kernels read them (kernels/kernels.h), in panels of `width` rows of the matrix, the last one filled up
 * with zeros. */
typedef enum weights_layout {
    WEIGHTS_ROWS = 0,   /* C order, contiguous */
    WEIGHTS_PANELS = 1, /* float32: [ceil(n / width)][k][width] */
    WEIGHTS_PAIRS = 2   /* bfloat16: [ceil(n / width)][K / 2][width][2], K = k rounded up to a multiple of 32 */
} weights_layout;
#define WEIGHTS_PAIRS_K 32

typedef struct weights_tensor {
    const char *name; /* official name; owned by the weights */
    weights_type type;
    int dims;
    int64_t shape[WEIGHTS_MAX_DIMS]; /* each >= 0, the product checked */
    size_t count;                    /* number of elements */
    weights_layout layout;
    unsigned width;   /* of a panel; 0 for WEIGHTS_ROWS */
    const void *data; /* weights_bytes bytes; may be unaligned, except those of a mapped native file (64 bytes) */
} weights_tensor;

typedef enum weights_format {
    WEIGHTS_PT = 0,
    WEIGHTS_SAFETENSORS = 1,
    WEIGHTS_NATIVE = 2,
    WEIGHTS_SYNTHETIC = 3
} weights_format;
const char *weights_format_name(weights_format format); /* "PyTorch zip", "safetensors", "native" ... */

typedef struct weights weights;

/* Opens a file, its kind told by its bytes; `verify` = 1 checks the file's checksums too (zip CRC-32, native checksum).
 * What it holds is validated before it returns: afterwards every tensor's data can be read. Time and memory are bounded
 * by the file's size (its index, not its tensors). Errors: FILE, FORMAT (an HTML page, a Git LFS pointer, a cut or
 * damaged file are named as such), UNSUPPORTED (a pickled global that is not on the list), MEMORY. */
sam2_status weights_open(const sam2_allocator *a, const char *path, int verify, weights **out, sam2_error *error);

/* The same from memory, which must stay as it is until weights_close. `label` names it in errors. */
sam2_status weights_open_memory(const sam2_allocator *a, const void *bytes, size_t size, const char *label, int verify,
                                weights **out, sam2_error *error);

/* Stand-in weights by formula (docs/NUMERICS.md): one tensor for each (name, shape) of `list`, values made at once. */
typedef struct weights_shape {
    const char *name;
    int dims;
    int64_t shape[WEIGHTS_MAX_DIMS];
} weights_shape;
sam2_status weights_synthesize(const sam2_allocator *a, const weights_shape *list, size_t count, uint64_t seed,
                               int absent, weights **out, sam2_error *error);

void weights_close(weights *w); /* NULL is allowed */

weights_format weights_get_format(const weights *w);
/* The configuration that travels with the file ("sam2.config": the yaml's keys as JSON), NUL-terminated, or NULL. */
const char *weights_config(const weights *w);

size_t weights_count(const weights *w);
const weights_tensor *weights_at(const weights *w, size_t index);       /* in the file's order */
const weights_tensor *weights_find(const weights *w, const char *name); /* NULL when there is none */

/* What a native file holds besides the model's tensors: things computed from them, by a name of their own, so that they
 * need not be computed again. NULL when there is none of that name. */
const weights_tensor *weights_constant(const weights *w, const char *name);
size_t weights_constant_count(const weights *w);
const weights_tensor *weights_constant_at(const weights *w, size_t index);

/* Bytes of a tensor's data. */
size_t weights_bytes(const weights_tensor *t);

/* Elements [first, first + count) in C order as float32, whatever the layout. */
void weights_read(const weights_tensor *t, size_t first, size_t count, float *out);

/* A tensor's data (NULL: everything) is not needed for now: its pages of a mapped file no longer count as this
 * process's memory. It can still be read. */
void weights_drop(const weights *w, const weights_tensor *t);

/* True when the tensors of `w` lie in a file that it has mapped, and keeps until it is closed. */
bool weights_mapped(const weights *w);

/* Gives the index of a mapped file back and keeps the mapping, to which tensors' data pointers go on pointing: closes
 * `w`, and mapfile_close releases the rest. */
mapfile weights_close_index(weights *w);

/* A fingerprint of names, shapes and values that costs little: FNV-1a over the index and samples of each tensor. Values
 * count as float32, so that the same weights have the same fingerprint in every format and order. A tensor can be taken
 * for what it is when it is rounded to another type: to that of its float32 samples, which weights_samples gives. */
#define WEIGHTS_SAMPLES 64
typedef struct weights_sample {
    float values[WEIGHTS_SAMPLES];
} weights_sample;
void weights_samples(const weights_tensor *t, weights_type as, weights_sample *out);
/* samples [weights_count(w)], or NULL for all tensors as they are */
uint64_t weights_fingerprint_of(const weights *w, const weights_sample *samples);
uint64_t weights_fingerprint(const weights *w);
/* The fingerprint that a native file carries for a precision: of its values (bf16 false), or with those rounded to
 * bfloat16 that the model's bfloat16 products use. False when the file carries none. */
bool weights_stored_fingerprint(const weights *w, bool bf16, uint64_t *fingerprint);

/* Writers. `type` gives the storage of all tensors; keep = 1 leaves each as it is. `config` is JSON text or NULL. */
sam2_status weights_write_safetensors(const weights *w, const char *path, const char *config, int keep,
                                      weights_type type, sam2_error *error);
sam2_status weights_write_native(const weights *w, const char *path, const char *config, int keep, weights_type type,
                                 sam2_error *error);

/* How a native file holds one tensor of the model, or a constant. */
typedef struct weights_form {
    bool given; /* false: a tensor is stored as it is, in C order */
    bool bf16;  /* a product that the bfloat16 precision rounds */
    weights_type type;
    weights_layout layout;
    unsigned width;
    const void *data; /* in that form; NULL: converted from the tensor, in C order */
    /* of constants */
    char name[96];
    int dims;
    int64_t shape[2];
} weights_form;
/* A native file for the kernels: forms[i] is that of weights_at(w, i), followed by those of `constants` constants. */
sam2_status weights_write_packed(const weights *w, const char *path, const char *config, const weights_form *forms,
                                 size_t constants, sam2_error *error);
/* As torch.save({"model": state_dict}), readable by torch.load(weights_only=True); float32 only. */
sam2_status weights_write_pt(const weights *w, const char *path, sam2_error *error);
/* The same without the outer dict, as torch.save(state_dict): SAM 1's files. */
sam2_status weights_write_pth(const weights *w, const char *path, sam2_error *error);

#endif
