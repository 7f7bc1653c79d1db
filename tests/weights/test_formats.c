/* Every format written and read back; files that PyTorch and safetensors wrote; conversions; the fingerprint. */
#include "weights/support.h"
#include "weights/values.h"
#include "weights/write_pt.h"

#include <math.h>
#include <stdio.h>

#define CONFIG "{\n\t\"image_size\":512,\"name\":\"caf\xC3\xA9 \\\"x\\\"\"}"

static const weights_shape list[] = {
    {"image_encoder.trunk.patch_embed.proj.weight", 4, {12, 3, 7, 7}},
    {"odd.bias", 1, {7}},
    {"empty.weight", 2, {0, 5}},
    {"scalar", 0, {0}},
    {"eight", 8, {1, 2, 1, 3, 1, 2, 1, 2}},
    {"quote\"back\\slash.caf\xC3\xA9", 3, {2, 1, 3}},
    {"large.weight", 2, {300, 47}},
};
enum { COUNT = sizeof list / sizeof *list };

static weights *synthetic(void)
{
    weights *w = NULL;
    sam2_error error;
    expect_ok(weights_synthesize(&alloc_default, list, COUNT, 3, 0, &w, &error), &error);
    return w;
}

static weights *open_file(const char *path)
{
    weights *w = NULL;
    sam2_error error;
    expect_ok(weights_open(&alloc_default, path, 1, &w, &error), &error);
    return w;
}

/* `b` holds the tensors of `a` as `type`. */
static void check_same(const weights *a, const weights *b, weights_type type)
{
    assert_int_equal(weights_count(a), weights_count(b));
    for (size_t i = 0; i < weights_count(a); i++) {
        const weights_tensor *x = weights_at(a, i), *y = weights_find(b, x->name);
        assert_non_null(y);
        assert_int_equal(y->type, type);
        assert_int_equal(x->dims, y->dims);
        assert_memory_equal(x->shape, y->shape, sizeof x->shape);
        assert_int_equal(x->count, y->count);
        for (size_t k = 0; k < x->count; k++) {
            float u, v, rounded;
            uint32_t half[1] = {0};
            weights_read(x, k, 1, &u);
            weights_read(y, k, 1, &v);
            values_convert(&u, 1, type, half);
            weights_tensor one = {.type = type, .count = 1, .data = half};
            weights_read(&one, 0, 1, &rounded);
            assert_memory_equal(&v, &rounded, sizeof v);
        }
    }
}

typedef sam2_status (*writer)(const weights *, const char *, const char *, int, weights_type, sam2_error *);

static void round_trip(writer write, weights_format format)
{
    weights *w = synthetic();
    char path[256];
    sam2_error error;
    temporary_path(path);
    for (int type = WEIGHTS_F32; type <= WEIGHTS_BF16; type++)
        for (int with = 0; with < 2; with++) {
            expect_ok(write(w, path, with ? CONFIG : NULL, 0, (weights_type)type, &error), &error);
            weights *r = open_file(path);
            assert_int_equal(weights_get_format(r), format);
            assert_string_equal(weights_format_name(format), format == WEIGHTS_NATIVE ? "native" : "safetensors");
            check_same(w, r, (weights_type)type);
            if (with)
                assert_string_equal(weights_config(r), CONFIG);
            else
                assert_null(weights_config(r));
            if (type == WEIGHTS_F32)
                assert_true(weights_fingerprint(w) == weights_fingerprint(r));
            else
                assert_false(weights_fingerprint(w) == weights_fingerprint(r));

            /* over itself, kept as it is */
            expect_ok(write(r, path, NULL, 1, WEIGHTS_F32, &error), &error);
            weights *again = open_file(path);
            check_same(r, again, (weights_type)type);
            assert_true(weights_fingerprint(again) == weights_fingerprint(r));
            weights_close(again);
            weights_close(r);
        }
    remove(path);
    expect_failure(write(w, "/nonexistent/folder/x", NULL, 0, WEIGHTS_F32, &error), &error, SAM2_ERROR_FILE,
                   "/nonexistent/folder/x");
    expect_failure(write(w, path, "\xFF{}", 0, WEIGHTS_F32, &error), &error, SAM2_ERROR_ARGUMENT, "UTF-8");
    weights_close(w);
}

static void test_safetensors(void **state)
{
    (void)state;
    round_trip(weights_write_safetensors, WEIGHTS_SAFETENSORS);
}

