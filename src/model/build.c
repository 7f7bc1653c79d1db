/* From a checkpoint's tensors to packed weights. The same code runs twice: first dry, to learn how much memory the
 * weights take, then for real. */
#include "base/checked.h"
#include "model/model.h"
#include "model/precision.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct builder {
    const weights *w;
    model *m;
    arena arena;
    float *rows; /* [threads][row_floats]: unpacked rows of one panel */
    size_t row_floats;
} builder;

static bool dry(const builder *b)
{
    return b->arena.base == NULL;
}

/* The tensor prefix.suffix; it is there, for config_check has passed. */
static const weights_tensor *tensor(const builder *b, const char *prefix, const char *suffix)
{
    char name[160];
    snprintf(name, sizeof name, suffix ? "%s.%s" : "%s", prefix, suffix);
    return weights_find(b->w, name);
}

/* A tensor as float32 as it is. */
static const float *plain(builder *b, const char *prefix, const char *suffix)
{
    const weights_tensor *t = tensor(b, prefix, suffix);
    float *out = arena_floats(&b->arena, t->count);
    if (!dry(b))
        weights_read(t, 0, t->count, out);
    return out;
}

/* Where element [n][k] of a linear layer's matrix is in its tensor: for most, at n * k_count + k. */
typedef size_t element_at(const linear *l, size_t n, size_t k);

typedef struct pack_job {
    const builder *b;
    const weights_tensor *t;
    const linear *l;
    element_at *at; /* NULL: in order */
    float *out;
    uint16_t *out_bf16; /* one of the two */
} pack_job;

static void pack_panel(void *context, size_t panel, int worker)
{
    const pack_job *j = context;
    const kernels *k = &j->b->m->kernels;
    const linear *l = j->l;
    size_t nr = j->out ? k->gemm_f32_nr : GEMM_BF16_NR, first = panel * nr;
    size_t n = l->n - first < nr ? l->n - first : nr;
    float *rows = j->b->rows + (size_t)worker * j->b->row_floats;
    if (!j->at)
        weights_read(j->t, first * l->k, n * l->k, rows);
    else
        for (size_t i = 0; i < n; i++)
            for (size_t p = 0; p < l->k; p++)
                weights_read(j->t, j->at(l, first + i, p), 1, &rows[i * l->k + p]);
    if (j->out)
        k->pack_nk_f32(n, l->k, rows, l->k, j->out + first * l->k);
    else {
        uint16_t *narrow = (uint16_t *)(rows + nr * l->k);
        k->f32_to_bf16(n * l->k, rows, narrow);
        k->pack_nk_bf16(n, l->k, narrow, l->k, j->out_bf16 + gemm_bf16_packed(first, l->k));
    }
}

/* A product's weights from prefix.weight, in the order `at`, without its bias. */
static linear matrix(builder *b, const char *prefix, size_t n, size_t k, element_at *at)
{
    linear l = {.n = n, .k = k};
    const bool narrow = precision_of(prefix, b->m->precision) == SAM2_PRECISION_BF16;
    size_t nr = narrow ? GEMM_BF16_NR : b->m->kernels.gemm_f32_nr, row_floats = narrow ? nr * k * 3 / 2 : nr * k;
    float *wide = narrow ? NULL : arena_floats(&b->arena, ops_packed_floats(&b->m->kernels, n, k));
    uint16_t *packed = narrow ? arena_take(&b->arena, gemm_bf16_packed(n, k), sizeof *packed) : NULL;
    if (row_floats > b->row_floats)
        b->row_floats = row_floats; /* known after the dry run */
    if (!dry(b))
        pool_run(b->m->pool, pack_panel, &(pack_job){b, tensor(b, prefix, "weight"), &l, at, wide, packed},
                 (n + nr - 1) / nr);
    l.packed = wide;
    l.packed_bf16 = packed;
    return l;
}

static linear load_linear(builder *b, const char *prefix, size_t n, size_t k)
{
    linear l = matrix(b, prefix, n, k, NULL);
    l.bias = plain(b, prefix, "bias");
    return l;
}

static norm load_norm(builder *b, const char *prefix, float eps)
{
    return (norm){plain(b, prefix, "weight"), plain(b, prefix, "bias"), eps};
}

