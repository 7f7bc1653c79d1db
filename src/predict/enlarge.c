#include "predict/enlarge.h"

#include <math.h>
#include <string.h>

#define MIDDLE_PIECE 1024

/* Where output i lies among the inputs. Sides are below 2^31, and such numbers are converted by vectors. */
static float position(float scale, size_t i)
{
    float source = scale * ((float)(int32_t)i + 0.5f) - 0.5f;
    return source < 0.0f ? 0.0f : source;
}

/* Where outputs `start` ... of `out` take from `in` inputs: two neighbours and the second one's share. */
static void taps(size_t in, size_t out, size_t start, size_t n, uint32_t *low, uint32_t *high, float *share)
{
    const float scale = (float)in / (float)out;
    const int32_t last = (int32_t)in - 1;
    for (size_t i = 0; i < n; i++) {
        float source = position(scale, start + i);
        int32_t at = (int32_t)source < last ? (int32_t)source : last;
        low[i] = (uint32_t)at;
        high[i] = (uint32_t)(at + (at < last));
        share[i] = source - (float)at;
    }
}

/* What the last step enlarges: the logits, or a part of the square between. */
static size_t source_columns(const enlarge *e)
{
    return e->middle ? e->columns : e->side;
}
static size_t source_rows(const enlarge *e)
{
    return e->middle ? e->rows : e->side;
}

/* Columns `from` to `to` of row y of that, as a row that is right there (and may be undefined elsewhere). */
static const float *source_row(const enlarge *e, size_t y, size_t from, size_t to, float *room)
{
    if (!e->middle)
        return e->logits + y * e->side;
    uint32_t left[MIDDLE_PIECE], right[MIDDLE_PIECE], top, bottom;
    float u[MIDDLE_PIECE], v;
    taps(e->side, e->middle, y, 1, &top, &bottom, &v);
    for (size_t x = from; x <= to; x += MIDDLE_PIECE) {
        const size_t n = to + 1 - x < MIDDLE_PIECE ? to + 1 - x : MIDDLE_PIECE;
        taps(e->side, e->middle, x, n, left, right, u);
        e->k->bilinear_row_f32(n, e->logits + top * e->side, e->logits + bottom * e->side, left, right, u, v, room + x);
    }
    return room;
}

#define TILE 2048 /* columns that an item takes */
#define BAND 128  /* rows */
#define AT_ONCE 4 /* rows that are enlarged horizontally together */
#define PITCH (TILE + 16)

typedef struct rows_job {
    const enlarge *e;
    enlarge_use use;
    void *user;
    size_t tiles;
} rows_job;

/* Rows that are enlarged horizontally: `first` ... and count of them, in `row`. */
typedef struct stretched {
    size_t first, count;
    float row[1 + AT_ONCE][PITCH];
} stretched;

/* Rows come in order, and so do the logits' rows they lie between: each is enlarged once, some together. */
static void stretch_to(const enlarge *e, stretched *s, size_t low, size_t high, size_t n, const uint32_t *left,
                       const uint32_t *right, const float *u)
{
    float room[ENLARGE_MAX_MIDDLE];
    if (low >= s->first && high < s->first + s->count)
        return;
    const bool begun = low >= s->first && low < s->first + s->count;
    if (begun && low > s->first)
        memcpy(s->row[0], s->row[low - s->first], n * sizeof s->row[0][0]);
    s->first = low;
    s->count = begun;
    const size_t left_over = source_rows(e) - low - begun, most = e->middle ? 1 + high - low - begun : AT_ONCE,
                 rows = left_over < most ? left_over : most;
    for (size_t i = 0; i < rows && e->middle; i++) {
        const float *logits = source_row(e, low + s->count, left[0], right[n - 1], room);
        e->k->stretch_rows_f32(1, n, logits, 0, left, right, u, s->row[s->count++], PITCH);
    }
    if (e->middle)
        return;
    e->k->stretch_rows_f32(rows, n, e->logits + (low + begun) * e->side, e->side, left, right, u, s->row[s->count],
                           PITCH);
    s->count += rows;
}

