/* The orientation tag of an EXIF block. */
#include "internal.h"

#include <string.h>

#ifdef HAVE_LIBEXIF
#include <libexif/exif-data.h>
#endif

enum { TAG_ORIENTATION = 0x0112, TYPE_BYTE = 1, TYPE_SHORT = 3, TYPE_LONG = 4 };

static unsigned get16(const uint8_t *p, int big)
{
    return big ? (unsigned)p[0] << 8 | p[1] : (unsigned)p[1] << 8 | p[0];
}

static uint32_t get32(const uint8_t *p, int big)
{
    return big ? (uint32_t)get16(p, big) << 16 | get16(p + 2, big) : (uint32_t)get16(p + 2, big) << 16 | get16(p, big);
}

static int valid(uint32_t value)
{
    return value >= 1 && value <= 8 ? (int)value : 1;
}

int media_exif_orientation_plain(const uint8_t *block, size_t size)
{
    if (size >= 6 && !memcmp(block, "Exif\0", 5)) {
        block += 6;
        size -= 6;
    }
    if (size < 8 || (memcmp(block, "II\x2A\0", 4) && memcmp(block, "MM\0\x2A", 4)))
        return 1;
    int big = block[0] == 'M';
    size_t at = get32(block + 4, big);
    if (at > size - 2)
        return 1;
    size_t entries = get16(block + at, big);
    for (at += 2; entries && at + 12 <= size; entries--, at += 12) {
        const uint8_t *entry = block + at;
        if (get16(entry, big) != TAG_ORIENTATION || get32(entry + 4, big) != 1)
            continue;
        switch (get16(entry + 2, big)) {
        case TYPE_BYTE:
            return valid(entry[8]);
        case TYPE_SHORT:
            return valid(get16(entry + 8, big));
        case TYPE_LONG:
            return valid(get32(entry + 8, big));
        default:
            return 1;
        }
    }
    return 1;
}

#ifdef HAVE_LIBEXIF
int media_exif_orientation(const uint8_t *block, size_t size)
{
    ExifData *data;
    int orientation = 1;
    uint8_t header[65536 + 6];
    if (size < 8)
        return 1;
    /* libexif wants the six bytes before the block that JPEG has and other formats leave out. No block in a JPEG is
     * larger, and the first directory comes first in all others too. */
    if (memcmp(block, "Exif\0", 5)) {
        size_t part = size > sizeof header - 6 ? sizeof header - 6 : size;
        memcpy(header, "Exif\0\0", 6);
        memcpy(header + 6, block, part);
        block = header;
        size = part + 6;
    }
    data = exif_data_new();
    if (!data)
        return media_exif_orientation_plain(block, size);
    /* Only the tag is asked for: no repairs, which would add tags and cost time. */
    exif_data_unset_option(data, EXIF_DATA_OPTION_FOLLOW_SPECIFICATION);
    exif_data_load_data(data, block, size > UINT32_MAX ? UINT32_MAX : (unsigned)size);
    ExifEntry *entry = exif_content_get_entry(data->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
    ExifByteOrder order = exif_data_get_byte_order(data);
    if (entry && entry->components == 1 && entry->format == EXIF_FORMAT_SHORT && entry->size >= 2)
        orientation = valid(exif_get_short(entry->data, order));
    else if (entry && entry->components == 1 && entry->format == EXIF_FORMAT_LONG && entry->size >= 4)
        orientation = valid(exif_get_long(entry->data, order));
    else if (entry && entry->components == 1 && entry->format == EXIF_FORMAT_BYTE && entry->size >= 1)
        orientation = valid(entry->data[0]);
    exif_data_unref(data);
    return orientation;
}
#else
int media_exif_orientation(const uint8_t *block, size_t size)
{
    return media_exif_orientation_plain(block, size);
}
#endif