static attention_weights load_attention(builder *b, const char *prefix, size_t dim, size_t inner)
{
    char name[128];
#define UNDER(...) (snprintf(name, sizeof name, __VA_ARGS__), name)
    attention_weights a = {0};
    a.q = load_linear(b, UNDER("%s.q_proj", prefix), inner, dim);
    a.k = load_linear(b, UNDER("%s.k_proj", prefix), inner, dim);
    a.v = load_linear(b, UNDER("%s.v_proj", prefix), inner, dim);
    a.out = load_linear(b, UNDER("%s.out_proj", prefix), dim, inner);
    return a;
}

/* prefix.weight [n, k] packed by rows of outputs, as attention_weights.image_side. */
static const float *load_by_rows(builder *b, const char *prefix, size_t n, size_t k)
{
    float *out = arena_floats(&b->arena, ops_packed_floats(&b->m->kernels, k, n));
    if (n * k > b->row_floats)
        b->row_floats = n * k;
    if (!dry(b)) {
        weights_read(tensor(b, prefix, "weight"), 0, n * k, b->rows);
        b->m->kernels.pack_kn_f32(n, k, b->rows, k, out);
    }
    return out;
}

static mlp3 load_mlp3(builder *b, const char *prefix, size_t in, size_t hidden, size_t out)
{
    char name[128];
    mlp3 m;
    m.layer[0] = load_linear(b, UNDER("%s.layers.0", prefix), hidden, in);
    m.layer[1] = load_linear(b, UNDER("%s.layers.1", prefix), hidden, hidden);
    m.layer[2] = load_linear(b, UNDER("%s.layers.2", prefix), out, hidden);
    return m;
}

/* conv2d [n, 3, 7, 7] as rows of pixels: k = (ky * 7 + kx) * 3 + channel. */
static size_t patch_at(const linear *l, size_t n, size_t k)
{
    return n * l->k + k % 3 * 49 + k / 3;
}

/* conv_transpose2d [k, channels, 2, 2], output row 0 or 1 of its two: n = column * channels + channel. */
static size_t up_at(const linear *l, size_t n, size_t k, size_t row)
{
    size_t channels = l->n / 2;
    return ((k * channels + n % channels) * 2 + row) * 2 + n / channels;
}
static size_t up_at_0(const linear *l, size_t n, size_t k)
{
    return up_at(l, n, k, 0);
}
static size_t up_at_1(const linear *l, size_t n, size_t k)
{
    return up_at(l, n, k, 1);
}

static void load_up(builder *b, const char *prefix, size_t channels, size_t in, linear up[2])
{
    up[0] = matrix(b, prefix, 2 * channels, in, up_at_0);
    up[1] = matrix(b, prefix, 2 * channels, in, up_at_1);
    float *bias = arena_floats(&b->arena, 2 * channels); /* once for each column */
    if (!dry(b)) {
        weights_read(tensor(b, prefix, "bias"), 0, channels, bias);
        weights_read(tensor(b, prefix, "bias"), 0, channels, bias + channels);
    }
    up[0].bias = up[1].bias = bias;
}

/* A map [1, channels, side, side] as [side, side, channels]. */
static const float *channels_last(builder *b, const char *name, size_t side, size_t channels)
{
    float *out = arena_floats(&b->arena, side * side * channels);
    if (!dry(b))
        for (size_t c = 0; c < channels; c++)
            for (size_t p = 0; p < side * side; p++)
                weights_read(tensor(b, name, NULL), c * side * side + p, 1, &out[p * channels + c]);
    return out;
}

static void load_block(builder *b, int index)
{
    const config_block *c = &b->m->config.blocks[index];
    size_t in = (size_t)c->dim_in, out = (size_t)c->dim_out;
    char prefix[64], name[128];
    snprintf(prefix, sizeof prefix, "image_encoder.trunk.blocks.%d", index);
    hiera_block block = {0};
    block.norm1 = load_norm(b, UNDER("%s.norm1", prefix), 1e-6f);
    block.qkv = load_linear(b, UNDER("%s.attn.qkv", prefix), 3 * out, in);
    block.proj = load_linear(b, UNDER("%s.attn.proj", prefix), out, out);
    block.norm2 = load_norm(b, UNDER("%s.norm2", prefix), 1e-6f);
    block.fc1 = load_linear(b, UNDER("%s.mlp.layers.0", prefix), 4 * out, out);
    block.fc2 = load_linear(b, UNDER("%s.mlp.layers.1", prefix), out, 4 * out);
    if (in != out)
        block.shortcut = load_linear(b, UNDER("%s.proj", prefix), out, in);
    if (!dry(b))
        b->m->blocks[index] = block;
}

