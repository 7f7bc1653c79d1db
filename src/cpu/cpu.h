/* Which instruction sets are usable here: what the processor has and the operating system saves. */
#ifndef CPU_CPU_H
#define CPU_CPU_H

#include <stdbool.h>

/* Levels that kernels are written for, each with all that its files are compiled for. Those of one architecture ascend:
 * a higher level includes the lower ones. */
typedef enum cpu_isa {
    CPU_REF = 0,        /* plain C; what the compiler emits for the base architecture */
    CPU_AVX2 = 1,       /* AVX2, FMA, F16C, BMI2 */
    CPU_AVX512 = 2,     /* AVX-512 F, BW, DQ, VL, CD on top of AVX2 */
    CPU_AVX512BF16 = 3, /* AVX512-BF16: dot products of pairs */
    CPU_AMX = 4,        /* AMX tiles of bfloat16 on top of AVX512-BF16 */
    CPU_NEON = 5,       /* Armv8-A; no kernels yet */
    CPU_ISA_COUNT
} cpu_isa;

/* True when level `isa` can run on this machine. Asking for AMX asks the kernel for the process's leave to use the tile
 * registers, once. */
bool cpu_has(cpu_isa isa);

/* True where products of bfloat16 are faster than float32 ones with levels up to `limit`: with AMX, or with AVX512-BF16
 * where its dot products run at full rate. Intel's do two products in the time of four float32 multiply-adds. */
bool cpu_bf16_pays(cpu_isa limit);

/* "ref", "avx2", "avx512", "avx512bf16", "amx", "neon". */
const char *cpu_isa_name(cpu_isa isa);

/* The level with this name; false when there is none. */
bool cpu_isa_from_name(const char *name, cpu_isa *isa);

/* Processors that this process may use (its affinity mask), at least 1. */
int cpu_count(void);

/* The processor's own name for itself, such as "AMD EPYC 9554", or "unknown". `out` holds at least 64 bytes. */
void cpu_brand(char *out);

#endif
