/* The model's parts by the names of their tensors. */
#include "base/checked.h"
#include "model/builder.h"

#include <stdio.h>
#include <string.h>

linear builder_linear(builder *b, const char *prefix, size_t n, size_t k)
{
    linear l = builder_matrix(b, prefix, NULL, n, k, NULL);
    l.bias = builder_plain(b, prefix, "bias");
    return l;
}

linear builder_map_linear(builder *b, const char *prefix, size_t n, size_t k)
{
    linear l = builder_linear(b, prefix, n, k);
    l.many = true;
    return l;
}

norm builder_norm(builder *b, const char *prefix, float eps)
{
    return (norm){builder_plain(b, prefix, "weight"), builder_plain(b, prefix, "bias"), eps};
}

attention_weights builder_attention(builder *b, const char *prefix, size_t dim, size_t kv_dim, size_t inner)
{
    char name[128];
#define UNDER(...) (snprintf(name, sizeof name, __VA_ARGS__), name)
    attention_weights a = {0};
    a.q = builder_linear(b, UNDER("%s.q_proj", prefix), inner, dim);
    a.k = builder_linear(b, UNDER("%s.k_proj", prefix), inner, kv_dim);
    a.v = builder_linear(b, UNDER("%s.v_proj", prefix), inner, kv_dim);
    a.out = builder_linear(b, UNDER("%s.out_proj", prefix), dim, inner);
    return a;
}

/* The transposed matrix: prefix.weight [k, n] with its rows as inputs. */
static size_t transposed_at(const linear *l, size_t n, size_t k)
{
    return k * l->n + n;
}

/* prefix.weight [n, k] packed by rows of outputs, as attention_weights.image_side. */
static const float *load_by_rows(builder *b, const char *prefix, size_t n, size_t k)
{
    char constant[160];
    snprintf(constant, sizeof constant, "%s.by_rows", prefix);
    return builder_matrix(b, prefix, constant, k, n, transposed_at).packed;
}

mlp3 builder_mlp3(builder *b, const char *prefix, size_t in, size_t hidden, size_t out)
{
    char name[128];
    mlp3 m;
    m.layer[0] = builder_linear(b, UNDER("%s.layers.0", prefix), hidden, in);
    m.layer[1] = builder_linear(b, UNDER("%s.layers.1", prefix), hidden, hidden);
    m.layer[2] = builder_linear(b, UNDER("%s.layers.2", prefix), out, hidden);
    return m;
}

size_t builder_pixels_at(const linear *l, size_t n, size_t k)
{
    return n * l->k + k % 3 * (l->k / 3) + k / 3;
}

size_t builder_conv3_at(const linear *l, size_t n, size_t k)
{
    size_t channels = l->k / 9;
    return n * l->k + k % channels * 9 + k / channels;
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
    char name[128];
    up[0] = builder_matrix(b, prefix, UNDER("%s.row0", prefix), 2 * channels, in, up_at_0);
    up[1] = builder_matrix(b, prefix, UNDER("%s.row1", prefix), 2 * channels, in, up_at_1);
    float *bias = arena_floats(&b->arena, 2 * channels); /* once for each column */
    if (!builder_dry(b)) {
        weights_read(builder_tensor(b, prefix, "bias"), 0, channels, bias);
        weights_read(builder_tensor(b, prefix, "bias"), 0, channels, bias + channels);
    }
    up[0].bias = up[1].bias = bias;
}

/* A map [1, channels, side, side] as [side, side, channels]. */
const float *builder_channels_last(builder *b, const char *name, size_t side, size_t channels)
{
    float *out = arena_floats(&b->arena, side * side * channels);
    float plane[CONFIG_MAX_SIDE * CONFIG_MAX_SIDE];
    for (size_t c = 0; !builder_dry(b) && c < channels; c++) {
        weights_read(builder_tensor(b, name, NULL), c * side * side, side * side, plane);
        for (size_t p = 0; p < side * side; p++)
            out[p * channels + c] = plane[p];
    }
    return out;
}

static void load_block(builder *b, int index)
{
    const config_block *c = &b->m->config.blocks[index];
    size_t in = (size_t)c->dim_in, out = (size_t)c->dim_out;
    char prefix[64], name[128];
    snprintf(prefix, sizeof prefix, "image_encoder.trunk.blocks.%d", index);
    hiera_block block = {0};
    block.norm1 = builder_norm(b, UNDER("%s.norm1", prefix), 1e-6f);
    block.qkv = builder_map_linear(b, UNDER("%s.attn.qkv", prefix), 3 * out, in);
    block.proj = builder_map_linear(b, UNDER("%s.attn.proj", prefix), out, out);
    block.norm2 = builder_norm(b, UNDER("%s.norm2", prefix), 1e-6f);
    block.fc1 = builder_map_linear(b, UNDER("%s.mlp.layers.0", prefix), 4 * out, out);
    block.fc2 = builder_map_linear(b, UNDER("%s.mlp.layers.1", prefix), out, 4 * out);
    if (in != out)
        block.shortcut = builder_map_linear(b, UNDER("%s.proj", prefix), out, in);
    if (!builder_dry(b))
        b->m->blocks[index] = block;
}

