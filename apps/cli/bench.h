/* The parts of `bench`: what is measured (bench_run.c, bench_profile.c), on what machine (bench_machine.c, peak.c), and
 * how it is told (bench_report.c). */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include "common.h"
#include "output.h"
#include "peak.h"

/* ---- the machine ---- */

/* "AMD EPYC ..." as the system names the processor, or "unknown". */
void machine_cpu(char *out, size_t size);
/* Processors that this process may use. */
int machine_threads(void);
/* Greatest memory in use since the last reset, MiB; 0 where the system does not say. */
double machine_peak_mib(void);
/* 0, or -1 where the system has no such reset. */
int machine_peak_reset(void);

/* A picture for timings: the same bytes everywhere. malloc; [height][width][3]. */
unsigned char *bench_picture(int width, int height);

typedef struct bench_times {
    double median, least, greatest;
} bench_times;
/* Sorts `ms`. */
bench_times bench_summary(double *ms, int count);

/* ---- what is to be measured ---- */

enum { BENCH_MODELS = 32, BENCH_VALUES = 16, BENCH_RUNS = 1000, BENCH_TEN = 10 };

typedef enum bench_stage {
    BENCH_LOAD,
    BENCH_ENCODE,
    BENCH_DECODE,
    BENCH_CLICKS,
    BENCH_OBJECTS,
    BENCH_STAGES
} bench_stage;

struct bench_row;

typedef struct bench {
    common_options common;
    const char *models[BENCH_MODELS];
    int model_count;
    int precisions[BENCH_VALUES], precision_count; /* 0: none was asked for, so all that there are */
    int threads[BENCH_VALUES], thread_count;       /* 0: all processors */
    int runs, profile, markdown, track, automatic, table, plain;
    const char *input, *json_file, *plot_file;
    int talk; /* the tables go to standard output; nothing else does */
    media_picture picture;
    uint8_t *mask;     /* [height][width] of the picture */
    double enlarge_ms; /* of the latest click */
    /* the machine */
    char cpu[256];
    char isa[32]; /* the instruction set of the latest model */
    int most_threads;
    peak peaks[PEAK_KINDS]; /* on so many threads */
    double read_gb_s;
    json_t *results;
    struct bench_row *rows; /* all that were measured */
    int row_count;
    double samples[BENCH_STAGES][BENCH_RUNS];
} bench;

/* ---- profiles ---- */

enum { PROFILE_LINES = 256 };

/* A stage, or (with an operation's name) a part of the stage before it; for one picture or one click. */
typedef struct profile_line {
    const char *stage, *operation;
    double calls, ms, gflop; /* an operation's time on all threads, divided by their number */
} profile_line;

typedef struct bench_profile {
    profile_line lines[PROFILE_LINES];
    int count;
    double ms; /* of all stages */
} bench_profile;

/* What a profile's operations are in all, with what is left of the time under a name of its own. */
void profile_total(const bench_profile *profile, bench_profile *operations);
/* 0, or -1 with the reason in `error`. */
int profile_measure(bench *b, const char *path, const sam2_model_options *options, bench_profile *encode,
                    bench_profile *decode, sam2_error *error);

/* ---- one line of the results ---- */

typedef struct bench_row {
    const char *file; /* as the user named it, without folders */
    char model[64];   /* the official name, or `file` */
    sam2_precision precision;
    int threads;
    bench_times times[BENCH_STAGES];
    double gflop;      /* of the encoder */
    double peak;       /* GFLOP/s of the precision, measured before and after, on so many threads; 0: unknown */
    double memory_mib; /* 0: unknown */
    double parameters;
    bench_times track, automatic;   /* a frame of a video, automatic masks; all 0 where they were not run */
    bench_profile *encode, *decode; /* or NULL */
} bench_row;

/* A click whose place depends on its number, with its three masks as bytes. */
int bench_click(bench *b, sam2_context *context, const sam2_features *features, sam2_result *result, int number,
                sam2_error *error);
/* Measures a model in one precision on one number of threads. Returns the library's status; what went wrong is in
 * `error`. */
sam2_status bench_measure(bench *b, const char *path, int precision, int threads, bench_row *row, sam2_error *error);

/* A frame of a video. UNSUPPORTED for a model of pictures alone. */
sam2_status bench_track(bench *b, const char *path, const sam2_model_options *options, bench_times *out,
                        sam2_error *error);

/* Automatic masks of the picture. */
sam2_status bench_auto(bench *b, const char *path, const sam2_model_options *options, bench_times *out,
                       sam2_error *error);

/* What PEAK_... a precision is compared with. */
peak_kind bench_peak_kind(sam2_precision precision);

/* To standard output: the machine and the table's head, then a line for each row. */
void report_head(const bench *b);
void report_row(const bench *b, const bench_row *row);
void report_profile(const bench *b, const bench_row *row);
/* All rows beside those of the first model, in Markdown; and their encode times as SVG, in b->plot_file. The second
 * returns 0 or an exit status. */
void table_print(const bench *b);
int table_plot(const bench *b);
/* As JSON; NULL without memory. */
json_t *report_row_json(const bench_row *row);
json_t *report_json(const bench *b);

#endif
