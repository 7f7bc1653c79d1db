/* Public functions: version, models, contexts, files of weights. */
#include "api/check.h"
#include "api/open.h"
#include "model/precision.h"
#include "weights/builtin.h"

#include <stdio.h>

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

const char *sam2_version(void)
{
    return TEXT(SAM2_VERSION_MAJOR) "." TEXT(SAM2_VERSION_MINOR) "." TEXT(SAM2_VERSION_PATCH);
}

const char *sam2_status_text(sam2_status status)
{
    switch (status) {
    case SAM2_OK:
        return "success";
    case SAM2_ERROR_ARGUMENT:
        return "invalid argument";
    case SAM2_ERROR_MEMORY:
        return "out of memory";
    case SAM2_ERROR_FILE:
        return "file cannot be accessed";
    case SAM2_ERROR_FORMAT:
        return "invalid file";
    case SAM2_ERROR_UNSUPPORTED:
        return "not supported";
    case SAM2_ERROR_MISMATCH:
        return "objects do not belong together";
    case SAM2_ERROR_INTERNAL:
        return "internal fault";
    case SAM2_ERROR_CANCELLED:
        return "cancelled";
    }
    return "unknown status";
}

/* What the options ask for, resolved. */
typedef struct plan {
    sam2_allocator allocator;
    cpu_isa isa;
    sam2_precision precision; /* F32 or BF16 */
    bool rounds;              /* BF16 was asked for, and the weights at least can be */
    int threads, image_size, verify, plain;
} plan;

static sam2_status resolve_isa(const char *name, cpu_isa *out, sam2_error *error)
{
    *out = CPU_ISA_COUNT - 1;
    if (!name)
        return SAM2_OK;
    if (!cpu_isa_from_name(name, out))
        return error_set(error, SAM2_ERROR_ARGUMENT,
                         "no instruction set is called '%s'; the names are ref, avx2, avx512, avx512bf16, amx, neon",
                         name);
    if (!cpu_has(*out))
        return error_set(error, SAM2_ERROR_UNSUPPORTED, "this processor cannot run instruction set '%s'", name);
    return SAM2_OK;
}

/* Without bfloat16 instructions float32 does the work, and bfloat16 is how weights are held. */
static void resolve_precision(sam2_precision wanted, plan *p)
{
    kernels table;
    kernels_select(&table, p->isa);
    p->rounds = wanted == SAM2_PRECISION_BF16 && table.isa < CPU_AVX512BF16;
    p->precision = p->rounds ? SAM2_PRECISION_F32 : wanted;
    if (wanted == SAM2_PRECISION_AUTO)
        p->precision = cpu_bf16_pays(p->isa) ? SAM2_PRECISION_BF16 : SAM2_PRECISION_F32;
}

static sam2_status resolve_options(const sam2_model_options *given, plan *out, sam2_error *error)
{
    sam2_model_options o = SAM2_MODEL_OPTIONS_INIT;
    if (given)
        TRY(check_struct(given, offsetof(sam2_model_options, allocator), &o, sizeof o, "sam2_model_options", error));
    if (o.precision == SAM2_PRECISION_INT8)
        return error_set(error, SAM2_ERROR_UNSUPPORTED, "precision int8 is not in this version; f32 and bf16 are");
    if (o.precision < SAM2_PRECISION_AUTO || o.precision > SAM2_PRECISION_BF16)
        return error_set(error, SAM2_ERROR_ARGUMENT, "precision %d does not exist", (int)o.precision);
    if (o.threads < 0 || o.threads > 256)
        return error_set(error, SAM2_ERROR_ARGUMENT, "threads is %d; 1 to 256, or 0 for all processors, can be used",
                         o.threads);
    const sam2_allocator *a;
    TRY(check_allocator(o.allocator, &a, error));
    TRY(resolve_isa(o.isa, &out->isa, error));
    resolve_precision(o.precision, out);
    out->allocator = *a;
    out->threads = o.threads ? o.threads : cpu_count();
    out->threads = out->threads > 256 ? 256 : out->threads;
    out->image_size = o.image_size;
    out->verify = o.verify;
    out->plain = o.plain_graph != 0;
    return SAM2_OK;
}

