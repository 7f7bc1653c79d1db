/* Every kind of file cut off at every byte, with bits flipped at random, and opened and written while memory runs out.
 * Nothing may crash, leak or be read from outside (the sanitizers look), and what is cut off is always refused. */
#include "weights/support.h"

#include <stdio.h>
#include <stdlib.h>

static const weights_shape list[] = {
    {"image_encoder.trunk.patch_embed.proj.weight", 4, {2, 3, 2, 2}},
    {"sam_mask_decoder.iou_token.weight", 2, {1, 16}},
    {"odd.bias", 1, {3}},
    {"scalar", 0, {0}},
};

typedef sam2_status (*writer)(const weights *, const char *, sam2_error *);

static sam2_status as_safetensors(const weights *w, const char *path, sam2_error *error)
{
    return weights_write_safetensors(w, path, "{\"a\":1}", 0, WEIGHTS_BF16, error);
}

static sam2_status as_native(const weights *w, const char *path, sam2_error *error)
{
    return weights_write_native(w, path, "{\"a\":1}", 0, WEIGHTS_F16, error);
}

static const writer writers[] = {as_safetensors, as_native, weights_write_pt, write_packed};
enum { WRITERS = 4, KINDS = 6 };

/* Small files of each kind: four by the library, two by the programs that the formats come from. */
static buffer small_file(int kind)
{
    if (kind == 4)
        return read_whole(TEST_DATA "/weights/torch_model.pt");
    if (kind == 5)
        return read_whole(TEST_DATA "/weights/hub.safetensors");
    weights *w = NULL;
    sam2_error error;
    char path[256];
    temporary_path(path);
    expect_ok(weights_synthesize(&alloc_default, list, 4, 0, 0, &w, &error), &error);
    expect_ok(writers[kind](w, path, &error), &error);
    weights_close(w);
    buffer b = read_whole(path);
    remove(path);
    return b;
}

/* Opens a copy in a block of exactly this size; what opens is read through. */
static sam2_status try_open(const uint8_t *bytes, size_t size, int verify)
{
    tally t = TALLY;
    t.limit = (size_t)32 << 20;
    sam2_allocator a = tally_allocator(&t);
    uint8_t *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    if (size)
        memcpy(copy, bytes, size);
    weights *w = NULL;
    sam2_error error = {0};
    sam2_status status = weights_open_memory(&a, copy, size, "the file", verify, &w, &error);
    if (status == SAM2_OK) {
        read_everything(w);
        weights_fingerprint(w);
        weights_close(w);
    } else {
        assert_int_equal(status, error.code);
        if (status != SAM2_ERROR_FORMAT && status != SAM2_ERROR_UNSUPPORTED)
            fail_msg("status %d: %s", (int)status, error.text);
        if (strncmp(error.text, "the file: ", 10) != 0)
            fail_msg("\"%s\" does not begin with the file's label", error.text);
    }
    assert_int_equal(t.blocks, 0);
    free(copy);
    return status;
}

static void test_truncation(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        buffer b = small_file(kind);
        assert_int_equal(try_open(b.bytes, b.size, 1), SAM2_OK);
        for (size_t size = 0; size < b.size; size++)
            if (try_open(b.bytes, size, 0) == SAM2_OK)
                fail_msg("kind %d opens when cut off at %zu of %zu bytes", kind, size, b.size);
        buffer_free(&b);
    }
}

static uint64_t random_state;

static uint64_t next_random(void)
{
    random_state += 0x9E3779B97F4A7C15u;
    uint64_t z = random_state;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* Native files have checksums over everything, so a flip never goes unnoticed there; and single flips in each byte of
 * all kinds. */
static void test_flips(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        buffer b = small_file(kind);
        for (size_t at = 0; at < b.size; at++)
            for (int bit = 0; bit < 8; bit++) {
                b.bytes[at] ^= (uint8_t)(1 << bit);
                sam2_status status = try_open(b.bytes, b.size, 1);
                if ((kind == 1 || kind == 3) && status == SAM2_OK &&
                    b.bytes[at] ^ (1 << bit)) /* padding between tensors is nobody's */
                    fail_msg("bit %d of byte %zu flipped in a native file is not seen", bit, at);
                b.bytes[at] ^= (uint8_t)(1 << bit);
            }
        for (uint64_t seed = 0; seed < 4000; seed++) {
            buffer copy = new_bytes();
            put(&copy, b.bytes, b.size);
            random_state = seed * KINDS + (uint64_t)kind;
            for (uint64_t n = 1 + next_random() % 8; n > 0; n--) {
                size_t at = next_random() % copy.size;
                uint64_t how = next_random();
                if (how % 4 == 0)
                    copy.bytes[at] = (uint8_t[]){0, 1, 0x7F, 0xFF}[how / 4 % 4];
                else if (how % 4 == 1)
                    memmove(copy.bytes + at, b.bytes + how / 4 % (b.size - copy.size + at + 1),
                            copy.size - at < 8 ? copy.size - at : 8);
                else
                    copy.bytes[at] ^= (uint8_t)(how >> 8);
            }
            try_open(copy.bytes, copy.size, 0);
            buffer_free(&copy);
        }
        buffer_free(&b);
    }
}

static void test_allocation_failures(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        buffer b = small_file(kind);
        size_t failures = 0;
        for (size_t n = 1;; n++) {
            tally t = TALLY;
            t.fail_at = n;
            sam2_allocator a = tally_allocator(&t);
            weights *w = NULL;
            sam2_error error = {0};
            sam2_status status = weights_open_memory(&a, b.bytes, b.size, "the file", 1, &w, &error);
            if (t.calls >= n) {
                expect_failure(status, &error, SAM2_ERROR_MEMORY, "the file: out of memory");
                failures++;
            }
            weights_close(w);
            assert_int_equal(t.blocks, 0);
            if (t.calls < n) {
                assert_int_equal(status, SAM2_OK);
                break;
            }
        }
        assert_true(failures >= 3);
        buffer_free(&b);
    }
}

static void test_failures_while_writing(void **state)
{
    (void)state;
    char path[256];
    temporary_path(path);
    for (int kind = 0; kind < WRITERS; kind++)
        for (size_t n = 1;; n++) {
            tally t = TALLY;
            sam2_allocator a = tally_allocator(&t);
            weights *w = NULL;
            sam2_error error = {0};
            expect_ok(weights_synthesize(&a, list, 4, 0, 0, &w, &error), &error);
            t.calls = 0;
            t.fail_at = n;
            sam2_status status = writers[kind](w, path, &error);
            weights_close(w);
            assert_int_equal(t.blocks, 0);
            FILE *file = fopen(path, "rb");
            if (t.calls < n) {
                assert_int_equal(status, SAM2_OK);
                assert_non_null(file);
                fclose(file);
                remove(path);
                break;
            }
            expect_failure(status, &error, SAM2_ERROR_MEMORY, "out of memory");
            assert_null(file); /* no half-written file */
        }
    for (size_t n = 1;; n++) { /* and while making stand-in weights */
        tally t = TALLY;
        t.fail_at = n;
        sam2_allocator a = tally_allocator(&t);
        weights *w = NULL;
        sam2_error error = {0};
        sam2_status status = weights_synthesize(&a, list, 4, 0, 0, &w, &error);
        weights_close(w);
        assert_int_equal(t.blocks, 0);
        if (t.calls < n)
            break;
        expect_failure(status, &error, SAM2_ERROR_MEMORY, "out of memory");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_flips),
        cmocka_unit_test(test_allocation_failures),
        cmocka_unit_test(test_failures_while_writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
