#include "predict/features_file.h"

#include "base/mapfile.h"
#include "predict/checksum.h"

#include <string.h>

#define HEADER 128
#define HEADER_CHECKED 120
static const char magic[8] = {'S', 'A', 'M', '2', 'F', 'E', 'A', 'T'};

/* The fine levels are in the model's precision, which the identity binds. */
static uint64_t version_of(bool narrow)
{
    return narrow ? 2 : 1;
}

sam2_status features_write(const sam2_features *f, const char *path, sam2_error *error)
{
    const size_t floats = f->embedding_floats + f->s0_count + f->s1_count;
    uint8_t header[HEADER] = {0};
    memcpy(header, magic, sizeof magic);
    put_u64(header + 8, version_of(f->pyramid_bytes < floats * sizeof(float)));
    put_u64(header + 16, f->identity);
    put_u64(header + 24, (uint64_t)(uint32_t)f->width | (uint64_t)(uint32_t)f->height << 32);
    put_u64(header + 32, f->embedding_floats);
    put_u64(header + 40, f->s0_count);
    put_u64(header + 48, f->s1_count);
    put_u64(header + 56, checksum((const uint8_t *)f->pyramid.embedding, f->pyramid_bytes));
    put_u64(header + HEADER_CHECKED, checksum(header, HEADER_CHECKED));
    outfile out;
    TRY(outfile_open(&out, path, error));
    sam2_status status = outfile_write(&out, header, sizeof header, error);
    if (status == SAM2_OK)
        status = outfile_write(&out, f->pyramid.embedding, f->pyramid_bytes, error);
    if (status == SAM2_OK)
        return outfile_commit(&out, error);
    outfile_discard(&out);
    return status;
}

/* Makes what the file does not have: the decoder's products. */
static sam2_status complete(const model *m, sam2_features *f, sam2_error *error)
{
    arena a = {0};
    exec ex = {&m->kernels, m->pool, &a, NULL};
    features_complete(m, &ex, f);
    size_t bytes = a.peak;
    void *memory = NULL;
    TRY(alloc_get(&m->allocator, bytes, "scratch memory for features", &memory, error));
    a = (arena){.base = memory, .capacity = bytes};
    features_complete(m, &ex, f);
    arena_open(&a);
    alloc_release(&m->allocator, memory, bytes);
    return SAM2_OK;
}

static sam2_status read_mapped(const model *m, const mapfile *map, const char *path, sam2_features **out,
                               sam2_error *error)
{
    const uint8_t *p = map->data;
    if (map->size < HEADER || memcmp(p, magic, sizeof magic) != 0)
        return error_set(error, SAM2_ERROR_FORMAT, "%s: not a file of features", path);
    if (get_u64(p + HEADER_CHECKED) != checksum(p, HEADER_CHECKED))
        return error_set(error, SAM2_ERROR_FORMAT, "%s: the header is damaged", path);
    if (get_u64(p + 8) != 1 && get_u64(p + 8) != 2)
        return error_set(error, SAM2_ERROR_UNSUPPORTED,
                         "%s: features of format version %llu; this library reads versions 1 and 2", path,
                         (unsigned long long)get_u64(p + 8));
    if (get_u64(p + 16) != m->identity)
        return error_set(error, SAM2_ERROR_MISMATCH,
                         "%s: made by another model or image size (identity %016llx, the model's is %016llx)", path,
                         (unsigned long long)get_u64(p + 16), (unsigned long long)m->identity);
    int width = (int)(get_u64(p + 24) & 0xFFFFFFFFu), height = (int)(get_u64(p + 24) >> 32);
    size_t e, s0, s1;
    pyramid_sizes(m, &e, &s0, &s1);
    const size_t bytes = features_pyramid_bytes(m);
    if (get_u64(p + 8) != version_of(bytes < (e + s0 + s1) * sizeof(float)))
        return error_set(error, SAM2_ERROR_UNSUPPORTED,
                         "%s: features of an older version of the library in bfloat16; encode the picture again", path);
    if (width < 1 || height < 1 || width > 65536 || height > 65536 || get_u64(p + 32) != e || get_u64(p + 40) != s0 ||
        get_u64(p + 48) != s1)
        return error_set(error, SAM2_ERROR_FORMAT, "%s: the header does not fit the model", path);
    if (map->size != HEADER + bytes)
        return error_set(error, SAM2_ERROR_FORMAT, "%s: %zu bytes, not %zu: cut off or damaged", path, map->size,
                         HEADER + bytes);
    if (get_u64(p + 56) != checksum(p + HEADER, bytes))
        return error_set(error, SAM2_ERROR_FORMAT, "%s: the features are damaged (checksum)", path);
    TRY(features_create(m, width, height, &m->allocator, out, error));
    memcpy((*out)->pyramid.embedding, p + HEADER, bytes);
    sam2_status status = complete(m, *out, error);
    if (status != SAM2_OK) {
        sam2_features_destroy(*out);
        *out = NULL;
    }
    return status;
}

sam2_status features_read(const model *m, const char *path, sam2_features **out, sam2_error *error)
{
    mapfile map;
    TRY(mapfile_open(path, &map, error));
    sam2_status status = read_mapped(m, &map, path, out, error);
    mapfile_close(&map);
    return status;
}