static void test_native(void **state)
{
    (void)state;
    round_trip(weights_write_native, WEIGHTS_NATIVE);
}

/* Data is aligned in native files and, to its elements, in safetensors; a second time gives the same bytes. */
static void test_alignment(void **state)
{
    (void)state;
    weights *w = synthetic();
    char path[256];
    sam2_error error;
    temporary_path(path);
    for (int round = 0; round < 2; round++) {
        writer write = round ? weights_write_native : weights_write_safetensors;
        expect_ok(write(w, path, CONFIG, 0, WEIGHTS_F32, &error), &error);
        buffer first = read_whole(path);
        expect_ok(write(w, path, CONFIG, 0, WEIGHTS_F32, &error), &error);
        buffer second = read_whole(path);
        assert_int_equal(first.size, second.size);
        assert_memory_equal(first.bytes, second.bytes, first.size);
        weights *r = NULL;
        expect_ok(weights_open_memory(NULL, first.bytes, first.size, "memory", 1, &r, &error), &error);
        for (size_t i = 0; i < weights_count(r); i++)
            if (weights_at(r, i)->count)
                assert_int_equal((uintptr_t)weights_at(r, i)->data % (round ? 64 : 4), 0);
        weights_close(r);
        buffer_free(&first);
        buffer_free(&second);
    }
    remove(path);
    weights_close(w);
}

static void test_pt(void **state)
{
    (void)state;
    weights *w = synthetic();
    char path[256];
    sam2_error error;
    temporary_path(path);
    /* with zip64 fields where they are needed, for most entries, for all */
    const uint64_t limits[] = {0xFFFFFFFFu, 4096, 1};
    for (int i = 0; i < 3; i++) {
        if (i == 0)
            expect_ok(weights_write_pt(w, path, &error), &error);
        else
            expect_ok(write_pt_limited(w, path, true, limits[i], &error), &error);
        weights *r = open_file(path);
        assert_int_equal(weights_get_format(r), WEIGHTS_PT);
        check_same(w, r, WEIGHTS_F32);
        assert_true(weights_fingerprint(w) == weights_fingerprint(r));
        weights_close(r);
    }
    remove(path);
    expect_failure(weights_write_pt(w, "/nonexistent/x", &error), &error, SAM2_ERROR_FILE, "/nonexistent/x");
    weights_close(w);
}

static void check_value(const weights *w, const char *name, weights_type type, size_t index, float value)
{
    const weights_tensor *t = weights_find(w, name);
    if (!t)
        fail_msg("%s is missing", name);
    float v;
    assert_int_equal(t->type, type);
    assert_true(index < t->count);
    weights_read(t, index, 1, &v);
    if (v != value)
        fail_msg("%s[%zu] is %g, not %g", name, index, (double)v, (double)value);
}

/* Files by the other programs; see make_torch_fixtures.py. */
static void test_foreign(void **state)
{
    (void)state;
    const char *const names[] = {"torch_model.pt", "torch_protocol4.pt", "torch_bare.pt", "hub.safetensors"};
    uint64_t fingerprint = 0;
    for (int i = 0; i < 4; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/weights/%s", TEST_DATA, names[i]);
        weights *w = open_file(path);
        assert_int_equal(weights_count(w), 8);
        assert_int_equal(weights_get_format(w), i < 3 ? WEIGHTS_PT : WEIGHTS_SAFETENSORS);
        check_value(w, "a.weight", WEIGHTS_F32, 23, 23.0f / 8);
        check_value(w, "a.bias", WEIGHTS_F32, 1, -2.0f);
        check_value(w, "half", WEIGHTS_F16, 1, 65504.0f);
        check_value(w, "brain", WEIGHTS_BF16, 0, -1.0f);
        check_value(w, "part", WEIGHTS_F32, 0, 4.0f);
        check_value(w, "part", WEIGHTS_F32, 5, 9.0f);
        check_value(w, "odd", WEIGHTS_F32, 7, 7.0f);
        check_value(w, "scalar", WEIGHTS_F32, 0, 4.25f);
        assert_int_equal(weights_find(w, "empty")->count, 0);
        assert_int_equal(weights_find(w, "scalar")->dims, 0);
        if (i == 3)
            assert_string_equal(weights_config(w), "{\"image_size\": 512}");
        if (i && weights_fingerprint(w) != fingerprint)
            fail_msg("%s has another fingerprint", names[i]);
        fingerprint = weights_fingerprint(w);
        weights_close(w);
    }
}

