/* Names for what people give by mistake: a page that says "not found" saved as model.pt, a Git LFS pointer, an archive.
 */
#include "weights/internal.h"

#include <stdio.h>

const char *show(shown *room, const void *bytes, size_t length)
{
    const unsigned char *from = bytes;
    size_t most = sizeof room->text - 4, n = length < most ? length : most;
    for (size_t i = 0; i < n; i++)
        room->text[i] = from[i] >= 0x20 && from[i] < 0x7F ? (char)from[i] : '?';
    strcpy(room->text + n, length > n ? "..." : "");
    return room->text;
}

static bool starts(const uint8_t *bytes, size_t size, const char *with, size_t length)
{
    return size >= length && memcmp(bytes, with, length) == 0;
}

/* A web page or other markup, after white space and a byte order mark. */
static bool is_markup(const uint8_t *bytes, size_t size)
{
    size_t at = starts(bytes, size, "\xEF\xBB\xBF", 3) ? 3 : 0;
    while (at < size && at < 4096 && strchr(" \t\r\n", bytes[at]) && bytes[at])
        at++;
    if (at + 1 >= size || bytes[at] != '<')
        return false;
    uint8_t c = bytes[at + 1] | 0x20; /* lower case */
    return (c >= 'a' && c <= 'z') || bytes[at + 1] == '!' || bytes[at + 1] == '?';
}

/* True when the first bytes (at most 4096) are UTF-8 without odd control characters; the last character may be cut. */
static bool is_text(const uint8_t *bytes, size_t size)
{
    size_t n = size < 4096 ? size : 4096, cut = 0;
    for (size_t i = 0; i < n; i++)
        if (bytes[i] < 0x20 && !(bytes[i] >= '\t' && bytes[i] <= '\r'))
            return false;
    while (n < size && cut < 3 && !weights_is_utf8((const char *)bytes, n - cut))
        cut++;
    return weights_is_utf8((const char *)bytes, n - cut);
}

static const struct {
    size_t length;
    const char *bytes, *what;
} kinds[] = {
    {2, "\x1F\x8B", "a gzip archive; unpack it first"},
    {3, "BZh", "a bzip2 archive; unpack it first"},
    {6,
     "\xFD"
     "7zXZ",
     "an xz archive; unpack it first"},
    {4, "\x28\xB5\x2F\xFD", "a zstd archive; unpack it first"},
    {4, "7z\xBC\xAF", "a 7z archive; unpack it first"},
    {4, "Rar!", "a RAR archive; unpack it first"},
    {4, "PK\5\6", "an empty zip file"},
    {4, "GGUF", "a GGUF file, which this library does not read"},
    {4, "lmgg", "a GGML file, which this library does not read"},
    {8, "\x89HDF\r\n\x1A\n", "an HDF5 file, which this library does not read"},
    {6, "\x93NUMPY", "a NumPy array, not a checkpoint"},
    {8, "\x89PNG\r\n\x1A\n", "a PNG picture, not a checkpoint"},
    {3, "\xFF\xD8\xFF", "a JPEG picture, not a checkpoint"},
    {4,
     "\x7F"
     "ELF",
     "a program, not a checkpoint"},
    {5, "%PDF-", "a PDF document, not a checkpoint"},
};

sam2_status weights_refuse_unknown(const uint8_t *bytes, size_t size, sam2_error *error)
{
    if (size == 0)
        return error_set(error, SAM2_ERROR_FORMAT, "the file is empty");
    if (starts(bytes, size, "version https://git-lfs", 23))
        return error_set(
            error, SAM2_ERROR_FORMAT,
            "a Git LFS pointer, not the model itself; fetch it with \"git lfs pull\" or download it directly");
    if (is_markup(bytes, size))
        return error_set(error, SAM2_ERROR_FORMAT, "an HTML page, not a checkpoint; the download failed?");
    /* torch.save before 1.6 starts with a pickled magic number 0x1950a86a20f9469cfc6c. */
    if (size >= 12 && bytes[0] == 0x80 && memcmp(bytes + 2, "\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8", 10) == 0)
        return error_set(error, SAM2_ERROR_UNSUPPORTED,
                         "a PyTorch file of the old kind (before the zip format); load it in PyTorch and save it again "
                         "with torch.save");
    if (size >= 2 && bytes[0] == 0x80 && bytes[1] >= 1 && bytes[1] <= 5)
        return error_set(error, SAM2_ERROR_UNSUPPORTED,
                         "a bare pickle, not a PyTorch zip file; load it in PyTorch and save it again with torch.save");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (starts(bytes, size, kinds[i].bytes, kinds[i].length))
            return error_set(error, SAM2_ERROR_FORMAT, "%s", kinds[i].what);
    if (size >= 262 && memcmp(bytes + 257, "ustar", 5) == 0)
        return error_set(error, SAM2_ERROR_FORMAT,
                         "a tar archive; unpack it first, or if PyTorch wrote it, save it again with torch.save");
    if (bytes[0] == '{' && is_text(bytes, size))
        return error_set(error, SAM2_ERROR_FORMAT,
                         "a JSON text, not a checkpoint; a server's error message instead of the download?");
    if (is_text(bytes, size))
        return error_set(error, SAM2_ERROR_FORMAT, "a text file, not a checkpoint");
    size_t zeros = 0;
    while (zeros < size && zeros < 4096 && bytes[zeros] == 0)
        zeros++;
    if (zeros == size || zeros == 4096)
        return error_set(error, SAM2_ERROR_FORMAT, "it begins with zeros only; a download that was not finished?");
    char hex[3 * 8 + 1] = "";
    for (size_t i = 0; i < size && i < 8; i++)
        snprintf(hex + 3 * i, 4, " %02X", bytes[i]);
    return error_set(error, SAM2_ERROR_FORMAT,
                     "no kind of checkpoint that is known (.pt, .safetensors, .sam2); %zu bytes that begin with%s",
                     size, hex);
}
