/* What `track` works on, shared by its files: the prompts (track_prompts.c), the frames (cmd_track.c), the outputs
 * (track_output.c). */
#ifndef CLI_TRACK_H
#define CLI_TRACK_H

#include "common.h"
#include "mask_file.h"
#include "npz.h"
#include "output.h"
#include "progress.h"
#include "video.h"

struct media_movie;
struct folder;

/* Everything that was said of one object on one frame. */
typedef struct track_prompt {
    int64_t id, frame;
    sam2_point *points; /* as they were written: pixels, or fractions */
    int point_count, point_capacity;
    int has_box;
    sam2_box box;
    const char *mask; /* the file, or NULL */
    uint8_t *bytes;   /* a mask that was read elsewhere, [height][width]; or NULL */
    int width, height;
    int done; /* the tracker has it */
} track_prompt;

typedef struct track_prompts {
    track_prompt *list; /* in the order of the command line */
    int count, capacity;
} track_prompts;

/* For the option table: ID:FRAME:point:X,Y[,LABEL][;X,Y[,LABEL]...], ID:FRAME:box:X1,Y1,X2,Y2, ID:FRAME:mask:FILE.
 * Points and a box of the same object and frame go together. */
int track_prompts_add(void *target, const char *value, char *error, size_t error_size);
/* An object's mask; `bytes` becomes the list's. */
int track_prompts_add_mask(track_prompts *prompts, int64_t id, int64_t frame, uint8_t *bytes, int width, int height);
void track_prompts_free(track_prompts *prompts);

typedef enum track_layout { LAYOUT_OBJECTS, LAYOUT_LABELS } track_layout;

/* Runs of a mask, kept until an overlay can be drawn. */
typedef struct kept_mask {
    int64_t frame;
    int object;     /* its place among the tracker's, for its colour */
    uint32_t *runs; /* pixels outside and inside in turn, row by row */
    size_t run_count;
} kept_mask;

typedef struct track {
    /* the command line */
    common_options common;
    picture_options reading;
    media_video_options source;
    track_prompts prompts;
    const char *input, *output, *overlay_file, *json_file, *dump_file;
    int units, layout, reverse, both, live, evaluation, no_fill, forget_corrections, non_overlap, progress_kind;
    int memory_frames, conditioning_limit, memory_stride;
    int64_t start, frames; /* -1: the earliest prompt, all */
    int vos;
    const char *vos_masks; /* --vos: the folder of the objects' first masks, by video */
    /* what is worked on */
    media_video *video;
    const media_video_info *about;
    sam2_model *model;
    sam2_model_info info;
    sam2_context *context;
    sam2_tracker *tracker;
    sam2_features *features; /* of `features_frame` */
    int64_t features_frame;
    int64_t frame_total; /* frames of the video that are used, perhaps an estimate for the progress; -1: unknown */
    int64_t frame_count; /* the same where it is certain; -1 */
    progress progress;
    int64_t seen, done; /* frames that were read, and those that were written */
    int64_t area;       /* of all masks together */
    /* outputs */
    uint8_t *mask;   /* [height][width], of one object */
    int32_t *labels; /* [height][width], or NULL */
    uint8_t *pixels; /* [height][width][3], an overlay's frame, or NULL */
    float *logits;   /* [height][width], for the dump, or NULL */
    media_output json;
    int drawing; /* the overlay is open, as a movie or a folder */
    struct media_movie *movie;
    npz_writer *dump;
    int dump_failed;
    char dump_error[512];
    /* --vos, of the video at hand */
    const char *masks;       /* its folder of masks */
    struct folder *vos_list; /* what is in it */
    char **stems;            /* names of the frames so far, without their endings */
    size_t stem_count, stem_capacity;
    kept_mask *kept;
    size_t kept_count, kept_capacity;
} track;

/* ---- frames (cmd_track.c) ---- */

/* The features of a frame that was read, into t->features. 0 or an exit status, with the failure reported; so all the
 * following. */
int track_encode(track *t, const media_frame *frame);
/* Opens t->input. */
int track_open_video(track *t);
int track_open_tracker(track *t);
/* From frame `from` on, in one direction; `from` itself too. */
int track_sweep(track *t, int64_t from, int reverse);
/* The number of the signal that was caught, or 0. */
int track_interrupted(void);

/* ---- a folder of videos with masks (track_vos.c) ---- */

/* All videos of t->input. */
int track_vos(track *t);
/* Gives the tracker the masks of objects that begin on this frame. */
int track_vos_prompts(track *t, const media_frame *frame);
/* The name of an object's folder among the masks, or NULL. */
const char *track_vos_folder(const track *t, int64_t id);

/* ---- outputs (track_output.c) ---- */

int track_outputs_check(track *t);
int track_outputs_open(track *t);
int track_make_folder(const char *path);
/* Empty masks of an object for the frames before it begins. */
int track_outputs_empty(track *t, int64_t id, int64_t before);
/* The tracker's masks of the frame that it has just stepped to. */
int track_outputs_take(track *t, const media_frame *frame);
/* Finishes every output with what there is, also after a failure or an interruption, unless that is nothing: then
 * earlier files stay as they were. What cannot be finished is reported. */
int track_outputs_close(track *t, int failed);
/* Draws the overlay from masks that were kept, forward through the video. */
int track_overlay_kept(track *t);

#endif
