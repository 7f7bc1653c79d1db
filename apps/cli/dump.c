#include "dump.h"

#include <string.h>

#include "message.h"

/* The bounds within which the official predictor returns logits. */
#define LOGIT_LIMIT 32.0f

int dump_open(dump *d, const char *path, int clamp)
{
    *d = (dump){.clamp = clamp};
    d->failed = npz_open(&d->writer, path, d->error, sizeof d->error);
    return d->failed;
}

static int write_clamped(dump *d, const float *data, size_t count)
{
    float part[1024];
    while (count) {
        size_t n = count < 1024 ? count : 1024;
        for (size_t i = 0; i < n; i++)
            part[i] = data[i] > LOGIT_LIMIT ? LOGIT_LIMIT : data[i] < -LOGIT_LIMIT ? -LOGIT_LIMIT : data[i];
        if (npz_write(d->writer, part, n * sizeof *part, d->error, sizeof d->error))
            return -1;
        data += n;
        count -= n;
    }
    return 0;
}

void dump_tensor(void *user, const char *name, const float *data, const int64_t *shape, int dims)
{
    dump *d = user;
    size_t count = 1;
    if (d->failed || !d->writer)
        return;
    for (size_t i = 0; i < d->seen_count; i++)
        if (!strcmp(d->seen[i], name))
            return;
    if (d->seen_count == sizeof d->seen / sizeof *d->seen || strlen(name) >= sizeof d->seen[0])
        return;
    strcpy(d->seen[d->seen_count++], name);
    for (int i = 0; i < dims; i++)
        count *= (size_t)shape[i];
    if (!count) /* a prompt without tokens: there is nothing to compare */
        return;
    d->failed = npz_begin(d->writer, name, NPZ_FLOAT32, shape, dims, d->error, sizeof d->error);
    if (!d->failed)
        d->failed = !d->clamp || strcmp(name, "low_res")
                        ? npz_write(d->writer, data, count * sizeof *data, d->error, sizeof d->error)
                        : write_clamped(d, data, count);
    if (!d->failed)
        d->failed = npz_end(d->writer, d->error, sizeof d->error);
}

int dump_masks(dump *d, const sam2_result *result, uint8_t *bytes)
{
    int masks = sam2_result_mask_count(result);
    sam2_mask mask = SAM2_MASK_INIT;
    sam2_error error;
    if (d->failed)
        return -1;
    for (int place = 0, written = 0; place < 4 && !d->failed; place++) {
        for (int k = 0; k < masks && !d->failed; k++) {
            if (sam2_result_get_mask(result, 0, k, &mask, &error) || mask.index != place)
                continue;
            int64_t shape[3] = {masks, mask.height, mask.width};
            if (!written++)
                d->failed = npz_begin(d->writer, "masks", NPZ_BOOL, shape, 3, d->error, sizeof d->error);
            if (!d->failed && sam2_mask_to_bytes(&mask, 1, bytes, mask.width, &error))
                d->failed = explain(d->error, sizeof d->error, "%s", error.text);
            if (!d->failed)
                d->failed =
                    npz_write(d->writer, bytes, (size_t)mask.width * (size_t)mask.height, d->error, sizeof d->error);
        }
    }
    if (!d->failed)
        d->failed = npz_end(d->writer, d->error, sizeof d->error);
    return d->failed;
}

int dump_close(dump *d, int keep)
{
    int status = npz_close(d->writer, keep && !d->failed, d->error, sizeof d->error);
    d->writer = NULL;
    return d->failed || status ? -1 : 0;
}
