/* Native files: the same bits as from other files, nothing copied, and the way back. */
#include "cpu/cpu.h"
#include "kernels/kernels.h"
#include "model/precision.h"
#include "support/cmocka_all.h"
#include "support/counting.h"
#include "support/fixture.h"
#include "weights/values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MICRO SOURCE_DIR "/data/sam2.1_hiera_micro.safetensors"

static char wide[300], f32_file[300], bf16_file[300], scratch[300], features_file[300];

static void name_file(char path[300], const char *ending)
{
    static int number;
    snprintf(path, 300, "%s/test_native_%ld_%d.%s", BUILD_DIR, (long)getpid(), number++, ending);
}

static void convert(const char *from, const char *to, sam2_precision precision)
{
    sam2_error error;
    need_ok(sam2_convert(from, to, precision, NULL, &error), &error);
}

static uint8_t *whole_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    *size = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(*size);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, f), *size);
    fclose(f);
    return bytes;
}

static void same_files(const char *a, const char *b)
{
    size_t m, n;
    uint8_t *x = whole_file(a, &m), *y = whole_file(b, &n);
    assert_int_equal(m, n);
    assert_memory_equal(x, y, m);
    free(x);
    free(y);
}

static sam2_model_info info_of(const sam2_model *model)
{
    sam2_error error;
    sam2_model_info info = SAM2_MODEL_INFO_INIT;
    need_ok(sam2_model_get_info(model, &info, &error), &error);
    return info;
}

static sam2_model *open_as(const char *path, const char *isa, sam2_precision precision, int image_size)
{
    sam2_error error;
    sam2_model *model;
    sam2_model_options options = SAM2_MODEL_OPTIONS_INIT;
    options.isa = isa;
    options.precision = precision;
    options.image_size = image_size;
    options.threads = 2;
    need_ok(sam2_model_open(path, &options, &model, &error), &error);
    return model;
}

/* What a model gives: its features with its identity, as they are saved, and the logits of a click. */
typedef struct outcome {
    uint8_t *features;
    size_t bytes, floats;
    float *logits;
} outcome;

static outcome run(const sam2_model *model)
{
    sam2_error error;
    sam2_context *context;
    sam2_features *features;
    sam2_result *result;
    uint8_t *pixels = picture_pattern(90, 70);
    const sam2_image image = {pixels, 90, 70, 270, SAM2_PIXEL_RGB};
    const sam2_point click = {40, 30, 1};
    sam2_prompt prompt = SAM2_PROMPT_INIT;
    sam2_mask mask = SAM2_MASK_INIT;
    outcome o;
    prompt.points = &click;
    prompt.point_count = 1;
    need_ok(sam2_context_create(model, &context, &error), &error);
    need_ok(sam2_features_encode(context, &image, &features, &error), &error);
    need_ok(sam2_features_save(features, features_file, &error), &error);
    o.features = whole_file(features_file, &o.bytes);
    need_ok(sam2_result_create(model, &result, &error), &error);
    need_ok(sam2_predict(context, features, &prompt, 1, NULL, result, &error), &error);
    need_ok(sam2_result_get_mask(result, 0, 0, &mask, &error), &error);
    o.floats = (size_t)mask.low_res_size * (size_t)mask.low_res_size;
    o.logits = malloc(o.floats * sizeof(float));
    assert_non_null(o.logits);
    memcpy(o.logits, mask.low_res_logits, o.floats * sizeof(float));
    sam2_result_destroy(result);
    sam2_features_destroy(features);
    sam2_context_destroy(context);
    free(pixels);
    return o;
}

static void hold(sam2_model *model, const outcome *expected)
{
    outcome o = run(model);
    assert_int_equal(o.bytes, expected->bytes);
    assert_memory_equal(o.features, expected->features, o.bytes);
    assert_memory_equal(o.logits, expected->logits, o.floats * sizeof(float));
    free(o.features);
    free(o.logits);
    sam2_model_close(model);
}

