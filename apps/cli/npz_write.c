/* A zip archive of .npy entries, stored. Lengths are known before the data, so that only the checksum is filled in
 * afterwards. */
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64
#include "npz.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <zlib.h>

#include "message.h"
#include "output.h"

enum { NAME_SIZE = 64, HEADER_SIZE = 128, LOCAL_SIZE = 30, CENTRAL_SIZE = 46, END_SIZE = 22 };

typedef struct npz_entry {
    char name[NAME_SIZE]; /* with ".npy" */
    uint32_t checksum, size, offset;
} npz_entry;

struct npz_writer {
    media_output output;
    npz_entry *entries;
    size_t count, capacity;
    uint64_t position; /* bytes written so far */
    uint64_t left;     /* bytes that the open entry still needs */
};

static void put16(uint8_t *p, unsigned value)
{
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *p, uint32_t value)
{
    put16(p, value & 0xFFFF);
    put16(p + 2, value >> 16);
}

static int put(npz_writer *w, const void *bytes, size_t size, char *error, size_t error_size)
{
    errno = 0;
    if (fwrite(bytes, 1, size, w->output.file) != size)
        return explain(error, error_size, "%s: cannot be written: %s", w->output.label,
                       errno ? strerror(errno) : "short write");
    w->position += size;
    return 0;
}

int npz_open(npz_writer **writer, const char *path, char *error, size_t error_size)
{
    npz_writer *w = calloc(1, sizeof *w);
    *writer = NULL;
    if (!w)
        return explain(error, error_size, "out of memory");
    if (media_output_open(&w->output, path, error, error_size)) {
        free(w);
        return -1;
    }
    if (fseeko(w->output.file, 0, SEEK_CUR)) {
        explain(error, error_size, "%s: arrays can be written to a file only, not to a pipe", path);
        media_output_close(&w->output, 0, NULL, 0);
        free(w);
        return -1;
    }
    *writer = w;
    return 0;
}

/* The .npy header, padded so that the data of a file of its own would be aligned. Returns the number of bytes in the
 * array, or UINT64_MAX when it is more than a zip entry can say. */
static uint64_t make_header(uint8_t *header, npz_type type, const int64_t *shape, int dims)
{
    uint64_t bytes = type == NPZ_FLOAT32 ? 4 : 1;
    const char *word = type == NPZ_FLOAT32 ? "<f4" : type == NPZ_BOOL ? "|b1" : "|u1";
    char *text = (char *)header + 10;
    int used = snprintf(text, HEADER_SIZE - 10, "{'descr': '%s', 'fortran_order': False, 'shape': (", word);
    for (int i = 0; i < dims; i++) {
        if (shape[i] < 0 || (shape[i] && bytes > UINT32_MAX / (uint64_t)shape[i]) || used > HEADER_SIZE - 40)
            return UINT64_MAX;
        bytes *= (uint64_t)shape[i];
        used += snprintf(text + used, (size_t)(HEADER_SIZE - 10 - used), "%lld%s", (long long)shape[i],
                         dims == 1      ? ","
                         : i + 1 < dims ? ", "
                                        : "");
    }
    used += snprintf(text + used, (size_t)(HEADER_SIZE - 10 - used), "), }");
    memset(text + used, ' ', (size_t)(HEADER_SIZE - 10 - used));
    header[HEADER_SIZE - 1] = '\n';
    memcpy(header, "\x93NUMPY\x01\x00", 8);
    put16(header + 8, HEADER_SIZE - 10);
    return bytes;
}

static void make_local(uint8_t *local, const npz_entry *e)
{
    memset(local, 0, LOCAL_SIZE);
    put32(local, 0x04034B50);
    put16(local + 4, 20);
    put16(local + 12, 33); /* 1 January 1980, the least date there is */
    put32(local + 14, e->checksum);
    put32(local + 18, e->size);
    put32(local + 22, e->size);
    put16(local + 26, (unsigned)strlen(e->name));
}

