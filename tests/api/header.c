/* The public header alone, as C99 and as C++17: it needs nothing before it and starts no warning. */
#include "sam2.h"

int sam2_header_compiles(void);

int sam2_header_compiles(void)
{
    sam2_model_options options = SAM2_MODEL_OPTIONS_INIT;
    sam2_model_info info = SAM2_MODEL_INFO_INIT;
    sam2_prompt prompt = SAM2_PROMPT_INIT;
    sam2_predict_options predict = SAM2_PREDICT_OPTIONS_INIT;
    sam2_mask mask = SAM2_MASK_INIT;
    return options.struct_size && info.struct_size && prompt.struct_size && predict.struct_size && mask.struct_size;
}
