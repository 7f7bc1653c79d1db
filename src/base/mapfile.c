#define _DEFAULT_SOURCE /* madvise */

#include "base/mapfile.h"

#include "base/checked.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

sam2_status mapfile_open(const char *path, mapfile *map, sam2_error *error)
{
    *map = (mapfile){NULL, 0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return error_set(error, SAM2_ERROR_FILE, "%s: %s", path, strerror(errno));
    struct stat st;
    if (fstat(fd, &st) != 0) {
        int reason = errno;
        close(fd);
        return error_set(error, SAM2_ERROR_FILE, "%s: %s", path, strerror(reason));
    }
    if (!S_ISREG(st.st_mode)) {
        close(fd);
        return error_set(error, SAM2_ERROR_FILE, "%s: %s", path,
                         S_ISDIR(st.st_mode) ? "is a directory" : "is not a regular file");
    }
    if (st.st_size > 0) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            int reason = errno;
            close(fd);
            return error_set(error, SAM2_ERROR_FILE, "%s: cannot be mapped: %s", path, strerror(reason));
        }
        map->data = p;
        map->size = (size_t)st.st_size;
    }
    close(fd);
    return SAM2_OK;
}

void mapfile_close(mapfile *map)
{
    if (map->data)
        munmap((void *)(uintptr_t)map->data, map->size);
    *map = (mapfile){NULL, 0};
}

void mapfile_drop(const mapfile *map, const void *from, size_t size)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (!map->data || (const uint8_t *)from < map->data)
        return;
    size_t begin = (size_t)((const uint8_t *)from - map->data), end = begin + size;
    begin = begin / page * page;
    end = end >= map->size ? map->size : round_up(end, page);
    /* A private mapping that nobody has written to is read from the file again when it is touched. */
    if (begin < end)
        (void)madvise((void *)(uintptr_t)(map->data + begin), end - begin, MADV_DONTNEED);
}

/* A new file in the folder of out->path, which nobody else writes: of several writers of one path the last to finish
 * wins. Its name does not begin with the path's, which may be as long as names can be. NULL with errno. */
static FILE *open_beside(outfile *out)
{
    const char *slash = strrchr(out->path, '/');
    const int folder = slash ? (int)(slash - out->path) + 1 : 0;
    for (unsigned i = 0; i < 10000; i++) {
        snprintf(out->temporary, sizeof out->temporary, "%.*ssam2-%ld-%u.part", folder, out->path, (long)getpid(), i);
        const int fd = open(out->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        FILE *stream = fd < 0 ? NULL : fdopen(fd, "wb");
        if (stream)
            return stream;
        if (fd >= 0) {
            const int reason = errno;
            close(fd);
            unlink(out->temporary);
            errno = reason;
            return NULL;
        }
        if (errno != EEXIST)
            return NULL;
    }
    return NULL;
}

sam2_status outfile_open(outfile *out, const char *path, sam2_error *error)
{
    out->stream = NULL;
    out->written = 0;
    if (snprintf(out->path, sizeof out->path, "%s", path) >= (int)sizeof out->path)
        return error_set(error, SAM2_ERROR_FILE, "the output's path is longer than %zu bytes", sizeof out->path - 1);
    struct stat st;
    out->temporary[0] = '\0';
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        out->stream = fopen(path, "wb");
    else
        out->stream = open_beside(out);
    if (!out->stream)
        return error_set(error, SAM2_ERROR_FILE, "%s: cannot be written: %s", path, strerror(errno));
    return SAM2_OK;
}

sam2_status outfile_write(outfile *out, const void *bytes, size_t size, sam2_error *error)
{
    if (size && fwrite(bytes, 1, size, out->stream) != size)
        return error_set(error, SAM2_ERROR_FILE, "%s: cannot be written: %s", out->path, strerror(errno));
    out->written += size;
    return SAM2_OK;
}

sam2_status outfile_pad(outfile *out, size_t alignment, sam2_error *error)
{
    static const uint8_t zeros[64];
    while (out->written % alignment) {
        size_t n = alignment - (size_t)(out->written % alignment);
        TRY(outfile_write(out, zeros, n < sizeof zeros ? n : sizeof zeros, error));
    }
    return SAM2_OK;
}

sam2_status outfile_commit(outfile *out, sam2_error *error)
{
    int failed = fflush(out->stream) != 0 || (out->temporary[0] && fsync(fileno(out->stream)) != 0);
    int reason = errno;
    if (fclose(out->stream) != 0 && !failed) {
        failed = 1;
        reason = errno;
    }
    out->stream = NULL;
    if (!failed && out->temporary[0] && rename(out->temporary, out->path) != 0) {
        failed = 1;
        reason = errno;
    }
    if (failed) {
        if (out->temporary[0])
            remove(out->temporary);
        return error_set(error, SAM2_ERROR_FILE, "%s: cannot be written: %s", out->path, strerror(reason));
    }
    return SAM2_OK;
}

void outfile_discard(outfile *out)
{
    if (out->stream) {
        fclose(out->stream);
        out->stream = NULL;
        if (out->temporary[0])
            remove(out->temporary);
    }
}
