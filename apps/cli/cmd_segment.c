/* sam2 segment: masks of the objects that points, boxes and masks tell about. */
#include <stdlib.h>
#include <string.h>

#include "mask_file.h"
#include "segment.h"

static const char usage[] =
    "Usage: sam2 segment [-m MODEL] -i PICTURE [-p X,Y[,LABEL]]... [-b X1,Y1,X2,Y2] [--mask FILE]\n"
    "                    [--object ...] [-o MASK.png] [--json FILE] [--overlay FILE] ...\n"
    "\n"
    "Cuts objects out of a picture. Coordinates are pixels of the picture as it is seen (turned by its EXIF\n"
    "orientation), x to the right, y down. JPEG, PNG and whatever else is built in are told by their bytes; \"-\" is\n"
    "standard input or output. An alpha channel is dropped unless --alpha says otherwise.\n"
    "\n"
    "With one mask, -o gives the file's exact name. Several masks get a number before the ending: with --multimask\n"
    "mask_0.png, mask_1.png, mask_2.png, best first; several objects mask_0.png, mask_1.png ... in their order; "
    "several\n"
    "objects with --multimask mask_OBJECT_PLACE.png. Masks are 8-bit grey PNG, 0 outside and 255 inside.\n"
    "\n"
    "Exit status: 0 done; 1 wrong use; 2 the picture, mask or features cannot be read; 3 the model file cannot be\n"
    "used; 4 out of memory, an output cannot be written, an internal fault; 5 done, but every mask is empty.\n";

/* Objects that are predicted in one call: their logits are held together. */
enum { OBJECTS_AT_ONCE = 32 };

static int read_picture(segment *s)
{
    char error[600];
    double start = now_ms();
    if (media_read(s->input, &s->reading.media, &s->picture, error, sizeof error))
        return report_picture(error);
    s->times.decode_file = now_ms() - start;
    if (s->picture.notice[0])
        warn("%s: %s", s->input, s->picture.notice);
    return EXIT_DONE;
}

static int resolve(segment *s, int width, int height)
{
    char error[600];
    s->width = width;
    s->height = height;
    if (prompts_resolve(&s->prompts, width, height, s->units, error, sizeof error))
        return report(strstr(error, "out of memory") ? EXIT_FAULT : EXIT_USE, "%s", error);
    return EXIT_DONE;
}

static int open_model(segment *s)
{
    sam2_error error = {SAM2_OK, ""};
    double start = now_ms();
    int status = model_open(&s->common, &s->model, &s->info);
    if (status)
        return status;
    if (sam2_context_create(s->model, &s->context, &error) || sam2_result_create(s->model, &s->result, &error))
        return report_library(&error, FROM_PROMPT);
    s->times.load = now_ms() - start;
    return EXIT_DONE;
}

static int open_dump(segment *s)
{
    sam2_error error = {SAM2_OK, ""};
    if (!s->dump_file)
        return EXIT_DONE;
    if (dump_open(&s->dump, s->dump_file, !is_sam1(&s->info)))
        return report(EXIT_FAULT, "%s", s->dump.error);
    if (sam2_context_set_observer(s->context, dump_tensor, &s->dump, &error))
        return report_library(&error, FROM_PROMPT);
    return EXIT_DONE;
}

/* From the picture, or from a file of features. */
static int make_features(segment *s)
{
    sam2_error error = {SAM2_OK, ""};
    double start = now_ms();
    if (!s->embedding) {
        sam2_image image = {s->picture.pixels, s->width, s->height, (ptrdiff_t)s->width * 3, SAM2_PIXEL_RGB};
        if (sam2_features_encode(s->context, &image, &s->features, &error))
            return report_library(&error, FROM_PICTURE);
    } else {
        int width = 0, height = 0, status;
        if (sam2_features_load(s->model, s->embedding, &s->features, &error))
            return report_library(&error, FROM_FEATURES_FILE);
        sam2_features_get_size(s->features, &width, &height);
        if (s->picture.pixels && (width != s->picture.width || height != s->picture.height))
            return report(EXIT_USE, "%s: the features are of a picture of %d x %d pixels, and %s has %d x %d",
                          s->embedding, width, height, s->input, s->picture.width, s->picture.height);
        status = resolve(s, width, height);
        if (status)
            return status;
    }
    s->times.encode = now_ms() - start;
    return EXIT_DONE;
}