static sam2_status build(const weights *w, const model_config *given, const plan *p, bool in_place, sam2_model **out,
                         sam2_error *error)
{
    model_config config = *given;
    if (p->image_size)
        TRY(config_set_image_size(&config, p->image_size, error));
    TRY(config_check(&config, w, &p->allocator, error));
    void *memory = NULL;
    TRY(alloc_array(&p->allocator, 1, sizeof(sam2_model), "the model", &memory, error));
    sam2_model *handle = memory;
    const build_options options = {.limit = p->isa,
                                   .precision = p->precision,
                                   .rounds = p->rounds,
                                   .threads = p->threads,
                                   .in_place = in_place,
                                   .plain = p->plain != 0};
    sam2_status status = model_build(w, &config, &options, &p->allocator, &handle->m, error);
    if (status != SAM2_OK) {
        alloc_release(&p->allocator, handle, sizeof *handle);
        return status;
    }
    handle->workspace_bytes = predict_workspace(handle->m);
    *out = handle;
    return SAM2_OK;
}

/* Builds from opened weights and closes them; errors are about the model then, so the file's name goes before them. A
 * native file that is mapped stays so, under the model; `stays`: it is in memory for ever. */
static sam2_status build_and_close(weights *w, const char *label, const plan *p, bool stays, sam2_model **out,
                                   sam2_error *error)
{
    model_config config;
    const bool in_place = weights_get_format(w) == WEIGHTS_NATIVE && (stays || weights_mapped(w));
    sam2_status status = config_from_weights(w, &config, error);
    if (status == SAM2_OK)
        status = build(w, &config, p, in_place, out, error);
    if (status == SAM2_OK && in_place) {
        (*out)->m->map = weights_close_index(w);
        return SAM2_OK;
    }
    weights_close(w);
    return status == SAM2_OK ? status : error_prefix(error, status, label);
}

sam2_status open_weights(const weights *w, const model_config *config, const sam2_model_options *options,
                         sam2_model **out, sam2_error *error)
{
    plan p;
    TRY(resolve_options(options, &p, error));
    return build(w, config, &p, false, out, error);
}

sam2_status sam2_model_open(const char *path, const sam2_model_options *options, sam2_model **model, sam2_error *error)
{
    CHECK_POINTER(model);
    *model = NULL;
    CHECK_POINTER(path);
    plan p;
    TRY(resolve_options(options, &p, error));
    weights *w = NULL;
    TRY(weights_open(&p.allocator, path, p.verify, &w, error));
    return build_and_close(w, path, &p, false, model, error);
}

sam2_status sam2_model_open_memory(const void *bytes, size_t size, const sam2_model_options *options,
                                   sam2_model **model, sam2_error *error)
{
    CHECK_POINTER(model);
    *model = NULL;
    CHECK_POINTER(bytes);
    plan p;
    TRY(resolve_options(options, &p, error));
    weights *w = NULL;
    TRY(weights_open_memory(&p.allocator, bytes, size, "model in memory", p.verify, &w, error));
    return build_and_close(w, "model in memory", &p, false, model, error);
}

/* The model that the library carries, opened as a file. */
static sam2_status open_builtin(const sam2_allocator *a, int verify, weights **w, sam2_error *error)
{
    size_t size = 0;
    const void *bytes = builtin_model(&size);
    if (!bytes)
        return error_set(error, SAM2_ERROR_UNSUPPORTED, "this build of the library carries no model");
    return weights_open_memory(a, bytes, size, "the built-in model", verify, w, error);
}

