#include "weights/internal.h"
#include "weights/metadata.h"
#include "weights/values.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const type_names[] = {[WEIGHTS_F32] = "F32", [WEIGHTS_F16] = "F16", [WEIGHTS_BF16] = "BF16"};

static weights_type stored_type(const weights_tensor *t, int keep, weights_type type)
{
    return keep ? t->type : type;
}

/* A name as JSON; names hold no control characters. */
static sam2_status add_name(buffer *b, const char *name, sam2_error *error)
{
    TRY(buffer_text(b, "\"", error));
    for (; *name; name++) {
        if (*name == '"' || *name == '\\')
            TRY(buffer_text(b, "\\", error));
        TRY(buffer_add(b, name, 1, error));
    }
    return buffer_text(b, "\"", error);
}

static sam2_status add_tensor(buffer *b, const weights_tensor *t, weights_type type, uint64_t *at, sam2_error *error)
{
    char text[96];
    TRY(buffer_text(b, ",", error));
    TRY(add_name(b, t->name, error));
    snprintf(text, sizeof text, ":{\"dtype\":\"%s\",\"shape\":[", type_names[type]);
    TRY(buffer_text(b, text, error));
    for (int i = 0; i < t->dims; i++) {
        snprintf(text, sizeof text, "%s%" PRId64, i ? "," : "", t->shape[i]);
        TRY(buffer_text(b, text, error));
    }
    uint64_t begin = *at;
    *at += t->count * weights_type_size(type);
    snprintf(text, sizeof text, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", begin, *at);
    return buffer_text(b, text, error);
}

/* Wide elements first, so that every tensor is aligned to its element though the format knows no holes. */
static bool comes_in_round(const weights_tensor *t, int keep, weights_type type, int round)
{
    return (weights_type_size(stored_type(t, keep, type)) == 4) == (round == 0);
}

static sam2_status make_header(const weights *w, const char *config, int keep, weights_type type, buffer *b,
                               sam2_error *error)
{
    uint64_t at = 0;
    TRY(buffer_fill(b, 0, 8, error));
    TRY(buffer_text(b, "{\"__metadata__\":", error));
    TRY(metadata_make(b, config, "pt", error)); /* transformers asks for the framework */
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < w->count; i++)
            if (comes_in_round(&w->tensors[i], keep, type, round))
                TRY(add_tensor(b, &w->tensors[i], stored_type(&w->tensors[i], keep, type), &at, error));
    TRY(buffer_text(b, "}", error));
    TRY(buffer_pad(b, ' ', 8, error));
    put_le64(b->bytes, b->size - 8);
    return SAM2_OK;
}

static sam2_status write_all(const weights *w, int keep, weights_type type, const buffer *head, outfile *out,
                             sam2_error *error)
{
    TRY(outfile_write(out, head->bytes, head->size, error));
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < w->count; i++)
            if (comes_in_round(&w->tensors[i], keep, type, round))
                TRY(values_write(&w->tensors[i], stored_type(&w->tensors[i], keep, type), out, error));
    return outfile_commit(out, error);
}

sam2_status weights_write_safetensors(const weights *w, const char *path, const char *config, int keep,
                                      weights_type type, sam2_error *error)
{
    buffer head = {.allocator = w->allocator};
    outfile out = {0};
    sam2_status status = make_header(w, config, keep, type, &head, error);
    if (status == SAM2_OK)
        status = outfile_open(&out, path, error);
    if (status == SAM2_OK) {
        status = write_all(w, keep, type, &head, &out, error);
        outfile_discard(&out);
    }
    buffer_free(&head);
    return status;
}