/* The file of --mask into the prompt; its memory is the caller's to free. */
static int read_mask(segment *s, const char *path, mask_file *mask, sam2_prompt *prompt)
{
    char error[600];
    int side = s->info.low_res_size;
    if (mask_file_read(path, &s->reading.media, mask, error, sizeof error))
        return report_picture(error);
    if (mask->bytes && (mask->width != s->width || mask->height != s->height))
        return report(EXIT_USE, "--mask %s: the mask has %d x %d pixels, the picture %d x %d", path, mask->width,
                      mask->height, s->width, s->height);
    if (mask->logits && (mask->width != side || mask->height != side))
        return report(EXIT_USE, "--mask %s: the logits have %d x %d values, the model %s needs %d x %d", path,
                      mask->width, mask->height, s->info.name, side, side);
    prompt->low_res_logits = mask->logits;
    prompt->mask = mask->bytes;
    if (mask->bytes) {
        prompt->mask_width = mask->width;
        prompt->mask_height = mask->height;
        prompt->mask_stride = mask->width;
    }
    return EXIT_DONE;
}

/* Objects from `first` on, as many as one call takes: at most one of them with a mask, which may be as large as the
 * picture. */
static int predict_some(segment *s, int first, int *taken)
{
    sam2_prompt prompts[OBJECTS_AT_ONCE];
    sam2_predict_options options = SAM2_PREDICT_OPTIONS_INIT;
    sam2_error error = {SAM2_OK, ""};
    mask_file mask = {0};
    int count = 0, with_mask = 0, status = EXIT_DONE;
    double start;
    options.multimask = s->multimask;
    options.best_first = 0; /* sorted when the outputs are made: the dump is not */
    while (!status && count < OBJECTS_AT_ONCE && first + count < s->prompts.count) {
        const prompt_object *object = &s->prompts.objects[first + count];
        sam2_prompt *prompt = &prompts[count];
        if (object->mask && with_mask++)
            break;
        *prompt = (sam2_prompt)SAM2_PROMPT_INIT;
        prompt->points = object->points;
        prompt->point_count = object->point_count;
        prompt->box = object->has_box ? &object->box : NULL;
        if (object->mask)
            status = read_mask(s, object->mask, &mask, prompt);
        count++;
    }
    start = now_ms();
    if (!status && sam2_predict(s->context, s->features, prompts, count, &options, s->result, &error))
        status = report_library(&error, FROM_PROMPT);
    s->times.decode += now_ms() - start;
    mask_file_free(&mask);
    *taken = count;
    return status;
}

static int predict_all(segment *s)
{
    for (int first = 0, taken = 0; first < s->prompts.count; first += taken) {
        int status = predict_some(s, first, &taken);
        double start = now_ms();
        if (!status)
            status = segment_outputs_take(s, first);
        s->times.output += now_ms() - start;
        if (status)
            return status;
    }
    return EXIT_DONE;
}

static int work(segment *s)
{
    int status = EXIT_DONE;
    double start;
    if (s->input && (!s->embedding || s->overlay_file || s->cutout_file)) /* else nothing would look at it */
        status = read_picture(s);
    if (!status && !s->embedding)
        status = resolve(s, s->picture.width, s->picture.height);
    if (!status)
        status = open_model(s);
    if (!status)
        status = open_dump(s);
    if (!status)
        status = make_features(s);
    if (!status)
        status = segment_outputs_open(s);
    if (!status)
        status = predict_all(s);
    start = now_ms();
    if (!status)
        status = segment_outputs_finish(s);
    s->times.output += now_ms() - start;
    if (status)
        return status;
    model_remark(&s->common);
    if (s->common.verbose)
        fprintf(stderr,
                "sam2: %s %s, %s, %d threads; load %.1f ms, read picture %.1f ms, encode %.1f ms, decode %.1f ms, "
                "output %.1f ms\n",
                s->info.name, precision_name(s->info.precision), s->info.isa, s->info.threads, s->times.load,
                s->times.decode_file, s->times.encode, s->times.decode, s->times.output);
    if (!s->area)
        return report(EXIT_EMPTY, "%s: done, but every mask is empty", s->input ? s->input : s->embedding);
    return EXIT_DONE;
}

