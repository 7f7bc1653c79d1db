#include <immintrin.h>

#include "peak.h"

#define TWELVE(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)

float peak_avxvnni_int8(long count)
{
    volatile int start = 0;
    __m256i a = _mm256_set1_epi32(start), b = a;
#define SUM(i)                                                                                                         \
    __m256i s##i = a;                                                                                                  \
    __asm__("" : "+x"(s##i)); /* unlike the others, for all the compiler knows */
    TWELVE(SUM)
#undef SUM
    while (count--) {
#define SUM(i) s##i = _mm256_dpbusd_avx_epi32(s##i, a, b);
        TWELVE(SUM)
        TWELVE(SUM)
#undef SUM
    }
#define SUM(i) a = _mm256_add_epi32(a, s##i);
    TWELVE(SUM)
#undef SUM
    return (float)_mm256_cvtsi256_si32(a);
}
