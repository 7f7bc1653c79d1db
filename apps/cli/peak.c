#define _GNU_SOURCE /* syscall */
#include "peak.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#endif

/* ---- what the machine has ---- */

typedef enum feature { ANY, AVX2, AVX512, AVX512BF16, AVX512VNNI, AVXVNNI, AMX_BF16, AMX_INT8 } feature;

#if defined(__x86_64__)
static uint64_t saved_state(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/* Linux lends the tiles to a process that asks for them. */
static int tiles_granted(void)
{
    enum { REQUEST = 0x1023, TILE_DATA = 18 }; /* ARCH_REQ_XCOMP_PERM */
    return syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
}

static int has(feature what)
{
    const uint32_t fma = 1u << 12, osxsave = 1u << 27, avx2 = 1u << 5, foundation = 1u << 16;
    const uint64_t ymm = 0x6, zmm = 0xE6, tiles = 3u << 17; /* parts of the state that the system saves */
    uint32_t a, b, c, d, a1 = 0, unused;
    uint64_t state;
    if (what == ANY)
        return 1;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & fma) || !(c & osxsave))
        return 0;
    state = saved_state();
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (state & ymm) != ymm || !(b & avx2))
        return 0;
    if (a >= 1)
        __get_cpuid_count(7, 1, &a1, &unused, &unused, &unused);
    int wide = (state & zmm) == zmm && (b & foundation);
    switch (what) {
    case AVX512:
        return wide;
    case AVX512BF16:
        return wide && (a1 & 1u << 5);
    case AVX512VNNI:
        return wide && (c & 1u << 11);
    case AVXVNNI:
        return (a1 & 1u << 4) != 0;
    case AMX_BF16:
        return (state & tiles) == tiles && (d & 1u << 24) && (d & 1u << 22) && tiles_granted();
    case AMX_INT8:
        return (state & tiles) == tiles && (d & 1u << 24) && (d & 1u << 25) && tiles_granted();
    default:
        return 1;
    }
}
#else
static int has(feature what)
{
    return what == ANY;
}
#endif

/* Products and sums written in plain C, for what has no file of its own; the compiler makes vectors of them. */
float peak_plain_f32(long count)
{
    enum { LANES = 48 };
    volatile float start = 0.5f;
    float sum[LANES], factor = start, total = 0.0f;
    for (int i = 0; i < LANES; i++)
        sum[i] = factor * (float)i;
    while (count--)
        for (int i = 0; i < LANES; i++)
            sum[i] = sum[i] * factor + factor;
    for (int i = 0; i < LANES; i++)
        total += sum[i];
    return total;
}

typedef struct candidate {
    peak_kind kind;
    feature needs;
    const char *instruction;
    peak_loop *loop;
    double work; /* operations a round of the loop */
} candidate;

/* The best of a kind first. */
static const candidate candidates[] = {
#if defined(__x86_64__)
    {PEAK_F32, AVX512, "vfmadd zmm", peak_avx512_f32, 24 * 16 * 2},
    {PEAK_F32, AVX2, "vfmadd ymm", peak_avx2_f32, 24 * 8 * 2},
    {PEAK_BF16, AMX_BF16, "tdpbf16ps", peak_amx_bf16, 6 * 16 * 16 * 32 * 2},
    {PEAK_BF16, AVX512BF16, "vdpbf16ps zmm", peak_avx512_bf16, 24 * 32 * 2},
    {PEAK_INT8, AMX_INT8, "tdpbssd", peak_amx_int8, 6 * 16 * 16 * 64 * 2},
    {PEAK_INT8, AVX512VNNI, "vpdpbusd zmm", peak_avx512_int8, 24 * 64 * 2},
    {PEAK_INT8, AVXVNNI, "vpdpbusd ymm", peak_avxvnni_int8, 24 * 32 * 2},
#endif
    {PEAK_F32, ANY, "plain C", peak_plain_f32, 48 * 2},
};

/* ---- running something on several threads at once ---- */

enum { WAIT, GO, GIVE_UP };

typedef struct team {
    void (*work)(void *job, int index);
    void *job;
    atomic_int state;
} team;

typedef struct member {
    team *team;
    int index;
    double start, end;
    pthread_t thread;
} member;

static void *member_main(void *argument)
{
    member *m = argument;
    int state;
    while ((state = atomic_load(&m->team->state)) == WAIT)
        sched_yield();
    m->start = now_ms();
    if (state == GO)
        m->team->work(m->team->job, m->index);
    m->end = now_ms();
    return NULL;
}

