/* What the tests of weights share: cmocka, a counting allocator, byte buffers, checks of failures. */
#ifndef TESTS_WEIGHTS_SUPPORT_H
#define TESTS_WEIGHTS_SUPPORT_H

#include "weights/buffer.h"
#include "weights/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* An allocator that knows what is held, and fails on request. */
typedef struct tally {
    size_t held, peak, blocks; /* bytes and blocks now, bytes at most */
    size_t limit;              /* of `held`; more fails */
    size_t calls, fail_at;     /* the call with this number (from 1) fails; 0: none */
} tally;

sam2_allocator tally_allocator(tally *t); /* *t set up by TALLY */
#define TALLY ((tally){.limit = (size_t)1 << 32})

/* Fails unless `status` is `code` and the error's text holds `part`. */
void expect_failure(sam2_status status, const sam2_error *error, sam2_status code, const char *part);

/* Fails unless the status is SAM2_OK, showing the error's text. */
void expect_ok(sam2_status status, const sam2_error *error);

/* Opening these bytes, which are copied to a block of exactly their size, has to fail like that, without anything left
 * allocated, within a second and with less than 64 MiB. */
void refuse_bytes(const void *bytes, size_t size, sam2_status code, const char *part);

/* Growing bytes; the functions of buffer.h with failures ending the test. */
buffer new_bytes(void);
void put(buffer *b, const void *bytes, size_t size);
void put_text(buffer *b, const char *text);
void put_number(buffer *b, uint64_t value, int bytes);

/* A whole file. */
buffer read_whole(const char *path);

/* A name for a temporary file, to be removed by the test. */
void temporary_path(char path[256]);

/* Reads every element of every tensor; a sanitizer sees what lies outside. Returns a sum so that it is not optimised
 * away. */
double read_everything(const weights *w);

/* A native file with every matrix of `w` packed, in turn as panels of 4 and as pairs of 32 (so rounded to bfloat16),
 * and a constant "table" [2, 3] of 0, 1 ... 5. The packing is written out here from the format's description. */
sam2_status write_packed(const weights *w, const char *path, sam2_error *error);

/* ---- zip files to order (support_zip.c) ---- */

typedef struct test_entry {
    const char *name;
    const void *data;
    size_t size;
    /* what to lie about, where not 0 */
    unsigned method, flags;
    const char *local_name;    /* another name in the local header */
    uint64_t directory_size;   /* another size in the directory */
    uint64_t directory_offset; /* another place of the local header */
    uint32_t crc_flip;         /* bits to flip in the directory's CRC */
    int zip64;                 /* sizes and offset in a zip64 field */
    int stream;                /* numbers after the data, zeros before it */
} test_entry;

buffer make_zip(const test_entry *entries, size_t count);

/* A .pt with this pickle and one storage "0" of these bytes. */
buffer make_pt(const void *pickled, size_t pickled_size, const void *storage, size_t storage_size);

#endif
