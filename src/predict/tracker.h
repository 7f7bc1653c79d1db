/* The video predictor (sam2.sam2_video_predictor.SAM2VideoPredictor) without the video: frames come as features, one at
 * a time and in any order, and only what a later frame can read again is kept. Arguments have been checked
 * (api_track.c). */
#ifndef PREDICT_TRACKER_H
#define PREDICT_TRACKER_H

#include "model/memory.h"
#include "predict/frame_set.h"
#include "predict/predictor.h"

#include <limits.h>

#define TRACK_POINTERS 16 /* max_obj_ptrs_in_encoder */
/* Frame numbers that every distance and product of them fits into. */
#define TRACK_MOST_FRAME ((int64_t)INT_MAX / 4)
#define TRACK_ABSENT (-1024.0f) /* NO_OBJ_SCORE: the logits of an object that is not there */

/* What is known of an object on a frame. */
typedef struct track_entry {
    int64_t frame;
    bool conditioning;
    bool pending; /* from a prompt, and not yet part of the memory: the next step makes it so */
    bool present;
    float object_score, score; /* logit that the object is there; predicted IoU */
    float *pointer;            /* [d_model] */
    /* Both NULL where only the pointer can be read again: [side / 4, side / 4]; [tokens, memory_dim] of bfloat16. */
    float *logits;
    uint16_t *memory;
} track_entry;

/* Clicks and box corners on a frame, in the network's square. */
typedef struct track_points {
    int64_t frame;
    net_point *points;
    size_t count, bytes;
} track_points;

typedef struct track_object {
    int64_t id;
    track_entry *entries;
    size_t entry_count, entry_bytes;
    track_points *inputs;
    size_t input_count, input_bytes;
    frame_set tracked;
} track_object;

/* Blocks of one size that are used again. */
typedef struct block_list {
    size_t bytes;  /* of a block */
    void *first;   /* free ones, each pointing at the next */
    size_t blocks; /* in use and free */
} block_list;

struct sam2_tracker {
    const sam2_model *model;
    sam2_allocator allocator;
    enlarger enlarger;
    /* The options, resolved. */
    bool evaluation, keep_corrections;
    int slots, conditioning_limit, stride, hole_area;
    int64_t frame_count, history; /* 0: unknown; -1: everything is kept */

    track_object *objects;
    size_t object_count, object_bytes;
    block_list heavy, light; /* logits and memories; pointers */
    int width, height;       /* of the frames; 0 before the first */
    int64_t frame;           /* the latest that was prompted or stepped to */
    bool started;

    float *begun; /* [tokens, d_model]: memory_begin of the call's features, */
    bool begun_there;
    void *work; /* the workspace, as large as a call has needed so far */
    size_t work_bytes;
    memory_frame *frames; /* room for a bank */
    memory_pointer *pointers;
    size_t frames_bytes, pointers_bytes;
    uint8_t *holes; /* scratch memory of hole filling */
    size_t holes_bytes;
    float *nothing; /* [side / 4, side / 4] of TRACK_ABSENT */
    sam2_observer observe;
    void *user;
};

/* ---- entries (track_store.c) ---- */

void block_list_free(block_list *list, const sam2_allocator *a);

/* The entry of a frame, of the kind that is asked for, or NULL. */
track_entry *entry_find(const track_object *o, int64_t frame, bool conditioning, bool pending);

/* What an object shows on a frame: a pending entry of the kind, else a conditioning one, else the other. NULL: nothing.
 */
const track_entry *entry_shown(const track_object *o, int64_t frame, bool conditioning);

/* A new entry with room for everything, or the one that is there. Its fields but for the key are as they come. */
sam2_status entry_put(sam2_tracker *t, track_object *o, int64_t frame, bool conditioning, bool pending,
                      track_entry **out, sam2_error *error);
void entry_drop(sam2_tracker *t, track_object *o, track_entry *entry);
/* Lets go of logits and memory. */
void entry_lighten(sam2_tracker *t, track_entry *entry);

/* Pending entries become part of the memory (propagate_in_video_preflight). */
void entries_commit(sam2_tracker *t, track_object *o);

/* Lets go of what no later frame can read: entries too far from `frame` and from every conditioning frame. */
void entries_prune(sam2_tracker *t, track_object *o, int64_t frame);

void object_free(sam2_tracker *t, track_object *o);

/* ---- memory of a frame (track_select.c) ---- */

/* Fills t->frames and t->pointers for a frame of an object (SAM2Base._prepare_memory_conditioned_features); an object
 * without conditioning frames has an empty bank. */
sam2_status bank_select(sam2_tracker *t, const track_object *o, int64_t frame, bool reverse, memory_bank *out,
                        sam2_error *error);

/* ---- heads (track_heads.c) ---- */

typedef struct heads_input {
    const pyramid *maps;
    const image_products *products; /* or NULL */
    const net_point *points;
    size_t point_count;
    bool with_mask;
    const float *mask_logits; /* then [side / 4, side / 4] */
    bool multimask;
} heads_input;

/* SAM2Base._forward_sam_heads: logits, pointer and scores into the entry. In a dry run out is not looked at. */
void heads_run(const sam2_tracker *t, const exec *ex, const heads_input *in, track_entry *out);

/* ---- masks as prompts (mask_input.c) ---- */

/* A mask of a picture's size as SAM2Base._use_mask_as_output has it: `whole` [side, side] of 0 and 1, and `logits`
 * [side / 4, side / 4]. True if anything is inside. */
bool mask_input(const model *m, const exec *ex, const uint8_t *mask, int width, int height, ptrdiff_t stride,
                float *whole, float *logits);

/* ---- the calls (tracker.c) ---- */

sam2_status tracker_create(const sam2_model *model, const sam2_tracker_options *options, sam2_tracker **out,
                           sam2_error *error);
void tracker_free(sam2_tracker *t);
track_object *tracker_object(const sam2_tracker *t, int64_t id);
/* The object, made if it is new. */
sam2_status tracker_object_put(sam2_tracker *t, int64_t id, track_object **out, sam2_error *error);
/* A new one, which the caller knows not to be there. */
sam2_status tracker_object_add(sam2_tracker *t, int64_t id, track_object **out, sam2_error *error);
sam2_status tracker_prompt(sam2_tracker *t, const sam2_features *features, int64_t frame, int64_t id,
                           const sam2_prompt *prompt, bool keep_points, sam2_error *error);
sam2_status tracker_step(sam2_tracker *t, const sam2_features *features, int64_t frame, bool reverse,
                         sam2_error *error);
sam2_status tracker_clear(sam2_tracker *t, int64_t frame, int64_t id, sam2_error *error);
void tracker_remove(sam2_tracker *t, track_object *object);
void tracker_reset(sam2_tracker *t);

/* ---- files (tracker_file.c) ---- */

sam2_status tracker_write(const sam2_tracker *t, const char *path, sam2_error *error);
sam2_status tracker_read(const sam2_model *model, const char *path, sam2_tracker **out, sam2_error *error);

#endif
