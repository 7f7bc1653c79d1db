/* sam2 encode: features of a picture to a file, for `segment --embedding`. */
#include <string.h>

#include "common.h"

static const char usage[] = "Usage: sam2 encode [-m MODEL] -i PICTURE -o FILE\n"
                            "\n"
                            "Does the slow part once: writes the features of a picture to a file. `sam2 segment "
                            "--embedding FILE` with the same\n"
                            "model, precision and size then answers prompts on it without the picture.\n";

typedef struct encode {
    common_options common;
    picture_options reading;
    const char *input, *output;
} encode;

static int work(const encode *e)
{
    sam2_model_info info = SAM2_MODEL_INFO_INIT;
    sam2_error error = {SAM2_OK, ""};
    sam2_model *model = NULL;
    sam2_context *context = NULL;
    sam2_features *features = NULL;
    media_picture picture = {0};
    char text[600];
    double times[4];
    int status;
    times[0] = now_ms();
    if (media_read(e->input, &e->reading.media, &picture, text, sizeof text))
        return report_picture(text);
    if (picture.notice[0])
        warn("%s: %s", e->input, picture.notice);
    times[1] = now_ms();
    status = model_open(&e->common, &model, &info);
    if (!status && sam2_context_create(model, &context, &error))
        status = report_library(&error, FROM_PROMPT);
    times[2] = now_ms();
    if (!status) {
        sam2_image image = {picture.pixels, picture.width, picture.height, (ptrdiff_t)picture.width * 3,
                            SAM2_PIXEL_RGB};
        if (sam2_features_encode(context, &image, &features, &error))
            status = report_library(&error, FROM_PICTURE);
    }
    times[3] = now_ms();
    if (!status && sam2_features_save(features, e->output, &error))
        status = report_library(&error, FROM_OUTPUT);
    if (!status)
        model_remark(&e->common);
    if (!status && e->common.verbose)
        fprintf(stderr,
                "sam2: %s %s, %s, %d threads; read picture %.1f ms, load %.1f ms, encode %.1f ms, output %.1f ms\n",
                info.name, precision_name(info.precision), info.isa, info.threads, times[1] - times[0],
                times[2] - times[1], times[3] - times[2], now_ms() - times[3]);
    sam2_features_destroy(features);
    sam2_context_destroy(context);
    sam2_model_close(model);
    media_picture_free(&picture);
    return status;
}

int run_encode(int count, char **arguments)
{
    encode e = {0};
    const option own[] = {ROW_TEXT('i', "input", &e.input, "PICTURE", "the picture; - is standard input"),
                          ROW_TEXT('o', "output", &e.output, "FILE", "where the features go"), ROW_END};
    option picture[PICTURE_ROWS], shared[COMMON_ROWS];
    const option *const tables[] = {own, picture, shared, NULL};
    file_uses files = {0};
    int operands, status;
    picture_rows_make(&e.reading, picture);
    common_rows_make(&e.common, COMMON_ALL, shared);
    status = common_parse(&e.common, tables, usage, count, arguments, &operands);
    if (status >= 0)
        return status;
    if (operands && !e.input) {
        e.input = arguments[0];
        operands--;
        arguments++;
    }
    if (operands)
        return report(EXIT_USE, "%s: one picture is taken, and this is a second", arguments[0]);
    if (!e.input)
        return report(EXIT_USE, "no picture: -i PICTURE is missing");
    if (!e.output)
        return report(EXIT_USE, "no place for the features: -o FILE is missing");
    if (!strcmp(e.output, "-"))
        return report(EXIT_USE, "-o -: features can be written to a file only");
    file_uses_read(&files, "the input", e.input);
    file_uses_read(&files, "the model", e.common.model);
    file_uses_write(&files, "-o", e.output);
    status = file_uses_check(&files);
    if (status)
        return status;
    e.reading.media.alpha = (media_alpha)e.reading.alpha;
    return work(&e);
}
