#include "weights/values.h"

#include "weights/internal.h"

#define BLOCK 2048 /* elements converted at a time, on the stack */

/* The next at most BLOCK elements from `first`, as `type` in `to`; returns how many. */
static size_t convert_block(const weights_tensor *t, size_t first, weights_type type, float *to)
{
    float block[BLOCK];
    size_t n = t->count - first < BLOCK
    ? t->count - first : BLOCK;
    weights_read(t, first, n, block);
    values_convert(block, n, type, to);
    return n;
}

sam2_status values_write(const weights_tensor *t, weights_type type, outfile *out, sam2_error *error)
{
    if (type == t->type && t->layout == WEIGHTS_ROWS)
        return outfile_write(out, t->data, t->count * weights_type_size(type), error);
    float block[BLOCK]; /* floats, for their alignment and size */
    for (size_t done = 0, n; done < t->count; done += n) {
        n = convert_block(t, done, type, block);
        TRY(outfile_write(out, block, n * weights_type_size(type), error));
    }
    return SAM2_OK;
}

uint32_t values_crc(const weights_tensor *t, weights_type type, const crc32_tables *tables)
{
    if (type == t->type && t->layout == WEIGHTS_ROWS)
        return crc32_add(tables, 0, t->data, t->count * weights_type_size(type));
    uint32_t crc = 0;
    float block[BLOCK];
    for (size_t done = 0, n; done < t->count; done += n) {
        n = convert_block(t, done, type, block);
        crc = crc32_add(tables, crc, block, n * weights_type_size(type));
    }
    return crc;
}
