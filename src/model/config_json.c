/* The configuration that travels with a file: the keys of the official yaml's `model` node. */
#include "model/config_internal.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* Reads an integer at root.a.b...; the path is dotted. Absent keys keep the default. */
static sam2_status read_int(json_t *root, const char *path, int *value, sam2_error *error)
{
    char key[64];
    json_t *node = root;
    for (const char *p = path; node;) {
        size_t n = strcspn(p, ".");
        snprintf(key, sizeof key, "%.*s", (int)n, p);
        node = json_object_get(node, key);
        if (!p[n])
            break;
        p += n + 1;
    }
    if (!node)
        return SAM2_OK;
    json_int_t v = json_integer_value(node);
    if (!json_is_integer(node) || v < 0 || v > 1 << 20)
        return error_set(error, SAM2_ERROR_FORMAT, "sam2.config: %s is not an integer from 0 to 1048576", path);
    *value = (int)v;
    return SAM2_OK;
}

/* Reads a list of at most `most` integers; *count becomes its length. */
static sam2_status read_list(json_t *node, const char *what, int *values, int most, int *count, sam2_error *error)
{
    if (!node)
        return SAM2_OK;
    if (!json_is_array(node) || json_array_size(node) > (size_t)most)
        return error_set(error, SAM2_ERROR_FORMAT, "sam2.config: %s is not a list of at most %d integers", what, most);
    size_t i;
    json_t *item;
    json_array_foreach(node, i, item)
    {
        json_int_t v = json_integer_value(item);
        if (!json_is_integer(item) || v < 0 || v > 1 << 20)
            return error_set(error, SAM2_ERROR_FORMAT,
                             "sam2.config: %s has an element that is not an integer from 0 to 1048576", what);
        values[i] = (int)v;
    }
    *count = (int)json_array_size(node);
    return SAM2_OK;
}

static sam2_status read_four(json_t *node, const char *what, int values[4], sam2_error *error)
{
    int count = 4;
    TRY(read_list(node, what, values, 4, &count, error));
    if (count != 4)
        return error_set(error, SAM2_ERROR_UNSUPPORTED, "sam2.config: %s has %d elements; four stages can be used",
                         what, count);
    return SAM2_OK;
}

/* Switches that this implementation takes for granted: any other value is another model. */
static sam2_status check_switches(json_t *root, sam2_error *error)
{
    static const struct {
        const char *key;
        int value;
    } fixed[] = {
        {"use_high_res_features_in_sam", 1},
        {"directly_add_no_mem_embed", 1},
        {"iou_prediction_use_sigmoid", 1},
        {"pred_obj_scores", 1},
        {"pred_obj_scores_mlp", 1},
        {"use_obj_ptrs_in_encoder", 1},
        {"use_mask_input_as_output_without_sam", 1},
    };
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        json_t *v = json_object_get(root, fixed[i].key);
        if (!v || (json_is_boolean(v) ? json_is_true(v) : -1) != fixed[i].value)
            return error_set(error, SAM2_ERROR_UNSUPPORTED, "sam2.config: %s must be %s", fixed[i].key,
                             fixed[i].value ? "true" : "false");
    }
    return SAM2_OK;
}

