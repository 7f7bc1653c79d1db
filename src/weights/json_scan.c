#include "weights/json_scan.h"

#include "weights/internal.h"

static void skip_space(json_scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
        s->at++;
}

bool json_take(json_scan *s, char c)
{
    skip_space(s);
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

bool json_at_end(json_scan *s)
{
    skip_space(s);
    return s->at == s->end;
}

/* Four hexadecimal digits. */
static bool take_hex(const char **at, const char *end, uint32_t *out)
{
    if (end - *at < 4)
        return false;
    *out = 0;
    for (int i = 0; i < 4; i++) {
        char c = *(*at)++;
        int digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
        if (digit < 0)
            return false;
        *out = *out << 4 | (uint32_t)digit;
    }
    return true;
}

/* The code after "\u", with its second half when it is a surrogate. */
static bool take_code(const char **at, const char *end, uint32_t *code)
{
    uint32_t low;
    if (!take_hex(at, end, code) || *code == 0 || (*code >= 0xDC00 && *code < 0xE000))
        return false;
    if (*code < 0xD800 || *code >= 0xDC00)
        return true;
    if (end - *at < 2 || (*at)[0] != '\\' || (*at)[1] != 'u')
        return false;
    *at += 2;
    if (!take_hex(at, end, &low) || low < 0xDC00 || low >= 0xE000)
        return false;
    *code = 0x10000 + ((*code - 0xD800) << 10) + (low - 0xDC00);
    return true;
}

static size_t encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = length; i-- > 1; code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3F));
    out[0] = (char)(lead[length] | code);
    return length;
}

/* What follows a backslash, as UTF-8. */
static bool take_escape(const char **at, const char *end, char out[4], size_t *length)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (*at == end)
        return false;
    char c = *(*at)++;
    const char *found = c ? strchr(from, c) : NULL;
    uint32_t code;
    if (found) {
        out[0] = to[found - from];
        *length = 1;
        return true;
    }
    if (c != 'u' || !take_code(at, end, &code))
        return false;
    *length = encode(code, out);
    return true;
}

bool json_text(json_scan *s, char *out, size_t capacity, size_t *length)
{
    if (!json_take(s, '"'))
        return false;
    const char *at = s->at;
    *length = 0;
    for (;;) {
        const char *plain = at;
        while (at < s->end && *at != '"' && *at != '\\' && (unsigned char)*at >= 0x20)
            at++;
        size_t n = (size_t)(at - plain);
        if (!weights_is_utf8(plain, n))
            return false;
        if (*length < capacity)
            memcpy(out + *length, plain, n < capacity - *length ? n : capacity - *length);
        *length += n;
        if (at == s->end || (unsigned char)*at < 0x20)
            return false;
        if (*at++ == '"')
            break;
        char escaped[4];
        if (!take_escape(&at, s->end, escaped, &n))
            return false;
        for (size_t i = 0; i < n; i++)
            if (*length + i < capacity)
                out[*length + i] = escaped[i];
        *length += n;
    }
    s->at = at;
    return true;
}

static size_t digits(const json_scan *s)
{
    size_t n = 0;
    while (s->at + n < s->end && s->at[n] >= '0' && s->at[n] <= '9')
        n++;
    return n;
}

bool json_size(json_scan *s, int64_t *out)
{
    skip_space(s);
    size_t n = digits(s);
    if (n == 0 || (n > 1 && *s->at == '0'))
        return false;
    int64_t value = 0;
    for (size_t i = 0; i < n; i++)
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, s->at[i] - '0', &value))
            return false;
    s->at += n;
    *out = value;
    return s->at == s->end || !strchr(".eE", *s->at) || *s->at == '\0';
}

static bool take_number(json_scan *s)
{
    if (s->at < s->end && *s->at == '-')
        s->at++;
    size_t n = digits(s);
    if (n == 0 || (n > 1 && *s->at == '0'))
        return false;
    s->at += n;
    if (s->at < s->end && *s->at == '.') {
        s->at++;
        if ((n = digits(s)) == 0)
            return false;
        s->at += n;
    }
    if (s->at < s->end && (*s->at | 32) == 'e') {
        s->at++;
        if (s->at < s->end && (*s->at == '+' || *s->at == '-'))
            s->at++;
        if ((n = digits(s)) == 0)
            return false;
        s->at += n;
    }
    return true;
}

static bool take_word(json_scan *s, const char *word, size_t length)
{
    if ((size_t)(s->end - s->at) < length || memcmp(s->at, word, length) != 0)
        return false;
    s->at += length;
    return true;
}

/* A text, number, true, false or null. */
static bool take_scalar(json_scan *s)
{
    size_t length;
    skip_space(s);
    switch (s->at < s->end ? *s->at : 0) {
    case '"':
        return json_text(s, NULL, 0, &length);
    case 't':
        return take_word(s, "true", 4);
    case 'f':
        return take_word(s, "false", 5);
    case 'n':
        return take_word(s, "null", 4);
    default:
        return take_number(s);
    }
}

static bool take_key(json_scan *s)
{
    size_t length;
    return json_text(s, NULL, 0, &length) && json_take(s, ':');
}

bool json_skip(json_scan *s)
{
    uint64_t objects = 0; /* one bit a level, the innermost lowest: 1 in an object, 0 in a list */
    int depth = 0;
    for (;;) {
        bool object = json_take(s, '{');
        if (object || json_take(s, '[')) {
            if (depth == JSON_DEPTH)
                return false;
            if (!json_take(s, object ? '}' : ']')) {
                objects = objects << 1 | object;
                depth++;
                if (object && !take_key(s))
                    return false;
                continue;
            }
        } else if (!take_scalar(s)) {
            return false;
        }
        /* a value has ended: what encloses it goes on or ends too */
        while (depth && !json_take(s, ',')) {
            if (!json_take(s, objects & 1 ? '}' : ']'))
                return false;
            objects >>= 1;
            depth--;
        }
        if (depth == 0)
            return true;
        if (objects & 1 && !take_key(s))
            return false;
    }
}
