/* The comparison that the models are argued by: every row beside the first model's of the same precision, as a Markdown
 * table and as a plot. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"

/* The row of the first model in a row's precision and number of threads: what ratios are of. */
static const bench_row *base_of(const bench *b, const bench_row *row)
{
    for (int i = 0; i < b->row_count; i++)
        if (!strcmp(b->rows[i].model, b->rows[0].model) && b->rows[i].precision == row->precision &&
            b->rows[i].threads == row->threads)
            return &b->rows[i];
    return NULL;
}

static void put_ms(double ms)
{
    if (ms <= 0.0)
        printf(" |");
    else if (ms >= 10000.0)
        printf(" %.1f s |", ms / 1000.0);
    else
        printf(ms >= 100.0 ? " %.0f |" : " %.1f |", ms);
}

/* How many times faster than the base. */
static void put_ratio(double base, double ms)
{
    if (base > 0.0 && ms > 0.0)
        printf(" %.2f |", base / ms);
    else
        printf(" |");
}

void table_print(const bench *b)
{
    if (!b->row_count)
        return;
    printf("\n| model | precision | parameters, M | GFLOP | load, ms | encode | decode | ten clicks | automatic masks "
           "| track, a "
           "frame | peak, MiB | encode, times %s | decode, times %s |\n",
           b->rows[0].model, b->rows[0].model);
    printf("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
    for (int i = 0; i < b->row_count; i++) {
        const bench_row *r = &b->rows[i], *base = base_of(b, r);
        printf("| %s | %s | %.1f | %.0f |", r->model, precision_name(r->precision), r->parameters * 1e-6, r->gflop);
        put_ms(r->times[BENCH_LOAD].median);
        put_ms(r->times[BENCH_ENCODE].median);
        put_ms(r->times[BENCH_DECODE].median);
        put_ms(r->times[BENCH_CLICKS].median);
        put_ms(r->automatic.median);
        put_ms(r->track.median);
        printf(" %.0f |", r->memory_mib);
        put_ratio(base ? base->times[BENCH_ENCODE].median : 0.0, r->times[BENCH_ENCODE].median);
        put_ratio(base ? base->times[BENCH_DECODE].median : 0.0, r->times[BENCH_DECODE].median);
        printf("\n");
    }
}

/* ---- the plot: encode times on a logarithmic axis, as SVG ---- */

enum { LEFT = 150, RIGHT = 90, BAR = 18, GAP = 10, TOP = 56, BOTTOM = 40, AXIS = 560 };

/* Where a time is, in decades from `low`. */
static double place_of(double ms, double low, double decades)
{
    return LEFT + AXIS * (log10(ms) - low) / decades;
}

static int put_axis(FILE *f, double low, double decades, int height)
{
    int failed = 0;
    for (int d = 0; d <= (int)decades; d++) {
        const double ms = pow(10.0, low + d), x = place_of(ms, low, decades);
        failed |= fprintf(f,
                          "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"#ccc\"/>\n"
                          "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" fill=\"#555\">%g %s</text>\n",
                          x, TOP - 8, x, height - BOTTOM + 4, x, height - BOTTOM + 22, ms >= 1000.0 ? ms / 1000.0 : ms,
                          ms >= 1000.0 ? "s" : "ms") < 0;
    }
    return failed;
}

static int put_plot(FILE *f, const bench *b)
{
    double least = INFINITY, greatest = 0.0;
    for (int i = 0; i < b->row_count; i++) {
        const double ms = b->rows[i].times[BENCH_ENCODE].median;
        least = ms < least ? ms : least;
        greatest = ms > greatest ? ms : greatest;
    }
    if (!(least > 0.0))
        return -1;
    const double low = floor(log10(least)), decades = fmax(1.0, ceil(log10(greatest)) - low);
    const int height = TOP + b->row_count * (BAR + GAP) + BOTTOM;
    int failed =
        fprintf(f,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" "
                "font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
                "<text x=\"%d\" y=\"24\" font-size=\"15\">Encoding a picture, %d threads</text>\n",
                LEFT + AXIS + RIGHT, height, LEFT, b->most_threads) < 0;
    failed |= put_axis(f, low, decades, height);
    for (int i = 0; i < b->row_count; i++) {
        const bench_row *r = &b->rows[i];
        const double ms = r->times[BENCH_ENCODE].median, x = place_of(ms, low, decades);
        const int y = TOP + i * (BAR + GAP);
        failed |= fprintf(f,
                          "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s %s</text>\n"
                          "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n"
                          "<text x=\"%.1f\" y=\"%d\">%.0f ms</text>\n",
                          LEFT - 8, y + BAR - 5, r->model, precision_name(r->precision), LEFT, y, x - LEFT, BAR,
                          r->precision == SAM2_PRECISION_BF16 ? "#3a7bd5" : "#8a9bb0", x + 6, y + BAR - 5, ms) < 0;
    }
    return failed | (fprintf(f, "</svg>\n") < 0);
}

int table_plot(const bench *b)
{
    media_output out;
    char error[600];
    if (media_output_open(&out, b->plot_file, error, sizeof error))
        return report(EXIT_FAULT, "%s", error);
    const int failed = put_plot(out.file, b);
    if (media_output_close(&out, !failed, error, sizeof error))
        return report(EXIT_FAULT, "%s", error);
    return failed ? report(EXIT_FAULT, "%s: cannot be written", b->plot_file) : EXIT_DONE;
}
