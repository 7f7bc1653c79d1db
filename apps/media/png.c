/* PNG by libpng: every colour type and depth to rows of RGB or RGBA with 8 or 16 bits. */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "png_source.h"

/* Everything that must survive a longjmp lives here, outside the frame that called setjmp. */
typedef struct png_state {
    png_source source;
    media_picture *out;
    uint8_t *data;     /* one row, or the whole picture when it is interlaced */
    uint16_t *samples; /* one row of 16-bit RGB */
    media_deep deep;
    int complete; /* every pixel is there: damage behind them does no harm */
} png_state;

static void find_orientation(png_state *state, png_infop info)
{
    png_bytep block = NULL;
    png_uint_32 size = 0;
    if (state->out->orientation == 1 && png_get_eXIf_1(state->source.png, info, &size, &block) && block)
        state->out->orientation = media_exif_orientation(block, size);
}

/* One row as libpng gives it, 3 or 4 channels, to the picture. */
static void put_row(png_state *state, int y, const uint8_t *row, int channels, int depth)
{
    int width = state->out->width;
    media_alpha ground = state->source.reader->options.alpha;
    if (depth == 16) {
        for (int x = 0; x < width; x++, row += 2 * channels)
            for (int c = 0; c < 3; c++) {
                unsigned v = (unsigned)row[2 * c] << 8 | row[2 * c + 1];
                if (channels == 4)
                    v = media_over(v, (unsigned)row[6] << 8 | row[7], 65535, ground);
                state->samples[3 * x + c] = (uint16_t)v;
            }
        media_deep_row(&state->deep, y, 0, width, state->samples);
        return;
    }
    uint8_t *target = state->out->pixels + (size_t)y * (size_t)width * 3;
    if (channels == 3) {
        memcpy(target, row, (size_t)width * 3);
        return;
    }
    for (int x = 0; x < width; x++, row += 4, target += 3)
        for (int c = 0; c < 3; c++)
            target[c] = (uint8_t)media_over(row[c], row[3], 255, ground);
}

/* What libpng shall do to the pixels on the way. */
static void set_transforms(png_state *state)
{
    png_structp png = state->source.png;
    int colour = png_get_color_type(png, state->source.info);
    int alpha = (colour & PNG_COLOR_MASK_ALPHA) != 0;
    if (colour == PNG_COLOR_TYPE_PALETTE)
        png_set_palette_to_rgb(png);
    if (colour == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(png, state->source.info) < 8)
        png_set_expand_gray_1_2_4_to_8(png);
    if (png_get_valid(png, state->source.info, PNG_INFO_tRNS) &&
        state->source.reader->options.alpha != MEDIA_ALPHA_DROP)
        png_set_tRNS_to_alpha(png);
    if (!(colour & PNG_COLOR_MASK_COLOR))
        png_set_gray_to_rgb(png);
    if (state->source.reader->options.alpha == MEDIA_ALPHA_DROP && (alpha || colour == PNG_COLOR_TYPE_PALETTE))
        png_set_strip_alpha(png);
}

static int decode_rows(png_state *state)
{
    png_structp png = state->source.png;
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, state->source.info);
    int channels = png_get_channels(png, state->source.info), depth = png_get_bit_depth(png, state->source.info);
    size_t stride = png_get_rowbytes(png, state->source.info), height = (size_t)state->out->height;
    if ((channels != 3 && channels != 4) || (depth != 8 && depth != 16))
        png_error(png, "an unknown kind of pixels");
    state->data = calloc(passes > 1 ? height : 1, stride);
    if (depth == 16) {
        state->samples = malloc((size_t)state->out->width * 3 * sizeof *state->samples);
        if (media_deep_start(&state->deep, state->source.reader, state->out))
            return -1;
    }
    if (!state->data || (depth == 16 && !state->samples))
        return media_fail(state->source.reader, "out of memory");
    for (int pass = 0; pass < passes; pass++)
        for (size_t y = 0; y < height; y++) {
            uint8_t *row = state->data + (passes > 1 ? y * stride : 0);
            png_read_row(png, row, NULL);
            if (pass == passes - 1)
                put_row(state, (int)y, row, channels, depth);
        }
    return depth == 16 ? media_deep_finish(&state->deep, state->source.reader) : 0;
}

static int decode(png_state *state)
{
    png_structp png = state->source.png;
    png_source_begin(&state->source);
    if (media_start(state->source.reader, state->out, "PNG", png_get_image_width(png, state->source.info),
                    png_get_image_height(png, state->source.info)))
        return -1;
    find_orientation(state, state->source.info);
    set_transforms(state);
    if (decode_rows(state))
        return -1;
    state->complete = 1;
    png_read_end(png, state->source.end); /* the EXIF chunk may follow the pixels */
    return 0;
}

int media_read_png(const media_reader *reader, media_picture *out)
{
    png_state *state = calloc(1, sizeof *state);
    int status;
    if (!state)
        return media_fail(reader, "out of memory");
    state->out = out;
    if (png_source_open(&state->source, reader)) {
        status = -1;
    } else if (!setjmp(png_jmpbuf(state->source.png))) {
        status = decode(state);
    } else if (state->complete) {
        status = 0;
        snprintf(out->notice, sizeof out->notice, "the PNG is damaged behind its pixels: %s", state->source.text);
    } else {
        status = media_fail(reader, "the PNG cannot be read: %s", state->source.text);
    }
    if (!status)
        find_orientation(state, state->source.end);
    png_source_close(&state->source);
    media_deep_free(&state->deep);
    free(state->data);
    free(state->samples);
    free(state);
    return status;
}
