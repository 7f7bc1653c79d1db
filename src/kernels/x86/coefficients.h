/* Numbers of the exponential and of GELU, shared by the x86 levels (but for GELU with AVX-512, which has
 * tables: avx512/gelu_table.h).
 *
 * exp(x), x <= 0: n = round(x log2 e), r = x - n ln 2 in two steps (the first is exact: r is a multiple of 2^-24 below
 * .35), e^r = 1 + r + r^2 q(r) with q of degree 4, the minimax fit of relative error over |r| <= ln 2 / 2 (3.2e-9), its
 * coefficients rounded to float32 one after another with the higher ones fitted again. Results below 2^-126 are 0:
 * subnormal numbers slow the products that follow down.
 *
 * GELU: with e(a) = Phi(-a) = erfc(a / sqrt 2) / 2, the share of the normal distribution beyond a = |x|,
 *     gelu(x) = max(x, 0) - a e(a)
 * for both signs, free of cancellation: negative x keep their relative accuracy, which x/2 (1 + erf) loses. log2 e(a)
 * is a smooth function, -1 at 0 and about -.72 a^2 far out; it is a polynomial of degree 10 here, fitted over 0 <= a
 * <= 6.5 by linear programming (800 Chebyshev points, values from scipy's log_ndtr). The largest weighted error is made
 * least: 1.4e-8 / (2 Phi(-a) min(1, max(a, 1/4))) relative, but at most 300 times 1.4e-8, which gives the accuracy
 * where the result has it: near 0 and for x > 0. Beyond 6.5, where a e(a) < 3e-10, the polynomial falls faster than the
 * truth. At 10 the result stops at -2e-23: so no infinity meets a 0, and e(a) is never a subnormal number, which takes
 * a processor a hundred times longer than another. 2^f for |f| <= 1/2 is 1 + f p(f) with p of degree 4 (9.4e-8
 * relative).
 *
 * For results that are rounded to bfloat16, a shorter power: 2^f for 0 <= f < 1 is a cubic, 7.5e-5 relative, by
 * reweighted least squares. */
#ifndef KERNELS_X86_COEFFICIENTS_H
#define KERNELS_X86_COEFFICIENTS_H

#define LOG2_E 0x1.715476p+0f
#define LN_2_HIGH 0x1.62e43p-1f
#define LN_2_LOW -0x1.05c61p-29f
#define ROUNDER 0x1.8p+23f /* adding it leaves the nearest integer in the low bits */

#define EXP_LEAST -0x1.5d589ep+6f /* the least x with exp(x) >= 2^-126 */
#define EXP_2 0x1.fffffcp-2f
#define EXP_3 0x1.555494p-3f
#define EXP_4 0x1.5558bep-5f
#define EXP_5 0x1.123876p-7f
#define EXP_6 0x1.6a3faep-10f

#define EXP2_1 0x1.62e42ap-1f
#define EXP2_2 0x1.ebf9c2p-3f
#define EXP2_3 0x1.c6b6dcp-5f
#define EXP2_4 0x1.3ce8bep-7f
#define EXP2_5 0x1.5bd8a4p-10f

#define SHORT_EXP2_0 0.99992526f
#define SHORT_EXP2_1 0.69583319f
#define SHORT_EXP2_2 0.22606792f
#define SHORT_EXP2_3 0.07802406f

#define TAIL_END 10.0f /* a is held here */
#define TAIL_0 -0x1.fffffep-1f
#define TAIL_1 -0x1.26af02p+0f
#define TAIL_2 -0x1.d63608p-2f
#define TAIL_3 -0x1.ae5b94p-5f
#define TAIL_4 0x1.d070e6p-8f
#define TAIL_5 -0x1.ef49ecp-14f
#define TAIL_6 -0x1.cee09p-13f
#define TAIL_7 0x1.ece3ecp-15f
#define TAIL_8 -0x1.0711dap-17f
#define TAIL_9 0x1.2cc1dp-21f
#define TAIL_10 -0x1.237f5ep-26f

#endif
