/* Suppression of masks that show the same thing (torchvision.ops.batched_nms with one category). */
#include "predict/auto.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct ranked {
    float score;
    uint32_t place;
} ranked;

static int by_score(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

/* In float32, as torchvision has it: boxes are corners, and the difference of corners is a side. 0 / 0 is no overlap.
 */
static bool boxes_overlap(const auto_record *a, const auto_record *b, double threshold)
{
    float corner[2][4];
    for (int i = 0; i < 4; i++) {
        corner[0][i] = (float)a->box[i];
        corner[1][i] = (float)b->box[i];
    }
    float x0 = corner[0][0] > corner[1][0] ? corner[0][0] : corner[1][0];
    float y0 = corner[0][1] > corner[1][1] ? corner[0][1] : corner[1][1];
    float x1 = corner[0][2] < corner[1][2] ? corner[0][2] : corner[1][2];
    float y1 = corner[0][3] < corner[1][3] ? corner[0][3] : corner[1][3];
    float w = x1 - x0 > 0.0f ? x1 - x0 : 0.0f, h = y1 - y0 > 0.0f ? y1 - y0 : 0.0f, common = w * h;
    float area_a = (corner[0][2] - corner[0][0]) * (corner[0][3] - corner[0][1]);
    float area_b = (corner[1][2] - corner[1][0]) * (corner[1][3] - corner[1][1]);
    return (double)(common / (area_a + area_b - common)) > threshold;
}

enum { STAYS, GOES, GONE }; /* GOES: because of the record that is looked at */

typedef struct mask_job {
    const auto_run *run;
    const auto_records *records;
    const ranked *order; /* of those behind the one that stays */
    const auto_record *stays;
    double threshold;
    uint8_t *gone;
} mask_job;

static sam2_rle rle_of(const auto_run *run, const auto_record *r)
{
    return (sam2_rle){run->image->width, run->image->height, r->text};
}

/* Most pairs are told by their boxes or their areas alone. */
static void mask_item(void *context, size_t item, int worker)
{
    (void)worker;
    const mask_job *j = context;
    const auto_record *a = j->stays, *b = &j->records->list[j->order[item].place];
    if (j->gone[item] != STAYS || !a->area || !b->area)
        return;
    int64_t less = a->area < b->area ? a->area : b->area, more = a->area + b->area - less;
    if (a->box[0] > b->box[2] || b->box[0] > a->box[2] || a->box[1] > b->box[3] || b->box[1] > a->box[3] ||
        (double)less / (double)more <= j->threshold)
        return;
    sam2_rle first = rle_of(j->run, a), second = rle_of(j->run, b);
    int64_t common = rle_common(&first, &second);
    if ((double)common / (double)(less + more - common) > j->threshold)
        j->gone[item] = GOES;
}

/* Which of the ordered records go, and whose fault it is. */
static void find_rivals(auto_run *run, auto_records *records, const ranked *order, uint8_t *gone, size_t count,
                        const auto_nms *how)
{
    for (size_t i = 0; i < count; i++) {
        const auto_record *stays = &records->list[order[i].place];
        if (gone[i])
            continue;
        mask_job j = {run, records, order + i + 1, stays, how->threshold, gone + i + 1};
        if (how->kind == SAM2_NMS_MASK)
            pool_run(run->context->model->m->pool, mask_item, &j, count - i - 1);
        for (size_t k = i + 1; k < count; k++) {
            const auto_record *other = &records->list[order[k].place];
            if (how->kind == SAM2_NMS_BOX && gone[k] == STAYS && boxes_overlap(stays, other, how->threshold))
                gone[k] = GOES;
            if (gone[k] == GOES) {
                auto_note(run, other->candidate, how->fate, stays->candidate);
                gone[k] = GONE;
            }
        }
    }
}

sam2_status auto_suppress(auto_run *run, auto_records *records, size_t from, const float *scores, const auto_nms *how,
                          sam2_error *error)
{
    const size_t count = records->count - from;
    if (!count)
        return SAM2_OK;
    if (count > UINT32_MAX)
        return error_memory(error, "the order of masks", SIZE_MAX);
    const size_t each = sizeof(ranked) + sizeof(auto_record) + 1;
    void *memory = NULL;
    TRY(alloc_array(run->a, count, each, "the order of masks", &memory, error));
    auto_record *kept = memory;
    ranked *order = (ranked *)(kept + count);
    uint8_t *gone = (uint8_t *)(order + count);
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        order[i] = (ranked){isnan(scores[i]) ? INFINITY : scores[i], (uint32_t)(from + i)};
    qsort(order, count, sizeof *order, by_score);
    find_rivals(run, records, order, gone, count, how);
    for (size_t i = 0; i < count; i++) {
        auto_record *r = &records->list[order[i].place];
        if (!gone[i])
            kept[n++] = *r;
        else
            alloc_release(run->a, r->text, r->bytes);
    }
    memcpy(records->list + from, kept, n * sizeof *kept);
    records->count = from + n;
    alloc_release(run->a, memory, count * each);
    return SAM2_OK;
}