/* Milliseconds from the first to start to the last to end; negative when the threads cannot be had. */
static double together(int threads, void (*work)(void *job, int index), void *job)
{
    team t = {.work = work, .job = job, .state = WAIT};
    member *members = calloc((size_t)threads, sizeof *members);
    int started = 1; /* this one */
    if (!members)
        return -1.0;
    for (int i = 0; i < threads; i++)
        members[i] = (member){.team = &t, .index = i};
    while (started < threads && !pthread_create(&members[started].thread, NULL, member_main, &members[started]))
        started++;
    atomic_store(&t.state, started == threads ? GO : GIVE_UP);
    member_main(&members[0]);
    double start = members[0].start, end = members[0].end;
    for (int i = 1; i < started; i++) {
        pthread_join(members[i].thread, NULL);
        start = members[i].start < start ? members[i].start : start;
        end = members[i].end > end ? members[i].end : end;
    }
    free(members);
    return started == threads ? end - start : -1.0;
}

/* ---- arithmetic ---- */

typedef struct loop_job {
    peak_loop *loop;
    long count;
} loop_job;

static void run_loop(void *job, int index)
{
    const loop_job *j = job;
    volatile float kept = j->loop(j->count);
    (void)kept;
    (void)index;
}

static double best_rate(const candidate *c, int threads)
{
    enum { ROUNDS = 8 };
    const double wanted_ms = 8.0;
    loop_job job = {c->loop, 1000};
    double best = 0.0, ms;
    while ((ms = together(1, run_loop, &job)) < 1.0 && ms >= 0.0) /* warms up, too */
        job.count *= 4;
    if (ms < 0.0)
        return 0.0;
    job.count = (long)((double)job.count * wanted_ms / ms) + 1;
    for (int i = 0; i < ROUNDS; i++) {
        ms = together(threads, run_loop, &job);
        if (ms > 0.0 && c->work * (double)job.count * threads / ms * 1e-6 > best)
            best = c->work * (double)job.count * threads / ms * 1e-6;
    }
    return best;
}

peak peak_measure(peak_kind kind, int threads)
{
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++)
        if (candidates[i].kind == kind && has(candidates[i].needs))
            return (peak){best_rate(&candidates[i], threads), candidates[i].instruction};
    return (peak){0.0, NULL};
}

/* ---- memory ---- */

typedef struct read_job {
    const uint64_t *words;
    size_t count; /* of a thread's part, a multiple of 32 */
} read_job;

static void read_part(void *job, int index)
{
    enum { LANES = 32 }; /* independent sums, so that additions do not wait for each other */
    const read_job *j = job;
    const uint64_t *at = j->words + j->count * (size_t)index, *end = at + j->count;
    uint64_t sum[LANES] = {0}, total = 0;
    volatile uint64_t kept;
    for (; at < end; at += LANES)
        for (int i = 0; i < LANES; i++)
            sum[i] += at[i];
    for (int i = 0; i < LANES; i++)
        total += sum[i];
    kept = total;
    (void)kept;
}

/* Twice the last cache, within a quarter of what memory is free. */
static size_t read_bytes(void)
{
    const size_t least = (size_t)256 << 20, most = (size_t)1 << 30;
    long cache = sysconf(_SC_LEVEL3_CACHE_SIZE), pages = sysconf(_SC_AVPHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    size_t bytes = cache > 0 && (size_t)cache * 2 > least ? (size_t)cache * 2 : least;
    bytes = bytes > most ? most : bytes;
    if (pages > 0 && page > 0 && bytes > (size_t)pages / 4 * (size_t)page)
        bytes = (size_t)pages / 4 * (size_t)page;
    return bytes;
}

double peak_read(int threads)
{
    enum { ROUNDS = 3 };
    size_t bytes = read_bytes();
    read_job job;
    double best = 0.0;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return 0.0;
    memset(memory, 1, bytes); /* pages that were never written are all one page */
    job = (read_job){memory, bytes / sizeof(uint64_t) / (size_t)threads / 32 * 32};
    for (int i = 0; i < ROUNDS && job.count; i++) {
        double ms = together(threads, read_part, &job);
        double rate = ms > 0.0 ? (double)job.count * (double)threads * sizeof(uint64_t) / ms * 1e-6 : 0.0;
        best = rate > best ? rate : best;
    }
    munmap(memory, bytes);
    return best;
}
