#include "model/config_internal.h"

#include <stdio.h>
#include <string.h>

/* The official sizes (sam2/configs): what the tensors do not show is read off this table. */
typedef struct official {
    const char *size, *long_name;
    int embed_dim, heads, stages[4], window_spec[4], background, global_blocks[3];
} official;

static const official officials[] = {
    {"t", "tiny", 96, 1, {1, 2, 7, 2}, {8, 4, 14, 7}, 7, {5, 7, 9}},
    {"s", "small", 96, 1, {1, 2, 11, 2}, {8, 4, 14, 7}, 7, {7, 10, 13}},
    {"b+", "base_plus", 112, 2, {2, 3, 16, 3}, {8, 4, 14, 7}, 14, {12, 16, 20}},
    {"l", "large", 144, 2, {2, 6, 36, 4}, {8, 4, 16, 8}, 7, {23, 33, 43}},
};
#define OFFICIALS (sizeof officials / sizeof *officials)

static int blocks_of(const official *o)
{
    return o->stages[0] + o->stages[1] + o->stages[2] + o->stages[3];
}

/* What all official models share (behaviour: global constants). */
void config_set_common(model_config *c)
{
    c->image_size = 1024;
    c->top_down[2] = c->top_down[3] = true;
    c->d_model = 256;
    c->decoder_heads = 8;
    c->decoder_depth = 2;
    c->decoder_mlp = 2048;
    c->iou_hidden = 256;
    c->memory_dim = 64;
    c->memory_slots = 7;
    c->memory_layers = 4;
    c->memory_feedforward = 2048;
    c->memory_kernel = 7;
    c->memory_fuser_layers = 2;
}

/* Per-block numbers from stages, windows and global blocks (hieradet.Hiera.__init__). The first block of a stage still
 * has the window of the stage before, since it works on that resolution. */
static void resolve_blocks(model_config *c)
{
    int dim = c->embed_dim, heads = c->heads, block = 0;
    for (int stage = 0; stage < 4; stage++) {
        for (int i = 0; i < c->stages[stage]; i++, block++) {
            config_block *b = &c->blocks[block];
            bool first = i == 0 && stage > 0;
            b->dim_in = dim;
            if (first) {
                dim *= 2;
                heads *= 2;
            }
            b->dim_out = dim;
            b->heads = heads;
            b->pool = first;
            b->window = c->window_spec[first ? stage - 1 : stage];
            b->stage_end = i == c->stages[stage] - 1;
            for (int g = 0; g < c->global_count; g++)
                if (c->global_blocks[g] == block)
                    b->window = 0;
        }
        c->stage_dims[stage] = dim;
    }
    c->block_count = block;
}

static void set_official(model_config *c, const official *o, bool release_2_1)
{
    memset(c, 0, sizeof *c);
    config_set_common(c);
    snprintf(c->name, sizeof c->name, "%s_%s", release_2_1 ? "sam2.1" : "sam2", o->size);
    c->release_2_1 = release_2_1;
    c->embed_dim = o->embed_dim;
    c->heads = o->heads;
    c->background = o->background;
    memcpy(c->stages, o->stages, sizeof c->stages);
    memcpy(c->window_spec, o->window_spec, sizeof c->window_spec);
    memcpy(c->global_blocks, o->global_blocks, sizeof o->global_blocks);
    c->global_count = 3;
    resolve_blocks(c);
}

sam2_status config_from_name(const char *name, model_config *out, sam2_error *error)
{
    if (config_vit_from_name(name, out))
        return SAM2_OK;
    const char *rest = NULL;
    bool release_2_1 = false;
    if (strncmp(name, "sam2.1_", 7) == 0) {
        rest = name + 7;
        release_2_1 = true;
    } else if (strncmp(name, "sam2_", 5) == 0)
        rest = name + 5;
    if (rest && strncmp(rest, "hiera_", 6) == 0)
        rest += 6;
    for (size_t i = 0; rest && i < OFFICIALS; i++)
        if (strcmp(rest, officials[i].size) == 0 || strcmp(rest, officials[i].long_name) == 0) {
            set_official(out, &officials[i], release_2_1);
            return SAM2_OK;
        }
    return error_set(error, SAM2_ERROR_ARGUMENT,
                     "no model is called '%s'; the names are sam2_t sam2_s sam2_b+ sam2_l sam2.1_t sam2.1_s sam2.1_b+ "
                     "sam2.1_l sam1_b "
                     "sam1_l sam1_h",
                     name);
}

