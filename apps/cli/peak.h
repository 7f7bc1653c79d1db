/* What the machine can do at best: loops that keep everything in registers, and one that reads memory. */
#ifndef CLI_PEAK_H
#define CLI_PEAK_H

typedef enum peak_kind { PEAK_F32, PEAK_BF16, PEAK_INT8, PEAK_KINDS } peak_kind;

typedef struct peak {
    double gflops;           /* a multiply-add is two; 0 where the machine has no instruction for the type */
    const char *instruction; /* "vdpbf16ps", "tdpbf16ps" ...; NULL likewise */
} peak;

/* With the best instruction that the machine has for the type, on `threads` threads at once. Takes about 80 ms. */
peak peak_measure(peak_kind kind, int threads);
/* GB/s, on `threads` threads at once, from a buffer that no cache holds; 0 when there is no memory for it. */
double peak_read(int threads);

/* A loop in its own file, compiled for its instructions: `count` rounds of operations that do not wait for each other.
 * Returns something that depends on them. */
typedef float peak_loop(long count);
peak_loop peak_plain_f32, peak_avx2_f32, peak_avx512_f32, peak_avx512_bf16, peak_avxvnni_int8, peak_avx512_int8,
    peak_amx_bf16, peak_amx_int8;

#endif
