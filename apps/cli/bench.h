/* What `bench` knows about the machine, and its statistics. */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include <stddef.h>

/* "AMD EPYC ..." as the system names the processor, or "unknown". */
void machine_cpu(char *out, size_t size);
/* Processors that this process may use. */
int machine_threads(void);
/* Greatest memory in use since the last reset, MiB; 0 where the system does not say. */
double machine_peak_mib(void);
void machine_peak_reset(void);

/* A picture for timings: the same bytes everywhere. malloc; [height][width][3]. */
unsigned char *bench_picture(int width, int height);

typedef struct bench_times {
    double median, least, greatest;
} bench_times;
/* Sorts `ms`. */
bench_times bench_summary(double *ms, int count);

#endif
