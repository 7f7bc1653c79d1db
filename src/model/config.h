/* What a model is made of, in numbers: the yaml of the official code, resolved. Every size in the model's code comes
 * from here. */
#ifndef MODEL_CONFIG_H
#define MODEL_CONFIG_H

#include "weights/weights.h"

#include <stdbool.h>

#define CONFIG_MAX_BLOCKS 128
#define CONFIG_MAX_SIDE 64 /* of windows and of the coarse position embedding */

typedef enum config_family {
    FAMILY_SAM2, /* SAM 2 and 2.1: Hiera and a feature pyramid, pictures and video */
    FAMILY_SAM1  /* SAM: a plain ViT of one resolution, pictures alone */
} config_family;

/* One block of Hiera (sam2.modeling.backbones.hieradet.MultiScaleBlock), or of SAM 1's ViT, whose width stays and which
 * pools nothing. */
typedef struct config_block {
    int dim_in, dim_out; /* differ only in the first block of a stage */
    int heads;
    int window;     /* side of the attention window in tokens of the block's input; 0: global */
    bool pool;      /* queries are pooled 2 x 2: the block's output has half the resolution */
    bool stage_end; /* its output is a feature level; in a ViT: what follows is another part of a profile */
} config_block;

typedef struct model_config {
    char name[32]; /* "sam2.1_t", "sam1_b"; "custom" for a configuration of its own */
    config_family family;
    bool release_2_1; /* SAM 2.1: occlusion embedding and projected temporal encoding of pointers */
    int image_size;

    int embed_dim, heads, stages[4], window_spec[4]; /* a ViT has one stage, and its window first */
    int background;                                  /* side of Hiera's coarse position embedding */
    int global_blocks[CONFIG_MAX_BLOCKS], global_count;
    int block_count;
    config_block blocks[CONFIG_MAX_BLOCKS];
    int stage_dims[4];
    bool top_down[4]; /* fpn_top_down_levels */

    int d_model;
    int decoder_heads, decoder_depth, decoder_mlp, iou_hidden;

    int memory_dim, memory_slots, memory_layers, memory_feedforward, memory_kernel, memory_fuser_layers;
} model_config;

/* The configuration of an official model by short or long name: "sam2_t" "sam2.1_b+" "sam2.1_hiera_base_plus" "sam1_b"
 * "vit_b" "sam_vit_b" ...
 * Errors: ARGUMENT. */
sam2_status config_from_name(const char *name, model_config *out, sam2_error *error);

/* The configuration of a checkpoint: from the JSON that travels with it, else recognised by its tensors (trunk width
 * and number of blocks give the size, no_obj_embed_spatial the release; of SAM 1 the tensors show everything, so that
 * sizes of one's own need no JSON). Errors: FORMAT, UNSUPPORTED. */
sam2_status config_from_weights(const weights *w, model_config *out, sam2_error *error);

/* Another input size, checked against the windows. SAM 1 has the one of its position embedding. Errors: ARGUMENT. */
sam2_status config_set_image_size(model_config *config, int image_size, sam2_error *error);

/* The yaml's keys as JSON text that config_from_weights understands, for files that carry a configuration. Writes at
 * most `capacity` bytes with the NUL. */
void config_to_json(const model_config *config, char *out, size_t capacity);

/* Floating-point operations of the encoder's matrix products (multiply-adds times two). With `padding`, as the official
 * code does it: windows that reach beyond the map are whole, padded tokens included. Without, as it is done here: one
 * key stands for all padded tokens of a window (in a ViT: is projected for all of them). */
uint64_t config_encode_work(const model_config *config, bool padding);

/* What precedes the names of the prompt encoder and the mask decoder: "prompt_encoder." ... with SAM 1,
 * "sam_prompt_encoder." ... else. */
static inline const char *config_sam(const model_config *c)
{
    return c->family == FAMILY_SAM1 ? "" : "sam_";
}

/* Layers of MLPs in the blocks and in the mask decoder's transformer: "mlp.layers.0" and 1, "mlp.lin1" and 2. */
static inline const char *config_mlp_layer(const model_config *c, int layer)
{
    static const char *const names[2][2] = {{"layers.0", "layers.1"}, {"lin1", "lin2"}};
    return names[c->family == FAMILY_SAM1][layer];
}

/* All tensors of the model, in the order of the official state dict. The list and its names are one block of memory, to
 * be released with config_layout_free. */
typedef struct model_layout {
    weights_shape *list;
    size_t count;
    sam2_allocator allocator;
    size_t bytes;
} model_layout;
sam2_status config_layout(const model_config *config, const sam2_allocator *a, model_layout *out, sam2_error *error);
void config_layout_free(model_layout *layout);

/* Compares a checkpoint with the layout. The error names every kind of fault: missing, extra and misshapen tensors,
 * with both shapes. A checkpoint for pictures alone may lack all tensors that only video needs, but not some of them.
 */
sam2_status config_check(const model_config *config, const weights *w, const sam2_allocator *a, sam2_error *error);

#endif
