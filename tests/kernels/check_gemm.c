/* gemm_f32 and gemm_stored against a sum of the very order that the header promises, to the bit, and that against
 * float64; gemm_split against float64. */
#include "kernels/check.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum residual { RESIDUAL_NONE, RESIDUAL_OTHER, RESIDUAL_C, RESIDUAL_COUNT } residual;

/* A product and its operands. C and its rows: [c_height, ldc], of which m rows are used. */
typedef struct problem {
    gemm_f32_args g;
    residual residual;
    values kind;
    size_t panel;             /* columns in a panel of B */
    size_t c_height, c_count; /* rows and floats of C */
    float *source;            /* B as [k, n], on the heap */
    float *initial;           /* C before the call, on the heap */
} problem;

#define GUARD 64 /* bytes behind gemm_split's scratch memory */

/* How B is given, and whether the product is gemm_split's. */
typedef struct form {
    bool stored, split;
} form;

static void fill(float *x, size_t rows, size_t columns, size_t ld, values kind)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            x[i * ld + j] = random_value(kind);
}

static size_t extent(size_t rows, size_t columns, size_t ld)
{
    return rows ? (rows - 1) * ld + columns : 0;
}

static void *allocate(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);
    if (!p) {
        fprintf(stderr, "checkkern: out of memory\n");
        exit(2);
    }
    return p;
}

static float *copy(const float *x, size_t count)
{
    float *y = allocate(count, sizeof *y);
    if (count)
        memcpy(y, x, count * sizeof *y);
    return y;
}

/* B in panels of floats. */
static void pack_plain(const check *t, problem *p)
{
    gemm_f32_args *g = &p->g;
    const size_t nr = t->table.gemm_f32_nr, panels = (g->n + nr - 1) / nr;
    g->b_stride = g->k * nr + (random_below(3) == 0 ? random_below(3) * nr : 0);
    float *b = operand_f32(extent(panels, g->k * nr, g->b_stride));
    for (size_t j = 0; j < panels * nr; j++)
        for (size_t i = 0; i < g->k; i++)
            b[j / nr * g->b_stride + i * nr + j % nr] = j < g->n ? p->source[i * g->n + j] : 0.0f;
    g->b = b;
    p->panel = nr;
}

static uint16_t bf16_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return isnan(x) ? 0x7fc0u : (uint16_t)(bits >> 16);
}

/* B in panels of pairs; its values are cut off to bfloat16 for that. */
static void pack_stored(problem *p)
{
    gemm_f32_args *g = &p->g;
    const size_t nr = GEMM_BF16_NR, panels = (g->n + nr - 1) / nr, whole = gemm_bf16_packed(nr, g->k);
    g->b_stride = whole + (random_below(3) == 0 ? random_below(3) * GEMM_BF16_K * nr : 0);
    const size_t count = extent(panels, whole, g->b_stride);
    uint16_t *b = operand(count, sizeof *b);
    memset(b, 0, count * sizeof *b);
    for (size_t i = 0; i < g->k; i++)
        for (size_t j = 0; j < g->n; j++) {
            float *x = &p->source[i * g->n + j];
            const uint16_t narrow = bf16_bits(*x);
            const uint32_t bits = (uint32_t)narrow << 16;
            memcpy(x, &bits, sizeof bits);
            b[j / nr * g->b_stride + i / 2 * 2 * nr + j % nr * 2 + i % 2] = narrow;
        }
    g->b_bf16 = b;
    p->panel = nr;
}

