/* Every tensor of a model, by name and shape, in the order of the official state dict. */
#include "base/checked.h"
#include "model/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Runs twice: first counting tensors and bytes of names, then filling. */
typedef struct writer {
    weights_shape *list; /* NULL while counting */
    char *names;
    size_t count, name_bytes;
} writer;

#define S(...) ((const int64_t[]){__VA_ARGS__}), (int)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

__attribute__((format(printf, 4, 5))) static void put(writer *w, const int64_t *shape, int dims, const char *format,
                                                      ...)
{
    char name[192];
    va_list args;
    va_start(args, format);
    size_t bytes = (size_t)vsnprintf(name, sizeof name, format, args) + 1;
    va_end(args);
    if (w->list) {
        weights_shape *s = &w->list[w->count];
        s->name = memcpy(w->names + w->name_bytes, name, bytes);
        s->dims = dims;
        memcpy(s->shape, shape, (size_t)dims * sizeof *shape);
    }
    w->count++;
    w->name_bytes += bytes;
}

/* prefix.weight [n, k] and prefix.bias [n]. */
static void put_linear(writer *w, const char *prefix, int n, int k)
{
    put(w, S(n, k), "%s.weight", prefix);
    put(w, S(n), "%s.bias", prefix);
}

static void put_norm(writer *w, const char *prefix, int n)
{
    put(w, S(n), "%s.weight", prefix);
    put(w, S(n), "%s.bias", prefix);
}

static void put_conv(writer *w, const char *prefix, int out, int in, int kernel)
{
    put(w, S(out, in, kernel, kernel), "%s.weight", prefix);
    put(w, S(out), "%s.bias", prefix);
}

static void put_attention(writer *w, const char *prefix, int dim, int kv_dim, int internal)
{
    static const char *const parts[] = {"q_proj", "k_proj", "v_proj"};
    char name[192];
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s.%s", prefix, parts[i]);
        put_linear(w, name, internal, i ? kv_dim : dim);
    }
    snprintf(name, sizeof name, "%s.out_proj", prefix);
    put_linear(w, name, dim, internal);
}

/* prefix.layers.0 ... of sizes[0] -> sizes[1] -> ... */
static void put_mlp(writer *w, const char *prefix, const int *sizes, int layers)
{
    char name[192];
    for (int i = 0; i < layers; i++) {
        snprintf(name, sizeof name, "%s.layers.%d", prefix, i);
        put_linear(w, name, sizes[i + 1], sizes[i]);
    }
}

static void put_encoder(writer *w, const model_config *c)
{
    char name[128];
    put(w, S(1, c->embed_dim, c->background, c->background), "image_encoder.trunk.pos_embed");
    put(w, S(1, c->embed_dim, c->window_spec[0], c->window_spec[0]), "image_encoder.trunk.pos_embed_window");
    put_conv(w, "image_encoder.trunk.patch_embed.proj", c->embed_dim, 3, 7);
    for (int i = 0; i < c->block_count; i++) {
        const config_block *b = &c->blocks[i];
        char prefix[64];
        snprintf(prefix, sizeof prefix, "image_encoder.trunk.blocks.%d", i);
#define UNDER(part) (snprintf(name, sizeof name, "%s.%s", prefix, part), name)
        put_norm(w, UNDER("norm1"), b->dim_in);
        put_linear(w, UNDER("attn.qkv"), 3 * b->dim_out, b->dim_in);
        put_linear(w, UNDER("attn.proj"), b->dim_out, b->dim_out);
        put_norm(w, UNDER("norm2"), b->dim_out);
        put_mlp(w, UNDER("mlp"), (const int[]){b->dim_out, 4 * b->dim_out, b->dim_out}, 2);
        if (b->dim_in != b->dim_out)
            put_linear(w, UNDER("proj"), b->dim_out, b->dim_in);
    }
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "image_encoder.neck.convs.%d.conv", i);
        put_conv(w, name, c->d_model, c->stage_dims[3 - i], 1);
    }
}

