#include <immintrin.h>
#include <stdint.h>

#include "peak.h"

/* Eight tiles of 16 rows of 64 bytes: six sums, and two operands. */
static void open_tiles(void)
{
    /* Constant, since gcc's _tile_loadconfig does not say that it reads all of it. */
    static const struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } layout = {.palette = 1, .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
    _tile_loadconfig(&layout);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    _tile_zero(6);
    _tile_zero(7);
}

#define SIX(product)                                                                                                   \
    do {                                                                                                               \
        product(0, 6, 7);                                                                                              \
        product(1, 6, 7);                                                                                              \
        product(2, 6, 7);                                                                                              \
        product(3, 6, 7);                                                                                              \
        product(4, 6, 7);                                                                                              \
        product(5, 6, 7);                                                                                              \
    } while (0)

float peak_amx_bf16(long count)
{
    open_tiles();
    while (count--)
        SIX(_tile_dpbf16ps);
    _tile_release();
    return 0.0f;
}

float peak_amx_int8(long count)
{
    open_tiles();
    while (count--)
        SIX(_tile_dpbssd);
    _tile_release();
    return 0.0f;
}
