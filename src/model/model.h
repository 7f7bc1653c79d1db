/* A model ready to run: packed weights and the functions that are its boxes. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "model/config.h"
#include "ops/ops.h"

typedef struct hiera_block {
    norm norm1, norm2;
    linear qkv, proj;
    linear shortcut; /* n = 0 where the width stays */
    linear fc1, fc2;
    relative_positions relative; /* of a ViT's block */
} hiera_block;

/* sam.transformer.Attention: projections to and from an inner width. */
typedef struct attention_weights {
    linear q, k, v, out;
    /* The projection of the image's side (k of token_to_image, q of image_to_token) by rows of its outputs, to be
     * folded onto tokens: packed [inner, d_model]. NULL where it is not needed. */
    const float *image_side;
} attention_weights;

typedef struct two_way_layer {
    attention_weights self, token_to_image, image_to_token;
    norm norm1, norm2, norm3, norm4;
    linear fc1, fc2;
} two_way_layer;

typedef struct mlp3 {
    linear layer[3];
} mlp3;

#define MODEL_DECODER_DEPTH 2

/* memory_attention.MemoryAttentionLayer: one head; the cross attention's k and v are of the memory's width. */
typedef struct memory_layer {
    attention_weights self, cross;
    norm norm1, norm2, norm3;
    linear fc1, fc2;
} memory_layer;

/* memory_encoder.CXBlock. */
typedef struct fuser_layer {
    const float *depthwise, *depthwise_bias; /* [kernel * kernel][d_model], [d_model] */
    norm norm;
    linear expand, shrink;
    const float *gamma; /* [d_model] */
} fuser_layer;

#define MODEL_MASK_STAGES 4 /* of the mask downsampler: each halves the side and has four times the channels */

/* What video needs beyond pictures. */
typedef struct memory_weights {
    bool there; /* false: the checkpoint is for pictures alone */
    /* memory_attention */
    memory_layer *layers; /* [memory_layers] */
    norm norm;
    const float *cosine, *sine; /* [side / 16][d_model / 2]: rotations by one coordinate, as rotate_f32 wants them */
    /* Sine positions of one coordinate, [side / 16][half of the channels]: a token's are its y's, then its x's. */
    const float *position, *memory_position;
    /* memory_encoder */
    linear mask_stage[MODEL_MASK_STAGES]; /* 3 x 3 of stride 2, k = (ky * 3 + kx) * channels + channel */
    norm mask_norm[MODEL_MASK_STAGES];
    linear mask_projection, pixel_projection, output_projection;
    fuser_layer *fuser; /* [memory_fuser_layers] */
    /* SAM2Base's own */
    const float *slot_position;                  /* maskmem_tpos_enc [memory_slots, memory_dim] */
    const float *no_pointer;                     /* no_obj_ptr [d_model] */
    const float *absent;                         /* no_obj_embed_spatial [memory_dim]; NULL in SAM 2.0 */
    const float *mask_kernel, *mask_kernel_bias; /* mask_downsample [4, 4], [1] */
    mlp3 pointer;                                /* obj_ptr_proj */
    linear pointer_position;                     /* obj_ptr_tpos_proj; n = 0 in SAM 2.0 */
} memory_weights;