static void same_bits(const char *isa, sam2_precision precision, int image_size)
{
    sam2_model *model = open_as(wide, isa, precision, image_size);
    const sam2_precision used = info_of(model).precision;
    outcome expected = run(model);
    sam2_model_close(model);
    hold(open_as(f32_file, isa, precision, image_size), &expected);
    if (used == SAM2_PRECISION_BF16)
        hold(open_as(bf16_file, isa, precision, image_size), &expected);

    size_t size;
    sam2_error error;
    uint8_t *bytes = whole_file(used == SAM2_PRECISION_BF16 ? bf16_file : f32_file, &size);
    sam2_model_options options = SAM2_MODEL_OPTIONS_INIT;
    options.isa = isa;
    options.precision = precision;
    options.image_size = image_size;
    need_ok(sam2_model_open_memory(bytes, size, &options, &model, &error), &error);
    free(bytes); /* not needed any more */
    assert_int_equal(info_of(model).mapped_bytes, 0);
    hold(model, &expected);
    free(expected.features);
    free(expected.logits);
}

static void every_instruction_set(void **state)
{
    (void)state;
    for (const char *const *isa = isas_here(); *isa; isa++) {
        same_bits(*isa, SAM2_PRECISION_F32, 128);
        same_bits(*isa, SAM2_PRECISION_BF16, 128);
    }
    same_bits(NULL, SAM2_PRECISION_F32, 0); /* with the constants that depend on the size */
    same_bits(NULL, SAM2_PRECISION_BF16, 0);
}

/* An official size, from a .pt and back to one. */
static void from_pt(void **state)
{
    (void)state;
    char pt[300], native[300];
    sam2_error error;
    name_file(pt, "pt");
    name_file(native, "sam2");
    need_ok(sam2_synthesize("sam2.1_t", pt, 0, 0, NULL, &error), &error);
    for (int bf16 = 0; bf16 < 2; bf16++) {
        const sam2_precision precision = bf16 ? SAM2_PRECISION_BF16 : SAM2_PRECISION_F32;
        sam2_model *model = open_as(pt, NULL, precision, 128);
        const bool has = info_of(model).precision == precision;
        outcome expected = run(model);
        sam2_model_close(model);
        convert(pt, native, precision);
        if (has)
            hold(open_as(native, NULL, precision, 128), &expected);
        free(expected.features);
        free(expected.logits);
    }
    convert(pt, native, SAM2_PRECISION_F32);
    convert(native, scratch, SAM2_PRECISION_F32); /* over a copy, in the same layout */
    same_files(native, scratch);
    char back[300];
    name_file(back, "pt");
    convert(native, back, SAM2_PRECISION_AUTO);
    same_files(pt, back);
    assert_int_equal(sam2_convert(pt, back, SAM2_PRECISION_BF16, NULL, &error), SAM2_ERROR_UNSUPPORTED);
    assert_int_equal(sam2_convert(MICRO, back, SAM2_PRECISION_F32, NULL, &error), SAM2_ERROR_UNSUPPORTED);
    remove(pt);
    remove(native);
    remove(back);
    remove(scratch);
}

/* A model goes on with a file that is removed or replaced. */
static void removed(void **state)
{
    (void)state;
    sam2_model *model = open_as(wide, NULL, SAM2_PRECISION_F32, 128);
    outcome expected = run(model);
    sam2_model_close(model);
    convert(wide, scratch, SAM2_PRECISION_F32);
    model = open_as(scratch, NULL, SAM2_PRECISION_F32, 128);
    assert_true(info_of(model).mapped_bytes > 0);
    convert(scratch, scratch, SAM2_PRECISION_BF16);
    remove(scratch);
    hold(model, &expected);
    free(expected.features);
    free(expected.logits);
}

