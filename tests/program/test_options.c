/* The option parser alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "options.h"

typedef struct values {
    int flag, quiet, number, choice;
    uint64_t count;
    double real;
    const char *text;
    char calls[64];
} values;

static values v;
static char error[300];

static int remember(void *target, const char *value, char *why, size_t size)
{
    values *to = target;
    if (!strcmp(value, "bad"))
        return explain(why, size, "this is bad");
    strcat(to->calls, value);
    strcat(to->calls, ";");
    return 0;
}

/* The number of operands, or -1. The words stay as the parser ordered them. */
static char *words[16];
static int parse(const char *line)
{
    static char buffer[300];
    const option first[] = {ROW_FLAG('f', "flag", &v.flag, "a flag"), ROW_TEXT('t', "text", &v.text, "TEXT", "a text"),
                            ROW_INT('n', "number", &v.number, 1, 256, "a number"), ROW_END};
    const option second[] = {ROW_FLAG('q', "quiet", &v.quiet, "another"),
                             ROW_CHOICE(0, "choice", &v.choice, "one|two|twofold", "a choice"),
                             ROW_COUNT(0, "count", &v.count, 0, 18446744073709551615.0, "a large number"),
                             ROW_REAL(0, "real", &v.real, -1, 1, "a real number"),
                             ROW_CALL('c', "call", &v, remember, "WORD", "called"),
                             ROW_END};
    const option *const tables[] = {first, second, NULL};
    int count = 0;
    memset(&v, 0, sizeof v);
    error[0] = 0;
    strcpy(buffer, line);
    for (char *word = strtok(buffer, " "); word; word = strtok(NULL, " "))
        words[count++] = strcmp(word, "''") ? word : "";
    return options_parse(tables, count, words, error, sizeof error);
}

static void forms(void **state)
{
    (void)state;
    assert_int_equal(parse("-f --text abc --number=12 -q"), 0);
    assert_true(v.flag && v.quiet);
    assert_string_equal(v.text, "abc");
    assert_int_equal(v.number, 12);
    assert_int_equal(parse("-fqtabc -n7"), 0);
    assert_true(v.flag && v.quiet && v.number == 7);
    assert_string_equal(v.text, "abc");
    assert_int_equal(parse("--text=a=b --choice twofold"), 0);
    assert_string_equal(v.text, "a=b");
    assert_int_equal(v.choice, 2);
    assert_int_equal(parse("-t -f"), 0); /* a value is a value whatever it looks like */
    assert_string_equal(v.text, "-f");
    assert_false(v.flag);
    assert_int_equal(parse("-n 1 -n 2"), 0);
    assert_int_equal(v.number, 2);
    assert_int_equal(parse("-c a --call b --call=c"), 0);
    assert_string_equal(v.calls, "a;b;c;");
    assert_int_equal(parse("--real -0.5 --count 18446744073709551615"), 0);
    assert_true(v.real == -0.5 && v.count == UINT64_MAX);
}

static void operands(void **state)
{
    (void)state;
    assert_int_equal(parse("one -f two - --text x three"), 4);
    assert_string_equal(words[0], "one");
    assert_string_equal(words[1], "two");
    assert_string_equal(words[2], "-");
    assert_string_equal(words[3], "three");
    assert_int_equal(parse("one -- -f --text"), 3);
    assert_string_equal(words[1], "-f");
    assert_string_equal(words[2], "--text");
    assert_false(v.flag);
}

static void refusals(void **state)
{
    static const struct {
        const char *line, *fragment;
    } cases[] = {{"--flog", "unknown option --flog; did you mean --flag?"},
                 {"--num 3", "did you mean --number?"},
                 {"--entirely-else", "unknown option --entirely-else"},
                 {"-x", "unknown option -x"},
                 {"-fx", "unknown option -x"},
                 {"--flag=1", "--flag takes no value"},
                 {"--text", "--text needs a value: TEXT"},
                 {"-t", "-t needs a value: TEXT"},
                 {"--text ''", "an empty value"},
                 {"--text=", "an empty value"},
                 {"-n 0", "-n 0: 0 is out of range, 1 to 256"},
                 {"--number=257", "out of range"},
                 {"--number 99999999999999999999", "'99999999999999999999' is not a whole number"},
                 {"--number -1", "'-1' is not a whole number"},
                 {"--number +1", "'+1' is not a whole number"},
                 {"--number 3x", "'3x' is not a whole number"},
                 {"--number 1.5", "not a whole number"},
                 {"--number=", "'' is not a whole number"},
                 {"--real nan", "'nan' is not a number"},
                 {"--real inf", "not a number"},
                 {"--real 1e999", "not a number"},
                 {"--real 0.5,", "not a number"},
                 {"--real 1.5", "1.5 is out of range, -1 to 1"},
                 {"--choice tw", "'tw' is not one of one|two|twofold"},
                 {"--choice one|two", "is not one of"},
                 {"--choice=", "is not one of"},
                 {"-c good -c bad", "-c bad: this is bad"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (parse(cases[i].line) != -1)
            fail_msg("accepted: %s", cases[i].line);
        if (!strstr(error, cases[i].fragment))
            fail_msg("%s: '%s' does not contain '%s'", cases[i].line, error, cases[i].fragment);
    }
}

static void near_words(void **state)
{
    static const char *const names[] = {"segment", "encode", "info"};
    (void)state;
    assert_string_equal(nearest_word("sgment", names, 3), "segment");
    assert_string_equal(nearest_word("segmnet", names, 3), "segment");
    assert_string_equal(nearest_word("enc", names, 3), "encode");
    assert_null(nearest_word("x", names, 3));
    assert_null(nearest_word("paint", names, 3));
    assert_null(nearest_word("", names, 3));
    assert_null(nearest_word("a-very-long-word-that-is-longer-than-anything-that-is-compared-here", names, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(forms), cmocka_unit_test(operands), cmocka_unit_test(refusals),
                                       cmocka_unit_test(near_words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
