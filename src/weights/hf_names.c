/* Tensor names of Hugging Face transformers (Sam2Model, Sam2VideoModel, SamModel) to the official ones.
 *
 * Source of the tables: the renaming in transformers' conversion scripts,
 * src/transformers/models/sam2_video/convert_sam2_video_to_hf.py and src/transformers/models/sam/convert_sam_to_hf.py
 * (Apache License 2.0), read backwards; tests/weights/check_hf_names.py compares the outcome with the models' own state
 * dicts. Except for two tensors it is pure renaming: the four point embeddings are stacked there, and the Gaussian
 * matrix is there twice. */
#include "weights/internal.h"

/* In a pattern '#' stands for digits, '@' for a part without a dot, '*' for the rest; the same signs in the official
 * name take what they stood for, in their order. The first row that fits counts. NULL: the tensor is left out. */
typedef struct row {
    const char *theirs, *official;
} row;

static const row sam2_rows[] = {
    /* trunk and neck */
    {"vision_encoder.backbone.patch_embed.projection.*", "image_encoder.trunk.patch_embed.proj.*"},
    {"vision_encoder.backbone.blocks.#.layer_norm#.*", "image_encoder.trunk.blocks.#.norm#.*"},
    {"vision_encoder.backbone.blocks.#.mlp.proj_in.*", "image_encoder.trunk.blocks.#.mlp.layers.0.*"},
    {"vision_encoder.backbone.blocks.#.mlp.proj_out.*", "image_encoder.trunk.blocks.#.mlp.layers.1.*"},
    {"vision_encoder.backbone.*", "image_encoder.trunk.*"},
    {"vision_encoder.neck.convs.#.*", "image_encoder.neck.convs.#.conv.*"},
    /* prompt encoder */
    {"shared_image_embedding.positional_embedding", "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"},
    {"prompt_encoder.shared_embedding.positional_embedding",
     "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"},
    {"prompt_encoder.mask_embed.conv1.*", "sam_prompt_encoder.mask_downscaling.0.*"},
    {"prompt_encoder.mask_embed.layer_norm1.*", "sam_prompt_encoder.mask_downscaling.1.*"},
    {"prompt_encoder.mask_embed.conv2.*", "sam_prompt_encoder.mask_downscaling.3.*"},
    {"prompt_encoder.mask_embed.layer_norm2.*", "sam_prompt_encoder.mask_downscaling.4.*"},
    {"prompt_encoder.mask_embed.conv3.*", "sam_prompt_encoder.mask_downscaling.6.*"},
    {"prompt_encoder.*", "sam_prompt_encoder.*"},
    /* mask decoder */
    {"mask_decoder.transformer.layers.#.@.o_proj.*", "sam_mask_decoder.transformer.layers.#.@.out_proj.*"},
    {"mask_decoder.transformer.layers.#.layer_norm#.*", "sam_mask_decoder.transformer.layers.#.norm#.*"},
    {"mask_decoder.transformer.layers.#.mlp.proj_in.*", "sam_mask_decoder.transformer.layers.#.mlp.layers.0.*"},
    {"mask_decoder.transformer.layers.#.mlp.proj_out.*", "sam_mask_decoder.transformer.layers.#.mlp.layers.1.*"},
    {"mask_decoder.transformer.@.o_proj.*", "sam_mask_decoder.transformer.@.out_proj.*"},
    {"mask_decoder.transformer.layer_norm_final_attn.*", "sam_mask_decoder.transformer.norm_final_attn.*"},
    {"mask_decoder.upscale_conv1.*", "sam_mask_decoder.output_upscaling.0.*"},
    {"mask_decoder.upscale_layer_norm.*", "sam_mask_decoder.output_upscaling.1.*"},
    {"mask_decoder.upscale_conv2.*", "sam_mask_decoder.output_upscaling.3.*"},
    {"mask_decoder.output_hypernetworks_mlps.#.proj_in.*", "sam_mask_decoder.output_hypernetworks_mlps.#.layers.0.*"},
    {"mask_decoder.output_hypernetworks_mlps.#.layers.0.*", "sam_mask_decoder.output_hypernetworks_mlps.#.layers.1.*"},
    {"mask_decoder.output_hypernetworks_mlps.#.proj_out.*", "sam_mask_decoder.output_hypernetworks_mlps.#.layers.2.*"},
    {"mask_decoder.iou_prediction_head.proj_in.*", "sam_mask_decoder.iou_prediction_head.layers.0.*"},
    {"mask_decoder.iou_prediction_head.layers.0.*", "sam_mask_decoder.iou_prediction_head.layers.1.*"},
    {"mask_decoder.iou_prediction_head.proj_out.*", "sam_mask_decoder.iou_prediction_head.layers.2.*"},
    {"mask_decoder.pred_obj_score_head.proj_in.*", "sam_mask_decoder.pred_obj_score_head.layers.0.*"},
    {"mask_decoder.pred_obj_score_head.layers.0.*", "sam_mask_decoder.pred_obj_score_head.layers.1.*"},
    {"mask_decoder.pred_obj_score_head.proj_out.*", "sam_mask_decoder.pred_obj_score_head.layers.2.*"},
    {"mask_decoder.*", "sam_mask_decoder.*"},
    /* memory attention; its rotary table is computed */
    {"memory_attention.layers.#.@.o_proj.*", "memory_attention.layers.#.@.out_proj.*"},
    {"memory_attention.layers.#.layer_norm#.*", "memory_attention.layers.#.norm#.*"},
    {"memory_attention.layer_norm.*", "memory_attention.norm.*"},
    {"memory_attention.rotary_emb.*", NULL},
    /* memory encoder; each convolution of the mask is followed by a norm and an activation */
    {"memory_encoder.mask_downsampler.layers.0.conv.*", "memory_encoder.mask_downsampler.encoder.0.*"},
    {"memory_encoder.mask_downsampler.layers.0.layer_norm.*", "memory_encoder.mask_downsampler.encoder.1.*"},
    {"memory_encoder.mask_downsampler.layers.1.conv.*", "memory_encoder.mask_downsampler.encoder.3.*"},
    {"memory_encoder.mask_downsampler.layers.1.layer_norm.*", "memory_encoder.mask_downsampler.encoder.4.*"},
    {"memory_encoder.mask_downsampler.layers.2.conv.*", "memory_encoder.mask_downsampler.encoder.6.*"},
    {"memory_encoder.mask_downsampler.layers.2.layer_norm.*", "memory_encoder.mask_downsampler.encoder.7.*"},
    {"memory_encoder.mask_downsampler.layers.3.conv.*", "memory_encoder.mask_downsampler.encoder.9.*"},
    {"memory_encoder.mask_downsampler.layers.3.layer_norm.*", "memory_encoder.mask_downsampler.encoder.10.*"},
    {"memory_encoder.mask_downsampler.final_conv.*", "memory_encoder.mask_downsampler.encoder.12.*"},
    {"memory_encoder.feature_projection.*", "memory_encoder.pix_feat_proj.*"},
    {"memory_encoder.memory_fuser.layers.#.scale", "memory_encoder.fuser.layers.#.gamma"},
    {"memory_encoder.memory_fuser.layers.#.depthwise_conv.*", "memory_encoder.fuser.layers.#.dwconv.*"},
    {"memory_encoder.memory_fuser.layers.#.layer_norm.*", "memory_encoder.fuser.layers.#.norm.*"},
    {"memory_encoder.memory_fuser.layers.#.pointwise_conv#.*", "memory_encoder.fuser.layers.#.pwconv#.*"},
    {"memory_encoder.projection.*", "memory_encoder.out_proj.*"},
    /* the rest of the video model */
    {"memory_temporal_positional_encoding", "maskmem_tpos_enc"},
    {"no_memory_embedding", "no_mem_embed"},
    {"no_memory_positional_encoding", "no_mem_pos_enc"},
    {"no_object_pointer", "no_obj_ptr"},
    {"occlusion_spatial_embedding_parameter", "no_obj_embed_spatial"},
    {"temporal_positional_encoding_projection_layer.*", "obj_ptr_tpos_proj.*"},
    {"object_pointer_proj.proj_in.*", "obj_ptr_proj.layers.0.*"},
    {"object_pointer_proj.layers.0.*", "obj_ptr_proj.layers.1.*"},
    {"object_pointer_proj.proj_out.*", "obj_ptr_proj.layers.2.*"},
};

