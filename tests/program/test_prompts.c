/* Prompts as they are written on a command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "message.h"
#include "prompts.h"

static char error[500];

/* "p:1,2 b:1,2,3,4 m:file o" as the options would call it; 0 or -1. */
static int build(prompt_list *list, const char *line)
{
    static char buffer[500]; /* names of mask files stay pointers into it */
    *list = (prompt_list){0};
    error[0] = 0;
    strcpy(buffer, line);
    for (char *word = strtok(buffer, " "); word; word = strtok(NULL, " ")) {
        int failed = *word == 'p'   ? prompts_point(list, word + 2, error, sizeof error)
                     : *word == 'b' ? prompts_box(list, word + 2, error, sizeof error)
                     : *word == 'm' ? prompts_mask(list, word + 2, error, sizeof error)
                                    : prompts_object(list, NULL, error, sizeof error);
        if (failed)
            return -1;
    }
    return prompts_check(list, 0, error, sizeof error);
}

static void must(int failed)
{
    if (failed)
        fail_msg("%s", error);
}

static void objects(void **state)
{
    prompt_list list;
    (void)state;
    must(build(&list, "p:1,2 p:3,4,0 o b:5,6,7,8 o m:a.png p:1,1,1"));
    assert_int_equal(list.count, 3);
    assert_int_equal(list.objects[0].point_count, 2);
    assert_true(list.objects[0].raw[1].x == 3 && list.objects[0].raw[1].y == 4 && list.objects[0].raw[1].label == 0);
    assert_int_equal(list.objects[0].raw[0].label, 1);
    assert_true(list.objects[1].has_box && !list.objects[1].point_count);
    assert_string_equal(list.objects[2].mask, "a.png");
    prompts_free(&list);
    must(build(&list, "o p:1,2 o p:3,4")); /* the first --object may be said or not */
    assert_int_equal(list.count, 2);
    prompts_free(&list);
    must(build(&list, "p:1,2 p:1,2 p:1,2 p:1,2 p:1,2 p:1,2 p:1,2 p:1,2 p:1,2 p:-1e3,2.5e-1"));
    assert_int_equal(list.objects[0].point_count, 10);
    assert_true(list.objects[0].raw[9].x == -1000 && list.objects[0].raw[9].y == 0.25);
    prompts_free(&list);
}

