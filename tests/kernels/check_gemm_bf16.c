/* gemm_bf16 against sums in float64, and against itself cut into several calls, to the bit. */
#include "kernels/check.h"
#include "kernels/ref/bf16.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NR GEMM_BF16_NR

typedef struct problem {
    gemm_bf16_args g;
    size_t c_height, c_count; /* rows and elements of C */
    size_t packed_k;
    values kind;
    void *initial; /* C before the call, on the heap */
    size_t c_size; /* bytes of an element of C */
} problem;

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

/* On a line of the cache, as operators have it. */
static void *aligned(size_t count, size_t size)
{
    void *p = aligned_alloc(64, (count * size + 63) / 64 * 64);
    if (!p)
        exit(2);
    memset(p, 0, count * size);
    return p;
}

static uint16_t *matrix_bf16(size_t rows, size_t columns, size_t ld, values kind)
{
    uint16_t *x = operand(extent(rows, columns, ld), sizeof *x);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            x[i * ld + j] = ref_to_bf16(random_value(kind));
    return x;
}

static float *matrix_f32(size_t rows, size_t columns, size_t ld, values kind)
{
    float *x = operand_f32(extent(rows, columns, ld));
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            x[i * ld + j] = random_value(kind);
    return x;
}

static const uint16_t *make_b(size_t n, size_t k, size_t packed_k, size_t stride, values kind)
{
    const size_t panels = (n + NR - 1) / NR;
    uint16_t *b = operand(extent(panels, packed_k * NR, stride), sizeof *b);
    for (size_t j = 0; j < panels * NR; j++)
        for (size_t p = 0; p < packed_k; p++)
            b[j / NR * stride + (p / 2 * NR + j % NR) * 2 + p % 2] =
                j < n && p < k ? ref_to_bf16(random_value(kind)) : 0;
    return b;
}

static float b_at(const gemm_bf16_args *g, size_t p, size_t j)
{
    return ref_bf16(g->b[j / NR * g->b_stride + (p / 2 * NR + j % NR) * 2 + p % 2]);
}

static const uint32_t *make_rows(size_t m, size_t height)
{
    uint32_t *rows = operand(m, sizeof *rows), *all = allocate(height, sizeof *all);
    for (size_t i = 0; i < height; i++)
        all[i] = (uint32_t)i;
    for (size_t i = 0; i < m; i++) { /* distinct, in any order */
        const size_t other = random_from(i, height - 1);
        rows[i] = all[other];
        all[other] = all[i];
    }
    free(all);
    return rows;
}

/* Operands of an m x n x k product; the rest of it is drawn by chance. */
static problem make(size_t m, size_t n, size_t k, activation act)
{
    problem p = {.packed_k = (k + GEMM_BF16_K - 1) / GEMM_BF16_K * GEMM_BF16_K};
    const values kind = p.kind = random_below(4) == 0 ? VALUES_WIDE : VALUES_PLAIN;
    gemm_bf16_args *g = &p.g;
    g->m = m, g->n = n, g->k = k, g->act = act;
    g->lda = k + random_below(4);
    g->a = matrix_bf16(m, k, g->lda, kind);
    /* A part of a longer k has more of it before and behind. */
    const size_t skip = random_below(3) == 0 ? 2 * random_below(20) : 0, whole = skip + p.packed_k;
    g->b_stride = whole * NR + (random_below(3) == 0 ? random_below(3) * NR * GEMM_BF16_K : 0);
    g->b = make_b(n, skip ? whole : k, whole, g->b_stride, kind) + skip * NR;
    g->ldc = n + random_below(4);
    p.c_height = m;
    if (random_below(3) == 0) {
        p.c_height = m + random_below(5);
        g->c_rows = make_rows(m, p.c_height);
    }
    p.c_count = extent(p.c_height, n, g->ldc);
    if (random_below(2)) {
        p.c_size = sizeof(uint16_t);
        g->c_bf16 = operand(p.c_count, sizeof *g->c_bf16);
    } else {
        p.c_size = sizeof(float);
        g->c = matrix_f32(p.c_height, n, g->ldc, kind);
    }
    if (random_below(3) == 0) {
        g->ldadd = n + random_below(4);
        g->add = matrix_f32(m, n, g->ldadd, kind);
        if (g->c && !g->c_rows && random_below(2))
            g->add = g->c, g->ldadd = g->ldc;
        g->add_scale = random_below(2) ? matrix_f32(1, m, m, VALUES_PLAIN) : NULL;
    } else if (random_below(3) == 0) {
        g->ldadd = n + random_below(4);
        g->add_bf16 = matrix_bf16(m, n, g->ldadd, kind);
    }
    g->row_scale = random_below(3) == 0 ? matrix_f32(1, m, m, VALUES_PLAIN) : NULL;
    g->bias = random_below(2) ? matrix_f32(1, n, n, kind) : NULL;
    if (random_below(3) == 0) {
        g->residual = g->c, g->ldr = g->ldc;
        if (!g->c || random_below(2)) {
            g->ldr = n + random_below(4);
            g->residual = matrix_f32(p.c_height, n, g->ldr, kind);
        }
    }
    if (random_below(3) == 0) { /* anything: it changes no result */
        g->fetch_bytes = random_below(100000);
        g->fetch = (const char *)g->a + random_below(1000);
    }
    p.initial = allocate(p.c_count, p.c_size);
    if (p.c_count)
        memcpy(p.initial, g->c ? (void *)g->c : g->c_bf16, p.c_count * p.c_size);
    describe("m %zu n %zu k %zu after %zu act %d%s%s%s%s%s%s%s lda %zu b_stride %zu ldc %zu values %d", m, n, k, skip,
             (int)act, g->c ? "" : " bf16", g->c_rows ? " c_rows" : "", g->add ? " add" : "",
             g->add_bf16 ? " add_bf16" : "", g->row_scale ? " row_scale" : "", g->bias ? " bias" : "",
             g->residual ? " residual" : "", g->lda, g->b_stride, g->ldc, (int)kind);
    return p;
}

