#define KERNEL_NAME(op) k_##op##_avx512bf16
#include "kernels/x86/avx512/rows_bf16.h"
#include "kernels/x86/avx512/decoder_bf16.h"
