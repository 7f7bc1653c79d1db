/* The stand-in formula against values printed by the Python implementation. */
#include "weights/support.h"

#include <stdio.h>

static uint64_t fnv1a(const void *bytes, size_t size)
{
    const uint8_t *p = bytes;
    uint64_t hash = 0xCBF29CE484222325u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ p[i]) * 0x100000001B3u;
    return hash;
}

static void test_fixture(void **state)
{
    (void)state;
    FILE *file = fopen(TEST_DATA "/weights/synth.txt", "r");
    assert_non_null(file);
    char line[1024], name[256];
    int lines = 0;
    for (; fgets(line, sizeof line, file); lines++) {
        unsigned long long seed, hash;
        int absent, at = 0, used = 0;
        weights_shape shape = {.name = name};
        assert_int_equal(sscanf(line, "%255s %llu %d %d%n", name, &seed, &absent, &shape.dims, &at), 4);
        for (int i = 0; i < shape.dims; i++, at += used) {
            long long size;
            assert_int_equal(sscanf(line + at, "%lld%n", &size, &used), 1);
            shape.shape[i] = size;
        }
        assert_int_equal(sscanf(line + at, "%llx%n", &hash, &used), 1);
        at += used;

        weights *w = NULL;
        sam2_error error;
        assert_int_equal(weights_synthesize(&alloc_default, &shape, 1, seed, absent, &w, &error), SAM2_OK);
        const weights_tensor *t = weights_find(w, name);
        assert_non_null(t);
        const float *values = t->data;
        unsigned bits;
        for (size_t i = 0; i < 8 && sscanf(line + at, "%x%n", &bits, &used) == 1; i++, at += used) {
            uint32_t have;
            memcpy(&have, &values[i], sizeof have);
            if (have != bits)
                fail_msg("%s seed %llu: value %zu is %08x, not %08x", name, seed, i, have, bits);
        }
        if (fnv1a(t->data, t->count * sizeof(float)) != hash)
            fail_msg("%s seed %llu: the values' hash differs", name, seed);
        weights_close(w);
    }
    fclose(file);
    assert_int_equal(lines, 96);
}

/* Several tensors, aligned, found by name; a doubled name and an impossible size are refused. */
static void test_list(void **state)
{
    (void)state;
    weights_shape list[3] = {
        {"b.weight", 2, {3, 5}},
        {"a.bias", 1, {7}},
        {"c.weight", 4, {2, 3, 1, 1}},
    };
    weights *w = NULL;
    sam2_error error;
    assert_int_equal(weights_synthesize(&alloc_default, list, 3, 5, 0, &w, &error), SAM2_OK);
    assert_int_equal(weights_count(w), 3);
    assert_int_equal(weights_get_format(w), WEIGHTS_SYNTHETIC);
    assert_null(weights_config(w));
    for (size_t i = 0; i < 3; i++) {
        const weights_tensor *t = weights_at(w, i);
        assert_string_equal(t->name, list[i].name);
        assert_ptr_equal(weights_find(w, list[i].name), t);
        assert_int_equal((uintptr_t)t->data % 64, 0);
    }
    assert_null(weights_find(w, "b"));
    assert_null(weights_find(w, ""));
    assert_null(weights_find(w, "zzz"));
    assert_null(weights_at(w, 3));
    weights_close(w);

    list[2].name = "a.bias";
    expect_failure(weights_synthesize(&alloc_default, list, 3, 0, 0, &w, &error), &error, SAM2_ERROR_FORMAT,
                   "a.bias is there twice");
    list[2] = (weights_shape){"c", 3, {INT64_MAX, INT64_MAX, 2}};
    expect_failure(weights_synthesize(&alloc_default, list, 3, 0, 0, &w, &error), &error, SAM2_ERROR_FORMAT,
                   "overflows");
    list[2] = (weights_shape){"c", 2, {INT64_MAX / 8, 1}};
    tally t = TALLY;
    sam2_allocator a = tally_allocator(&t);
    expect_failure(weights_synthesize(&a, list, 3, 0, 0, &w, &error), &error, SAM2_ERROR_MEMORY, "stand-in");
    assert_int_equal(t.blocks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fixture),
        cmocka_unit_test(test_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
