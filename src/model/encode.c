/* The image encoder of either kind. */
#include "model/model.h"

void pyramid_sizes(const model *m, size_t *embedding, size_t *s0, size_t *s1)
{
    const size_t dim = (size_t)m->config.d_model, fine = model_is_sam1(m) ? 0 : 1;
    *embedding = model_side(m, 16) * model_side(m, 16) * dim;
    *s0 = fine * model_side(m, 4) * model_side(m, 4) * (dim / 8);
    *s1 = fine * model_side(m, 8) * model_side(m, 8) * (dim / 4);
}

void encode_image(const model *m, const exec *ex, input_filler fill, void *fill_context, const pyramid *out, watcher *w)
{
    if (model_is_sam1(m))
        encode_vit(m, ex, fill, fill_context, out, w);
    else
        encode_hiera(m, ex, fill, fill_context, out, w);
}