static void load_image_encoder(builder *b)
{
    model *m = b->m;
    const model_config *c = &m->config;
    size_t dim = (size_t)c->d_model;
    char name[128];
    m->patch = builder_matrix(b, "image_encoder.trunk.patch_embed.proj", "image_encoder.trunk.patch_embed.proj.pixels",
                              (size_t)c->embed_dim, 7 * 7 * 3, builder_pixels_at);
    m->patch.bias = builder_plain(b, "image_encoder.trunk.patch_embed.proj", "bias");
    m->pos_background =
        builder_channels_last(b, "image_encoder.trunk.pos_embed", (size_t)c->background, (size_t)c->embed_dim);
    m->pos_window = builder_channels_last(b, "image_encoder.trunk.pos_embed_window", (size_t)c->window_spec[0],
                                          (size_t)c->embed_dim);
    m->blocks = arena_take(&b->arena, (size_t)c->block_count, sizeof *m->blocks);
    for (int i = 0; i < c->block_count; i++)
        load_block(b, i);
    for (int level = b->plain ? 0 : 2; level < 4; level++) /* convs[0] belongs to the coarsest level */
        m->lateral[level] = builder_map_linear(b, UNDER("image_encoder.neck.convs.%d.conv", 3 - level), dim,
                                               (size_t)c->stage_dims[level]);
    for (int level = 0; level < 2; level++) { /* the two finest levels are two layers in a row */
        const size_t n = level ? dim / 4 : dim / 8;
        char first[64], second[64];
        snprintf(first, sizeof first, "image_encoder.neck.convs.%d.conv", 3 - level);
        snprintf(second, sizeof second, "sam_mask_decoder.conv_s%d", level);
        if (b->plain)
            m->conv_s[level] = builder_map_linear(b, second, n, dim);
        else
            m->high_res[level] =
                builder_merged(b, first, second, UNDER("%s.merged", second), n, dim, (size_t)c->stage_dims[level]);
        m->high_res[level].many = true;
    }
    m->no_mem_embed = builder_plain(b, "no_mem_embed", NULL);
}

static void load_prompt_encoder(builder *b)
{
    model *m = b->m;
    char name[128], prefix[64];
    snprintf(prefix, sizeof prefix, "%sprompt_encoder", config_sam(&m->config));
    m->gaussian = builder_plain(b, UNDER("%s.pe_layer.positional_encoding_gaussian_matrix", prefix), NULL);
    for (int i = 0; i < 4; i++)
        m->point_embed[i] = builder_plain(b, UNDER("%s.point_embeddings.%d", prefix, i), "weight");
    m->not_a_point = builder_plain(b, UNDER("%s.not_a_point_embed", prefix), "weight");
    m->no_mask = builder_plain(b, UNDER("%s.no_mask_embed", prefix), "weight");
    m->down0 = builder_plain(b, UNDER("%s.mask_downscaling.0", prefix), "weight");
    m->down0_bias = builder_plain(b, UNDER("%s.mask_downscaling.0", prefix), "bias");
    m->down0_norm = builder_norm(b, UNDER("%s.mask_downscaling.1", prefix), 1e-6f);
    m->down1 = builder_plain(b, UNDER("%s.mask_downscaling.3", prefix), "weight");
    m->down1_bias = builder_plain(b, UNDER("%s.mask_downscaling.3", prefix), "bias");
    m->down1_norm = builder_norm(b, UNDER("%s.mask_downscaling.4", prefix), 1e-6f);
    m->down2 = builder_linear(b, UNDER("%s.mask_downscaling.6", prefix), (size_t)m->config.d_model, 16);
    const size_t side = model_side(m, 16);
    m->dense_pe = builder_constant(b, UNDER("%s.dense_positions", prefix), side * side, (size_t)m->config.d_model,
                                   encode_dense_position);
    if (b->narrow)
        m->dense_pe_bf16 = builder_narrowed(b, UNDER("%s.dense_positions_bf16", prefix), side * side,
                                            (size_t)m->config.d_model, m->dense_pe);
}