typedef struct model {
    model_config config;
    sam2_precision precision; /* F32 or BF16: of the products that the precision plan says */
    bool stored;              /* in float32, weights of such products are held in bfloat16 */
    bool plain;               /* the official graph, without simplification */
    kernels kernels;
    pool *pool;
    sam2_allocator allocator;
    void *block; /* all weights */
    size_t block_bytes;
    mapfile map;         /* a native file's, or empty: weights outside of the block are in it */
    size_t mapped_bytes; /* of such weights */
    weights_format format;
    bool repacked; /* a native file's products were not as this machine wants them */
    uint64_t identity, parameters;

    /* image_encoder.trunk; or SAM 1's image_encoder */
    linear patch;                /* [embed_dim][7 * 7 * 3 or 16 * 16 * 3], rows ordered ky, kx, channel */
    const float *position;       /* of a ViT: [tokens, embed_dim] */
    const float *pos_background; /* [background, background, embed_dim] */
    const float *pos_window;     /* [window, window, embed_dim] */
    hiera_block *blocks;         /* [block_count] */
    /* image_encoder.neck: by level, 0 the finest. The two finest and the decoder's convolutions of them are one layer
     * each, or in a plain model two. */
    linear lateral[4], conv_s[2], high_res[2];
    const float *no_mem_embed; /* [d_model]; NULL in SAM 1 */
    /* SAM 1's neck: 1 x 1, norm, 3 x 3 with k = (ky * 3 + kx) * channels + channel, norm */
    linear neck_project, neck_mix;
    norm neck_norm[2];

    /* sam_prompt_encoder */
    const float *gaussian; /* [2, d_model / 2] */
    const float *point_embed[4], *not_a_point, *no_mask;
    const float *down0, *down0_bias, *down1, *down1_bias; /* [4, 2, 2], [4], [16, 4, 2, 2], [16] */
    norm down0_norm, down1_norm;
    linear down2;
    const float *dense_pe;         /* [tokens, d_model]: get_dense_pe, a constant */
    const uint16_t *dense_pe_bf16; /* the same, where the model is in bfloat16 */

    /* sam_mask_decoder */
    const float *output_tokens; /* [5 or 6, d_model]: object score (not in SAM 1), IoU, four masks */
    two_way_layer layers[MODEL_DECODER_DEPTH];
    const float *first_update_bias; /* [d_model]: of the first image_to_token, with no_mem_embed and no_mask */
    attention_weights final;
    norm final_norm;
    linear up0[2], up1[2]; /* transposed convolutions, one product for each of the two output rows: [2 columns *
                              channels, inputs] */
    norm up0_norm;
    mlp3 hyper[4], iou, object;

    memory_weights memory;
} model;

/* Sides of the maps. */
static inline size_t model_side(const model *m, int stride)
{
    return (size_t)(m->config.image_size / stride);
}

/* How a model is built. */
typedef struct build_options {
    cpu_isa limit;            /* of the kernels */
    sam2_precision precision; /* F32 or BF16 */
    bool rounds;              /* with F32: weights of products that could be in bfloat16 are rounded to it and held so.
                                 What the file has in bfloat16 is held so in any case, which changes no bit */
    int threads;
    bool in_place;   /* what the weights have mapped is used where it is, and has to stay */
    bool by_storage; /* for files: products are bfloat16 where the file's are, whatever the precision */
    bool plain;      /* the official graph: layers apart, the decoder's image side projected and nothing of it made
                        beforehand */
} build_options;

/* Packs the weights of a checked checkpoint (config_check). */
sam2_status model_build(const weights *w, const model_config *config, const build_options *options,
                        const sam2_allocator *a, model **out, sam2_error *error);
/* Writes a native file in the layout of the kernels up to `limit`; precision AUTO is the one that the tensors are
 * stored in. `text` is the configuration as it goes into the file. */
sam2_status model_save(const weights *w, const model_config *config, cpu_isa limit, sam2_precision precision,
                       int threads, const sam2_allocator *a, const char *path, const char *text, sam2_error *error);
void model_free(model *m);

/* Where intermediate tensors go when somebody watches. NULL functions mean nobody does. */
typedef struct watcher {
    sam2_observer observe;
    void *user;
    const sam2_allocator *allocator;
    int failed; /* a copy could not be made */
} watcher;

/* Shows a map [height, width, channels] as [1, channels, height, width]. */
void watch_map(watcher *w, const char *name, const float *map, size_t height, size_t width, size_t channels);
void watch(watcher *w, const char *name, const float *data, const int64_t *shape, int dims);

/* What an encoded picture is: the pyramid that SAM2Base.forward_image gives, as rows of channels. */
typedef struct pyramid {
    float *embedding;   /* [side/16 ^2, d_model], without no_mem_embed */
    const float *extra; /* [d_model], for the decoder: added to each of its tokens; NULL: nothing */
    void *s0;           /* [side/4 ^2, d_model / 8] in the model's precision; NULL in SAM 1 */
    void *s1;           /* [side/8 ^2, d_model / 4]; likewise */
} pyramid;
void pyramid_sizes(const model *m, size_t *embedding, size_t *s0, size_t *s1); /* in elements */

static inline bool model_is_sam1(const model *m)
{
    return m->config.family == FAMILY_SAM1;
}

/* Hiera's patch embedding reads the picture with its border of zeros: [side + 6, side + 6, 3], the picture at (3, 3).
 * That of SAM 1 has no border. */
static inline size_t model_input_border(const model *m)
{
    return model_is_sam1(m) ? 0 : 3;
}
static inline size_t model_input_side(const model *m)
{
    return (size_t)m->config.image_size + 2 * model_input_border(m);
}

