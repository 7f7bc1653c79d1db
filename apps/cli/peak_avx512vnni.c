#include <immintrin.h>

#include "peak.h"

#define TWELVE(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)

float peak_avx512_int8(long count)
{
    volatile int start = 0;
    __m512i a = _mm512_set1_epi32(start), b = a;
#define SUM(i)                                                                                                         \
    __m512i s##i = a;                                                                                                  \
    __asm__("" : "+v"(s##i)); /* unlike the others, for all the compiler knows */
    TWELVE(SUM)
#undef SUM
    while (count--) {
#define SUM(i) s##i = _mm512_dpbusd_epi32(s##i, a, b);
        TWELVE(SUM)
        TWELVE(SUM)
#undef SUM
    }
#define SUM(i) a = _mm512_add_epi32(a, s##i);
    TWELVE(SUM)
#undef SUM
    return (float)_mm512_cvtsi512_si32(a);
}
