#include "kernels/kernels.h"

#include <string.h>

/* Levels by the registry's spelling. */
enum {
    ISA_ref = CPU_REF,
    ISA_avx2 = CPU_AVX2,
    ISA_avx512 = CPU_AVX512,
    ISA_avx512bf16 = CPU_AVX512BF16,
    ISA_amx = CPU_AMX,
    ISA_neon = CPU_NEON
};

void kernels_select(kernels *table, cpu_isa limit)
{
    memset(table, 0, sizeof *table);
    bool usable[CPU_ISA_COUNT];
    for (int i = 0; i < CPU_ISA_COUNT; i++)
        usable[i] = i <= (int)limit && cpu_has((cpu_isa)i);
#define OP(op)
#define BLOCK_NAME(name)
#define KERNEL(op, isa_)                                                                                               \
    if (usable[ISA_##isa_]) {                                                                                          \
        table->op = k_##op##_##isa_;                                                                                   \
        if (ISA_##isa_ > (int)table->isa)                                                                              \
            table->isa = (cpu_isa)ISA_##isa_;                                                                          \
    }
#define BLOCK(name, isa_, value)                                                                                       \
    if (usable[ISA_##isa_])                                                                                            \
        table->name = value;
#include "kernels/registry.inc"
}

bool kernels_at(const kernels *table, size_t index, const char **op, cpu_isa *isa)
{
#define OP(op) #op,
#define BLOCK_NAME(name)
#define KERNEL(op, isa_)
#define BLOCK(name, isa_, value)
    static const char *const names[] = {
#include "kernels/registry.inc"
    };
    if (index >= sizeof names / sizeof *names)
        return false;
    *op = names[index];
#define OP(op)
#define BLOCK_NAME(name)
#define KERNEL(op_, isa_)                                                                                              \
    if (strcmp(*op, #op_) == 0 && table->op_ == k_##op_##_##isa_)                                                      \
        *isa = (cpu_isa)ISA_##isa_;
#define BLOCK(name, isa_, value)
#include "kernels/registry.inc"
    return true;
}