/* Makes operands for an m x n x k product; the rest of it is drawn by chance. */
static problem make(const check *t, form f, size_t m, size_t n, size_t k, activation act)
{
    problem p = {.kind = random_below(8) == 0 && !f.split ? VALUES_SPECIAL
                         : random_below(4) == 0           ? VALUES_WIDE
                                                          : VALUES_PLAIN};
    gemm_f32_args *g = &p.g;
    g->m = m, g->n = n, g->k = k, g->act = act;
    g->lda = k + random_below(4);
    float *a = operand_f32(extent(m, k, g->lda));
    fill(a, m, k, g->lda, p.kind);
    g->a = a;

    p.source = allocate(k * n, sizeof *p.source);
    fill(p.source, k, n, n, p.kind);
    if (f.stored)
        pack_stored(&p);
    else
        pack_plain(t, &p);
    if (f.split) {
        g->scratch = aligned_alloc(64, gemm_split_scratch(k) + GUARD);
        if (!g->scratch)
            exit(2);
        memset(g->scratch, 0xff, gemm_split_scratch(k) + GUARD); /* NaN */
    }

    g->ldc = n + random_below(4);
    p.c_height = m;
    if (random_below(3) == 0) { /* distinct rows of a higher C, in any order */
        p.c_height = m + random_below(5);
        uint32_t *rows = operand(m, sizeof *rows), *all = allocate(p.c_height, sizeof *all);
        for (size_t i = 0; i < p.c_height; i++)
            all[i] = (uint32_t)i;
        for (size_t i = 0; i < m; i++) {
            const size_t other = random_from(i, p.c_height - 1);
            rows[i] = all[other];
            all[other] = all[i];
        }
        free(all);
        g->c_rows = rows;
    }
    p.c_count = extent(p.c_height, n, g->ldc);
    g->c = operand_f32(p.c_count);
    p.residual = (residual)random_below(RESIDUAL_COUNT);
    g->accumulate = random_below(3) == 0;
    if (g->accumulate || p.residual == RESIDUAL_C)
        fill(g->c, p.c_height, n, g->ldc, p.kind); /* else C is not read: it stays NaN */
    p.initial = copy(g->c, p.c_count);
    if (g->accumulate && random_below(2)) {
        float *scale = operand_f32(m);
        fill(scale, 1, m, m, VALUES_PLAIN);
        g->c_scale = scale;
    }
    if (random_below(2)) {
        float *bias = operand_f32(n);
        fill(bias, 1, n, n, p.kind);
        g->bias = bias;
    }
    if (p.residual == RESIDUAL_C) {
        g->residual = g->c;
        g->ldr = g->ldc;
    } else if (p.residual == RESIDUAL_OTHER) {
        g->ldr = n + random_below(4);
        float *r = operand_f32(extent(p.c_height, n, g->ldr));
        fill(r, p.c_height, n, g->ldr, p.kind);
        g->residual = r;
    }
    if (random_below(3) == 0) { /* anything: it changes no result */
        g->fetch_bytes = random_below(100000);
        g->fetch = (const char *)g->a + random_below(1000);
    }
    describe("m %zu n %zu k %zu act %d%s%s%s%s lda %zu b_stride %zu ldc %zu values %d", m, n, k, (int)act,
             g->c_rows ? " c_rows" : "", g->accumulate ? " accumulate" : "", g->c_scale ? " c_scale" : "",
             p.residual == RESIDUAL_C       ? " residual C"
             : p.residual == RESIDUAL_OTHER ? " residual"
                                            : "",
             g->lda, g->b_stride, g->ldc, (int)p.kind);
    return p;
}

static void done(problem *p)
{
    free(p->source);
    free(p->initial);
    free(p->g.scratch);
    operands_end();
}

/* One element before the activation, in the promised order and rounding. Gives the error it may have to float64 in
 * *scale: the sum of the magnitudes of its terms. */
static float element(const check *t, const problem *p, size_t i, size_t j, double *exact, double *scale)
{
    const gemm_f32_args *g = &p->g;
    const float *a = g->a + i * g->lda;
    const bool fused = t->isa != CPU_REF;
    const size_t piece = gemm_f32_piece(g->k);
    float sum = 0.0f, part = 0.0f;
    double sum64 = 0.0, magnitude = 0.0;
    for (size_t q = 0; q < g->k; q++) {
        const float b = p->source[q * g->n + j];
        part = fused ? fmaf(a[q], b, part) : part + a[q] * b;
        if ((q + 1) % piece == 0 || q + 1 == g->k) {
            sum = q < piece ? part : sum + part;
            part = 0.0f;
        }
        sum64 += (double)a[q] * (double)b;
        magnitude += fabs((double)a[q] * (double)b);
    }
    const size_t r = g->c_rows ? g->c_rows[i] : i;
    if (g->accumulate) {
        const float s = g->c_scale ? g->c_scale[i] : 1.0f, c = p->initial[r * g->ldc + j];
        sum = fused ? fmaf(s, c, sum) : sum + s * c;
        sum64 += (double)s * (double)c;
        magnitude += fabs((double)s * (double)c);
    }
    if (g->bias) {
        sum += g->bias[j];
        sum64 += (double)g->bias[j];
        magnitude += fabs((double)g->bias[j]);
    }
    *exact = sum64;
    *scale = magnitude;
    return sum;
}

/* Takes `written`, which marks the floats of C that are the result. */
static void nothing_beside(const problem *p, unsigned char *written)
{
    for (size_t at = 0; at < p->c_count && !given_up(); at++)
        if (!written[at] && memcmp(&p->g.c[at], &p->initial[at], sizeof(float)) != 0)
            fail("C is written beside the result, float %zu", at);
    free(written);
}

