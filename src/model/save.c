/* Native files: a model is packed as it would be for running here, and what was packed is written. */
#include "model/builder.h"

sam2_status model_save(const weights *w, const model_config *config, cpu_isa limit, sam2_precision precision,
                       int threads, const sam2_allocator *a, const char *path, const char *text, sam2_error *error)
{
    const size_t bytes = (weights_count(w) + BUILDER_CONSTANTS) * sizeof(weights_form);
    const bool by_storage = precision == SAM2_PRECISION_AUTO;
    const build_options options = {.limit = limit,
                                   .precision = by_storage ? SAM2_PRECISION_F32 : precision,
                                   .threads = threads,
                                   .by_storage = by_storage,
                                   .in_place = weights_mapped(w) && weights_get_format(w) == WEIGHTS_NATIVE};
    void *memory = NULL;
    TRY(alloc_array(a, 1, bytes, "the tensors' index", &memory, error));
    weights_form *forms = memory;
    model *m = NULL;
    size_t constants = 0;
    sam2_status status = builder_run(w, config, &options, a, &m, forms, &constants, error);
    if (status == SAM2_OK) {
        status = weights_write_packed(w, path, text, forms, constants, error);
        model_free(m);
    }
    alloc_release(a, memory, bytes);
    return status;
}
