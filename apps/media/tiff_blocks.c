/* TIFF pixels by strips and tiles, channels together or apart, 1 to 16 bits. */
#include "tiff.h"

#include <stdlib.h>
#include <string.h>

#define MOST_CHANNELS 5 /* four colours and an alpha */

typedef struct blocks {
    tiff_state *state;
    uint8_t *planes[MOST_CHANNELS]; /* one block of each plane; together: the first alone */
    uint16_t *lines[MOST_CHANNELS]; /* one row of each channel, a sample each */
    uint16_t *rgb;                  /* one row of colours */
    int wanted;                     /* channels that are looked at */
    unsigned full;                  /* the greatest value of a sample: 255 or 65535 */
    uint8_t palette[256][3];
    media_deep deep;
} blocks;

/* One channel of a row to one sample each. */
static void unpack(const uint8_t *row, int bits, size_t first, size_t step, int count, uint16_t *line)
{
    size_t at = first;
    if (bits == 16) {
        for (int x = 0; x < count; x++, at += step)
            memcpy(&line[x], row + 2 * at, 2); /* already in this machine's byte order */
    } else if (bits == 8) {
        for (int x = 0; x < count; x++, at += step)
            line[x] = row[at];
    } else {
        unsigned mask = (1u << bits) - 1;
        for (int x = 0; x < count; x++, at += step) {
            size_t bit = at * (size_t)bits;
            line[x] = (uint16_t)(row[bit / 8] >> (8 - bits - (int)(bit % 8)) & mask);
        }
    }
}

static void to_rgb(const blocks *b, int count)
{
    const tiff_state *state = b->state;
    unsigned full = b->full, scale = state->bits < 8 ? 255 / ((1u << state->bits) - 1) : 1;
    uint16_t *rgb = b->rgb;
    for (int x = 0; x < count; x++, rgb += 3) {
        unsigned v = b->lines[0][x];
        switch (state->photometric) {
        case PHOTOMETRIC_MINISWHITE:
            rgb[0] = rgb[1] = rgb[2] = (uint16_t)(full - v * scale);
            break;
        case PHOTOMETRIC_MINISBLACK:
            rgb[0] = rgb[1] = rgb[2] = (uint16_t)(v * scale);
            break;
        case PHOTOMETRIC_PALETTE:
            for (int c = 0; c < 3; c++)
                rgb[c] = b->palette[v & 255][c];
            break;
        case PHOTOMETRIC_SEPARATED: {
            unsigned light = full - b->lines[3][x];
            for (int c = 0; c < 3; c++)
                rgb[c] = (uint16_t)(light - (unsigned)(((uint64_t)b->lines[c][x] * light + full / 2) / full));
            break;
        }
        default:
            for (int c = 0; c < 3; c++)
                rgb[c] = b->lines[c][x];
        }
    }
}

/* The alpha policy. Colours that were multiplied by alpha are divided by it where it is dropped. */
static void apply_alpha(const blocks *b, int count)
{
    const tiff_state *state = b->state;
    media_alpha ground = state->reader->options.alpha;
    const uint16_t *line = b->lines[state->colours];
    unsigned scale = state->bits < 8 ? 255 / ((1u << state->bits) - 1) : 1;
    if (ground == MEDIA_ALPHA_DROP && !state->associated)
        return;
    for (int x = 0; x < count; x++)
        for (int c = 0; c < 3; c++) {
            uint16_t *v = &b->rgb[3 * x + c];
            unsigned alpha = line[x] * scale, result;
            if (!state->associated)
                result = media_over(*v, alpha, b->full, ground);
            else if (ground == MEDIA_ALPHA_DROP)
                result = alpha ? (unsigned)((uint64_t)*v * b->full / alpha) : 0;
            else
                result = *v + (ground == MEDIA_ALPHA_WHITE ? b->full - alpha : 0);
            *v = (uint16_t)(result > b->full ? b->full : result);
        }
}

static void put_row(blocks *b, int x, int y, int count)
{
    to_rgb(b, count);
    if (b->state->alpha >= 0)
        apply_alpha(b, count);
    if (b->full > 255) {
        media_deep_row(&b->deep, y, x, count, b->rgb);
        return;
    }
    uint8_t *to = b->state->out->pixels + ((size_t)y * (size_t)b->state->out->width + (size_t)x) * 3;
    for (int i = 0; i < 3 * count; i++)
        to[i] = (uint8_t)b->rgb[i];
}

