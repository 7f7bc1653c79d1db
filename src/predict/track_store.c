/* Entries of the tracker: what is kept of an object's frames, and for how long. */
#include "predict/tracker.h"

#include <string.h>

/* ---- blocks ---- */

static sam2_status block_take(block_list *list, const sam2_allocator *a, void **out, sam2_error *error)
{
    if (!list->first) {
        TRY(alloc_get(a, list->bytes, "a frame's memory", out, error));
        list->blocks++;
        return SAM2_OK;
    }
    *out = list->first;
    memcpy(&list->first, *out, sizeof list->first);
    return SAM2_OK;
}

static void block_return(block_list *list, void *block)
{
    if (!block)
        return;
    memcpy(block, &list->first, sizeof list->first);
    list->first = block;
}

void block_list_free(block_list *list, const sam2_allocator *a)
{
    while (list->first) {
        void *block = list->first;
        memcpy(&list->first, block, sizeof list->first);
        alloc_release(a, block, list->bytes);
        list->blocks--;
    }
}

/* ---- entries ---- */

track_entry *entry_find(const track_object *o, int64_t frame, bool conditioning, bool pending)
{
    for (size_t i = 0; i < o->entry_count; i++) {
        track_entry *e = &o->entries[i];
        if (e->frame == frame && e->conditioning == conditioning && e->pending == pending)
            return e;
    }
    return NULL;
}

const track_entry *entry_shown(const track_object *o, int64_t frame, bool conditioning)
{
    const track_entry *e = entry_find(o, frame, conditioning, true);
    e = e ? e : entry_find(o, frame, true, false);
    return e ? e : entry_find(o, frame, false, false);
}

/* Logits and memory are one block: the memory first, for its alignment. */
static void give_heavy(const sam2_tracker *t, track_entry *e, void *block)
{
    const size_t side = model_side(t->model->m, 4);
    e->memory = block;
    e->logits = (float *)((uint8_t *)block + t->heavy.bytes - side * side * sizeof(float));
}

void entry_lighten(sam2_tracker *t, track_entry *e)
{
    block_return(&t->heavy, e->memory);
    e->memory = NULL;
    e->logits = NULL;
}

sam2_status entry_put(sam2_tracker *t, track_object *o, int64_t frame, bool conditioning, bool pending,
                      track_entry **out, sam2_error *error)
{
    track_entry *e = entry_find(o, frame, conditioning, pending);
    const bool old = e != NULL;
    if (!old) {
        void *entries = o->entries, *pointer = NULL;
        TRY(alloc_grow(&t->allocator, &entries, &o->entry_bytes, o->entry_count * sizeof *e,
                       (o->entry_count + 1) * sizeof *e, "an object's frames", error));
        o->entries = entries;
        TRY(block_take(&t->light, &t->allocator, &pointer, error));
        e = &o->entries[o->entry_count++];
        *e = (track_entry){.frame = frame, .conditioning = conditioning, .pending = pending, .pointer = pointer};
    }
    if (!e->memory) {
        void *block = NULL;
        sam2_status status = block_take(&t->heavy, &t->allocator, &block, error);
        if (status != SAM2_OK) {
            if (!old)
                entry_drop(t, o, e);
            return status;
        }
        give_heavy(t, e, block);
    }
    *out = e;
    return SAM2_OK;
}

void entry_drop(sam2_tracker *t, track_object *o, track_entry *entry)
{
    if (!entry)
        return;
    entry_lighten(t, entry);
    block_return(&t->light, entry->pointer);
    size_t i = (size_t)(entry - o->entries);
    o->entry_count--;
    memmove(entry, entry + 1, (o->entry_count - i) * sizeof *entry); /* the order is that of the prompts */
}

void entries_commit(sam2_tracker *t, track_object *o)
{
    for (size_t i = 0; i < o->entry_count;) {
        track_entry *e = &o->entries[i];
        if (!e->pending) {
            i++;
            continue;
        }
        track_entry *old = entry_find(o, e->frame, e->conditioning, false);
        if (old) { /* in the old one's place */
            track_entry fresh = *e;
            fresh.pending = false;
            *e = *old;
            *old = fresh;
            entry_drop(t, o, e);
            i = 0;
        } else
            e->pending = false;
    }
    for (size_t i = 0; i < o->entry_count; i++)
        if (!o->entries[i].conditioning && entry_find(o, o->entries[i].frame, true, false)) {
            entry_drop(t, o, &o->entries[i]);
            i = (size_t)-1;
        }
}

static int64_t distance(int64_t a, int64_t b)
{
    return a > b ? a - b : b - a;
}

void entries_prune(sam2_tracker *t, track_object *o, int64_t frame)
{
    if (t->history < 0)
        return;
    const int64_t memory = (int64_t)t->slots * t->stride + 1 + t->history, pointer = TRACK_POINTERS + t->history,
                  reach = memory > pointer ? memory : pointer;
    for (size_t i = 0; i < o->entry_count;) {
        track_entry *e = &o->entries[i];
        if (e->conditioning || e->pending) {
            i++;
            continue;
        }
        int64_t nearest = distance(e->frame, frame);
        for (size_t c = 0; c < o->entry_count; c++)
            if (o->entries[c].conditioning && distance(e->frame, o->entries[c].frame) < nearest)
                nearest = distance(e->frame, o->entries[c].frame);
        if (nearest > reach) {
            entry_drop(t, o, e);
            continue;
        }
        if (nearest > memory)
            entry_lighten(t, e);
        i++;
    }
}

void object_free(sam2_tracker *t, track_object *o)
{
    while (o->entry_count)
        entry_drop(t, o, &o->entries[o->entry_count - 1]);
    alloc_release(&t->allocator, o->entries, o->entry_bytes);
    for (size_t i = 0; i < o->input_count; i++)
        alloc_release(&t->allocator, o->inputs[i].points, o->inputs[i].bytes);
    alloc_release(&t->allocator, o->inputs, o->input_bytes);
    frame_set_free(&o->tracked, &t->allocator);
}