/* Compares C with what it should be. Without GELU every bit is known. With it, the input of GELU is known to the bit,
 * the result within 2e-7 max(1, |x|), and the residual's addition rounds once more. Against float64: each step rounds
 * by at most EPSILON times the partial sum, which is at most the sum of magnitudes and, signs being random, mostly far
 * below it when k is large. That makes 8 units certain for few terms and far more than happens for many (5 seen). */
static void compare(const check *t, const problem *p)
{
    const gemm_f32_args *g = &p->g;
    unsigned char *written = allocate(p->c_count, 1);
    for (size_t i = 0; i < g->m; i++)
        for (size_t j = 0; j < g->n && !given_up(); j++) {
            const size_t r = g->c_rows ? g->c_rows[i] : i, at = r * g->ldc + j;
            const float got = g->c[at];
            double exact, scale;
            float want = element(t, p, i, j, &exact, &scale);
            written[at] = 1;
            if (p->kind == VALUES_PLAIN)
                near_f32("the sum", at, want, exact, 8.0 * EPSILON * scale);
            float old = 0.0f;
            if (p->residual == RESIDUAL_C)
                old = p->initial[at];
            else if (g->residual)
                old = g->residual[r * g->ldr + j];
            if (g->act == ACT_GELU) {
                if (want == -INFINITY)
                    continue; /* NaN in the plain form, 0 in others */
                double y = gelu_f64((double)want) + (double)old;
                if (fabs(y) > (double)FLT_MAX)
                    y = copysign(INFINITY, y);
                const double size = fabs((double)want);
                near_f32("C", at, got, y, 2e-7 * (size > 1.0 ? size : 1.0) + ulp(y));
                continue;
            }
            if (g->act == ACT_RELU)
                want = want > 0.0f ? want : 0.0f;
            if (g->residual)
                want += old;
            if (memcmp(&got, &want, sizeof got) != 0 && !(isnan(got) && isnan(want)))
                fail("C[%zu, %zu] is %a, not %a", i, j, (double)got, (double)want);
        }
    nothing_beside(p, written);
}

/* The same product in several calls, cut between any rows and between panels, gives the same bits. */
static void cut(gemm_f32_fn *fn, problem *p)
{
    const gemm_f32_args *g = &p->g;
    const size_t nr = p->panel;
    float *whole = copy(g->c, p->c_count);
    if (p->c_count)
        memcpy(g->c, p->initial, p->c_count * sizeof(float));
    for (size_t j = 0; j < g->n;) {
        const size_t columns = nr * random_from(1, 3), n = g->n - j < columns ? g->n - j : columns;
        for (size_t i = 0; i < g->m;) {
            const size_t rows = random_from(1, 20), m = g->m - i < rows ? g->m - i : rows;
            gemm_f32_args part = *g;
            part.m = m, part.n = n;
            part.a += i * g->lda;
            if (g->b)
                part.b += j / nr * g->b_stride;
            else
                part.b_bf16 += j / nr * g->b_stride;
            part.c += (g->c_rows ? 0 : i * g->ldc) + j;
            if (g->c_rows)
                part.c_rows += i;
            if (g->c_scale)
                part.c_scale += i;
            if (g->bias)
                part.bias += j;
            if (g->residual)
                part.residual += (g->c_rows ? 0 : i * g->ldr) + j;
            fn(&part);
            i += m;
        }
        j += n;
    }
    same_f32("C of several calls", g->c, whole, p->c_count);
    free(whole);
}

/* Compares what gemm_split made of C with float64. What is left out of a product is below 3 x 2^-26 of it, and sums
 * round as those of gemm_f32 do, or less often: its limit holds. Where one term of wide ones is most of the sum all
 * that come after it round by that. GELU grows by at most 1.13 of what its input does. */
