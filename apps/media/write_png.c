/* Writing PNG, 8 bits a channel. */
#include "media.h"

#include <errno.h>
#include <setjmp.h>
#include <string.h>

#include <png.h>

#include "output.h"

typedef struct writer {
    FILE *file;
    int cause; /* errno of a write that failed */
    char text[160];
} writer;

static _Noreturn void on_error(png_structp png, png_const_charp text)
{
    writer *state = png_get_error_ptr(png);
    if (!state->text[0])
        snprintf(state->text, sizeof state->text, "%s", text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void give(png_structp png, png_bytep bytes, size_t count)
{
    writer *state = png_get_io_ptr(png);
    errno = 0;
    if (fwrite(bytes, 1, count, state->file) != count) {
        state->cause = errno;
        png_error(png, errno ? strerror(errno) : "short write");
    }
}

static void flush(png_structp png)
{
    (void)png; /* closing the file flushes it, and is checked */
}

/* `palette` (256 entries, or NULL) makes one channel a palette picture. */
static int encode(writer *state, const uint8_t *pixels, int width, int height, int channels, size_t stride,
                  const png_color *palette)
{
    int colour = palette         ? PNG_COLOR_TYPE_PALETTE
                 : channels == 1 ? PNG_COLOR_TYPE_GRAY
                 : channels == 3 ? PNG_COLOR_TYPE_RGB
                                 : PNG_COLOR_TYPE_RGB_ALPHA;
    png_infop info = NULL;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, state, on_error, on_warning);
    int status = -1;
    if (png)
        info = png_create_info_struct(png);
    if (!info) {
        snprintf(state->text, sizeof state->text, "out of memory");
    } else if (!setjmp(png_jmpbuf(png))) {
        png_set_write_fn(png, state, give, flush);
        png_set_user_limits(png, 0x7FFFFFFF, 0x7FFFFFFF);
        /* A mask is mostly long runs, where filters only cost time; photographs gain little from the slow levels. */
        png_set_filter(png, PNG_FILTER_TYPE_BASE, channels == 1 ? PNG_FILTER_NONE : PNG_FILTER_SUB | PNG_FILTER_UP);
        png_set_compression_level(png, channels == 1 ? 6 : 4);
        png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, 8, colour, PNG_INTERLACE_NONE,
                     PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
        if (palette)
            png_set_PLTE(png, info, palette, 256);
        png_write_info(png, info);
        for (size_t y = 0; y < (size_t)height; y++)
            png_write_row(png, pixels + y * stride);
        png_write_end(png, info);
        status = 0;
    }
    png_destroy_write_struct(&png, &info);
    return status;
}

static int write_file(const char *path, const uint8_t *pixels, int width, int height, int channels, size_t stride,
                      const png_color *palette, char *error, size_t error_size)
{
    writer state = {0};
    media_output output;
    int status;
    if (error && error_size)
        error[0] = 0;
    if (width < 1 || height < 1 || (channels != 1 && channels != 3 && channels != 4) ||
        stride < (size_t)width * (size_t)channels) {
        if (error && error_size)
            snprintf(error, error_size, "%s: no PNG of %d x %d pixels, %d channels and %zu bytes a row", path, width,
                     height, channels, stride);
        return -1;
    }
    if (media_output_open(&output, path, error, error_size))
        return -1;
    state.file = output.file;
    status = encode(&state, pixels, width, height, channels, stride, palette);
    if (media_output_close(&output, !status, error, error_size))
        return -1;
    if (status && error && error_size)
        snprintf(error, error_size, "%s: cannot be written: %s", output.label, state.text);
    return status;
}

int media_write_png(const char *path, const uint8_t *pixels, int width, int height, int channels, size_t stride,
                    char *error, size_t error_size)
{
    return write_file(path, pixels, width, height, channels, stride, NULL, error, error_size);
}

int media_write_png_indexed(const char *path, const uint8_t *indices, int width, int height, size_t stride,
                            const uint8_t *palette, char *error, size_t error_size)
{
    png_color colours[256];
    for (int i = 0; i < 256; i++)
        colours[i] = (png_color){palette[3 * i], palette[3 * i + 1], palette[3 * i + 2]};
    return write_file(path, indices, width, height, 1, stride, colours, error, error_size);
}