/* SAM 1's image encoder. */
static void put_vit(writer *w, const model_config *c)
{
    char name[128], prefix[64];
    const int d = c->d_model, dim = c->embed_dim, side = c->image_size / 16, head_dim = dim / c->heads;
    put(w, S(1, side, side, dim), "image_encoder.pos_embed");
    put_conv(w, "image_encoder.patch_embed.proj", dim, 3, 16);
    for (int i = 0; i < c->block_count; i++) {
        const int reach = 2 * (c->blocks[i].window ? c->blocks[i].window : side) - 1;
        snprintf(prefix, sizeof prefix, "image_encoder.blocks.%d", i);
        put_norm(w, UNDER("norm1"), dim);
        put(w, S(reach, head_dim), "%s.attn.rel_pos_h", prefix);
        put(w, S(reach, head_dim), "%s.attn.rel_pos_w", prefix);
        put_linear(w, UNDER("attn.qkv"), 3 * dim, dim);
        put_linear(w, UNDER("attn.proj"), dim, dim);
        put_norm(w, UNDER("norm2"), dim);
        put_linear(w, UNDER("mlp.lin1"), 4 * dim, dim);
        put_linear(w, UNDER("mlp.lin2"), dim, 4 * dim);
    }
    put(w, S(d, dim, 1, 1), "image_encoder.neck.0.weight");
    put_norm(w, "image_encoder.neck.1", d);
    put(w, S(d, d, 3, 3), "image_encoder.neck.2.weight");
    put_norm(w, "image_encoder.neck.3", d);
}

static void put_memory(writer *w, const model_config *c)
{
    char name[128], prefix[64];
    int d = c->d_model;
    put(w, S(1, 1, 4, 4), "mask_downsample.weight");
    put(w, S(1), "mask_downsample.bias");
    for (int i = 0; i < c->memory_layers; i++) {
        snprintf(prefix, sizeof prefix, "memory_attention.layers.%d", i);
        put_attention(w, UNDER("self_attn"), d, d, d);
        put_attention(w, UNDER("cross_attn_image"), d, c->memory_dim, d);
        put_linear(w, UNDER("linear1"), c->memory_feedforward, d);
        put_linear(w, UNDER("linear2"), d, c->memory_feedforward);
        put_norm(w, UNDER("norm1"), d);
        put_norm(w, UNDER("norm2"), d);
        put_norm(w, UNDER("norm3"), d);
    }
    put_norm(w, "memory_attention.norm", d);
    for (int i = 0, in = 1; i < 4; i++, in *= 4) { /* 1 -> 4 -> 16 -> 64 -> 256 channels */
        snprintf(name, sizeof name, "memory_encoder.mask_downsampler.encoder.%d", 3 * i);
        put_conv(w, name, 4 * in, in, 3);
        snprintf(name, sizeof name, "memory_encoder.mask_downsampler.encoder.%d", 3 * i + 1);
        put_norm(w, name, 4 * in);
    }
    put_conv(w, "memory_encoder.mask_downsampler.encoder.12", d, 256, 1);
    put_conv(w, "memory_encoder.pix_feat_proj", d, d, 1);
    for (int i = 0; i < c->memory_fuser_layers; i++) {
        snprintf(prefix, sizeof prefix, "memory_encoder.fuser.layers.%d", i);
        put(w, S(d), "%s.gamma", prefix);
        put_conv(w, UNDER("dwconv"), d, 1, c->memory_kernel);
        put_norm(w, UNDER("norm"), d);
        put_linear(w, UNDER("pwconv1"), 4 * d, d);
        put_linear(w, UNDER("pwconv2"), d, 4 * d);
    }
    put_conv(w, "memory_encoder.out_proj", c->memory_dim, d, 1);
}

static void put_prompt_encoder(writer *w, const model_config *c)
{
    char prefix[64], name[128];
    int d = c->d_model;
    snprintf(prefix, sizeof prefix, "%sprompt_encoder", config_sam(c));
    put(w, S(2, d / 2), "%s.pe_layer.positional_encoding_gaussian_matrix", prefix);
    for (int i = 0; i < 4; i++)
        put(w, S(1, d), "%s.point_embeddings.%d.weight", prefix, i);
    put(w, S(1, d), "%s.not_a_point_embed.weight", prefix);
    put_conv(w, UNDER("mask_downscaling.0"), 4, 1, 2);
    put_norm(w, UNDER("mask_downscaling.1"), 4);
    put_conv(w, UNDER("mask_downscaling.3"), 16, 4, 2);
    put_norm(w, UNDER("mask_downscaling.4"), 16);
    put_conv(w, UNDER("mask_downscaling.6"), d, 16, 1);
    put(w, S(1, d), "%s.no_mask_embed.weight", prefix);
}

