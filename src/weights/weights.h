/* Checkpoints behind one question: "find this tensor by its official name". Every format is read in place: tensors
 * point into the mapped file (or the caller's bytes), nothing is copied but names. */
#ifndef WEIGHTS_WEIGHTS_H
#define WEIGHTS_WEIGHTS_H

#include "base/alloc.h"

typedef enum weights_type { WEIGHTS_F32 = 0, WEIGHTS_F16 = 1, WEIGHTS_BF16 = 2 } weights_type;

/* Bytes of one element. */
size_t weights_type_size(weights_type type);
const char *weights_type_name(weights_type type); /* "float32" ... */

#define WEIGHTS_MAX_DIMS 8

typedef struct weights_tensor {
    const char *name; /* official name; owned by the weights */
    weights_type type;
    int dims;
    int64_t shape[WEIGHTS_MAX_DIMS]; /* each >= 0, the product checked */
    size_t count;                    /* number of elements */
    const void *data;                /* count elements in C order, contiguous; may be unaligned */
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

/* A fingerprint of names, shapes and data that costs little: FNV-1a over the index and samples of each tensor. */
uint64_t weights_fingerprint(const weights *w);

/* Elements [first, first + count) as float32. */
void weights_read(const weights_tensor *t, size_t first, size_t count, float *out);

/* Writers. `type` gives the storage of all tensors; keep = 1 leaves each as it is. `config` is JSON text or NULL. */
sam2_status weights_write_safetensors(const weights *w, const char *path, const char *config, int keep,
                                      weights_type type, sam2_error *error);
sam2_status weights_write_native(const weights *w, const char *path, const char *config, int keep, weights_type type,
                                 sam2_error *error);
/* As torch.save({"model": state_dict}), readable by torch.load(weights_only=True); float32 only. */
sam2_status weights_write_pt(const weights *w, const char *path, sam2_error *error);

#endif
