/* The rows of a tile of up to 14, for the AVX-512 products. */
#ifndef KERNELS_X86_AVX512_TILE_ROWS_H
#define KERNELS_X86_AVX512_TILE_ROWS_H

/* Each with the pointer it is addressed from and its distance in rows. 14 pointers would not fit the registers; 5 and
 * one stride do. */
/* clang-format off */
#define EACH_ROW(X)                                                                                                    \
    X(0, p0, 0) X(1, p0, 1) X(2, p0, 2)                                                                                \
    X(3, p3, 0) X(4, p3, 1) X(5, p3, 2)                                                                                \
    X(6, p6, 0) X(7, p6, 1) X(8, p6, 2)                                                                                \
    X(9, p9, 0) X(10, p9, 1) X(11, p9, 2)                                                                              \
    X(12, p12, 0) X(13, p12, 1)
/* clang-format on */

/* The compiler is not to know that one step's addresses differ from the next one's by a constant: it would keep a
 * pointer for each row, more than there are registers. */
#define KEEP_POINTERS __asm__ volatile("" : "+r"(p0), "+r"(p3), "+r"(p6), "+r"(p9), "+r"(p12));

#endif