static void load_image_encoder(builder *b)
{
    model *m = b->m;
    const model_config *c = &m->config;
    size_t dim = (size_t)c->d_model;
    char name[128];
    m->patch = matrix(b, "image_encoder.trunk.patch_embed.proj", (size_t)c->embed_dim, 7 * 7 * 3, patch_at);
    m->patch.bias = plain(b, "image_encoder.trunk.patch_embed.proj", "bias");
    m->pos_background = channels_last(b, "image_encoder.trunk.pos_embed", (size_t)c->background, (size_t)c->embed_dim);
    m->pos_window =
        channels_last(b, "image_encoder.trunk.pos_embed_window", (size_t)c->window_spec[0], (size_t)c->embed_dim);
    m->blocks = arena_take(&b->arena, (size_t)c->block_count, sizeof *m->blocks);
    for (int i = 0; i < c->block_count; i++)
        load_block(b, i);
    for (int level = 0; level < 4; level++) /* convs[0] belongs to the coarsest level */
        m->lateral[level] =
            load_linear(b, UNDER("image_encoder.neck.convs.%d.conv", 3 - level), dim, (size_t)c->stage_dims[level]);
    m->conv_s0 = load_linear(b, "sam_mask_decoder.conv_s0", dim / 8, dim);
    m->conv_s1 = load_linear(b, "sam_mask_decoder.conv_s1", dim / 4, dim);
    m->no_mem_embed = plain(b, "no_mem_embed", NULL);
}

static void load_prompt_encoder(builder *b)
{
    model *m = b->m;
    char name[128];
    m->gaussian = plain(b, "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix", NULL);
    for (int i = 0; i < 4; i++)
        m->point_embed[i] = plain(b, UNDER("sam_prompt_encoder.point_embeddings.%d", i), "weight");
    m->not_a_point = plain(b, "sam_prompt_encoder.not_a_point_embed", "weight");
    m->no_mask = plain(b, "sam_prompt_encoder.no_mask_embed", "weight");
    m->down0 = plain(b, "sam_prompt_encoder.mask_downscaling.0", "weight");
    m->down0_bias = plain(b, "sam_prompt_encoder.mask_downscaling.0", "bias");
    m->down0_norm = load_norm(b, "sam_prompt_encoder.mask_downscaling.1", 1e-6f);
    m->down1 = plain(b, "sam_prompt_encoder.mask_downscaling.3", "weight");
    m->down1_bias = plain(b, "sam_prompt_encoder.mask_downscaling.3", "bias");
    m->down1_norm = load_norm(b, "sam_prompt_encoder.mask_downscaling.4", 1e-6f);
    m->down2 = load_linear(b, "sam_prompt_encoder.mask_downscaling.6", (size_t)m->config.d_model, 16);
    float *dense = arena_floats(&b->arena, model_side(m, 16) * model_side(m, 16) * (size_t)m->config.d_model);
    if (!dry(b))
        encode_dense_positions(m, dense);
    m->dense_pe = dense;
}

