/* The operators whose float32 products are gemm_split's: near those by gemm_f32, the same for any number of threads, in
 * scratch memory that is large enough. Where no instruction set of this machine has such products the plain kernel
 * stands for them: what the operators do around it is the same. */
#include "ops/ops.h"
#include "support/cmocka_all.h"
#include "support/fixture.h"

#include "base/checked.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static atomic_uint calls; /* of gemm_split */
static gemm_split_fn *within;

/* Uses all the scratch memory that is promised: the arena's red zones, or NaN in a neighbour, show when it is less. */
static void split(const gemm_f32_args *args)
{
    atomic_fetch_add(&calls, 1);
    assert_non_null(args->scratch);
    assert_int_equal((uintptr_t)args->scratch % 64, 0);
    memset(args->scratch, 0xff, gemm_split_scratch(args->k));
    within(args);
}

typedef struct bench {
    kernels k; /* which has gemm_split; layers with `many` use it */
    uint32_t seed;
    float *made[32];
    size_t count;
} bench;

static bench start(cpu_isa isa)
{
    bench b = {.seed = 1};
    kernels_select(&b.k, isa);
    if (b.k.gemm_split_rows == 1) {
        kernels_select(&b.k, CPU_REF); /* its panels are the plain kernel's */
        b.k.gemm_split_rows = 64;
    }
    within = b.k.gemm_split;
    b.k.gemm_split = split;
    return b;
}

static void end(bench *b)
{
    for (size_t i = 0; i < b->count; i++)
        free(b->made[i]);
}

static float *floats(bench *b, size_t count)
{
    float *x = aligned_alloc(64, round_up(count * sizeof *x, 64));
    assert_non_null(x);
    assert_true(b->count < sizeof b->made / sizeof *b->made);
    b->made[b->count++] = x;
    return x;
}

static float *values(bench *b, size_t count, float size)
{
    float *x = floats(b, count);
    for (size_t i = 0; i < count; i++) {
        b->seed = b->seed * 1664525u + 1013904223u;
        x[i] = size * ((float)(b->seed >> 8) / (float)(1u << 23) - 1.0f);
    }
    return x;
}

static linear layer(bench *b, size_t n, size_t k)
{
    const float *weights = values(b, n * k, 1.0f / sqrtf((float)k));
    float *packed = floats(b, ops_packed_floats(&b->k, n, k));
    b->k.pack_nk_f32(n, k, weights, k, packed);
    return (linear){.n = n, .k = k, .packed = packed, .bias = values(b, n, 0.1f)};
}

static norm normalisation(bench *b, size_t channels)
{
    return (norm){.gamma = values(b, channels, 1.0f), .beta = values(b, channels, 0.1f), .eps = 1e-6f};
}

/* One of the operators, with or without `many`; the result goes to y, which it may read. */
typedef void operation(const exec *ex, void *arguments, bool many, float *y);

static void run(const bench *b, operation *op, void *arguments, bool many, int threads, float *y)
{
    sam2_error error;
    pool *p;
    need_ok(pool_create(&alloc_default, threads, &p, &error), &error);
    arena measure = {0};
    exec ex = {&b->k, p, &measure, NULL};
    op(&ex, arguments, many, y);
    arena real = {.base = aligned_alloc(64, round_up(measure.peak + 64, 64)), .capacity = measure.peak};
    assert_non_null(real.base);
    ex.arena = &real;
    op(&ex, arguments, many, y);
    arena_open(&real);
    free(real.base);
    pool_destroy(p);
}

/* `start` is what y has before: the operators' inputs are of the size of 1, and float32 sums in another order differ by
 * some 1e-7 of them. */
static void hold(bench *b, const char *name, operation *op, void *arguments, const float *start, size_t count)
{
    float *one = floats(b, count), *other = floats(b, count), *plain = floats(b, count);
    memcpy(one, start, count * sizeof *one);
    memcpy(other, start, count * sizeof *one);
    memcpy(plain, start, count * sizeof *one);
    atomic_store(&calls, 0);
    run(b, op, arguments, false, 1, plain);
    assert_int_equal(atomic_load(&calls), 0);
    run(b, op, arguments, true, 1, one);
    const unsigned first = atomic_load(&calls);
    assert_true(first > 0);
    run(b, op, arguments, true, 3, other);
    assert_int_equal(atomic_load(&calls), 2 * first);
    if (memcmp(one, other, count * sizeof *one) != 0)
        fail_msg("%s: three threads give other bits than one", name);
    double off = 0.0, all = 0.0;
    for (size_t i = 0; i < count; i++) {
        off += ((double)one[i] - (double)plain[i]) * ((double)one[i] - (double)plain[i]);
        all += (double)plain[i] * (double)plain[i];
    }
    if (!(sqrt(off / all) < 2e-6)) /* NaN fails */
        fail_msg("%s: %g off", name, sqrt(off / all));
}

#define ROWS 333

typedef struct linear_case {
    norm norm;
    linear first, second;
    const float *x;
} linear_case;

