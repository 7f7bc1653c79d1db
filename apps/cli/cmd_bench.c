/* sam2 bench: times of the stages on this machine, beside what the machine can do. */
#define _DEFAULT_SOURCE /* mkstemps */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"

static const char usage[] =
    "Usage: sam2 bench [-m MODEL|NAME]... [--precision LIST] [--threads LIST] [--runs N] [--profile] [--table]\n"
    "                  [--json FILE]\n"
    "\n"
    "Measures what the machine can do at best, then times loading, encoding a picture, and decoding: one click with "
    "its\n"
    "three masks enlarged to the picture, ten clicks one after the other, and ten objects in one call. -m takes a\n"
    "checkpoint file, micro, or a model's name (sam2.1_t ...), for which stand-in weights are made. Medians of the\n"
    "runs, with the least and the greatest. --profile adds where the time goes, measured in runs of their own.\n";

static int add_model(void *target, const char *value, char *error, size_t error_size)
{
    bench *b = target;
    if (b->model_count == BENCH_MODELS)
        return explain(error, error_size, "too many models");
    if (!*value)
        return explain(error, error_size, "an empty value");
    b->models[b->model_count++] = value;
    return 0;
}

/* The next word of a list divided by commas, or NULL at its end (or where a word is too long). */
static const char *next_word(const char *list, char word[32])
{
    size_t length = strcspn(list, ",");
    if (!length || length >= 32)
        return NULL;
    memcpy(word, list, length);
    word[length] = 0;
    return list + length;
}

static int add_precisions(void *target, const char *value, char *error, size_t error_size)
{
    bench *b = target;
    char word[32];
    b->precision_count = 0;
    for (const char *rest = value;; rest++) {
        int found = -1;
        rest = next_word(rest, word);
        for (int p = SAM2_PRECISION_AUTO; rest && p <= SAM2_PRECISION_INT8; p++)
            if (!strcmp(word, precision_name((sam2_precision)p)))
                found = p;
        if (found < 0 || b->precision_count == BENCH_VALUES)
            return explain(error, error_size, "a list of " PRECISION_WORDS ", divided by commas, is needed");
        b->precisions[b->precision_count++] = found;
        if (!*rest)
            return 0;
    }
}

static int add_threads(void *target, const char *value, char *error, size_t error_size)
{
    bench *b = target;
    char word[32];
    b->thread_count = 0;
    for (const char *rest = value;; rest++) {
        uint64_t threads = 0;
        rest = next_word(rest, word);
        if (!rest || parse_count(word, &threads) || threads < 1 || threads > 256 || b->thread_count == BENCH_VALUES)
            return explain(error, error_size, "a list of numbers from 1 to 256, divided by commas, is needed");
        b->threads[b->thread_count++] = (int)threads;
        if (!*rest)
            return 0;
    }
}

/* The file of stand-in weights, which goes also when a signal ends the program. */
static const int ends[] = {SIGHUP, SIGINT, SIGTERM};
static char made_file[4096];

static void on_signal(int number)
{
    unlink(made_file);
    signal(number, SIG_DFL);
    raise(number);
}

/* Signals wait until the file has its name: until then it is the library's. */
static sam2_status make_file(const char *name, sam2_error *error)
{
    sigset_t wait, before;
    sigemptyset(&wait);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct sigaction now, act = {.sa_handler = on_signal};
        if (!sigaction(ends[i], NULL, &now) && now.sa_handler != SIG_IGN) /* nohup */
            sigaction(ends[i], &act, NULL);
        sigaddset(&wait, ends[i]);
    }
    sigprocmask(SIG_BLOCK, &wait, &before);
    const sam2_status status = sam2_synthesize(name, made_file, 0, 0, NULL, error);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return status;
}

static void remove_made(void)
{
    unlink(made_file);
    *made_file = 0;
}

