/* Command lines by table: each option is a row that says its names, what it takes and where the value goes. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef enum option_kind {
    OPTION_FLAG,   /* int: becomes 1 */
    OPTION_TEXT,   /* const char *: points into argv */
    OPTION_INT,    /* int, low to high */
    OPTION_COUNT,  /* uint64_t, low to high */
    OPTION_REAL,   /* double, finite, low to high */
    OPTION_CHOICE, /* int: the place of the word in `words`, from 0 */
    OPTION_CALL    /* call(target, value): may be given several times, order counts */
} option_kind;

typedef struct option {
    char letter;      /* "-m", or 0 */
    const char *name; /* "model" for --model; NULL ends a table */
    option_kind kind;
    void *target;
    const char *value; /* how the help names the value; NULL: the option takes none (OPTION_FLAG, some OPTION_CALL) */
    const char *help;  /* one line or several; NULL: understood but not shown */
    double low, high;
    const char *words; /* "auto|f32|bf16" */
    /* Returns 0, or -1 with the reason (without the option's name) in `error`. */
    int (*call)(void *target, const char *value, char *error, size_t error_size);
} option;

/* Rows of a table. */
#define ROW_FLAG(letter, name, target, help)                                                                           \
    {                                                                                                                  \
        letter, name, OPTION_FLAG, target, NULL, help, 0, 0, NULL, NULL                                                \
    }
#define ROW_TEXT(letter, name, target, value, help)                                                                    \
    {                                                                                                                  \
        letter, name, OPTION_TEXT, target, value, help, 0, 0, NULL, NULL                                               \
    }
#define ROW_INT(letter, name, target, low, high, help)                                                                 \
    {                                                                                                                  \
        letter, name, OPTION_INT, target, "N", help, low, high, NULL, NULL                                             \
    }
#define ROW_REAL(letter, name, target, low, high, help)                                                                \
    {                                                                                                                  \
        letter, name, OPTION_REAL, target, "X", help, low, high, NULL, NULL                                            \
    }
#define ROW_COUNT(letter, name, target, low, high, help)                                                               \
    {                                                                                                                  \
        letter, name, OPTION_COUNT, target, "N", help, low, high, NULL, NULL                                           \
    }
#define ROW_CHOICE(letter, name, target, words, help)                                                                  \
    {                                                                                                                  \
        letter, name, OPTION_CHOICE, target, "WORD", help, 0, 0, words, NULL                                           \
    }
#define ROW_CALL(letter, name, target, call, value, help)                                                              \
    {                                                                                                                  \
        letter, name, OPTION_CALL, target, value, help, 0, 0, NULL, call                                               \
    }
#define ROW_END                                                                                                        \
    {                                                                                                                  \
        0, NULL, OPTION_FLAG, NULL, NULL, NULL, 0, 0, NULL, NULL                                                       \
    }

/* Options and operands may be mixed; "--" ends the options; "-" is an operand. `tables` ends with NULL. An option given
 * twice counts the last time. The operands are moved to the front of `arguments`; their number is returned, or -1 with
 * a sentence in `error`. */
int options_parse(const option *const *tables, int count, char **arguments, char *error, size_t error_size);

/* The options, one or more lines each. */
void options_print(const option *const *tables, FILE *file);

/* The whole text as a finite number or a whole number; 0, or -1. */
int parse_real(const char *text, double *out);
int parse_count(const char *text, uint64_t *out);

/* Which of `count` words is most like `word`, or NULL when none is near. */
const char *nearest_word(const char *word, const char *const *words, size_t count);

#endif