static void put_mask_decoder(writer *w, const model_config *c)
{
    char name[128], whole[32], prefix[64];
    int d = c->d_model;
    snprintf(whole, sizeof whole, "%smask_decoder", config_sam(c));
    for (int i = 0; i < c->decoder_depth; i++) {
        snprintf(prefix, sizeof prefix, "%s.transformer.layers.%d", whole, i);
        put_attention(w, UNDER("self_attn"), d, d, d);
        put_norm(w, UNDER("norm1"), d);
        put_attention(w, UNDER("cross_attn_token_to_image"), d, d, d / 2);
        put_norm(w, UNDER("norm2"), d);
        for (int layer = 0; layer < 2; layer++) {
            snprintf(name, sizeof name, "%s.mlp.%s", prefix, config_mlp_layer(c, layer));
            put_linear(w, name, layer ? d : c->decoder_mlp, layer ? c->decoder_mlp : d);
        }
        put_norm(w, UNDER("norm3"), d);
        put_norm(w, UNDER("norm4"), d);
        put_attention(w, UNDER("cross_attn_image_to_token"), d, d, d / 2);
    }
    memcpy(prefix, whole, sizeof whole);
    put_attention(w, UNDER("transformer.final_attn_token_to_image"), d, d, d / 2);
    put_norm(w, UNDER("transformer.norm_final_attn"), d);
    put(w, S(1, d), "%s.iou_token.weight", prefix);
    put(w, S(4, d), "%s.mask_tokens.weight", prefix);
    if (c->family != FAMILY_SAM1)
        put(w, S(1, d), "%s.obj_score_token.weight", prefix);
    put(w, S(d, d / 4, 2, 2), "%s.output_upscaling.0.weight", prefix);
    put(w, S(d / 4), "%s.output_upscaling.0.bias", prefix);
    put_norm(w, UNDER("output_upscaling.1"), d / 4);
    put(w, S(d / 4, d / 8, 2, 2), "%s.output_upscaling.3.weight", prefix);
    put(w, S(d / 8), "%s.output_upscaling.3.bias", prefix);
    if (c->family != FAMILY_SAM1) {
        put_conv(w, UNDER("conv_s0"), d / 8, d, 1);
        put_conv(w, UNDER("conv_s1"), d / 4, d, 1);
    }
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%s.output_hypernetworks_mlps.%d", prefix, i);
        put_mlp(w, name, (const int[]){d, d, d, d / 8}, 3);
    }
    put_mlp(w, UNDER("iou_prediction_head"), (const int[]){d, c->iou_hidden, c->iou_hidden, 4}, 3);
    if (c->family != FAMILY_SAM1)
        put_mlp(w, UNDER("pred_obj_score_head"), (const int[]){d, d, d, 1}, 3);
#undef UNDER
}

static void put_model(writer *w, const model_config *c)
{
    int d = c->d_model;
    if (c->family == FAMILY_SAM1) {
        put_vit(w, c);
        put_prompt_encoder(w, c);
        put_mask_decoder(w, c);
        return;
    }
    put(w, S(c->memory_slots, 1, 1, c->memory_dim), "maskmem_tpos_enc");
    put(w, S(1, 1, d), "no_mem_embed");
    put(w, S(1, 1, d), "no_mem_pos_enc");
    put(w, S(1, d), "no_obj_ptr");
    if (c->release_2_1)
        put(w, S(1, c->memory_dim), "no_obj_embed_spatial");
    put_encoder(w, c);
    put_memory(w, c);
    put_prompt_encoder(w, c);
    put_mask_decoder(w, c);
    put_mlp(w, "obj_ptr_proj", (const int[]){d, d, d, d}, 3);
    if (c->release_2_1)
        put_linear(w, "obj_ptr_tpos_proj", c->memory_dim, d);
}

