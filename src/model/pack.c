/* Packing: matrices of a checkpoint in the layout that the kernels read. */
#include "base/checked.h"
#include "model/builder.h"
#include "model/precision.h"

#include <stdio.h>
#include <string.h>

const weights_tensor *builder_tensor(const builder *b, const char *prefix, const char *suffix)
{
    char name[160];
    snprintf(name, sizeof name, suffix ? "%s.%s" : "%s", prefix, suffix);
    return weights_find(b->w, name);
}

static size_t index_of(const builder *b, const weights_tensor *t)
{
    return (size_t)(t - weights_at(b->w, 0));
}

/* Takes a tensor's samples, where they are wanted, while it is at hand; then its pages need not count as memory any
 * more. A page of the file may have 2 MiB, so that small tensors matter as well. */
static void leave(const builder *b, const weights_tensor *t, bool sampled)
{
    if (b->samples && sampled) {
        const size_t i = index_of(b, t);
        const bool narrow = b->forms[i].bf16 && b->m->precision == SAM2_PRECISION_BF16;
        weights_samples(t, narrow ? WEIGHTS_BF16 : WEIGHTS_F32, &b->samples[i]);
        b->sampled[i] = true;
    }
    weights_drop(b->w, t);
}

const float *builder_plain(builder *b, const char *prefix, const char *suffix)
{
    const weights_tensor *t = builder_tensor(b, prefix, suffix);
    if (b->forms && !builder_dry(b))
        b->forms[index_of(b, t)] = (weights_form){.given = true, .type = WEIGHTS_F32};
    if (b->in_place && t->type == WEIGHTS_F32 && t->layout == WEIGHTS_ROWS) {
        b->m->mapped_bytes += builder_dry(b) ? 0 : weights_bytes(t);
        return t->data;
    }
    float *out = arena_floats(&b->arena, t->count);
    if (!builder_dry(b)) {
        weights_read(t, 0, t->count, out);
        leave(b, t, true);
    }
    return out;
}

_Static_assert(GEMM_BF16_K == WEIGHTS_PAIRS_K, "a native file's pairs are those of the kernels");

/* The form that the kernels want a product in. */
static weights_form wanted_form(const builder *b, bool narrow)
{
    return (weights_form){.given = true,
                          .type = narrow ? WEIGHTS_BF16 : WEIGHTS_F32,
                          .layout = narrow ? WEIGHTS_PAIRS : WEIGHTS_PANELS,
                          .width = (unsigned)(narrow ? GEMM_BF16_NR : b->m->kernels.gemm_f32_nr)};
}

static bool has_form(const weights_tensor *t, const weights_form *f, size_t n, size_t k)
{
    return t && t->type == f->type && t->layout == f->layout && t->width == f->width && t->dims > 0 &&
           t->shape[0] == (int64_t)n && t->count == n * k;
}

/* Notes how the file would hold a constant. */
static void note_constant(builder *b, const char *name, weights_form form, size_t n, size_t k, const void *data)
{
    if (b->constants == BUILDER_CONSTANTS)
        return; /* one more than files have room for is computed each time */
    if (b->forms && !builder_dry(b)) {
        form.data = data;
        form.dims = 2;
        form.shape[0] = (int64_t)n;
        form.shape[1] = (int64_t)k;
        snprintf(form.name, sizeof form.name, "%s", name);
        b->forms[weights_count(b->w) + b->constants] = form;
    }
    b->constants++;
}

/* The job's own fields are set; the rest follows from the form. */
static void add_job(builder *b, pack_job job, const weights_form *form)
{
    const linear *l = &job.l;
    const bool narrow = form->type == WEIGHTS_BF16;
    const size_t width = form->width, panels = (l->n + width - 1) / width;
    const size_t row_floats = narrow ? width * l->k * 3 / 2 : width * l->k;
    if (row_floats > b->row_floats)
        b->row_floats = row_floats; /* known after the dry run */
    b->panels += panels;
    if (!builder_dry(b)) {
        pack_job *j = &b->jobs[b->job_count];
        *j = job;
        j->width = width;
        j->panel_bytes = narrow ? gemm_bf16_packed(width, l->k) * sizeof(uint16_t) : width * l->k * sizeof(float);
        j->panels_end = b->panels;
        atomic_init(&j->left, panels);
    }
    b->job_count++;
}