static void one_layer(const exec *ex, void *arguments, bool many, float *y)
{
    linear_case c = *(linear_case *)arguments;
    c.first.many = many;
    op_linear(ex, &c.first, ROWS, c.x, c.first.k, y, c.first.n, ACT_NONE, y, c.first.n);
}

static void norm_layer(const exec *ex, void *arguments, bool many, float *y)
{
    linear_case c = *(linear_case *)arguments;
    c.first.many = many;
    op_norm_linear(ex, &c.norm, &c.first, ROWS, c.x, y, c.first.n);
}

static void two_layers(const exec *ex, void *arguments, bool many, float *y)
{
    linear_case c = *(linear_case *)arguments;
    c.first.many = c.second.many = many;
    op_two_layers(ex, &c.norm, &c.first, ACT_GELU, &c.second, ROWS, y, y, y);
}

/* A hidden layer of 1000 is taken in parts of 512 and 488, whose products want scratch memory of their own sizes. */
static void layers(cpu_isa isa)
{
    bench b = start(isa);
    linear_case c = {normalisation(&b, 72), layer(&b, 1000, 72), layer(&b, 72, 1000), values(&b, ROWS * 72, 1.0f)};
    const float *y = values(&b, ROWS * 1000, 1.0f);
    hold(&b, "op_linear", one_layer, &c, y, ROWS * 1000);
    hold(&b, "op_norm_linear", norm_layer, &c, y, ROWS * 1000);
    hold(&b, "op_two_layers", two_layers, &c, y, ROWS * 72);
    end(&b);
}

static void windows(const exec *ex, void *arguments, bool many, float *y)
{
    window_args a = *(window_args *)arguments;
    linear qkv = *a.qkv, proj = *a.proj, shortcut = a.shortcut ? *a.shortcut : (linear){0};
    qkv.many = proj.many = shortcut.many = many;
    a.qkv = &qkv, a.proj = &proj, a.shortcut = a.shortcut ? &shortcut : NULL;
    if (!a.x)
        a.x = y;
    a.y = y;
    op_window_attention(ex, &a);
}

/* Windows of 144 tokens, whose attention is split too, and of 36, whose is not; some reach beyond the map. */
static void window_attention(cpu_isa isa)
{
    bench b = start(isa);
    const norm n = normalisation(&b, 48);
    const linear qkv = layer(&b, 3 * 64, 48), proj = layer(&b, 64, 64), shortcut = layer(&b, 64, 48),
                 square = layer(&b, 3 * 48, 48), back = layer(&b, 48, 48);
    const float *x = values(&b, 20 * 28 * 48, 1.0f);
    const relative_positions relative = {values(&b, 23 * 24, 0.3f), values(&b, 23 * 24, 0.3f)};
    window_args a = {.norm = &n, .qkv = &square, .proj = &back, .heads = 2, .window = 12, .height = 20, .width = 28};
    a.dim_in = a.dim_out = 48;
    hold(&b, "windows of 144", windows, &a, x, 20 * 28 * 48);
    a.relative = &relative;
    hold(&b, "windows with relative positions", windows, &a, x, 20 * 28 * 48);
    a.relative = NULL, a.window = 6;
    hold(&b, "windows of 36", windows, &a, x, 20 * 28 * 48);
    a.window = 12, a.qkv = &qkv, a.proj = &proj, a.shortcut = &shortcut, a.dim_out = 64, a.pool = true, a.x = x;
    hold(&b, "windows with pooling", windows, &a, x, 10 * 14 * 64);
    end(&b);
}

static void global(const exec *ex, void *arguments, bool many, float *y)
{
    global_args a = *(global_args *)arguments;
    linear qkv = *a.qkv, proj = *a.proj;
    qkv.many = proj.many = many;
    a.qkv = &qkv, a.proj = &proj, a.x = y;
    op_global_attention(ex, &a);
}

/* 576 keys: a tile of 512 and one of 64. */
static void global_attention(cpu_isa isa)
{
    bench b = start(isa);
    const norm n = normalisation(&b, 48);
    const linear qkv = layer(&b, 3 * 48, 48), proj = layer(&b, 48, 48);
    const relative_positions relative = {values(&b, 47 * 24, 0.3f), values(&b, 47 * 24, 0.3f)};
    const float *x = values(&b, 576 * 48, 1.0f);
    global_args a = {.norm = &n, .qkv = &qkv, .proj = &proj, .heads = 2, .tokens = 576, .side = 24};
    hold(&b, "global attention", global, &a, x, 576 * 48);
    a.relative = &relative;
    hold(&b, "global attention with relative positions", global, &a, x, 576 * 48);
    end(&b);
}

/* The plain kernel, and this machine's where it has one. */
static void on_each(void (*test)(cpu_isa isa))
{
    test(CPU_REF);
    if (cpu_has(CPU_AMX))
        test(CPU_AMX);
}

static void split_layers(void **state)
{
    (void)state;
    on_each(layers);
}

static void split_windows(void **state)
{
    (void)state;
    on_each(window_attention);
}

static void split_global(void **state)
{
    (void)state;
    on_each(global_attention);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(split_layers), cmocka_unit_test(split_windows),
                                       cmocka_unit_test(split_global)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
