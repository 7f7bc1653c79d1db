/* Formats told by their first bytes: those that are read, and those that are refused by name. */
#include "sniff.h"

#include <string.h>

typedef struct signature {
    size_t offset, length;
    const char *bytes;
    media_kind kind;
} signature;

#define CONVERT "; convert to JPEG or PNG"
#define PICTURES(name) NULL, name " pictures are not supported" CONVERT
#define NOT_A_PICTURE(name) NULL, "this is " name ", not a picture"
#define VIDEO(name) NULL, "this is " name " video, not a picture"

/* Order matters where one signature is the beginning of another: JPEG-LS before JPEG, camera raw files before TIFF. */
static const signature signatures[] = {
    {0, 4, "\xFF\xD8\xFF\xF7", {PICTURES("JPEG-LS")}},
    {0, 3, "\xFF\xD8\xFF", {media_read_jpeg, NULL}},
    {0, 8, "\x89PNG\r\n\x1A\n", {media_read_png, NULL}},
    {8, 3, "CR\x02", {PICTURES("camera raw (CR2)")}},
    {0, 4, "IIRO", {PICTURES("camera raw (ORF)")}},
    {0, 4, "IIU\0", {PICTURES("camera raw (RW2)")}},
    {0, 15, "FUJIFILMCCD-RAW", {PICTURES("camera raw (RAF)")}},
    {0, 4, "II\x2A\0", {media_read_tiff, NULL}},
    {0, 4, "MM\0\x2A", {media_read_tiff, NULL}},
    {0, 4, "II\x2B\0", {media_read_tiff, NULL}},
    {0, 4, "MM\0\x2B", {media_read_tiff, NULL}},
    {0, 6, "GIF87a", {PICTURES("GIF")}},
    {0, 6, "GIF89a", {PICTURES("GIF")}},
    {0, 8, "\x8BJNG\r\n\x1A\n", {PICTURES("JNG")}},
    {0, 8, "\x8AMNG\r\n\x1A\n", {PICTURES("MNG")}},
    {0, 12, "\0\0\0\x0CJXL \r\n\x87\n", {PICTURES("JPEG XL")}},
    {0, 2, "\xFF\x0A", {PICTURES("JPEG XL")}},
    {0, 12, "\0\0\0\x0CjP  \r\n\x87\n", {PICTURES("JPEG 2000")}},
    {0, 4, "\xFF\x4F\xFF\x51", {PICTURES("JPEG 2000")}},
    {4, 8, "ftypavif", {PICTURES("AVIF")}},
    {4, 8, "ftypavis", {PICTURES("AVIF")}},
    {4, 8, "ftypheic", {PICTURES("HEIC")}},
    {4, 8, "ftypheix", {PICTURES("HEIC")}},
    {4, 8, "ftyphevc", {PICTURES("HEIC")}},
    {4, 8, "ftypmif1", {PICTURES("HEIF")}},
    {4, 8, "ftypmsf1", {PICTURES("HEIF")}},
    {4, 7, "ftypcrx", {PICTURES("camera raw (CR3)")}},
    {4, 4, "ftyp", {VIDEO("MP4 or QuickTime")}},
    {4, 4, "moov", {VIDEO("QuickTime")}},
    {0, 4, "\x1A\x45\xDF\xA3", {VIDEO("Matroska or WebM")}},
    {8, 4, "AVI ", {VIDEO("AVI")}},
    {0, 4, "8BPS", {PICTURES("Photoshop")}},
    {0, 4, "\0\0\1\0", {PICTURES("ICO")}},
    {0, 4, "qoif", {PICTURES("QOI")}},
    {0, 4, "\x76\x2F\x31\x01", {PICTURES("OpenEXR")}},
    {0, 4, "DDS ", {PICTURES("DDS")}},
    {0, 10, "#?RADIANCE", {PICTURES("Radiance HDR")}},
    {0, 9, "gimp xcf ", {PICTURES("GIMP XCF")}},
    {128, 4, "DICM", {PICTURES("DICOM")}},
    {0, 6, "SIMPLE", {PICTURES("FITS")}},
    {0, 5, "%PDF-", {NOT_A_PICTURE("a PDF document")}},
    {0, 4, "%!PS", {NOT_A_PICTURE("a PostScript document")}},
    {0, 4, "PK\3\4", {NOT_A_PICTURE("a ZIP archive (or a model file)")}},
    {0, 2, "\x1F\x8B", {NOT_A_PICTURE("a gzip archive")}},
    {0, 4, "\x28\xB5\x2F\xFD", {NOT_A_PICTURE("a Zstandard archive")}},
    {0, 6, "\x93NUMPY", {NOT_A_PICTURE("a NumPy array")}},
    {0,
     4,
     "\x7F"
     "ELF",
     {NOT_A_PICTURE("a program")}},
    {0, 11, "version htt", {NULL, "this is a Git LFS pointer, not the picture itself; fetch it with git lfs pull"}},
};

