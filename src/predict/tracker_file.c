/* What a tracker knows, as a file (little-endian): a header of 128 bytes,
 *
 *     0  magic "SAM2TRCK"     8  format version (1)       16  model identity        24  width, height (4 bytes each)
 *    32  latest frame        40  flags                    48  memory frames, conditioning limit, stride, hole area (4)
 *    64  frame count         72  history                  80  objects               88  checksum of what follows
 *   120  checksum of the header's first 120 bytes
 *
 * and for each object its number, how many entries, clicked frames and tracked stretches it has, and these. */
#include "base/checked.h"
#include "base/mapfile.h"
#include "predict/checksum.h"
#include "predict/tracker.h"

#include <stdlib.h>
#include <string.h>

#define HEADER 128
#define HEADER_CHECKED 120
static const char magic[8] = {'S', 'A', 'M', '2', 'T', 'R', 'C', 'K'};

enum { STARTED = 1, EVALUATION = 2, KEEP_CORRECTIONS = 4 };     /* of a tracker */
enum { CONDITIONING = 1, PENDING = 2, PRESENT = 4, WHOLE = 8 }; /* of an entry */

/* ---- writing: once to measure, once to fill ---- */

typedef struct sink {
    uint8_t *at; /* NULL: measuring */
    size_t size;
} sink;

static void put(sink *s, const void *bytes, size_t size)
{
    if (s->at)
        memcpy(s->at + s->size, bytes, size);
    s->size += size;
}

static void put_number(sink *s, uint64_t v)
{
    uint8_t bytes[8];
    put_u64(bytes, v);
    put(s, bytes, sizeof bytes);
}

static void put_object(sink *s, const sam2_tracker *t, const track_object *o)
{
    const size_t dim = (size_t)t->model->m->config.d_model;
    put_number(s, (uint64_t)o->id);
    put_number(s, o->entry_count);
    put_number(s, o->input_count);
    put_number(s, o->tracked.count);
    for (size_t i = 0; i < o->entry_count; i++) {
        const track_entry *e = &o->entries[i];
        put_number(s, (uint64_t)e->frame);
        put_number(s, (e->conditioning ? CONDITIONING : 0u) | (e->pending ? PENDING : 0u) |
                          (e->present ? PRESENT : 0u) | (e->memory ? WHOLE : 0u));
        put(s, &e->object_score, sizeof e->object_score);
        put(s, &e->score, sizeof e->score);
        put(s, e->pointer, dim * sizeof *e->pointer);
        if (e->memory)
            put(s, e->memory, t->heavy.bytes); /* the logits are behind it */
    }
    for (size_t i = 0; i < o->input_count; i++) {
        const track_points *p = &o->inputs[i];
        put_number(s, (uint64_t)p->frame);
        put_number(s, p->count);
        for (size_t k = 0; k < p->count; k++) {
            put(s, &p->points[k].x, sizeof p->points[k].x);
            put(s, &p->points[k].y, sizeof p->points[k].y);
            put_number(s, (uint64_t)p->points[k].label);
        }
    }
    for (size_t i = 0; i < o->tracked.count; i++) {
        put_number(s, (uint64_t)o->tracked.list[i].first);
        put_number(s, (uint64_t)o->tracked.list[i].last);
        put_number(s, o->tracked.list[i].reverse);
    }
}

static uint64_t pair(int low, int high)
{
    return (uint64_t)(uint32_t)low | (uint64_t)(uint32_t)high << 32;
}

