#include "weights/crc32.h"

#include "weights/internal.h"

void crc32_prepare(crc32_tables *tables)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t c = b;
        for (int bit = 0; bit < 8; bit++)
            c = c >> 1 ^ (c & 1 ? 0xEDB88320u : 0);
        tables->t[0][b] = c;
    }
    for (int k = 1; k < 8; k++)
        for (uint32_t b = 0; b < 256; b++) {
            uint32_t c = tables->t[k - 1][b];
            tables->t[k][b] = c >> 8 ^ tables->t[0][c & 255];
        }
}

uint32_t crc32_add(const crc32_tables *tables, uint32_t crc, const void *bytes, size_t size)
{
    const uint8_t *p = bytes;
    uint32_t c = ~crc;
    for (; size >= 8; size -= 8, p += 8) {
        uint32_t low = get_le32(p) ^ c, high = get_le32(p + 4);
        c = tables->t[7][low & 255] ^ tables->t[6][low >> 8 & 255] ^ tables->t[5][low >> 16 & 255] ^
            tables->t[4][low >> 24] ^ tables->t[3][high & 255] ^ tables->t[2][high >> 8 & 255] ^
            tables->t[1][high >> 16 & 255] ^ tables->t[0][high >> 24];
    }
    for (; size; size--, p++)
        c = c >> 8 ^ tables->t[0][(c ^ *p) & 255];
    return ~c;
}
