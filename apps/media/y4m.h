/* YUV4MPEG2: a line of text, then for each frame a line and its planes. */
#ifndef MEDIA_Y4M_H
#define MEDIA_Y4M_H

#include "internal.h"

#define Y4M_MAX_LINE 4096 /* of the header and of a frame's line */

typedef struct y4m_header {
    int width, height;
    int chroma_width, chroma_height; /* 0: grey alone */
    int across, down;                /* luma samples per chroma sample */
    int full_range;                  /* 1: 0 to 255; else 16 to 235 */
    int interlaced;
    double fps; /* 0: unknown */
    char layout[16];
} y4m_header;

/* `line` is the first line without its newline; it is changed. */
int y4m_parse_header(const media_reader *reader, char *line, y4m_header *out);
size_t y4m_frame_bytes(const y4m_header *header);
/* BT.601; each chroma sample is used for all the pixels it stands for. */
void y4m_to_rgb(const y4m_header *header, const uint8_t *planes, uint8_t *rgb);

#endif