/* Reads the block at (x, y) of each plane, and its rows into the picture. */
static int read_block(blocks *b, int x, int y, int width, int height, size_t stride, tmsize_t bytes)
{
    tiff_state *state = b->state;
    TIFF *tiff = state->tiff;
    int apart = state->planar == PLANARCONFIG_SEPARATE, tiled = TIFFIsTiled(tiff);
    for (int plane = 0; plane < (apart ? b->wanted : 1); plane++) {
        tmsize_t got;
        if (tiled)
            got = TIFFReadEncodedTile(tiff, TIFFComputeTile(tiff, (uint32_t)x, (uint32_t)y, 0, (uint16_t)plane),
                                      b->planes[plane], bytes);
        else
            got = TIFFReadEncodedStrip(tiff, TIFFComputeStrip(tiff, (uint32_t)y, (uint16_t)plane), b->planes[plane],
                                       bytes);
        if (got < 0 || (size_t)got < stride * (size_t)height)
            return media_tiff_fail(state);
    }
    for (int row = 0; row < height; row++) {
        for (int c = 0; c < b->wanted; c++)
            unpack(b->planes[apart ? c : 0] + (size_t)row * stride, state->bits, apart ? 0 : (size_t)c,
                   apart ? 1 : state->channels, width, b->lines[c]);
        put_row(b, x, y + row, width);
    }
    return 0;
}

static int read_palette(blocks *b)
{
    uint16_t *channel[3];
    int entries = 1 << b->state->bits, wide = 0;
    if (!TIFFGetField(b->state->tiff, TIFFTAG_COLORMAP, &channel[0], &channel[1], &channel[2]))
        return media_fail(b->state->reader, "the TIFF cannot be read: the palette is missing");
    for (int i = 0; i < entries; i++)
        for (int c = 0; c < 3; c++)
            wide |= channel[c][i] > 255; /* some writers store 8 bits in the 16 */
    for (int i = 0; i < entries; i++)
        for (int c = 0; c < 3; c++)
            b->palette[i][c] = (uint8_t)(wide ? channel[c][i] >> 8 : channel[c][i]);
    return 0;
}

static int read_all(blocks *b)
{
    tiff_state *state = b->state;
    TIFF *tiff = state->tiff;
    int tiled = TIFFIsTiled(tiff), width = state->out->width, height = state->out->height;
    uint32_t block_width = (uint32_t)width, block_height = 0;
    tmsize_t bytes = tiled ? TIFFTileSize(tiff) : TIFFStripSize(tiff);
    tmsize_t stride = tiled ? TIFFTileRowSize(tiff) : TIFFScanlineSize(tiff);
    if (tiled) {
        TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &block_width);
        TIFFGetField(tiff, TIFFTAG_TILELENGTH, &block_height);
    } else {
        TIFFGetFieldDefaulted(tiff, TIFFTAG_ROWSPERSTRIP, &block_height);
    }
    block_height = block_height > (uint32_t)height && !tiled ? (uint32_t)height : block_height;
    uint64_t together = state->planar == PLANARCONFIG_SEPARATE ? 1 : state->channels;
    if (!block_width || !block_height || bytes <= 0 || stride <= 0 ||
        (uint64_t)stride < ((uint64_t)block_width * together * state->bits + 7) / 8 ||
        (uint64_t)bytes / (uint64_t)stride < block_height)
        return media_tiff_fail(state);
    for (int c = 0; c < b->wanted; c++) {
        b->lines[c] = malloc(block_width * sizeof *b->lines[c]);
        if (c == 0 || together == 1)
            b->planes[c] = malloc((size_t)bytes);
        if (!b->lines[c] || (!b->planes[c] && (c == 0 || together == 1)))
            return media_fail(state->reader, "out of memory");
    }
    b->rgb = malloc(3 * (size_t)block_width * sizeof *b->rgb);
    if (!b->rgb)
        return media_fail(state->reader, "out of memory");
    for (int64_t y = 0; y < height; y += block_height)
        for (int64_t x = 0; x < width; x += block_width) {
            int64_t columns = width - x < block_width ? width - x : block_width;
            int64_t rows = height - y < block_height ? height - y : block_height;
            if (read_block(b, (int)x, (int)y, (int)columns, (int)rows, (size_t)stride, bytes))
                return -1;
        }
    return 0;
}

int media_tiff_blocks(tiff_state *state)
{
    blocks b = {
        .state = state, .wanted = state->colours + (state->alpha >= 0), .full = state->bits == 16 ? 65535 : 255};
    int status = 0;
    if (state->photometric == PHOTOMETRIC_PALETTE)
        status = read_palette(&b);
    if (!status && b.full > 255)
        status = media_deep_start(&b.deep, state->reader, state->out);
    if (!status)
        status = read_all(&b);
    if (!status && b.full > 255)
        status = media_deep_finish(&b.deep, state->reader);
    media_deep_free(&b.deep);
    free(b.rgb);
    for (int c = 0; c < MOST_CHANNELS; c++) {
        free(b.planes[c]);
        free(b.lines[c]);
    }
    return status;
}
