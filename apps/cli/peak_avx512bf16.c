#include <immintrin.h>

#include "peak.h"

#define TWELVE(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)

float peak_avx512_bf16(long count)
{
    volatile float start = 0.0f;
    __m512 x = _mm512_set1_ps(start);
    __m512bh a = _mm512_cvtne2ps_pbh(x, x), b = a;
#define SUM(i)                                                                                                         \
    __m512 s##i = x;                                                                                                   \
    __asm__("" : "+v"(s##i)); /* unlike the others, for all the compiler knows */
    TWELVE(SUM)
#undef SUM
    while (count--) {
#define SUM(i) s##i = _mm512_dpbf16_ps(s##i, a, b);
        TWELVE(SUM)
        TWELVE(SUM)
#undef SUM
    }
#define SUM(i) x = _mm512_add_ps(x, s##i);
    TWELVE(SUM)
#undef SUM
    return _mm512_cvtss_f32(x);
}
