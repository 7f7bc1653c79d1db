/* Stand-in weights: values that depend only on tensor name, element index and seed, with magnitudes by the name's kind,
 * so that the network computes something sensible. The same bits as the Python formula: float64 arithmetic as written
 * there, rounded once at the end. */
#include "weights/internal.h"

#include <math.h>

#define GOLDEN 0x9E3779B97F4A7C15u

static uint64_t fnv1a(const char *text)
{
    uint64_t hash = 0xCBF29CE484222325u;
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001B3u;
    return hash;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && memcmp(text + n - m, end, m) == 0;
}

static bool holds_any(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strstr(text, words[i]))
            return true;
    return false;
}

/* offset and scale of a tensor's values; the first kind that fits. */
static void kind_of(const weights_tensor *t, int absent, double *offset, double *scale)
{
    static const char *const embeddings[] = {"embed", "token", "pos_enc", "no_mem", "obj_ptr", "rel_pos", "tpos"};
    static const char *const no_modules[] = {"embeddings", "token", "no_mask_embed"};
    const char *dot = strrchr(t->name, '.'), *last = dot ? dot + 1 : t->name;
    *offset = 0.0;
    if (ends_with(t->name, "pred_obj_score_head.layers.2.bias")) {
        *offset = absent ? -6.0 : 6.0;
        *scale = 0.05;
    } else if (strcmp(last, "gamma") == 0) {
        *offset = 0.1;
        *scale = 0.05;
    } else if (strcmp(last, "bias") == 0) {
        *scale = 0.05;
    } else if (strcmp(last, "weight") == 0 && t->dims == 1) {
        *offset = 1.0;
        *scale = 0.1;
    } else if (strstr(t->name, "gaussian_matrix")) {
        *scale = sqrt(3.0);
    } else if (!(strcmp(last, "weight") == 0 && !holds_any(t->name, no_modules, 3)) &&
               holds_any(t->name, embeddings, 7)) {
        *scale = 0.5;
    } else {
        bool transposed =
            ends_with(t->name, "output_upscaling.0.weight") || ends_with(t->name, "output_upscaling.3.weight");
        double fan_in = 1.0; /* exact: below 2^53 for any tensor that fits in memory */
        for (int axis = 0; axis < t->dims; axis++)
            if (axis != (transposed ? 1 : 0))
                fan_in *= (double)t->shape[axis];
        double gain = strncmp(t->name, "image_encoder.neck.convs.", 25) == 0 ? 0.3 : 1.0;
        *scale = gain * sqrt(3.0 / (fan_in < 1.0 ? 1.0 : fan_in));
    }
}

static void fill(float *out, size_t count, uint64_t start, double offset, double scale)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t z = start + (i + 1) * GOLDEN;
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
        z = (z ^ z >> 27) * 0x94D049BB133111EBu;
        z = z ^ z >> 31;
        double u = (double)(int64_t)(z >> 40) * 0x1p-23 - 1.0; /* [-1, 1), 24 bits */
        out[i] = (float)(offset + scale * u);
    }
}

/* The list's tensors one after the other in one block, each aligned to 64 bytes. */
static sam2_status build(weights *w, const weights_shape *list, size_t count, uint64_t seed, int absent,
                         sam2_error *error)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        TRY(weights_add(w, list[i].name, strlen(list[i].name), WEIGHTS_F32, list[i].dims, list[i].shape, NULL, error));
        size_t n = w->tensors[i].count;
        if (n > SIZE_MAX / 8 || !checked_add(bytes, round_up(n * sizeof(float), 64), &bytes))
            return error_memory(error, "stand-in weights", SIZE_MAX);
    }
    TRY(alloc_get(&w->allocator, bytes, "stand-in weights", &w->values, error));
    w->values_bytes = bytes;
    float *at = w->values;
    for (size_t i = 0; i < count; i++) {
        weights_tensor *t = &w->tensors[i];
        double offset, scale;
        kind_of(t, absent, &offset, &scale);
        fill(at, t->count, fnv1a(t->name) ^ seed * GOLDEN, offset, scale);
        t->data = at;
        at += round_up(t->count * sizeof(float), 64) / sizeof(float);
    }
    return weights_finish(w, error);
}

sam2_status weights_synthesize(const sam2_allocator *a, const weights_shape *list, size_t count, uint64_t seed,
                               int absent, weights **out, sam2_error *error)
{
    weights *w = NULL;
    TRY(weights_new(a, WEIGHTS_SYNTHETIC, "stand-in weights", &w, error));
    sam2_status status = build(w, list, count, seed, absent, error);
    if (status != SAM2_OK) {
        weights_close(w);
        return status;
    }
    *out = w;
    return SAM2_OK;
}