sam2_status sam2_model_open_builtin(const sam2_model_options *options, sam2_model **model, sam2_error *error)
{
    CHECK_POINTER(model);
    *model = NULL;
    plan p;
    TRY(resolve_options(options, &p, error));
    weights *w = NULL;
    TRY(open_builtin(&p.allocator, p.verify, &w, error));
    TRY(build_and_close(w, "the built-in model", &p, true, model, error));
    snprintf((*model)->m->config.name, sizeof(*model)->m->config.name, "micro"); /* its layout has no official name */
    return SAM2_OK;
}

void sam2_model_close(sam2_model *model)
{
    if (!model)
        return;
    sam2_allocator a = model->m->allocator;
    model_free(model->m);
    alloc_release(&a, model, sizeof *model);
}

sam2_status sam2_model_get_info(const sam2_model *model, sam2_model_info *info, sam2_error *error)
{
    CHECK_POINTER(model);
    CHECK_POINTER(info);
    const struct model *m = model->m;
    sam2_model_info full = {
        .struct_size = info->struct_size,
        .name = m->config.name,
        .isa = cpu_isa_name(m->kernels.isa),
        .precision = model->m->precision,
        .threads = pool_threads(m->pool),
        .image_size = m->config.image_size,
        .embedding_dim = m->config.d_model,
        .low_res_size = m->config.image_size / 4,
        .parameters = m->parameters,
        .identity = m->identity,
        .weight_bytes = m->block_bytes + m->mapped_bytes,
        .workspace_bytes = model->workspace_bytes,
        .mapped_bytes = m->mapped_bytes,
        .format = weights_format_name(m->format),
        .repacked = m->repacked,
        .encode_flop = config_encode_work(&m->config, false),
        .family = m->config.family == FAMILY_SAM1 ? "sam1" : "sam2",
        .storage = m->stored ? SAM2_PRECISION_BF16 : m->precision,
    };
    sam2_model_info known;
    TRY(check_struct(info, sizeof(sam2_model_info), &known, sizeof known, "sam2_model_info", error));
    *info = full;
    return SAM2_OK;
}

sam2_status sam2_model_get_precision(const sam2_model *model, int index, sam2_precision_part *part, sam2_error *error)
{
    CHECK_POINTER(model);
    CHECK_POINTER(part);
    sam2_precision_part known;
    TRY(check_struct(part, sizeof *part, &known, sizeof known, "sam2_precision_part", error));
    const precision_rule *rule = index < 0 ? NULL : precision_rule_at((size_t)index);
    if (!rule)
        return error_set(error, SAM2_ERROR_ARGUMENT, "the precision plan has no line %d", index);
    part->part = rule->part;
    part->tensors = rule->prefix;
    part->precision = precision_of(rule->prefix, model->m->precision);
    part->reason = rule->reason;
    return SAM2_OK;
}

sam2_status sam2_model_get_kernel(const sam2_model *model, int index, const char **name, const char **isa,
                                  sam2_error *error)
{
    CHECK_POINTER(model);
    CHECK_POINTER(name);
    CHECK_POINTER(isa);
    cpu_isa level = CPU_REF;
    if (index < 0 || !kernels_at(&model->m->kernels, (size_t)index, name, &level))
        return error_set(error, SAM2_ERROR_ARGUMENT, "there is no kernel %d", index);
    *isa = cpu_isa_name(level);
    return SAM2_OK;
}

sam2_status sam2_context_create(const sam2_model *model, sam2_context **context, sam2_error *error)
{
    CHECK_POINTER(context);
    *context = NULL;
    CHECK_POINTER(model);
    const sam2_allocator *a = &model->m->allocator;
    void *memory = NULL;
    TRY(alloc_array(a, 1, sizeof(sam2_context), "a context", &memory, error));
    sam2_context *c = memory;
    c->model = model;
    c->block_bytes = model->workspace_bytes;
    sam2_status status = alloc_get(a, c->block_bytes, "a context's workspace", &c->block, error);
    if (status != SAM2_OK) {
        alloc_release(a, c, sizeof *c);
        return status;
    }
    *context = c;
    return SAM2_OK;
}