static sam2_status read_trunk(json_t *encoder, model_config *c, sam2_error *error)
{
    json_t *trunk = json_object_get(encoder, "trunk"), *neck = json_object_get(encoder, "neck");
    if (!json_is_object(trunk) || !json_is_object(neck))
        return error_set(error, SAM2_ERROR_FORMAT, "sam2.config: image_encoder needs a trunk and a neck");
    TRY(read_int(trunk, "embed_dim", &c->embed_dim, error));
    TRY(read_int(trunk, "num_heads", &c->heads, error));
    TRY(read_four(json_object_get(trunk, "stages"), "stages", c->stages, error));
    TRY(read_four(json_object_get(trunk, "window_spec"), "window_spec", c->window_spec, error));
    TRY(read_list(json_object_get(trunk, "global_att_blocks"), "global_att_blocks", c->global_blocks, CONFIG_MAX_BLOCKS,
                  &c->global_count, error));
    int background[2] = {c->background, c->background}, count = 2;
    TRY(read_list(json_object_get(trunk, "window_pos_embed_bkg_spatial_size"), "window_pos_embed_bkg_spatial_size",
                  background, 2, &count, error));
    if (count != 2 || background[0] != background[1])
        return error_set(error, SAM2_ERROR_UNSUPPORTED,
                         "sam2.config: window_pos_embed_bkg_spatial_size is not a square");
    c->background = background[0];
    TRY(read_int(neck, "d_model", &c->d_model, error));
    int levels[4], level_count = -1;
    TRY(read_list(json_object_get(neck, "fpn_top_down_levels"), "fpn_top_down_levels", levels, 4, &level_count, error));
    for (int i = 0; level_count >= 0 && i < 4; i++) {
        c->top_down[i] = false;
        for (int j = 0; j < level_count; j++)
            c->top_down[i] = c->top_down[i] || levels[j] == i;
    }
    int scalp = 1;
    TRY(read_int(encoder, "scalp", &scalp, error));
    if (scalp != 1 || c->top_down[0] || c->top_down[1])
        return error_set(error, SAM2_ERROR_UNSUPPORTED,
                         "sam2.config: scalp must be 1 and fpn_top_down_levels within [2, 3]");
    return SAM2_OK;
}

/* SAM 1: the arguments of its modules' constructors. */
static sam2_status read_vit(json_t *root, model_config *c, sam2_error *error)
{
    json_t *list = json_object_get(json_object_get(root, "image_encoder"), "global_attn_indexes");
    config_vit_defaults(c);
    TRY(read_int(root, "image_encoder.img_size", &c->image_size, error));
    TRY(read_int(root, "image_encoder.embed_dim", &c->embed_dim, error));
    TRY(read_int(root, "image_encoder.depth", &c->stages[0], error));
    TRY(read_int(root, "image_encoder.num_heads", &c->heads, error));
    TRY(read_int(root, "image_encoder.window_size", &c->window_spec[0], error));
    TRY(read_int(root, "image_encoder.out_chans", &c->d_model, error));
    TRY(read_list(list, "global_attn_indexes", c->global_blocks, CONFIG_MAX_BLOCKS, &c->global_count, error));
    TRY(read_int(root, "mask_decoder.mlp_dim", &c->decoder_mlp, error));
    TRY(read_int(root, "mask_decoder.iou_head_hidden_dim", &c->iou_hidden, error));
    return config_vit_resolve(c, error);
}

static sam2_status read_all(json_t *root, const weights *w, model_config *c, sam2_error *error)
{
    if (!json_is_object(root) || !json_is_object(json_object_get(root, "image_encoder")))
        return error_set(error, SAM2_ERROR_FORMAT, "sam2.config: there is no image_encoder");
    const char *type = json_string_value(json_object_get(root, "model_type"));
    if (type && strcmp(type, "sam1") == 0)
        return read_vit(root, c, error);
    TRY(read_trunk(json_object_get(root, "image_encoder"), c, error));
    TRY(check_switches(root, error));
    TRY(read_int(root, "image_size", &c->image_size, error));
    TRY(read_int(root, "num_maskmem", &c->memory_slots, error));
    TRY(read_int(root, "memory_attention.num_layers", &c->memory_layers, error));
    TRY(read_int(root, "memory_attention.layer.dim_feedforward", &c->memory_feedforward, error));
    TRY(read_int(root, "memory_encoder.out_dim", &c->memory_dim, error));
    TRY(read_int(root, "memory_encoder.fuser.num_layers", &c->memory_fuser_layers, error));
    TRY(read_int(root, "memory_encoder.fuser.layer.kernel_size", &c->memory_kernel, error));
    c->release_2_1 = weights_find(w, "no_obj_embed_spatial") != NULL;
    TRY(config_resolve(c, error));
    config_name(c);
    return SAM2_OK;
}

