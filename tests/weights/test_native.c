/* Native files with one thing changed and the header's checksum put right again, so that it is the thing that is
 * refused. */
#include "weights/crc32.h"
#include "weights/native.h"
#include "weights/support.h"

#include <stdio.h>

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
    refuse_change(false, 8, 4, 2, SAM2_ERROR_UNSUPPORTED, "format version 2; this library reads version 1");
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
    refuse_change(true, 16, 8, 64, SAM2_ERROR_FORMAT, "tensor first.weight: its shape and its 64 bytes do not agree");
    refuse_change(true, 24, 1, 3, SAM2_ERROR_UNSUPPORTED, "tensor first.weight has element type 3");
    refuse_change(true, 25, 1, 1, SAM2_ERROR_UNSUPPORTED, "tensor first.weight is packed in layout 1");
    refuse_change(true, 26, 1, 9, SAM2_ERROR_FORMAT, "the native directory is damaged");
    refuse_change(true, 26, 1, 1, SAM2_ERROR_FORMAT, "the native directory is damaged");
    refuse_change(true, 28, 4, 100000, SAM2_ERROR_FORMAT, "the native directory is damaged");
    refuse_change(true, 28, 4, 0, SAM2_ERROR_FORMAT, "the native directory is damaged");
    refuse_change(true, 32, 8, UINT64_MAX, SAM2_ERROR_FORMAT, "do not agree");
    refuse_change(true, 32, 8, (uint64_t)1 << 62, SAM2_ERROR_FORMAT, "do not agree");
    refuse_change(true, 48, 1, 1, SAM2_ERROR_FORMAT, "name of 12 bytes is not valid");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_directory),
        cmocka_unit_test(test_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
