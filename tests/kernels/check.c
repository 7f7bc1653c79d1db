#define _GNU_SOURCE

#include "kernels/check.h"
#include "kernels/state.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- random numbers ---- */

static uint64_t state;

void random_seed(uint64_t seed)
{
    state = seed;
}

/* splitmix64 */
uint64_t random_bits(void)
{
    uint64_t z = state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

size_t random_below(size_t n)
{
    return (size_t)(random_bits() >> 11) % n;
}

size_t random_from(size_t a, size_t b)
{
    return a + random_below(b - a + 1);
}

float random_float(float low, float high)
{
    return low + (high - low) * (float)(random_bits() >> 40) * 0x1p-24f;
}

float random_value(values kind)
{
    static const float special[] = {0.0f,     -0.0f,     0x1p-149f, -0x1p-149f,      0x1.8p-130f,      0x1p-126f,
                                    INFINITY, -INFINITY, NAN,       0x1.fffffep127f, -0x1.fffffep127f, 1.0f};
    float plain = random_float(-1.0f, 1.0f);
    if (kind == VALUES_SPECIAL && random_below(4) == 0)
        return special[random_below(sizeof special / sizeof *special)];
    return kind == VALUES_WIDE ? ldexpf(plain, (int)random_below(41) - 20) : plain;
}

/* ---- operands ---- */

/* A slot is a stretch of memory between two unreadable pages. */
enum { SLOTS = 16, CAPACITY = 1 << 23, MARGIN = 256 };
static const unsigned char pattern[4] = {0xAD, 0xDE, 0xFF, 0x7F}; /* little endian: a NaN with a payload */
static struct slot {
    unsigned char *memory;
    unsigned char *start; /* of the operand */
    size_t bytes;
} slots[SLOTS];
static size_t used;

static void fill(unsigned char *from, unsigned char *to)
{
    for (; from < to; from++)
        *from = pattern[(uintptr_t)from % 4];
}

static bool filled(const unsigned char *from, const unsigned char *to)
{
    for (; from < to; from++)
        if (*from != pattern[(uintptr_t)from % 4])
            return false;
    return true;
}

static unsigned char *margin_before(const struct slot *s)
{
    return s->start - s->memory < MARGIN ? s->memory : s->start - MARGIN;
}

static unsigned char *margin_after(const struct slot *s)
{
    unsigned char *end = s->start + s->bytes, *limit = s->memory + CAPACITY;
    return limit - end < MARGIN ? limit : end + MARGIN;
}

void *operand(size_t count, size_t size)
{
    if (used == SLOTS || count > (CAPACITY - 2 * MARGIN) / size) {
        fprintf(stderr, "checkkern: no room for an operand of %zu x %zu bytes\n", count, size);
        exit(2);
    }
    struct slot *s = &slots[used++];
    if (!s->memory) {
        const size_t page = (size_t)sysconf(_SC_PAGESIZE);
        unsigned char *all = mmap(NULL, CAPACITY + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (all == MAP_FAILED || mprotect(all + page, CAPACITY, PROT_READ | PROT_WRITE)) {
            perror("checkkern: mmap");
            exit(2);
        }
        s->memory = all + page;
    }
    s->bytes = count * size;
    switch (random_below(3)) {
    case 0:
        s->start = s->memory + CAPACITY - s->bytes;
        break;
    case 1:
        s->start = s->memory;
        break;
    default:
        s->start = s->memory + 64 + (2 * random_below(8) + 1) * size;
    }
    fill(margin_before(s), margin_after(s));
    return s->start;
}

float *operand_f32(size_t count)
{
    return operand(count, sizeof(float));
}

void *operand_copy(const void *from, size_t count, size_t size)
{
    void *to = operand(count, size);
    if (count)
        memcpy(to, from, count * size);
    return to;
}

void operands_end(void)
{
    for (size_t i = 0; i < used; i++) {
        const struct slot *s = &slots[i];
        if (!filled(margin_before(s), s->start))
            fail("operand %zu: written before its start", i);
        if (!filled(s->start + s->bytes, margin_after(s)))
            fail("operand %zu: written after its end", i);
    }
    used = 0;
}

void operands_forget(void)
{
    used = 0;
}

/* ---- results ---- */

static char description[512];
static unsigned failures;
static double largest; /* error, as a share of its limit */

const char *description_text(void)
{
    return description;
}

unsigned failures_start(void)
{
    const unsigned before = failures;
    failures = 0;
    largest = 0.0;
    description[0] = 0;
    return before;
}

unsigned failures_count(void)
{
    return failures;
}

double largest_error(void)
{
    return largest;
}

void describe(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(description, sizeof description, format, args);
    va_end(args);
}

void fail(const char *format, ...)
{
    if (failures++ >= 5)
        return;
    va_list args;
    va_start(args, format);
    printf("    %s: ", description);
    vprintf(format, args);
    printf("\n");
    va_end(args);
}

bool given_up(void)
{
    return failures > 5;
}

bool same_bytes(const char *what, const void *got, const void *want, size_t count, size_t size)
{
    const unsigned char *g = got, *w = want;
    for (size_t i = 0; i < count * size; i++)
        if (g[i] != w[i]) {
            uint64_t a = 0, b = 0;
            memcpy(&a, g + i / size * size, size);
            memcpy(&b, w + i / size * size, size);
            fail("%s[%zu] is %#" PRIx64 ", not %#" PRIx64, what, i / size, a, b);
            return false;
        }
    return true;
}

bool same_f32(const char *what, const float *got, const float *want, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(&got[i], &want[i], sizeof *got) != 0 && !(isnan(got[i]) && isnan(want[i]))) {
            fail("%s[%zu] is %a, not %a", what, i, (double)got[i], (double)want[i]);
            return false;
        }
    return true;
}

bool near_f32(const char *what, size_t index, float got, double want, double limit)
{
    if ((isnan(got) && isnan(want)) || (double)got == want)
        return true;
    const double share = fabs((double)got - want) / limit;
    if (share > largest)
        largest = share;
    if (share <= 1.0)
        return true;
    fail("%s[%zu] is %.9g, not %.9g: %.3g times the limit", what, index, (double)got, want, share);
    return false;
}

double ulp(double x)
{
    int exponent;
    frexp(x, &exponent);
    return ldexp(1.0, (exponent < -125 ? -125 : exponent) - 24);
}

double gelu_f64(double x)
{
    return x == 0.0 ? x : 0.5 * x * erfc(-x * 0.70710678118654752440);
}