sam2_status config_from_json(const char *json, const weights *w, model_config *out, sam2_error *error)
{
    json_error_t where;
    json_t *root = json_loads(json, JSON_REJECT_DUPLICATES, &where);
    if (!root && json_error_code(&where) == json_error_out_of_memory)
        return error_memory(error, "reading sam2.config", strlen(json));
    if (!root)
        return error_set(error, SAM2_ERROR_FORMAT, "sam2.config: not JSON (line %d: %s)", where.line, where.text);
    config_set_defaults(out);
    sam2_status status = read_all(root, w, out, error);
    json_decref(root);
    return status;
}

#define PUT(...)                                                                                                       \
    do {                                                                                                               \
        int n_ = snprintf(used < capacity ? out + used : NULL, used < capacity ? capacity - used : 0, __VA_ARGS__);    \
        used += n_ > 0 ? (size_t)n_ : 0;                                                                               \
    } while (0)

static void vit_to_json(const model_config *c, char *out, size_t capacity)
{
    size_t used = 0;
    PUT("{\"model_type\":\"sam1\",\"image_encoder\":{\"img_size\":%d,\"embed_dim\":%d,\"depth\":%d,\"num_heads\":%d,"
        "\"window_size\":%d,\"global_attn_indexes\":[",
        c->image_size, c->embed_dim, c->block_count, c->heads, c->window_spec[0]);
    for (int i = 0; i < c->global_count; i++)
        PUT("%s%d", i ? "," : "", c->global_blocks[i]);
    PUT("],\"out_chans\":%d},\"mask_decoder\":{\"mlp_dim\":%d,\"iou_head_hidden_dim\":%d}}", c->d_model, c->decoder_mlp,
        c->iou_hidden);
}

void config_to_json(const model_config *c, char *out, size_t capacity)
{
    size_t used = 0;
    if (c->family == FAMILY_SAM1) {
        vit_to_json(c, out, capacity);
        return;
    }
    PUT("{\"image_encoder\":{\"scalp\":1,\"trunk\":{\"embed_dim\":%d,\"num_heads\":%d,\"stages\":[%d,%d,%d,%d],"
        "\"global_att_blocks\":[",
        c->embed_dim, c->heads, c->stages[0], c->stages[1], c->stages[2], c->stages[3]);
    for (int i = 0; i < c->global_count; i++)
        PUT("%s%d", i ? "," : "", c->global_blocks[i]);
    PUT("],\"window_spec\":[%d,%d,%d,%d],\"window_pos_embed_bkg_spatial_size\":[%d,%d]},", c->window_spec[0],
        c->window_spec[1], c->window_spec[2], c->window_spec[3], c->background, c->background);
    PUT("\"neck\":{\"d_model\":%d,\"fpn_top_down_levels\":[", c->d_model);
    for (int i = 0, first = 1; i < 4; i++)
        if (c->top_down[i]) {
            PUT("%s%d", first ? "" : ",", i);
            first = 0;
        }
    PUT("]}},\"memory_attention\":{\"num_layers\":%d,\"layer\":{\"dim_feedforward\":%d}},", c->memory_layers,
        c->memory_feedforward);
    PUT("\"memory_encoder\":{\"out_dim\":%d,\"fuser\":{\"num_layers\":%d,\"layer\":{\"kernel_size\":%d}}},",
        c->memory_dim, c->memory_fuser_layers, c->memory_kernel);
    PUT("\"num_maskmem\":%d,\"image_size\":%d,\"use_mask_input_as_output_without_sam\":true,\"directly_add_no_mem_"
        "embed\":true,",
        c->memory_slots, c->image_size);
    PUT("\"use_high_res_features_in_sam\":true,\"iou_prediction_use_sigmoid\":true,\"use_obj_ptrs_in_encoder\":true,"
        "\"pred_obj_scores\":true,\"pred_obj_scores_mlp\":true}");
#undef PUT
}