/* Stand-in weights in made_file, to be removed. */
static int synthesize(const char *name)
{
    const char *folder = getenv("TMPDIR");
    sam2_error error = {SAM2_OK, ""};
    sam2_status status;
    if (snprintf(made_file, sizeof made_file, "%s/sam2-bench-XXXXXX.safetensors",
                 folder && *folder ? folder : "/tmp") >= (int)sizeof made_file)
        return report(EXIT_FAULT, "TMPDIR: the name is too long");
    int fd = mkstemps(made_file, 12);
    if (fd < 0)
        return report(EXIT_FAULT, "%s: cannot be written", made_file);
    close(fd);
    status = make_file(name, &error);
    if (!status)
        return EXIT_DONE;
    remove_made();
    if (status == SAM2_ERROR_ARGUMENT)
        return report(EXIT_MODEL, "%s: neither a file nor the name of a model", name);
    return report_library(&error, FROM_OUTPUT);
}

static int print_failed(void)
{
    return fflush(stdout) ? report(EXIT_FAULT, "standard output: cannot be written") : EXIT_DONE;
}

/* What is told after the table. Takes over what the row holds. */
static int keep_row(bench *b, const bench_row *row)
{
    bench_row *more = realloc(b->rows, ((size_t)b->row_count + 1) * sizeof *more);
    if (more) {
        b->rows = more;
        more[b->row_count++] = *row;
        return 0;
    }
    free(row->encode);
    free(row->decode);
    return -1;
}

/* One line of the table. */
static int measure(bench *b, const char *shown, const char *path, int precision, int threads)
{
    bench_row row = {.file = shown};
    sam2_error error = {SAM2_OK, ""};
    int status = EXIT_DONE;
    sam2_status failed = bench_measure(b, path, precision, threads, &row, &error);
    if (failed == SAM2_ERROR_UNSUPPORTED && !b->precision_count && precision != SAM2_PRECISION_F32) {
        note("%s: %s", shown, error.text); /* nobody asked for it */
        return EXIT_DONE;
    }
    if (failed)
        return report_model(&error, path);
    if (json_array_append_new(b->results, report_row_json(&row)))
        status = report(EXIT_FAULT, "out of memory");
    else if (b->talk) {
        if (json_array_size(b->results) == 1)
            report_head(b);
        report_row(b, &row);
        status = print_failed();
    }
    return keep_row(b, &row) && !status ? report(EXIT_FAULT, "out of memory") : status;
}

static int bench_model(bench *b, const char *name)
{
    static const int all_precisions[] = {SAM2_PRECISION_F32, SAM2_PRECISION_BF16};
    const int *precisions = b->precision_count ? b->precisions : all_precisions;
    int precision_count = b->precision_count ? b->precision_count : 2;
    const char *slash = strrchr(name, '/');
    struct stat about;
    char path[4096];
    int made = 0, status;
    if (strcmp(name, "micro") && stat(name, &about)) {
        status = synthesize(name);
        made = !status;
    } else {
        status = model_path(name, path, sizeof path);
    }
    for (int p = 0; p < precision_count && !status; p++)
        for (int t = 0; t < (b->thread_count ? b->thread_count : 1) && !status; t++)
            status =
                measure(b, made || !slash ? name : slash + 1, made ? made_file : path, precisions[p], b->threads[t]);
    if (made)
        remove_made();
    return status;
}

static void measure_machine(bench *b)
{
    machine_cpu(b->cpu, sizeof b->cpu);
    b->most_threads = b->thread_count ? 1 : machine_threads();
    for (int i = 0; i < b->thread_count; i++)
        b->most_threads = b->threads[i] > b->most_threads ? b->threads[i] : b->most_threads;
    for (int kind = 0; kind < PEAK_KINDS; kind++)
        b->peaks[kind] = peak_measure((peak_kind)kind, b->most_threads);
    b->read_gb_s = peak_read(b->most_threads);
}

static int work(bench *b)
{
    char text[600];
    json_t *json;
    int status = EXIT_DONE;
    if (b->input && media_read(b->input, NULL, &b->picture, text, sizeof text))
        return report_picture(text);
    if (!b->input) {
        b->picture = (media_picture){.width = 1800, .height = 1200};
        b->picture.pixels = bench_picture(b->picture.width, b->picture.height);
    }
    b->mask = malloc((size_t)b->picture.width * (size_t)b->picture.height);
    b->results = json_array();
    if (!b->picture.pixels || !b->mask || !b->results)
        return report(EXIT_FAULT, "out of memory");
    measure_machine(b);
    for (int i = 0; i < b->model_count && !status; i++)
        status = bench_model(b, b->models[i]);
    for (int i = 0; i < b->row_count && !status && b->talk && b->profile; i++) {
        report_profile(b, &b->rows[i]);
        status = print_failed();
    }
    if (!status && b->table && b->talk) {
        table_print(b);
        status = print_failed();
    }
    if (!status && b->plot_file)
        status = table_plot(b);
    if (status || !b->json_file)
        return status;
    json = report_json(b);
    status = json_save(json, b->json_file, 0);
    json_decref(json);
    return status;
}