static void rows_item(void *context, size_t item, int worker)
{
    (void)worker;
    const rows_job *j = context;
    const enlarge *e = j->e;
    uint32_t left[TILE], right[TILE];
    float u[TILE];
    stretched s;
    s.first = s.count = 0;
    size_t x = item % j->tiles * TILE, n = e->width - x < TILE ? e->width - x : TILE;
    size_t from = item / j->tiles * BAND, to = from + BAND < e->height ? from + BAND : e->height;
    taps(source_columns(e), e->width, x, n, left, right, u);
    for (size_t y = from; y < to; y++) {
        uint32_t at[2];
        float v;
        taps(source_rows(e), e->height, y, 1, &at[0], &at[1], &v);
        stretch_to(e, &s, at[0], at[1], n, left, right, u);
        j->use(j->user, x, y, n, s.row[at[0] - s.first], s.row[at[1] - s.first], v);
    }
}

void enlarge_rows(const enlarge *e, enlarge_use use, void *user)
{
    rows_job j = {e, use, user, (e->width + TILE - 1) / TILE};
    size_t items = j.tiles * ((e->height + BAND - 1) / BAND);
    if (e->pool)
        pool_run(e->pool, rows_item, &j, items);
    else
        for (size_t i = 0; i < items; i++)
            rows_item(&j, i, 0);
}

size_t enlarge_taps_bytes(size_t height)
{
    return height * (2 * sizeof(uint32_t) + sizeof(float));
}

enlarge_taps enlarge_taps_make(size_t side, size_t height, void *memory)
{
    enlarge_taps t = {.low = memory};
    t.high = t.low + height;
    t.share = (float *)(t.high + height);
    taps(side, height, 0, height, t.low, t.high, t.share);
    return t;
}

/* A logit is clear of a threshold when no value between it and another that is clear on the same side can round to the
 * other side or onto it: the weighing errs by less than 2^-22 of the greater of the two, and its products must not
 * underflow. Beyond LARGEST it might overflow. */
#define MARGIN 1e-6f
#define LEAST 1e-25f
#define LARGEST 1e37f
#define UNCLEAR 0xff

/* Columns of noise come together: only every so many is looked at again. */
#define LOOK_AGAIN 8

typedef struct column {
    const enlarge *e;
    size_t side;                         /* source_rows */
    const uint32_t *first;               /* [side + 1]: the first row of the picture below each row of the source */
    float threshold[ENLARGE_MAX_LEVELS]; /* infinite, and so never passed, where there are fewer */
    float above[ENLARGE_MAX_LEVELS], below[ENLARGE_MAX_LEVELS]; /* clear from here on, and up to here */
    const enlarge_taps *taps;
    float *values;
    enlarge_use_level use;
    void *user;
    size_t x;
    float profile[ENLARGE_MAX_MIDDLE];
    uint8_t kind[ENLARGE_MAX_MIDDLE]; /* the level of a clear logit */
} column;

static void put_run(const column *c, size_t from, size_t to, int level)
{
    if (from < to)
        c->use(c->user, c->x, from, to - from, level);
}

static int level_of(const column *c, float value)
{
    int level = 0;
    for (int i = 0; i < ENLARGE_MAX_LEVELS; i++)
        level += value > c->threshold[i];
    return level;
}

/* Rows between logits r and r + 1, pixel by pixel; products and sums as in bilinear_row_f32. */
static void put_segment(const column *c, size_t r)
{
    float scale = (float)c->side / (float)c->e->height, a = c->profile[r], b = c->profile[r + (r + 1 < c->side)];
    size_t from = c->first[r];
    int level = 0;
    for (size_t y = from; y < c->first[r + 1]; y++) {
        float v = position(scale, y) - (float)r;
        int next = level_of(c, (1.0f - v) * a + v * b);
        if (next != level) {
            put_run(c, from, y, level);
            from = y;
            level = next;
        }
    }
    put_run(c, from, c->first[r + 1], level);
}

/* Levels of the column's logits; returns how many segments have to be computed, or SIZE_MAX when a value is so large
 * that weighing may overflow. */