/* Fills the network's input, called by encode_image once the memory for it is there: `input` as above, not cleared. */
typedef void (*input_filler)(void *context, const exec *ex, float *input);

/* image_encoder and the decoder's conv_s0 and conv_s1: of SAM 2, or of SAM 1. */
void encode_image(const model *m, const exec *ex, input_filler fill, void *fill_context, const pyramid *out,
                  watcher *w);
void encode_hiera(const model *m, const exec *ex, input_filler fill, void *fill_context, const pyramid *out,
                  watcher *w);
void encode_vit(const model *m, const exec *ex, input_filler fill, void *fill_context, const pyramid *out, watcher *w);

/* Shows the network's input without its border. */
void watch_input(watcher *w, const model *m, const float *input);

/* A prompt in the network's square: pixels of it before the half-pixel shift, and labels 0, 1, 2, 3 (official meaning).
 * A box is two of them, before the clicks; after them in SAM 1. */
typedef struct net_point {
    float x, y;
    int label;
} net_point;

/* sam_prompt_encoder: sparse [prompt_tokens, d_model]; with the padding token, which SAM 1 has only where there is no
 * box. 0 for no points. */
size_t prompt_tokens(const model *m, size_t point_count, bool box); /* the box's corners count as points */
/* get_dense_pe of one token: out [d_model]. */
void encode_dense_position(const model *m, size_t token, float *out);
void encode_points(const model *m, const net_point *points, size_t count, float *sparse);
/* dense [tokens, d_model] from mask logits [side/4, side/4]. */
void encode_mask(const model *m, const exec *ex, const float *logits, float *dense);

/* What the mask decoder needs of a picture and no prompt changes: the first layer's projections of the image, with
 * what is added to it (no_mem_embed in a picture), no_mask and the dense positions. */
typedef struct image_products {
    /* image_to_token queries, token_to_image keys and values, in the model's precision and packed for its products: the
     * image's tokens are the columns of q and k, of length d_model / 2, and the rows of v [tokens, d_model / 2]. */
    void *q, *k, *v;
    const float *image;       /* [tokens, d_model]: what the first layer's update is added to, */
    const float *update_bias; /* [d_model], with this */
} image_products;

static inline size_t image_element(const model *m)
{
    return m->precision == SAM2_PRECISION_BF16 ? sizeof(uint16_t) : sizeof(float);
}

/* Memory of each of the three, and the width of the panels they are packed in, which tells kernels that can use them.
 */
size_t image_product_bytes(const model *m);
size_t image_product_panel(const model *m);

/* Makes q, k, v of an embedding; dense [tokens, d_model] or NULL for no mask. `image` [tokens, d_model] becomes the
 * image that the transformer starts from. */
void image_products_make(const model *m, const exec *ex, const pyramid *features, const float *dense, float *image,
                         const image_products *out);

/* One object to decode. */
typedef struct decode_object {
    const float *sparse; /* [sparse_count, d_model] */
    size_t sparse_count;
    const float *dense; /* [tokens, d_model], or NULL for no mask */
    /* After decode_prompts: */
    float iou[4], object_score;
    const void *image;
    const float *hyper;
    float *tokens; /* NULL, or [4, d_model]: where the masks' output tokens go */
    /* For decode_masks: which of the four masks to make, and where each goes [side/4, side/4]. */
    size_t mask_count;
    int mask[4];
    float *out[4];
} decode_object;

#define DECODE_OBJECTS 4
#define DECODE_FOLDED_SPARSE 26 /* most sparse tokens of an object that goes the fast way */

/* How many of n objects without dense prompts, from the first on, one call may take: 1 to DECODE_OBJECTS. An object
 * with a dense prompt goes alone. */
size_t decode_batch(const model *m, const size_t *sparse_count, size_t n);

/* The batch that takes most memory. */
size_t decode_largest_batch(const model *m, size_t *sparse_count);

/* The mask decoder up to the heads. What decode_masks needs stays in the arena. `products` are the features', or NULL
 * where there are none. An object's result has the same bits in any batch. */
void decode_prompts(const model *m, const exec *ex, const pyramid *features, const image_products *products,
                    decode_object *objects, size_t count);

/* The masks that are wanted. */
void decode_masks(const model *m, const exec *ex, const pyramid *features, const decode_object *objects, size_t count);

#endif