/* The file's weights are used where they are: what is allocated is small, and few blocks. */
static void nothing_is_copied(void **state)
{
    (void)state;
    for (int bf16 = 0; bf16 < 2; bf16++) {
        counter c;
        const sam2_allocator a = counting(&c);
        sam2_error error;
        sam2_model *model;
        sam2_model_options options = SAM2_MODEL_OPTIONS_INIT;
        options.allocator = &a;
        options.threads = 2;
        options.precision = bf16 ? SAM2_PRECISION_BF16 : SAM2_PRECISION_F32;
        need_ok(sam2_model_open(bf16 ? bf16_file : f32_file, &options, &model, &error), &error);
        const sam2_model_info info = info_of(model);
        if (info.precision == options.precision) {
            assert_int_equal(info.repacked, 0);
            assert_string_equal(info.format, "native");
            assert_true(info.mapped_bytes > (bf16 ? 2u : 4u) * info.parameters / 2);
            assert_true(info.weight_bytes - info.mapped_bytes < 200000);
            /* the handle, the model, its block, the pool and its workers */
            assert_int_equal(c.live_blocks, 5);
            assert_true(c.live_bytes < 300000 && c.peak_bytes < 1000000);
            assert_true(c.calls < 40);
        }
        sam2_model_close(model);
        assert_int_equal(c.live_blocks, 0);
        if (cpu_has(CPU_AVX512) && !bf16) { /* for panels of another width, and with everything from a plain file */
            model = open_as(f32_file, "avx2", SAM2_PRECISION_F32, 0);
            assert_int_equal(info_of(model).repacked, 1);
            sam2_model_close(model);
        }
        if (bf16) { /* read as it is by float32 products, which widen it */
            model = open_as(bf16_file, NULL, SAM2_PRECISION_F32, 0);
            assert_int_equal(info_of(model).repacked, 0);
            assert_int_equal(info_of(model).storage, SAM2_PRECISION_BF16);
            sam2_model_close(model);
        }
    }
    sam2_model *model = open_as(wide, NULL, SAM2_PRECISION_F32, 0);
    assert_int_equal(info_of(model).mapped_bytes, 0);
    assert_int_equal(info_of(model).repacked, 0);
    assert_string_equal(info_of(model).format, "safetensors");
    sam2_model_close(model);
}

static void every_allocation_fails(void **state)
{
    (void)state;
    const char *const files[] = {f32_file, wide};
    for (int i = 0; i < 2; i++)
        for (size_t n = 1;; n++) {
            counter c;
            const sam2_allocator a = counting(&c);
            c.fail_at = n;
            sam2_error error;
            sam2_model *model;
            sam2_model_options options = SAM2_MODEL_OPTIONS_INIT;
            options.allocator = &a;
            options.threads = 2;
            sam2_status status = sam2_model_open(files[i], &options, &model, &error);
            if (c.calls >= n)
                assert_int_equal(status, SAM2_ERROR_MEMORY);
            sam2_model_close(model);
            assert_int_equal(c.live_blocks, 0);
            if (c.calls < n) {
                assert_int_equal(status, SAM2_OK);
                break;
            }
        }
}