static void load_mask_decoder(builder *b)
{
    model *m = b->m;
    size_t dim = (size_t)m->config.d_model, mlp = (size_t)m->config.decoder_mlp;
    char name[128], prefix[64];
    float *tokens = arena_floats(&b->arena, 6 * dim);
    if (!dry(b)) {
        weights_read(tensor(b, "sam_mask_decoder.obj_score_token", "weight"), 0, dim, tokens);
        weights_read(tensor(b, "sam_mask_decoder.iou_token", "weight"), 0, dim, tokens + dim);
        weights_read(tensor(b, "sam_mask_decoder.mask_tokens", "weight"), 0, 4 * dim, tokens + 2 * dim);
    }
    m->output_tokens = tokens;
    for (int i = 0; i < MODEL_DECODER_DEPTH; i++) {
        two_way_layer *l = &m->layers[i];
        snprintf(prefix, sizeof prefix, "sam_mask_decoder.transformer.layers.%d", i);
        l->self = load_attention(b, UNDER("%s.self_attn", prefix), dim, dim);
        l->token_to_image = load_attention(b, UNDER("%s.cross_attn_token_to_image", prefix), dim, dim / 2);
        l->image_to_token = load_attention(b, UNDER("%s.cross_attn_image_to_token", prefix), dim, dim / 2);
        if (i > 0) { /* the first layer's are image_products */
            l->token_to_image.image_side =
                load_by_rows(b, UNDER("%s.cross_attn_token_to_image.k_proj", prefix), dim / 2, dim);
            l->image_to_token.image_side =
                load_by_rows(b, UNDER("%s.cross_attn_image_to_token.q_proj", prefix), dim / 2, dim);
        }
        l->norm1 = load_norm(b, UNDER("%s.norm1", prefix), 1e-5f);
        l->norm2 = load_norm(b, UNDER("%s.norm2", prefix), 1e-5f);
        l->norm3 = load_norm(b, UNDER("%s.norm3", prefix), 1e-5f);
        l->norm4 = load_norm(b, UNDER("%s.norm4", prefix), 1e-5f);
        l->fc1 = load_linear(b, UNDER("%s.mlp.layers.0", prefix), mlp, dim);
        l->fc2 = load_linear(b, UNDER("%s.mlp.layers.1", prefix), dim, mlp);
    }
    m->final = load_attention(b, "sam_mask_decoder.transformer.final_attn_token_to_image", dim, dim / 2);
    m->final.image_side =
        load_by_rows(b, "sam_mask_decoder.transformer.final_attn_token_to_image.k_proj", dim / 2, dim);
    m->final_norm = load_norm(b, "sam_mask_decoder.transformer.norm_final_attn", 1e-5f);
    float *bias = arena_floats(&b->arena, dim);
    for (size_t c = 0; c < dim && !dry(b); c++)
        bias[c] = m->layers[0].image_to_token.out.bias[c] + m->no_mem_embed[c] + m->no_mask[c];
    m->first_update_bias = bias;
    load_up(b, "sam_mask_decoder.output_upscaling.0", dim / 4, dim, m->up0);
    m->up0_norm = load_norm(b, "sam_mask_decoder.output_upscaling.1", 1e-6f);
    load_up(b, "sam_mask_decoder.output_upscaling.3", dim / 8, dim / 4, m->up1);
    for (int i = 0; i < 4; i++)
        m->hyper[i] = load_mlp3(b, UNDER("sam_mask_decoder.output_hypernetworks_mlps.%d", i), dim, dim, dim / 8);
    m->iou = load_mlp3(b, "sam_mask_decoder.iou_prediction_head", dim, (size_t)m->config.iou_hidden, 4);
    m->object = load_mlp3(b, "sam_mask_decoder.pred_obj_score_head", dim, dim, 1);
#undef UNDER
}

static void load_all(builder *b)
{
    load_image_encoder(b);
    load_prompt_encoder(b);
    load_mask_decoder(b);
}

/* Bound to what changes results: the weights, the configuration (by its JSON), the input size, the precision. */
static uint64_t fingerprint(const weights *w, const model_config *config, sam2_precision precision)
{
    char json[2048];
    config_to_json(config, json, sizeof json);
    uint64_t h = weights_fingerprint(w) ^ (uint64_t)(precision == SAM2_PRECISION_BF16);
    for (const char *p = json; *p; p++)
        h = (h ^ (unsigned char)*p) * 0x100000001B3u;
    return h;
}

sam2_status model_build(const weights *w, const model_config *config, cpu_isa limit, sam2_precision precision,
                        int threads, const sam2_allocator *a, model **out, sam2_error *error)
{
    void *memory = NULL;
    TRY(alloc_array(a, 1, sizeof(model), "the model", &memory, error));
    model *m = memory;
    m->config = *config;
    m->precision = precision;
    m->allocator = *a;
    kernels_select(&m->kernels, limit);
    m->identity = fingerprint(w, config, precision);
    for (size_t i = 0; i < weights_count(w); i++)
        m->parameters += weights_at(w, i)->count;
    builder b = {.w = w, .m = m};
    load_all(&b);
    sam2_status status = pool_create(a, threads, &m->pool, error);
    size_t row_bytes = (size_t)threads * b.row_floats * sizeof(float);
    if (status == SAM2_OK)
        status = alloc_get(a, b.arena.peak, "the model's weights", &memory, error);
    if (status == SAM2_OK) {
        m->block = memory;
        m->block_bytes = b.arena.peak;
        status = alloc_get(a, row_bytes, "packing weights", &memory, error);
    }
    if (status != SAM2_OK) {
        model_free(m);
        return status;
    }
    b.rows = memory;
    b.arena = (arena){.base = m->block, .capacity = m->block_bytes};
    load_all(&b);
    alloc_release(a, b.rows, row_bytes);
    *out = m;
    return SAM2_OK;
}

void model_free(model *m)
{
    if (!m)
        return;
    pool_destroy(m->pool);
    sam2_allocator a = m->allocator;
    alloc_release(&a, m->block, m->block_bytes);
    alloc_release(&a, m, sizeof *m);
}
