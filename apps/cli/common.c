#include "common.h"

#include <string.h>

void common_rows_make(common_options *c, unsigned which, option out[COMMON_ROWS])
{
    const option rows[] = {
        ROW_TEXT('m', "model", &c->model, "MODEL",
                 "a checkpoint (.pt, .safetensors, .sam2), or micro, the small\n"
                 "model that is built in (default)"),
        ROW_FLAG(0, "verify", &c->verify, "check the checkpoint's checksums first, which reads it whole"),
        ROW_CHOICE(0, "precision", &c->precision, PRECISION_WORDS, "arithmetic: auto (default), f32, bf16, int8"),
        ROW_INT(0, "threads", &c->threads, 1, 256, "threads (default: the processors usable here)"),
        ROW_TEXT(0, "isa", &c->isa, "NAME", "the highest instruction set: ref, avx2, avx512, avx512bf16, amx"),
        ROW_INT(0, "size", &c->size, 64, 4096,
                "side of the square that the network sees, a multiple of 32\n(default: the model's)"),
        ROW_FLAG('q', "quiet", &c->quiet, "no remarks, no summary"),
        ROW_FLAG('v', "verbose", &c->verbose, "the time of each stage on stderr"),
        ROW_FLAG('h', "help", &c->help, "this text")};
    static const unsigned group[] = {COMMON_MODEL,   COMMON_MODEL, COMMON_COMPUTE, COMMON_COMPUTE, COMMON_MACHINE,
                                     COMMON_MACHINE, COMMON_TALK,  COMMON_TALK,    COMMON_TALK};
    int count = 0;
    c->model = "micro";
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (group[i] & which)
            out[count++] = rows[i];
    out[count] = (option){0};
}

static int parse_stretch(void *target, const char *value, char *error, size_t error_size)
{
    media_options *media = target;
    char low[32];
    const char *comma = strchr(value, ',');
    if (!strcmp(value, "minmax")) {
        media->stretch_low = 0;
        media->stretch_high = 100;
        return 0;
    }
    value += *value == 'p';
    if (!comma || (size_t)(comma - value) >= sizeof low)
        return explain(error, error_size, "minmax or two percentiles such as 2,98");
    memcpy(low, value, (size_t)(comma - value));
    low[comma - value] = 0;
    if (parse_real(low, &media->stretch_low) || parse_real(comma + 1, &media->stretch_high) || media->stretch_low < 0 ||
        media->stretch_high > 100 || media->stretch_low >= media->stretch_high)
        return explain(error, error_size, "minmax or two percentiles such as 2,98, the lower first");
    return 0;
}

void picture_rows_make(picture_options *p, option out[PICTURE_ROWS])
{
    const option rows[PICTURE_ROWS] = {ROW_FLAG(0, "ignore-exif", &p->media.ignore_orientation,
                                                "pixels as stored, without turning by the EXIF orientation"),
                                       ROW_CHOICE(0, "alpha", &p->alpha, "drop|white|black",
                                                  "an alpha channel: drop (default), white, black as background"),
                                       ROW_CALL(0, "stretch", &p->media, parse_stretch, "RANGE",
                                                "16-bit pictures: minmax, or percentiles LO,HI that become\n"
                                                "black and white (default: value / 257)"),
                                       ROW_COUNT(0, "max-pixels", &p->media.max_pixels, 1, 4294967296.0,
                                                 "refuse larger pictures (default 200 million)"),
                                       ROW_END};
    memcpy(out, rows, sizeof rows);
}

int common_parse(common_options *common, const option *const *tables, const char *usage, int count, char **arguments,
                 int *operands)
{
    char error[600];
    *operands = options_parse(tables, count, arguments, error, sizeof error);
    if (common->help) { /* even before a mistake: it is what helps then */
        printf("%s\nOptions:\n", usage);
        options_print(tables, stdout);
        return EXIT_DONE;
    }
    if (*operands < 0)
        return report(EXIT_USE, "%s", error);
    message_quiet(common->quiet);
    if (common->size % 32)
        return report(EXIT_USE, "--size %d: not a multiple of 32", common->size);
    return -1;
}