sam2_status tracker_write(const sam2_tracker *t, const char *path, sam2_error *error)
{
    uint8_t header[HEADER] = {0};
    sink s = {0};
    void *memory = NULL;
    for (size_t i = 0; i < t->object_count; i++)
        put_object(&s, t, &t->objects[i]);
    const size_t size = s.size;
    TRY(alloc_get(&t->allocator, size, "a tracker's file", &memory, error));
    s = (sink){.at = memory};
    for (size_t i = 0; i < t->object_count; i++)
        put_object(&s, t, &t->objects[i]);
    memcpy(header, magic, sizeof magic);
    put_u64(header + 8, 1);
    put_u64(header + 16, t->model->m->identity);
    put_u64(header + 24, pair(t->width, t->height));
    put_u64(header + 32, (uint64_t)t->frame);
    put_u64(header + 40, (t->started ? STARTED : 0u) | (t->evaluation ? EVALUATION : 0u) |
                             (t->keep_corrections ? KEEP_CORRECTIONS : 0u));
    put_u64(header + 48, pair(t->slots, t->conditioning_limit));
    put_u64(header + 56, pair(t->stride, t->hole_area));
    put_u64(header + 64, (uint64_t)t->frame_count);
    put_u64(header + 72, (uint64_t)t->history);
    put_u64(header + 80, t->object_count);
    put_u64(header + 88, checksum(memory, size));
    put_u64(header + HEADER_CHECKED, checksum(header, HEADER_CHECKED));
    outfile out;
    sam2_status status = outfile_open(&out, path, error);
    if (status == SAM2_OK) {
        status = outfile_write(&out, header, sizeof header, error);
        if (status == SAM2_OK)
            status = outfile_write(&out, memory, size, error);
        if (status == SAM2_OK)
            status = outfile_commit(&out, error);
        else
            outfile_discard(&out);
    }
    alloc_release(&t->allocator, memory, size);
    return status;
}

/* ---- reading: every number is checked before it is used ---- */

typedef struct source {
    const uint8_t *at;
    size_t left;
    const char *path;
    sam2_error *error;
} source;

static sam2_status damaged(const source *s, const char *what)
{
    return error_set(s->error, SAM2_ERROR_FORMAT, "%s: damaged: %s", s->path, what);
}

static sam2_status take(source *s, void *out, size_t size)
{
    if (size > s->left)
        return damaged(s, "it ends too early");
    memcpy(out, s->at, size);
    s->at += size;
    s->left -= size;
    return SAM2_OK;
}

/* A number from `low` to `high`. */
static sam2_status take_number(source *s, int64_t low, int64_t high, int64_t *out, const char *what)
{
    uint8_t bytes[8];
    TRY(take(s, bytes, sizeof bytes));
    *out = (int64_t)get_u64(bytes);
    return *out >= low && *out <= high ? SAM2_OK : damaged(s, what);
}

static sam2_status take_entry(source *s, sam2_tracker *t, track_object *o)
{
    const size_t dim = (size_t)t->model->m->config.d_model;
    int64_t frame, flags;
    track_entry *e = NULL;
    TRY(take_number(s, 0, TRACK_MOST_FRAME, &frame, "a frame's number"));
    TRY(take_number(s, 0, CONDITIONING | PENDING | PRESENT | WHOLE, &flags, "an entry's flags"));
    const bool conditioning = flags & CONDITIONING, pending = flags & PENDING;
    if (entry_find(o, frame, conditioning, pending) || ((conditioning || pending) && !(flags & WHOLE)))
        return damaged(s, "an entry of a frame");
    TRY(entry_put(t, o, frame, conditioning, pending, &e, s->error));
    e->present = flags & PRESENT;
    TRY(take(s, &e->object_score, sizeof e->object_score));
    TRY(take(s, &e->score, sizeof e->score));
    TRY(take(s, e->pointer, dim * sizeof *e->pointer));
    if (flags & WHOLE)
        return take(s, e->memory, t->heavy.bytes);
    entry_lighten(t, e);
    return SAM2_OK;
}

