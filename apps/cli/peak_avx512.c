#include <immintrin.h>

#include "peak.h"

#define TWELVE(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)

float peak_avx512_f32(long count)
{
    volatile float start = 0.5f; /* unknown to the compiler; the sums stay finite */
    __m512 a = _mm512_set1_ps(start), b = a;
#define SUM(i)                                                                                                         \
    __m512 s##i = a;                                                                                                   \
    __asm__("" : "+v"(s##i)); /* unlike the others, for all the compiler knows */
    TWELVE(SUM)
#undef SUM
    while (count--) {
#define SUM(i) s##i = _mm512_fmadd_ps(s##i, b, a);
        TWELVE(SUM)
        TWELVE(SUM)
#undef SUM
    }
#define SUM(i) a = _mm512_add_ps(a, s##i);
    TWELVE(SUM)
#undef SUM
    return _mm512_cvtss_f32(a);
}