/* What C held, for `add` and `residual` that are C. */
static double before(const problem *p, const float *from, size_t at)
{
    return (double)(from == p->g.c ? ((const float *)p->initial)[at] : from[at]);
}

/* C[i, j] in float64, and the error it may have: roundings of the sum of magnitudes, GELU's own, and that of the
 * result's type. Of values of very different size one can be nearly all of the sum from the first steps on, and each
 * of k additions rounds it, by at most a unit, .58 in root mean square: signs being random, 3 sqrt(k) is five times
 * what that comes to. */
static double element(const problem *p, size_t i, size_t j, double *limit)
{
    const gemm_bf16_args *g = &p->g;
    const size_t r = g->c_rows ? g->c_rows[i] : i;
    double v = 0.0, magnitude = 0.0;
    for (size_t q = 0; q < g->k; q++) {
        const double x = (double)ref_bf16(g->a[i * g->lda + q]) * (double)b_at(g, q, j);
        v += x;
        magnitude += fabs(x);
    }
    if (g->add) {
        const double x = (g->add_scale ? (double)g->add_scale[i] : 1.0) * before(p, g->add, i * g->ldadd + j);
        v += x;
        magnitude += fabs(x);
    }
    if (g->add_bf16) {
        const double x = (double)ref_bf16(g->add_bf16[i * g->ldadd + j]);
        v += x;
        magnitude += fabs(x);
    }
    if (g->row_scale) {
        v *= (double)g->row_scale[i];
        magnitude *= fabs((double)g->row_scale[i]);
    }
    if (g->bias) {
        v += (double)g->bias[j];
        magnitude += fabs((double)g->bias[j]);
    }
    *limit = (16.0 + (p->kind == VALUES_WIDE ? 3.0 * sqrt((double)g->k) : 0.0)) * EPSILON * magnitude;
    if (g->act == ACT_RELU)
        v = v > 0.0 ? v : 0.0;
    if (g->act == ACT_GELU) {
        *limit = 1.13 * *limit + 5e-5 * fmax(1.0, fabs(v));
        v = gelu_f64(v);
    }
    if (g->residual) {
        const double x = before(p, g->residual, r * g->ldr + j);
        v += x;
        *limit += EPSILON * (fabs(x) + fabs(v));
    }
    if (!g->c)
        *limit += 0x1.02p-8 * (fabs(v) + *limit) + 0x1p-126;
    return v;
}

static float result(const problem *p, size_t at)
{
    return p->g.c ? p->g.c[at] : ref_bf16(p->g.c_bf16[at]);
}

static void compare(const problem *p)
{
    const gemm_bf16_args *g = &p->g;
    unsigned char *written = allocate(p->c_count, 1);
    for (size_t i = 0; i < g->m; i++)
        for (size_t j = 0; j < g->n && !given_up(); j++) {
            const size_t at = (g->c_rows ? g->c_rows[i] : i) * g->ldc + j;
            double limit;
            const double want = element(p, i, j, &limit);
            written[at] = 1;
            near_f32("C", at, result(p, at), want, limit);
        }
    const char *now = g->c ? (const char *)g->c : (const char *)g->c_bf16, *then = p->initial;
    for (size_t at = 0; at < p->c_count && !given_up(); at++)
        if (!written[at] && memcmp(now + at * p->c_size, then + at * p->c_size, p->c_size) != 0)
            fail("C is written beside the result, element %zu", at);
    free(written);
}