/* What goes to standard output has it for itself. */
static int check_outputs(bench *b)
{
    file_uses uses = {0};
    b->json_file = output_name(b->json_file);
    b->plot_file = output_name(b->plot_file);
    b->talk = (!b->json_file || strcmp(b->json_file, "-")) && (!b->plot_file || strcmp(b->plot_file, "-"));
    file_uses_read(&uses, "the input", b->input);
    for (int i = 0; i < b->model_count; i++)
        file_uses_read(&uses, "the model", b->models[i]);
    file_uses_write(&uses, "--json", b->json_file);
    file_uses_write(&uses, "--plot", b->plot_file);
    return file_uses_check(&uses);
}

/* All models and all stages, Markdown throughout. */
static void ask_for_table(bench *b)
{
    static const char *const all[] = {"sam1_h", "sam1_l", "sam1_b", "sam2.1_l", "sam2.1_b+", "sam2.1_s", "sam2.1_t"};
    b->markdown = b->track = b->automatic = 1;
    if (!b->model_count)
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            b->models[b->model_count++] = all[i];
}

int run_bench(int count, char **arguments)
{
    bench *b = calloc(1, sizeof *b);
    int operands, status;
    if (!b)
        return report(EXIT_FAULT, "out of memory");
    const option own[] = {
        ROW_CALL('m', "model", b, add_model, "MODEL",
                 "a checkpoint, micro (default), or the name of a model; several times"),
        ROW_CALL(0, "precision", b, add_precisions, "LIST",
                 "auto, f32, bf16, int8, divided by commas (default: f32,bf16)"),
        ROW_CALL(0, "threads", b, add_threads, "LIST", "numbers of threads, divided by commas (default: all)"),
        ROW_INT(0, "runs", &b->runs, 1, BENCH_RUNS, "runs that are counted (default 5)"),
        ROW_TEXT('i', "input", &b->input, "PICTURE", "a picture (default: one made up, 1800 x 1200)"),
        ROW_FLAG(0, "track", &b->track, "also a frame of a video, one object at full memory"),
        ROW_FLAG(0, "auto", &b->automatic, "also automatic masks, 32 x 32 points with nothing filtered"),
        ROW_FLAG(0, "plain-graph", &b->plain, "the official graph, layer by layer, for comparison"),
        ROW_FLAG(0, "profile", &b->profile, "where the time goes, by stage and by operation (-v: both together)"),
        ROW_FLAG(0, "markdown", &b->markdown, "the table in Markdown"),
        ROW_FLAG(0, "table", &b->table,
                 "every stage of SAM 1 ViT-H, L, B and SAM 2.1 Large, Base+, Small,\n"
                 "Tiny (or of the models given), beside the first of them"),
        ROW_TEXT(0, "plot", &b->plot_file, "FILE.svg", "the encode times as a plot; - is standard output"),
        ROW_TEXT(0, "json", &b->json_file, "FILE", "the results as JSON; - is standard output"),
        ROW_END};
    option shared[COMMON_ROWS];
    const option *const tables[] = {own, shared, NULL};
    b->runs = 5;
    common_rows_make(&b->common, COMMON_MACHINE | COMMON_TALK, shared);
    status = common_parse(&b->common, tables, usage, count, arguments, &operands);
    if (status < 0) {
        status = operands ? report(EXIT_USE, "%s: bench takes no operands; models are given with -m", arguments[0])
                          : check_outputs(b);
        if (b->table)
            ask_for_table(b);
        if (!b->model_count)
            b->models[b->model_count++] = "micro";
        if (!status)
            status = work(b);
    }
    for (int i = 0; i < b->row_count; i++) {
        free(b->rows[i].encode);
        free(b->rows[i].decode);
    }
    free(b->rows);
    json_decref(b->results);
    free(b->mask);
    media_picture_free(&b->picture);
    free(b);
    return status;
}