static const row sam1_rows[] = {
    {"vision_encoder.patch_embed.projection.*", "image_encoder.patch_embed.proj.*"},
    {"vision_encoder.layers.#.layer_norm#.*", "image_encoder.blocks.#.norm#.*"},
    {"vision_encoder.layers.#.*", "image_encoder.blocks.#.*"},
    {"vision_encoder.neck.conv1.*", "image_encoder.neck.0.*"},
    {"vision_encoder.neck.layer_norm1.*", "image_encoder.neck.1.*"},
    {"vision_encoder.neck.conv2.*", "image_encoder.neck.2.*"},
    {"vision_encoder.neck.layer_norm2.*", "image_encoder.neck.3.*"},
    {"vision_encoder.*", "image_encoder.*"},
    {"shared_image_embedding.positional_embedding", "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"},
    {"prompt_encoder.shared_embedding.positional_embedding",
     "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"},
    {"prompt_encoder.mask_embed.conv1.*", "prompt_encoder.mask_downscaling.0.*"},
    {"prompt_encoder.mask_embed.layer_norm1.*", "prompt_encoder.mask_downscaling.1.*"},
    {"prompt_encoder.mask_embed.conv2.*", "prompt_encoder.mask_downscaling.3.*"},
    {"prompt_encoder.mask_embed.layer_norm2.*", "prompt_encoder.mask_downscaling.4.*"},
    {"prompt_encoder.mask_embed.conv3.*", "prompt_encoder.mask_downscaling.6.*"},
    {"prompt_encoder.point_embed.#.*", "prompt_encoder.point_embeddings.#.*"},
    {"mask_decoder.transformer.layers.#.layer_norm#.*", "mask_decoder.transformer.layers.#.norm#.*"},
    {"mask_decoder.transformer.layer_norm_final_attn.*", "mask_decoder.transformer.norm_final_attn.*"},
    {"mask_decoder.upscale_conv1.*", "mask_decoder.output_upscaling.0.*"},
    {"mask_decoder.upscale_layer_norm.*", "mask_decoder.output_upscaling.1.*"},
    {"mask_decoder.upscale_conv2.*", "mask_decoder.output_upscaling.3.*"},
    {"mask_decoder.output_hypernetworks_mlps.#.proj_in.*", "mask_decoder.output_hypernetworks_mlps.#.layers.0.*"},
    {"mask_decoder.output_hypernetworks_mlps.#.layers.0.*", "mask_decoder.output_hypernetworks_mlps.#.layers.1.*"},
    {"mask_decoder.output_hypernetworks_mlps.#.proj_out.*", "mask_decoder.output_hypernetworks_mlps.#.layers.2.*"},
    {"mask_decoder.iou_prediction_head.proj_in.*", "mask_decoder.iou_prediction_head.layers.0.*"},
    {"mask_decoder.iou_prediction_head.layers.0.*", "mask_decoder.iou_prediction_head.layers.1.*"},
    {"mask_decoder.iou_prediction_head.proj_out.*", "mask_decoder.iou_prediction_head.layers.2.*"},
};

