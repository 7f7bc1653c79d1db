#include "weights/internal.h"

sam2_status pt_parse(weights *w, const uint8_t *bytes, size_t size, int verify, sam2_error *error)
{
    (void)w, (void)bytes, (void)size, (void)verify;
    return error_set(error, SAM2_ERROR_UNSUPPORTED, "PyTorch files are not read yet");
}