static size_t classify(column *c)
{
    const size_t side = c->side;
    const float up0 = c->above[0], up1 = c->above[1], up2 = c->above[2];
    const float low0 = c->below[0], low1 = c->below[1], low2 = c->below[2];
    const float *profile = c->profile;
    uint8_t *kind = c->kind;
    int large = 0, mixed = 0;
    for (size_t r = 0; r < side; r++) { /* without branches: the compiler makes vectors of it */
        float p = profile[r];
        int sure = (p >= up0) + (p >= up1) + (p >= up2), perhaps = (p > low0) + (p > low1) + (p > low2);
        int beyond = (p > LARGEST) | (p < -LARGEST);
        large |= beyond;
        kind[r] = (uint8_t)((sure != perhaps) | beyond ? UNCLEAR : sure);
    }
    for (size_t r = 1; r < side; r++)
        mixed += (kind[r] != kind[r - 1]) | (kind[r] == UNCLEAR);
    return large ? SIZE_MAX : (size_t)mixed;
}

static bool has_large(const column *c)
{
    int large = 0;
    for (size_t r = 0; r < c->side; r++)
        large |= (c->profile[r] > LARGEST) | (c->profile[r] < -LARGEST);
    return large;
}

static void put_column(column *c)
{
    size_t side = c->side;
    for (size_t r = 0, end; r < side; r = end + 1) {
        uint8_t kind = c->kind[r];
        uint64_t word, same = kind * 0x0101010101010101u;
        /* The last logit of the same kind in a row, by words where whole ones are there. */
        for (end = r; end + 9 <= side && (memcpy(&word, &c->kind[end + 1], 8), word == same); end += 8)
            ;
        while (end + 1 < side && c->kind[end + 1] == kind)
            end++;
        if (kind == UNCLEAR)
            for (size_t i = r; i <= end; i++)
                put_segment(c, i);
        else {
            put_run(c, c->first[r], c->first[end], kind);
            if (end + 1 < side)
                put_segment(c, end);
            else
                put_run(c, c->first[end], c->first[side], kind);
        }
    }
}

/* Column `x` between the logits, [side]: the logits enlarged horizontally to `width`. A column of the picture is one
 * between two of the logits, enlarged downwards: the same products in the same order as by rows, where the first of the
 * two steps is the horizontal one too. */
static void column_of_logits(const enlarge *e, size_t width, size_t x, float *out)
{
    uint32_t left[ENLARGE_MAX_SIDE], right[ENLARGE_MAX_SIDE], low, high;
    float u[ENLARGE_MAX_SIDE], share;
    taps(e->side, width, x, 1, &low, &high, &share);
    for (size_t r = 0; r < e->side; r++) {
        left[r] = (uint32_t)(r * e->side) + low;
        right[r] = (uint32_t)(r * e->side) + high;
        u[r] = share;
    }
    e->k->bilinear_row_f32(e->side, e->logits, e->logits, left, right, u, 0.0f, out);
}

/* Columns of the square between, as the picture's columns come to them: column x is at [x % 2]. */
typedef struct middle_columns {
    uint32_t kept[2];
    float value[2][ENLARGE_MAX_MIDDLE];
} middle_columns;

static const float *middle_column(const enlarge *e, middle_columns *m, uint32_t x)
{
    float *out = m->value[x % 2], logits[ENLARGE_MAX_SIDE];
    if (m->kept[x % 2] == x)
        return out;
    m->kept[x % 2] = x;
    column_of_logits(e, e->middle, x, logits);
    for (size_t y = 0; y < e->rows; y += MIDDLE_PIECE) {
        const size_t n = e->rows - y < MIDDLE_PIECE ? e->rows - y : MIDDLE_PIECE;
        uint32_t top[MIDDLE_PIECE], bottom[MIDDLE_PIECE];
        float v[MIDDLE_PIECE];
        taps(e->side, e->middle, y, n, top, bottom, v);
        e->k->bilinear_row_f32(n, logits, logits, top, bottom, v, 0.0f, out + y);
    }
    return out;
}

