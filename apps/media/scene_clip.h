/* Made clips with known masks: shapes that move over a background that stays, the same bytes on every machine. */
#ifndef MEDIA_SCENE_CLIP_H
#define MEDIA_SCENE_CLIP_H

#include "scene.h"

typedef enum media_clip_kind {
    MEDIA_CLIP_WALL,     /* a disc passes behind an upright wall, which hides it whole for some frames */
    MEDIA_CLIP_CROSSING, /* two shapes pass each other; the second is in front */
    MEDIA_CLIP_KINDS
} media_clip_kind;
extern const char *const media_clip_names[MEDIA_CLIP_KINDS];

/* Frame `frame` of `frames` (at least 2). `rgb` [height][width][3] and `labels` [height][width] (0, or i + 1 where
 * shape i is to be seen) may be NULL, as may `info`, whose shapes are told as if nothing were in front of them. Needs
 * at least 64 x 64 pixels. */
void media_make_clip(media_clip_kind kind, uint64_t seed, int width, int height, int frame, int frames, uint8_t *rgb,
                     uint8_t *labels, media_scene_info *info);

#endif
