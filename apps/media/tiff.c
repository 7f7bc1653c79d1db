/* TIFF by libtiff. */
#include "internal.h"

int media_read_tiff(const media_reader *reader, media_picture *out)
{
    (void)out;
    return media_fail(reader, "this build reads no TIFF pictures (made without libtiff); convert to JPEG or PNG");
}