/* The same product in several calls, cut between any rows and between panels, gives the same bits. */
static void cut(gemm_bf16_fn *fn, problem *p)
{
    const gemm_bf16_args *g = &p->g;
    void *c = g->c ? (void *)g->c : g->c_bf16, *whole = allocate(p->c_count, p->c_size);
    if (p->c_count) {
        memcpy(whole, c, p->c_count * p->c_size);
        memcpy(c, p->initial, p->c_count * p->c_size);
    }
    for (size_t j = 0; j < g->n;) {
        const size_t columns = NR * random_from(1, 3), n = g->n - j < columns ? g->n - j : columns;
        for (size_t i = 0; i < g->m;) {
            const size_t rows = random_from(1, 40), m = g->m - i < rows ? g->m - i : rows;
            const size_t row = g->c_rows ? 0 : i; /* of C and the residual */
            gemm_bf16_args part = *g;
            part.m = m, part.n = n;
            part.a += i * g->lda;
            part.b += j / NR * g->b_stride;
            if (g->c)
                part.c += row * g->ldc + j;
            else
                part.c_bf16 += row * g->ldc + j;
            if (g->c_rows)
                part.c_rows += i;
            if (g->add)
                part.add += i * g->ldadd + j;
            if (g->add_bf16)
                part.add_bf16 += i * g->ldadd + j;
            if (g->add_scale)
                part.add_scale += i;
            if (g->row_scale)
                part.row_scale += i;
            if (g->bias)
                part.bias += j;
            if (g->residual)
                part.residual += row * g->ldr + j;
            fn(&part);
            i += m;
        }
        j += n;
    }
    same_bytes("C of several calls", c, whole, p->c_count, p->c_size);
    free(whole);
}

static void try(gemm_bf16_fn *fn, size_t m, size_t n, size_t k, activation act)
{
    problem p = make(m, n, k, act);
    fn(&p.g);
    compare(&p);
    cut(fn, &p);
    free(p.initial);
    operands_end();
}

/* A NaN in a row of A or a column of B makes that row or column NaN and no other. */
static void try_nan(gemm_bf16_fn *fn, activation act)
{
    const size_t m = 35, n = 40, k = 50, row = random_below(m), column = random_below(n);
    uint16_t *a = matrix_bf16(m, k, k, VALUES_PLAIN), *b = operand(2 * 64 * NR, sizeof *b);
    memcpy(b, make_b(n, k, 64, 64 * NR, VALUES_PLAIN), 2 * 64 * NR * sizeof *b);
    describe("a NaN in row %zu and in column %zu", row, column);
    a[row * k + 3] = 0x7FC0;
    b[column / NR * 64 * NR + (4 / 2 * NR + column % NR) * 2] = 0x7FC0;
    float *c = operand_f32(m * n);
    fn(&(gemm_bf16_args){
        .m = m, .n = n, .k = k, .a = a, .lda = k, .b = b, .b_stride = 64 * NR, .c = c, .ldc = n, .act = act});
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
            if (!isnan(c[i * n + j]) != (i != row && j != column))
                fail("C[%zu, %zu] is %g", i, j, (double)c[i * n + j]);
    operands_end();
}

void check_gemm_bf16(const check *t, gemm_bf16_fn *fn)
{
    (void)t;
    const size_t tails[] = {1, 8, 9, 15, 16, 17, 24, 25, 31, 32, 33, 56, 72, 80, 96};
    for (size_t m = 1; m <= 35 && !given_up(); m++)
        for (size_t i = 0; i < sizeof tails / sizeof *tails; i++)
            try(fn, m, tails[i], random_from(1, 100), (activation)random_below(3));
    for (int i = 0; i < 250 && !given_up(); i++)
        try(fn, random_from(1, 130), random_from(1, 130), random_from(0, 200), (activation)random_below(3));
    for (size_t k = 0; k < 70; k++)
        try(fn, 33, 35, k, ACT_NONE);
    try(fn, 0, 32, 5, ACT_NONE);
    try(fn, 32, 0, 5, ACT_NONE);
    /* Long sums, and more rows than a block that a variant may keep in cache. */
    try(fn, 33, 33, 4608, ACT_NONE);
    try(fn, 600, 3, 300, ACT_GELU);
    try(fn, 1030, 70, 40, ACT_NONE);
    /* More of B than the second-level cache keeps beside the rest. */
    try(fn, 40, 300, 1024, ACT_NONE);
    try(fn, 70, 300, 1030, ACT_GELU);
    try_nan(fn, ACT_NONE);
    try_nan(fn, ACT_GELU);
}

