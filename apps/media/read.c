/* Reading: where the bytes come from, what format they are, and the limits that hold for all formats. */
#include "internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sniff.h"

#define SNIFF_BYTES ((size_t)65536)

int media_fail(const media_reader *reader, const char *format, ...)
{
    if (!reader->error || !reader->error_size)
        return -1;
    int used = snprintf(reader->error, reader->error_size, "%s: ", reader->label);
    if (used >= 0 && (size_t)used < reader->error_size) {
        va_list args;
        va_start(args, format);
        vsnprintf(reader->error + used, reader->error_size - (size_t)used, format, args);
        va_end(args);
    }
    /* One line, whatever is in the file's name or in a library's text: a terminal must not be steered by either. */
    for (unsigned char *c = (unsigned char *)reader->error; *c; c++)
        if (*c < 32 || *c == 127)
            *c = '?';
    return -1;
}

int media_check_size(const media_reader *reader, uint64_t width, uint64_t height)
{
    uint64_t most = reader->options.max_pixels ? reader->options.max_pixels : MEDIA_DEFAULT_MAX_PIXELS;
    if (!width || !height)
        return media_fail(reader, "the picture is empty: %llu x %llu pixels", (unsigned long long)width,
                          (unsigned long long)height);
    if (width > MEDIA_MAX_SIDE || height > MEDIA_MAX_SIDE)
        return media_fail(reader, "%llu x %llu pixels: a side may have at most %d", (unsigned long long)width,
                          (unsigned long long)height, MEDIA_MAX_SIDE);
    if (width * height > most)
        return media_fail(reader, "%llu x %llu pixels are more than the limit of %llu; raise it with --max-pixels",
                          (unsigned long long)width, (unsigned long long)height, (unsigned long long)most);
    return 0;
}

int media_start(const media_reader *reader, media_picture *out, const char *format, uint64_t width, uint64_t height)
{
    snprintf(out->format, sizeof out->format, "%s", format);
    if (media_check_size(reader, width, height))
        return -1;
    uint64_t bytes = width * height * 3;
    out->pixels = bytes <= SIZE_MAX ? malloc((size_t)bytes) : NULL;
    if (!out->pixels)
        return media_fail(reader, "out of memory for %llu x %llu pixels", (unsigned long long)width,
                          (unsigned long long)height);
    out->width = (int)width;
    out->height = (int)height;
    return 0;
}

void media_picture_free(media_picture *picture)
{
    if (!picture)
        return;
    free(picture->pixels);
    memset(picture, 0, sizeof *picture);
    picture->orientation = 1;
}

static int check_options(const media_reader *reader)
{
    const media_options *o = &reader->options;
    if (o->alpha != MEDIA_ALPHA_DROP && o->alpha != MEDIA_ALPHA_WHITE && o->alpha != MEDIA_ALPHA_BLACK)
        return media_fail(reader, "unknown alpha policy %d", (int)o->alpha);
    if (o->stretch_low == 0 && o->stretch_high == 0)
        return 0;
    if (!(o->stretch_low >= 0 && o->stretch_high <= 100 && o->stretch_low < o->stretch_high))
        return media_fail(reader,
                          "stretch from percentile %g to %g: both must lie in 0 to 100, the first below the second",
                          o->stretch_low, o->stretch_high);
    return 0;
}

static int decode(media_reader *reader, media_picture *out)
{
    const media_kind *kind = media_sniff(reader->bytes, reader->size);
    int status;
    if (!reader->size)
        return media_fail(reader, "the file is empty");
    if (!kind->read)
        return media_fail(reader, "%s", kind->refusal);
    status = kind->read(reader, out);
    if (!status && !reader->options.ignore_orientation && out->orientation != 1)
        status = media_orient(reader, out, out->orientation);
    return status;
}

int media_read_memory(const void *bytes, size_t size, const char *label, const media_options *options,
                      media_picture *out, char *error, size_t error_size)
{
    media_reader reader = {.bytes = bytes, .size = size, .label = label, .error = error, .error_size = error_size};
    memset(out, 0, sizeof *out);
    out->orientation = 1;
    if (error && error_size)
        error[0] = 0;
    if (options)
        reader.options = *options;
    if (check_options(&reader))
        return -1;
    if (decode(&reader, out)) {
        media_picture_free(out);
        return -1;
    }
    return 0;
}

