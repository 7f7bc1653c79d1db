/* The results: a table for people, plain or in Markdown, and JSON with the same figures. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"

static const char *const peak_names[PEAK_KINDS] = {"f32", "bf16", "int8"};

static double per_second(double gflop, double ms)
{
    return ms > 0.0 ? gflop / ms * 1e3 : 0.0;
}

static double rate_of(const bench_row *row)
{
    return per_second(row->gflop, row->times[BENCH_ENCODE].median);
}

/* ---- the table ---- */

typedef struct column {
    const char *head;
    int width;
} column;

static const column columns[] = {{"model", 12},  {"prec", 5},      {"threads", 7},     {"load", 7},  {"encode", 17},
                                 {"decode", 13}, {"10 clicks", 9}, {"10 objects", 10}, {"track", 6}, {"auto", 7},
                                 {"GFLOP", 7},   {"GFLOP/s", 8},   {"% of peak", 9},   {"MiB", 6}};
enum { COLUMNS = sizeof columns / sizeof *columns };

/* Stages that have to be asked for have no column otherwise. */
static int shows(const bench *b, int index)
{
    return (b->track || strcmp(columns[index].head, "track")) && (b->automatic || strcmp(columns[index].head, "auto"));
}

static void print_cell(const bench *b, int index, const char *text)
{
    if (!shows(b, index))
        return;
    if (b->markdown)
        printf("%s %s%s", index ? " |" : "|", text, index == COLUMNS - 1 ? " |\n" : "");
    else
        printf("%s%*s%s", index ? "  " : "", index < 2 ? -columns[index].width : columns[index].width, text,
               index == COLUMNS - 1 ? "\n" : "");
}

void report_head(const bench *b)
{
    const char *line = b->markdown ? "\n\n" : "\n";
    printf("%s; isa %s; version %s%s", b->cpu, b->isa, sam2_version(), line);
    printf("peaks on %d thread%s of %d:", b->most_threads, b->most_threads > 1 ? "s" : "", machine_threads());
    for (int kind = 0; kind < PEAK_KINDS; kind++)
        if (b->peaks[kind].gflops > 0.0)
            printf(" %s %.0f GFLOP/s (%s),", peak_names[kind], b->peaks[kind].gflops, b->peaks[kind].instruction);
    printf(" memory read %.1f GB/s%s", b->read_gb_s, line);
    printf("picture %d x %d; ms, medians of %d (least-greatest); GFLOP of the encoder%s", b->picture.width,
           b->picture.height, b->runs, line);
    for (int i = 0; i < COLUMNS; i++)
        print_cell(b, i, columns[i].head);
    for (int i = 0; i < COLUMNS && b->markdown; i++)
        if (shows(b, i))
            printf("| ---%s", i == COLUMNS - 1 ? " |\n" : " ");
}

static void print_lines(const bench_profile *p, int operations)
{
    for (int i = 0; i < p->count; i++) {
        const profile_line *line = &p->lines[i];
        if (!line->operation != !operations)
            continue;
        printf("    %-22s ", operations ? line->operation : line->stage);
        if (line->calls > 0.0)
            printf("%9.0f", line->calls);
        else
            printf("%9s", "");
        printf(" %9.2f %6.1f%%", line->ms, p->ms > 0.0 ? 100.0 * line->ms / p->ms : 0.0);
        if (line->gflop > 0.0)
            printf(" %9.2f %9.1f", line->gflop, per_second(line->gflop, line->ms));
        printf("\n");
    }
}

static void print_profile(const bench *b, const bench_row *row, const char *what, const bench_profile *p)
{
    bench_profile operations;
    profile_total(p, &operations);
    printf("  %-24s %9s %9.2f %7s %9s %9s\n", what, "calls", p->ms, "share", "GFLOP", "GFLOP/s");
    print_lines(p, 0);
    printf("  %s by operation, time of %d thread%s divided by their number\n", what, row->threads,
           row->threads > 1 ? "s" : "");
    print_lines(&operations, 1);
    if (!b->common.verbose)
        return;
    for (int i = 0; i < p->count; i++)
        if (p->lines[i].operation)
            printf("    %-22s %-20s %9.0f %9.2f %6.1f%%\n", p->lines[i].stage, p->lines[i].operation, p->lines[i].calls,
                   p->lines[i].ms, 100.0 * p->lines[i].ms / p->ms);
}