/* Number of trunk blocks by their first tensor's name. */
static int count_blocks(const weights *w)
{
    char name[80];
    for (int i = 0; i < CONFIG_MAX_BLOCKS; i++) {
        snprintf(name, sizeof name, "image_encoder.trunk.blocks.%d.norm1.weight", i);
        if (!weights_find(w, name))
            return i;
    }
    return CONFIG_MAX_BLOCKS;
}

sam2_status config_from_weights(const weights *w, model_config *out, sam2_error *error)
{
    if (weights_config(w))
        return config_from_json(weights_config(w), w, out, error);
    const weights_tensor *patch = weights_find(w, "image_encoder.trunk.patch_embed.proj.weight");
    if (!patch) {
        const weights_tensor *vit = weights_find(w, "image_encoder.patch_embed.proj.weight");
        if (vit)
            return config_vit_from_weights(w, vit, out, error);
        return error_set(error, SAM2_ERROR_FORMAT,
                         "no SAM checkpoint: there is no tensor image_encoder.trunk.patch_embed.proj.weight (SAM 2) or "
                         "image_encoder.patch_embed.proj.weight (SAM 1) among its %zu",
                         weights_count(w));
    }
    int width = patch->dims == 4 && patch->shape[0] < 1 << 20 ? (int)patch->shape[0] : 0, blocks = count_blocks(w);
    for (size_t i = 0; i < OFFICIALS; i++)
        if (officials[i].embed_dim == width && blocks_of(&officials[i]) == blocks) {
            set_official(out, &officials[i], weights_find(w, "no_obj_embed_spatial") != NULL);
            return SAM2_OK;
        }
    return error_set(error, SAM2_ERROR_UNSUPPORTED,
                     "a trunk of width %d with %d blocks is none of the official models (96/12, 96/16, 112/24, "
                     "144/48), and the file carries no "
                     "configuration (sam2.config) to read its heads and windows from",
                     width, blocks);
}

/* Checks what the code relies on, so that no later computation can overflow or divide by zero. */
static sam2_status validate(const model_config *c, sam2_error *error)
{
#define NEED(condition, ...)                                                                                           \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            return error_set(error, SAM2_ERROR_UNSUPPORTED, "sam2.config: " __VA_ARGS__);                              \
    } while (0)
    NEED(c->embed_dim >= 1 && c->embed_dim <= 1024, "embed_dim is %d; 1 to 1024 can be used", c->embed_dim);
    NEED(c->heads >= 1 && c->embed_dim % c->heads == 0, "num_heads %d does not divide embed_dim %d", c->heads,
         c->embed_dim);
    NEED(c->background >= 1 && c->background <= CONFIG_MAX_SIDE,
         "window_pos_embed_bkg_spatial_size is %d; 1 to 64 can be used", c->background);
    for (int i = 0; i < 4; i++) {
        NEED(c->window_spec[i] >= 1 && c->window_spec[i] <= CONFIG_MAX_SIDE, "window_spec has %d; 1 to 64 can be used",
             c->window_spec[i]);
        NEED(i == 3 || c->window_spec[i] % 2 == 0,
             "window_spec has %d; a window whose queries are pooled needs to be even", c->window_spec[i]);
    }
    for (int i = 0; i < c->block_count; i++)
        NEED(c->blocks[i].window || !c->blocks[i].pool, "block %d is global and pools its queries; that cannot be used",
             i);
    NEED(c->d_model >= 32 && c->d_model <= 1024 && c->d_model % 32 == 0,
         "d_model is %d; multiples of 32 up to 1024 can be used", c->d_model);
    NEED(c->memory_dim >= 4 && c->memory_dim % 4 == 0 && c->d_model % c->memory_dim == 0,
         "memory dimension %d does not divide d_model %d", c->memory_dim, c->d_model);
    NEED(c->memory_slots >= 1 && c->memory_slots <= 64, "num_maskmem is %d; 1 to 64 can be used", c->memory_slots);
    NEED(c->memory_layers >= 1 && c->memory_layers <= 32, "memory_attention.num_layers is %d; 1 to 32 can be used",
         c->memory_layers);
    NEED(c->memory_feedforward >= 1 && c->memory_feedforward <= 1 << 16, "dim_feedforward is %d",
         c->memory_feedforward);
    NEED(c->memory_kernel >= 1 && c->memory_kernel <= 31 && c->memory_kernel % 2 == 1, "fuser kernel_size is %d",
         c->memory_kernel);
    NEED(c->memory_fuser_layers >= 1 && c->memory_fuser_layers <= 32, "fuser num_layers is %d", c->memory_fuser_layers);
