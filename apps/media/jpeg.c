/* JPEG by libjpeg-turbo: its defaults (accurate integer transform, smooth chroma upsampling) give the pixels that
 * Pillow gives. */
#include "internal.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
/* after jpeglib.h, whose types it needs */
#include <jerror.h>

/* Everything that must survive a longjmp lives here, outside the frame that called setjmp. */
typedef struct jpeg_state {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    const media_reader *reader;
    uint8_t *row; /* one row in the file's own colours, when they are not RGB */
    int stray, most_scans;
    char text[JMSG_LENGTH_MAX];
} jpeg_state;

static _Noreturn void leave(j_common_ptr jpeg)
{
    jpeg_state *state = jpeg->client_data;
    longjmp(state->escape, 1);
}

static _Noreturn void fail_exit(j_common_ptr jpeg)
{
    jpeg_state *state = jpeg->client_data;
    if (jpeg->err->msg_code == JERR_OUT_OF_MEMORY)
        snprintf(state->text, sizeof state->text, "out of memory");
    else
        jpeg->err->format_message(jpeg, state->text);
    leave(jpeg);
}

static _Noreturn void truncated(j_common_ptr jpeg)
{
    jpeg_state *state = jpeg->client_data;
    snprintf(state->text, sizeof state->text, "the file is truncated");
    leave(jpeg);
}

/* libjpeg calls damage a warning and goes on with grey blocks; here it is an error, except for what leaves every pixel
 * intact. */
static void on_message(j_common_ptr jpeg, int level)
{
    jpeg_state *state = jpeg->client_data;
    if (level >= 0)
        return;
    switch (jpeg->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA:
        state->stray = 1;
        return;
    case JWRN_ADOBE_XFORM:
    case JWRN_JFIF_MAJOR:
    case JWRN_BOGUS_PROGRESSION:
        return;
    case JWRN_JPEG_EOF:
        truncated(jpeg);
    default:
        jpeg->err->format_message(jpeg, state->text);
        leave(jpeg);
    }
}

static void print_nothing(j_common_ptr jpeg)
{
    (void)jpeg;
}

static void source_nothing(j_decompress_ptr jpeg)
{
    (void)jpeg;
}

static boolean source_more(j_decompress_ptr jpeg)
{
    truncated((j_common_ptr)jpeg);
}

static void source_skip(j_decompress_ptr jpeg, long count)
{
    if (count <= 0)
        return;
    if ((unsigned long)count > jpeg->src->bytes_in_buffer)
        truncated((j_common_ptr)jpeg);
    jpeg->src->next_input_byte += count;
    jpeg->src->bytes_in_buffer -= (size_t)count;
}

static void on_progress(j_common_ptr jpeg)
{
    jpeg_state *state = jpeg->client_data;
    int scan = ((j_decompress_ptr)jpeg)->input_scan_number;
    if (scan > state->most_scans) {
        snprintf(state->text, sizeof state->text, "more than %d scans in a progressive JPEG", state->most_scans);
        leave(jpeg);
    }
}

/* Every scan costs a walk over all blocks however few bytes it has, so large pictures get fewer of them. */
static int scan_limit(uint64_t pixels)
{
    uint64_t most = UINT64_C(10000000000) / pixels;
    return most > MEDIA_MAX_SCANS ? MEDIA_MAX_SCANS : most < 100 ? 100 : (int)most;
}

static int orientation_of(const struct jpeg_decompress_struct *jpeg)
{
    for (jpeg_saved_marker_ptr marker = jpeg->marker_list; marker; marker = marker->next)
        if (marker->marker == JPEG_APP0 + 1 && marker->data_length > 6 && !memcmp(marker->data, "Exif\0", 5))
            return media_exif_orientation(marker->data, marker->data_length);
    return 1;
}

/* Four inks to RGB. Files with four colours hold them inverted, as Adobe's programs do, so a sample here is paper left
 * free of ink. */
static void row_from_cmyk(uint8_t *rgb, const uint8_t *cmyk, int width)
{
    for (int x = 0; x < width; x++, rgb += 3, cmyk += 4) {
        unsigned light = cmyk[3];
        for (int c = 0; c < 3; c++) {
            unsigned product = (255u - cmyk[c]) * light + 128;
            rgb[c] = (uint8_t)(light - (((product >> 8) + product) >> 8));
        }
    }
}

static void decode_rows(jpeg_state *state, media_picture *out)
{
    struct jpeg_decompress_struct *jpeg = &state->jpeg;
    size_t stride = (size_t)out->width * 3;
    while (jpeg->output_scanline < jpeg->output_height) {
        uint8_t *target = out->pixels + jpeg->output_scanline * stride;
        JSAMPROW row = state->row ? state->row : target;
        if (jpeg_read_scanlines(jpeg, &row, 1) != 1)
            truncated((j_common_ptr)jpeg);
        if (state->row)
            row_from_cmyk(target, state->row, out->width);
    }
    (void)jpeg_finish_decompress(jpeg);
}

static int decode(jpeg_state *state, media_picture *out)
{
    const media_reader *reader = state->reader;
    struct jpeg_decompress_struct *jpeg = &state->jpeg;
    jpeg_save_markers(jpeg, JPEG_APP0 + 1, 0xFFFF);
    (void)jpeg_read_header(jpeg, TRUE);
    if (media_start(reader, out, "JPEG", jpeg->image_width, jpeg->image_height))
        return -1;
    out->orientation = orientation_of(jpeg);
    state->most_scans = scan_limit((uint64_t)jpeg->image_width * jpeg->image_height);
    if (jpeg->num_components == 4) {
        jpeg->out_color_space = JCS_CMYK;
        state->row = malloc((size_t)out->width * 4);
        if (!state->row)
            return media_fail(reader, "out of memory");
    } else if (jpeg->num_components == 1 || jpeg->num_components == 3) {
        jpeg->out_color_space = JCS_RGB;
    } else {
        return media_fail(reader, "a JPEG with %d colour channels is not supported", jpeg->num_components);
    }
    (void)jpeg_start_decompress(jpeg);
    decode_rows(state, out);
    if (state->stray)
        snprintf(out->notice, sizeof out->notice, "the JPEG holds stray bytes; it may be damaged");
    return 0;
}

int media_read_jpeg(const media_reader *reader, media_picture *out)
{
    jpeg_state *state = calloc(1, sizeof *state);
    int status;
    if (!state)
        return media_fail(reader, "out of memory");
    state->reader = reader;
    state->most_scans = MEDIA_MAX_SCANS;
    state->jpeg.err = jpeg_std_error(&state->errors);
    state->errors.error_exit = fail_exit;
    state->errors.emit_message = on_message;
    state->errors.output_message = print_nothing;
    state->source = (struct jpeg_source_mgr){.next_input_byte = reader->bytes,
                                             .bytes_in_buffer = reader->size,
                                             .init_source = source_nothing,
                                             .fill_input_buffer = source_more,
                                             .skip_input_data = source_skip,
                                             .resync_to_restart = jpeg_resync_to_restart,
                                             .term_source = source_nothing};
    state->progress.progress_monitor = on_progress;
    state->jpeg.client_data = state;
    if (setjmp(state->escape)) {
        status = media_fail(reader, "the JPEG cannot be read: %s", state->text);
    } else {
        jpeg_create_decompress(&state->jpeg);
        state->jpeg.src = &state->source;
        state->jpeg.progress = &state->progress;
        status = decode(state, out);
    }
    jpeg_destroy_decompress(&state->jpeg);
    free(state->row);
    free(state);
    return status;
}