void sam2_context_destroy(sam2_context *context)
{
    if (!context)
        return;
    const sam2_allocator *a = &context->model->m->allocator;
    profile_destroy(context->profile);
    arena whole = {.base = context->block, .capacity = context->block_bytes};
    arena_open(&whole); /* the allocator may write what red zones covered */
    alloc_release(a, context->block, context->block_bytes);
    alloc_release(a, context, sizeof *context);
}

sam2_status sam2_context_set_observer(sam2_context *context, sam2_observer observer, void *user, sam2_error *error)
{
    CHECK_POINTER(context);
    context->observe = observer;
    context->user = user;
    return SAM2_OK;
}

sam2_status sam2_context_set_profiling(sam2_context *context, int on, sam2_error *error)
{
    CHECK_POINTER(context);
    return predict_profile(context, on != 0, error);
}

sam2_status sam2_context_read_profile(const sam2_context *context, sam2_profile_visitor visit, void *user,
                                      sam2_error *error)
{
    CHECK_POINTER(context);
    CHECK_POINTER(visit);
    const profile *p = context->profile;
    if (!p)
        return error_set(error, SAM2_ERROR_ARGUMENT, "the context has no profile; ask for one before the calls");
    double tick_ms = profile_tick_ms(p);
    for (int stage = 0; stage < PROFILE_STAGES; stage++) {
        if (!p->stages[stage].calls)
            continue;
        sam2_profile_entry whole = {profile_stage_name((profile_stage)stage), NULL, p->stages[stage].calls,
                                    (double)p->stages[stage].ticks * tick_ms, 0.0};
        sam2_profile_entry parts[PROFILE_OPERATIONS];
        for (int operation = 0; operation < PROFILE_OPERATIONS; operation++) {
            profile_cell sum = profile_sum(p, (profile_stage)stage, (profile_operation)operation);
            parts[operation] = (sam2_profile_entry){whole.stage, profile_operation_name((profile_operation)operation),
                                                    sum.calls, (double)sum.ticks * tick_ms, (double)sum.flop};
            whole.flop += parts[operation].flop;
        }
        visit(user, &whole);
        for (int operation = 0; operation < PROFILE_OPERATIONS; operation++)
            if (parts[operation].calls)
                visit(user, &parts[operation]);
    }
    return SAM2_OK;
}

static sam2_status save_native(const weights *w, const model_config *config, sam2_precision precision,
                               const sam2_allocator *a, const char *output, const char *text, sam2_error *error)
{
    const int threads = cpu_count();
    return model_save(w, config, CPU_ISA_COUNT - 1, precision, threads > 256 ? 256 : threads, a, output, text, error);
}

/* What a file is to be, by its ending. */
typedef enum output_kind { OUTPUT_PT, OUTPUT_SAFETENSORS, OUTPUT_NATIVE } output_kind;

static sam2_status output_of(const char *path, output_kind *kind, sam2_error *error)
{
    static const struct {
        const char *text;
        output_kind kind;
    } endings[] = {
        {".pt", OUTPUT_PT}, {".pth", OUTPUT_PT}, {".safetensors", OUTPUT_SAFETENSORS}, {".sam2", OUTPUT_NATIVE}};
    const size_t n = strlen(path);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        const size_t length = strlen(endings[i].text);
        if (n > length && strcmp(path + n - length, endings[i].text) == 0) {
            *kind = endings[i].kind;
            return SAM2_OK;
        }
    }
    return error_set(error, SAM2_ERROR_ARGUMENT, "%s: the output's name must end in .pt, .pth, .safetensors or .sam2",
                     path);
}

