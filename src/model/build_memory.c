/* The parts of a model that only video needs, by the names of their tensors. */
#include "model/builder.h"

#include <math.h>
#include <stdio.h>

#define UNDER(...) (snprintf(name, sizeof name, __VA_ARGS__), name)

/* PositionEmbeddingSine of one coordinate, normalised: out [side][channels], sines and cosines in turn. */
static const float *sine_positions(builder *b, size_t side, size_t channels)
{
    const float two_pi = 6.28318530717958647692f;
    float *out = arena_floats(&b->arena, side * channels);
    for (size_t i = 0; i < side * channels && !builder_dry(b); i++) {
        size_t c = i % channels;
        float place = (float)(i / channels + 1) / ((float)side + 1e-6f) * two_pi;
        float angle = place / powf(10000.0f, (float)(2 * (c / 2)) / (float)channels);
        out[i] = c % 2 ? cosf(angle) : sinf(angle);
    }
    return out;
}

/* Axial rotary positions (position_encoding.compute_axial_cis) of one coordinate: [side][channels] for rotate_f32. The
 * official code has one frequency for each pair of channels of a half. */
static void load_rotation(builder *b, size_t side, size_t channels)
{
    float *cosine = arena_floats(&b->arena, side * channels), *sine = arena_floats(&b->arena, side * channels);
    for (size_t i = 0; i < side * channels && !builder_dry(b); i++) {
        size_t c = i % channels;
        float frequency = 1.0f / powf(10000.0f, (float)(4 * (c / 2)) / (float)(2 * channels));
        float angle = (float)(i / channels) * frequency;
        cosine[i] = cosf(angle);
        sine[i] = c % 2 ? sinf(angle) : -sinf(angle);
    }
    b->m->memory.cosine = cosine;
    b->m->memory.sine = sine;
}

static void load_attention(builder *b)
{
    memory_weights *w = &b->m->memory;
    const model_config *c = &b->m->config;
    const size_t dim = (size_t)c->d_model, memory = (size_t)c->memory_dim, hidden = (size_t)c->memory_feedforward,
                 side = model_side(b->m, 16);
    char prefix[64], name[128];
    w->layers = arena_take(&b->arena, (size_t)c->memory_layers, sizeof *w->layers);
    for (int i = 0; i < c->memory_layers; i++) {
        snprintf(prefix, sizeof prefix, "memory_attention.layers.%d", i);
        memory_layer l;
        l.self = builder_attention(b, UNDER("%s.self_attn", prefix), dim, dim, dim);
        l.cross = builder_attention(b, UNDER("%s.cross_attn_image", prefix), dim, memory, dim);
        l.self.q.many = l.self.v.many = l.self.out.many = true;
        l.cross.q.many = l.cross.v.many = l.cross.out.many = true;
        l.norm1 = builder_norm(b, UNDER("%s.norm1", prefix), 1e-5f);
        l.norm2 = builder_norm(b, UNDER("%s.norm2", prefix), 1e-5f);
        l.norm3 = builder_norm(b, UNDER("%s.norm3", prefix), 1e-5f);
        l.fc1 = builder_map_linear(b, UNDER("%s.linear1", prefix), hidden, dim);
        l.fc2 = builder_map_linear(b, UNDER("%s.linear2", prefix), dim, hidden);
        if (!builder_dry(b))
            w->layers[i] = l;
    }
    w->norm = builder_norm(b, "memory_attention.norm", 1e-5f);
    w->position = sine_positions(b, side, dim / 2);
    w->memory_position = sine_positions(b, side, memory / 2);
    load_rotation(b, side, dim / 2);
}

static void load_encoder(builder *b)
{
    memory_weights *w = &b->m->memory;
    const model_config *c = &b->m->config;
    const size_t dim = (size_t)c->d_model, kernel = (size_t)c->memory_kernel;
    char prefix[64], constant[160], name[128];
    size_t in = 1;
    for (int i = 0; i < MODEL_MASK_STAGES; i++, in *= 4) {
        snprintf(prefix, sizeof prefix, "memory_encoder.mask_downsampler.encoder.%d", 3 * i);
        snprintf(constant, sizeof constant, "%s.patches", prefix);
        w->mask_stage[i] = builder_matrix(b, prefix, constant, 4 * in, 9 * in, builder_conv3_at);
        w->mask_stage[i].bias = builder_plain(b, prefix, "bias");
        w->mask_norm[i] = builder_norm(b, UNDER("memory_encoder.mask_downsampler.encoder.%d", 3 * i + 1), 1e-6f);
    }
    w->mask_projection = builder_map_linear(b, "memory_encoder.mask_downsampler.encoder.12", dim, in);
    w->pixel_projection = builder_map_linear(b, "memory_encoder.pix_feat_proj", dim, dim);
    w->fuser = arena_take(&b->arena, (size_t)c->memory_fuser_layers, sizeof *w->fuser);
    for (int i = 0; i < c->memory_fuser_layers; i++) {
        snprintf(prefix, sizeof prefix, "memory_encoder.fuser.layers.%d", i);
        fuser_layer l;
        l.depthwise = builder_channels_last(b, UNDER("%s.dwconv.weight", prefix), kernel, dim);
        l.depthwise_bias = builder_plain(b, UNDER("%s.dwconv", prefix), "bias");
        l.norm = builder_norm(b, UNDER("%s.norm", prefix), 1e-6f);
        l.expand = builder_map_linear(b, UNDER("%s.pwconv1", prefix), 4 * dim, dim);
        l.shrink = builder_map_linear(b, UNDER("%s.pwconv2", prefix), dim, 4 * dim);
        l.gamma = builder_plain(b, UNDER("%s.gamma", prefix), NULL);
        if (!builder_dry(b))
            w->fuser[i] = l;
    }
    w->output_projection = builder_map_linear(b, "memory_encoder.out_proj", (size_t)c->memory_dim, dim);
}

void builder_memory(builder *b)
{
    memory_weights *w = &b->m->memory;
    const model_config *c = &b->m->config;
    const size_t dim = (size_t)c->d_model;
    w->there = builder_tensor(b, "maskmem_tpos_enc", NULL) != NULL; /* all or none are: config_check */
    if (!w->there)
        return;
    load_attention(b);
    load_encoder(b);
    w->slot_position = builder_plain(b, "maskmem_tpos_enc", NULL);
    w->no_pointer = builder_plain(b, "no_obj_ptr", NULL);
    w->mask_kernel = builder_plain(b, "mask_downsample", "weight");
    w->mask_kernel_bias = builder_plain(b, "mask_downsample", "bias");
    w->pointer = builder_mlp3(b, "obj_ptr_proj", dim, dim, dim);
    if (!c->release_2_1)
        return;
    w->absent = builder_plain(b, "no_obj_embed_spatial", NULL);
    w->pointer_position = builder_linear(b, "obj_ptr_tpos_proj", (size_t)c->memory_dim, dim);
}
