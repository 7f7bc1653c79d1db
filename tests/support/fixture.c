#include "support/fixture.h"

#include "api/open.h"
#include "cpu/cpu.h"
#include "support/cmocka_all.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void need_ok(sam2_status status, const sam2_error *error)
{
    if (status != SAM2_OK)
        fail_msg("status %d: %s", (int)status, error->text);
}

weights *fixture_open(const char *name)
{
    char path[512];
    sam2_error error;
    weights *w = NULL;
    snprintf(path, sizeof path, "%s/reference/%s.safetensors", TEST_DATA, name);
    if (weights_open(&alloc_default, path, 1, &w, &error) != SAM2_OK) {
        fprintf(stderr, "fixture: %s\n", error.text);
        exit(1);
    }
    return w;
}

float *fixture_get(const weights *w, const char *prefix, const char *name, size_t *count)
{
    char full[160];
    snprintf(full, sizeof full, "%s%s%s", prefix ? prefix : "", prefix ? "." : "", name);
    const weights_tensor *t = weights_find(w, full);
    if (!t)
        return NULL;
    float *out = malloc((t->count + 1) * sizeof *out);
    assert_non_null(out);
    weights_read(t, 0, t->count, out);
    if (count)
        *count = t->count;
    return out;
}

float *fixture_need(const weights *w, const char *prefix, const char *name, size_t *count)
{
    float *out = fixture_get(w, prefix, name, count);
    if (!out)
        fail_msg("the fixture lacks %s.%s", prefix ? prefix : "", name);
    return out;
}

static uint8_t pattern(int x, int y, int c)
{
    return (uint8_t)(((x * (c + 2) + y * (5 - c)) / 4 + 61 * (((x / 16) * 3 + (y / 16) * 5 + c) % 4) +
                      (x * y + 7 * c) % 13) %
                     256);
}

uint8_t *picture_pattern(int width, int height)
{
    uint8_t *out = malloc((size_t)width * (size_t)height * 3), *p = out;
    assert_non_null(out);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < 3; c++)
                *p++ = pattern(x, y, c);
    return out;
}

/* The scene, its disc and rectangle moved by frame t. */
static uint8_t clip(int x, int y, int c, int w, int h, int t)
{
    static const int disc[3] = {200, 70, 40}, rectangle[3] = {40, 120, 200}, ring[3] = {230, 220, 60};
    int v = 60 + x * (40 + 20 * c) / w + y * (50 - 10 * c) / h;
    int dx = x - 3 * w / 10 - t * w / 40, dy = y - 2 * h / 5 - t * h / 50;
    if (dx * dx + dy * dy < (h / 5) * (h / 5))
        v = disc[c] + (x + y) % 8;
    if (11 * w / 20 - t * w / 40 <= x && x < 17 * w / 20 - t * w / 40 && h / 2 <= y && y < 17 * h / 20)
        v = rectangle[c];
    dx = x - 3 * w / 4;
    dy = y - h / 4;
    int r = dx * dx + dy * dy;
    if ((h / 12) * (h / 12) <= r && r < (h / 7) * (h / 7))
        v = ring[c];
    return (uint8_t)v;
}

uint8_t *picture_clip(int width, int height, int frame)
{
    uint8_t *out = malloc((size_t)width * (size_t)height * 3), *p = out;
    assert_non_null(out);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < 3; c++)
                *p++ = clip(x, y, c, width, height, frame);
    return out;
}

uint8_t *picture_scene(int width, int height)
{
    return picture_clip(width, height, 0);
}

uint8_t *fixture_picture(const weights *w, int *width, int *height)
{
    float *p = fixture_need(w, NULL, "picture", NULL);
    *width = (int)p[0];
    *height = (int)p[1];
    uint8_t *out = p[2] == 0.0f ? picture_pattern(*width, *height) : picture_scene(*width, *height);
    free(p);
    return out;
}

float *made_logits(int side)
{
    float *out = malloc((size_t)side * (size_t)side * sizeof *out);
    assert_non_null(out);
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++)
            out[y * side + x] = ((float)pattern(x, y, 0) - 127.5f) / 8.0f;
    return out;
}

size_t sample_index(size_t i, size_t count)
{
    uint64_t z = ((uint64_t)i + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z = z ^ (z >> 31);
    return (size_t)(z % count);
}

double relative_rms(const float *expected, const float *got, size_t count)
{
    double square = 0.0, difference = 0.0;
    for (size_t i = 0; i < count; i++) {
        double d = (double)expected[i] - (double)got[i];
        square += (double)expected[i] * (double)expected[i];
        difference += d * d;
    }
    return square > 0.0 ? sqrt(difference / square) : sqrt(difference);
}

static sam2_model *model_of(const model_config *config, uint64_t seed, bool absent, const sam2_model_options *options)
{
    sam2_error error;
    model_layout layout;
    weights *w = NULL;
    sam2_model *m = NULL;
    need_ok(config_layout(config, &alloc_default, &layout, &error), &error);
    need_ok(weights_synthesize(&alloc_default, layout.list, layout.count, seed, absent, &w, &error), &error);
    config_layout_free(&layout);
    need_ok(open_weights(w, config, options, &m, &error), &error);
    weights_close(w);
    return m;
}

sam2_model *synthetic_model(const char *name, uint64_t seed, const sam2_model_options *options)
{
    sam2_error error;
    model_config config;
    need_ok(config_from_name(name, &config, &error), &error);
    return model_of(&config, seed, false, options);
}

sam2_model *fixture_model(const weights *fixture, const sam2_model_options *options)
{
    sam2_error error;
    model_config config;
    float *seed = fixture_need(fixture, NULL, "seed", NULL);
    need_ok(config_from_weights(fixture, &config, &error), &error);
    float *absent = fixture_get(fixture, NULL, "absent", NULL);
    sam2_model *m = model_of(&config, (uint64_t)seed[0], absent && absent[0] != 0.0f, options);
    free(seed);
    free(absent);
    return m;
}

const char *const *isas_here(void)
{
    static const char *here[6];
    int n = 0;
    here[n++] = "ref";
    if (cpu_has(CPU_AVX2))
        here[n++] = "avx2";
    if (cpu_has(CPU_AVX512))
        here[n++] = "avx512";
    if (cpu_has(CPU_AVX512BF16))
        here[n++] = "avx512bf16";
    if (cpu_has(CPU_AMX))
        here[n++] = "amx";
    here[n] = NULL;
    return here;
}