/* What lies above and below a column's pixels. */
static void fill_profile(const enlarge *e, middle_columns *m, size_t x, float *profile)
{
    uint32_t low, high;
    float share;
    if (!e->middle) {
        column_of_logits(e, e->width, x, profile);
        return;
    }
    taps(e->columns, e->width, x, 1, &low, &high, &share);
    const float *left = middle_column(e, m, low), *right = middle_column(e, m, high);
    for (size_t y = 0; y < e->rows; y++)
        profile[y] = (1.0f - share) * left[y] + share * right[y];
}

/* Eight bytes, the first of them lowest. */
static uint64_t eight(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* Where hardly a segment is clear, the whole column by vectors. The kernel's second direction has the share 0, which
 * changes no finite number. */
static void put_dense(const column *c)
{
    enum { PIECE = 4096 };
    uint8_t memory[8 + PIECE + 8], *level = memory + 8; /* level[-1]: the one before the piece */
    const float t0 = c->threshold[0], t1 = c->threshold[1], t2 = c->threshold[2];
    size_t height = c->e->height, from = 0;
    c->e->k->bilinear_row_f32(height, c->profile, c->profile, c->taps->low, c->taps->high, c->taps->share, 0.0f,
                              c->values);
    level[-1] = (uint8_t)level_of(c, c->values[0]);
    for (size_t start = 0; start < height; start += PIECE) {
        size_t n = height - start < PIECE ? height - start : PIECE;
        const float *v = c->values + start;
        for (size_t y = 0; y < n; y++)
            level[y] = (uint8_t)((v[y] > t0) + (v[y] > t1) + (v[y] > t2));
        memset(level + n, level[n - 1], 8); /* no change behind the end */
        for (size_t y = 0; y < n; y += 8)
            for (uint64_t change = eight(level + y) ^ eight(level + y - 1); change;) {
                int at = __builtin_ctzll(change) / 8;
                size_t to = start + y + (size_t)at;
                put_run(c, from, to, level[y + (size_t)at - 1]);
                from = to;
                change &= ~((uint64_t)0xff << 8 * at);
            }
        level[-1] = level[n - 1];
    }
    put_run(c, from, height, level[-1]);
}

static void set_thresholds(column *c, const float *thresholds, int count)
{
    for (int i = 0; i < ENLARGE_MAX_LEVELS; i++)
        c->threshold[i] = c->above[i] = c->below[i] = INFINITY;
    for (int i = 0; i < count; i++) {
        float t = thresholds[i], margin = (t < 0.0f ? -t : t) * MARGIN + LEAST;
        c->threshold[i] = t;
        c->above[i] = t + margin;
        c->below[i] = t == 0.0f ? 0.0f : t - margin; /* sums of what is not positive are not positive */
    }
}

void enlarge_levels(const enlarge *e, const float *thresholds, int count, const enlarge_taps *of_rows, float *values,
                    enlarge_use_level use, void *user)
{
    uint32_t first[ENLARGE_MAX_MIDDLE + 1];
    middle_columns middle = {.kept = {UINT32_MAX, UINT32_MAX}};
    column c = {
        .e = e, .side = source_rows(e), .first = first, .taps = of_rows, .values = values, .use = use, .user = user};
    size_t row = 0;
    bool dense = false;
    set_thresholds(&c, thresholds, count);
    for (size_t y = 0; y < e->height; y++) {
        uint32_t top, bottom;
        float v;
        taps(c.side, e->height, y, 1, &top, &bottom, &v);
        for (; row <= top; row++)
            first[row] = (uint32_t)y;
    }
    for (; row <= c.side; row++)
        first[row] = (uint32_t)e->height;
    for (c.x = 0; c.x < e->width; c.x++) {
        fill_profile(e, &middle, c.x, c.profile);
        if (!dense || c.x % LOOK_AGAIN == 0 || has_large(&c)) {
            size_t mixed = classify(&c);
            dense = of_rows && mixed > c.side / 8 && mixed != SIZE_MAX;
        }
        if (dense)
            put_dense(&c);
        else
            put_column(&c);
    }
}
