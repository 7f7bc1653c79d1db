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
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/avutil.h>
#include <libswscale/swscale.h>
#endif

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

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
    const struct {
        const char *name;
        unsigned version;
    } parts[] = {{"libavcodec", avcodec_version()},
                 {"libavformat", avformat_version()},
                 {"libavutil", avutil_version()},
                 {"libswscale", swscale_version()}};
    used += snprintf(text + used, sizeof text - (size_t)used, ", FFmpeg %s", av_version_info());
    for (int i = 0; i < 4; i++)
        used += snprintf(text + used, sizeof text - (size_t)used, "%s%s %u.%u.%u", i ? ", " : " (", parts[i].name,
                         parts[i].version >> 16, parts[i].version >> 8 & 255, parts[i].version & 255);
    used += snprintf(text + used, sizeof text - (size_t)used, ")");
#endif
    (void)used;
    if (out && size)
        snprintf(out, size, "%s", text);
}
