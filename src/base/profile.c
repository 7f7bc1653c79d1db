#define _POSIX_C_SOURCE 200809L

#include "base/profile.h"

#include <string.h>
#include <time.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

static _Thread_local profile_worker *here;

const char *profile_stage_name(profile_stage stage)
{
    static const char *const names[PROFILE_STAGES] = {
        "preprocess", "patch embedding", "trunk stage 0",  "trunk stage 1", "trunk stage 2", "trunk stage 3",
        "neck",       "features",        "prompt encoder", "mask decoder",  "mask upscale",  "result"};
    return names[stage];
}

const char *profile_operation_name(profile_operation operation)
{
    static const char *const names[PROFILE_OPERATIONS] = {"linear",     "linear + GELU", "attention products",
                                                          "softmax",    "packing",       "LayerNorm",
                                                          "activation", "resize",        "conversion"};
    return names[operation];
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t profile_ticks(void)
{
#if defined(__x86_64__)
    return __rdtsc();
#else
    return now_ns();
#endif
}

sam2_status profile_create(const sam2_allocator *a, int workers, profile **out, sam2_error *error)
{
    size_t bytes = sizeof(profile) + (size_t)workers * sizeof(profile_worker);
    void *memory;
    TRY(alloc_array(a, 1, bytes, "a profile", &memory, error));
    profile *p = memory;
    p->allocator = *a;
    p->bytes = bytes;
    p->workers = workers;
    for (int i = 0; i < workers; i++)
        p->worker[i].owner = p;
    *out = p;
    return SAM2_OK;
}

void profile_destroy(profile *p)
{
    if (!p)
        return;
    sam2_allocator a = p->allocator;
    alloc_release(&a, p, p->bytes);
}

void profile_clear(profile *p)
{
    memset(p->stages, 0, sizeof p->stages);
    p->total_ticks = p->total_ns = 0;
    for (int i = 0; i < p->workers; i++)
        memset(p->worker[i].cell, 0, sizeof p->worker[i].cell);
}

void profile_enter(profile *p, profile_stage stage)
{
    if (!p)
        return;
    p->outer = here;
    profile_attach(p, 0);
    p->stage = stage;
    p->enter_ns = now_ns();
    p->stage_start = p->enter_ticks = profile_ticks();
}

static void end_stage(profile *p)
{
    uint64_t now = profile_ticks();
    p->stages[p->stage].calls++;
    p->stages[p->stage].ticks += now - p->stage_start;
    p->stage_start = now;
}

void profile_leave(profile *p)
{
    if (!p)
        return;
    end_stage(p);
    p->total_ticks += p->stage_start - p->enter_ticks;
    p->total_ns += now_ns() - p->enter_ns;
    here = p->outer;
}

void profile_switch(profile *p, profile_stage stage)
{
    end_stage(p);
    p->stage = stage;
}

profile *profile_here(void)
{
    return here ? here->owner : NULL;
}

void profile_attach(profile *p, int worker)
{
    here = p ? &p->worker[worker] : NULL;
}

double profile_tick_ms(const profile *p)
{
    return p->total_ticks ? 1e-6 * (double)p->total_ns / (double)p->total_ticks : 0.0;
}

void profile_add(profile_operation operation, uint64_t start, uint64_t flop)
{
    profile_cell *cell = &here->cell[here->owner->stage][operation];
    cell->calls++;
    cell->ticks += profile_ticks() - start;
    cell->flop += flop;
}

profile_cell profile_sum(const profile *p, profile_stage stage, profile_operation operation)
{
    profile_cell sum = {0};
    for (int i = 0; i < p->workers; i++) {
        const profile_cell *cell = &p->worker[i].cell[stage][operation];
        sum.calls += cell->calls;
        sum.ticks += cell->ticks;
        sum.flop += cell->flop;
    }
    return sum;
}