#define STACKED "prompt_encoder.point_embed.weight"
#define MAX_STACKED 9
#define GAUSSIAN "positional_encoding_gaussian_matrix" /* kept once when both are the same */

/* What the signs of a pattern stood for. */
typedef struct match {
    const char *text[4];
    size_t length[4];
} match;

static bool matches(const char *pattern, const char *name, match *m)
{
    size_t found = 0;
    for (; *pattern; pattern++) {
        size_t n = 0;
        switch (*pattern) {
        case '#':
            n = strspn(name, "0123456789");
            break;
        case '@':
            n = strcspn(name, ".");
            break;
        case '*':
            n = strlen(name);
            break;
        default:
            if (*name++ != *pattern)
                return false;
            continue;
        }
        if (n == 0)
            return false;
        m->text[found] = name;
        m->length[found++] = n;
        name += n;
    }
    return *name == '\0';
}

/* Writes the official name into `out`; false when it does not fit. */
static bool expand(const char *official, const match *m, char out[WEIGHTS_MAX_NAME + 1])
{
    size_t at = 0, used = 0;
    for (; *official; official++) {
        bool sign = *official == '#' || *official == '@' || *official == '*';
        const char *text = sign ? m->text[used] : official;
        size_t length = sign ? m->length[used] : 1;
        used += sign;
        if (length > WEIGHTS_MAX_NAME - at)
            return false;
        memcpy(out + at, text, length);
        at += length;
    }
    out[at] = '\0';
    return true;
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* The rows for the names that are there, or none. */
static size_t choose_rows(const weights *w, const row **rows)
{
    for (size_t i = 0; i < w->count; i++) {
        if (starts_with(w->tensors[i].name, "vision_encoder.backbone.")) {
            *rows = sam2_rows;
            return sizeof sam2_rows / sizeof *sam2_rows;
        }
        if (starts_with(w->tensors[i].name, "vision_encoder.layers.")) {
            *rows = sam1_rows;
            return sizeof sam1_rows / sizeof *sam1_rows;
        }
    }
    return 0;
}

static sam2_status rename_one(weights *w, weights_tensor *t, const row *rows, size_t row_count, bool *drop,
                              sam2_error *error)
{
    match m;
    char name[WEIGHTS_MAX_NAME + 1];
    for (size_t i = 0; i < row_count; i++) {
        if (!matches(rows[i].theirs, t->name, &m))
            continue;
        if (!rows[i].official) {
            *drop = true;
            return SAM2_OK;
        }
        if (!expand(rows[i].official, &m, name))
            return error_set(error, SAM2_ERROR_FORMAT, "tensor %.100s...: the name is too long", t->name);
        return weights_keep_text(w, name, strlen(name), &t->name, error);
    }
    return SAM2_OK; /* not one of theirs: the model says so */
}

/* The rows of point_embed.weight [n, channels] as n tensors [1, channels]. The new ones go to the end of the list. */
static sam2_status split_points(weights *w, size_t index, sam2_error *error)
{
    const weights_tensor stacked = w->tensors[index];
    size_t n = (size_t)stacked.shape[0], row_bytes = n ? stacked.count / n * weights_type_size(stacked.type) : 0;
    const int64_t shape[2] = {1, stacked.shape[1]};
    for (size_t i = 0; i < n; i++) {
        char name[] = "sam_prompt_encoder.point_embeddings.0.weight";
        *strchr(name, '0') = (char)('0' + i);
        TRY(weights_add(w, name, strlen(name), stacked.type, 2, shape, (const uint8_t *)stacked.data + i * row_bytes,
                        error));
    }
    return SAM2_OK;
}

static bool same_tensor(const weights_tensor *a, const weights_tensor *b)
{
    return strcmp(a->name, b->name) == 0 && a->type == b->type && a->dims == b->dims &&
           memcmp(a->shape, b->shape, sizeof a->shape) == 0 &&
           memcmp(a->data, b->data, a->count * weights_type_size(a->type)) == 0;
}

sam2_status weights_from_hugging_face(weights *w, sam2_error *error)
{
    const row *rows = NULL;
    size_t row_count = choose_rows(w, &rows), theirs = w->count, kept = 0, matrix = SIZE_MAX;
    if (row_count == 0)
        return SAM2_OK;
    for (size_t i = 0; i < theirs; i++) {
        bool drop = false;
        const weights_tensor *t = &w->tensors[i];
        if (rows == sam2_rows && strcmp(t->name, STACKED) == 0 && t->dims == 2 && t->shape[0] <= MAX_STACKED) {
            TRY(split_points(w, i, error)); /* may move the list */
            drop = true;
        } else {
            TRY(rename_one(w, &w->tensors[i], rows, row_count, &drop, error));
        }
        t = &w->tensors[i];
        if (!drop && strstr(t->name, GAUSSIAN)) {
            drop = matrix != SIZE_MAX && same_tensor(&w->tensors[matrix], t);
            matrix = drop ? matrix : kept;
        }
        if (!drop)
            w->tensors[kept++] = *t;
    }
    memmove(w->tensors + kept, w->tensors + theirs, (w->count - theirs) * sizeof *w->tensors);
    w->count -= theirs - kept;
    return SAM2_OK;
}
