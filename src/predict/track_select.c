/* Which memories a frame is tracked with (SAM2Base._prepare_memory_conditioned_features). */
#include "predict/tracker.h"

/* The memory of slot `slot` (1: the oldest ... slots - 1: the frame before) for a frame. */
static int64_t slot_frame(const sam2_tracker *t, int64_t frame, int slot, bool reverse)
{
    const int64_t back = t->slots - slot, r = t->stride;
    if (back == 1)
        return reverse ? frame + 1 : frame - 1;
    if (!reverse) {
        int64_t before = frame - 2, floor = before >= 0 ? before / r : -((-before + r - 1) / r);
        return floor * r - (back - 2) * r;
    }
    return (frame + 2 + r - 1) / r * r + (back - 2) * r;
}

static bool is_conditioning(const track_entry *e)
{
    return e->conditioning && !e->pending;
}

typedef struct selection {
    const track_object *o;
    int64_t frame;
    bool all;
    int64_t before, after; /* nearest conditioning frames on both sides; -1: none */
    int64_t reach;         /* others are in up to this distance, */
    size_t ties;           /* and of those just that far so many, the earliest prompted first */
} selection;

static int64_t away(const selection *s, const track_entry *e)
{
    return e->frame > s->frame ? e->frame - s->frame : s->frame - e->frame;
}

static bool is_other(const selection *s, const track_entry *e)
{
    return is_conditioning(e) && e->frame != s->before && e->frame != s->after;
}

/* sam2_utils.select_closest_cond_frames. */
static selection select_closest(const sam2_tracker *t, const track_object *o, int64_t frame)
{
    selection s = {.o = o, .frame = frame, .before = -1, .after = -1, .reach = -1};
    size_t count = 0, left;
    for (size_t i = 0; i < o->entry_count; i++) {
        const track_entry *e = &o->entries[i];
        if (!is_conditioning(e))
            continue;
        count++;
        if (e->frame < frame && e->frame > s.before)
            s.before = e->frame;
        if (e->frame >= frame && (s.after < 0 || e->frame < s.after))
            s.after = e->frame;
    }
    s.all = t->conditioning_limit < 0 || count <= (size_t)t->conditioning_limit;
    if (s.all)
        return s;
    left = (size_t)t->conditioning_limit - (s.before >= 0) - (s.after >= 0);
    while (left) { /* the next nearest distance, and how many have it */
        int64_t next = -1;
        size_t same = 0;
        for (size_t i = 0; i < o->entry_count; i++) {
            const track_entry *e = &o->entries[i];
            if (!is_other(&s, e) || away(&s, e) <= s.reach)
                continue;
            if (next < 0 || away(&s, e) < next) {
                next = away(&s, e);
                same = 0;
            }
            same += away(&s, e) == next;
        }
        if (next < 0)
            break;
        s.reach = next;
        s.ties = same < left ? same : left;
        left -= s.ties;
    }
    return s;
}

static bool is_selected(const selection *s, const track_entry *e)
{
    if (!is_conditioning(e))
        return false;
    if (s->all || e->frame == s->before || e->frame == s->after || away(s, e) < s->reach)
        return true;
    if (away(s, e) > s->reach)
        return false;
    size_t earlier = 0;
    for (const track_entry *i = s->o->entries; i < e; i++)
        earlier += is_other(s, i) && away(s, i) == s->reach;
    return earlier < s->ties;
}

/* A frame's entry for the later slots: tracked, or conditioning and not selected. */
static const track_entry *find_other(const selection *s, int64_t frame)
{
    const track_entry *e = entry_find(s->o, frame, false, false);
    if (e)
        return e;
    e = entry_find(s->o, frame, true, false);
    return e && !is_selected(s, e) ? e : NULL;
}

static sam2_status make_room(sam2_tracker *t, const track_object *o, sam2_error *error)
{
    const size_t most_frames = o->entry_count + (size_t)t->slots, most_pointers = o->entry_count + TRACK_POINTERS;
    void *frames = t->frames, *pointers = t->pointers;
    sam2_status status = alloc_grow(&t->allocator, &frames, &t->frames_bytes, 0, most_frames * sizeof *t->frames,
                                    "a list of memories", error);
    t->frames = frames;
    if (status == SAM2_OK)
        status = alloc_grow(&t->allocator, &pointers, &t->pointers_bytes, 0, most_pointers * sizeof *t->pointers,
                            "a list of pointers", error);
    t->pointers = pointers;
    return status;
}

static void select_pointers(sam2_tracker *t, const selection *s, bool reverse, memory_bank *out)
{
    const int64_t most =
        t->frame_count > 0 && t->frame_count < TRACK_POINTERS ? t->frame_count : (int64_t)TRACK_POINTERS;
    for (size_t i = 0; i < s->o->entry_count; i++) {
        const track_entry *e = &s->o->entries[i];
        if (is_selected(s, e) && (reverse ? e->frame >= s->frame : e->frame <= s->frame))
            t->pointers[out->pointer_count++] = (memory_pointer){e->pointer, (int)away(s, e)};
    }
    for (int64_t d = 1; d < most; d++) {
        const int64_t at = reverse ? s->frame + d : s->frame - d;
        if (at < 0 || (t->frame_count > 0 && at >= t->frame_count))
            break;
        const track_entry *e = find_other(s, at);
        if (e)
            t->pointers[out->pointer_count++] = (memory_pointer){e->pointer, (int)d};
    }
    out->pointer_span = most > 1 ? (int)most - 1 : 1;
}

sam2_status bank_select(sam2_tracker *t, const track_object *o, int64_t frame, bool reverse, memory_bank *out,
                        sam2_error *error)
{
    TRY(make_room(t, o, error));
    *out = (memory_bank){.frames = t->frames, .pointers = t->pointers};
    const selection s = select_closest(t, o, frame);
    for (size_t i = 0; i < o->entry_count; i++)
        if (is_selected(&s, &o->entries[i]))
            t->frames[out->frame_count++] = (memory_frame){o->entries[i].memory, t->slots - 1};
    if (!out->frame_count)
        return SAM2_OK;
    for (int slot = 1; slot < t->slots; slot++) {
        const track_entry *e = find_other(&s, slot_frame(t, frame, slot, reverse));
        if (e && e->memory)
            t->frames[out->frame_count++] = (memory_frame){e->memory, t->slots - slot - 1};
    }
    select_pointers(t, &s, reverse, out);
    return SAM2_OK;
}
