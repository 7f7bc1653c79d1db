#include "weights/metadata.h"

#include "weights/internal.h"

#include <stdio.h>

#define CONFIG_KEY "sam2.config"

sam2_status metadata_damaged(const json_scan *s, const char *what, sam2_error *error)
{
    return error_set(error, SAM2_ERROR_FORMAT, "%s is damaged at byte %zu", what, (size_t)(s->at - s->start));
}

static sam2_status keep_config(weights *w, json_scan *s, const char *what, sam2_error *error)
{
    json_scan before = *s;
    size_t length;
    if (w->config)
        return error_set(error, SAM2_ERROR_FORMAT, "%s has \"%s\" twice", what, CONFIG_KEY);
    if (!json_text(s, NULL, 0, &length))
        return error_set(error, SAM2_ERROR_FORMAT, "%s: \"%s\" is no text", what, CONFIG_KEY);
    void *memory;
    TRY(chunks_take(&w->texts, length + 1, &memory, error));
    char *text = memory;
    json_text(&before, text, length, &length);
    text[length] = '\0';
    w->config = text;
    return SAM2_OK;
}

sam2_status metadata_read(weights *w, json_scan *s, const char *what, sam2_error *error)
{
    if (!json_take(s, '{'))
        return metadata_damaged(s, what, error);
    if (json_take(s, '}'))
        return SAM2_OK;
    for (;;) {
        char key[sizeof CONFIG_KEY];
        size_t length;
        if (!json_text(s, key, sizeof key, &length) || !json_take(s, ':'))
            return metadata_damaged(s, what, error);
        if (length == sizeof CONFIG_KEY - 1 && memcmp(key, CONFIG_KEY, length) == 0)
            TRY(keep_config(w, s, what, error));
        else if (!json_skip(s))
            return metadata_damaged(s, what, error);
        if (json_take(s, '}'))
            return SAM2_OK;
        if (!json_take(s, ','))
            return metadata_damaged(s, what, error);
    }
}

static sam2_status add_text(buffer *out, const char *text, sam2_error *error)
{
    TRY(buffer_text(out, "\"", error));
    for (; *text; text++) {
        char escaped[8];
        if ((unsigned char)*text < 0x20)
            snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned)*text);
        else
            snprintf(escaped, sizeof escaped, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
        TRY(buffer_text(out, escaped, error));
    }
    return buffer_text(out, "\"", error);
}

sam2_status metadata_make(buffer *out, const char *config, const char *format, sam2_error *error)
{
    if (config && !weights_is_utf8(config, strlen(config)))
        return error_set(error, SAM2_ERROR_ARGUMENT, "the configuration is not UTF-8");
    TRY(buffer_text(out, "{", error));
    if (format) {
        TRY(buffer_text(out, "\"format\":", error));
        TRY(add_text(out, format, error));
    }
    if (config) {
        TRY(buffer_text(out, format ? ",\"" CONFIG_KEY "\":" : "\"" CONFIG_KEY "\":", error));
        TRY(add_text(out, config, error));
    }
    return buffer_text(out, "}", error);
}
