/* Names and versions of the libraries behind the formats. */
#include "media.h"

#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>
#ifdef HAVE_WEBP
#include <webp/decode.h>
#endif
#ifdef HAVE_TIFF
#include <tiffio.h>
#endif
#ifdef HAVE_FFMPEG
#include "av_api.h"
#endif

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

#ifdef HAVE_FFMPEG
static int add_ffmpeg(char *out, size_t size)
{
    const char *missing = av_api_load();
    if (missing)
        return snprintf(out, size, ", no FFmpeg (%s is missing)", missing);
    unsigned codec = libav.avcodec_version(), format = libav.avformat_version(), util = libav.avutil_version(),
             scale = libav.swscale_version();
    return snprintf(
        out, size,
        ", FFmpeg %.60s (libavcodec %u.%u.%u, libavformat %u.%u.%u, libavutil %u.%u.%u, libswscale %u.%u.%u)",
        libav.av_version_info(), codec >> 16, codec >> 8 & 255, codec & 255, format >> 16, format >> 8 & 255,
        format & 255, util >> 16, util >> 8 & 255, util & 255, scale >> 16, scale >> 8 & 255, scale & 255);
}
#endif

void media_libraries(char *out, size_t size)
{
    char text[512];
    int used = snprintf(text, sizeof text, "%s, libpng %s",
#ifdef LIBJPEG_TURBO_VERSION
                        "libjpeg-turbo " TEXT(LIBJPEG_TURBO_VERSION),
#else
                        "libjpeg " TEXT(JPEG_LIB_VERSION),
#endif
                        png_get_libpng_ver(NULL));
#ifdef HAVE_WEBP
    int webp = WebPGetDecoderVersion();
    used += snprintf(text + used, sizeof text - (size_t)used, ", libwebp %d.%d.%d", webp >> 16, webp >> 8 & 255,
                     webp & 255);
#endif
#ifdef HAVE_TIFF
    /* "LIBTIFF, Version 4.5.0", then lines of copyright */
    const char *tiff = strstr(TIFFGetVersion(), "ersion ");
    tiff = tiff ? tiff + 7 : "?";
    used += snprintf(text + used, sizeof text - (size_t)used, ", libtiff %.*s", (int)strcspn(tiff, "\r\n "), tiff);
#endif
#ifdef HAVE_LIBEXIF
    used += snprintf(text + used, sizeof text - (size_t)used, ", libexif %s", LIBEXIF_VERSION);
#endif
#ifdef HAVE_FFMPEG
    used += add_ffmpeg(text + used, sizeof text - (size_t)used);
#endif
    (void)used;
    if (out && size)
        snprintf(out, size, "%s", text);
}
