/* What the mask decoder's files share. */
#ifndef MODEL_DECODER_H
#define MODEL_DECODER_H

#include "model/model.h"

#define OUTPUT_TOKENS 6 /* object score, IoU, four masks */
#define MASKS 4
#define MOST_HEADS 8 /* config_check has these limits */
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

/* All objects' tokens as they go through the transformer, one object after the other. */
typedef struct token_rows {
    size_t objects, rows;
    size_t first[DECODE_OBJECTS], count[DECODE_OBJECTS]; /* rows of each object */
    float *tokens; /* [rows, d_model]: the original tokens, added to queries in every attention */
    float *q;      /* [rows, d_model] */
    float *q_pe;   /* [rows, d_model]: q + tokens */
} token_rows;

/* The transformer: from tokens to tokens and each object's image [pixels, d_model]. `plain` projects the image and
 * takes one object; `folded` takes several, and their images' products (image_products) must be there. */
void transform_plain(const model *m, const exec *ex, const token_rows *t, const float *embedding, const float *dense,
                     float *image);
void transform_folded(const model *m, const exec *ex, const token_rows *t, const image_products *products,
                      float *const *image);

/* One pass over the image of all objects: optionally image_to_token attention with its normalisation, then
 * token_to_image attention over the result. Products are folded onto the tokens: columns are tokens x heads, token by
 * token. */
typedef struct pass_object {
    size_t tokens;
    const float *scores;      /* image_to_token: packed [scores_k, columns] */
    const float *scores_bias; /* [columns], or NULL */
    const float *update;      /* packed [columns, d_model]: each column's value, projected */
    const float *queries;     /* token_to_image: packed [queries_k, columns] */
    const float *old;         /* [pixels, d_model] */
    float *image;             /* [pixels, d_model]; may be `old` */
    float *attended;          /* out: [tokens, d_model / 2] */
    /* Each item's part of the attention: largest scores, sums of exponentials [items][columns], weighted rows
     * [items][columns][width]. */
    float *largest, *sum, *weighted;
} pass_object;

typedef struct image_pass {
    const model *m;
    const exec *ex;
    size_t objects, pixels, items;
    float scale;           /* of scores */
    const float *scores_a; /* rows that scores are taken of, [pixels, d_model / 2]; NULL: the image with positions */
    const float *update_bias;
    const norm *norm;       /* NULL: no image_to_token attention */
    const float *queries_a; /* rows of keys, and their values [pixels, d_model / 2]; NULL: the image with positions */
    const float *values;
    const linear *value_projection; /* where values are the image's rows */
    pass_object object[DECODE_OBJECTS];
    float *scratch; /* [threads][scratch_floats] */
    size_t scratch_floats;
} image_pass;

/* Takes an object's room for parts from the arena. */
void pass_take(image_pass *p, pass_object *o);
void pass_run(image_pass *p);

/* Heads: hyper [objects][MASKS, d_model / 8], IoU and object score from the tokens at the end. */
void decode_heads(const model *m, const exec *ex, const token_rows *t, float *hyper, decode_object *objects);

#endif
