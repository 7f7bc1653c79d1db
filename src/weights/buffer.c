#include "weights/buffer.h"

#include "weights/internal.h"

static sam2_status room(buffer *b, size_t more, sam2_error *error)
{
    size_t wanted;
    if (!checked_add(b->size, more, &wanted))
        return error_memory(error, "a file's header", more);
    void *bytes = b->bytes;
    sam2_status status = alloc_grow(&b->allocator, &bytes, &b->capacity, b->size, wanted, "a file's header", error);
    b->bytes = bytes;
    return status;
}

sam2_status buffer_add(buffer *b, const void *bytes, size_t size, sam2_error *error)
{
    if (size == 0)
        return SAM2_OK;
    TRY(room(b, size, error));
    memcpy(b->bytes + b->size, bytes, size);
    b->size += size;
    return SAM2_OK;
}

sam2_status buffer_text(buffer *b, const char *text, sam2_error *error)
{
    return buffer_add(b, text, strlen(text), error);
}

sam2_status buffer_number(buffer *b, uint64_t value, int bytes, sam2_error *error)
{
    uint8_t le[8];
    put_le64(le, value);
    return buffer_add(b, le, (size_t)bytes, error);
}

sam2_status buffer_fill(buffer *b, uint8_t value, size_t count, sam2_error *error)
{
    if (count == 0)
        return SAM2_OK;
    TRY(room(b, count, error));
    memset(b->bytes + b->size, value, count);
    b->size += count;
    return SAM2_OK;
}

sam2_status buffer_pad(buffer *b, uint8_t value, size_t step, sam2_error *error)
{
    return buffer_fill(b, value, round_up(b->size, step) - b->size, error);
}

void buffer_free(buffer *b)
{
    alloc_release(&b->allocator, b->bytes, b->capacity);
    b->bytes = NULL;
    b->size = b->capacity = 0;
}