sam2_status config_layout(const model_config *config, const sam2_allocator *a, model_layout *out, sam2_error *error)
{
    writer w = {0};
    put_model(&w, config);
    size_t list_bytes = w.count * sizeof(weights_shape), bytes = list_bytes + w.name_bytes;
    void *block = NULL;
    TRY(alloc_get(a, bytes, "the list of tensors", &block, error));
    memset(block, 0, bytes);
    *out = (model_layout){block, w.count, *a, bytes};
    w = (writer){.list = block, .names = (char *)block + list_bytes};
    put_model(&w, config);
    return SAM2_OK;
}

void config_layout_free(model_layout *layout)
{
    alloc_release(&layout->allocator, layout->list, layout->bytes);
    layout->list = NULL;
}

static void shape_text(const int64_t *shape, int dims, char *out, size_t capacity)
{
    size_t used = (size_t)snprintf(out, capacity, "[");
    for (int i = 0; i < dims && used < capacity; i++)
        used += (size_t)snprintf(out + used, capacity - used, "%s%lld", i ? ", " : "", (long long)shape[i]);
    if (used < capacity)
        snprintf(out + used, capacity - used, "]");
}

/* A list of faults that stays within an error's text: the first few in full, then how many more. */
typedef struct fault_list {
    char text[420];
    size_t used;
    int count;
} fault_list;

__attribute__((format(printf, 2, 3))) static void add_fault(fault_list *f, const char *format, ...)
{
    char one[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(one, sizeof one, format, args);
    va_end(args);
    f->count++;
    if (n > 0 && f->used + (size_t)n + 3 < sizeof f->text && f->used + 1 > 0 && (size_t)n < sizeof one)
        f->used += (size_t)snprintf(f->text + f->used, sizeof f->text - f->used, "%s%s", f->used ? "; " : "", one);
}

/* Tensors that only tracking through video needs. */
static bool video_only(const char *name)
{
    static const char *const starts[] = {"memory_attention.", "memory_encoder.",     "maskmem_tpos_enc",
                                         "mask_downsample.",  "no_mem_pos_enc",      "no_obj_ptr",
                                         "obj_ptr_",          "no_obj_embed_spatial"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (strncmp(name, starts[i], strlen(starts[i])) == 0)
            return true;
    return false;
}

static bool has_video(const weights *w)
{
    for (size_t i = 0; i < weights_count(w); i++)
        if (video_only(weights_at(w, i)->name))
            return true;
    return false;
}

sam2_status config_check(const model_config *config, const weights *w, const sam2_allocator *a, sam2_error *error)
{
    model_layout layout = {0};
    TRY(config_layout(config, a, &layout, error));
    fault_list faults = {0};
    size_t found = 0;
    bool video = has_video(w);
    for (size_t i = 0; i < layout.count; i++) {
        const weights_shape *want = &layout.list[i];
        const weights_tensor *have = weights_find(w, want->name);
        char wanted[80], got[80];
        shape_text(want->shape, want->dims, wanted, sizeof wanted);
        if (!have && !video && video_only(want->name))
            continue;
        if (!have) {
            add_fault(&faults, "%s %s is missing", want->name, wanted);
            continue;
        }
        found++;
        if (have->dims != want->dims ||
            memcmp(have->shape, want->shape, (size_t)want->dims * sizeof *want->shape) != 0) {
            shape_text(have->shape, have->dims, got, sizeof got);
            add_fault(&faults, "%s is %s, not %s", want->name, got, wanted);
        }
    }
    for (size_t i = 0; found < weights_count(w) && i < weights_count(w); i++) {
        const weights_tensor *have = weights_at(w, i);
        bool known = false;
        for (size_t j = 0; j < layout.count && !known; j++)
            known = strcmp(layout.list[j].name, have->name) == 0;
        char got[80];
        shape_text(have->shape, have->dims, got, sizeof got);
        if (!known)
            add_fault(&faults, "%s %s is not part of the model", have->name, got);
    }
    config_layout_free(&layout);
    if (!faults.count)
        return SAM2_OK;
    return error_set(error, SAM2_ERROR_FORMAT, "not a %s checkpoint, %d tensor%s wrong: %s", config->name, faults.count,
                     faults.count == 1 ? " is" : "s are", faults.text);
}
