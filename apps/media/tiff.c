/* TIFF by libtiff: the header, what is supported, and the rare colour spaces that libtiff converts itself. */
#include "internal.h"

#ifndef HAVE_TIFF
int media_read_tiff(const media_reader *reader, media_picture *out)
{
    (void)out;
    return media_fail(reader, "this build reads no TIFF pictures (made without libtiff); convert to JPEG or PNG");
}
#else

#include <stdlib.h>
#include <string.h>

#include "tiff.h"

/* Since 4.5.0 handlers and a limit for allocations belong to one file; before, handlers are the process's. */
#if TIFFLIB_VERSION >= 20221213
#define OWN_HANDLERS 1
#else
#define OWN_HANDLERS 0
#endif

static tmsize_t source_read(thandle_t handle, void *target, tmsize_t count)
{
    tiff_state *state = handle;
    uint64_t size = state->reader->size, left = state->at < size ? size - state->at : 0;
    if (count < 0)
        return -1;
    if ((uint64_t)count < left)
        left = (uint64_t)count;
    if (left)
        memcpy(target, state->reader->bytes + state->at, (size_t)left);
    state->at += left;
    return (tmsize_t)left;
}

static tmsize_t source_write(thandle_t handle, void *bytes, tmsize_t count)
{
    (void)handle;
    (void)bytes;
    (void)count;
    return -1;
}

static toff_t source_seek(thandle_t handle, toff_t offset, int whence)
{
    tiff_state *state = handle;
    uint64_t from = whence == SEEK_CUR ? state->at : whence == SEEK_END ? state->reader->size : 0;
    state->at = from + offset; /* wraps for steps back; reads behind the end give nothing */
    return state->at;
}

static int source_close(thandle_t handle)
{
    (void)handle;
    return 0;
}

static toff_t source_size(thandle_t handle)
{
    return ((tiff_state *)handle)->reader->size;
}

static int source_map(thandle_t handle, void **base, toff_t *size)
{
    (void)handle;
    (void)base;
    (void)size;
    return 0;
}

static void source_unmap(thandle_t handle, void *base, toff_t size)
{
    (void)handle;
    (void)base;
    (void)size;
}

#if OWN_HANDLERS
static int on_error(TIFF *tiff, void *user, const char *module, const char *format, va_list args)
{
    tiff_state *state = user;
    (void)tiff;
    (void)module;
    if (!state->text[0])
        vsnprintf(state->text, sizeof state->text, format, args);
    return 1;
}

static int on_warning(TIFF *tiff, void *user, const char *module, const char *format, va_list args)
{
    (void)tiff;
    (void)user;
    (void)module;
    (void)format;
    (void)args;
    return 1;
}

static TIFF *open_tiff(tiff_state *state)
{
    const media_options *options = &state->reader->options;
    uint64_t pixels = options->max_pixels ? options->max_pixels : MEDIA_DEFAULT_MAX_PIXELS;
    TIFFOpenOptions *open = TIFFOpenOptionsAlloc();
    TIFF *tiff;
    /* no mapping (m); the tables of strips and tiles are read only after the size is checked (D) */
    if (!open)
        return NULL;
    TIFFOpenOptionsSetErrorHandlerExtR(open, on_error, state);
    TIFFOpenOptionsSetWarningHandlerExtR(open, on_warning, state);
    TIFFOpenOptionsSetMaxSingleMemAlloc(
        open, (tmsize_t)((pixels < (UINT64_C(1) << 40) ? pixels : UINT64_C(1) << 40) * 10 + (64 << 20)));
    tiff = TIFFClientOpenExt(state->reader->label, "rmD", state, source_read, source_write, source_seek, source_close,
                             source_size, source_map, source_unmap, open);
    TIFFOpenOptionsFree(open);
    return tiff;
}
#else
static TIFF *open_tiff(tiff_state *state)
{
    TIFFSetErrorHandler(NULL);
    TIFFSetWarningHandler(NULL);
    return TIFFClientOpen(state->reader->label, "rmD", state, source_read, source_write, source_seek, source_close,
                          source_size, source_map, source_unmap);
}
#endif

int media_tiff_fail(tiff_state *state)
{
    return media_fail(state->reader, "the TIFF cannot be read: %s",
                      state->text[0] ? state->text : "the pixels cannot be decoded");
}

/* By libtiff's own conversion, in the stored order. */
static int read_converted(tiff_state *state, int orientation)
{
    char why[1024] = "";
    size_t n = (size_t)state->out->width * (size_t)state->out->height;
    uint32_t *raster;
    if (!TIFFRGBAImageOK(state->tiff, why))
        return media_fail(state->reader, "this kind of TIFF is not supported: %s", why);
    raster = malloc(n * sizeof *raster);
    if (!raster)
        return media_fail(state->reader, "out of memory for %d x %d pixels", state->out->width, state->out->height);
    int good = TIFFReadRGBAImageOriented(state->tiff, (uint32_t)state->out->width, (uint32_t)state->out->height, raster,
                                         orientation, 1);
    for (size_t i = 0; good && i < n; i++) {
        state->out->pixels[3 * i] = (uint8_t)TIFFGetR(raster[i]);
        state->out->pixels[3 * i + 1] = (uint8_t)TIFFGetG(raster[i]);
        state->out->pixels[3 * i + 2] = (uint8_t)TIFFGetB(raster[i]);
    }
    free(raster);
    return good ? 0 : media_tiff_fail(state);
}

/* Camera raw files are TIFF too, with a small preview as the first page: better refused than segmented by mistake. */
static int is_raw_preview(TIFF *tiff)
{
    uint32_t kind = 0;
    uint16_t pages = 0;
    void *where = NULL;
    TIFFGetField(tiff, TIFFTAG_SUBFILETYPE, &kind);
    return (kind & FILETYPE_REDUCEDIMAGE) && TIFFGetField(tiff, TIFFTAG_SUBIFD, &pages, &where) && pages;
}