/* The same bytes each time, from whatever the weights come; matrices in the layout of the best kernels here. */
static void bytes_of_a_file(void **state)
{
    (void)state;
    kernels best;
    kernels_select(&best, CPU_ISA_COUNT - 1);
    const char *const files[] = {f32_file, bf16_file};
    for (int bf16 = 0; bf16 < 2; bf16++) {
        const sam2_precision precision = bf16 ? SAM2_PRECISION_BF16 : SAM2_PRECISION_F32;
        convert(wide, scratch, precision);
        same_files(files[bf16], scratch);
        convert(files[bf16], scratch, SAM2_PRECISION_AUTO);
        same_files(files[bf16], scratch);
        convert(f32_file, scratch, precision);
        same_files(files[bf16], scratch);
        weights *w;
        sam2_error error;
        need_ok(weights_open(NULL, files[bf16], 1, &w, &error), &error);
        for (size_t i = 0; i < weights_count(w); i++)
            assert_int_equal((uintptr_t)weights_at(w, i)->data % 64, 0);
        const weights_tensor *t = weights_find(w, "image_encoder.trunk.blocks.0.attn.qkv.weight");
        assert_int_equal(t->layout, bf16 ? WEIGHTS_PAIRS : WEIGHTS_PANELS);
        assert_int_equal(t->width, bf16 ? GEMM_BF16_NR : best.gemm_f32_nr);
        t = weights_find(w, "sam_mask_decoder.transformer.layers.0.self_attn.q_proj.weight");
        assert_int_equal(t->layout, WEIGHTS_PANELS);
        t = weights_find(w, "image_encoder.trunk.blocks.0.attn.qkv.bias");
        assert_int_equal(t->layout, WEIGHTS_ROWS);
        assert_int_equal(t->type, WEIGHTS_F32);
        assert_non_null(weights_constant(w, "sam_prompt_encoder.dense_positions"));
        weights_close(w);
    }
    remove(scratch);
}

static void hold_values(const weights *expected, const char *path, bool bf16)
{
    weights *w;
    sam2_error error;
    size_t rounded = 0;
    need_ok(weights_open(NULL, path, 1, &w, &error), &error);
    assert_int_equal(weights_count(w), weights_count(expected));
    for (size_t i = 0; i < weights_count(w); i++) {
        const weights_tensor *x = weights_at(expected, i), *y = weights_find(w, x->name);
        float *a = malloc(x->count * 4), *b = malloc(x->count * 4);
        uint16_t *half = malloc(x->count * 2);
        assert_true(y && a && b && half && x->dims == y->dims && x->count == y->count);
        assert_memory_equal(x->shape, y->shape, sizeof x->shape);
        weights_read(x, 0, x->count, a);
        weights_read(y, 0, y->count, b);
        if (memcmp(a, b, x->count * 4) != 0) {
            assert_true(bf16 && x->dims > 1);
            assert_int_equal(precision_of(x->name, SAM2_PRECISION_BF16), SAM2_PRECISION_BF16);
            values_convert(a, x->count, WEIGHTS_BF16, half);
            weights_read(&(weights_tensor){.type = WEIGHTS_BF16, .count = x->count, .data = half}, 0, x->count, a);
            assert_memory_equal(a, b, x->count * 4);
            rounded++;
        }
        free(a);
        free(b);
        free(half);
    }
    assert_true(bf16 ? rounded > 20 : rounded == 0);
    weights_close(w);
}

/* Back to the other formats: float32 exactly, bfloat16 rounded once. */
static void the_way_back(void **state)
{
    (void)state;
    weights *original;
    sam2_error error;
    need_ok(weights_open(NULL, wide, 1, &original, &error), &error);
    for (int bf16 = 0; bf16 < 2; bf16++) {
        char back[300];
        name_file(back, "safetensors");
        convert(bf16 ? bf16_file : f32_file, back, SAM2_PRECISION_AUTO);
        hold_values(original, back, bf16);
        remove(back);
    }
    weights_close(original);
}

static void release(outcome *o)
{
    free(o->features);
    free(o->logits);
}

/* Float32 products that read weights in bfloat16 give the bits of those that read them widened: wherever the values are
 * bfloat16's, with half of the memory. Rounded on request they are another model, since they might have been others. */
