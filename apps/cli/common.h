/* What the subcommands share: common options, models by name, clocks, JSON. */
#ifndef CLI_COMMON_H
#define CLI_COMMON_H

#include <jansson.h>

#include "media.h"
#include "message.h"
#include "options.h"
#include "outputs.h"
#include "sam2.h"

/* The subcommands; `arguments` begins after the subcommand's name. Each returns an exit status. */
int run_segment(int count, char **arguments);
int run_auto(int count, char **arguments);
int run_track(int count, char **arguments);
int run_encode(int count, char **arguments);
int run_convert(int count, char **arguments);
int run_synth(int count, char **arguments);
int run_info(int count, char **arguments);
int run_bench(int count, char **arguments);
int run_eval(int count, char **arguments);

typedef struct common_options {
    const char *model; /* a file, or "micro" */
    int precision;     /* a sam2_precision */
    int threads, size;
    const char *isa;
    int verify, quiet, verbose, help;
} common_options;

/* Rows for the option tables; `out` holds so many with the end. */
#define COMMON_ROWS 10
typedef enum common_rows {
    COMMON_MODEL = 1,   /* --model --verify */
    COMMON_COMPUTE = 2, /* --precision --threads */
    COMMON_MACHINE = 4, /* --isa --size */
    COMMON_TALK = 8,    /* -q -v --help */
    COMMON_ALL = 15
} common_rows;
void common_rows_make(common_options *common, unsigned which, option out[COMMON_ROWS]);

/* Parses a subcommand's line, prints the help where that is asked for. Returns -1 to go on, else the exit status.
 * `*operands` becomes the number of operands, which are moved to the front of `arguments`. */
int common_parse(common_options *common, const option *const *tables, const char *usage, int count, char **arguments,
                 int *operands);

/* For reading pictures. */
typedef struct picture_options {
    media_options media;
    int alpha;
} picture_options;
#define PICTURE_ROWS 5
void picture_rows_make(picture_options *picture, option out[PICTURE_ROWS]);

/* Words for --precision, in the order of sam2_precision. */
#define PRECISION_WORDS "auto|f32|bf16|int8"
const char *precision_name(sam2_precision precision);

/* The file of a model; "" is the built-in one, "micro" where no file is called so. 0 or an exit status. */
int model_path(const char *name, char *path, size_t size);
/* Opens what model_path has found. */
sam2_status model_load(const char *path, const sam2_model_options *options, sam2_model **model, sam2_error *error);
/* SAM 1 has no object score, and its logits are nowhere held within bounds. */
int is_sam1(const sam2_model_info *info);
int model_open(const common_options *common, sam2_model **model, sam2_model_info *info);
/* Reports what kept the checkpoint `path` from being opened or converted. What the library cannot do is the file's
 * fault where the text begins with its name, else that of an option, such as --precision or --isa. */
int report_model(const sam2_error *error, const char *path);
/* One line that says what the micro model is, when it is asked about somebody's own picture. */
void model_remark(const common_options *common);

/* Milliseconds of a clock that never goes back. */
double now_ms(void);

/* A JSON string; what is not UTF-8 is replaced. */
json_t *json_text(const char *text);
/* A JSON number, null where it is not finite. */
json_t *json_number(double value);
/* Writes one object; "-" is standard output. 0 or an exit status. */
int json_save(const json_t *json, const char *path, int compact);

#endif
