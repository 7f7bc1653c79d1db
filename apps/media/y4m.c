/* YUV4MPEG2: its header, and its planes to RGB. */
#include "y4m.h"

#include <stdlib.h>
#include <string.h>

#include "video_source.h"

typedef struct layout {
    const char *name;
    int across, down; /* 0: no chroma */
} layout;

static const layout layouts[] = {
    {"420jpeg", 2, 2}, {"420mpeg2", 2, 2}, {"420paldv", 2, 2}, {"420", 2, 2},
    {"422", 2, 1},     {"444", 1, 1},      {"411", 4, 1},      {"mono", 0, 0},
};

static int set_layout(const media_reader *reader, const char *name, y4m_header *out)
{
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        if (!strcmp(layouts[i].name, name)) {
            out->across = layouts[i].across;
            out->down = layouts[i].down;
            snprintf(out->layout, sizeof out->layout, "%s", name);
            return 0;
        }
    return media_fail(reader, "the YUV4MPEG2 layout C%.40s is not supported; 8-bit 420, 422, 444, 411 and mono are",
                      name);
}

/* A whole positive number of at most nine digits up to `end`; 0 when it is not. */
static int number(const char *text, char end, const char **after)
{
    int value = 0, digits = 0;
    for (; *text >= '0' && *text <= '9' && digits < 9; text++, digits++)
        value = value * 10 + (*text - '0');
    if (!digits || *text != end)
        return 0;
    if (after)
        *after = text + 1;
    return value;
}

static int set_field(const media_reader *reader, const char *field, y4m_header *out)
{
    const char *rest = field + 1;
    switch (*field) {
    case 'W':
        out->width = number(rest, 0, NULL);
        return out->width ? 0 : media_fail(reader, "the YUV4MPEG2 header has no valid width: %.40s", field);
    case 'H':
        out->height = number(rest, 0, NULL);
        return out->height ? 0 : media_fail(reader, "the YUV4MPEG2 header has no valid height: %.40s", field);
    case 'F': {
        const char *second = NULL;
        int above = number(rest, ':', &second), below = second ? number(second, 0, NULL) : 0;
        out->fps = above && below ? (double)above / below : 0; /* 0:0 is "unknown" */
        return 0;
    }
    case 'I':
        out->interlaced = *rest == 't' || *rest == 'b' || *rest == 'm';
        return 0;
    case 'C':
        return set_layout(reader, rest, out);
    case 'X':
        if (!strcmp(rest, "COLORRANGE=FULL"))
            out->full_range = 1;
        return 0;
    default: /* the aspect of a pixel and what may come later */
        return 0;
    }
}

int y4m_parse_header(const media_reader *reader, char *line, y4m_header *out)
{
    size_t magic = strlen(Y4M_MAGIC);
    memset(out, 0, sizeof *out);
    if (strncmp(line, Y4M_MAGIC, magic) || (line[magic] && line[magic] != ' '))
        return media_fail(reader, "not YUV4MPEG2");
    set_layout(reader, "420jpeg", out);
    for (char *at = line + magic; *at;) {
        size_t length = strcspn(++at, " ");
        int more = at[length] != 0;
        at[length] = 0;
        if (length && set_field(reader, at, out))
            return -1;
        at += length;
        if (more)
            *at = ' ';
    }
    if (!out->width || !out->height)
        return media_fail(reader, "the YUV4MPEG2 header has no %s", out->width ? "height" : "width");
    if (media_check_size(reader, (uint64_t)out->width, (uint64_t)out->height))
        return -1;
    if (out->across) {
        out->chroma_width = (out->width + out->across - 1) / out->across;
        out->chroma_height = (out->height + out->down - 1) / out->down;
    }
    return 0;
}

size_t y4m_frame_bytes(const y4m_header *h)
{
    return (size_t)h->width * (size_t)h->height + 2 * (size_t)h->chroma_width * (size_t)h->chroma_height;
}

/* Sixteen bits behind the point. 255/219 and 255/224 where the range is limited. */
typedef struct factors {
    int32_t luma, base, red, green_blue, green_red, blue;
} factors;

static const factors limited = {76309, 16, 104597, -25675, -53279, 132201};
static const factors full = {65536, 0, 91881, -22554, -46802, 116130};

static uint8_t byte_of(int32_t value)
{
    value = (value + 32768) >> 16;
    return value < 0 ? 0 : value > 255 ? 255 : (uint8_t)value;
}

void y4m_to_rgb(const y4m_header *h, const uint8_t *planes, uint8_t *rgb)
{
    const factors *f = h->full_range ? &full : &limited;
    size_t width = (size_t)h->width, chroma = (size_t)h->chroma_width;
    const uint8_t *blue = planes + width * (size_t)h->height, *red = blue + chroma * (size_t)h->chroma_height;
    for (int y = 0; y < h->height; y++) {
        const uint8_t *luma = planes + width * (size_t)y;
        size_t row = h->down ? chroma * (size_t)(y / h->down) : 0;
        for (int x = 0; x < h->width; x++, rgb += 3) {
            int32_t grey = f->luma * (luma[x] - f->base), u = 0, v = 0;
            if (h->across) {
                u = blue[row + (size_t)(x / h->across)] - 128;
                v = red[row + (size_t)(x / h->across)] - 128;
            }
            rgb[0] = byte_of(grey + f->red * v);
            rgb[1] = byte_of(grey + f->green_blue * u + f->green_red * v);
            rgb[2] = byte_of(grey + f->blue * u);
        }
    }
}
