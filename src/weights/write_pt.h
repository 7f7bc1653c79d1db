#ifndef WEIGHTS_WRITE_PT_H
#define WEIGHTS_WRITE_PT_H

#include "weights/weights.h"

/* weights_write_pt, or weights_write_pth where the tensors are not `under_model`, with zip64 fields for numbers from
 * `zip64_from` on (at most ZIP_LIMIT). */
sam2_status write_pt_limited(const weights *w, const char *path, bool under_model, uint64_t zip64_from,
                             sam2_error *error);

#endif