/* What the decoder's tokens begin with: [5 or 6, d_model]. */
static const float *load_output_tokens(builder *b, const char *prefix)
{
    const size_t dim = (size_t)b->m->config.d_model, object = model_is_sam1(b->m) ? 0 : 1;
    char name[128];
    float *tokens = arena_floats(&b->arena, (object + 5) * dim), *next = builder_dry(b) ? NULL : tokens + object * dim;
    if (!builder_dry(b) && object)
        weights_read(builder_tensor(b, UNDER("%s.obj_score_token", prefix), "weight"), 0, dim, tokens);
    if (!builder_dry(b)) {
        weights_read(builder_tensor(b, UNDER("%s.iou_token", prefix), "weight"), 0, dim, next);
        weights_read(builder_tensor(b, UNDER("%s.mask_tokens", prefix), "weight"), 0, 4 * dim, next + dim);
    }
    return tokens;
}

static void load_mask_decoder(builder *b)
{
    model *m = b->m;
    size_t dim = (size_t)m->config.d_model, mlp = (size_t)m->config.decoder_mlp;
    char name[128], whole[32], prefix[64];
    snprintf(whole, sizeof whole, "%smask_decoder", config_sam(&m->config));
    m->output_tokens = load_output_tokens(b, whole);
    for (int i = 0; i < MODEL_DECODER_DEPTH; i++) {
        two_way_layer *l = &m->layers[i];
        snprintf(prefix, sizeof prefix, "%s.transformer.layers.%d", whole, i);
        l->self = builder_attention(b, UNDER("%s.self_attn", prefix), dim, dim, dim);
        l->token_to_image = builder_attention(b, UNDER("%s.cross_attn_token_to_image", prefix), dim, dim, dim / 2);
        l->image_to_token = builder_attention(b, UNDER("%s.cross_attn_image_to_token", prefix), dim, dim, dim / 2);
        if (i > 0) { /* the first layer's are image_products */
            l->token_to_image.image_side =
                load_by_rows(b, UNDER("%s.cross_attn_token_to_image.k_proj", prefix), dim / 2, dim);
            l->image_to_token.image_side =
                load_by_rows(b, UNDER("%s.cross_attn_image_to_token.q_proj", prefix), dim / 2, dim);
        }
        l->norm1 = builder_norm(b, UNDER("%s.norm1", prefix), 1e-5f);
        l->norm2 = builder_norm(b, UNDER("%s.norm2", prefix), 1e-5f);
        l->norm3 = builder_norm(b, UNDER("%s.norm3", prefix), 1e-5f);
        l->norm4 = builder_norm(b, UNDER("%s.norm4", prefix), 1e-5f);
        l->fc1 = builder_linear(b, UNDER("%s.mlp.%s", prefix, config_mlp_layer(&m->config, 0)), mlp, dim);
        l->fc2 = builder_linear(b, UNDER("%s.mlp.%s", prefix, config_mlp_layer(&m->config, 1)), dim, mlp);
    }
    m->final = builder_attention(b, UNDER("%s.transformer.final_attn_token_to_image", whole), dim, dim, dim / 2);
    m->final.image_side =
        load_by_rows(b, UNDER("%s.transformer.final_attn_token_to_image.k_proj", whole), dim / 2, dim);
    m->final_norm = builder_norm(b, UNDER("%s.transformer.norm_final_attn", whole), 1e-5f);
    float *bias = arena_floats(&b->arena, dim);
    for (size_t c = 0; c < dim && !builder_dry(b); c++)
        bias[c] =
            m->layers[0].image_to_token.out.bias[c] + (m->no_mem_embed ? m->no_mem_embed[c] : 0.0f) + m->no_mask[c];
    m->first_update_bias = bias;
    load_up(b, UNDER("%s.output_upscaling.0", whole), dim / 4, dim, m->up0);
    m->up0_norm = builder_norm(b, UNDER("%s.output_upscaling.1", whole), 1e-6f);
    load_up(b, UNDER("%s.output_upscaling.3", whole), dim / 8, dim / 4, m->up1);
    for (int i = 0; i < 4; i++)
        m->hyper[i] = builder_mlp3(b, UNDER("%s.output_hypernetworks_mlps.%d", whole, i), dim, dim, dim / 8);
    m->iou = builder_mlp3(b, UNDER("%s.iou_prediction_head", whole), dim, (size_t)m->config.iou_hidden, 4);
    if (!model_is_sam1(m))
        m->object = builder_mlp3(b, UNDER("%s.pred_obj_score_head", whole), dim, dim, 1);
#undef UNDER
}

static void load_all(builder *b)
{
    if (model_is_sam1(b->m))
        builder_vit(b);
    else
        load_image_encoder(b);
    load_prompt_encoder(b);
    load_mask_decoder(b);
    builder_memory(b);
}

