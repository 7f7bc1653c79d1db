/* The mask decoder's two ways to the same result: image-side projections folded onto few tokens, or the image projected
 * as in the official code; and the parts that are made with the features, or with the prompt. */
#include "model/decoder.h"
#include "predict/predictor.h"
#include "support/cmocka_all.h"
#include "support/fixture.h"

#include <stdlib.h>
#include <string.h>

static float noise(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (float)(int32_t)(*state >> 32) * 0x1p-31f;
}

static float *make_noise(size_t count, uint64_t seed)
{
    float *x = malloc(count * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < count; i++)
        x[i] = noise(&seed);
    return x;
}

/* A decoder's surroundings: a model of the small configuration, made features, memory that is large enough. */
typedef struct bench {
    sam2_model *owner;
    const model *m;
    arena arena;
    exec ex;
    size_t dim, pixels;
    float *embedding, *s0, *s1, *dense;
    pyramid pyramid;
} bench;

static void set_up(bench *b, const weights *fixture, const char *isa)
{
    sam2_model_options options = SAM2_MODEL_OPTIONS_INIT;
    options.isa = isa;
    options.precision = SAM2_PRECISION_F32;
    options.threads = 2;
    memset(b, 0, sizeof *b);
    b->owner = fixture_model(fixture, &options);
    b->m = b->owner->m;
    b->arena.capacity = 4 * b->owner->workspace_bytes;
    b->arena.base = aligned_alloc(64, (b->arena.capacity + 63) / 64 * 64);
    assert_non_null(b->arena.base);
    b->ex = (exec){&b->m->kernels, b->m->pool, &b->arena, NULL};
    b->dim = (size_t)b->m->config.d_model;
    b->pixels = model_side(b->m, 16) * model_side(b->m, 16);
    size_t floats[3];
    pyramid_sizes(b->m, &floats[0], &floats[1], &floats[2]);
    b->embedding = make_noise(floats[0], 1);
    b->s0 = make_noise(floats[1], 2);
    b->s1 = make_noise(floats[2], 3);
    b->dense = make_noise(b->pixels * b->dim, 4);
    b->pyramid = (pyramid){.embedding = b->embedding, .extra = b->m->no_mem_embed, .s0 = b->s0, .s1 = b->s1};
}

static void tear_down(bench *b)
{
    arena_open(&b->arena);
    free(b->arena.base);
    free(b->embedding);
    free(b->s0);
    free(b->s1);
    free(b->dense);
    sam2_model_close(b->owner);
}

/* Tokens of one object. */
static token_rows make_tokens(bench *b, size_t count)
{
    token_rows t = {.objects = 1, .rows = count, .count = {count}};
    float *values = make_noise(count * b->dim, 100 + count);
    t.tokens = arena_floats(&b->arena, count * b->dim);
    t.q = arena_floats(&b->arena, count * b->dim);
    t.q_pe = arena_floats(&b->arena, count * b->dim);
    memcpy(t.tokens, values, count * b->dim * sizeof(float));
    memcpy(t.q, values, count * b->dim * sizeof(float));
    free(values);
    return t;
}

static image_products make_products(bench *b, const float *dense)
{
    float *image = arena_floats(&b->arena, b->pixels * b->dim);
    const size_t bytes = image_product_bytes(b->m);
    image_products p = {.q = arena_take(&b->arena, bytes, 1),
                        .k = arena_take(&b->arena, bytes, 1),
                        .v = arena_take(&b->arena, bytes, 1),
                        .image = image,
                        .update_bias = b->m->layers[0].image_to_token.out.bias};
    image_products_make(b->m, &b->ex, &b->pyramid, dense, image, &p);
    return p;
}