static sam2_status take_input(source *s, sam2_tracker *t, track_object *o)
{
    int64_t frame, count, label;
    void *memory = o->inputs;
    TRY(take_number(s, 0, TRACK_MOST_FRAME, &frame, "a clicked frame"));
    TRY(take_number(s, 0, PREDICT_MAX_POINTS, &count, "a number of clicks"));
    TRY(alloc_grow(&t->allocator, &memory, &o->input_bytes, o->input_count * sizeof *o->inputs,
                   (o->input_count + 1) * sizeof *o->inputs, "clicks", s->error));
    o->inputs = memory;
    track_points *p = &o->inputs[o->input_count];
    *p = (track_points){.frame = frame, .count = (size_t)count};
    memory = NULL;
    TRY(alloc_grow(&t->allocator, &memory, &p->bytes, 0, (size_t)count * sizeof *p->points, "clicks", s->error));
    p->points = memory;
    o->input_count++;
    for (size_t i = 0; i < p->count; i++) {
        TRY(take(s, &p->points[i].x, sizeof p->points[i].x));
        TRY(take(s, &p->points[i].y, sizeof p->points[i].y));
        TRY(take_number(s, 0, 3, &label, "a click's label"));
        p->points[i].label = (int)label;
    }
    return SAM2_OK;
}

static sam2_status take_stretch(source *s, sam2_tracker *t, track_object *o)
{
    int64_t first, last, reverse;
    const frame_set *set = &o->tracked;
    TRY(take_number(s, set->count ? set->list[set->count - 1].last + 1 : 0, TRACK_MOST_FRAME, &first,
                    "tracked frames"));
    TRY(take_number(s, first, TRACK_MOST_FRAME, &last, "tracked frames"));
    TRY(take_number(s, 0, 1, &reverse, "a direction"));
    return frame_set_append(&o->tracked, &t->allocator, (frame_stretch){first, last, reverse != 0}, s->error);
}

static sam2_status take_object(source *s, sam2_tracker *t)
{
    int64_t id, entries, inputs, stretches;
    track_object *o = NULL;
    TRY(take_number(s, INT64_MIN, INT64_MAX, &id, "an object"));
    TRY(take_number(s, 0, TRACK_MOST_FRAME, &entries, "a number of entries"));
    TRY(take_number(s, 0, TRACK_MOST_FRAME, &inputs, "a number of clicked frames"));
    TRY(take_number(s, 0, TRACK_MOST_FRAME, &stretches, "a number of tracked frames"));
    TRY(tracker_object_add(t, id, &o, s->error));
    for (int64_t i = 0; i < entries; i++)
        TRY(take_entry(s, t, o));
    for (int64_t i = 0; i < inputs; i++)
        TRY(take_input(s, t, o));
    for (int64_t i = 0; i < stretches; i++)
        TRY(take_stretch(s, t, o));
    return SAM2_OK;
}