int npz_begin(npz_writer *w, const char *name, npz_type type, const int64_t *shape, int dims, char *error,
              size_t error_size)
{
    uint8_t header[HEADER_SIZE], local[LOCAL_SIZE];
    uint64_t bytes = make_header(header, type, shape, dims);
    npz_entry *e;
    if (bytes > UINT32_MAX || strlen(name) + 5 > NAME_SIZE || bytes + w->position > UINT32_MAX - 4096 ||
        w->count > 60000)
        return explain(error, error_size, "%s: array %s is too large for this kind of file (4 GiB)", w->output.label,
                       name);
    if (w->count == w->capacity) {
        size_t more = w->capacity ? w->capacity * 2 : 16;
        npz_entry *entries = realloc(w->entries, more * sizeof *entries);
        if (!entries)
            return explain(error, error_size, "out of memory");
        w->entries = entries;
        w->capacity = more;
    }
    e = &w->entries[w->count++];
    *e = (npz_entry){.size = (uint32_t)(bytes + HEADER_SIZE), .offset = (uint32_t)w->position};
    snprintf(e->name, sizeof e->name, "%s.npy", name);
    make_local(local, e);
    w->left = e->size;
    if (put(w, local, sizeof local, error, error_size) || put(w, e->name, strlen(e->name), error, error_size))
        return -1;
    return npz_write(w, header, sizeof header, error, error_size);
}

int npz_write(npz_writer *w, const void *bytes, size_t size, char *error, size_t error_size)
{
    npz_entry *e = &w->entries[w->count - 1];
    if (size > w->left)
        return explain(error, error_size, "%s: more data than the shape of %s holds", w->output.label, e->name);
    w->left -= size;
    e->checksum = (uint32_t)crc32_z(e->checksum, bytes, size);
    return put(w, bytes, size, error, error_size);
}

int npz_end(npz_writer *w, char *error, size_t error_size)
{
    const npz_entry *e = &w->entries[w->count - 1];
    uint8_t local[LOCAL_SIZE];
    uint64_t end = w->position;
    if (w->left)
        return explain(error, error_size, "%s: less data than the shape of %s holds", w->output.label, e->name);
    make_local(local, e);
    if (fseeko(w->output.file, (off_t)e->offset, SEEK_SET) || put(w, local, sizeof local, error, error_size) ||
        fseeko(w->output.file, (off_t)end, SEEK_SET))
        return explain(error, error_size, "%s: cannot be written: %s", w->output.label, strerror(errno));
    w->position = end;
    return 0;
}

static int finish(npz_writer *w, char *error, size_t error_size)
{
    uint8_t record[CENTRAL_SIZE], end[END_SIZE] = {0};
    uint64_t start = w->position;
    for (size_t i = 0; i < w->count; i++) {
        const npz_entry *e = &w->entries[i];
        uint8_t local[LOCAL_SIZE];
        make_local(local, e);
        memset(record, 0, sizeof record);
        put32(record, 0x02014B50);
        put16(record + 4, 20);
        memcpy(record + 6, local + 4, 26); /* version needed to the length of the name */
        put32(record + 42, e->offset);
        if (put(w, record, sizeof record, error, error_size) || put(w, e->name, strlen(e->name), error, error_size))
            return -1;
    }
    put32(end, 0x06054B50);
    put16(end + 8, (unsigned)w->count);
    put16(end + 10, (unsigned)w->count);
    put32(end + 12, (uint32_t)(w->position - start));
    put32(end + 16, (uint32_t)start);
    return put(w, end, sizeof end, error, error_size);
}

int npz_close(npz_writer *w, int keep, char *error, size_t error_size)
{
    int status = 0;
    if (!w)
        return 0;
    if (keep)
        status = finish(w, error, error_size);
    if (status)
        media_output_close(&w->output, 0, NULL, 0);
    else
        status = media_output_close(&w->output, keep, error, error_size);
    free(w->entries);
    free(w);
    return status;
}
