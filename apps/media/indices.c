/* Masks of labels: the numbers in a palette or grey PNG, not its colours. */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "png_source.h"
#include "sniff.h"

typedef struct indices_state {
    png_source source;
    media_indices *out;
    int complete; /* every pixel is there */
} indices_state;

static int check_kind(const indices_state *state)
{
    static const char *const names[] = {[PNG_COLOR_TYPE_GRAY] = "grey",
                                        [PNG_COLOR_TYPE_RGB] = "RGB",
                                        [PNG_COLOR_TYPE_PALETTE] = "palette",
                                        [PNG_COLOR_TYPE_GRAY_ALPHA] = "grey with alpha",
                                        [PNG_COLOR_TYPE_RGB_ALPHA] = "RGB with alpha"};
    int colour = png_get_color_type(state->source.png, state->source.info);
    int depth = png_get_bit_depth(state->source.png, state->source.info);
    if ((colour == PNG_COLOR_TYPE_GRAY || colour == PNG_COLOR_TYPE_PALETTE) && depth <= 8)
        return 0;
    return media_fail(state->source.reader,
                      "no mask of labels: that is a PNG with a palette or in grey, up to 8 bits a "
                      "pixel, and this one is %s with %d bits",
                      names[colour], depth);
}

static void take_palette(indices_state *state)
{
    png_colorp colours = NULL;
    int count = 0;
    if (png_get_color_type(state->source.png, state->source.info) != PNG_COLOR_TYPE_PALETTE ||
        !png_get_PLTE(state->source.png, state->source.info, &colours, &count))
        return;
    state->out->colours = count;
    for (int i = 0; i < count && i < 256; i++) {
        state->out->palette[i][0] = colours[i].red;
        state->out->palette[i][1] = colours[i].green;
        state->out->palette[i][2] = colours[i].blue;
    }
}

static int decode(indices_state *state)
{
    png_structp png = state->source.png;
    media_indices *out = state->out;
    png_source_begin(&state->source);
    uint64_t width = png_get_image_width(png, state->source.info),
             height = png_get_image_height(png, state->source.info);
    if (check_kind(state) || media_check_size(state->source.reader, width, height))
        return -1;
    take_palette(state);
    png_set_packing(png); /* a byte a pixel, with the number that was in its bits */
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, state->source.info);
    if (png_get_rowbytes(png, state->source.info) != width)
        png_error(png, "an unknown kind of pixels");
    out->values = calloc((size_t)height, (size_t)width);
    if (!out->values)
        return media_fail(state->source.reader, "out of memory for %llu x %llu pixels", (unsigned long long)width,
                          (unsigned long long)height);
    out->width = (int)width;
    out->height = (int)height;
    for (int pass = 0; pass < passes; pass++)
        for (size_t y = 0; y < (size_t)height; y++)
            png_read_row(png, out->values + y * (size_t)width, NULL);
    state->complete = 1;
    png_read_end(png, state->source.end);
    return 0;
}

static int read_png(const media_reader *reader, media_indices *out)
{
    indices_state *state = calloc(1, sizeof *state);
    int status = -1;
    if (!state)
        return media_fail(reader, "out of memory");
    state->out = out;
    if (!png_source_open(&state->source, reader)) {
        if (!setjmp(png_jmpbuf(state->source.png)))
            status = decode(state);
        else if (state->complete)
            status = 0; /* damage behind the pixels does no harm */
        else
            status = media_fail(reader, "the PNG cannot be read: %s", state->source.text);
    }
    png_source_close(&state->source);
    free(state);
    return status;
}

int media_read_indices_memory(const void *bytes, size_t size, const char *label, const media_options *options,
                              media_indices *out, char *error, size_t error_size)
{
    media_reader reader = {.bytes = bytes, .size = size, .label = label, .error = error, .error_size = error_size};
    int status;
    memset(out, 0, sizeof *out);
    if (error && error_size)
        error[0] = 0;
    if (options)
        reader.options = *options;
    if (!size)
        return media_fail(&reader, "the file is empty");
    if (media_sniff(bytes, size)->read != media_read_png)
        return media_fail(&reader, "no mask of labels: that is a PNG with a palette or in grey");
    status = read_png(&reader, out);
    if (status)
        media_indices_free(out);
    return status;
}

int media_read_indices(const char *path, const media_options *options, media_indices *out, char *error,
                       size_t error_size)
{
    media_reader reader = {.error = error, .error_size = error_size};
    uint8_t *bytes;
    size_t size;
    int status;
    memset(out, 0, sizeof *out);
    status = media_load(&reader, path, &bytes, &size);
    if (!status)
        status = media_read_indices_memory(bytes, size, reader.label, options, out, error, error_size);
    free(bytes);
    return status;
}

void media_indices_free(media_indices *indices)
{
    if (!indices)
        return;
    free(indices->values);
    memset(indices, 0, sizeof *indices);
}

/* The bits of the number, lowest first, go to red, green and blue in turn, each time to the next lower bit from the
 * highest on. */
void media_davis_palette(uint8_t palette[256][3])
{
    for (int i = 0; i < 256; i++)
        for (int c = 0; c < 3; c++) {
            palette[i][c] = 0;
            for (int bit = c; bit < 8; bit += 3)
                palette[i][c] |= (uint8_t)((i >> bit & 1) << (7 - bit / 3));
        }
}
