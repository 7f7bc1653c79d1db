/* The configuration of SAM 1. Its tensors show all of it: the position embedding the size of the picture, the tables of
 * relative positions each block's window and the width of a head. */
#include "model/config_internal.h"

#include <stdio.h>
#include <string.h>

#define PATCH 16

/* The official sizes (segment_anything/build_sam.py). */
typedef struct official {
    const char *size, *other_names[3];
    int embed_dim, heads, depth, global_blocks[4];
} official;

static const official officials[] = {
    {"b", {"vit_b", "sam_vit_b", "sam_b"}, 768, 12, 12, {2, 5, 8, 11}},
    {"l", {"vit_l", "sam_vit_l", "sam_l"}, 1024, 16, 24, {5, 11, 17, 23}},
    {"h", {"vit_h", "sam_vit_h", "sam_h"}, 1280, 16, 32, {7, 15, 23, 31}},
};
#define OFFICIALS (sizeof officials / sizeof *officials)

static void resolve_blocks(model_config *c)
{
    for (int i = 0; i < c->block_count; i++) {
        config_block *b = &c->blocks[i];
        *b = (config_block){
            .dim_in = c->embed_dim, .dim_out = c->embed_dim, .heads = c->heads, .window = c->window_spec[0]};
        for (int g = 0; g < c->global_count; g++)
            if (c->global_blocks[g] == i) {
                b->window = 0;
                b->stage_end = true;
            }
    }
}

void config_vit_defaults(model_config *c)
{
    memset(c, 0, sizeof *c);
    config_set_common(c);
    strcpy(c->name, "custom");
    c->family = FAMILY_SAM1;
    memset(c->top_down, 0, sizeof c->top_down);
    c->memory_dim = c->memory_slots = c->memory_layers = c->memory_feedforward = c->memory_kernel =
        c->memory_fuser_layers = 0;
    c->window_spec[0] = 14;
}

static void set_official(model_config *c, const official *o)
{
    config_vit_defaults(c);
    snprintf(c->name, sizeof c->name, "sam1_%s", o->size);
    c->embed_dim = o->embed_dim;
    c->heads = o->heads;
    c->stages[0] = c->block_count = o->depth;
    memcpy(c->global_blocks, o->global_blocks, sizeof o->global_blocks);
    c->global_count = 4;
    resolve_blocks(c);
}

bool config_vit_from_name(const char *name, model_config *out)
{
    for (size_t i = 0; i < OFFICIALS; i++) {
        char own[16];
        snprintf(own, sizeof own, "sam1_%s", officials[i].size);
        bool same = strcmp(name, own) == 0;
        for (int n = 0; n < 3; n++)
            same |= strcmp(name, officials[i].other_names[n]) == 0;
        if (same) {
            set_official(out, &officials[i]);
            return true;
        }
    }
    return false;
}

/* Checks what the code relies on, so that no later computation can overflow or divide by zero. */
static sam2_status validate(const model_config *c, sam2_error *error)
{
#define NEED(condition, ...)                                                                                           \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            return error_set(error, SAM2_ERROR_UNSUPPORTED, "sam2.config: SAM 1: " __VA_ARGS__);                       \
    } while (0)
    NEED(c->image_size >= 64 && c->image_size <= 4096 && c->image_size % PATCH == 0,
         "img_size is %d; multiples of 16 from 64 to 4096 can be used", c->image_size);
    NEED(c->embed_dim >= 1 && c->embed_dim <= 4096, "embed_dim is %d; 1 to 4096 can be used", c->embed_dim);
    NEED(c->heads >= 1 && c->embed_dim % c->heads == 0, "num_heads %d does not divide embed_dim %d", c->heads,
         c->embed_dim);
    NEED(c->stages[0] >= 1 && c->stages[0] <= CONFIG_MAX_BLOCKS, "depth is %d; 1 to %d can be used", c->stages[0],
         CONFIG_MAX_BLOCKS);
    NEED(c->window_spec[0] >= 1 && c->window_spec[0] <= CONFIG_MAX_SIDE, "window_size is %d; 1 to 64 can be used",
         c->window_spec[0]);
    NEED(c->d_model >= 32 && c->d_model <= 1024 && c->d_model % 32 == 0,
         "out_chans is %d; multiples of 32 up to 1024 can be used", c->d_model);
    NEED(c->decoder_mlp >= 1 && c->decoder_mlp <= 1 << 16, "mlp_dim is %d", c->decoder_mlp);
    NEED(c->iou_hidden >= 1 && c->iou_hidden <= 1 << 16, "iou_head_hidden_dim is %d", c->iou_hidden);