/* Bound to what changes results: the weights, the configuration (by its JSON), the input size, the precision. */
static uint64_t identity(const builder *b)
{
    char json[2048];
    const bool bf16 = b->m->precision == SAM2_PRECISION_BF16;
    uint64_t h;
    if (!weights_stored_fingerprint(b->w, bf16, &h))
        h = weights_fingerprint_of(b->w, b->samples);
    config_to_json(&b->m->config, json, sizeof json);
    h ^= (uint64_t)bf16 | (uint64_t)b->rounded << 1;
    for (const char *p = json; *p; p++)
        h = (h ^ (unsigned char)*p) * 0x100000001B3u;
    return h;
}

/* Memory that is only needed while a model is built: one block. */
typedef struct scratch {
    void *block;
    size_t bytes;
} scratch;

static sam2_status take_scratch(builder *b, int threads, const sam2_allocator *a, scratch *s, sam2_error *error)
{
    const size_t count = weights_count(b->w);
    uint64_t known;
    const bool samples = !weights_stored_fingerprint(b->w, b->m->precision == SAM2_PRECISION_BF16, &known);
    const bool forms = samples && !b->forms;
    for (int round = 0; round < 2; round++) { /* sizes, then places */
        arena cut = {.base = s->block, .capacity = s->bytes};
        b->rows = arena_take(&cut, (size_t)threads * b->row_floats, sizeof(float));
        b->jobs = arena_take(&cut, b->job_count, sizeof *b->jobs);
        if (samples) {
            b->samples = arena_take(&cut, count, sizeof *b->samples);
            b->sampled = arena_take(&cut, count, sizeof *b->sampled);
        }
        if (forms)
            b->forms = arena_take(&cut, count + BUILDER_CONSTANTS, sizeof *b->forms);
        if (round == 0) {
            s->bytes = cut.peak;
            TRY(alloc_get(a, s->bytes, "packing weights", &s->block, error));
        }
    }
    if (samples)
        memset(b->sampled, 0, count * sizeof *b->sampled);
    if (forms)
        memset(b->forms, 0, (count + BUILDER_CONSTANTS) * sizeof *b->forms);
    return SAM2_OK;
}

sam2_status builder_run(const weights *w, const model_config *config, const build_options *options,
                        const sam2_allocator *a, model **out, weights_form *forms, size_t *constants, sam2_error *error)
{
    void *memory = NULL;
    TRY(alloc_array(a, 1, sizeof(model), "the model", &memory, error));
    model *m = memory;
    m->config = *config;
    m->precision = options->precision;
    m->allocator = *a;
    m->format = weights_get_format(w);
    kernels_select(&m->kernels, options->limit);
    for (size_t i = 0; i < weights_count(w); i++)
        m->parameters += weights_at(w, i)->count;
    builder b = {.w = w,
                 .m = m,
                 .in_place = options->in_place,
                 .plain = options->plain,
                 .by_storage = options->by_storage,
                 .narrow = !options->by_storage && options->precision == SAM2_PRECISION_BF16,
                 .stores = !forms, /* a file is for all machines */
                 .rounds = options->rounds,
                 .forms = forms};
    m->plain = options->plain;
    scratch s = {0};
    /* Whether there is a product in bfloat16 has to be known from the first tensor on: with `by_storage` any may be
     * one. */
    for (bool narrow = !b.narrow; narrow != b.narrow;) {
        narrow = b.narrow;
        b.arena = (arena){0};
        b.job_count = b.panels = b.constants = 0;
        load_all(&b);
    }
    sam2_status status = pool_create(a, options->threads, &m->pool, error);
    if (status == SAM2_OK)
        status = alloc_get(a, b.arena.peak, "the model's weights", &memory, error);
    if (status == SAM2_OK) {
        m->block = memory;
        m->block_bytes = b.arena.peak;
        status = take_scratch(&b, options->threads, a, &s, error);
    }
    if (status != SAM2_OK) {
        model_free(m);
        return status;
    }
    b.arena = (arena){.base = m->block, .capacity = m->block_bytes};
    b.job_count = b.panels = b.constants = 0;
    if (!options->in_place)
        weights_drop(w, NULL); /* what reading the file's index has touched */
    load_all(&b);
    builder_pack(&b);
    m->identity = identity(&b);
    if (constants)
        *constants = b.constants;
    arena whole = {.base = s.block, .capacity = s.bytes};
    arena_open(&whole);
    alloc_release(a, s.block, s.bytes);
    *out = m;
    return SAM2_OK;
}

sam2_status model_build(const weights *w, const model_config *config, const build_options *options,
                        const sam2_allocator *a, model **out, sam2_error *error)
{
    return builder_run(w, config, options, a, out, NULL, NULL, error);
}

void model_free(model *m)
{
    if (!m)
        return;
    pool_destroy(m->pool);
    mapfile_close(&m->map);
    sam2_allocator a = m->allocator;
    alloc_release(&a, m->block, m->block_bytes);
    alloc_release(&a, m, sizeof *m);
}
