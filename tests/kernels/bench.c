#define _GNU_SOURCE

#include "kernels/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#if defined(__x86_64__)
/* 12 independent sums hide the latency of two units; a loop of them does nothing else. */
#define TWELVE(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define CLOBBERS                                                                                                       \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",         \
        "xmm13", "cc"

static void loop_ymm(long count)
{
#define FMA(i) "vfmadd231ps %%ymm12, %%ymm13, %%ymm" #i "\n\t"
    __asm__ volatile("vpxor %%xmm12, %%xmm12, %%xmm12\n\tvpxor %%xmm13, %%xmm13, %%xmm13\n\t"
                     "1:\n\t" TWELVE(FMA) "dec %0\n\tjnz 1b\n\tvzeroupper"
                     : "+r"(count)
                     :
                     : CLOBBERS);
#undef FMA
}

static void loop_zmm(long count)
{
#define FMA(i) "vfmadd231ps %%zmm12, %%zmm13, %%zmm" #i "\n\t"
    __asm__ volatile("vpxor %%xmm12, %%xmm12, %%xmm12\n\tvpxor %%xmm13, %%xmm13, %%xmm13\n\t"
                     "1:\n\t" TWELVE(FMA) "dec %0\n\tjnz 1b\n\tvzeroupper"
                     : "+r"(count)
                     :
                     : CLOBBERS);
#undef FMA
}

double peak_gflops(cpu_isa isa)
{
    if (isa == CPU_REF)
        return 0.0; /* the base architecture has no multiply-add */
    const bool wide = isa >= CPU_AVX512;
    double best = 0.0;
    for (int i = 0; i < 3; i++) {
        const long count = 20000;
        double start = now();
        (wide ? loop_zmm : loop_ymm)(count);
        double rate = 12.0 * 2.0 * (wide ? 16.0 : 8.0) * (double)count / (now() - start) * 1e-9;
        best = rate > best ? rate : best;
    }
    return best;
}
#else
double peak_gflops(cpu_isa isa)
{
    (void)isa;
    return 0.0;
}
#endif

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Other programs on the machine change its speed from one moment to the next, so the peak is measured right before and
 * after each timing, and the median of both ratios counts. */
void bench(const check *t, const char *shape, double work, const char *unit, void (*run)(void *arg), void *arg)
{
    enum { RUNS = 15 };
    double rate[RUNS], share[RUNS];
    const bool flops = strcmp(unit, "GFLOP/s") == 0;
    run(arg);
    double start = now();
    run(arg);
    double once = now() - start;
    const long calls = once > 0.004 ? 1 : (long)(0.004 / (once + 1e-9)) + 1;
    for (int i = 0; i < RUNS; i++) {
        double peak = flops ? peak_gflops(t->isa) : 0.0;
        start = now();
        for (long c = 0; c < calls; c++)
            run(arg);
        rate[i] = work * (double)calls / (now() - start) * 1e-9;
        if (flops)
            share[i] = peak > 0.0 ? rate[i] / (0.5 * (peak + peak_gflops(t->isa))) : 0.0;
    }
    qsort(rate, RUNS, sizeof *rate, compare);
    printf("  %-18s %-8s %-34s %8.1f %-7s (best %.1f)", t->op, cpu_isa_name(t->isa), shape, rate[RUNS / 2], unit,
           rate[RUNS - 1]);
    if (flops && t->isa != CPU_REF) {
        qsort(share, RUNS, sizeof *share, compare);
        printf(", %.0f %% of the float32 peak", 100.0 * share[RUNS / 2]);
    }
    printf("\n");
    fflush(stdout);
}
