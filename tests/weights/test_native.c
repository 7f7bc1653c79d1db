/* Native files with one thing changed and the header's checksum put right again, so that it is the thing that is
 * refused. */
#include "weights/crc32.h"
#include "weights/native.h"
#include "weights/support.h"
#include "weights/values.h"

#include <stdio.h>
#include <stdlib.h>

static buffer good(void)
{
    static const weights_shape list[] = {{"first.weight", 2, {3, 5}}, {"empty", 1, {0}}, {"second.bias", 1, {7}}};
    weights *w = NULL;
    sam2_error error;
    char path[256];
    temporary_path(path);
    expect_ok(weights_synthesize(&alloc_default, list, 3, 0, 0, &w, &error), &error);
    expect_ok(weights_write_native(w, path, "{}", 1, WEIGHTS_F32, &error), &error);
    weights_close(w);
    buffer b = read_whole(path);
    remove(path);
    return b;
}

/* Where the directory begins. */
static size_t directory_of(const buffer *b)
{
    return NATIVE_HEADER + round_up((size_t)get_le64(b->bytes + 24), 8);
}

static void seal(buffer *b)
{
    crc32_tables tables;
    crc32_prepare(&tables);
    size_t end = round_up(directory_of(b) + (size_t)get_le64(b->bytes + 32), NATIVE_ALIGN);
    if (end <= b->size)
        put_le32(b->bytes + 12, crc32_add(&tables, 0, b->bytes + 16, end - 16));
}

/* `bytes` bytes at `at` become `value`; `at` counts from the directory's start when `in_directory`. */
static void refuse_change(bool in_directory, size_t at, int bytes, uint64_t value, sam2_status code, const char *part)
{
    buffer b = good();
    uint8_t le[8];
    put_le64(le, value);
    memcpy(b.bytes + at + (in_directory ? directory_of(&b) : 0), le, (size_t)bytes);
    seal(&b);
    refuse_bytes(b.bytes, b.size, code, part);
    buffer_free(&b);
}

static void test_header(void **state)
{
    (void)state;
    refuse_change(false, 4, 1, '\n', SAM2_ERROR_FORMAT, "a transfer as text");
    refuse_change(false, 8, 4, 1, SAM2_ERROR_UNSUPPORTED, "format version 1; this library reads version 2: convert");
    refuse_change(false, 8, 4, 3, SAM2_ERROR_UNSUPPORTED, "format version 3; this library reads version 2");
    refuse_change(false, 16, 8, 100000, SAM2_ERROR_FORMAT, "the file is cut off: ");
    refuse_change(false, 16, 8, 10, SAM2_ERROR_FORMAT, "bytes instead of 10");
    refuse_change(false, 24, 8, UINT64_MAX, SAM2_ERROR_FORMAT, "sizes do not fit");
    refuse_change(false, 24, 8, UINT64_MAX - 7, SAM2_ERROR_FORMAT, "sizes do not fit");
    refuse_change(false, 32, 8, UINT64_MAX, SAM2_ERROR_FORMAT, "sizes do not fit");
    refuse_change(false, 40, 4, 4, SAM2_ERROR_FORMAT, "the native directory is damaged");
    refuse_change(false, 40, 4, 2, SAM2_ERROR_FORMAT, "does not describe the whole file");
    refuse_change(false, 40, 4, 0, SAM2_ERROR_FORMAT, "does not describe the whole file");
    refuse_change(false, NATIVE_HEADER, 1, '[', SAM2_ERROR_FORMAT, "the native metadata is damaged");

    /* without resealing: the header's checksum is always looked at */
    buffer b = good();
    for (size_t i = 16; i < directory_of(&b) + get_le64(b.bytes + 32); i++) {
        weights *w = NULL;
        sam2_error error;
        b.bytes[i] ^= 0x10;
        sam2_status status = weights_open_memory(&alloc_default, b.bytes, b.size, "the file", 0, &w, &error);
        if (status != SAM2_ERROR_FORMAT)
            fail_msg("byte %zu flipped: status %d", i, (int)status);
        b.bytes[i] ^= 0x10;
    }
    buffer_free(&b);
}