/* The header's numbers; what the channels mean. */
static int read_header(tiff_state *state, int *converted)
{
    const media_reader *reader = state->reader;
    TIFF *tiff = state->tiff;
    uint16_t format = SAMPLEFORMAT_UINT, extra = 0, *kinds = NULL;
    TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &state->bits);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &state->channels);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &format);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &state->planar);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &state->compression);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &extra, &kinds);
    if (!TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &state->photometric))
        state->photometric = state->channels >= 3 ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK;
    if (state->channels > 64) /* what is held of a block must stay in proportion to the picture */
        return media_fail(reader, "a TIFF with %u channels is not supported", (unsigned)state->channels);
    if (is_raw_preview(tiff))
        return media_fail(reader, "camera raw files are not supported; convert to JPEG or PNG");
    if (!TIFFIsCODECConfigured(state->compression))
        return media_fail(reader, "TIFF compression %u is not supported by the installed libtiff",
                          (unsigned)state->compression);
    if (format != SAMPLEFORMAT_UINT && format != SAMPLEFORMAT_VOID)
        return media_fail(
            reader, "a TIFF with %s samples of %u bits is not supported; convert it to 8 or 16 bits without sign",
            format == SAMPLEFORMAT_IEEEFP ? "floating-point" : "signed or complex", (unsigned)state->bits);
    if (state->photometric == PHOTOMETRIC_YCBCR && state->compression == COMPRESSION_JPEG && state->bits == 8 &&
        state->planar == PLANARCONFIG_CONTIG && TIFFSetField(tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB))
        state->photometric = PHOTOMETRIC_RGB; /* libjpeg converts, and enlarges the chroma smoothly */
    switch (state->photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK:
    case PHOTOMETRIC_PALETTE:
        state->colours = 1;
        break;
    case PHOTOMETRIC_RGB:
        state->colours = 3;
        break;
    case PHOTOMETRIC_SEPARATED:
        state->colours = 4;
        break;
    default:
        *converted = 1;
        return 0;
    }
    if (state->bits != 8 && state->bits != 16 &&
        (state->colours != 1 || (state->bits != 1 && state->bits != 2 && state->bits != 4)))
        return media_fail(reader, "a TIFF with %u bits a sample is not supported; convert it to 8 or 16 bits",
                          (unsigned)state->bits);
    if (state->photometric == PHOTOMETRIC_PALETTE && state->bits > 8)
        return media_fail(reader, "a TIFF with a palette and %u bits is not supported", (unsigned)state->bits);
    if (state->channels < state->colours)
        return media_fail(reader, "the TIFF cannot be read: %u channels where %d are needed", (unsigned)state->channels,
                          state->colours);
    state->alpha = -1;
    if (state->colours != 4 && state->channels > state->colours &&
        (extra ? kinds[0] != EXTRASAMPLE_UNSPECIFIED : state->channels == state->colours + 1)) {
        state->alpha = state->colours;
        state->associated = extra && kinds[0] == EXTRASAMPLE_ASSOCALPHA;
    }
    return 0;
}

/* A tile may be larger than the picture, but not absurdly so: it is held in memory whole. Nor may tiles be absurdly
 * small, since there is a table of all of them. */
static int check_blocks(tiff_state *state)
{
    uint64_t bytes = TIFFIsTiled(state->tiff) ? TIFFTileSize64(state->tiff) : TIFFStripSize64(state->tiff);
    uint64_t picture =
        (uint64_t)state->out->width * (uint64_t)state->out->height * state->channels * ((state->bits + 7u) / 8u);
    uint32_t blocks = TIFFIsTiled(state->tiff) ? TIFFNumberOfTiles(state->tiff) : TIFFNumberOfStrips(state->tiff);
    if (!bytes || !blocks)
        return media_tiff_fail(state);
    if (blocks > 4000000)
        return media_fail(state->reader, "a TIFF of %lu tiles is not supported", (unsigned long)blocks);
    if (bytes > 4 * picture + (32u << 20))
        return media_fail(state->reader, "the TIFF cannot be read: a tile of %llu bytes in a picture of %llu",
                          (unsigned long long)bytes, (unsigned long long)picture);
    return 0;
}

static int decode(tiff_state *state)
{
    uint32_t width = 0, height = 0;
    uint16_t orientation = 1;
    int converted = 0, status;
    TIFFGetField(state->tiff, TIFFTAG_IMAGEWIDTH, &width);
    TIFFGetField(state->tiff, TIFFTAG_IMAGELENGTH, &height);
    if (media_check_size(state->reader, width, height) || read_header(state, &converted) ||
        media_start(state->reader, state->out, "TIFF", width, height) || check_blocks(state))
        return -1;
    TIFFGetFieldDefaulted(state->tiff, TIFFTAG_ORIENTATION, &orientation);
    state->out->orientation = orientation >= 1 && orientation <= 8 ? orientation : 1;
    status = converted ? read_converted(state, state->out->orientation) : media_tiff_blocks(state);
    if (!status && !state->out->notice[0] && !TIFFLastDirectory(state->tiff))
        snprintf(state->out->notice, sizeof state->out->notice, "the first page of several");
    return status;
}

int media_read_tiff(const media_reader *reader, media_picture *out)
{
    tiff_state state = {.reader = reader, .out = out};
    int status;
    state.tiff = open_tiff(&state);
    if (!state.tiff)
        return media_tiff_fail(&state);
    status = decode(&state);
    TIFFClose(state.tiff);
    return status;
}
#endif
