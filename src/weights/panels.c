/* Matrices packed in panels, as the kernels read them: their size, and the way back to rows. */
#include "weights/internal.h"

/* Elements from panel to panel: width x k, or width x K. */
static size_t row_length(const weights_tensor *t)
{
    size_t k = t->count / (size_t)t->shape[0];
    return t->layout == WEIGHTS_PAIRS ? round_up(k, WEIGHTS_PAIRS_K) : k;
}

bool panels_bytes(const weights_tensor *t, size_t *bytes)
{
    if (t->layout == WEIGHTS_ROWS)
        return t->width == 0 && checked_mul(t->count, weights_type_size(t->type), bytes);
    if (t->layout != WEIGHTS_PANELS && t->layout != WEIGHTS_PAIRS)
        return false;
    if (t->type != (t->layout == WEIGHTS_PAIRS ? WEIGHTS_BF16 : WEIGHTS_F32) || t->dims < 1 || t->count == 0 ||
        t->width < 1 || t->width > WEIGHTS_MAX_WIDTH)
        return false;
    /* count fits in SIZE_MAX / 8, and so do these before they are multiplied */
    size_t n = (size_t)t->shape[0], panels = n / t->width + (n % t->width != 0), rows;
    return checked_mul(panels, t->width, &rows) && checked_mul(rows, row_length(t), &rows) &&
           checked_mul(rows, weights_type_size(t->type), bytes);
}

static float pair_element(const uint8_t *panel, size_t width, size_t row, size_t k)
{
    uint32_t bits = (uint32_t)get_le16(panel + 2 * ((k / 2 * width + row) * 2 + k % 2)) << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

void panels_read(const weights_tensor *t, size_t first, size_t count, float *out)
{
    if (count == 0)
        return;
    const size_t k = t->count / (size_t)t->shape[0], width = t->width,
                 panel_bytes = width * row_length(t) * weights_type_size(t->type);
    for (size_t done = 0; done < count;) {
        size_t row = (first + done) / k, p = (first + done) % k, n = k - p < count - done ? k - p : count - done;
        const uint8_t *panel = (const uint8_t *)t->data + row / width * panel_bytes;
        row %= width;
        if (t->layout == WEIGHTS_PANELS)
            for (size_t i = 0; i < n; i++)
                memcpy(&out[done + i], panel + 4 * ((p + i) * width + row), 4);
        else
            for (size_t i = 0; i < n; i++)
                out[done + i] = pair_element(panel, width, row, p + i);
        done += n;
    }
}
