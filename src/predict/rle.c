#include "predict/rle.h"

static void put_char(rle_writer *w, char c)
{
    if (w->length + 1 < w->capacity)
        w->out[w->length] = c;
    w->length++;
}

/* pycocotools' rleToString: from the fourth run on the difference to the run two before, in groups of five bits, low
 * first, a sixth bit for "more follows", offset 48. */
static void put_run(rle_writer *w)
{
    int64_t value = w->runs > 2 ? w->run - w->before[1] : w->run;
    for (int more = 1; more;) {
        int bits = (int)(value & 31);
        value = value < 0 ? -((-value + 31) / 32) : value / 32; /* floor: an arithmetic shift by 5 */
        more = bits & 16 ? value != -1 : value != 0;
        put_char(w, (char)((more ? bits | 32 : bits) + 48));
    }
    w->before[1] = w->before[0];
    w->before[0] = w->run;
    w->runs++;
    w->run = 0;
}

void rle_start(rle_writer *w, char *out, size_t capacity)
{
    *w = (rle_writer){.out = out, .capacity = capacity};
}

void rle_put(rle_writer *w, bool inside, size_t n)
{
    if (inside != w->inside) {
        put_run(w);
        w->inside = inside;
    }
    w->run += (int64_t)n;
}

void rle_end(rle_writer *w)
{
    put_run(w);
    if (w->capacity)
        w->out[w->length < w->capacity ? w->length : w->capacity - 1] = '\0';
}
