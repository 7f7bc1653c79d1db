#include "png_source.h"

#include <string.h>

static _Noreturn void on_error(png_structp png, png_const_charp text)
{
    png_source *source = png_get_error_ptr(png);
    if (!source->text[0])
        snprintf(source->text, sizeof source->text, "%s", text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void take(png_structp png, png_bytep target, size_t count)
{
    png_source *source = png_get_io_ptr(png);
    if (count > source->reader->size - source->at)
        png_error(png, "the file is truncated");
    memcpy(target, source->reader->bytes + source->at, count);
    source->at += count;
}

int png_source_open(png_source *source, const media_reader *reader)
{
    *source = (png_source){.reader = reader};
    source->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, source, on_error, on_warning);
    if (source->png) {
        source->info = png_create_info_struct(source->png);
        source->end = png_create_info_struct(source->png);
    }
    return source->info && source->end ? 0 : media_fail(reader, "out of memory");
}

void png_source_close(png_source *source)
{
    png_destroy_read_struct(&source->png, &source->info, &source->end);
}

void png_source_begin(png_source *source)
{
    png_structp png = source->png;
    png_set_read_fn(png, source, take);
    png_set_user_limits(png, 0x7FFFFFFF, 0x7FFFFFFF); /* our own limits name the option */
    png_set_chunk_cache_max(png, 1000);
    png_set_chunk_malloc_max(png, 64000000);
    /* Colour profiles, text and the like are of no use here, and are where damaged files hide the most. */
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_AS_DEFAULT, (png_const_bytep) "eXIf", 1);
    png_read_info(png, source->info);
}
