/* What the readers share: the object being filled, and helpers for bytes and texts that come from outside. */
#ifndef WEIGHTS_INTERNAL_H
#define WEIGHTS_INTERNAL_H

#include "base/checked.h"
#include "base/mapfile.h"
#include "weights/chunks.h"
#include "weights/weights.h"

#include <string.h>

#define WEIGHTS_MAX_TENSORS 16384 /* the largest known model has about 1000 */
#define WEIGHTS_MAX_NAME 512      /* bytes of a tensor's name */
#define WEIGHTS_MAX_CONSTANTS 1024
#define WEIGHTS_MAX_WIDTH 64 /* rows in a panel */

struct weights {
    sam2_allocator allocator;
    weights_format format;
    mapfile map;             /* of weights_open; empty otherwise */
    const char *label;       /* names the file in errors, shortened; in `texts` */
    const char *config;      /* in `texts`, or NULL */
    weights_tensor *tensors; /* in the file's order */
    size_t count, tensors_bytes;
    weights_tensor *constants; /* of a native file */
    size_t constant_count, constants_bytes;
    uint64_t fingerprints[2]; /* of a native file: as it is, and for bfloat16; 0: not known */
    uint32_t *by_name;        /* [by_name_count] indices of tensors, by ascending name; set by weights_finish */
    size_t by_name_count;
    void *values; /* of synthetic weights */
    size_t values_bytes;
    chunks texts; /* names, label, configuration */
};

/* An empty object to be filled by a reader; weights_close releases it whatever its state. */
sam2_status weights_new(const sam2_allocator *a, weights_format format, const char *label, weights **out,
                        sam2_error *error);

/* Appends a tensor whose data the caller has found to be there: `count` elements as weights_shape_count tells. A
 * "module." in front of the name is dropped. Refuses names that are empty, too long, not UTF-8 or hold control
 * characters. */
sam2_status weights_add(weights *w, const char *name, size_t name_length, weights_type type, int dims,
                        const int64_t *shape, const void *data, sam2_error *error);

/* The same with a layout, for a tensor or a constant; the caller has found weights_bytes bytes. */
sam2_status weights_add_packed(weights *w, bool constant, const char *name, size_t name_length,
                               const weights_tensor *like, sam2_error *error);

/* Bytes of a tensor of this type, shape and layout; false when the layout does not fit the type and shape, or the
 * number is too large. */
bool panels_bytes(const weights_tensor *t, size_t *bytes);
/* weights_read for layouts other than C order. */
void panels_read(const weights_tensor *t, size_t first, size_t count, float *out);

/* After the last weights_add: official names instead of Hugging Face ones, then the index by name. Refuses names that
 * occur twice. */
sam2_status weights_finish(weights *w, sam2_error *error);

/* Number of elements of a shape; false when a size is negative or the product does not fit. */
bool weights_shape_count(int dims, const int64_t *shape, size_t *count);

/* Whether a text is valid UTF-8 (no surrogates, nothing over-long); control characters are allowed. */
bool weights_is_utf8(const char *text, size_t length);

/* Copies a text into w->texts, NUL-terminated. */
sam2_status weights_keep_text(weights *w, const char *text, size_t length, const char **out, sam2_error *error);

/* Renames tensors that have the names of Hugging Face transformers (hf_names.c); leaves others alone. */
sam2_status weights_from_hugging_face(weights *w, sam2_error *error);

/* The readers: each fills `w` from `size` bytes, which stay. Errors do not name the file; weights_open_memory puts the
 * label before them. */
sam2_status safetensors_parse(weights *w, const uint8_t *bytes, size_t size, sam2_error *error);
sam2_status native_parse(weights *w, const uint8_t *bytes, size_t size, int verify, sam2_error *error);
sam2_status pt_parse(weights *w, const uint8_t *bytes, size_t size, int verify, sam2_error *error);

/* What a file is that none of the readers takes, told by its first bytes (identify.c). Always fails. */
sam2_status weights_refuse_unknown(const uint8_t *bytes, size_t size, sam2_error *error);

/* Little-endian numbers at any address. */
static inline uint16_t get_le16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t get_le32(const uint8_t *p)
{
    return (uint32_t)get_le16(p) | (uint32_t)get_le16(p + 2) << 16;
}

static inline uint64_t get_le64(const uint8_t *p)
{
    return (uint64_t)get_le32(p) | (uint64_t)get_le32(p + 4) << 32;
}

static inline void put_le16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void put_le32(uint8_t *p, uint32_t v)
{
    put_le16(p, (uint16_t)v);
    put_le16(p + 2, (uint16_t)(v >> 16));
}

static inline void put_le64(uint8_t *p, uint64_t v)
{
    put_le32(p, (uint32_t)v);
    put_le32(p + 4, (uint32_t)(v >> 32));
}

/* Room for a text from a file, made fit to be shown: what is not printable ASCII becomes '?', a long text ends in
 * "...". */
typedef struct shown {
    char text[100];
} shown;
const char *show(shown *room, const void *bytes, size_t length);

#endif
