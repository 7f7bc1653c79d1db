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
    if (!n)
        return;
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

/* ---- reading ---- */

void rle_open(rle_reader *r, const sam2_rle *rle)
{
    *r = (rle_reader){.at = rle->counts, .left = (int64_t)rle->width * rle->height, .inside = true};
}

/* One number; false where there is none. Six groups are 30 bits, and no run has more than 33 with its sign. */
static bool read_number(const char **at, int64_t *out)
{
    uint64_t value = 0;
    int bits = 0;
    for (bool more = true; more; bits += 5) {
        int group = (unsigned char)**at - 48;
        if (group < 0 || group > 63 || bits > 35)
            return false;
        ++*at;
        value |= (uint64_t)(group & 31) << bits;
        more = group & 32;
        if (!more && group & 16)
            value |= ~(uint64_t)0 << bits << 5;
    }
    *out = (int64_t)value;
    return true;
}

/* True with a run in *r; false at the end or at a fault, where `at` does not stand at the text's NUL or pixels are
 * left. */
static bool read_run(rle_reader *r)
{
    int64_t run;
    if (!*r->at || !read_number(&r->at, &run))
        return false;
    if (r->runs > 2)
        run += r->before[1];
    if (run < 0 || run > r->left) {
        r->left = -1;
        return false;
    }
    r->left -= run;
    r->before[1] = r->before[0];
    r->before[0] = r->run = run;
    r->runs++;
    r->inside = !r->inside;
    return true;
}

bool rle_next(rle_reader *r)
{
    return read_run(r);
}

sam2_status rle_check(const sam2_rle *rle, const char *what, size_t index, sam2_error *error)
{
    if (!rle->counts)
        return error_set(error, SAM2_ERROR_ARGUMENT, "%s %zu: counts is NULL", what, index);
    if (rle->width < 1 || rle->height < 1 || rle->width > 65536 || rle->height > 65536)
        return error_set(error, SAM2_ERROR_ARGUMENT, "%s %zu: a mask of %d x %d; sides from 1 to 65536 can be used",
                         what, index, rle->width, rle->height);
    rle_reader r;
    rle_open(&r, rle);
    while (read_run(&r))
        ;
    if (r.left == 0 && !*r.at)
        return SAM2_OK;
    size_t at = (size_t)(r.at - rle->counts);
    if (r.left < 0)
        return error_set(error, SAM2_ERROR_FORMAT,
                         "%s %zu: the run that ends at character %zu does not fit %d x %d pixels", what, index, at,
                         rle->width, rle->height);
    if (*r.at)
        return error_set(error, SAM2_ERROR_FORMAT, "%s %zu: character %zu of the run lengths is none of a number", what,
                         index, at);
    return error_set(error, SAM2_ERROR_FORMAT,
                     "%s %zu: the run lengths end %lld pixels before the mask of %d x %d does", what, index,
                     (long long)r.left, rle->width, rle->height);
}

/* ---- what is in a mask ---- */

void rle_extent_add(rle_extent *e, int64_t from, int64_t n, int height)
{
    int64_t last = from + n - 1;
    int x0 = (int)(from / height), x1 = (int)(last / height);
    int y0 = x1 > x0 ? 0 : (int)(from % height), y1 = x1 > x0 ? height - 1 : (int)(last % height);
    if (!e->area) {
        e->x0 = x0;
        e->y0 = y0;
        e->y1 = y1;
    }
    e->x1 = x1; /* columns come from left to right */
    e->y0 = y0 < e->y0 ? y0 : e->y0;
    e->y1 = y1 > e->y1 ? y1 : e->y1;
    e->area += n;
}

rle_extent rle_measure(const sam2_rle *rle)
{
    rle_extent e = {0};
    rle_reader r;
    rle_open(&r, rle);
    for (int64_t at = 0; rle_next(&r); at += r.run)
        if (r.inside && r.run)
            rle_extent_add(&e, at, r.run, rle->height);
    return e;
}

int64_t rle_common(const sam2_rle *a, const sam2_rle *b)
{
    rle_reader r[2];
    int64_t common = 0;
    rle_open(&r[0], a);
    rle_open(&r[1], b);
    for (;;) {
        for (int i = 0; i < 2; i++)
            while (!r[i].run)
                if (!rle_next(&r[i]))
                    return common;
        int64_t n = r[0].run < r[1].run ? r[0].run : r[1].run;
        common += r[0].inside && r[1].inside ? n : 0;
        r[0].run -= n;
        r[1].run -= n;
    }
}