linear builder_matrix(builder *b, const char *prefix, const char *constant, size_t n, size_t k, element_at *at)
{
    const weights_tensor *t = builder_tensor(b, prefix, "weight");
    const weights_tensor *held = constant ? weights_constant(b->w, constant) : t;
    const weights_type storage = held ? held->type : t->type;
    const bool narrowed = precision_of(prefix, SAM2_PRECISION_BF16) == SAM2_PRECISION_BF16; /* where the model is */
    const bool narrow = narrowed && (b->by_storage ? storage == WEIGHTS_BF16 : b->m->precision == SAM2_PRECISION_BF16);
    const bool exact = t->type == WEIGHTS_BF16; /* the tensor itself: a file's constant may be rounded */
    const bool stored = narrowed && !narrow && b->stores && (exact || b->rounds);
    const bool half = narrow || stored;
    weights_form form = wanted_form(b, half);
    const bool ready = has_form(held, &form, n, k);
    linear l = {.n = n, .k = k};
    const void *packed;
    b->narrow |= narrow;
    b->rounded |= stored && !exact;
    if (ready && b->in_place) {
        packed = held->data;
        b->m->mapped_bytes += builder_dry(b) ? 0 : weights_bytes(held);
    } else {
        void *out = half ? arena_take(&b->arena, gemm_bf16_packed(n, k), sizeof(uint16_t))
                         : (void *)arena_floats(&b->arena, ops_packed_floats(&b->m->kernels, n, k));
        add_job(b,
                (pack_job){.l = l,
                           .from = ready ? held : t,
                           .at = at,
                           .ready = ready,
                           .narrow = half,
                           .sampled = !constant,
                           .out = out},
                &form);
        packed = out;
        const bool rounded = b->stores && storage == WEIGHTS_BF16 && !exact; /* a constant that is of no use here */
        b->m->repacked |= !ready && !rounded && weights_get_format(b->w) == WEIGHTS_NATIVE;
    }
    l.packed = half ? NULL : packed;
    l.stored = stored ? packed : NULL;
    l.packed_bf16 = narrow ? packed : NULL;
    b->m->stored |= stored;
    if (constant)
        note_constant(b, constant, form, n, k, packed);
    if (b->forms && !builder_dry(b)) {
        weights_form *f = &b->forms[index_of(b, t)];
        if (!constant) {
            *f = form;
            f->data = packed;
        } else if (!f->given)
            *f = (weights_form){.given = true, .type = narrow && exact ? WEIGHTS_BF16 : WEIGHTS_F32};
        f->bf16 = narrowed;
    }
    return l;
}

/* Two layers in one. */
typedef struct merge_place {
    float *rows, *bias;  /* [n, k], [n] */
    float *w1, *b1, *w2; /* [middle, k], [middle], [middle] */
    double *sums;        /* [k] */
} merge_place;

static void merge(const builder *b, const char *first, const char *second, size_t n, size_t middle, size_t k,
                  const merge_place *p)
{
    weights_read(builder_tensor(b, first, "weight"), 0, middle * k, p->w1);
    weights_read(builder_tensor(b, first, "bias"), 0, middle, p->b1);
    for (size_t i = 0; i < n; i++) {
        weights_read(builder_tensor(b, second, "weight"), i * middle, middle, p->w2);
        weights_read(builder_tensor(b, second, "bias"), i, 1, &p->bias[i]);
        double bias = (double)p->bias[i];
        memset(p->sums, 0, k * sizeof *p->sums);
        for (size_t m = 0; m < middle; m++) {
            const double w = (double)p->w2[m];
            bias += w * (double)p->b1[m];
            for (size_t c = 0; c < k; c++)
                p->sums[c] += w * (double)p->w1[m * k + c];
        }
        p->bias[i] = (float)bias;
        for (size_t c = 0; c < k; c++)
            p->rows[i * k + c] = (float)p->sums[c];
    }
}

linear builder_merged(builder *b, const char *first, const char *second, const char *constant, size_t n, size_t middle,
                      size_t k)
{
    char bias_name[90];
    snprintf(bias_name, sizeof bias_name, "%.80s.bias", constant);
    const weights_tensor *t = builder_tensor(b, first, "weight"), *held = weights_constant(b->w, constant),
                         *held_bias = weights_constant(b->w, bias_name);
    const bool narrow =
        precision_of(first, SAM2_PRECISION_BF16) == SAM2_PRECISION_BF16 &&
        (b->by_storage ? (held ? held->type : t->type) == WEIGHTS_BF16 : b->m->precision == SAM2_PRECISION_BF16);
    const weights_form form = wanted_form(b, narrow), bias_form = {.given = true, .type = WEIGHTS_F32};
    linear l = {.n = n, .k = k};
    const void *packed;
    if (b->in_place && has_form(held, &form, n, k) && has_form(held_bias, &bias_form, 1, n)) {
        packed = held->data;
        l.bias = held_bias->data;
        b->m->mapped_bytes += builder_dry(b) ? 0 : weights_bytes(held) + weights_bytes(held_bias);
    } else {
        const merge_place p = {.rows = arena_floats(&b->arena, n * k),
                               .bias = arena_floats(&b->arena, n),
                               .w1 = arena_floats(&b->arena, middle * k),
                               .b1 = arena_floats(&b->arena, middle),
                               .w2 = arena_floats(&b->arena, middle),
                               .sums = arena_take(&b->arena, k, sizeof(double))};
        void *out = narrow ? arena_take(&b->arena, gemm_bf16_packed(n, k), sizeof(uint16_t))
                           : (void *)arena_floats(&b->arena, ops_packed_floats(&b->m->kernels, n, k));
        if (!builder_dry(b))
            merge(b, first, second, n, middle, k, &p);
        add_job(b, (pack_job){.l = l, .from = t, .rows = p.rows, .narrow = narrow, .out = out}, &form);
        packed = out;
        l.bias = p.bias;
    }
    l.packed = narrow ? NULL : packed;
    l.packed_bf16 = narrow ? packed : NULL;
    note_constant(b, constant, form, n, k, packed);
    note_constant(b, bias_name, bias_form, 1, n, l.bias);
    return l;
}