static void compare_split(const check *t, const problem *p)
{
    const gemm_f32_args *g = &p->g;
    unsigned char *written = allocate(p->c_count, 1);
    for (size_t i = 0; i < g->m; i++)
        for (size_t j = 0; j < g->n && !given_up(); j++) {
            const size_t r = g->c_rows ? g->c_rows[i] : i, at = r * g->ldc + j;
            double exact, scale, old = 0.0;
            written[at] = 1;
            element(t, p, i, j, &exact, &scale);
            double limit = (8.0 + (p->kind == VALUES_WIDE ? sqrt((double)g->k) : 0.0)) * EPSILON * scale;
            if (p->residual == RESIDUAL_C)
                old = (double)p->initial[at];
            else if (g->residual)
                old = (double)g->residual[r * g->ldr + j];
            double want = exact;
            if (g->act == ACT_GELU) {
                want = gelu_f64(exact);
                limit = 1.13 * limit + 2e-7 * (fabs(exact) > 1.0 ? fabs(exact) : 1.0);
            } else if (g->act == ACT_RELU)
                want = want > 0.0 ? want : 0.0;
            near_f32("C", at, g->c[at], want + old, limit + ulp(want + old));
        }
    nothing_beside(p, written);
    const unsigned char *behind = (const unsigned char *)g->scratch + gemm_split_scratch(g->k);
    for (size_t i = 0; i < GUARD && !given_up(); i++)
        if (behind[i] != 0xff)
            fail("the scratch memory is written behind its end, byte %zu", i);
}

/* What is enough for a k is enough for any smaller one, as operators need it that take a layer in parts. */
static void enough_scratch(void)
{
    describe("gemm_split_scratch");
    for (size_t k = 1; k <= 20000 && !given_up(); k++) {
        const size_t row = (k + 31) / 32 * 32 * 6, rows = gemm_split_block(k);
        if (gemm_split_scratch(k) < gemm_split_scratch(k - 1))
            fail("k %zu has less than k %zu", k, k - 1);
        if (rows % 32 || rows == 0 || gemm_split_scratch(k) < (rows + 64) * row || gemm_split_scratch(k) % 64)
            fail("k %zu: %zu bytes for %zu rows", k, gemm_split_scratch(k), rows);
    }
}

/* B of the same values as floats gives the same bits. */
static void widened(const check *t, gemm_f32_fn *fn, problem *p)
{
    float *stored = copy(p->g.c, p->c_count);
    if (p->c_count)
        memcpy(p->g.c, p->initial, p->c_count * sizeof(float));
    pack_plain(t, p);
    fn(&p->g);
    same_f32("C of floats", p->g.c, stored, p->c_count);
    free(stored);
}

static void try(const check *t, gemm_f32_fn *fn, form f, size_t m, size_t n, size_t k, activation act)
{
    problem p = make(t, f, m, n, k, act);
    fn(&p.g);
    if (f.split)
        compare_split(t, &p);
    else
        compare(t, &p);
    cut(fn, &p);
    if (f.split && f.stored)
        widened(t, fn, &p);
    done(&p);
}

static void try_all(const check *t, gemm_f32_fn *fn, form f)
{
    const size_t mr = t->table.gemm_f32_mr, nr = t->table.gemm_f32_nr;
    const size_t tails[] = {1, nr / 2 - 1, nr / 2, nr / 2 + 1, nr - 1, nr, nr + 1, 2 * nr + nr / 2, 3 * nr};
    for (size_t m = 1; m <= mr + 2 && !given_up(); m++)
        for (size_t i = 0; i < sizeof tails / sizeof *tails; i++)
            try(t, fn, f, m, tails[i], random_from(1, 40), (activation)random_below(3));
    for (int i = 0; i < 250 && !given_up(); i++)
        try(t, fn, f, random_from(1, 4 * mr), random_from(1, 4 * nr), random_from(0, 130), (activation)random_below(3));
    for (size_t k = 0; k < 10; k++)
        try(t, fn, f, mr + 1, nr + 3, k, ACT_NONE);
    try(t, fn, f, 0, nr, 5, ACT_NONE);
    try(t, fn, f, mr, 0, 5, ACT_NONE);
    for (int i = 0; i < 40 && !given_up();
         i++) /* one piece or some of k, and widths at which the sums go straight to C */
        try(t, fn, f, random_from(1, 2 * mr), nr / 2 * random_from(1, 4), random_from(250, 800),
            (activation)random_below(3));
    /* Long sums, and more rows than a block that a variant may keep in cache. */
    try(t, fn, f, mr + 1, nr + 1, 4608, ACT_NONE);
    try(t, fn, f, 37, 5, 8192, ACT_NONE);
    try(t, fn, f, 1500, 3, 300, ACT_GELU);
}

void check_gemm_f32(const check *t, gemm_f32_fn *fn)
{
    try_all(t, fn, (form){false, false});
}

void check_gemm_stored(const check *t, gemm_f32_fn *fn)
{
    try_all(t, fn, (form){true, false});
}

void check_gemm_split(const check *t, gemm_f32_fn *fn)
{
    enough_scratch();
    try_all(t, fn, (form){false, true});
    try_all(t, fn, (form){true, true});
}

