/* Masks of videos in folders against the true ones, folder by folder. */
#ifndef CLI_VOS_H
#define CLI_VOS_H

#include <stddef.h>
#include <stdint.h>

typedef struct vos_options {
    int strict;          /* both folders must have the same videos */
    int all_frames;      /* the first and the last frame count too */
    int per_object;      /* the folders hold one video, a folder an object */
    uint64_t max_pixels; /* of a mask; 0: the default */
} vos_options;

/* Means over the frames that count, in percent. */
typedef struct vos_score {
    double j, f, jf;
} vos_score;

typedef struct vos_row {
    char *object; /* the label, or the folder's name */
    int frames;   /* that count */
    vos_score score;
} vos_row;

typedef struct vos_video {
    char *name;
    int per_object; /* a folder an object */
    vos_row *rows;
    size_t count;
    vos_score score; /* mean over the objects */
} vos_video;

typedef struct vos_result {
    vos_video *videos;
    size_t count, objects;
    char **missing; /* videos of the truth without a prediction, where not strict */
    size_t missing_count;
    vos_score score; /* mean over all objects of all videos */
} vos_result;

/* The layouts, under `truth` and `prediction` alike: <video>/<frame>.png, with labels; <video>/<object>/<frame>.png,
 * with one object a file; <frame>.png of one video. 0, or an exit status of what was reported. `out` is to be freed in
 * either case. */
int vos_evaluate(const char *truth, const char *prediction, const vos_options *options, vos_result *out);
void vos_result_free(vos_result *result);

#endif
