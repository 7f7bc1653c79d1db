/* sam2 info: what a model file is. */
#include <inttypes.h>
#include <stdio.h>

#include "common.h"

static const char usage[] =
    "Usage: sam2 info [MODEL] [--json FILE]\n"
    "\n"
    "Says which model a checkpoint is and what it needs. The kind is told by the tensors, never by the file's name.\n";

static int save_json(const sam2_model_info *info, const char *path, const char *file)
{
    char identity[24];
    json_t *json;
    int status;
    snprintf(identity, sizeof identity, "%016" PRIx64, info->identity);
    json =
        json_pack("{s:s, s:o, s:I, s:s, s:i, s:i, s:i, s:s, s:s, s:i, s:I, s:I}", "model", info->name, "file",
                  json_text(path), "parameters", (json_int_t)info->parameters, "identity", identity, "image_size",
                  info->image_size, "embedding_dim", info->embedding_dim, "low_res_size", info->low_res_size,
                  "precision", precision_name(info->precision), "isa", info->isa, "threads", info->threads,
                  "weight_bytes", (json_int_t)info->weight_bytes, "workspace_bytes", (json_int_t)info->workspace_bytes);
    status = json_save(json, file, 0);
    json_decref(json);
    return status;
}

static void print(const sam2_model_info *info, const char *path)
{
    printf("model        %s\n", info->name);
    printf("file         %s\n", path);
    printf("parameters   %" PRIu64 "\n", info->parameters);
    printf("identity     %016" PRIx64 "\n", info->identity);
    printf("input        %d x %d\n", info->image_size, info->image_size);
    printf("embedding    %d channels, %d x %d\n", info->embedding_dim, info->low_res_size / 4, info->low_res_size / 4);
    printf("masks        %d x %d before enlarging\n", info->low_res_size, info->low_res_size);
    printf("precision    %s\n", precision_name(info->precision));
    printf("instructions %s\n", info->isa);
    printf("threads      %d\n", info->threads);
    printf("memory       %.1f MiB of weights, %.1f MiB of working memory\n", (double)info->weight_bytes / 1048576.0,
           (double)info->workspace_bytes / 1048576.0);
}

int run_info(int count, char **arguments)
{
    common_options common = {0};
    const char *json_file = NULL;
    const option own[] = {ROW_TEXT(0, "json", &json_file, "FILE", "the same as JSON; - is standard output"), ROW_END};
    option shared[COMMON_ROWS];
    const option *const tables[] = {own, shared, NULL};
    sam2_model_info info = SAM2_MODEL_INFO_INIT;
    sam2_model *model = NULL;
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
    if (!status)
        status = output_check("--json", json_file, path);
    if (!status)
        status = model_open(&common, &model, &info);
    if (status)
        return status;
    if (json_file)
        status = save_json(&info, path, json_file);
    else
        print(&info, path);
    sam2_model_close(model);
    return status;
}
