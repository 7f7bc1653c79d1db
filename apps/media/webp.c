/* WebP by libwebp. */
#include "internal.h"

#ifndef HAVE_WEBP
int media_read_webp(const media_reader *reader, media_picture *out)
{
    (void)out;
    return media_fail(reader, "this build reads no WebP pictures (made without libwebp); convert to JPEG or PNG");
}
#else

#include <stdlib.h>

#include <webp/decode.h>
#include <webp/demux.h>

static void find_orientation(const WebPDemuxer *demuxer, media_picture *out)
{
    WebPChunkIterator chunk;
    if (WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk))
        out->orientation = media_exif_orientation(chunk.chunk.bytes, chunk.chunk.size);
    WebPDemuxReleaseChunkIterator(&chunk);
}

static const char *reason(VP8StatusCode code)
{
    switch (code) {
    case VP8_STATUS_OUT_OF_MEMORY:
        return "out of memory";
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return "an unsupported feature";
    case VP8_STATUS_SUSPENDED:
    case VP8_STATUS_NOT_ENOUGH_DATA:
        return "the file is truncated";
    default:
        return "the pixels cannot be decoded";
    }
}

/* The colours of transparent pixels are kept, as they are where alpha is dropped. */
static int decode_frame(const media_reader *reader, const WebPIterator *frame, uint8_t *target, size_t stride,
                        int channels)
{
    WebPDecoderConfig config;
    VP8StatusCode code;
    if (!WebPInitDecoderConfig(&config))
        return media_fail(reader, "the installed libwebp does not fit this program");
    config.output.colorspace = channels == 4 ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = target;
    config.output.u.RGBA.stride = (int)stride;
    config.output.u.RGBA.size = stride * (size_t)frame->height;
    code = WebPDecode(frame->fragment.bytes, frame->fragment.size, &config);
    WebPFreeDecBuffer(&config.output);
    return code == VP8_STATUS_OK ? 0 : media_fail(reader, "the WebP cannot be read: %s", reason(code));
}

/* The first frame, on the canvas at its place. Where the frame does not cover it the canvas is transparent black. */
static int decode(const media_reader *reader, const WebPIterator *frame, media_picture *out)
{
    media_alpha ground = reader->options.alpha;
    size_t width = (size_t)frame->width, height = (size_t)frame->height, canvas = (size_t)out->width;
    int whole = frame->width == out->width && frame->height == out->height;
    int status;
    uint8_t *pixels;
    if (whole && ground == MEDIA_ALPHA_DROP)
        return decode_frame(reader, frame, out->pixels, canvas * 3, 3);
    pixels = malloc(width * height * 4);
    if (!pixels)
        return media_fail(reader, "out of memory for %zu x %zu pixels", width, height);
    for (size_t i = 0, n = canvas * (size_t)out->height * 3; !whole && i < n; i++)
        out->pixels[i] = ground == MEDIA_ALPHA_WHITE ? 255 : 0;
    status = decode_frame(reader, frame, pixels, width * 4, 4);
    for (size_t y = 0; !status && y < height; y++) {
        uint8_t *to = out->pixels + ((y + (size_t)frame->y_offset) * canvas + (size_t)frame->x_offset) * 3;
        const uint8_t *from = pixels + y * width * 4;
        for (size_t x = 0; x < width; x++, from += 4, to += 3)
            for (int c = 0; c < 3; c++)
                to[c] = ground == MEDIA_ALPHA_DROP ? from[c] : (uint8_t)media_over(from[c], from[3], 255, ground);
    }
    free(pixels);
    return status;
}

int media_read_webp(const media_reader *reader, media_picture *out)
{
    WebPData data = {reader->bytes, reader->size};
    WebPDemuxState state;
    WebPIterator frame;
    WebPDemuxer *demuxer = WebPDemuxPartial(&data, &state);
    int status;
    if (!demuxer)
        return media_fail(reader, "the WebP cannot be read: %s",
                          state < 0 ? "the header cannot be read" : "the file is truncated");
    status = media_start(reader, out, "WebP", WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_WIDTH),
                         WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_HEIGHT));
    if (!status && !WebPDemuxGetFrame(demuxer, 1, &frame)) {
        status = media_fail(reader, "the WebP cannot be read: %s",
                            state == WEBP_DEMUX_DONE ? "no picture in it" : "the file is truncated");
    } else if (!status) {
        if (!frame.complete)
            status = media_fail(reader, "the WebP cannot be read: the file is truncated");
        else if (frame.x_offset < 0 || frame.y_offset < 0 || frame.width > out->width - frame.x_offset ||
                 frame.height > out->height - frame.y_offset)
            status = media_fail(reader, "the WebP cannot be read: a frame lies outside of the picture");
        else
            status = decode(reader, &frame, out);
        if (!status && frame.num_frames > 1)
            snprintf(out->notice, sizeof out->notice, "the first of %d frames of an animation", frame.num_frames);
        WebPDemuxReleaseIterator(&frame);
    }
    if (!status)
        find_orientation(demuxer, out);
    WebPDemuxDelete(demuxer);
    return status;
}
#endif