static void held_in_bfloat16(void **state)
{
    (void)state;
    const int side = 128;
    char floats[300], native[300], original[300];
    name_file(original, "safetensors");
    convert(bf16_file, original, SAM2_PRECISION_AUTO);
    name_file(floats, "safetensors");
    name_file(native, "sam2");
    convert(MICRO, floats, SAM2_PRECISION_F32);
    convert(MICRO, native, SAM2_PRECISION_BF16);
    for (const char *const *isa = isas_here(); *isa; isa++) {
        sam2_model *model = open_as(floats, *isa, SAM2_PRECISION_F32, side);
        const sam2_model_info widened = info_of(model);
        assert_int_equal(widened.storage, SAM2_PRECISION_F32);
        outcome expected = run(model);
        sam2_model_close(model);
        for (int mapped = 0; mapped < 2; mapped++) {
            model = open_as(mapped ? native : MICRO, *isa, SAM2_PRECISION_F32, side);
            const sam2_model_info info = info_of(model);
            assert_int_equal(info.precision, SAM2_PRECISION_F32);
            assert_true(info.identity == widened.identity);
            assert_int_equal(info.storage, SAM2_PRECISION_BF16);
            assert_true((double)info.weight_bytes < 0.65 * (double)widened.weight_bytes);
            hold(model, &expected);
        }
        model = open_as(floats, *isa, SAM2_PRECISION_BF16, side);
        const sam2_model_info rounded = info_of(model);
        assert_int_equal(rounded.storage, SAM2_PRECISION_BF16);
        if (rounded.precision == SAM2_PRECISION_F32) {
            assert_true(rounded.identity != widened.identity);
            outcome o = run(model);
            assert_memory_equal(o.logits, expected.logits, o.floats * sizeof(float));
            release(&o);
        }
        sam2_model_close(model);
        release(&expected);
        /* a native file of weights with more digits: what it has in float32 is used so, not its rounded constants */
        model = open_as(original, *isa, SAM2_PRECISION_F32, side);
        expected = run(model);
        sam2_model_close(model);
        hold(open_as(bf16_file, *isa, SAM2_PRECISION_F32, side), &expected);
        release(&expected);
    }
    remove(original);
    remove(floats);
    remove(native);
}

/* The built-in model is the file in data/, to the bit, on every instruction set; it is used where the
 * library has it, and nothing but the small parts that files have in another form is allocated. */
static void the_built_in_model(void **state)
{
    (void)state;
    sam2_error error;
    for (const char *const *isa = isas_here(); *isa; isa++)
        for (int bf16 = 0; bf16 < 2; bf16++) {
            sam2_model_options options = SAM2_MODEL_OPTIONS_INIT;
            const int side = isa[1] ? 128 : 0; /* the model's own on the best instruction set */
            sam2_model *model = open_as(MICRO, *isa, bf16 ? SAM2_PRECISION_BF16 : SAM2_PRECISION_F32, side);
            outcome expected = run(model);
            sam2_model_close(model);
            counter c;
            sam2_allocator a = counting(&c);
            options.isa = *isa;
            options.image_size = side;
            options.precision = bf16 ? SAM2_PRECISION_BF16 : SAM2_PRECISION_F32;
            options.allocator = &a;
            options.verify = 1;
            need_ok(sam2_model_open_builtin(&options, &model, &error), &error);
            assert_string_equal(info_of(model).name, "micro");
            assert_string_equal(info_of(model).format, "native");
            assert_int_equal(info_of(model).storage, SAM2_PRECISION_BF16);
            if (info_of(model).precision == SAM2_PRECISION_BF16 || !isa[1]) { /* laid out for this machine */
                assert_int_equal(info_of(model).repacked, 0);
                assert_true(c.live_bytes < 256 * 1024);
                assert_true(info_of(model).mapped_bytes > 10 * 1000 * 1000);
            }
            hold(model, &expected);
            assert_int_equal(c.live_blocks, 0);
            free(expected.features);
            free(expected.logits);
        }
    weights *original;
    char file[300];
    name_file(file, "safetensors");
    need_ok(weights_open(NULL, MICRO, 1, &original, &error), &error);
    need_ok(sam2_convert_builtin(file, SAM2_PRECISION_AUTO, NULL, &error), &error);
    hold_values(original, file, false); /* of which bfloat16 rounds nothing */
    remove(file);
    weights_close(original);
    assert_int_equal(sam2_convert(NULL, file, SAM2_PRECISION_AUTO, NULL, &error), SAM2_ERROR_ARGUMENT);
}