/* ---- timing ---- */

static void run(void *arg)
{
    const void *const *pair = arg;
    (*(gemm_bf16_fn *const *)pair[0])(pair[1]);
}

void bench_gemm_bf16(const check *t, gemm_bf16_fn *fn)
{
    enum {
        NARROW = 1, /* to bfloat16 */
        ALONE = 2,  /* no bias either: nothing but the product */
        ZEROS = 4,  /* operands that cost less power, so that the clock stays up */
        ADDED = 8   /* to C itself */
    };
    static const struct {
        size_t m, n, k;
        activation act;
        unsigned kind;
    } shapes[] = {
        {256, 288, 96, ACT_NONE, NARROW},
        {256, 384, 96, ACT_GELU, NARROW},
        {256, 96, 384, ACT_NONE, 0},
        {256, 576, 192, ACT_NONE, NARROW},
        {256, 768, 192, ACT_GELU, NARROW},
        {256, 192, 768, ACT_NONE, 0},
        {196, 1152, 384, ACT_NONE, NARROW},
        {256, 1536, 384, ACT_GELU, NARROW},
        {256, 384, 1536, ACT_NONE, 0},
        {256, 2304, 576, ACT_GELU, NARROW},
        {256, 576, 2304, ACT_NONE, 0},
        {256, 4608, 1152, ACT_GELU, NARROW},
        {256, 1152, 4608, ACT_NONE, 0},
        {64, 64, 96, ACT_NONE, 0},
        {64, 96, 64, ACT_NONE, NARROW},
        {128, 512, 96, ACT_NONE, 0},
        {128, 96, 512, ACT_NONE, 0},
        {112, 512, 56, ACT_NONE, ALONE},
        {112, 56, 512, ACT_NONE, ALONE},
        {196, 196, 56, ACT_NONE, ALONE},
        {196, 72, 196, ACT_NONE, ALONE},
        {8, 256, 256, ACT_NONE, 0},
        {196, 448, 448, ACT_NONE, 0},
        {196, 448, 448, ACT_NONE, ADDED},
        {112, 448, 896, ACT_NONE, ADDED},
        {4096, 256, 256, ACT_NONE, 0},
        {256, 432, 144, ACT_NONE, NARROW},
        {512, 768, 576, ACT_GELU, NARROW},
        {512, 768, 576, ACT_GELU, NARROW | ZEROS},
        {256, 256, 192, ACT_NONE, ALONE},
        {256, 256, 192, ACT_NONE, ALONE | ZEROS},
        {256, 256, 576, ACT_NONE, ALONE},
        {256, 256, 576, ACT_NONE, ALONE | ZEROS},
    };
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        const size_t m = shapes[s].m, n = shapes[s].n, k = shapes[s].k, elements = gemm_bf16_packed(n, k);
        const size_t lda = ((k + 31) / 32 | 1) * 32; /* as operators have it */
        const unsigned kind = shapes[s].kind;
        uint16_t *a = aligned(m * lda, sizeof *a), *b = aligned(elements, sizeof *b);
        float *c = aligned(m * n, sizeof *c), *bias = allocate(n, sizeof *bias);
        for (size_t i = 0; i < m * lda && !(kind & ZEROS); i++)
            a[i] = ref_to_bf16(random_value(VALUES_PLAIN));
        for (size_t i = 0; i < elements && !(kind & ZEROS); i++)
            b[i] = ref_to_bf16(random_value(VALUES_PLAIN));
        gemm_bf16_args g = {.m = m, .n = n, .k = k, .a = a, .lda = lda, .b = b, .ldc = n};
        g.bias = kind & ALONE ? NULL : bias;
        g.b_stride = gemm_bf16_packed(1, k);
        g.act = shapes[s].act;
        g.c = kind & NARROW ? NULL : c;
        g.c_bf16 = kind & NARROW ? (void *)c : NULL;
        g.residual = kind & ADDED ? c : NULL;
        g.ldr = n;
        char text[64];
        snprintf(text, sizeof text, "m %zu n %zu k %zu%s%s%s%s%s", m, n, k, kind & NARROW ? " bf16" : "",
                 g.act == ACT_GELU ? " gelu" : "", kind & ALONE ? " alone" : "", kind & ZEROS ? " zeros" : "",
                 kind & ADDED ? " added" : "");
        const void *pair[2] = {&fn, &g};
        bench(t, text, 2.0 * (double)m * (double)n * (double)k, "GFLOP/s", run, (void *)pair);
        free(a);
        free(b);
        free(c);
        free(bias);
    }
}
