#include "weights/metadata.h"

#include "weights/internal.h"

#define CONFIG_KEY "sam2.config"
#define MAX_DEPTH 8
#define MAX_OBJECTS (WEIGHTS_MAX_TENSORS + 16)      /* one a tensor */
#define MAX_LISTS (2 * WEIGHTS_MAX_TENSORS + 16)    /* shape and offsets of each */
#define MAX_VALUES (16 * WEIGHTS_MAX_TENSORS + 256) /* and what they hold */

/* Counts openings and commas outside of strings. Whether the text is JSON at all is jansson's business. */
static sam2_status check_bounds(const char *text, size_t length, const char *what, sam2_error *error)
{
    size_t objects = 0, lists = 0, values = 0, depth = 0;
    for (size_t i = 0; i < length; i++) {
        switch (text[i]) {
        case '"':
            for (i++; i < length && text[i] != '"'; i++)
                if (text[i] == '\\')
                    i++;
            break;
        case '{':
            objects++;
            depth++;
            break;
        case '[':
            lists++;
            depth++;
            break;
        case '}':
        case ']':
            depth -= depth > 0;
            break;
        case ',':
            values++;
            break;
        }
        if (depth > MAX_DEPTH)
            return error_set(error, SAM2_ERROR_FORMAT, "%s is nested deeper than %d levels", what, MAX_DEPTH);
        if (objects > MAX_OBJECTS || lists > MAX_LISTS || values > MAX_VALUES)
            return error_set(error, SAM2_ERROR_FORMAT, "%s describes more than %d tensors", what, WEIGHTS_MAX_TENSORS);
    }
    return SAM2_OK;
}

sam2_status metadata_parse(const char *text, size_t length, const char *what, json_t **object, sam2_error *error)
{
    TRY(check_bounds(text, length, what, error));
    json_error_t detail;
    json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES, &detail);
    if (!json && json_error_code(&detail) == json_error_out_of_memory)
        return error_memory(error, what, length);
    if (!json) {
        shown room;
        return error_set(error, SAM2_ERROR_FORMAT, "%s is damaged: %s (byte %d)", what, show(&room, detail.text, strlen(detail.text)),
                         detail.position);
    }
    if (!json_is_object(json)) {
        json_decref(json);
        return error_set(error, SAM2_ERROR_FORMAT, "%s is no JSON object", what);
    }
    *object = json;
    return SAM2_OK;
}

sam2_status metadata_take(weights *w, const json_t *object, sam2_error *error)
{
    const json_t *config = json_object_get(object, CONFIG_KEY);
    if (!config)
        return SAM2_OK;
    if (!json_is_string(config))
        return error_set(error, SAM2_ERROR_FORMAT, "the metadata's \"%s\" is no text", CONFIG_KEY);
    return weights_keep_text(w, json_string_value(config), json_string_length(config), &w->config, error);
}

sam2_status metadata_make(buffer *out, const char *config, const char *format, sam2_error *error)
{
    if (config && !weights_is_utf8(config, strlen(config)))
        return error_set(error, SAM2_ERROR_ARGUMENT, "the configuration is not UTF-8");
    json_t *object = json_pack("{ss* ss*}", "format", format, CONFIG_KEY, config);
    size_t length = object ? json_dumpb(object, NULL, 0, JSON_COMPACT) : 0, at = out->size;
    sam2_status status = length ? buffer_fill(out, ' ', length, error) : error_memory(error, "the metadata", 0);
    if (status == SAM2_OK && json_dumpb(object, (char *)out->bytes + at, length, JSON_COMPACT) != length)
        status = error_memory(error, "the metadata", length);
    json_decref(object);
    return status;
}