static void refusals(void **state)
{
    static const struct {
        const char *line, *fragment;
    } cases[] = {{"", "nothing says what to segment"},
                 {"o", "object 0 has no prompt"},
                 {"o o", "object 0 has no prompt"},
                 {"p:1,2 o", "object 1 has no prompt"},
                 {"p:1,2 o o p:1,2", "object 1 has no prompt"},
                 {"p:1", "a point is x,y"},
                 {"p:", "a point is x,y"},
                 {"p:1,", "a point is x,y"},
                 {"p:,1", "a point is x,y"},
                 {"p:1,2,", "a point is x,y"},
                 {"p:1,2,1,1", "a point is x,y"},
                 {"p:1;2", "a point is x,y"},
                 {"p:nan,2", "a point is x,y"},
                 {"p:1,inf", "a point is x,y"},
                 {"p:1e300,1", "a point is x,y"},
                 {"p:1,2x", "a point is x,y"},
                 {"p:1,2,2", "label"},
                 {"p:1,2,0.5", "label"},
                 {"p:1,2,-1", "label"},
                 {"b:1,2,3", "a box is x1,y1,x2,y2"},
                 {"b:1,2,3,4,5", "a box is x1,y1,x2,y2"},
                 {"b:1,2,3,nan", "a box is x1,y1,x2,y2"},
                 {"b:yxyx:1,2,3,4", "a box is x1,y1,x2,y2"},
                 {"b:5,6,5,8", "no area: both corners have x = 5"},
                 {"b:5,6,7,6", "no area: both corners have y = 6"},
                 {"b:xywh:5,6,0,3", "no area"},
                 {"b:xywh:5,6,3,-1", "no area"},
                 {"b:1,2,3,4 b:5,6,7,8", "object 0 has two boxes"},
                 {"p:1,1 o b:1,2,3,4 p:2,2 p:3,3 b:5,6,7,8", "object 1 has two boxes"},
                 {"m:a m:b", "object 0 has two masks"},
                 {"m:", "empty"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        prompt_list list;
        if (!build(&list, cases[i].line))
            fail_msg("accepted: %s", cases[i].line);
        if (!strstr(error, cases[i].fragment))
            fail_msg("%s: '%s' does not contain '%s'", cases[i].line, error, cases[i].fragment);
        prompts_free(&list);
    }
}

static void empty_on_request(void **state)
{
    prompt_list list = {0};
    (void)state;
    must(prompts_check(&list, 1, error, sizeof error));
    assert_int_equal(list.count, 1);
    must(prompts_resolve(&list, 10, 10, 0, error, sizeof error));
    assert_int_equal(list.objects[0].point_count, 0);
    prompts_free(&list);
}

static void box_is(const char *text, int fraction, float x0, float y0, float x1, float y1)
{
    prompt_list list;
    must(build(&list, text));
    must(prompts_resolve(&list, 1800, 1200, fraction, error, sizeof error));
    if (fabsf(list.objects[0].box.x0 - x0) > 1e-3f || fabsf(list.objects[0].box.y0 - y0) > 1e-3f ||
        fabsf(list.objects[0].box.x1 - x1) > 1e-3f || fabsf(list.objects[0].box.y1 - y1) > 1e-3f)
        fail_msg("%s: %g %g %g %g", text, (double)list.objects[0].box.x0, (double)list.objects[0].box.y0,
                 (double)list.objects[0].box.x1, (double)list.objects[0].box.y1);
    prompts_free(&list);
}

static void boxes(void **state)
{
    (void)state;
    box_is("b:425,600,700,875", 0, 425, 600, 700, 875);
    box_is("b:xyxy:425,600,700,875", 0, 425, 600, 700, 875);
    box_is("b:700,875,425,600", 0, 425, 600, 700, 875);
    box_is("b:425,875,700,600", 0, 425, 600, 700, 875);
    box_is("b:xywh:425,600,275,275", 0, 425, 600, 700, 875);
    box_is("b:norm:0.25,0.5,0.5,0.75", 0, 450, 600, 900, 900);
    box_is("b:0.25,0.5,0.5,0.75", 1, 450, 600, 900, 900);
    box_is("b:norm:0.25,0.5,0.5,0.75", 1, 450, 600, 900, 900);
    box_is("b:xywh:0.25,0.5,0.25,0.25", 1, 450, 600, 900, 900);
    box_is("b:-10,-20,50,1300", 0, -10, -20, 50, 1300); /* standing out a little is allowed */
}

static void refused_by_picture(const char *text, int fraction, const char *fragment)
{
    prompt_list list;
    must(build(&list, text));
    if (!prompts_resolve(&list, 1800, 1200, fraction, error, sizeof error))
        fail_msg("accepted: %s", text);
    if (!strstr(error, fragment))
        fail_msg("%s: '%s' does not contain '%s'", text, error, fragment);
    prompts_free(&list);
}

static void against_the_picture(void **state)
{
    (void)state;
    refused_by_picture("b:1800,10,1900,20", 0, "outside the picture of 1800 x 1200");
    refused_by_picture("b:-50,10,0,20", 0, "outside the picture");
    refused_by_picture("p:1,1 o b:10,1200,20,1300", 0, "object 1");
    refused_by_picture("b:10,-20,20,-10", 0, "outside the picture");
    refused_by_picture("b:norm:425,600,700,875", 0, "from 0 to 1");
    refused_by_picture("p:500,375", 1, "from 0 to 1");
    refused_by_picture("p:-0.1,0.5", 1, "from 0 to 1");
}

static void fractions(void **state)
{
    prompt_list list;
    (void)state;
    must(build(&list, "p:0.5,0.5 p:1,0,0"));
    must(prompts_resolve(&list, 1800, 1200, 1, error, sizeof error));
    assert_true(list.objects[0].points[0].x == 900 && list.objects[0].points[0].y == 600);
    assert_true(list.objects[0].points[1].x == 1800 && list.objects[0].points[1].y == 0);
    assert_int_equal(list.objects[0].points[1].label, 0);
    must(prompts_resolve(&list, 1800, 1200, 0, error, sizeof error)); /* and again, as pixels */
    assert_true(list.objects[0].points[0].x == 0.5f);
    prompts_free(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(objects),
                                       cmocka_unit_test(refusals),
                                       cmocka_unit_test(empty_on_request),
                                       cmocka_unit_test(boxes),
                                       cmocka_unit_test(against_the_picture),
                                       cmocka_unit_test(fractions)};
    message_quiet(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
