/* sam2 info: what a model file is. */
#include <inttypes.h>
#include <stdio.h>

#include "common.h"

static const char usage[] =
    "Usage: sam2 info [MODEL] [--json FILE] [--precision-plan] [--kernels]\n"
    "\n"
    "Says which model a checkpoint is and what it needs. The kind is told by the tensors, never by the file's name.\n";

static json_t *plan_json(const sam2_model *model)
{
    json_t *all = json_array();
    sam2_precision_part p = SAM2_PRECISION_PART_INIT;
    for (int i = 0; sam2_model_get_precision(model, i, &p, NULL) == SAM2_OK; i++)
        json_array_append_new(all, json_pack("{s:s, s:s, s:s, s:s}", "part", p.part, "tensors", p.tensors, "precision",
                                             precision_name(p.precision), "reason", p.reason));
    return all;
}

static json_t *kernels_json(const sam2_model *model)
{
    json_t *all = json_object();
    const char *name, *isa;
    for (int i = 0; sam2_model_get_kernel(model, i, &name, &isa, NULL) == SAM2_OK; i++)
        json_object_set_new(all, name, json_string(isa));
    return all;
}

static void print_plan(const sam2_model *model, const sam2_model_info *info)
{
    sam2_precision_part p = SAM2_PRECISION_PART_INIT;
    printf("\nprecision plan of %s in %s; what is not a product is float32\n", info->name,
           precision_name(info->precision));
    for (int i = 0; sam2_model_get_precision(model, i, &p, NULL) == SAM2_OK; i++)
        printf("  %-28s %-5s %s*%s%s\n", p.part, precision_name(p.precision), p.tensors,
               info->precision == SAM2_PRECISION_BF16 ? ": " : "",
               info->precision == SAM2_PRECISION_BF16 ? p.reason : "");
}

static void print_kernels(const sam2_model *model)
{
    const char *name, *isa;
    printf("\nkernels\n");
    for (int i = 0; sam2_model_get_kernel(model, i, &name, &isa, NULL) == SAM2_OK; i++)
        printf("  %-28s %s\n", name, isa);
}

static int save_json(const sam2_model_info *info, const char *path, const char *file, json_t *plan, json_t *kernels)
{
    char identity[24];
    json_t *json;
    int status;
    snprintf(identity, sizeof identity, "%016" PRIx64, info->identity);
    json = json_pack("{s:s, s:o, s:I, s:s, s:i, s:i, s:i, s:s, s:s, s:i, s:I, s:I}", "model", info->name, "file",
                     *path ? json_text(path) : json_null(), "parameters", (json_int_t)info->parameters, "identity",
                     identity, "image_size", info->image_size, "embedding_dim", info->embedding_dim, "low_res_size",
                     info->low_res_size, "precision", precision_name(info->precision), "isa", info->isa, "threads",
                     info->threads, "weight_bytes", (json_int_t)info->weight_bytes, "workspace_bytes",
                     (json_int_t)info->workspace_bytes);
    json_object_set_new(json, "family", json_text(info->family));
    json_object_set_new(json, "format", json_text(info->format));
    json_object_set_new(json, "mapped_bytes", json_integer((json_int_t)info->mapped_bytes));
    json_object_set_new(json, "repacked", json_boolean(info->repacked));
    json_object_set_new(json, "storage", json_text(precision_name(info->storage)));
    if (plan)
        json_object_set_new(json, "precision_plan", plan);
    if (kernels)
        json_object_set_new(json, "kernels", kernels);
    status = json_save(json, file, 0);
    json_decref(json);
    return status;
}

static void print(const sam2_model_info *info, const char *path)
{
    printf("model        %s%s\n", info->name, is_sam1(info) ? " (SAM 1: pictures alone)" : "");
    printf("file         %s\n", *path ? path : "none, built in");
    printf("format       %s%s\n", info->format, info->repacked ? ", packed again for this machine and precision" : "");
    printf("parameters   %" PRIu64 "\n", info->parameters);
    printf("identity     %016" PRIx64 "\n", info->identity);
    printf("input        %d x %d\n", info->image_size, info->image_size);
    printf("embedding    %d channels, %d x %d\n", info->embedding_dim, info->low_res_size / 4, info->low_res_size / 4);
    printf("masks        %d x %d before enlarging\n", info->low_res_size, info->low_res_size);
    printf("precision    %s%s\n", precision_name(info->precision),
           info->storage != info->precision ? ", weights of large products held in bf16" : "");
    printf("instructions %s\n", info->isa);
    printf("threads      %d\n", info->threads);
    printf("memory       %.1f MiB of weights, %.1f of them in the file, %.1f MiB of working memory\n",
           (double)info->weight_bytes / 1048576.0, (double)info->mapped_bytes / 1048576.0,
           (double)info->workspace_bytes / 1048576.0);
}

int run_info(int count, char **arguments)
{
    common_options common = {0};
    const char *json_file = NULL;
    int plan = 0, kernels = 0;
    const option own[] = {ROW_TEXT(0, "json", &json_file, "FILE", "the same as JSON; - is standard output"),
                          ROW_FLAG(0, "precision-plan", &plan, "which products are in bfloat16, and why"),
                          ROW_FLAG(0, "kernels", &kernels, "the instruction set of every kernel"), ROW_END};
    option shared[COMMON_ROWS];
    const option *const tables[] = {own, shared, NULL};
    sam2_model_info info = SAM2_MODEL_INFO_INIT;
    sam2_model *model = NULL;
    file_uses files = {0};
    char path[4096];
    int operands, status;
    common_rows_make(&common, COMMON_ALL, shared);
    status = common_parse(&common, tables, usage, count, arguments, &operands);
    if (status >= 0)
        return status;
    if (operands > 1)
        return report(EXIT_USE, "%s: one model is taken, and this is a second", arguments[1]);
    if (operands)
        common.model = arguments[0];
    status = model_path(common.model, path, sizeof path);
    if (!status) {
        file_uses_read(&files, "the model", path);
        file_uses_write(&files, "--json", json_file);
        status = file_uses_check(&files);
    }
    if (!status)
        status = model_open(&common, &model, &info);
    if (status)
        return status;
    if (json_file)
        status =
            save_json(&info, path, json_file, plan ? plan_json(model) : NULL, kernels ? kernels_json(model) : NULL);
    else {
        print(&info, path);
        if (plan)
            print_plan(model, &info);
        if (kernels)
            print_kernels(model);
    }
    sam2_model_close(model);
    return status;
}
