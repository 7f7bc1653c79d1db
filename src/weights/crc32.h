/* CRC-32 as in zip (IEEE 802.3, reflected), eight bytes a step. The tables are made by the caller's call: no global
 * state. */
#ifndef WEIGHTS_CRC32_H
#define WEIGHTS_CRC32_H

#include <stddef.h>
#include <stdint.h>

typedef struct crc32_tables {
    uint32_t t[8][256]; /* t[k][b]: what byte b does k bytes before the end */
} crc32_tables;

void crc32_prepare(crc32_tables *tables);

/* The checksum of what `crc` is the checksum of (0: nothing), followed by these bytes. */
uint32_t crc32_add(const crc32_tables *tables, uint32_t crc, const void *bytes, size_t size);

#endif