static sam2_status convert_opened(const weights *w, output_kind kind, const char *output, sam2_precision precision,
                                  const sam2_allocator *a, const char *input, sam2_error *error)
{
    model_config config;
    sam2_status status = config_from_weights(w, &config, error);
    if (status == SAM2_OK)
        status = config_check(&config, w, a, error);
    if (status != SAM2_OK)
        return error_prefix(error, status, input);
    /* A file without a configuration gets the one that was recognised, so that the output needs no recognition. */
    char json[2048];
    config_to_json(&config, json, sizeof json);
    const char *text = weights_config(w) ? weights_config(w) : json;
    if (kind == OUTPUT_NATIVE)
        return save_native(w, &config, precision, a, output, text, error);
    if (kind == OUTPUT_SAFETENSORS)
        return weights_write_safetensors(w, output, text, precision == SAM2_PRECISION_AUTO,
                                         precision == SAM2_PRECISION_BF16 ? WEIGHTS_BF16 : WEIGHTS_F32, error);
    const bool sam1 = config.family == FAMILY_SAM1; /* whose tensors show all there is to know */
    if (strcmp(config.name, "custom") == 0 && !sam1)
        return error_set(error, SAM2_ERROR_UNSUPPORTED,
                         "%s: a .pt file cannot carry the configuration that this model has of its own", output);
    return (sam1 ? weights_write_pth : weights_write_pt)(w, output, error);
}

/* `input` NULL: the model that the library carries. */
static sam2_status convert(const char *input, const char *output, sam2_precision precision,
                           const sam2_allocator *allocator, sam2_error *error)
{
    CHECK_POINTER(output);
    const sam2_allocator *a;
    TRY(check_allocator(allocator, &a, error));
    output_kind kind = OUTPUT_NATIVE;
    TRY(output_of(output, &kind, error));
    if (precision < SAM2_PRECISION_AUTO || precision > SAM2_PRECISION_BF16)
        return error_set(error, SAM2_ERROR_UNSUPPORTED, "files can be written in f32 and bf16");
    if (kind == OUTPUT_PT && precision == SAM2_PRECISION_BF16)
        return error_set(error, SAM2_ERROR_UNSUPPORTED, "%s: a .pt file is written in f32", output);
    weights *w = NULL;
    TRY(input ? weights_open(a, input, 1, &w, error) : open_builtin(a, 1, &w, error));
    sam2_status status = convert_opened(w, kind, output, precision, a, input ? input : "the built-in model", error);
    weights_close(w);
    return status;
}

sam2_status sam2_convert(const char *input, const char *output, sam2_precision precision,
                         const sam2_allocator *allocator, sam2_error *error)
{
    CHECK_POINTER(input);
    return convert(input, output, precision, allocator, error);
}

sam2_status sam2_convert_builtin(const char *output, sam2_precision precision, const sam2_allocator *allocator,
                                 sam2_error *error)
{
    return convert(NULL, output, precision, allocator, error);
}

sam2_status sam2_synthesize(const char *name, const char *output, uint64_t seed, int absent,
                            const sam2_allocator *allocator, sam2_error *error)
{
    CHECK_POINTER(name);
    CHECK_POINTER(output);
    const sam2_allocator *a;
    TRY(check_allocator(allocator, &a, error));
    output_kind kind = OUTPUT_NATIVE;
    TRY(output_of(output, &kind, error));
    model_config config;
    TRY(config_from_name(name, &config, error));
    model_layout layout;
    TRY(config_layout(&config, a, &layout, error));
    weights *w = NULL;
    sam2_status status = weights_synthesize(a, layout.list, layout.count, seed, absent != 0, &w, error);
    config_layout_free(&layout);
    if (status != SAM2_OK)
        return status;
    char json[2048];
    config_to_json(&config, json, sizeof json);
    if (kind == OUTPUT_PT)
        status = (config.family == FAMILY_SAM1 ? weights_write_pth : weights_write_pt)(w, output, error);
    else if (kind == OUTPUT_NATIVE)
        status = save_native(w, &config, SAM2_PRECISION_F32, a, output, json, error);
    else
        status = weights_write_safetensors(w, output, NULL, 1, WEIGHTS_F32, error);
    weights_close(w);
    return status;
}
