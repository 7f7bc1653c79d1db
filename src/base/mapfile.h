/* Files as memory: a whole regular file mapped read-only; and files written whole or not at all. */
#ifndef BASE_MAPFILE_H
#define BASE_MAPFILE_H

#include "base/error.h"

typedef struct mapfile {
    const uint8_t *data; /* `size` bytes; NULL when size is 0 */
    size_t size;
} mapfile;

/* Maps a file. Errors: FILE (cannot be opened; a directory; not a regular file), each naming the path and the system's
 * reason. */
sam2_status mapfile_open(const char *path, mapfile *map, sam2_error *error);
void mapfile_close(mapfile *map);

/* [from, from + size) of the map will not be read for a while: its pages no longer count as resident. */
void mapfile_drop(const mapfile *map, const void *from, size_t size);

/* A file being written: bytes go to a temporary file beside `path`, which takes the name `path` only in outfile_commit.
 * A `path` that exists and is no regular file (a pipe, a device) is written directly. */
typedef struct outfile {
    void *stream; /* FILE * */
    char path[4096];
    char temporary[4128]; /* "" when `path` is written directly */
    uint64_t written;     /* bytes so far */
} outfile;

sam2_status outfile_open(outfile *out, const char *path, sam2_error *error);
sam2_status outfile_write(outfile *out, const void *bytes, size_t size, sam2_error *error);
sam2_status outfile_pad(outfile *out, size_t alignment, sam2_error *error); /* zeros up to a multiple of alignment */
/* Flushes and renames; on failure the temporary file is removed and an existing `path` is as it was. */
sam2_status outfile_commit(outfile *out, sam2_error *error);
/* Gives up: removes the temporary file. Does nothing after a commit or a failed open. */
void outfile_discard(outfile *out);

#endif
