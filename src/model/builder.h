/* What turns a checkpoint's tensors into a model's weights. The code that names them (build.c) runs twice: first dry,
 * to learn how much memory they take and how many products there are, then for real. Large matrices become jobs, which
 * are packed at the end by all threads, unless the file holds them as the kernels want them. */
#ifndef MODEL_BUILDER_H
#define MODEL_BUILDER_H

#include "model/model.h"

#include <stdatomic.h>

struct builder;

/* Where element [n][k] of a linear layer's matrix is in its tensor: for most, at n * k_count + k. */
typedef size_t element_at(const linear *l, size_t n, size_t k);

typedef struct pack_job {
    linear l;
    const weights_tensor *from;
    const float *rows;                     /* the matrix itself, in order; NULL: it is in `from` */
    element_at *at;                        /* NULL: in order */
    bool ready;                            /* `from` is packed already and is copied */
    bool narrow;                           /* to bfloat16 */
    bool sampled;                          /* the job takes the samples of `from` for the fingerprint */
    atomic_size_t left;                    /* panels to do */
    size_t width, panel_bytes, panels_end; /* columns and bytes of a panel; panels of this and all jobs before */
    uint8_t *out;
} pack_job;

typedef struct builder {
    const weights *w;
    model *m;
    arena arena;
    bool in_place;   /* the tensors stay where they are as long as the model */
    bool plain;      /* the network as the official code has it, without what is simplified here */
    bool by_storage; /* products are bfloat16 where the file's are, whatever the model's precision */
    bool stores;     /* of float32 products, those that may be in bfloat16 keep weights that the file has in it so, */
    bool rounds;     /* and the others' are rounded to it */
    bool rounded;    /* some have been */
    bool narrow;     /* there is a product in bfloat16 */
    pack_job *jobs;  /* NULL in the dry run */
    size_t job_count, panels;
    float *rows; /* [threads][row_floats]: unpacked rows of one panel */
    size_t row_floats;
    weights_form *forms;     /* [weights_count + constants]: how a native file holds them; NULL when nobody asks */
    size_t constants;        /* so far */
    weights_sample *samples; /* [weights_count], for the fingerprint; NULL when it is known */
    bool *sampled;           /* [weights_count] */
} builder;

static inline bool builder_dry(const builder *b)
{
    return b->arena.base == NULL;
}

/* The tensor prefix.suffix; it is there, for config_check has passed. */
const weights_tensor *builder_tensor(const builder *b, const char *prefix, const char *suffix);

/* A tensor as float32 in C order. */
const float *builder_plain(builder *b, const char *prefix, const char *suffix);

/* A product's weights from prefix.weight, without its bias, in the precision that the plan says. With
 * `at` the elements are taken in another order, and `constant` is the name that a native file has for the result. */
linear builder_matrix(builder *b, const char *prefix, const char *constant, size_t n, size_t k, element_at *at);

/* Two layers without anything between them as one: second(first(x)), first [middle, k], second [n, middle], in the
 * precision of `first`; with its bias. */
linear builder_merged(builder *b, const char *first, const char *second, const char *constant, size_t n, size_t middle,
                      size_t k);

/* A table [rows, columns] of floats that is computed by row, or found in the file under this name. */
typedef void row_filler(const model *m, size_t row, float *out);
const float *builder_constant(builder *b, const char *name, size_t rows, size_t columns, row_filler *fill);
/* Such a table x rounded to bfloat16, likewise under a name of its own. */
const uint16_t *builder_narrowed(builder *b, const char *name, size_t rows, size_t columns, const float *x);

/* Parts by the names of their tensors: prefix.weight and prefix.bias; prefix.q_proj, .k_proj, .v_proj, .out_proj;
 * prefix.layers.0 to 2; a map [channels, side, side] as [side, side, channels]. */
linear builder_linear(builder *b, const char *prefix, size_t n, size_t k);
linear builder_map_linear(builder *b, const char *prefix, size_t n, size_t k); /* with `many` */
norm builder_norm(builder *b, const char *prefix, float eps);
attention_weights builder_attention(builder *b, const char *prefix, size_t dim, size_t kv_dim, size_t inner);
mlp3 builder_mlp3(builder *b, const char *prefix, size_t in, size_t hidden, size_t out);
const float *builder_channels_last(builder *b, const char *name, size_t side, size_t channels);

/* A convolution of 3 x 3 by rows of a patch: k = (ky * 3 + kx) * channels + channel. */
size_t builder_conv3_at(const linear *l, size_t n, size_t k);

/* SAM 1's image encoder. */
void builder_vit(builder *b);

/* conv2d [n, 3, side, side] as rows of pixels: k = (ky * side + kx) * 3 + channel. */
size_t builder_pixels_at(const linear *l, size_t n, size_t k);

/* memory_attention, memory_encoder and what else only video needs, where the checkpoint has it. */
void builder_memory(builder *b);

/* Packs what has become a job, and takes the samples of all tensors when they are wanted. */
void builder_pack(builder *b);

/* Builds a model. For the writer of native files (save.c): `forms` [weights_count + BUILDER_CONSTANTS], all zero, and
 * the number of constants among them; NULL otherwise. */
sam2_status builder_run(const weights *w, const model_config *config, const build_options *options,
                        const sam2_allocator *a, model **out, weights_form *forms, size_t *constants,
                        sam2_error *error);

/* Constants that a model may have. */
#define BUILDER_CONSTANTS 64

#endif
