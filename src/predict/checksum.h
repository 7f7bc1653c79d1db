/* Numbers and checksums of the files that prediction writes, little-endian. */
#ifndef PREDICT_CHECKSUM_H
#define PREDICT_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

static inline void put_u64(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

static inline uint64_t get_u64(const uint8_t *p)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v |= (uint64_t)p[i] << 8 * i;
    return v;
}

/* Four independent lanes of multiply-and-mix over 8-byte words: fast, and any changed bit changes the sum. */
static inline uint64_t checksum(const uint8_t *p, size_t size)
{
    uint64_t lane[4] = {1, 2, 3, 4};
    size_t i = 0;
    for (; i + 32 <= size; i += 32)
        for (int l = 0; l < 4; l++) {
            uint64_t v = get_u64(p + i + 8 * l);
            lane[l] = (lane[l] ^ v) * 0x9E3779B97F4A7C15u;
            lane[l] ^= lane[l] >> 32;
        }
    uint64_t sum = size;
    for (int l = 0; l < 4; l++)
        sum = (sum ^ lane[l]) * 0xBF58476D1CE4E5B9u;
    for (; i < size; i++)
        sum = (sum ^ p[i]) * 0x100000001B3u;
    return sum ^ sum >> 29;
}

#endif