#undef NEED
    return SAM2_OK;
}

sam2_status config_resolve(model_config *c, sam2_error *error)
{
    int total = 0;
    for (int i = 0; i < 4; i++) {
        if (c->stages[i] < 1 || c->stages[i] > CONFIG_MAX_BLOCKS)
            return error_set(error, SAM2_ERROR_UNSUPPORTED, "sam2.config: stages has %d; 1 to %d can be used",
                             c->stages[i], CONFIG_MAX_BLOCKS);
        total += c->stages[i];
    }
    if (total > CONFIG_MAX_BLOCKS)
        return error_set(error, SAM2_ERROR_UNSUPPORTED, "sam2.config: %d blocks; %d can be used", total,
                         CONFIG_MAX_BLOCKS);
    /* Bounded before resolve_blocks doubles them three times. */
    if (c->embed_dim < 1 || c->embed_dim > 1024 || c->heads < 1 || c->heads > 1024)
        return error_set(error, SAM2_ERROR_UNSUPPORTED, "sam2.config: embed_dim %d with num_heads %d cannot be used",
                         c->embed_dim, c->heads);
    resolve_blocks(c);
    TRY(validate(c, error));
    sam2_status status = config_set_image_size(c, c->image_size, error);
    return status == SAM2_OK ? status : error_prefix(error, SAM2_ERROR_UNSUPPORTED, "sam2.config");
}

void config_set_defaults(model_config *c)
{
    memset(c, 0, sizeof *c);
    config_set_common(c);
    strcpy(c->name, "custom");
    /* The class defaults of hieradet.Hiera, which a yaml may leave alone. */
    c->embed_dim = 96;
    c->heads = 1;
    memcpy(c->stages, officials[2].stages, sizeof c->stages);
    memcpy(c->window_spec, officials[2].window_spec, sizeof c->window_spec);
    memcpy(c->global_blocks, officials[2].global_blocks, sizeof officials[2].global_blocks);
    c->global_count = 3;
    c->background = 14;
}

/* An official model is known by its numbers even when it comes with a configuration. */
void config_name(model_config *c)
{
    for (size_t i = 0; i < 2 * OFFICIALS; i++) {
        model_config o;
        set_official(&o, &officials[i / 2], i % 2);
        o.image_size = c->image_size;
        if (o.release_2_1 == c->release_2_1 && o.embed_dim == c->embed_dim && o.heads == c->heads &&
            o.background == c->background && memcmp(o.stages, c->stages, sizeof o.stages) == 0 &&
            memcmp(o.window_spec, c->window_spec, sizeof o.window_spec) == 0 && o.global_count == c->global_count &&
            memcmp(o.global_blocks, c->global_blocks, sizeof o.global_blocks) == 0 && o.d_model == c->d_model)
            memcpy(c->name, o.name, sizeof c->name);
    }
}

sam2_status config_set_image_size(model_config *c, int image_size, sam2_error *error)
{
    if (c->family == FAMILY_SAM1 && image_size != c->image_size)
        return error_set(error, SAM2_ERROR_ARGUMENT,
                         "image size %d: a SAM 1 model has the size of its position embedding, %d", image_size,
                         c->image_size);
    if (c->family == FAMILY_SAM1)
        return SAM2_OK;
    if (image_size < 64 || image_size > 4096 || image_size % 32)
        return error_set(error, SAM2_ERROR_ARGUMENT, "image size %d: multiples of 32 from 64 to 4096 can be used",
                         image_size);
    if (image_size / 4 % c->window_spec[0])
        return error_set(error, SAM2_ERROR_ARGUMENT,
                         "image size %d: a quarter of it must be a multiple of the first window, %d", image_size,
                         c->window_spec[0]);
    c->image_size = image_size;
    return SAM2_OK;
}
