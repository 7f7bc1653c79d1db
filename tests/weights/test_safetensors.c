/* safetensors made to order: what is right is read, lies are refused. */
#include "weights/support.h"

#include <stdio.h>
#include <stdlib.h>

/* A file with this header and `data` zero bytes. */
static buffer make(const char *header, size_t data)
{
    buffer b = new_bytes();
    put_number(&b, strlen(header), 8);
    put_text(&b, header);
    assert_int_equal(buffer_fill(&b, 0, data, NULL), SAM2_OK);
    return b;
}

static void refuse(const char *header, size_t data, sam2_status code, const char *part)
{
    buffer b = make(header, data);
    refuse_bytes(b.bytes, b.size, code, part);
    buffer_free(&b);
}

static weights *accept(const char *header, size_t data, buffer *b)
{
    weights *w = NULL;
    sam2_error error;
    *b = make(header, data);
    expect_ok(weights_open_memory(&alloc_default, b->bytes, b->size, "the file", 1, &w, &error), &error);
    return w;
}

static void test_good(void **state)
{
    (void)state;
    buffer b;
    weights *w = accept("{\"b\":{\"dtype\":\"F16\",\"shape\":[2,3],\"data_offsets\":[16,28]},\"a\":{\"dtype\":\"F32\","
                        "\"shape\":[4],\"data_offsets\":[0,16]},"
                        "\"n\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[28,36]},\"e\":{\"dtype\":\"BF16\","
                        "\"shape\":[0,7],\"data_offsets\":[36,36]},"
                        "\"__metadata__\":{\"format\":\"pt\",\"sam2.config\":\"{}\"}}   ",
                        36, &b);
    assert_int_equal(weights_count(w), 3);
    assert_string_equal(weights_config(w), "{}");
    assert_int_equal(weights_find(w, "b")->type, WEIGHTS_F16);
    assert_int_equal(weights_find(w, "a")->count, 4);
    assert_int_equal(weights_find(w, "e")->count, 0);
    assert_null(weights_find(w, "n"));
    assert_string_equal(weights_at(w, 0)->name, "b");
    weights_close(w);
    buffer_free(&b);

    w = accept("{\"module.caf\\u00e9\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4, &b);
    assert_non_null(weights_find(w, "caf\xC3\xA9"));
    assert_null(weights_config(w));
    weights_close(w);
    buffer_free(&b);
}

#define A(type, shape, offsets) "\"a\":{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"
#define ONE(type, shape, offsets) "{" A(type, shape, offsets) "}"

static void test_tensors(void **state)
{
    (void)state;
    refuse(ONE("F32", "[4]", "[0,17]"), 17, SAM2_ERROR_FORMAT,
           "tensor a takes 17 bytes, but its shape and type F32 make 16");
    refuse(ONE("F32", "[4]", "[0,16]"), 15, SAM2_ERROR_FORMAT,
           "tensor a ends at byte 16 of 15 of data: the file is cut off");
    refuse(ONE("F32", "[4]", "[0,16]"), 17, SAM2_ERROR_FORMAT, "1 bytes after the last tensor");
    refuse(ONE("F32", "[4]", "[4,20]"), 20, SAM2_ERROR_FORMAT, "4 bytes between the start and tensor a");
    refuse(ONE("F32", "[4]", "[16,0]"), 16, SAM2_ERROR_FORMAT, "no [begin, end]");
    refuse(ONE("F32", "[4]", "[-16,0]"), 16, SAM2_ERROR_FORMAT, "no whole number");
    refuse(ONE("F32", "[4]", "[0,16,32]"), 16, SAM2_ERROR_FORMAT, "more than 2 numbers");
    refuse(ONE("F32", "[4]", "16"), 16, SAM2_ERROR_FORMAT, "\"data_offsets\" is no list");
    refuse(ONE("F32", "[4]", "[16]"), 16, SAM2_ERROR_FORMAT, "no [begin, end]");
    refuse(ONE("F32", "[4]", "[0,16.0]"), 16, SAM2_ERROR_FORMAT, "no whole number");
    refuse(ONE("F32", "[4]", "[0,9223372036854775807]"), 16, SAM2_ERROR_FORMAT, "cut off");
    refuse(ONE("F32", "[4]", "[0,18446744073709551616]"), 16, SAM2_ERROR_FORMAT, "no whole number");
    refuse(ONE("F32", "[-4]", "[0,16]"), 16, SAM2_ERROR_FORMAT, "no whole number");
    refuse(ONE("F32", "[4.0]", "[0,16]"), 16, SAM2_ERROR_FORMAT, "no whole number");
    refuse(ONE("F32", "\"4\"", "[0,16]"), 16, SAM2_ERROR_FORMAT, "\"shape\" is no list");
    refuse(ONE("F32", "[4294967296,4294967296]", "[0,16]"), 16, SAM2_ERROR_FORMAT, "overflows");
    refuse(ONE("F32", "[0,4294967296,4294967296]", "[0,0]"), 0, SAM2_ERROR_FORMAT, "overflows");
    refuse(ONE("F32", "[4611686018427387904]", "[0,16]"), 16, SAM2_ERROR_FORMAT, "overflows");
    refuse(ONE("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, SAM2_ERROR_FORMAT, "more than 8 numbers");
    refuse(ONE("F8_E4M3", "[16]", "[0,16]"), 16, SAM2_ERROR_UNSUPPORTED, "tensor a is of type F8_E4M3");
    refuse(ONE("F64", "[2]", "[0,16]"), 16, SAM2_ERROR_UNSUPPORTED, "tensor a is of type F64");
    refuse(ONE("I64", "[2]", "[0,16]"), 16, SAM2_ERROR_UNSUPPORTED, "tensor a is of type I64");
    refuse(ONE("I64", "[]", "[0,8]"), 8, SAM2_ERROR_FORMAT, "no tensors in it");
    refuse("{\"a\":{\"shape\":[4],\"data_offsets\":[0,16]}}", 16, SAM2_ERROR_FORMAT, "\"dtype\" is missing");
    refuse("{\"a\":[]}", 16, SAM2_ERROR_FORMAT, "description is no object");
    refuse("{\"\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", 16, SAM2_ERROR_FORMAT,
           "name of 0 bytes");
    refuse("{\"a\\nb\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", 16, SAM2_ERROR_FORMAT,
           "is not valid");
    refuse("{\"a\\u0000b\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", 16, SAM2_ERROR_FORMAT,
           "damaged");
    refuse("{" A("F32", "[4]", "[0,16]") ",\"b\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[12,28]}}", 28,
           SAM2_ERROR_FORMAT, "tensor b overlaps a");
    refuse("{" A("F32", "[4]", "[0,16]") ",\"b\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", 16,
           SAM2_ERROR_FORMAT, "overlaps");
    refuse("{" A("F32", "[4]", "[0,16]") "," A("F32", "[4]", "[16,32]") "}", 32, SAM2_ERROR_FORMAT,
           "tensor a is there twice");
    refuse("{" A("F32", "[4]", "[0,16]") ",\"module.a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[16,32]}}",
           32, SAM2_ERROR_FORMAT, "tensor a is there twice");
}

static void test_headers(void **state)
{
    (void)state;
    refuse("{}", 0, SAM2_ERROR_FORMAT, "no tensors in it");
    refuse("{", 0, SAM2_ERROR_FORMAT, "the safetensors header is damaged");
    refuse("{}}", 0, SAM2_ERROR_FORMAT, "the safetensors header is damaged");
    refuse("{\"a\"", 0, SAM2_ERROR_FORMAT, "the safetensors header is damaged");
    refuse("{\"a\\", 0, SAM2_ERROR_FORMAT, "the safetensors header is damaged");
    refuse("{\xFF", 0, SAM2_ERROR_FORMAT, "the safetensors header is damaged");
    refuse("{\"__metadata__\":{\"sam2.config\":1}}", 0, SAM2_ERROR_FORMAT, "\"sam2.config\" is no text");
    refuse("{\"__metadata__\":{\"sam2.config\":\"\",\"sam2.config\":\"\"}}", 0, SAM2_ERROR_FORMAT,
           "\"sam2.config\" twice");
    refuse("{\"__metadata__\":{},\"__metadata__\":{}}", 0, SAM2_ERROR_FORMAT, "\"__metadata__\" twice");
    refuse("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 0, SAM2_ERROR_FORMAT, "\"dtype\" is there twice");

    buffer b = make(ONE("F32", "[4]", "[0,16]"), 16);
    const uint64_t lengths[] = {100000001, (uint64_t)1 << 40, ((uint64_t)1 << 56) - 1};
    for (int i = 0; i < 3; i++) {
        put_le64(b.bytes, lengths[i]);
        refuse_bytes(b.bytes, b.size, SAM2_ERROR_FORMAT, "over the format's limit of 100000000");
    }
    put_le64(b.bytes, 1000);
    refuse_bytes(b.bytes, b.size, SAM2_ERROR_FORMAT, "takes 1000 bytes, but only");
    put_le64(b.bytes, 3);
    refuse_bytes(b.bytes, b.size, SAM2_ERROR_FORMAT, "damaged");
    buffer_free(&b);
}

/* Large headers cost little. */
static void test_floods(void **state)
{
    (void)state;
    const size_t big = (size_t)10 << 20;
    char *header = malloc(big + 100);
    assert_non_null(header);
    strcpy(header, "{" A("F32", "[4]", "[0,16]"));
    size_t used = strlen(header);
    memset(header + used, ' ', big - used);
    strcpy(header + big, "}");
    buffer b;
    weights *w = accept(header, 16, &b);
    assert_int_equal(weights_count(w), 1);
    weights_close(w);
    buffer_free(&b);

    static const char *const units[] = {"[],", "{},", "1,", "[", "{\"\":", "\"", "\\"};
    static const char *const starts[] = {"{\"__metadata__\":{\"a\":[", "{\"a\":{\"b\":[", "{\"a\":{\"shape\":[", "{",
                                         "{\""};
    for (size_t k = 0; k < sizeof starts / sizeof *starts; k++)
        for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
            size_t n = strlen(units[u]);
            strcpy(header, starts[k]);
            for (used = strlen(header); used + n < big; used += n)
                memcpy(header + used, units[u], n);
            header[used] = '\0';
            refuse(header, 0, SAM2_ERROR_FORMAT, "");
        }
    strcpy(header, "{\"__metadata__\":{\"sam2.config\":\"");
    used = strlen(header);
    memset(header + used, 'x', big - used);
    strcpy(header + big, "\"}}");
    refuse(header, 0, SAM2_ERROR_FORMAT, "no tensors in it");
    free(header);

    buffer text = new_bytes();
    put_text(&text, "{");
    for (int i = 0; i < 16385; i++) {
        char part[100];
        snprintf(part, sizeof part, "%s\"%d\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[%d,%d]}", i ? "," : "",
                 i, 4 * i, 4 * i + 4);
        put_text(&text, part);
    }
    put(&text, "}", 2);
    refuse((const char *)text.bytes, 4 * 16385, SAM2_ERROR_FORMAT, "more than 16384 tensors");
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_tensors),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_floods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
