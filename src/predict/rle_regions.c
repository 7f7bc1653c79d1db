#include "predict/rle_regions.h"

#include <stdlib.h>

static size_t count_spans(const sam2_rle *rle, bool inside)
{
    rle_reader r;
    size_t count = 0;
    rle_open(&r, rle);
    for (int64_t at = 0; rle_next(&r); at += r.run)
        if (r.inside == inside && r.run)
            count += (size_t)((at + r.run - 1) / rle->height - at / rle->height + 1);
    return count;
}

static void make_spans(const sam2_rle *rle, bool inside, rle_span *spans)
{
    rle_reader r;
    uint32_t count = 0;
    rle_open(&r, rle);
    for (int64_t at = 0; rle_next(&r); at += r.run)
        for (int64_t from = at, to = at + r.run, end; r.inside == inside && from < to; from = end) {
            int64_t x = from / rle->height, top = x * rle->height;
            end = top + rle->height < to ? top + rle->height : to;
            /* Runs of no pixels may have come between. */
            rle_span *last = count ? &spans[count - 1] : NULL;
            if (last && last->x == x && last->y1 == (uint32_t)(from - top)) {
                last->y1 = (uint32_t)(end - top);
                last->area += end - from;
                continue;
            }
            spans[count] = (rle_span){.x = (uint32_t)x,
                                      .y0 = (uint32_t)(from - top),
                                      .y1 = (uint32_t)(end - top),
                                      .parent = count,
                                      .area = end - from,
                                      .block = (uint64_t)(from - top) / 2 << 32 | (uint64_t)x / 2};
            count++;
        }
}

uint32_t rle_regions_root(const rle_regions *r, uint32_t i)
{
    rle_span *s = r->spans;
    while (s[i].parent != i) {
        s[i].parent = s[s[i].parent].parent;
        i = s[i].parent;
    }
    return i;
}

static void join(const rle_regions *r, uint32_t a, uint32_t b)
{
    a = rle_regions_root(r, a);
    b = rle_regions_root(r, b);
    if (a == b)
        return;
    rle_span *first = &r->spans[a < b ? a : b], *second = &r->spans[a < b ? b : a];
    second->parent = first->parent;
    first->area += second->area;
    first->block = second->block < first->block ? second->block : first->block;
}

/* Joins the spans [middle, end) of a column with those of the one before, [start, middle): both are in order. */
static void join_columns(const rle_regions *r, uint32_t start, uint32_t middle, uint32_t end)
{
    const rle_span *s = r->spans;
    for (uint32_t a = start, b = middle; a < middle && b < end;) {
        if (s[a].y0 <= s[b].y1 && s[b].y0 <= s[a].y1)
            join(r, a, b);
        /* The one that ends first touches nothing further: the other column's next span begins beyond its corner. */
        if (s[a].y1 < s[b].y1)
            a++;
        else
            b++;
    }
}

sam2_status rle_regions_find(const sam2_rle *rle, bool inside, const sam2_allocator *a, rle_regions *out,
                             sam2_error *error)
{
    void *memory = NULL;
    out->count = count_spans(rle, inside);
    out->bytes = (out->count ? out->count : 1) * sizeof(rle_span);
    TRY(alloc_array(a, out->bytes / sizeof(rle_span), sizeof(rle_span), "a mask's parts", &memory, error));
    out->spans = memory;
    make_spans(rle, inside, out->spans);
    while (out->count && !out->spans[out->count - 1].area) /* spans that runs of no pixels were joined in */
        out->count--;
    for (uint32_t before = 0, start = 0, end = 0; end < out->count; before = start, start = end) {
        for (end = start; end < out->count && out->spans[end].x == out->spans[start].x; end++)
            ;
        if (start && out->spans[before].x + 1 == out->spans[start].x)
            join_columns(out, before, start, end);
    }
    return SAM2_OK;
}

void rle_regions_free(rle_regions *r, const sam2_allocator *a)
{
    alloc_release(a, r->spans, r->bytes);
    r->spans = NULL;
}

typedef struct keyed {
    uint64_t block;
    uint32_t root;
} keyed;

static int by_block(const void *a, const void *b)
{
    const keyed *x = a, *y = b;
    return x->block < y->block ? -1 : x->block > y->block;
}

