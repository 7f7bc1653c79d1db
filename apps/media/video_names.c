/* The order of a folder's pictures, by the numbers in their names. */
#include "video_source.h"

#include <stdlib.h>
#include <string.h>

#define LISTED 8 /* names in an error */

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int lower(char c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : (unsigned char)c;
}

static size_t ending_of(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? (size_t)(dot - name) : strlen(name);
}

/* Also of pictures that are not read: leaving them out silently would make another film. */
int video_name_is_picture(const char *name)
{
    static const char *const endings[] = {"jpg", "jpeg", "jpe", "png",  "webp", "tif",  "tiff",
                                          "bmp", "gif",  "jp2", "heic", "heif", "avif", "jxl"};
    const char *end = name + ending_of(name);
    if (!*end || end == name)
        return 0;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t n = strlen(endings[i]), same = 0;
        while (same < n && lower(end[1 + same]) == endings[i][same])
            same++;
        if (same == n && !end[1 + n])
            return 1;
    }
    return 0;
}

/* Two runs of digits as numbers of any length; both are stepped over. */
static int compare_numbers(const char **a, const char *a_end, const char **b, const char *b_end)
{
    size_t n = 0, m = 0;
    int order;
    while (*a + 1 < a_end && **a == '0' && is_digit((*a)[1]))
        ++*a;
    while (*b + 1 < b_end && **b == '0' && is_digit((*b)[1]))
        ++*b;
    while (*a + n < a_end && is_digit((*a)[n]))
        n++;
    while (*b + m < b_end && is_digit((*b)[m]))
        m++;
    order = n != m ? (n < m ? -1 : 1) : memcmp(*a, *b, n);
    *a += n;
    *b += m;
    return order;
}

/* Compares without the endings, upper case as lower. With numbers = 0 any two numbers count as equal: what is left is
 * the names' pattern. */
static int compare(const video_name *x, const video_name *y, int numbers)
{
    const char *a = x->name, *a_end = a + x->stem, *b = y->name, *b_end = b + y->stem;
    while (a < a_end && b < b_end) {
        int order;
        if (is_digit(*a) && is_digit(*b)) {
            order = compare_numbers(&a, a_end, &b, b_end);
            if (!numbers)
                order = 0;
        } else {
            order = lower(*a++) - lower(*b++);
        }
        if (order)
            return order;
    }
    return (a < a_end) - (b < b_end);
}

static int by_pattern(const void *x, const void *y)
{
    int order = compare(x, y, 0);
    return order ? order : strcmp(((const video_name *)x)->name, ((const video_name *)y)->name);
}

static int by_number(const void *x, const void *y)
{
    int order = compare(x, y, 1);
    return order ? order : strcmp(((const video_name *)x)->name, ((const video_name *)y)->name);
}

typedef struct name_list {
    char text[512];
    size_t used, listed;
} name_list;

static void list(name_list *l, const char *name)
{
    if (l->listed++ >= LISTED || l->used >= sizeof l->text)
        return;
    int n = snprintf(l->text + l->used, sizeof l->text - l->used, "%s%.60s", l->used ? ", " : "", name);
    l->used += n > 0 ? (size_t)n : 0;
}

static const char *more(const name_list *l)
{
    return l->listed > LISTED ? " ..." : "";
}

/* Names such as 1.jpg and cover.jpg, or a_1.jpg and b_1.jpg: two films, or a picture that is no frame. Only where no
 * name has a number are they simply in the order of the alphabet. */
static int check_pattern(const media_reader *reader, video_name *names, size_t count)
{
    name_list kinds = {{0}, 0, 0};
    int digits = 0;
    for (size_t i = 0; !digits && i < count; i++)
        for (size_t c = 0; c < names[i].stem; c++)
            digits |= is_digit(names[i].name[c]);
    if (!digits)
        return 0;
    qsort(names, count, sizeof *names, by_pattern);
    for (size_t i = 0; i < count; i++)
        if (!i || compare(&names[i - 1], &names[i], 0))
            list(&kinds, names[i].name);
    if (kinds.listed == 1)
        return 0;
    return media_fail(reader, "the order of the frames is not clear: names of %zu kinds, such as %s%s", kinds.listed,
                      kinds.text, more(&kinds));
}

int video_names_sort(const media_reader *reader, video_name *names, size_t count)
{
    name_list same = {{0}, 0, 0};
    for (size_t i = 0; i < count; i++)
        names[i].stem = video_name_is_picture(names[i].name) ? ending_of(names[i].name) : strlen(names[i].name);
    if (check_pattern(reader, names, count))
        return -1;
    qsort(names, count, sizeof *names, by_number);
    for (size_t i = 0; i < count; i++) {
        int before = i && !compare(&names[i - 1], &names[i], 1);
        int after = i + 1 < count && !compare(&names[i], &names[i + 1], 1);
        if (before || after)
            list(&same, names[i].name);
    }
    if (!same.listed)
        return 0;
    return media_fail(reader, "the order of the frames is not clear: names with the same number: %s%s", same.text,
                      more(&same));
}
