#include "npz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "message.h"

/* Far more than the logits of one picture need; a small file may claim any length. */
#define LARGEST_ENTRY (256u << 20)

static unsigned get16(const uint8_t *p)
{
    return p[0] | (unsigned)p[1] << 8;
}

static uint32_t get32(const uint8_t *p)
{
    return get16(p) | (uint32_t)get16(p + 2) << 16;
}

/* The text after 'key': in the header's dictionary, or NULL. */
static const char *dictionary_value(const char *text, const char *key)
{
    char quoted[32];
    const char *found;
    snprintf(quoted, sizeof quoted, "'%s':", key);
    found = strstr(text, quoted);
    if (!found)
        return NULL;
    found += strlen(quoted);
    return found + strspn(found, " ");
}

static int parse_shape(const char *text, npz_array *out, uint64_t *count)
{
    *count = 1;
    out->dims = 0;
    if (*text != '(')
        return -1;
    for (text++;;) {
        char *end = NULL;
        long long value;
        text += strspn(text, " ");
        if (*text == ')')
            return 0;
        if (*text < '0' || *text > '9' || out->dims == NPZ_MOST_DIMS)
            return -1;
        value = strtoll(text, &end, 10);
        if (value < 0 || value > LARGEST_ENTRY)
            return -1;
        out->shape[out->dims++] = value;
        *count *= (uint64_t)value; /* both below 2^29 */
        if (*count > LARGEST_ENTRY)
            return -1;
        text = end;
        if (*text == ',')
            text++;
        else if (*text != ')')
            return -1;
    }
}

int npy_parse(const void *bytes, size_t size, const char *label, npz_array *out, char *error, size_t error_size)
{
    const uint8_t *b = bytes;
    size_t start, length, width;
    uint64_t count = 0;
    char text[1024];
    const char *type, *order, *shape;
    *out = (npz_array){0};
    if (size < 12 || memcmp(b, "\x93NUMPY", 6) || b[6] < 1 || b[6] > 3)
        return explain(error, error_size, "%s: not a .npy array", label);
    start = b[6] == 1 ? 10 : 12;
    length = b[6] == 1 ? get16(b + 8) : get32(b + 8);
    if (length >= sizeof text || length > size - start)
        return explain(error, error_size, "%s: the header of the array is damaged", label);
    memcpy(text, b + start, length);
    text[length] = 0;
    type = dictionary_value(text, "descr");
    order = dictionary_value(text, "fortran_order");
    shape = dictionary_value(text, "shape");
    if (!type || !order || !shape || parse_shape(shape, out, &count) || !count)
        return explain(error, error_size, "%s: the header of the array is damaged", label);
    if (strncmp(type, "'<f4'", 5) && strncmp(type, "'<f8'", 5))
        return explain(error, error_size, "%s: the array is of type %.8s, where float32 or float64 is needed", label,
                       type);
    if (strncmp(order, "False", 5))
        return explain(error, error_size, "%s: the array is in Fortran order, where C order is needed", label);
    width = type[3] == '4' ? 4 : 8;
    if ((size - start - length) / width < count)
        return explain(error, error_size, "%s: the array is cut short", label);
    out->data = malloc((size_t)count * sizeof *out->data);
    if (!out->data)
        return explain(error, error_size, "%s: out of memory", label);
    b += start + length;
    for (size_t i = 0; i < count; i++) {
        uint64_t bits = get32(b + i * width);
        if (width == 4) {
            uint32_t half = (uint32_t)bits;
            memcpy(&out->data[i], &half, 4);
        } else {
            double value;
            bits |= (uint64_t)get32(b + i * width + 4) << 32;
            memcpy(&value, &bits, 8);
            out->data[i] = (float)value;
        }
    }
    return 0;
}

