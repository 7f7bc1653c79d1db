/* Writing of zip files with stored entries whose data is aligned, as PyTorch wants them. */
#ifndef WEIGHTS_ZIP_WRITE_H
#define WEIGHTS_ZIP_WRITE_H

#include "base/mapfile.h"
#include "weights/buffer.h"

#define ZIP_LIMIT 0xFFFFFFFFu /* numbers from here on need zip64 fields */

typedef struct zip_writer {
    outfile *out;
    buffer directory;
    uint64_t count;
    uint64_t limit; /* ZIP_LIMIT; lower to try out zip64 with small files */
} zip_writer;

/* Writes an entry's header, padded so that what follows begins at a multiple of 64. Then `size` bytes with this CRC-32
 * have to be written to the file. */
sam2_status zip_write_entry(zip_writer *z, const char *name, uint64_t size, uint32_t crc, sam2_error *error);

/* Writes the central directory. The caller commits the file and frees z->directory. */
sam2_status zip_write_end(zip_writer *z, sam2_error *error);

#endif