static void test_directory(void **state)
{
    (void)state;
    refuse_change(true, 0, 4, 0, SAM2_ERROR_FORMAT, "the native directory is damaged");
    refuse_change(true, 0, 4, 0xFFFFFFFF, SAM2_ERROR_FORMAT, "the native directory is damaged");
    refuse_change(true, 8, 8, 0, SAM2_ERROR_FORMAT, "tensor first.weight: its data begins at byte 0");
    refuse_change(true, 8, 8, UINT64_MAX - 63, SAM2_ERROR_FORMAT, "tensor first.weight: its data begins at");
    refuse_change(true, 16, 8, 64, SAM2_ERROR_FORMAT,
                  "tensor first.weight: its shape, layout and 64 bytes do not agree");
    refuse_change(true, 24, 1, 3, SAM2_ERROR_UNSUPPORTED, "tensor first.weight has element type 3");
    refuse_change(true, 25, 1, 3, SAM2_ERROR_UNSUPPORTED, "tensor first.weight is packed in layout 3");
    refuse_change(true, 25, 1, 1, SAM2_ERROR_FORMAT, "do not agree"); /* panels of no width */
    refuse_change(true, 25, 1, 2, SAM2_ERROR_FORMAT, "do not agree"); /* pairs of float32 */
    refuse_change(true, 27, 1, 2, SAM2_ERROR_UNSUPPORTED, "kind 2, which this library does not know");
    refuse_change(true, 32, 4, 16, SAM2_ERROR_FORMAT, "do not agree"); /* a panel's width in C order */
    refuse_change(true, 26, 1, 9, SAM2_ERROR_FORMAT, "the native directory is damaged");
    refuse_change(true, 26, 1, 1, SAM2_ERROR_FORMAT, "the native directory is damaged");
    refuse_change(true, 28, 4, 100000, SAM2_ERROR_FORMAT, "the native directory is damaged");
    refuse_change(true, 28, 4, 0, SAM2_ERROR_FORMAT, "the native directory is damaged");
    refuse_change(true, 40, 8, UINT64_MAX, SAM2_ERROR_FORMAT, "do not agree");
    refuse_change(true, 40, 8, (uint64_t)1 << 62, SAM2_ERROR_FORMAT, "do not agree");
    refuse_change(true, 56, 1, 1, SAM2_ERROR_FORMAT, "name of 12 bytes is not valid");
}

static void test_data(void **state)
{
    (void)state;
    buffer b = good();
    b.bytes[b.size - 3] ^= 4; /* in the last tensor */
    refuse_bytes(b.bytes, b.size, SAM2_ERROR_FORMAT, "CRC mismatch in tensor second.bias");
    weights *w = NULL;
    sam2_error error;
    expect_ok(weights_open_memory(&alloc_default, b.bytes, b.size, "the file", 0, &w, &error), &error);
    weights_close(w);
    put_text(&b, "x");
    refuse_bytes(b.bytes, b.size, SAM2_ERROR_FORMAT, "bytes instead of");
    buffer_free(&b);
}

static weights *matrices(void)
{
    static const weights_shape list[] = {
        {"panels.weight", 2, {7, 5}}, {"pairs.weight", 4, {33, 3, 3, 5}}, {"some.bias", 1, {7}}};
    weights *w = NULL;
    sam2_error error;
    expect_ok(weights_synthesize(&alloc_default, list, 3, 0, 0, &w, &error), &error);
    return w;
}

static buffer packed_file(void)
{
    weights *w = matrices();
    sam2_error error;
    char path[256];
    temporary_path(path);
    expect_ok(write_packed(w, path, &error), &error);
    weights_close(w);
    buffer b = read_whole(path);
    remove(path);
    return b;
}

