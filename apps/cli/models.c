/* Models by name. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common.h"

const char *precision_name(sam2_precision precision)
{
    switch (precision) {
    case SAM2_PRECISION_AUTO:
        return "auto";
    case SAM2_PRECISION_F32:
        return "f32";
    case SAM2_PRECISION_BF16:
        return "bf16";
    case SAM2_PRECISION_INT8:
        return "int8";
    }
    return "unknown";
}

int model_path(const char *name, char *path, size_t size)
{
    static const char *const names[] = {"sam2_t",
                                        "sam2_s",
                                        "sam2_b+",
                                        "sam2_l",
                                        "sam2.1_t",
                                        "sam2.1_s",
                                        "sam2.1_b+",
                                        "sam2.1_l",
                                        "sam1_b",
                                        "sam1_l",
                                        "sam1_h",
                                        "sam2_hiera_tiny",
                                        "sam2_hiera_small",
                                        "sam2_hiera_base_plus",
                                        "sam2_hiera_large",
                                        "sam2.1_hiera_tiny",
                                        "sam2.1_hiera_small",
                                        "sam2.1_hiera_base_plus",
                                        "sam2.1_hiera_large",
                                        "vit_b",
                                        "vit_l",
                                        "vit_h",
                                        "sam_vit_b",
                                        "sam_vit_l",
                                        "sam_vit_h"};
    struct stat about;
    if (!strcmp(name, "micro") && stat(name, &about)) {
        *path = 0;
        return EXIT_DONE;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!strcmp(name, names[i]) && stat(name, &about))
            return report(
                EXIT_MODEL,
                "%s is a name, and there is no file of that name: -m expects a checkpoint file of the model, or micro",
                name);
    if (snprintf(path, size, "%s", name) >= (int)size)
        return report(EXIT_MODEL, "%.60s...: the file name is too long", name);
    return EXIT_DONE;
}

sam2_status model_load(const char *path, const sam2_model_options *options, sam2_model **model, sam2_error *error)
{
    return *path ? sam2_model_open(path, options, model, error) : sam2_model_open_builtin(options, model, error);
}

int is_sam1(const sam2_model_info *info)
{
    return !strcmp(info->family, "sam1");
}

int report_model(const sam2_error *error, const char *path)
{
    if (error->code == SAM2_ERROR_UNSUPPORTED && (!*path || strncmp(error->text, path, strlen(path)) != 0))
        return report(EXIT_USE, "%s", error->text);
    return report_library(error, FROM_MODEL_FILE);
}

int model_open(const common_options *common, sam2_model **model, sam2_model_info *info)
{
    sam2_model_options options = SAM2_MODEL_OPTIONS_INIT;
    sam2_error error = {SAM2_OK, ""};
    char path[4096];
    int status = model_path(common->model, path, sizeof path);
    *model = NULL;
    *info = (sam2_model_info)SAM2_MODEL_INFO_INIT;
    if (status)
        return status;
    options.precision = (sam2_precision)common->precision;
    options.threads = common->threads;
    options.image_size = common->size;
    options.isa = common->isa;
    options.verify = common->verify;
    if (model_load(path, &options, model, &error))
        return report_model(&error, path);
    if (sam2_model_get_info(*model, info, &error)) {
        sam2_model_close(*model);
        *model = NULL;
        return report_library(&error, FROM_MODEL_FILE);
    }
    if (common->precision == SAM2_PRECISION_BF16 && info->precision != SAM2_PRECISION_BF16)
        note("bf16 needs AVX512-BF16 or AMX: %s is used%s", precision_name(info->precision),
             info->storage == SAM2_PRECISION_BF16 ? ", on weights that are held in bf16" : "");
    if (common->verbose && info->repacked && *path)
        note("%s is laid out for another instruction set or precision: its weights were packed again; sam2 convert "
             "makes one for this machine",
             path);
    return EXIT_DONE;
}

void model_remark(const common_options *common)
{
    if (!strcmp(common->model, "micro"))
        note(
            "the built-in model is small and was trained on made pictures; for photographs give an official checkpoint "
            "with -m, such as %s",
            "https://dl.fbaipublicfiles.com/segment_anything_2/092824/sam2.1_hiera_tiny.pt");
}
