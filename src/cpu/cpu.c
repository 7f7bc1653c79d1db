#define _GNU_SOURCE

#include "cpu/cpu.h"

#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const names[CPU_ISA_COUNT] = {"ref", "avx2", "avx512", "avx512bf16", "amx", "neon"};

#if defined(__x86_64__)
#include <cpuid.h>

static unsigned long long xgetbv0(void)
{
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (unsigned long long)high << 32 | low;
}

/* Linux gives a process the 8 KiB of tile registers only when it asks. Old kernels do not know the call. */
static bool may_use_tiles(void)
{
    const int request_permission = 0x1023, tile_data = 18;
    return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}

bool cpu_has(cpu_isa isa)
{
    unsigned a, b, c, d;
    if (isa == CPU_REF)
        return true;
    if (isa == CPU_NEON || !__get_cpuid(1, &a, &b, &c, &d))
        return false;
    const unsigned fma = 1u << 12, osxsave = 1u << 27, avx = 1u << 28, f16c = 1u << 29;
    const unsigned need1 = fma | osxsave | avx | f16c;
    if ((c & need1) != need1)
        return false;
    const unsigned long long state = xgetbv0();
    const unsigned long long ymm = 0x6, zmm = 0xE6; /* SSE, AVX; and opmask, ZMM0-15 high halves, ZMM16-31 */
    if ((state & ymm) != ymm || !__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return false;
    const unsigned avx2 = 1u << 5, bmi2 = 1u << 8;
    if ((b & (avx2 | bmi2)) != (avx2 | bmi2))
        return false;
    if (isa == CPU_AVX2)
        return true;
    const unsigned avx512 = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31; /* F, DQ, CD, BW, VL */
    if ((state & zmm) != zmm || (b & avx512) != avx512)
        return false;
    if (isa == CPU_AVX512)
        return true;
    const unsigned amx = 1u << 22 | 1u << 24; /* BF16, TILE */
    const bool tiles = (d & amx) == amx;
    if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || !(a & 1u << 5))
        return false;
    if (isa == CPU_AVX512BF16)
        return true;
    return tiles && (state >> 17 & 3) == 3 && may_use_tiles(); /* XTILECFG, XTILEDATA */
}

bool cpu_bf16_pays(cpu_isa limit)
{
    unsigned a, b, c, d;
    const unsigned intel = 0x756E6547; /* "Genu", of "GenuineIntel" */
    if (limit >= CPU_AMX && cpu_has(CPU_AMX))
        return true;
    return limit >= CPU_AVX512BF16 && cpu_has(CPU_AVX512BF16) && __get_cpuid(0, &a, &b, &c, &d) && b != intel;
}

void cpu_brand(char *out)
{
    unsigned words[12];
    strcpy(out, "unknown");
    unsigned a, b, c, d;
    if (!__get_cpuid(0x80000000u, &a, &b, &c, &d) || a < 0x80000004u)
        return;
    for (unsigned i = 0; i < 3; i++)
        __get_cpuid(0x80000002u + i, &words[4 * i], &words[4 * i + 1], &words[4 * i + 2], &words[4 * i + 3]);
    char text[49] = {0};
    memcpy(text, words, 48);
    const char *start = text;
    while (*start == ' ')
        start++;
    if (*start)
        strcpy(out, start);
}
#else
bool cpu_has(cpu_isa isa)
{
#if defined(__aarch64__)
    return isa == CPU_REF || isa == CPU_NEON; /* part of the base architecture */
#else
    return isa == CPU_REF;
#endif
}

bool cpu_bf16_pays(cpu_isa limit)
{
    (void)limit;
    return false;
}

void cpu_brand(char *out)
{
    strcpy(out, "unknown");
}
#endif

const char *cpu_isa_name(cpu_isa isa)
{
    return names[isa];
}

bool cpu_isa_from_name(const char *name, cpu_isa *isa)
{
    for (int i = 0; i < CPU_ISA_COUNT; i++)
        if (strcmp(name, names[i]) == 0) {
            *isa = (cpu_isa)i;
            return true;
        }
    return false;
}

int cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return CPU_COUNT(&set);
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}
