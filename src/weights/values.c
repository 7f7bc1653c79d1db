/* Elements: their types, conversion to and from float32, the fingerprint. */
#include "weights/values.h"

#include "weights/internal.h"

size_t weights_type_size(weights_type type)
{
    return type == WEIGHTS_F32 ? 4 : 2;
}

const char *weights_type_name(weights_type type)
{
    switch (type) {
    case WEIGHTS_F32:
        return "float32";
    case WEIGHTS_F16:
        return "float16";
    case WEIGHTS_BF16:
        return "bfloat16";
    }
    return "unknown";
}

static float float_of(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static uint32_t bits_of(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

/* Every case is computed and one is chosen, so that the loop has no branches. */
static float from_f16(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, rest = half & 0x7FFFu;
    uint32_t normal = (rest << 13) + (112u << 23);             /* the bias goes from 15 to 127 */
    uint32_t small = bits_of((float)(int32_t)rest * 0x1p-24f); /* zero and subnormals are multiples of 2^-24 */
    uint32_t special = rest << 13 | 0x7F800000u;
    return float_of(sign | (rest >= 0x7C00 ? special : rest >= 0x400 ? normal : small));
}

static uint16_t to_bf16(float f)
{
    uint32_t bits = bits_of(f);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u)
        return (uint16_t)(bits >> 16 | 0x40); /* NaN: quiet, so that cutting its fraction leaves a NaN */
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

/* Rounds to nearest, ties to even; beyond 65504 to infinity. */
static uint16_t to_f16(float f)
{
    uint32_t bits = bits_of(f), sign = bits >> 16 & 0x8000, rest = bits & 0x7FFFFFFFu;
    if (rest > 0x7F800000u)
        return (uint16_t)(sign | 0x7E00 | (rest >> 13 & 0x3FF));
    if (rest >= 0x477FF000u) /* 65520, half way between the largest and what would follow */
        return (uint16_t)(sign | 0x7C00);
    if (rest < 0x38800000u) /* below 2^-14: adding 0.5 moves the last bit kept, 2^-24, to the float's last bit, and
                               rounds there */
        return (uint16_t)(sign | (bits_of(float_of(rest) + 0.5f) - 0x3F000000u));
    return (uint16_t)(sign | ((rest - (112u << 23) + 0xFFF + (rest >> 13 & 1)) >> 13));
}

size_t weights_bytes(const weights_tensor *t)
{
    size_t bytes = 0;
    panels_bytes(t, &bytes); /* fits: it was checked when the tensor was added */
    return bytes;
}

void weights_read(const weights_tensor *t, size_t first, size_t count, float *out)
{
    if (t->layout != WEIGHTS_ROWS) {
        panels_read(t, first, count, out);
        return;
    }
    const uint8_t *from = (const uint8_t *)t->data + first * weights_type_size(t->type);
    if (count == 0)
        return;
    if (t->type == WEIGHTS_F32) {
        memcpy(out, from, count * sizeof *out);
        return;
    }
    uint16_t block[256]; /* aligned, so that the conversions vectorise whatever the data's address */
    for (size_t done = 0; done < count;) {
        size_t n = count - done < 256 ? count - done : 256;
        memcpy(block, from + 2 * done, 2 * n);
        if (t->type == WEIGHTS_BF16)
            for (size_t i = 0; i < n; i++)
                out[done + i] = float_of((uint32_t)block[i] << 16);
        else
            for (size_t i = 0; i < n; i++)
                out[done + i] = from_f16(block[i]);
        done += n;
    }
}

void values_convert(const float *from, size_t count, weights_type type, void *to)
{
    uint16_t *halves = to;
    if (type == WEIGHTS_F32) {
        if (count)
            memcpy(to, from, count * sizeof *from);
    } else if (type == WEIGHTS_BF16)
        for (size_t i = 0; i < count; i++)
            halves[i] = to_bf16(from[i]);
    else
        for (size_t i = 0; i < count; i++)
            halves[i] = to_f16(from[i]);
}

static uint64_t mix(uint64_t hash, const void *bytes, size_t size)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ p[i]) * 0x100000001B3u;
    return hash;
}

void weights_samples(const weights_tensor *t, weights_type as, weights_sample *sample)
{
    float *out = sample->values;
    size_t samples = t->count < WEIGHTS_SAMPLES ? t->count : WEIGHTS_SAMPLES;
    for (size_t s = 0; s < samples; s++) {
        /* evenly spread, the first and the last element among them */
        const size_t last = WEIGHTS_SAMPLES - 1;
        size_t at = samples == t->count ? s : (t->count - 1) / last * s + (t->count - 1) % last * s / last;
        weights_read(t, at, 1, &out[s]);
    }
    if (as != WEIGHTS_F32) {
        uint16_t rounded[WEIGHTS_SAMPLES];
        values_convert(out, samples, as, rounded);
        weights_read(&(weights_tensor){.type = as, .count = samples, .data = rounded}, 0, samples, out);
    }
}

uint64_t weights_fingerprint_of(const weights *w, const weights_sample *samples)
{
    uint64_t hash = 0xCBF29CE484222325u;
    for (size_t i = 0; i < w->by_name_count; i++) {
        const weights_tensor *t = &w->tensors[w->by_name[i]];
        hash = mix(hash, t->name, strlen(t->name) + 1);
        for (int d = 0; d < t->dims; d++) {
            uint8_t size[8];
            put_le64(size, (uint64_t)t->shape[d]);
            hash = mix(hash, size, sizeof size);
        }
        weights_sample own;
        if (!samples)
            weights_samples(t, WEIGHTS_F32, &own);
        const float *values = samples ? samples[w->by_name[i]].values : own.values;
        for (size_t s = 0; s < t->count && s < WEIGHTS_SAMPLES; s++) {
            uint8_t bits[4];
            put_le32(bits, bits_of(values[s]));
            hash = mix(hash, bits, sizeof bits);
        }
    }
    return hash;
}

uint64_t weights_fingerprint(const weights *w)
{
    return weights_fingerprint_of(w, NULL);
}
