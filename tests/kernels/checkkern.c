/* Compares every variant of every kernel with the plain one and with computations in float64: program for tests, and
 * with --bench for timing.
 *
 *     checkkern [--seed N] [--isa NAME] [--op NAME] [--bench]
 *
 * The seed is printed; a failure comes again with it, also when --isa and --op leave other kernels out. */
#define _GNU_SOURCE

#include "kernels/check.h"
#include "kernels/state.h"

#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    ISA_ref = CPU_REF,
    ISA_avx2 = CPU_AVX2,
    ISA_avx512 = CPU_AVX512,
    ISA_avx512bf16 = CPU_AVX512BF16,
    ISA_amx = CPU_AMX,
    ISA_neon = CPU_NEON
};

/* Calls through the kernel's own type, for a list of one type. */
#define OP(op)
#define BLOCK_NAME(name)
#define BLOCK(name, isa, value)
#define KERNEL(op, isa)                                                                                                \
    static void check_##op##_##isa(const check *t)                                                                     \
    {                                                                                                                  \
        check_##op(t, k_##op##_##isa);                                                                                 \
    }                                                                                                                  \
    static void bench_##op##_##isa(const check *t)                                                                     \
    {                                                                                                                  \
        bench_##op(t, k_##op##_##isa);                                                                                 \
    }
#include "kernels/registry.inc"

static const struct entry {
    const char *op;
    cpu_isa isa;
    void (*check)(const check *t);
    void (*bench)(const check *t);
} entries[] = {
#define OP(op)
#define BLOCK_NAME(name)
#define BLOCK(name, isa, value)
#define KERNEL(op, isa) {#op, (cpu_isa)ISA_##isa, check_##op##_##isa, bench_##op##_##isa},
#include "kernels/registry.inc"
};

/* ---- crashes ---- */

static sigjmp_buf escape;
static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};

static void crashed(int signal)
{
    siglongjmp(escape, signal);
}

static void catch_crashes(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = crashed;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
        sigaction(fatal[i], &action, NULL);
}

/* Runs one check; true when it found nothing. */
static bool passes(const struct entry *e, uint64_t seed)
{
    check t;
    memset(&t, 0, sizeof t);
    t.op = e->op;
    t.isa = e->isa;
    kernels_select(&t.table, e->isa);
    for (const char *c = e->op; *c; c++) /* each kernel has its own numbers, whatever runs before it */
        seed = seed * 31 + (unsigned char)*c;
    random_seed(seed + (uint64_t)e->isa);
    failures_start();
    int signal = sigsetjmp(escape, 1);
    if (signal == 0)
        e->check(&t);
    else {
        fail("ended by signal %d (%s)", signal, strsignal(signal));
        operands_forget();
    }
    return failures_count() == 0;
}

/* The table of each level is complete, whatever this machine has of it. */
static bool selects(cpu_isa limit)
{
    kernels table;
    failures_start();
    describe("kernels_select(%s)", cpu_isa_name(limit));
    kernels_select(&table, limit);
    if (table.isa > limit || !cpu_has(table.isa))
        fail("the table's level is %s", cpu_isa_name(table.isa));
#define OP(op)                                                                                                         \
    if (!table.op)                                                                                                     \
        fail("no %s", #op);
#define BLOCK_NAME(name)                                                                                               \
    if (table.name == 0)                                                                                               \
        fail("%s is 0", #name);
#define KERNEL(op, isa)
#define BLOCK(name, isa, value)
#include "kernels/registry.inc"
    return failures_count() == 0;
}

int main(int argc, char **argv)
{
    uint64_t seed = (uint64_t)time(NULL);
    const char *op = NULL;
    cpu_isa isa = CPU_ISA_COUNT;
    bool timing = false;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--bench") == 0)
            timing = true;
        else if (strcmp(argv[i], "--seed") == 0 && value)
            seed = strtoull(argv[++i], NULL, 0);
        else if (strcmp(argv[i], "--op") == 0 && value)
            op = argv[++i];
        else if (strcmp(argv[i], "--isa") == 0 && value && cpu_isa_from_name(value, &isa))
            i++;
        else {
            fprintf(stderr, "usage: checkkern [--seed N] [--isa NAME] [--op NAME] [--bench]\n");
            return 2;
        }
    }
    printf("seed %" PRIu64 "\n", seed);
    unsigned passed = 0, failed = 0, skipped = 0;
    if (timing)
        for (int i = CPU_AVX2; i < CPU_ISA_COUNT; i++)
            if (cpu_has((cpu_isa)i) && i != CPU_AVX512BF16 && i != CPU_NEON)
                printf("%s: %.1f GFLOP/s of float32 multiply-adds in registers\n", cpu_isa_name((cpu_isa)i),
                       peak_gflops((cpu_isa)i));
    if (!timing && !op)
        for (int i = 0; i < CPU_ISA_COUNT; i++)
            *(selects((cpu_isa)i) ? &passed : &failed) += 1;
    catch_crashes();
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        const struct entry *e = &entries[i];
        if ((op && strcmp(op, e->op) != 0) || (isa != CPU_ISA_COUNT && isa != e->isa))
            continue;
        char result[64];
        if (!cpu_has(e->isa)) {
            snprintf(result, sizeof result, "skipped: this processor lacks it");
            skipped++;
        } else if (timing) {
            check t = {.op = e->op, .isa = e->isa};
            kernels_select(&t.table, e->isa);
            random_seed(seed);
            e->bench(&t);
            continue;
        } else if (passes(e, seed)) {
            if (largest_error() > 0.0)
                snprintf(result, sizeof result, "passed, errors up to %.2f of the limit", largest_error());
            else
                snprintf(result, sizeof result, "passed, exact");
            passed++;
        } else {
            snprintf(result, sizeof result, "FAILED");
            failed++;
        }
        printf("%-20s %-10s %s\n", e->op, cpu_isa_name(e->isa), result);
        fflush(stdout);
    }
    if (timing)
        return 0;
    printf("%u passed, %u failed, %u skipped\n", passed, failed, skipped);
    return failed || passed + skipped == 0;
}