static int starts_with(const uint8_t *bytes, size_t size, const char *word)
{
    size_t n = strlen(word);
    if (size < n)
        return 0;
    for (size_t i = 0; i < n; i++) {
        int c = bytes[i] >= 'A' && bytes[i] <= 'Z' ? bytes[i] + 32 : bytes[i];
        if (c != word[i])
            return 0;
    }
    return 1;
}

/* Text of some kind, or NULL: a page that a server sent in place of a picture is a common accident. */
static const media_kind *sniff_text(const uint8_t *bytes, size_t size)
{
    static const media_kind html = {NOT_A_PICTURE("an HTML page")};
    static const media_kind svg = {PICTURES("SVG")};
    static const media_kind xml = {NOT_A_PICTURE("an XML document")};
    static const media_kind json = {NOT_A_PICTURE("JSON text")};
    static const media_kind text = {NOT_A_PICTURE("a text")};
    size_t at = size >= 3 && !memcmp(bytes, "\xEF\xBB\xBF", 3) ? 3 : 0;
    size_t seen = size < 512 ? size : 512;
    for (size_t i = at; i < seen; i++)
        if ((bytes[i] < 32 && (bytes[i] < 7 || bytes[i] > 13)) || bytes[i] == 127)
            return NULL;
    while (at < size && (bytes[at] == ' ' || (bytes[at] >= 9 && bytes[at] <= 13)))
        at++;
    const uint8_t *start = bytes + at;
    size_t left = size - at;
    if (starts_with(start, left, "<!doctype html") || starts_with(start, left, "<html") ||
        starts_with(start, left, "<head"))
        return &html;
    if (starts_with(start, left, "<svg"))
        return &svg;
    if (starts_with(start, left, "<?xml")) {
        for (size_t i = 0; i + 4 < left && i < 2000; i++)
            if (starts_with(start + i, left - i, "<svg"))
                return &svg;
            else if (starts_with(start + i, left - i, "<html"))
                return &html;
        return &xml;
    }
    return left && (*start == '{' || *start == '[') ? &json : &text;
}

/* Formats whose first two bytes are too common to be a signature alone. */
static const media_kind *sniff_short(const uint8_t *bytes, size_t size)
{
    static const media_kind bmp = {PICTURES("BMP")};
    static const media_kind pnm = {PICTURES("PNM (PPM, PGM, PBM)")};
    if (size >= 18 && bytes[0] == 'B' && bytes[1] == 'M' && !bytes[15] && !bytes[16] && !bytes[17])
        return &bmp;
    if (size >= 4 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '7' && bytes[2] >= 9 && bytes[2] <= ' ')
        return &pnm;
    return NULL;
}

const media_kind *media_sniff(const uint8_t *bytes, size_t size)
{
    static const media_kind webp = {media_read_webp, NULL};
    static const media_kind empty = {NULL, "the file is empty"};
    static const media_kind unknown = {NULL, "not a picture of a known format (JPEG, PNG, WebP and TIFF are read)"};
    const media_kind *kind;
    if (!size)
        return &empty;
    if (size >= 12 && !memcmp(bytes, "RIFF", 4) && !memcmp(bytes + 8, "WEBP", 4))
        return &webp;
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
        const signature *s = &signatures[i];
        if (size >= s->offset + s->length && !memcmp(bytes + s->offset, s->bytes, s->length))
            return &s->kind;
    }
    kind = sniff_short(bytes, size);
    if (!kind)
        kind = sniff_text(bytes, size);
    return kind ? kind : &unknown;
}