void report_row(const bench *b, const bench_row *row)
{
    const bench_times *encode = &row->times[BENCH_ENCODE], *decode = &row->times[BENCH_DECODE];
    char cells[COLUMNS][80];
    int i = 0;
#define CELL(...) snprintf(cells[i++], sizeof cells[0], __VA_ARGS__)
    CELL("%s", row->model);
    CELL("%s", precision_name(row->precision));
    CELL("%d", row->threads);
    CELL("%.1f", row->times[BENCH_LOAD].median);
    CELL("%.0f (%.0f-%.0f)", encode->median, encode->least, encode->greatest);
    CELL("%.1f (%.1f-%.1f)", decode->median, decode->least, decode->greatest);
    CELL("%.1f", row->times[BENCH_CLICKS].median);
    CELL("%.1f", row->times[BENCH_OBJECTS].median);
    if (row->track.median > 0.0)
        CELL("%.0f", row->track.median);
    else
        CELL("%s", "");
    if (row->automatic.median > 0.0)
        CELL("%.0f", row->automatic.median);
    else
        CELL("%s", "");
    CELL("%.1f", row->gflop);
    CELL("%.0f", rate_of(row));
    CELL("%.0f", row->peak > 0.0 ? 100.0 * rate_of(row) / row->peak : 0.0);
    CELL("%.0f", row->memory_mib);
#undef CELL
    if (row->peak <= 0.0)
        cells[COLUMNS - 2][0] = 0;
    if (row->memory_mib <= 0.0)
        cells[COLUMNS - 1][0] = 0;
    for (i = 0; i < COLUMNS; i++)
        print_cell(b, i, cells[i]);
}

void report_profile(const bench *b, const bench_row *row)
{
    const char *fence = b->markdown ? "```\n" : "";
    printf("\n%s%s, %s, %d thread%s: ms, means of %d\n", fence, row->model, precision_name(row->precision),
           row->threads, row->threads > 1 ? "s" : "", b->runs);
    print_profile(b, row, "encode", row->encode);
    print_profile(b, row, "decode", row->decode);
    printf("%s", fence);
}

/* ---- JSON ---- */

/* To three digits behind the point, which is finer than any of these is known. */
static json_t *rounded(double value)
{
    return json_number(round(value * 1000.0) / 1000.0);
}

static int set_times(json_t *row, const char *name, bench_times t)
{
    char key[40];
    int failed = json_object_set_new(row, name, rounded(t.median));
    snprintf(key, sizeof key, "%s_min", name);
    failed |= json_object_set_new(row, key, rounded(t.least));
    snprintf(key, sizeof key, "%s_max", name);
    return failed | json_object_set_new(row, key, rounded(t.greatest));
}

static json_t *line_json(const profile_line *line, double whole_ms)
{
    json_t *json = json_pack("{s:s, s:o, s:o}", line->operation ? "operation" : "stage",
                             line->operation ? line->operation : line->stage, "ms", json_number(line->ms), "share",
                             json_number(whole_ms > 0.0 ? line->ms / whole_ms : 0.0));
    int failed = !json;
    if (line->calls > 0.0)
        failed |= json_object_set_new(json, "calls", json_number(line->calls));
    if (line->gflop > 0.0) {
        failed |= json_object_set_new(json, "gflop", json_number(line->gflop));
        failed |= json_object_set_new(json, "gflops", json_number(per_second(line->gflop, line->ms)));
    }
    if (!failed)
        return json;
    json_decref(json);
    return NULL;
}

