#include "mask_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "npz.h"

/* Arrays are small; more than this is not what it should be. */
#define LARGEST_FILE ((size_t)1 << 30)

/* The rest of the file behind the bytes of `start`. */
static int read_all(FILE *file, const uint8_t *start, size_t size, const char *path, uint8_t **bytes, size_t *all,
                    char *error, size_t error_size)
{
    size_t used = size, capacity = 1 << 16;
    uint8_t *data = malloc(capacity);
    if (data)
        memcpy(data, start, size);
    while (data) {
        used += fread(data + used, 1, capacity - used, file);
        if (used < capacity)
            break;
        capacity *= 2;
        uint8_t *larger = capacity > LARGEST_FILE ? NULL : realloc(data, capacity);
        if (!larger)
            free(data);
        data = larger;
    }
    if (!data)
        return explain(error, error_size, "%s: out of memory, or too large for an array of logits", path);
    if (ferror(file)) {
        free(data);
        return explain(error, error_size, "%s: cannot be read: %s", path, strerror(errno));
    }
    *bytes = data;
    *all = used;
    return 0;
}

static int read_logits(const uint8_t *bytes, size_t size, const char *path, mask_file *out, char *error,
                       size_t error_size)
{
    npz_array array = {0};
    if (npz_find(bytes, size, path, "low_res", &array, error, error_size)) {
        free(array.data);
        return -1;
    }
    if (array.dims < 2) {
        free(array.data);
        return explain(error, error_size,
                       "%s: the logits have %d dimensions, where [height, width] or [masks, height, width] is needed",
                       path, array.dims);
    }
    out->height = (int)array.shape[array.dims - 2]; /* the reader bounds them */
    out->width = (int)array.shape[array.dims - 1];
    out->logits = array.data; /* the first mask lies first */
    return 0;
}

/* Inside where the grey is above 127. Takes the picture's pixels. */
static void take_picture(media_picture picture, const char *path, mask_file *out)
{
    const size_t count = (size_t)picture.width * (size_t)picture.height;
    int inside = 0, largest = 0;
    out->width = picture.width;
    out->height = picture.height;
    /* In place: three bytes in, one out. */
    for (size_t i = 0; i < count; i++) {
        const uint8_t *p = picture.pixels + 3 * i;
        int grey = (299 * p[0] + 587 * p[1] + 114 * p[2] + 500) / 1000;
        largest = grey > largest ? grey : largest;
        inside |= grey > 127;
        picture.pixels[i] = grey > 127 ? 255 : 0;
    }
    out->bytes = realloc(picture.pixels, count);
    if (!out->bytes)
        out->bytes = picture.pixels;
    if (!inside)
        warn("%s: the mask is empty: inside is what is above 127, and its largest value is %d", path, largest);
}

/* From its first bytes on, which may come from a pipe and be read once only. */
static int read_file(FILE *file, const char *path, const media_options *options, mask_file *out, char *error,
                     size_t error_size)
{
    uint8_t start[6] = {0}, *bytes = NULL;
    const size_t got = fread(start, 1, sizeof start, file);
    size_t size = 0;
    media_picture picture;
    if (ferror(file))
        return explain(error, error_size, "%s: cannot be read: %s", path, strerror(errno));
    if (got != sizeof start || (memcmp(start, "PK\3\4", 4) && memcmp(start, "\x93NUMPY", 6))) {
        if (media_read_rest(file, start, got, path, options, &picture, error, error_size))
            return -1;
        take_picture(picture, path, out);
        return 0;
    }
    if (read_all(file, start, got, path, &bytes, &size, error, error_size))
        return -1;
    const int status = read_logits(bytes, size, path, out, error, error_size);
    free(bytes);
    return status;
}

int mask_file_read(const char *path, const media_options *options, mask_file *out, char *error, size_t error_size)
{
    const int standard = !strcmp(path, "-");
    FILE *file = standard ? stdin : fopen(path, "rb");
    *out = (mask_file){0};
    if (!file)
        return explain(error, error_size, "%s: cannot be opened: %s", path, strerror(errno));
    const int status = read_file(file, standard ? "standard input" : path, options, out, error, error_size);
    if (!standard)
        fclose(file);
    return status;
}

void mask_file_free(mask_file *mask)
{
    free(mask->bytes);
    free(mask->logits);
    *mask = (mask_file){0};
}
