/* The tile registers as both products have them: 0 to 3 are sums (top left, top right, bottom left, bottom right), 4
 * and 5 rows of A, 6 and 7 halves of a panel of B. */
#ifndef KERNELS_X86_AMX_TILES_H
#define KERNELS_X86_AMX_TILES_H

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What _tile_loadconfig reads. */
typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

/* For sums of `top` and `bottom` rows, 1 to 16. */
static inline void tiles_configure(size_t top, size_t bottom)
{
    tile_config c;
    memset(&c, 0, sizeof c);
    c.palette = 1;
    const size_t rows[8] = {top, top, bottom, bottom, top, bottom, 16, 16};
    for (int t = 0; t < 8; t++) {
        c.rows[t] = (uint8_t)rows[t];
        c.row_bytes[t] = 64;
    }
    _tile_loadconfig(&c);
}

/* The sums to rows of 32 floats, ld floats apart; only the upper ones unless `bottom`. */
static inline void tiles_store(bool bottom, float *sum, size_t ld)
{
    const size_t bytes = ld * sizeof *sum;
    _tile_stored(0, sum, bytes);
    _tile_stored(1, sum + 16, bytes);
    if (bottom) {
        _tile_stored(2, sum + 16 * ld, bytes);
        _tile_stored(3, sum + 16 * ld + 16, bytes);
    }
}

#endif