static int inflate_raw(const uint8_t *from, size_t from_size, uint8_t *to, size_t to_size)
{
    z_stream stream = {0};
    int status;
    if (inflateInit2(&stream, -15) != Z_OK)
        return -1;
    stream.next_in = (z_const Bytef *)from;
    stream.avail_in = (uInt)from_size;
    stream.next_out = to;
    stream.avail_out = (uInt)to_size;
    status = inflate(&stream, Z_FINISH);
    inflateEnd(&stream);
    return status == Z_STREAM_END && stream.total_out == to_size ? 0 : -1;
}

/* One entry, from its record in the central directory. */
static int read_entry(const uint8_t *b, size_t size, const uint8_t *record, const char *label, npz_array *out,
                      char *error, size_t error_size)
{
    unsigned method = get16(record + 10);
    uint32_t packed = get32(record + 20), plain = get32(record + 24), offset = get32(record + 42);
    size_t start;
    uint8_t *made = NULL;
    const uint8_t *data;
    int status;
    if (packed == UINT32_MAX || plain == UINT32_MAX || offset == UINT32_MAX || plain > LARGEST_ENTRY)
        return explain(error, error_size, "%s: the array is too large", label);
    if (offset > size || size - offset < 30 || get32(b + offset) != 0x04034B50)
        return explain(error, error_size, "%s: the archive is damaged", label);
    start = (size_t)offset + 30 + get16(b + offset + 26) + get16(b + offset + 28);
    if (start > size || size - start < packed || (method == 0 && packed != plain))
        return explain(error, error_size, "%s: the archive is cut short or damaged", label);
    data = b + start;
    if (method == 8) {
        made = malloc(plain ? plain : 1);
        if (!made)
            return explain(error, error_size, "%s: out of memory", label);
        if (inflate_raw(data, packed, made, plain)) {
            free(made);
            return explain(error, error_size, "%s: the compressed data are damaged", label);
        }
        data = made;
    } else if (method != 0) {
        return explain(error, error_size, "%s: compressed by method %u, which is not known here", label, method);
    }
    if ((uint32_t)crc32_z(0, data, plain) != get32(record + 16))
        status = explain(error, error_size, "%s: the checksum of the array is wrong", label);
    else
        status = npy_parse(data, plain, label, out, error, error_size);
    free(made);
    return status;
}

int npz_find(const void *bytes, size_t size, const char *label, const char *name, npz_array *out, char *error,
             size_t error_size)
{
    const uint8_t *b = bytes;
    size_t end, position, count, length = strlen(name);
    char names[200] = "";
    *out = (npz_array){0};
    if (size >= 6 && !memcmp(b, "\x93NUMPY", 6))
        return npy_parse(bytes, size, label, out, error, error_size);
    if (size < 22)
        return explain(error, error_size, "%s: not a .npz archive", label);
    for (end = size - 22; get32(b + end) != 0x06054B50; end--) /* a comment of at most 65535 bytes may follow */
        if (!end || size - end > 22 + 65535)
            return explain(error, error_size, "%s: not a .npz archive, or cut short", label);
    count = get16(b + end + 10);
    position = get32(b + end + 16);
    for (size_t i = 0; i < count; i++) {
        size_t name_length, used = strlen(names);
        if (position > end || end - position < 46 || get32(b + position) != 0x02014B50)
            return explain(error, error_size, "%s: the archive is damaged", label);
        name_length = get16(b + position + 28);
        if (end - position - 46 < name_length)
            return explain(error, error_size, "%s: the archive is damaged", label);
        if (name_length == length + 4 && !memcmp(b + position + 46, name, length) &&
            !memcmp(b + position + 46 + length, ".npy", 4))
            return read_entry(b, size, b + position, label, out, error, error_size);
        snprintf(names + used, sizeof names - used, " %.*s", (int)name_length, (const char *)b + position + 46);
        position += 46 + name_length + get16(b + position + 30) + get16(b + position + 32);
    }
    return explain(error, error_size, "%s: no array %s; there are:%s", label, name, names);
}