/* A file whose encoder is float32 and something behind it bfloat16 (or the other way round) becomes a native file of
 * the same model. */
static void mixed_precision(void **state)
{
    (void)state;
    static const char *const parts[] = {"sam_mask_decoder.transformer.layers.0.mlp",
                                        "sam_mask_decoder.output_upscaling", "memory_attention", "image_encoder"};
    char mixed[300], native[300];
    sam2_error error;
    name_file(mixed, "safetensors");
    name_file(native, "sam2");
    for (size_t part = 0; part < sizeof parts / sizeof *parts; part++) {
        weights *w;
        need_ok(weights_open(NULL, MICRO, 1, &w, &error), &error);
        size_t total = 0, kept = 0;
        for (size_t i = 0; i < weights_count(w); i++)
            total += weights_at(w, i)->count;
        float *values = malloc(total * sizeof *values), *at = values;
        assert_non_null(values);
        for (size_t i = 0; i < weights_count(w); i++) {
            weights_tensor *t = (weights_tensor *)(uintptr_t)weights_at(w, i);
            if (strncmp(t->name, parts[part], strlen(parts[part])) == 0) {
                kept++;
                continue;
            }
            weights_read(t, 0, t->count, at);
            t->type = WEIGHTS_F32;
            t->data = at;
            at += t->count;
        }
        assert_true(kept > 0);
        need_ok(weights_write_safetensors(w, mixed, weights_config(w), 1, WEIGHTS_F32, &error), &error);
        weights_close(w);
        free(values);
        convert(mixed, native, SAM2_PRECISION_AUTO);
        sam2_model *model = open_as(mixed, NULL, SAM2_PRECISION_F32, 128);
        outcome expected = run(model);
        sam2_model_close(model);
        hold(open_as(native, NULL, SAM2_PRECISION_F32, 128), &expected);
        release(&expected);
    }
    remove(mixed);
    remove(native);
}

/* float32 weights that bfloat16 does not hold: the included model's, changed a little. */
static void write_wide(void)
{
    weights *w;
    sam2_error error;
    need_ok(weights_open(NULL, MICRO, 1, &w, &error), &error);
    size_t total = 0;
    for (size_t i = 0; i < weights_count(w); i++)
        total += weights_at(w, i)->count;
    float *values = malloc(total * sizeof *values), *at = values;
    assert_non_null(values);
    for (size_t i = 0; i < weights_count(w); i++) {
        weights_tensor *t = (weights_tensor *)(uintptr_t)weights_at(w, i);
        weights_read(t, 0, t->count, at);
        for (size_t k = 0; k < t->count; k++)
            at[k] *= 1.0f + (float)(k % 97) * 0x1p-20f;
        t->type = WEIGHTS_F32;
        t->data = at;
        at += t->count;
    }
    need_ok(weights_write_safetensors(w, wide, weights_config(w), 1, WEIGHTS_F32, &error), &error);
    weights_close(w);
    free(values);
}

static int set_up(void **state)
{
    (void)state;
    name_file(wide, "safetensors");
    name_file(f32_file, "sam2");
    name_file(bf16_file, "sam2");
    name_file(scratch, "sam2");
    name_file(features_file, "features");
    write_wide();
    convert(wide, f32_file, SAM2_PRECISION_AUTO);
    convert(wide, bf16_file, SAM2_PRECISION_BF16);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    const char *const files[] = {wide, f32_file, bf16_file, scratch, features_file};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        remove(files[i]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_instruction_set),
        cmocka_unit_test(from_pt),
        cmocka_unit_test(removed),
        cmocka_unit_test(nothing_is_copied),
        cmocka_unit_test(every_allocation_fails),
        cmocka_unit_test(bytes_of_a_file),
        cmocka_unit_test(the_way_back),
        cmocka_unit_test(held_in_bfloat16),
        cmocka_unit_test(the_built_in_model),
        cmocka_unit_test(mixed_precision),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