sam2_status rle_regions_order(const rle_regions *r, const sam2_allocator *a, uint32_t **order, size_t *parts,
                              sam2_error *error)
{
    void *memory = NULL, *out = NULL;
    size_t count = 0;
    for (uint32_t i = 0; i < r->count; i++)
        count += r->spans[i].parent == i;
    TRY(alloc_array(a, count + 1, sizeof(keyed), "a mask's parts", &memory, error));
    sam2_status status = alloc_array(a, count + 1, sizeof(uint32_t), "a mask's parts", &out, error);
    keyed *keys = memory;
    if (status == SAM2_OK) {
        size_t n = 0;
        for (uint32_t i = 0; i < r->count; i++)
            if (r->spans[i].parent == i)
                keys[n++] = (keyed){r->spans[i].block, i};
        qsort(keys, n, sizeof *keys, by_block);
        for (size_t i = 0; i < n; i++)
            ((uint32_t *)out)[i] = keys[i].root;
        *order = out;
        *parts = n;
    }
    alloc_release(a, keys, (count + 1) * sizeof(keyed));
    return status;
}

/* ---- small regions ---- */

/* Which parts leave their kind: those that are small, but not the largest of islands that are all small. Returns the
 * number of small parts; *spared becomes the root of the part that stays, or UINT32_MAX. */
static size_t count_small(const rle_regions *r, int64_t min_area, bool spare, uint32_t *spared)
{
    size_t small = 0, parts = 0;
    const rle_span *largest = NULL;
    for (uint32_t i = 0; i < r->count; i++) {
        const rle_span *s = &r->spans[i];
        if (s->parent != i)
            continue;
        parts++;
        small += s->area < min_area;
        if (!largest || s->area > largest->area || (s->area == largest->area && s->block < largest->block))
            largest = s;
    }
    *spared = spare && largest && small == parts ? largest->parent : UINT32_MAX;
    return small;
}

/* The mask with small parts turned into the other kind. */
static void write_turned(const sam2_rle *rle, const rle_regions *r, bool inside, int64_t min_area, uint32_t spared,
                         rle_writer *w)
{
    int64_t at = 0;
    for (uint32_t i = 0; i < r->count; i++) {
        const rle_span *s = &r->spans[i];
        int64_t from = (int64_t)s->x * rle->height + s->y0, n = s->y1 - s->y0;
        uint32_t root = rle_regions_root(r, i);
        rle_put(w, !inside, (size_t)(from - at));
        rle_put(w, inside != (r->spans[root].area < min_area && root != spared), (size_t)n);
        at = from + n;
    }
    rle_put(w, !inside, (size_t)((int64_t)rle->width * rle->height - at));
}

/* One of the two steps; *text NULL where nothing changes. */
static sam2_status turn_small(const sam2_rle *rle, bool islands, int64_t min_area, const sam2_allocator *a, char **text,
                              size_t *bytes, sam2_error *error)
{
    rle_regions r;
    uint32_t spared;
    rle_writer w;
    void *memory = NULL;
    *text = NULL;
    TRY(rle_regions_find(rle, islands, a, &r, error));
    sam2_status status = SAM2_OK;
    if (count_small(&r, min_area, islands, &spared)) {
        rle_start(&w, NULL, 0);
        write_turned(rle, &r, islands, min_area, spared, &w);
        rle_end(&w);
        *bytes = w.length + 1;
        status = alloc_get(a, *bytes, "a mask's run lengths", &memory, error);
        if (status == SAM2_OK) {
            rle_start(&w, memory, *bytes);
            write_turned(rle, &r, islands, min_area, spared, &w);
            rle_end(&w);
            *text = memory;
        }
    }
    rle_regions_free(&r, a);
    return status;
}

sam2_status rle_clean(const sam2_rle *rle, int64_t min_area, const sam2_allocator *a, char **text, size_t *bytes,
                      sam2_error *error)
{
    char *filled = NULL;
    size_t filled_bytes = 0;
    TRY(turn_small(rle, false, min_area, a, &filled, &filled_bytes, error));
    sam2_rle second = {rle->width, rle->height, filled ? filled : rle->counts};
    sam2_status status = turn_small(&second, true, min_area, a, text, bytes, error);
    if (status == SAM2_OK && !*text) {
        *text = filled;
        *bytes = filled_bytes;
        return SAM2_OK;
    }
    alloc_release(a, filled, filled_bytes);
    return status;
}