/* Stand-in weights amplify roundings: the same sums in another order give some 1e-5, a wrong term 1e-2 and more. */
static void hold_folded_to_plain(bench *b, size_t count, const float *dense, const char *isa)
{
    size_t mark = arena_mark(&b->arena);
    token_rows plain = make_tokens(b, count), folded = make_tokens(b, count);
    float *image_plain = arena_floats(&b->arena, b->pixels * b->dim),
          *image = arena_floats(&b->arena, b->pixels * b->dim);
    transform_plain(b->m, &b->ex, &plain, &b->pyramid, dense, image_plain);
    image_products products = make_products(b, dense);
    transform_folded(b->m, &b->ex, &folded, &products, (void *[]){image});
    double tokens_off = relative_rms(plain.q, folded.q, output_tokens(b->m) * b->dim),
           image_off = relative_rms(image_plain, image, b->pixels * b->dim);
    if (!(tokens_off < 1e-4 && image_off < 1e-4))
        fail_msg("%s, %zu tokens%s: tokens %g off, image %g", isa, count, dense ? " and a mask" : "", tokens_off,
                 image_off);
    if (!dense) { /* the embedding without its constants, with them in the bias: as kept with features */
        token_rows kept = make_tokens(b, count);
        products.image = b->embedding;
        products.update_bias = b->m->first_update_bias;
        float *again = arena_floats(&b->arena, b->pixels * b->dim);
        transform_folded(b->m, &b->ex, &kept, &products, (void *[]){again});
        assert_true(relative_rms(folded.q, kept.q, output_tokens(b->m) * b->dim) < 1e-4);
        assert_true(relative_rms(image, again, b->pixels * b->dim) < 1e-4);
    }
    arena_reset(&b->arena, mark);
}

static void folded_is_plain(void **state)
{
    (void)state;
    static const size_t counts[] = {6, 7, 8, 9, 12, 13, 31, FOLD_TOKENS};
    weights *fixture = fixture_open("small_2.1");
    for (const char *const *isa = isas_here(); *isa; isa++) {
        bench b;
        set_up(&b, fixture, *isa);
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            hold_folded_to_plain(&b, counts[i], NULL, *isa);
            hold_folded_to_plain(&b, counts[i], b.dense, *isa);
        }
        tear_down(&b);
    }
    weights_close(fixture);
}

/* A mask has the same bits whichever others are made with it. */
static void masks_alone_and_together(void **state)
{
    (void)state;
    weights *fixture = fixture_open("small_2.0");
    bench b;
    set_up(&b, fixture, NULL);
    size_t side = model_side(b.m, 4), count = side * side;
    float *together = malloc(4 * count * sizeof *together), *alone = malloc(count * sizeof *alone);
    assert_non_null(together);
    assert_non_null(alone);
    decode_object object = {0};
    decode_prompts(b.m, &b.ex, &b.pyramid, NULL, &object, 1);
    object.mask_count = 4;
    for (int i = 0; i < 4; i++) {
        object.mask[i] = 3 - i;
        object.out[i] = together + (size_t)i * count;
    }
    decode_masks(b.m, &b.ex, &b.pyramid, &object, 1);
    for (int i = 0; i < 4; i++) {
        object.mask_count = 1;
        object.mask[0] = 3 - i;
        object.out[0] = alone;
        decode_masks(b.m, &b.ex, &b.pyramid, &object, 1);
        assert_memory_equal(alone, together + (size_t)i * count, count * sizeof *alone);
    }
    free(together);
    free(alone);
    tear_down(&b);
    weights_close(fixture);
}

/* Batches end where they have to, and every one of the objects is in one. */
static void batches(void **state)
{
    (void)state;
    weights *fixture = fixture_open("small_2.0");
    bench b;
    set_up(&b, fixture, NULL);
    size_t few[20], mixed[] = {2, 3, DECODE_FOLDED_SPARSE, DECODE_FOLDED_SPARSE + 1, 0};
    for (size_t i = 0; i < 20; i++)
        few[i] = 2;
    assert_int_equal(decode_batch(b.m, few, 1), 1);
    assert_int_equal(decode_batch(b.m, few, 20), DECODE_OBJECTS);
    assert_int_equal(decode_batch(b.m, mixed, 5), 3);
    assert_int_equal(decode_batch(b.m, mixed + 3, 2), 1);
    assert_int_equal(decode_batch(b.m, mixed + 4, 1), 1);
    for (size_t i = 0; i < 20; i++)
        few[i] = DECODE_FOLDED_SPARSE;
    assert_int_equal(decode_batch(b.m, few, 20), 4);
    tear_down(&b);
    weights_close(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(folded_is_plain), cmocka_unit_test(masks_alone_and_together),
                                       cmocka_unit_test(batches)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