/* All bytes of a stream, of which the first `*size` (fewer than SNIFF_BYTES) are in `start`. What is no picture is
 * refused after its first bytes, so that an endless pipe or a film is not read to its end. */
static int slurp(const media_reader *reader, FILE *file, const void *start, uint64_t expected, uint8_t **bytes,
                 size_t *size)
{
    size_t capacity = expected && expected < MEDIA_MAX_BYTES ? (size_t)expected + 1 : SNIFF_BYTES;
    int sniffed = 0;
    *bytes = NULL;
    if (capacity < SNIFF_BYTES)
        capacity = SNIFF_BYTES;
    for (;;) {
        uint8_t *grown = realloc(*bytes, capacity);
        if (!grown)
            return media_fail(reader, "out of memory for a file of %zu bytes", capacity);
        if (!*bytes && *size)
            memcpy(grown, start, *size);
        *bytes = grown;
        size_t want = (sniffed ? capacity : SNIFF_BYTES) - *size;
        size_t got = fread(*bytes + *size, 1, want, file);
        *size += got;
        if (got < want && ferror(file))
            return media_fail(reader, "cannot be read: %s", strerror(errno));
        if (!sniffed) {
            const media_kind *kind = media_sniff(*bytes, *size);
            if (*size && !kind->read)
                return media_fail(reader, "%s", kind->refusal);
            sniffed = 1;
        }
        if (got < want)
            return 0;
        if (*size > MEDIA_MAX_BYTES)
            return media_fail(reader, "more than the limit of %llu bytes", (unsigned long long)MEDIA_MAX_BYTES);
        if (*size == capacity)
            capacity *= 2;
    }
}

int media_load(media_reader *reader, const char *path, uint8_t **bytes, size_t *size)
{
    int from_stdin = !strcmp(path, "-");
    struct stat about = {0};
    FILE *file = stdin;
    int status;
    *bytes = NULL;
    *size = 0;
    reader->label = from_stdin ? "standard input" : path;
    if (!from_stdin) {
        errno = 0;
        file = fopen(path, "rb");
        if (!file)
            return media_fail(reader, "cannot be opened: %s", strerror(errno));
        if (fstat(fileno(file), &about))
            about.st_mode = 0;
        if (S_ISDIR(about.st_mode)) {
            fclose(file);
            return media_fail(reader, "is a folder, not a picture");
        }
    }
    if (S_ISREG(about.st_mode) && (uint64_t)about.st_size > MEDIA_MAX_BYTES)
        status = media_fail(reader, "%llu bytes are more than the limit of %llu", (unsigned long long)about.st_size,
                            (unsigned long long)MEDIA_MAX_BYTES);
    else
        status = slurp(reader, file, NULL, S_ISREG(about.st_mode) ? (uint64_t)about.st_size : 0, bytes, size);
    if (!from_stdin)
        fclose(file);
    return status;
}

int media_read_rest(FILE *file, const void *start, size_t size, const char *label, const media_options *options,
                    media_picture *out, char *error, size_t error_size)
{
    media_reader reader = {.label = label, .error = error, .error_size = error_size};
    uint8_t *bytes = NULL;
    int status;
    memset(out, 0, sizeof *out);
    out->orientation = 1;
    status = size < SNIFF_BYTES ? slurp(&reader, file, start, 0, &bytes, &size)
                                : media_fail(&reader, "%zu bytes were read already", size);
    if (!status)
        status = media_read_memory(bytes, size, label, options, out, error, error_size);
    free(bytes);
    return status;
}

int media_read(const char *path, const media_options *options, media_picture *out, char *error, size_t error_size)
{
    media_reader reader = {.error = error, .error_size = error_size};
    uint8_t *bytes;
    size_t size;
    int status;
    memset(out, 0, sizeof *out);
    out->orientation = 1;
    status = media_load(&reader, path, &bytes, &size);
    if (!status)
        status = media_read_memory(bytes, size, reader.label, options, out, error, error_size);
    free(bytes);
    return status;
}
