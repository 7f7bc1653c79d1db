/* The JSON scanner: what is JSON, what is not, and how texts decode. */
#include "weights/json_scan.h"
#include "weights/support.h"

#include <stdlib.h>

/* Whether a copy of exactly this size is one value. */
static bool is_value(const char *text, size_t size)
{
    char *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, text, size);
    json_scan s = {copy, copy, copy + size};
    bool good = json_skip(&s) && json_at_end(&s);
    free(copy);
    return good;
}

static void test_values(void **state)
{
    (void)state;
    static const char *const good[] = {
        "1",
        "0",
        "-0",
        "1.5",
        "1e5",
        "-1.25E+10",
        "0.0e-1",
        "true",
        "false",
        "null",
        "\"\"",
        "\"a\"",
        "[]",
        "{}",
        " [ ] ",
        "[1]",
        "[1,2]",
        "[[],[]]",
        "{\"a\":1}",
        "{\"a\":1,\"b\":[{}]}",
        " { \"a\" : [ 1 , { \"b\" : null } ] } \r\n\t",
        "[[[[[[[[[[]]]]]]]]]]",
        "\"\\u00e9\\ud83d\\ude00\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\xC3\xA9\"",
        "\"\x7F\"",
    };
    static const char *const bad[] = {
        "",
        " ",
        "01",
        "-",
        "+1",
        "1.",
        ".5",
        "1e",
        "1e+",
        "tru",
        "True",
        "nul",
        "'a'",
        "\"",
        "\"\\",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u000g\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"\\ud800\\n\"",
        "\"\\u0000\"",
        "\"\n\"",
        "\"\xFF\"",
        "\"\xC3\"",
        "\"\xC0\x80\"",
        "\"\xED\xA0\x80\"",
        "\"\xF5\x80\x80\x80\"",
        "\"\xF0\x80\x80\x80\"",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1}",
        "]",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{1:1}",
        "{a:1}",
        "{\"a\" 1}",
        "{\"a\":1]",
        "{,}",
        "1 2",
        "[] []",
        "{}}",
        "nan",
        "Infinity",
        "/**/1",
        ("\xEF\xBB\xBF"
         "1"),
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!is_value(good[i], strlen(good[i])))
            fail_msg("%s is JSON", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (is_value(bad[i], strlen(bad[i])))
            fail_msg("%s is not JSON", bad[i]);
    assert_false(is_value("1\0", 2));
    assert_false(is_value("\"a\0\"", 4));
}

static void test_depth(void **state)
{
    (void)state;
    char text[400];
    for (int depth = 1; depth <= 130; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        assert_int_equal(is_value(text, 2 * (size_t)depth), depth <= JSON_DEPTH);
    }
    /* kinds of brackets are remembered at every level */
    static const char paired[] = "[{\"a\":[{\"b\":[{}]}]}]", crossed[] = "[{\"a\":[{\"b\":[{}}]}]]";
    assert_true(is_value(paired, strlen(paired)));
    assert_false(is_value(crossed, strlen(crossed)));
}

static void test_texts(void **state)
{
    (void)state;
    static const char text[] = " \"a\\u00e9\\ud83d\\ude00\\n\xC3\xA9z\" 7";
    static const char decoded[] = "a\xC3\xA9\xF0\x9F\x98\x80\n\xC3\xA9z";
    for (size_t capacity = 0; capacity < 20; capacity++) {
        json_scan s = {text, text, text + sizeof text - 1};
        char *out = malloc(capacity ? capacity : 1);
        size_t length;
        int64_t number;
        assert_non_null(out);
        assert_true(json_text(&s, out, capacity, &length));
        assert_int_equal(length, sizeof decoded - 1);
        assert_memory_equal(out, decoded, capacity < length ? capacity : length);
        assert_true(json_size(&s, &number));
        assert_int_equal(number, 7);
        assert_true(json_at_end(&s));
        free(out);
    }
}

static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value; /* -1: none */
    } cases[] = {
        {"0", 0},
        {"12]", 12},
        {"9223372036854775807", INT64_MAX},
        {"9223372036854775808", -1},
        {"99999999999999999999", -1},
        {"-1", -1},
        {"1.0", -1},
        {"1e2", -1},
        {"1E2", -1},
        {"00", -1},
        {"01", -1},
        {"", -1},
        {"x", -1},
        {"+1", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_scan s = {cases[i].text, cases[i].text, cases[i].text + strlen(cases[i].text)};
        int64_t value = -2;
        bool good = json_size(&s, &value);
        if (good != (cases[i].value >= 0) || (good && value != cases[i].value))
            fail_msg("%s gives %d, %lld", cases[i].text, good, (long long)value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