/* ---- timing ---- */

static void run(void *arg)
{
    const void *const *pair = arg;
    (*(gemm_f32_fn *const *)pair[0])(pair[1]);
}

static void bench_all(const check *t, gemm_f32_fn *fn, bool stored)
{
    /* Products of Hiera's stages and MLPs, of window attention (112 queries), of decoder tokens, of padded columns. */
    static const struct {
        size_t m, n, k, lda;
        activation act;
    } shapes[] = {
        {112, 96, 96, 96, ACT_NONE},     {256, 384, 96, 96, ACT_GELU},    {256, 96, 384, 384, ACT_NONE},
        {224, 576, 192, 192, ACT_NONE},  {256, 768, 192, 192, ACT_GELU},  {256, 192, 768, 768, ACT_NONE},
        {256, 1152, 384, 384, ACT_NONE}, {256, 1536, 384, 384, ACT_GELU}, {256, 384, 768, 1536, ACT_NONE},
        {256, 3072, 768, 768, ACT_NONE}, {256, 768, 768, 3072, ACT_NONE}, {256, 4608, 1152, 1152, ACT_NONE},
        {112, 512, 96, 288, ACT_NONE},   {112, 96, 512, 512, ACT_NONE},   {256, 256, 256, 256, ACT_NONE},
        {256, 2048, 256, 256, ACT_RELU}, {256, 256, 768, 2048, ACT_NONE}, {8, 2048, 256, 256, ACT_RELU},
        {8, 256, 256, 256, ACT_NONE},    {1, 256, 256, 256, ACT_RELU},    {16, 4096, 1024, 1024, ACT_NONE},
        {256, 72, 256, 256, ACT_NONE},   {256, 56, 256, 256, ACT_NONE},   {256, 144, 576, 576, ACT_NONE},
        {4096, 256, 256, 256, ACT_NONE}, {1024, 768, 768, 768, ACT_NONE},
    };
    const size_t nr = stored ? GEMM_BF16_NR : t->table.gemm_f32_nr;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        const size_t m = shapes[s].m, n = shapes[s].n, k = shapes[s].k, lda = shapes[s].lda;
        const size_t panels = (n + nr - 1) / nr;
        float *a = aligned_alloc(64, (m * lda * 4 + 63) / 64 * 64),
              *b = aligned_alloc(64, panels * (k + GEMM_BF16_K) * nr * 4);
        uint16_t *b_bf16 = aligned_alloc(64, panels * (k + GEMM_BF16_K) * nr * 2);
        float *c = aligned_alloc(64, (m * n * 4 + 63) / 64 * 64), *bias = allocate(n, sizeof *bias);
        if (!a || !b || !b_bf16 || !c)
            exit(2);
        fill(a, m, lda, lda, VALUES_PLAIN);
        fill(b, panels * (k + GEMM_BF16_K), nr, nr, VALUES_PLAIN);
        gemm_f32_args g = {.m = m, .n = n, .k = k, .a = a, .lda = lda, .c = c, .ldc = n};
        g.b = stored ? NULL : b;
        for (size_t i = 0; stored && i < panels * (k + GEMM_BF16_K) * nr; i++)
            b_bf16[i] = bf16_bits(b[i]);
        g.b_bf16 = stored ? b_bf16 : NULL;
        g.b_stride = stored ? gemm_bf16_packed(nr, k) : k * nr;
        g.bias = bias;
        g.act = shapes[s].act;
        g.scratch = aligned_alloc(64, gemm_split_scratch(k) + 64);
        if (!g.scratch)
            exit(2);
        char text[64];
        snprintf(text, sizeof text, "m %zu n %zu k %zu lda %zu%s", m, n, k, lda,
                 g.act == ACT_GELU   ? " gelu"
                 : g.act == ACT_RELU ? " relu"
                                     : "");
        const void *pair[2] = {&fn, &g};
        bench(t, text, 2.0 * (double)m * (double)n * (double)k, "GFLOP/s", run, (void *)pair);
        free(a);
        free(b);
        free(b_bf16);
        free(c);
        free(bias);
        free(g.scratch);
    }
}

void bench_gemm_f32(const check *t, gemm_f32_fn *fn)
{
    bench_all(t, fn, false);
}

void bench_gemm_stored(const check *t, gemm_f32_fn *fn)
{
    bench_all(t, fn, true);
}

void bench_gemm_split(const check *t, gemm_f32_fn *fn)
{
    bench_all(t, fn, false);
    bench_all(t, fn, true);
}
