/* Formats told by their first bytes. */
#ifndef MEDIA_SNIFF_H
#define MEDIA_SNIFF_H

#include "internal.h"

typedef struct media_kind {
    int (*read)(const media_reader *, media_picture *); /* NULL: not supported */
    const char *refusal;                                /* then why, in words for the user */
} media_kind;

/* Never NULL. */
const media_kind *media_sniff(const uint8_t *bytes, size_t size);

#endif