/* Stages with their operations in them, then the operations of all. */
static json_t *profile_json(const bench_profile *p)
{
    bench_profile operations;
    json_t *stages = json_array(), *all = json_array(), *json = NULL;
    int failed = !stages || !all;
    profile_total(p, &operations);
    for (int i = 0; i < p->count && !failed; i++) {
        json_t *last = json_array_get(stages, json_array_size(stages) - 1);
        if (!p->lines[i].operation) {
            json_t *stage = line_json(&p->lines[i], p->ms);
            failed =
                !stage || json_object_set_new(stage, "operations", json_array()) || json_array_append(stages, stage);
            json_decref(stage);
        } else {
            failed = json_array_append_new(json_object_get(last, "operations"), line_json(&p->lines[i], p->ms));
        }
    }
    for (int i = 0; i < operations.count && !failed; i++)
        failed = json_array_append_new(all, line_json(&operations.lines[i], p->ms));
    if (!failed)
        json = json_pack("{s:o, s:O, s:O}", "ms", json_number(p->ms), "stages", stages, "operations", all);
    json_decref(stages);
    json_decref(all);
    return json;
}

json_t *report_row_json(const bench_row *row)
{
    static const char *const names[BENCH_STAGES] = {"load_ms", "encode_ms", "decode_ms", "ten_clicks_ms",
                                                    "ten_objects_ms"};
    json_t *json = json_pack("{s:o, s:o, s:s, s:i}", "model", json_text(row->model), "file", json_text(row->file),
                             "precision", precision_name(row->precision), "threads", row->threads);
    int failed = !json;
    for (int stage = 0; stage < BENCH_STAGES && !failed; stage++)
        failed = set_times(json, names[stage], row->times[stage]);
    if (!failed && row->track.median > 0.0)
        failed = set_times(json, "track_ms", row->track);
    if (!failed && row->automatic.median > 0.0)
        failed = set_times(json, "auto_ms", row->automatic);
    failed = failed || json_object_set_new(json, "gflop", rounded(row->gflop)) ||
             json_object_set_new(json, "gflops", rounded(rate_of(row)));
    if (!failed && row->peak > 0.0)
        failed = json_object_set_new(json, "peak_gflops", rounded(row->peak)) ||
                 json_object_set_new(json, "fraction_of_peak", rounded(rate_of(row) / row->peak));
    if (!failed && row->memory_mib > 0.0)
        failed = json_object_set_new(json, "peak_mib", rounded(row->memory_mib));
    if (!failed && row->encode) {
        json_t *profile =
            json_pack("{s:o, s:o}", "encode", profile_json(row->encode), "decode", profile_json(row->decode));
        failed = json_object_set_new(json, "profile", profile);
    }
    if (!failed)
        return json;
    json_decref(json);
    return NULL;
}

json_t *report_json(const bench *b)
{
    json_t *gflops = json_object(), *instructions = json_object(), *machine, *json;
    int failed = !gflops || !instructions;
    for (int kind = 0; kind < PEAK_KINDS && !failed; kind++)
        if (b->peaks[kind].gflops > 0.0)
            failed = json_object_set_new(gflops, peak_names[kind], rounded(b->peaks[kind].gflops)) ||
                     json_object_set_new(instructions, peak_names[kind], json_string(b->peaks[kind].instruction));
    machine =
        json_pack("{s:o, s:s, s:i, s:i, s:o, s:o}", "cpu", json_text(b->cpu), "isa", b->isa, "threads", b->most_threads,
                  "processors", machine_threads(), "peak_gflops", gflops, "peak_instructions", instructions);
    failed = failed || !machine;
    if (!failed && b->read_gb_s > 0.0)
        failed = json_object_set_new(machine, "read_gb_s", rounded(b->read_gb_s));
    json = failed ? NULL
                  : json_pack("{s:O, s:{s:i, s:i}, s:i, s:s, s:O}", "machine", machine, "picture", "width",
                              b->picture.width, "height", b->picture.height, "runs", b->runs, "version", sam2_version(),
                              "results", b->results);
    json_decref(machine);
    return json;
}