/* Packed matrices are read in C order, at any element and over any range; the fingerprints are those of the values. */
static void test_packed(void **state)
{
    static const weights_layout layouts[] = {WEIGHTS_PANELS, WEIGHTS_PAIRS, WEIGHTS_ROWS};
    /* two panels of 4 x 5 floats; two of 32 x 64 halves */
    static const size_t bytes[] = {2 * 4 * 5 * 4, 2 * 32 * 64 * 2, 7 * 4};
    (void)state;
    weights *w = matrices(), *r = NULL;
    sam2_error error;
    buffer b = packed_file();
    expect_ok(weights_open_memory(&alloc_default, b.bytes, b.size, "the file", 1, &r, &error), &error);
    assert_int_equal(weights_count(r), 3);
    weights_sample samples[3] = {{{0}}};
    for (size_t i = 0; i < 3; i++) {
        const weights_tensor *x = weights_at(w, i), *y = weights_find(r, x->name);
        const bool rounded = i == 1;
        assert_int_equal(y->layout, layouts[i]);
        assert_int_equal(y->type, rounded ? WEIGHTS_BF16 : WEIGHTS_F32);
        assert_int_equal(weights_bytes(y), bytes[i]);
        float all[33 * 45], part[33 * 45], expected;
        weights_read(y, 0, y->count, all);
        for (size_t k = 0; k < x->count; k++) {
            weights_read(x, k, 1, &expected);
            if (rounded) {
                uint16_t half;
                values_convert(&expected, 1, WEIGHTS_BF16, &half);
                weights_read(&(weights_tensor){.type = WEIGHTS_BF16, .count = 1, .data = &half}, 0, 1, &expected);
            }
            assert_memory_equal(&all[k], &expected, sizeof expected);
        }
        for (size_t first = 0; first < y->count; first += 3)
            for (size_t count = 0; first + count <= y->count; count += 7) {
                weights_read(y, first, count, part);
                assert_memory_equal(part, all + first, count * sizeof *part);
            }
        weights_samples(x, rounded ? WEIGHTS_BF16 : WEIGHTS_F32, &samples[i]);
    }
    uint64_t plain, bf16;
    assert_true(weights_stored_fingerprint(r, false, &plain) && weights_stored_fingerprint(r, true, &bf16));
    assert_true(plain == weights_fingerprint(r));
    assert_true(plain == weights_fingerprint_of(w, samples) && bf16 == plain);
    assert_false(plain == weights_fingerprint(w));
    assert_int_equal(weights_constant_count(r), 1);
    const weights_tensor *table = weights_constant(r, "table");
    assert_non_null(table);
    assert_null(weights_constant(r, "panels.weight"));
    assert_null(weights_find(r, "table"));
    for (size_t k = 0; k < 6; k++) {
        float value;
        weights_read(table, k, 1, &value);
        assert_true(value == (float)k);
    }
    weights_close(r);

    /* and where the copy is not aligned */
    uint8_t *shifted = malloc(b.size + 1);
    assert_non_null(shifted);
    memcpy(shifted + 1, b.bytes, b.size);
    expect_ok(weights_open_memory(&alloc_default, shifted + 1, b.size, "the file", 1, &r, &error), &error);
    assert_true(weights_fingerprint(r) == plain);
    weights_close(r);
    free(shifted);
    buffer_free(&b);
    weights_close(w);
}

static void refuse_packed(size_t at, int bytes, uint64_t value, const char *part)
{
    buffer b = packed_file();
    uint8_t le[8];
    put_le64(le, value);
    memcpy(b.bytes + directory_of(&b) + at, le, (size_t)bytes);
    seal(&b);
    refuse_bytes(b.bytes, b.size, SAM2_ERROR_FORMAT, part);
    buffer_free(&b);
}

/* Layouts that lie. */
static void test_packed_refused(void **state)
{
    (void)state;
    const size_t second = 40 + 2 * 8 + 16; /* the first record: its name of 13 bytes is filled up to 16 */
    refuse_packed(24, 1, WEIGHTS_BF16, "tensor panels.weight: its shape, layout");
    refuse_packed(25, 1, WEIGHTS_ROWS, "tensor panels.weight: its shape, layout");
    refuse_packed(32, 4, 0, "tensor panels.weight: its shape, layout");
    refuse_packed(32, 4, 65, "tensor panels.weight: its shape, layout");
    refuse_packed(32, 4, UINT32_MAX, "tensor panels.weight: its shape, layout");
    refuse_packed(40, 8, 0, "tensor panels.weight: its shape, layout");
    refuse_packed(40, 8, (uint64_t)1 << 58, "tensor panels.weight: its shape, layout");
    refuse_packed(second + 24, 1, WEIGHTS_F16, "tensor pairs.weight: its shape, layout");
    refuse_packed(second + 25, 1, WEIGHTS_PANELS, "tensor pairs.weight: its shape, layout");
    refuse_packed(second + 40, 8, (uint64_t)1 << 60, "tensor pairs.weight: its shape, layout");
    refuse_packed(second + 48, 8, 8, "tensor pairs.weight: its shape, layout");
    refuse_packed(second + 8, 8, NATIVE_HEADER, "tensor pairs.weight: its data begins"); /* over the header */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header), cmocka_unit_test(test_directory),      cmocka_unit_test(test_data),
        cmocka_unit_test(test_packed), cmocka_unit_test(test_packed_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
