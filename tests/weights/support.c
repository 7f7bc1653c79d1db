#define _POSIX_C_SOURCE 200809L

#include "weights/support.h"

#include "weights/values.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void *tally_allocate(void *user, size_t size, size_t alignment)
{
    tally *t = user;
    t->calls++;
    if (t->calls == t->fail_at || size > t->limit || t->held > t->limit - size)
        return NULL;
    void *p = aligned_alloc(alignment, round_up(size, alignment));
    if (p) {
        memset(p, 0xA5, size);
        t->held += size;
        t->blocks++;
        if (t->held > t->peak)
            t->peak = t->held;
    }
    return p;
}

static void tally_release(void *user, void *pointer, size_t size)
{
    tally *t = user;
    assert_true(t->blocks > 0 && t->held >= size);
    t->held -= size;
    t->blocks--;
    free(pointer);
}

sam2_allocator tally_allocator(tally *t)
{
    return (sam2_allocator){tally_allocate, tally_release, t};
}

void expect_failure(sam2_status status, const sam2_error *error, sam2_status code, const char *part)
{
    if (status != code)
        fail_msg("status %d instead of %d: %s", (int)status, (int)code, status == SAM2_OK ? "" : error->text);
    assert_int_equal(error->code, code);
    if (!strstr(error->text, part))
        fail_msg("\"%s\" does not say \"%s\"", error->text, part);
}

void expect_ok(sam2_status status, const sam2_error *error)
{
    if (status != SAM2_OK)
        fail_msg("status %d: %s", (int)status, error->text);
}

void refuse_bytes(const void *bytes, size_t size, sam2_status code, const char *part)
{
    tally t = TALLY;
    t.limit = (size_t)64 << 20;
    sam2_allocator a = tally_allocator(&t);
    uint8_t *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    if (size)
        memcpy(copy, bytes, size);
    weights *w = NULL;
    sam2_error error = {0};
    struct timespec from, to;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    expect_failure(weights_open_memory(&a, copy, size, "the file", 1, &w, &error), &error, code, part);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    double seconds = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) * 1e-9;
    if (strncmp(error.text, "the file: ", 10) != 0)
        fail_msg("\"%s\" does not begin with the file's label", error.text);
    if (seconds > 1.0)
        fail_msg("refused only after %.1f s: %s", seconds, error.text);
    assert_null(w);
    assert_int_equal(t.blocks, 0);
    free(copy);
}

buffer new_bytes(void)
{
    return (buffer){.allocator = alloc_default};
}

void put(buffer *b, const void *bytes, size_t size)
{
    assert_int_equal(buffer_add(b, bytes, size, NULL), SAM2_OK);
}

void put_text(buffer *b, const char *text)
{
    put(b, text, strlen(text));
}

void put_number(buffer *b, uint64_t value, int bytes)
{
    assert_int_equal(buffer_number(b, value, bytes, NULL), SAM2_OK);
}

buffer read_whole(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("%s is missing", path);
    buffer b = new_bytes();
    uint8_t block[4096];
    for (size_t n; (n = fread(block, 1, sizeof block, file)) > 0;)
        put(&b, block, n);
    fclose(file);
    return b;
}

void temporary_path(char path[256])
{
    static int number;
    snprintf(path, 256, "%s/test_weights_%ld_%d", BUILD_DIR, (long)getpid(), number++);
}

/* Element [i][k] of a matrix packed in panels of `width`: its place among the packed elements. */
static size_t packed_place(size_t i, size_t k, size_t length, size_t width, size_t pair)
{
    size_t whole = pair == 2 ? (length + 31) / 32 * 32 : length;
    return i / width * width * whole + (k / pair * width + i % width) * pair + k % pair;
}

sam2_status write_packed(const weights *w, const char *path, sam2_error *error)
{
    static const float table[6] = {0, 1, 2, 3, 4, 5};
    weights_form *forms = calloc(weights_count(w) + 1, sizeof *forms);
    void **blocks = calloc(weights_count(w), sizeof *blocks);
    assert_true(forms && blocks);
    for (size_t t = 0, packed = 0; t < weights_count(w); t++) {
        const weights_tensor *from = weights_at(w, t);
        if (from->dims < 2 || !from->count)
            continue;
        const size_t pair = 1 + packed++ % 2, width = pair == 2 ? 32 : 4, n = (size_t)from->shape[0],
                     k = from->count / n;
        blocks[t] = calloc((n + width - 1) / width * width * (k + 31), sizeof(float));
        assert_non_null(blocks[t]);
        for (size_t i = 0; i < n; i++)
            for (size_t p = 0; p < k; p++) {
                const size_t at = packed_place(i, p, k, width, pair);
                float value;
                weights_read(from, i * k + p, 1, &value);
                if (pair == 1)
                    ((float *)blocks[t])[at] = value;
                else
                    values_convert(&value, 1, WEIGHTS_BF16, (uint16_t *)blocks[t] + at);
            }
        forms[t] = (weights_form){.given = true,
                                  .bf16 = pair == 2,
                                  .type = pair == 2 ? WEIGHTS_BF16 : WEIGHTS_F32,
                                  .layout = pair == 2 ? WEIGHTS_PAIRS : WEIGHTS_PANELS,
                                  .width = (unsigned)width,
                                  .data = blocks[t]};
    }
    forms[weights_count(w)] =
        (weights_form){.given = true, .type = WEIGHTS_F32, .data = table, .name = "table", .dims = 2, .shape = {2, 3}};
    sam2_status status = weights_write_packed(w, path, "{\"a\":1}", forms, 1, error);
    for (size_t t = 0; t < weights_count(w); t++)
        free(blocks[t]);
    free(blocks);
    free(forms);
    return status;
}

double read_everything(const weights *w)
{
    double sum = 0;
    float block[256];
    for (size_t i = 0; i < weights_count(w); i++) {
        const weights_tensor *t = weights_at(w, i);
        for (size_t at = 0, n; at < t->count; at += n) {
            n = t->count - at < 256 ? t->count - at : 256;
            weights_read(t, at, n, block);
            for (size_t k = 0; k < n; k++)
                sum += block[k] == block[k] ? block[k] : 0;
        }
    }
    return sum;
}
