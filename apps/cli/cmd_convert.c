/* sam2 convert: a checkpoint in another format. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common.h"

static const char usage[] =
    "Usage: sam2 convert IN OUT [--precision f32|bf16|int8]\n"
    "\n"
    "Writes a checkpoint in another format, told by the ending of OUT: .sam2 (native), "
    ".safetensors, .pt or .pth. IN may be micro.\n"
    "A .sam2 file is laid out for this machine's instruction set, and opens in milliseconds in the\n"
    "precision that it is written in.\n"
    "Without --precision the weights are stored as they are in IN.\n";

int run_convert(int count, char **arguments)
{
    common_options common = {0};
    const option own[] = {
        ROW_CHOICE(0, "precision", &common.precision, PRECISION_WORDS, "how the weights are stored: f32, bf16, int8"),
        ROW_END};
    option shared[COMMON_ROWS];
    const option *const tables[] = {own, shared, NULL};
    sam2_error error = {SAM2_OK, ""};
    char path[4096];
    const char *output;
    file_uses files = {0};
    FILE *file;
    int operands, status;
    common_rows_make(&common, COMMON_TALK, shared);
    status = common_parse(&common, tables, usage, count, arguments, &operands);
    if (status >= 0)
        return status;
    if (operands != 2)
        return report(EXIT_USE, "two files are needed, IN and OUT; there are %d", operands);
    output = arguments[1];
    status = model_path(arguments[0], path, sizeof path);
    if (status)
        return status;
    if (!strcmp(output, "-"))
        return report(EXIT_USE, "OUT: a model can be written to a file only");
    /* The library reports both files' faults alike, and the exit status tells them apart. */
    file = *path ? fopen(path, "rb") : NULL;
    if (*path && !file)
        return report(EXIT_MODEL, "%s: cannot be opened: %s", path, strerror(errno));
    if (file)
        fclose(file);
    file_uses_read(&files, "the input", path);
    file_uses_write(&files, "OUT", output);
    status = file_uses_check(&files);
    if (status)
        return status;
    if (!(*path ? sam2_convert(path, output, (sam2_precision)common.precision, NULL, &error)
                : sam2_convert_builtin(output, (sam2_precision)common.precision, NULL, &error)))
        return EXIT_DONE;
    if (error.code == SAM2_ERROR_FILE && strstr(error.text, output) && (!*path || !strstr(error.text, path)))
        return report_library(&error, FROM_OUTPUT);
    return report_model(&error, path);
}