#undef NEED
    return SAM2_OK;
}

sam2_status config_vit_resolve(model_config *c, sam2_error *error)
{
    TRY(validate(c, error));
    c->block_count = c->stages[0];
    resolve_blocks(c);
    for (size_t i = 0; i < OFFICIALS; i++) {
        model_config o;
        set_official(&o, &officials[i]);
        if (o.image_size == c->image_size && o.embed_dim == c->embed_dim && o.heads == c->heads &&
            o.block_count == c->block_count && memcmp(o.blocks, c->blocks, sizeof o.blocks) == 0 &&
            o.d_model == c->d_model)
            memcpy(c->name, o.name, sizeof c->name);
    }
    return SAM2_OK;
}

/* Size `axis` of a tensor of so many dimensions; 0 where there is none like it. */
static int size_of(const weights *w, const char *name, int dims, int axis)
{
    const weights_tensor *t = weights_find(w, name);
    return t && t->dims == dims && t->shape[axis] > 0 && t->shape[axis] < 1 << 20 ? (int)t->shape[axis] : 0;
}

/* A model of other sizes than the official ones. What the tensors do not show stays 0 and is refused, or does not fit
 * them (config_check). */
static void read_tensors(const weights *w, model_config *c)
{
    char name[80];
    const int side = c->image_size / PATCH;
    const int head_dim = size_of(w, "image_encoder.blocks.0.attn.rel_pos_h", 2, 1);
    c->heads = head_dim && c->embed_dim % head_dim == 0 ? c->embed_dim / head_dim : 0;
    c->d_model = size_of(w, "image_encoder.neck.0.weight", 4, 0);
    c->decoder_mlp = size_of(w, "mask_decoder.transformer.layers.0.mlp.lin1.weight", 2, 0);
    c->iou_hidden = size_of(w, "mask_decoder.iou_prediction_head.layers.0.weight", 2, 0);
    for (int i = 0; i < c->stages[0]; i++) {
        snprintf(name, sizeof name, "image_encoder.blocks.%d.attn.rel_pos_h", i);
        const int reach = (size_of(w, name, 2, 0) + 1) / 2;
        if (reach == side)
            c->global_blocks[c->global_count++] = i;
        else
            c->window_spec[0] = reach;
    }
}

sam2_status config_vit_from_weights(const weights *w, const weights_tensor *patch, model_config *out, sam2_error *error)
{
    char name[80];
    const int width = patch->dims == 4 && patch->shape[0] < 1 << 20 ? (int)patch->shape[0] : 0,
              side = size_of(w, "image_encoder.pos_embed", 4, 1);
    int depth = 0;
    for (; depth < CONFIG_MAX_BLOCKS; depth++) {
        snprintf(name, sizeof name, "image_encoder.blocks.%d.norm1.weight", depth);
        if (!weights_find(w, name))
            break;
    }
    for (size_t i = 0; i < OFFICIALS; i++)
        if (officials[i].embed_dim == width && officials[i].depth == depth) {
            set_official(out, &officials[i]);
            if (side && side <= 256 && side * PATCH != out->image_size) { /* retrained for another size */
                out->image_size = side * PATCH;
                strcpy(out->name, "custom");
            }
            return validate(out, error);
        }
    config_vit_defaults(out);
    out->image_size = side <= 256 ? side * PATCH : 0;
    out->embed_dim = width;
    out->stages[0] = depth;
    read_tensors(w, out);
    return config_vit_resolve(out, error);
}
