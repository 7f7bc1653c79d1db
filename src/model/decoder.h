/* What the mask decoder's files share. */
#ifndef MODEL_DECODER_H
#define MODEL_DECODER_H

#include "model/model.h"

#define MASKS 4
#define OUTPUT_TOKENS (2 + MASKS) /* object score, IoU, masks: at most */
#define MOST_HEADS 8              /* config_check has these limits */
#define MOST_DIM 1024

/* Image-side projections are folded onto the tokens for objects of at most this many tokens; each token then costs as
 * much as 8 of the 128 projected channels, so that more of them are cheaper the plain way. */
#define FOLD_TOKENS (OUTPUT_TOKENS + DECODE_FOLDED_SPARSE)

/* Columns (tokens x heads) of all objects in a call. */
#define BATCH_COLUMNS ((size_t)1024)

/* Pixels a thread takes through a chain of products at a time, and in one item. A multiple of no tile height, but
 * products cut their rows evenly. */
#define BLOCK_PIXELS 128
#define ITEM_PIXELS 256
#define MOST_ITEMS 256 /* of one object: 4096 / 16 squared pixels */

/* Tokens that the decoder's begin with: SAM 1 has none for the object score. */
static inline size_t output_tokens(const model *m)
{
    return OUTPUT_TOKENS - model_is_sam1(m);
}

/* All objects' tokens as they go through the transformer, one object after the other. */
typedef struct token_rows {
    size_t objects, rows;
    size_t first[DECODE_OBJECTS], count[DECODE_OBJECTS]; /* rows of each object */
    float *tokens; /* [rows, d_model]: the original tokens, added to queries in every attention */
    float *q;      /* [rows, d_model] */
    float *q_pe;   /* [rows, d_model]: q + tokens */
} token_rows;

/* In bfloat16 (model.precision) operands of the image's side are rounded to it, and those of the tokens' MLPs; sums,
 * softmax, LayerNorm and the rest of the tokens' side are float32. */
static inline bool decoder_narrow(const model *m)
{
    return m->precision == SAM2_PRECISION_BF16;
}

/* image [pixels, d_model] = the embedding, what is added to it, and the dense prompt or no_mask. */
void decoder_image(const model *m, const exec *ex, const pyramid *features, const float *dense, float *image);

/* The transformer: from tokens to tokens (those of the output, the others are undefined) and each object's image.
 * `plain` projects the image and takes one object; `folded` takes several, and their images' products (image_products)
 * must be there. */
void transform_plain(const model *m, const exec *ex, const token_rows *t, const pyramid *features, const float *dense,
                     void *image);
void transform_folded(const model *m, const exec *ex, const token_rows *t, const image_products *products,
                      void *const *image);

/* One pass over the image of all objects: optionally image_to_token attention with its normalisation, then
 * token_to_image attention over the result. Products are folded onto the tokens: columns are tokens x heads, token by
 * token. Operands that may be of either type are void. */
typedef struct pass_object {
    size_t tokens;            /* that the image asks, in image_to_token attention */
    size_t asking;            /* that ask the image, the first of them */
    const void *keys;         /* image_to_token: packed [d_model, columns]; rows [tokens, d_model / 2] with `queried` */
    const float *scores_bias; /* [columns], or NULL */
    const void *update;       /* packed [columns, d_model]: each column's value, projected */
    const void *queries;      /* token_to_image: packed [d_model, columns]; rows [asking, d_model / 2] with `asked` */
    const float *old;         /* [pixels, d_model] that the update is added to; NULL: the image */
    void *image;
    float *attended; /* out: [asking, d_model / 2] */
    /* Each item's part of the attention: largest scores, sums of exponentials [items][columns], weighted rows
     * [items][columns][pass_width]. */
    float *largest, *sum, *weighted;
} pass_object;

typedef struct image_pass {
    const model *m;
    const exec *ex;
    size_t objects, pixels, items;
    float scale;    /* of scores */
    size_t threads; /* that items go to in turn, more or less */
    /* The picture's products that image_to_token takes queries of, and token_to_image keys and values, or NULL where
     * the image itself is multiplied: by columns that have the projection in them. Products' heads are taken one by
     * one. */
    const image_products *queried, *asked;
    const float *update_bias;
    const norm *norm;               /* NULL: no image_to_token attention */
    const linear *value_projection; /* where values are the image's rows */
    pass_object object[DECODE_OBJECTS];
    uint8_t *scratch; /* [threads][scratch_bytes] */
    size_t scratch_bytes;
} image_pass;

/* A block of rows of an object's image. */
typedef struct pass_block {
    const pass_object *o;
    size_t row, rows;
} pass_block;

/* What an item has found of the attention so far, in its object's arrays. */
typedef struct pass_part {
    bool first; /* nothing yet */
    float *largest, *sum, *weighted;
} pass_part;

/* A block in float32 or bfloat16, on scratch memory of pass_..._bytes; the thread probably takes `next` after it, and
 * products ask for what that reads. */
void pass_block_f32(const image_pass *p, const pass_block *at, const pass_block *next, const pass_part *part,
                    uint8_t *scratch);
void pass_block_bf16(const image_pass *p, const pass_block *at, const pass_block *next, const pass_part *part,
                     uint8_t *scratch);
size_t pass_f32_bytes(const image_pass *p);
size_t pass_bf16_bytes(const image_pass *p);

/* Columns of token_to_image attention. */
static inline size_t pass_columns(const image_pass *p, const pass_object *o)
{
    return (size_t)p->m->config.decoder_heads * o->asking;
}

/* Columns of image_products.v with a head's channels: from the first one of a panel to the head's last. */
typedef struct head_columns {
    size_t first, skip, n; /* the head's own begin `skip` columns later */
} head_columns;

static inline head_columns pass_head(const image_pass *p, size_t head)
{
    size_t dim = (size_t)p->m->config.d_model / 2 / (size_t)p->m->config.decoder_heads,
           skip = head * dim % image_product_panel(p->m);
    return (head_columns){head * dim - skip, skip, skip + dim};
}

/* Where one of them lies, a token and a head: token by token; head by head with `asked`. */
static inline size_t pass_column(const image_pass *p, const pass_object *o, size_t token, size_t head)
{
    return p->asked ? head * o->asking + token : token * (size_t)p->m->config.decoder_heads + head;
}

/* Channels of the values that are weighed for a column. */
size_t pass_width(const image_pass *p);

/* Takes an object's room for parts from the arena. */
void pass_take(image_pass *p, pass_object *o);
void pass_run(image_pass *p);

/* Heads: hyper [objects][MASKS, d_model / 8], IoU and object score from the tokens at the end. */
void decode_heads(const model *m, const exec *ex, const token_rows *t, float *hyper, decode_object *objects);

#endif
