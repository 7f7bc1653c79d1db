/* sam2 synth: stand-in weights. */
#include <string.h>

#include "common.h"

static const char usage[] =
    "Usage: sam2 synth NAME OUT [--seed N] [--absent]\n"
    "\n"
    "Writes stand-in weights for the model NAME (sam2_t sam2_s sam2_b+ sam2_l sam2.1_t "
    "sam2.1_s sam2.1_b+ sam2.1_l\n"
    "sam1_b sam1_l sam1_h, or an official long name): the official tensor names and shapes, values by a formula. They "
    "segment nothing; they are for\n"
    "tests and timings. The ending of OUT tells the format: .pt, .pth, .safetensors, .sam2.\n";

int run_synth(int count, char **arguments)
{
    common_options common = {0};
    uint64_t seed = 0;
    int absent = 0;
    const option own[] = {
        ROW_COUNT(0, "seed", &seed, 0, 18446744073709551615.0, "other values for another number (default 0)"),
        ROW_FLAG(0, "absent", &absent, "negative object scores: every object counts as hidden"), ROW_END};
    option shared[COMMON_ROWS];
    const option *const tables[] = {own, shared, NULL};
    file_uses files = {0};
    sam2_error error = {SAM2_OK, ""};
    int operands, status;
    common_rows_make(&common, COMMON_TALK, shared);
    status = common_parse(&common, tables, usage, count, arguments, &operands);
    if (status >= 0)
        return status;
    if (operands != 2)
        return report(EXIT_USE, "a model's name and a file are needed, NAME and OUT; there are %d words", operands);
    if (!strcmp(arguments[1], "-"))
        return report(EXIT_USE, "OUT: a model can be written to a file only");
    file_uses_write(&files, "OUT", arguments[1]);
    status = file_uses_check(&files);
    if (status)
        return status;
    if (sam2_synthesize(arguments[0], arguments[1], seed, absent, NULL, &error))
        return report_library(&error, FROM_OUTPUT);
    return EXIT_DONE;
}