static int compare_ids(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* No object is there twice: by sorting, since a file of many would take the square of their number. */
static sam2_status check_distinct(source *s, const sam2_tracker *t)
{
    void *memory = NULL;
    bool distinct = true;
    if (t->object_count < 2)
        return SAM2_OK;
    TRY(alloc_array(&t->allocator, t->object_count, sizeof(int64_t), "objects", &memory, s->error));
    int64_t *ids = memory;
    for (size_t i = 0; i < t->object_count; i++)
        ids[i] = t->objects[i].id;
    qsort(ids, t->object_count, sizeof *ids, compare_ids);
    for (size_t i = 1; i < t->object_count; i++)
        distinct &= ids[i] != ids[i - 1];
    alloc_release(&t->allocator, ids, t->object_count * sizeof *ids);
    return distinct ? SAM2_OK : damaged(s, "an object is there twice");
}

static int low(uint64_t v)
{
    return (int)(int32_t)(uint32_t)v;
}

static int high(uint64_t v)
{
    return (int)(int32_t)(uint32_t)(v >> 32);
}

/* The header's options, in their limits. */
static sam2_status read_options(const uint8_t *p, const char *path, const model *m, sam2_tracker_options *o,
                                sam2_error *error)
{
    const uint64_t flags = get_u64(p + 40);
    *o = (sam2_tracker_options)SAM2_TRACKER_OPTIONS_INIT;
    o->evaluation = (flags & EVALUATION) != 0;
    o->keep_corrections = (flags & KEEP_CORRECTIONS) != 0;
    o->memory_frames = low(get_u64(p + 48));
    o->conditioning_limit = high(get_u64(p + 48));
    o->memory_stride = low(get_u64(p + 56));
    o->hole_area = high(get_u64(p + 56));
    o->frame_count = (int64_t)get_u64(p + 64);
    o->history = (int64_t)get_u64(p + 72);
    const int width = low(get_u64(p + 24)), height = high(get_u64(p + 24));
    if (o->memory_frames < 1 || o->memory_frames > m->config.memory_slots ||
        (o->conditioning_limit != -1 && o->conditioning_limit < 2) || o->memory_stride < 1 || o->memory_stride > 1000 ||
        o->hole_area < 0 || o->frame_count < 0 || o->frame_count > TRACK_MOST_FRAME || o->history < -1 ||
        o->history > TRACK_MOST_FRAME || width < 0 || height < 0 || width > 65536 || height > 65536 ||
        get_u64(p + 32) > (uint64_t)TRACK_MOST_FRAME || (!width != !height) || (!width && (flags & STARTED)))
        return error_set(error, SAM2_ERROR_FORMAT, "%s: the header does not fit the model", path);
    return SAM2_OK;
}

static sam2_status read_mapped(const sam2_model *model, const mapfile *map, const char *path, sam2_tracker **out,
                               sam2_error *error)
{
    const uint8_t *p = map->data;
    sam2_tracker_options options;
    if (map->size < HEADER || memcmp(p, magic, sizeof magic) != 0)
        return error_set(error, SAM2_ERROR_FORMAT, "%s: not a file of a tracker", path);
    if (get_u64(p + HEADER_CHECKED) != checksum(p, HEADER_CHECKED))
        return error_set(error, SAM2_ERROR_FORMAT, "%s: the header is damaged", path);
    if (get_u64(p + 8) != 1)
        return error_set(error, SAM2_ERROR_UNSUPPORTED,
                         "%s: a tracker of format version %llu; this library reads version 1", path,
                         (unsigned long long)get_u64(p + 8));
    if (get_u64(p + 16) != model->m->identity)
        return error_set(error, SAM2_ERROR_MISMATCH,
                         "%s: made by another model or image size (identity %016llx, the model's is %016llx)", path,
                         (unsigned long long)get_u64(p + 16), (unsigned long long)model->m->identity);
    TRY(read_options(p, path, model->m, &options, error));
    if (get_u64(p + 88) != checksum(p + HEADER, map->size - HEADER))
        return error_set(error, SAM2_ERROR_FORMAT, "%s: cut off or damaged (checksum)", path);
    source s = {p + HEADER, map->size - HEADER, path, error};
    sam2_tracker *t = NULL;
    TRY(tracker_create(model, &options, &t, error));
    sam2_status status = SAM2_OK;
    for (uint64_t i = 0; i < get_u64(p + 80) && status == SAM2_OK; i++)
        status = take_object(&s, t);
    if (status == SAM2_OK)
        status = check_distinct(&s, t);
    if (status == SAM2_OK && s.left)
        status = damaged(&s, "there is more than it should have");
    if (status != SAM2_OK) {
        tracker_free(t);
        return status;
    }
    t->width = low(get_u64(p + 24));
    t->height = high(get_u64(p + 24));
    t->frame = (int64_t)get_u64(p + 32);
    t->started = get_u64(p + 40) & STARTED;
    *out = t;
    return SAM2_OK;
}

sam2_status tracker_read(const sam2_model *model, const char *path, sam2_tracker **out, sam2_error *error)
{
    mapfile map;
    TRY(mapfile_open(path, &map, error));
    sam2_status status = read_mapped(model, &map, path, out, error);
    mapfile_close(&map);
    return status;
}