typedef struct fill_job {
    const model *m;
    row_filler *fill;
    float *out;
    size_t columns;
} fill_job;

static void fill_row(void *context, size_t row, int worker)
{
    (void)worker;
    const fill_job *j = context;
    j->fill(j->m, row, j->out + row * j->columns);
}

/* What the file holds under this name where it can stay there, else NULL. */
static const void *constant_in_place(builder *b, const weights_tensor *held, const weights_form *form, size_t rows,
                                     size_t columns)
{
    if (!b->in_place || !has_form(held, form, rows, columns))
        return NULL;
    b->m->mapped_bytes += builder_dry(b) ? 0 : weights_bytes(held);
    return held->data;
}

const float *builder_constant(builder *b, const char *name, size_t rows, size_t columns, row_filler *fill)
{
    const weights_form form = {.given = true, .type = WEIGHTS_F32};
    const weights_tensor *held = weights_constant(b->w, name);
    const float *result = constant_in_place(b, held, &form, rows, columns);
    if (!result) {
        float *out = arena_floats(&b->arena, rows * columns);
        if (!builder_dry(b) && has_form(held, &form, rows, columns))
            weights_read(held, 0, held->count, out);
        else if (!builder_dry(b))
            pool_run(b->m->pool, fill_row, &(fill_job){b->m, fill, out, columns}, rows);
        result = out;
    }
    note_constant(b, name, form, rows, columns, result);
    return result;
}

const uint16_t *builder_narrowed(builder *b, const char *name, size_t rows, size_t columns, const float *x)
{
    const weights_form form = {.given = true, .type = WEIGHTS_BF16};
    const uint16_t *result = constant_in_place(b, weights_constant(b->w, name), &form, rows, columns);
    if (!result) {
        uint16_t *out = arena_take(&b->arena, rows * columns, sizeof *out);
        if (!builder_dry(b))
            b->m->kernels.f32_to_bf16(rows * columns, x, out);
        result = out;
    }
    note_constant(b, name, form, rows, columns, result);
    return result;
}

static void pack_panel(const builder *b, const pack_job *j, size_t panel, float *scratch)
{
    const kernels *k = &b->m->kernels;
    const linear *l = &j->l;
    const size_t first = panel * j->width, n = l->n - first < j->width ? l->n - first : j->width;
    uint8_t *out = j->out + panel * j->panel_bytes;
    float *rows = scratch;
    if (j->ready) {
        memcpy(out, (const uint8_t *)j->from->data + panel * j->panel_bytes, j->panel_bytes);
        return;
    }
    if (j->rows)
        rows = (float *)j->rows + first * l->k;
    else if (!j->at)
        weights_read(j->from, first * l->k, n * l->k, rows);
    else
        for (size_t i = 0; i < n; i++)
            for (size_t p = 0; p < l->k; p++)
                weights_read(j->from, j->at(l, first + i, p), 1, &rows[i * l->k + p]);
    if (j->narrow) {
        uint16_t *narrow = (uint16_t *)(scratch + j->width * l->k);
        k->f32_to_bf16(n * l->k, rows, narrow);
        k->pack_nk_bf16(n, l->k, narrow, l->k, (uint16_t *)out);
    } else
        k->pack_nk_f32(n, l->k, rows, l->k, (float *)out);
}

/* The job that panel `item` of all belongs to. */
static size_t job_of(const builder *b, size_t item)
{
    size_t low = 0, high = b->job_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (b->jobs[middle - 1].panels_end <= item)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void pack_item(void *context, size_t item, int worker)
{
    const builder *b = context;
    const size_t index = job_of(b, item);
    pack_job *j = &b->jobs[index];
    const size_t begin = index ? b->jobs[index - 1].panels_end : 0;
    pack_panel(b, j, item - begin, b->rows + (size_t)worker * b->row_floats);
    if (atomic_fetch_sub_explicit(&j->left, 1, memory_order_acq_rel) != 1)
        return;
    leave(b, j->from, j->sampled);
}

void builder_pack(builder *b)
{
    pool_run(b->m->pool, pack_item, b, b->panels);
    for (size_t i = 0; b->samples && i < weights_count(b->w); i++)
        if (!b->sampled[i])
            leave(b, weights_at(b->w, i), true);
}