/* All 65536 halves survive the way to float32 and back; some values against known bits. */
static void test_conversion(void **state)
{
    (void)state;
    assert_string_equal(weights_type_name(WEIGHTS_F32), "float32");
    assert_string_equal(weights_type_name(WEIGHTS_F16), "float16");
    assert_string_equal(weights_type_name(WEIGHTS_BF16), "bfloat16");
    for (int type = WEIGHTS_F16; type <= WEIGHTS_BF16; type++)
        for (uint32_t bits = 0; bits < 0x10000; bits++) {
            uint16_t half = (uint16_t)bits, back;
            float f;
            weights_tensor one = {.type = (weights_type)type, .count = 1, .data = &half};
            weights_read(&one, 0, 1, &f);
            values_convert(&f, 1, (weights_type)type, &back);
            uint16_t quiet = isnan(f) ? (type == WEIGHTS_F16 ? 0x200 : 0x40) : 0;
            if (back != (half | quiet))
                fail_msg("%s %04x comes back as %04x", weights_type_name((weights_type)type), half, back);
            if (type == WEIGHTS_F16 && !isnan(f) && (bits & 0x7C00) != 0x7C00) {
                float expected = ldexpf((float)((bits & 0x3FF) + (bits & 0x7C00 ? 0x400 : 0)),
                                        (int)(bits & 0x7C00 ? bits >> 10 & 31 : 1) - 25);
                assert_true(fabsf(f) == expected && !signbit(f) == !(bits & 0x8000));
            }
        }
    static const struct {
        float f;
        uint16_t f16, bf16;
    } cases[] = {
        {1.0f, 0x3C00, 0x3F80},           {-2.0f, 0xC000, 0xC000},          {65504.0f, 0x7BFF, 0x4780},
        {65519.996f, 0x7BFF, 0x4780},     {65520.0f, 0x7C00, 0x4780},       {1e30f, 0x7C00, 0x714A},
        {0x1p-24f, 0x0001, 0x3380},       {0x1p-25f, 0x0000, 0x3300},       {0x1.000002p-25f, 0x0001, 0x3300},
        {0x1.8p-24f, 0x0002, 0x33C0},     {0x1.ffcp-15f, 0x0400, 0x3880},   {0x1p-14f, 0x0400, 0x3880},
        {1.00048828125f, 0x3C00, 0x3F80}, {1.00146484375f, 0x3C02, 0x3F80}, {1.00390625f, 0x3C04, 0x3F80},
        {1.01171875f, 0x3C0C, 0x3F82},    {INFINITY, 0x7C00, 0x7F80},       {-0.0f, 0x8000, 0x8000},
        {3.4e38f, 0x7C00, 0x7F80},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint16_t half;
        values_convert(&cases[i].f, 1, WEIGHTS_F16, &half);
        if (half != cases[i].f16)
            fail_msg("%a as float16 is %04x, not %04x", (double)cases[i].f, half, cases[i].f16);
        values_convert(&cases[i].f, 1, WEIGHTS_BF16, &half);
        if (half != cases[i].bf16)
            fail_msg("%a as bfloat16 is %04x, not %04x", (double)cases[i].f, half, cases[i].bf16);
    }
}

/* The fingerprint sees names, shapes and values, and nothing else. */
static void test_fingerprint(void **state)
{
    (void)state;
    weights_shape a[2] = {{"x.weight", 2, {4, 6}}, {"y.weight", 2, {100, 100}}}, b[2] = {a[1], a[0]},
                  c[2] = {a[0], {"z.weight", 2, {100, 100}}}, d[2] = {{"x.weight", 2, {6, 4}}, a[1]};
    weights_shape *lists[] = {a, b, c, d, a};
    uint64_t prints[5];
    for (int i = 0; i < 5; i++) {
        weights *w = NULL;
        expect_ok(weights_synthesize(&alloc_default, lists[i], 2, i == 4, 0, &w, NULL), &(sam2_error){.text = ""});
        prints[i] = weights_fingerprint(w);
        weights_close(w);
    }
    assert_true(prints[0] == prints[1]);
    assert_false(prints[0] == prints[2]);
    assert_false(prints[0] == prints[3]);
    assert_false(prints[0] == prints[4]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_safetensors), cmocka_unit_test(test_native),  cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_pt),          cmocka_unit_test(test_foreign), cmocka_unit_test(test_conversion),
        cmocka_unit_test(test_fingerprint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
