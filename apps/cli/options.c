#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"

int parse_real(const char *text, double *out)
{
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value))
        return -1;
    *out = value;
    return 0;
}

int parse_count(const char *text, uint64_t *out)
{
    char *end = NULL;
    unsigned long long value;
    if (!isdigit((unsigned char)*text)) /* strtoull would take "-1" */
        return -1;
    errno = 0;
    value = strtoull(text, &end, 10);
    if (*end || errno)
        return -1;
    *out = value;
    return 0;
}

/* The number of letters to change, add or take away. Long words are compared by their beginnings, which are enough for
 * a hint. */
static size_t distance(const char *a, const char *b)
{
    enum { LONGEST = 40 };
    size_t row[LONGEST + 1], la = strlen(a), lb = strlen(b);
    la = la > LONGEST ? LONGEST : la;
    lb = lb > LONGEST ? LONGEST : lb;
    for (size_t j = 0; j <= lb; j++)
        row[j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[lb];
}

const char *nearest_word(const char *word, const char *const *words, size_t count)
{
    const char *best = NULL;
    size_t length = strlen(word), least = length / 3 + 1;
    for (size_t i = 0; i < count; i++) {
        size_t d = length >= 3 && !strncmp(word, words[i], length) ? 1 : distance(word, words[i]);
        if (d <= least && d < length && (!best || d < least)) {
            best = words[i];
            least = d;
        }
    }
    return best;
}

static const option *find(const option *const *tables, const char *name, size_t length, char letter)
{
    for (; *tables; tables++)
        for (const option *o = *tables; o->name; o++)
            if (letter ? o->letter == letter : !strncmp(o->name, name, length) && !o->name[length])
                return o;
    return NULL;
}

static int unknown(const option *const *tables, const char *name, size_t length, char *error, size_t error_size)
{
    const char *names[128];
    char word[64];
    const char *near;
    size_t count = 0;
    snprintf(word, sizeof word, "%.*s", (int)(length > 60 ? 60 : length), name);
    for (; *tables; tables++)
        for (const option *o = *tables; o->name && count < sizeof names / sizeof names[0]; o++)
            if (o->help)
                names[count++] = o->name;
    near = nearest_word(word, names, count);
    if (near)
        return explain(error, error_size, "unknown option --%s; did you mean --%s?", word, near);
    return explain(error, error_size, "unknown option --%s", word);
}

static int set_choice(const option *o, const char *value)
{
    const char *word = o->words;
    for (int i = 0;; i++) {
        size_t length = strcspn(word, "|");
        if (strlen(value) == length && !strncmp(word, value, length)) {
            *(int *)o->target = i;
            return 0;
        }
        if (!word[length])
            return -1;
        word += length + 1;
    }
}

/* The reason why not, without the option's name, in `why`. */
static int set(const option *o, const char *value, char *why, size_t size)
{
    double real = 0;
    uint64_t count = 0;
    switch (o->kind) {
    case OPTION_FLAG:
        *(int *)o->target = 1;
        return 0;
    case OPTION_TEXT:
        *(const char **)o->target = value;
        return *value ? 0 : explain(why, size, "an empty value");
    case OPTION_CHOICE:
        return set_choice(o, value) ? explain(why, size, "'%s' is not one of %s", value, o->words) : 0;
    case OPTION_CALL:
        return o->call(o->target, value, why, size);
    case OPTION_INT:
        if (parse_count(value, &count))
            return explain(why, size, "'%s' is not a whole number", value);
        if ((double)count < o->low || (double)count > o->high)
            return explain(why, size, "%s is out of range, %.0f to %.0f", value, o->low, o->high);
        *(int *)o->target = (int)count;
        return 0;
    case OPTION_COUNT:
        if (parse_count(value, &count))
            return explain(why, size, "'%s' is not a whole number", value);
        if ((double)count < o->low || (double)count > o->high)
            return explain(why, size, "%s is out of range, %.0f to %.0f", value, o->low, o->high);
        *(uint64_t *)o->target = count;
        return 0;
    case OPTION_REAL:
        if (parse_real(value, &real))
            return explain(why, size, "'%s' is not a number", value);
        if (real < o->low || real > o->high)
            return explain(why, size, "%s is out of range, %g to %g", value, o->low, o->high);
        *(double *)o->target = real;
        return 0;
    }
    return explain(why, size, "an option of no kind");
}

static int take(const option *o, const char *shown, const char *value, char *error, size_t error_size)
{
    char why[400];
    if (set(o, value ? value : "", why, sizeof why))
        return explain(error, error_size, value ? "%s %.200s: %s" : "%s%.0s: %s", shown, value ? value : "", why);
    return 0;
}

/* "--name", "--name=value", "--name value". Returns how many arguments it used, or -1. */
static int take_long(const option *const *tables, int left, char **arguments, char *error, size_t error_size)
{
    const char *name = arguments[0] + 2;
    size_t length = strcspn(name, "=");
    const option *o = find(tables, name, length, 0);
    char shown[80];
    if (!o)
        return unknown(tables, name, length, error, error_size);
    snprintf(shown, sizeof shown, "--%s", o->name);
    if (!o->value) {
        if (name[length])
            return explain(error, error_size, "%s takes no value", shown);
        return take(o, shown, NULL, error, error_size) ? -1 : 1;
    }
    if (name[length])
        return take(o, shown, name + length + 1, error, error_size) ? -1 : 1;
    if (left < 2)
        return explain(error, error_size, "%s needs a value: %s", shown, o->value);
    return take(o, shown, arguments[1], error, error_size) ? -1 : 2;
}

/* "-q", "-qv", "-m value", "-mvalue". */
static int take_short(const option *const *tables, int left, char **arguments, char *error, size_t error_size)
{
    for (const char *c = arguments[0] + 1; *c; c++) {
        const option *o = find(tables, NULL, 0, *c);
        char shown[8];
        if (!o && isprint((unsigned char)*c))
            return explain(error, error_size, "unknown option -%c", *c);
        if (!o)
            return explain(error, error_size, "unknown option %s", arguments[0]);
        snprintf(shown, sizeof shown, "-%c", *c);
        if (!o->value) {
            if (take(o, shown, NULL, error, error_size))
                return -1;
            continue;
        }
        if (c[1])
            return take(o, shown, c + 1, error, error_size) ? -1 : 1;
        if (left < 2)
            return explain(error, error_size, "%s needs a value: %s", shown, o->value);
        return take(o, shown, arguments[1], error, error_size) ? -1 : 2;
    }
    return 1;
}

int options_parse(const option *const *tables, int count, char **arguments, char *error, size_t error_size)
{
    int operands = 0;
    for (int i = 0; i < count;) {
        const char *argument = arguments[i];
        int used = 1;
        if (!strcmp(argument, "--")) {
            for (i++; i < count; i++)
                arguments[operands++] = arguments[i];
            break;
        }
        if (argument[0] == '-' && argument[1] == '-')
            used = take_long(tables, count - i, arguments + i, error, error_size);
        else if (argument[0] == '-' && argument[1])
            used = take_short(tables, count - i, arguments + i, error, error_size);
        else
            arguments[operands++] = arguments[i];
        if (used < 0)
            return -1;
        i += used;
    }
    return operands;
}

void options_print(const option *const *tables, FILE *file)
{
    enum { COLUMN = 30 };
    for (; *tables; tables++) {
        for (const option *o = *tables; o->name; o++) {
            char head[120];
            const char *line = o->help;
            int width;
            if (!line)
                continue;
            width = snprintf(head, sizeof head, "  %c%c%s --%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
                             o->letter ? "," : " ", o->name, o->value ? " " : "", o->value ? o->value : "");
            fprintf(file, "%s", head);
            if (width > COLUMN - 2) {
                fputc('\n', file);
                width = 0;
            }
            for (;;) {
                int length = (int)strcspn(line, "\n");
                fprintf(file, "%*s%.*s\n", COLUMN - width, "", length, line);
                if (!line[length])
                    break;
                line += length + 1;
                width = 0;
            }
        }
    }
}