/* What is wrong with the command line as a whole. */
static int check(segment *s, int operands, char **arguments)
{
    char error[600];
    if (operands && !s->input) {
        s->input = arguments[0];
        operands--;
        arguments++;
    }
    if (operands)
        return report(EXIT_USE, "%s: one picture is taken, and this is a second", arguments[0]);
    if (!s->input && !s->embedding)
        return report(EXIT_USE, "no picture: -i PICTURE is missing");
    if (!s->input && (s->overlay_file || s->cutout_file))
        return report(EXIT_USE, "%s needs the picture too: -i PICTURE is missing",
                      s->overlay_file ? "--overlay" : "--cutout");
    if (prompts_check(&s->prompts, s->allow_empty, error, sizeof error))
        return report(EXIT_USE, "%s", error);
    if (s->clip_to_box) {
        int boxes = 0;
        for (int k = 0; k < s->prompts.count; k++)
            boxes += s->prompts.objects[k].has_box;
        if (!boxes)
            return report(EXIT_USE, "--clip-to-box: there is no box");
    }
    s->reading.media.alpha = (media_alpha)s->reading.alpha;
    return segment_outputs_check(s);
}

static int parse(segment *s, int count, char **arguments)
{
    const option own[] = {
        ROW_TEXT('i', "input", &s->input, "PICTURE", "the picture"),
        ROW_CALL('p', "point", &s->prompts, prompts_point, "X,Y[,LABEL]",
                 "a point inside (label 1, default) or outside (0) the object"),
        ROW_CALL('b', "box", &s->prompts, prompts_box, "X1,Y1,X2,Y2",
                 "two corners of a box around the object; also\n"
                 "xywh:X,Y,WIDTH,HEIGHT and norm:X1,Y1,X2,Y2 in fractions"),
        ROW_CALL(0, "mask", &s->prompts, prompts_mask, "FILE",
                 "a rough mask: a picture of the same size (inside above 127),\n"
                 "or logits: .npy, .npz with low_res as --dump writes"),
        ROW_CALL(0, "object", &s->prompts, prompts_object, NULL, "the following prompts are the next object's"),
        ROW_CHOICE(0, "units", &s->units, "pixels|fraction", "coordinates are pixels (default) or fraction, 0 to 1"),
        ROW_FLAG(0, "multimask", &s->multimask, "three masks for an object, sorted by score, instead of one"),
        ROW_FLAG(0, "allow-empty", &s->allow_empty, "ask without any prompt"),
        ROW_TEXT(0, "embedding", &s->embedding, "FILE",
                 "features from `sam2 encode` instead of the picture, which is\n"
                 "then only read for --overlay and --cutout"),
        ROW_TEXT('o', "output", &s->output, "FILE", "the mask as PNG"),
        ROW_TEXT(0, "json", &s->json_file, "FILE", "scores, boxes and masks (COCO run lengths); docs/json.md"),
        ROW_FLAG(0, "compact", &s->compact, "JSON on one line"),
        ROW_TEXT(0, "overlay", &s->overlay_file, "FILE", "the picture with masks and prompts drawn on it, as PNG"),
        ROW_TEXT(0, "cutout", &s->cutout_file, "FILE", "the picture with everything else transparent, as PNG"),
        ROW_FLAG(0, "clip-to-box", &s->clip_to_box, "masks end at the object's box"),
        ROW_TEXT(0, "dump", &s->dump_file, "FILE.npz", "the first object's intermediate tensors"),
        ROW_END};
    option picture[PICTURE_ROWS], shared[COMMON_ROWS];
    const option *const tables[] = {own, picture, shared, NULL};
    int operands, status;
    picture_rows_make(&s->reading, picture);
    common_rows_make(&s->common, COMMON_ALL, shared);
    status = common_parse(&s->common, tables, usage, count, arguments, &operands);
    return status >= 0 ? status : check(s, operands, arguments);
}

int run_segment(int count, char **arguments)
{
    segment *s = calloc(1, sizeof *s);
    int status;
    if (!s)
        return report(EXIT_FAULT, "out of memory");
    status = parse(s, count, arguments);
    if (!status && !s->common.help)
        status = work(s);
    segment_outputs_free(s);
    sam2_result_destroy(s->result);
    sam2_features_destroy(s->features);
    sam2_context_destroy(s->context);
    sam2_model_close(s->model);
    prompts_free(&s->prompts);
    free(s);
    return status;
}
