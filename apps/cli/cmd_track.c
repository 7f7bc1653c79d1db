/* sam2 track: objects through a video. */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "track.h"

static const char usage[] =
    "Usage: sam2 track -m MODEL -i VIDEO|FOLDER|- --prompt PROMPT... [OPTION]...\n"
    "\n"
    "Follows objects through a video: a file, a folder of pictures in natural order, or a stream on standard input\n"
    "(YUV4MPEG2, or raw frames with --raw). A prompt says what an object is on a frame:\n"
    "  ID:FRAME:point:X,Y[,LABEL][;X,Y[,LABEL]]...   label 1 inside (default), 0 outside\n"
    "  ID:FRAME:box:X1,Y1,X2,Y2                      and points of the same object and frame go together\n"
    "  ID:FRAME:mask:FILE                            a picture, inside where it is bright\n"
    "Any number of objects, prompts and frames; numbers from 0.\n"
    "Ctrl-C ends it after the frame at hand; what was finished is kept, and the exit status is 130.\n"
    "\n"
    "Example: sam2 track -m sam2.1_hiera_tiny.pt -i clip.mp4 --prompt 1:0:point:400,300 -o masks --overlay out.mp4\n";

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    interrupted = number;
}

/* ---- frames ---- */

/* Reads a frame: 1, 0 past the end, -1 with the failure reported. */
static int read_frame(track *t, int64_t index, media_frame *out)
{
    char error[600];
    if (t->frames >= 0 && index >= t->frames)
        return 0;
    const int got = media_video_read(t->video, index, out, error, sizeof error);
    if (got < 0 && interrupted) /* a stream that the signal has cut short */
        return 0;
    if (got < 0)
        report(EXIT_PICTURE, "%s", error);
    return got;
}

int track_encode(track *t, const media_frame *frame)
{
    sam2_error error = {SAM2_OK, ""};
    const sam2_image image = {frame->pixels, frame->width, frame->height, (ptrdiff_t)frame->width * 3, SAM2_PIXEL_RGB};
    if (t->features && t->features_frame == frame->index)
        return EXIT_DONE;
    sam2_features_destroy(t->features);
    t->features = NULL;
    if (sam2_features_encode_frame(t->context, &image, &t->features, &error))
        return report_library(&error, FROM_PICTURE);
    t->features_frame = frame->index;
    return EXIT_DONE;
}

/* ---- prompts ---- */

static void scale_points(const track *t, const track_prompt *p, sam2_point *points, sam2_box *box)
{
    const float across = t->units ? (float)t->about->width : 1.0f, down = t->units ? (float)t->about->height : 1.0f;
    for (int i = 0; i < p->point_count; i++) {
        points[i] = (sam2_point){p->points[i].x * across, p->points[i].y * down, p->points[i].label};
        if (points[i].x < 0 || points[i].y < 0 || points[i].x > (float)t->about->width ||
            points[i].y > (float)t->about->height)
            warn("object %lld, frame %lld: the point %g,%g lies outside the picture of %d x %d pixels",
                 (long long)p->id, (long long)p->frame, (double)points[i].x, (double)points[i].y, t->about->width,
                 t->about->height);
    }
    *box = (sam2_box){p->box.x0 * across, p->box.y0 * down, p->box.x1 * across, p->box.y1 * down};
}

static int give_prompt(track *t, track_prompt *p)
{
    sam2_prompt prompt = SAM2_PROMPT_INIT;
    sam2_error error = {SAM2_OK, ""};
    mask_file file = {0};
    sam2_box box;
    char text[700];
    sam2_point *points = calloc((size_t)p->point_count + 1, sizeof *points);
    if (!points)
        return report(EXIT_FAULT, "out of memory");
    scale_points(t, p, points, &box);
    prompt.points = points;
    prompt.point_count = p->point_count;
    prompt.box = p->has_box ? &box : NULL;
    int status = EXIT_DONE;
    if (p->mask && mask_file_read(p->mask, &t->reading.media, &file, text, sizeof text))
        status = report_picture(text);
    else if (p->mask && !file.bytes)
        status = report(EXIT_USE, "%s: a picture is wanted for a mask, not logits", p->mask);
    if (!status && (p->mask || p->bytes)) {
        prompt.mask = p->bytes ? p->bytes : file.bytes;
        prompt.mask_width = p->bytes ? p->width : file.width;
        prompt.mask_height = p->bytes ? p->height : file.height;
        prompt.mask_stride = prompt.mask_width;
        if (prompt.mask_width != t->about->width || prompt.mask_height != t->about->height)
            status = report(EXIT_USE, "%s: the mask has %d x %d pixels, the video %d x %d", p->mask ? p->mask : "mask",
                            prompt.mask_width, prompt.mask_height, t->about->width, t->about->height);
    }
    if (!status && sam2_tracker_prompt(t->tracker, t->features, p->frame, p->id, &prompt, 0, &error)) {
        snprintf(text, sizeof text, "object %lld, frame %lld: %s", (long long)p->id, (long long)p->frame, error.text);
        status = report(exit_status(error.code, FROM_PROMPT), "%s", text);
    }
    mask_file_free(&file);
    free(points);
    p->done = 1;
    return status;
}

/* All that was said of one frame. */
static int give_prompts(track *t, const media_frame *frame)
{
    int status = EXIT_DONE;
    for (int i = 0; i < t->prompts.count && !status; i++) {
        track_prompt *p = &t->prompts.list[i];
        if (p->frame != frame->index || p->done)
            continue;
        status = track_encode(t, frame);
        if (!status)
            status = give_prompt(t, p);
    }
    return status;
}

/* Everything that was said, before the first step: an object is then tracked to the frames before its first prompt too,
 * as the official predictor does it. */
static int give_all_prompts(track *t)
{
    int status = EXIT_DONE;
    for (int i = 0; i < t->prompts.count && !status && !interrupted; i++) {
        media_frame frame;
        if (t->prompts.list[i].done)
            continue;
        const int got = read_frame(t, t->prompts.list[i].frame, &frame);
        if (got < 0)
            return EXIT_PICTURE;
        if (!got && interrupted)
            return EXIT_DONE;
        if (!got)
            return report(EXIT_USE, "--prompt %lld:%lld: the video has no frame %lld", (long long)t->prompts.list[i].id,
                          (long long)t->prompts.list[i].frame, (long long)t->prompts.list[i].frame);
        status = give_prompts(t, &frame);
    }
    return status;
}

/* ---- tracking ---- */

static int step(track *t, const media_frame *frame, int reverse)
{
    sam2_error error = {SAM2_OK, ""};
    int status = sam2_tracker_object_count(t->tracker) ? track_encode(t, frame) : EXIT_DONE;
    if (!status && t->features && sam2_tracker_object_count(t->tracker) &&
        sam2_tracker_step(t->tracker, t->features, frame->index, reverse, &error))
        status = report_library(&error, FROM_PICTURE);
    if (!status)
        status = track_outputs_take(t, frame);
    t->done += !status;
    progress_show(&t->progress, t->done);
    return status;
}

int track_sweep(track *t, int64_t from, int reverse)
{
    int status = EXIT_DONE;
    for (int64_t i = from; i >= 0 && !status && !interrupted; i += reverse ? -1 : 1) {
        media_frame frame;
        const int got = read_frame(t, i, &frame);
        if (got < 0)
            return EXIT_PICTURE;
        if (!got)
            break;
        t->seen++;
        if (t->vos)
            status = track_vos_prompts(t, &frame);
        else if (t->live)
            status = give_prompts(t, &frame);
        if (!status && (!t->live || t->vos || sam2_tracker_object_count(t->tracker)))
            status = step(t, &frame, reverse);
    }
    return status;
}

static int64_t first_prompt(const track *t)
{
    int64_t first = t->prompts.list[0].frame;
    for (int i = 1; i < t->prompts.count; i++)
        first = t->prompts.list[i].frame < first ? t->prompts.list[i].frame : first;
    return first;
}

/* Below so many frames, pointers' distances depend on their number. */
enum { SHORT_CLIP = 16 };

/* The number of a short clip's frames, by reading ahead; -1 for a longer one, or where a frame cannot be read, which is
 * told when its turn comes. */
static int64_t count_ahead(track *t)
{
    const int64_t most = t->frames >= 0 && t->frames < SHORT_CLIP ? t->frames : SHORT_CLIP;
    char error[600];
    media_frame frame;
    for (int64_t i = 0; i < most && !interrupted; i++) {
        const int got = media_video_read(t->video, i, &frame, error, sizeof error);
        if (got < 1)
            return got < 0 ? -1 : i;
    }
    return t->frames == most ? most : -1;
}

/* The frames that there will be, for the progress and, in short clips, for the distances of pointers. */
static void count_frames(track *t)
{
    const int64_t known = t->about->frames, guess = t->about->estimate;
    t->frame_count = known;
    if (known < 0 && !t->about->forward_only && (guess < 64 || (t->frames >= 0 && t->frames < SHORT_CLIP)))
        t->frame_count = count_ahead(t);
    t->frame_total = t->frame_count;
    if (t->frame_count < 0 && !t->about->forward_only && guess > 0)
        t->frame_total = guess;
    if (t->frames >= 0 && t->frames < t->frame_count)
        t->frame_count = t->frames;
    if (t->frames >= 0 && (t->frame_total < 0 || t->frames < t->frame_total))
        t->frame_total = t->frames;
}

int track_open_tracker(track *t)
{
    sam2_tracker_options options = SAM2_TRACKER_OPTIONS_INIT;
    sam2_error error = {SAM2_OK, ""};
    int status = t->model ? EXIT_DONE : model_open(&t->common, &t->model, &t->info);
    if (status)
        return status;
    options.evaluation = t->evaluation;
    options.hole_area = t->no_fill ? 0 : -1;
    options.keep_corrections = !t->forget_corrections;
    options.memory_frames = t->memory_frames;
    options.conditioning_limit = t->conditioning_limit;
    options.memory_stride = t->memory_stride;
    if (t->frame_count > 0 && t->frame_count < SHORT_CLIP && (!t->live || t->vos))
        options.frame_count = t->frame_count;
    if ((!t->context && sam2_context_create(t->model, &t->context, &error)) ||
        sam2_tracker_create(t->model, &options, &t->tracker, &error))
        return report_library(&error, FROM_MODEL_FILE);
    return EXIT_DONE;
}

/* The observer: tensors of the dump. */
static void dump_tensor_of(void *user, const char *name, const float *data, const int64_t *shape, int dims)
{
    track *t = user;
    size_t count = 1;
    for (int i = 0; i < dims; i++)
        count *= (size_t)shape[i];
    if (!t->dump_failed)
        t->dump_failed = npz_begin(t->dump, name, NPZ_FLOAT32, shape, dims, t->dump_error, sizeof t->dump_error) ||
                         npz_write(t->dump, data, count * sizeof *data, t->dump_error, sizeof t->dump_error) ||
                         npz_end(t->dump, t->dump_error, sizeof t->dump_error);
}

static int run(track *t)
{
    const int64_t from = t->start >= 0 ? t->start : t->live ? 0 : first_prompt(t);
    sam2_error error = {SAM2_OK, ""};
    int status = t->live ? EXIT_DONE : give_all_prompts(t);
    t->progress = progress_start(t->progress_kind, t->common.quiet, "frame",
                                 t->frame_total < 0 ? 0
                                 : t->both          ? t->frame_total
                                 : t->reverse       ? from + 1
                                                    : t->frame_total - from);
    if (!status && t->dump && sam2_tracker_set_observer(t->tracker, dump_tensor_of, t, &error))
        status = report_library(&error, FROM_PROMPT);
    if (!status && !t->reverse)
        status = track_sweep(t, from, 0);
    if (!status && t->both && from > 0)
        status = track_sweep(t, from - 1, 1);
    else if (!status && t->reverse)
        status = track_sweep(t, from, 1);
    progress_clear(&t->progress);
    if (!status && t->overlay_file && (t->reverse || t->both))
        status = track_overlay_kept(t);
    return status;
}

int track_interrupted(void)
{
    return interrupted;
}

int track_open_video(track *t)
{
    char error[600];
    if (media_video_open(t->input, &t->source, &t->video, error, sizeof error))
        return interrupted ? 128 + interrupted : report_picture(error);
    t->about = media_video_about(t->video);
    if (*t->about->notice)
        note("%s", t->about->notice);
    t->live |= t->about->forward_only;
    if (t->live && (t->reverse || t->both))
        return report(EXIT_USE, "%s: a stream goes forward only", t->input);
    for (int i = 0; i < t->prompts.count && t->live && !t->vos; i++)
        if (t->prompts.list[i].frame < t->start)
            return report(EXIT_USE, "--start %lld: it comes after the prompt of object %lld on frame %lld, and %s",
                          (long long)t->start, (long long)t->prompts.list[i].id, (long long)t->prompts.list[i].frame,
                          t->about->forward_only ? "a stream does not go back" : "with --live nothing goes back");
    count_frames(t);
    return EXIT_DONE;
}

static int work(track *t)
{
    const double start = now_ms();
    int status = track_open_video(t);
    if (!status)
        status = track_open_tracker(t);
    if (!status)
        status = track_outputs_open(t);
    const double ready = now_ms();
    if (!status)
        status = run(t);
    const int closed = track_outputs_close(t, status || interrupted);
    status = status ? status : closed;
    if (interrupted && t->video)
        note("stopped after %lld frames; %s", (long long)t->done,
             t->done ? "what was finished is kept" : "nothing was finished");
    if (!status)
        model_remark(&t->common);
    if (!status && t->common.verbose)
        fprintf(stderr, "sam2: %s %s, %s, %d threads; %s %s, %d x %d; ready in %.0f ms, %lld frames in %.1f s\n",
                t->info.name, precision_name(t->info.precision), t->info.isa, t->info.threads, t->about->format,
                t->about->codec, t->about->width, t->about->height, ready - start, (long long)t->done,
                (now_ms() - ready) / 1000);
    for (int i = 0; i < t->prompts.count && !status && !interrupted; i++)
        if (!t->prompts.list[i].done)
            warn("object %lld: the video ended before its prompt on frame %lld", (long long)t->prompts.list[i].id,
                 (long long)t->prompts.list[i].frame);
    if (interrupted)
        return status ? status : 128 + interrupted;
    if (!status && !t->seen && t->start >= 0)
        return report(EXIT_USE, "--start %lld: %s has no such frame", (long long)t->start, t->input);
    if (!status && !t->area)
        return report(EXIT_EMPTY, "%s: done, but every mask is empty", t->input);
    return status;
}

/* ---- the command line ---- */

static int parse_raw(void *target, const char *value, char *error, size_t error_size)
{
    return media_video_raw_parse(value, target, error, error_size);
}

static int check(track *t, int operands, char **arguments)
{
    if (operands && !t->input) {
        t->input = arguments[0];
        operands--;
        arguments++;
    }
    if (operands)
        return report(EXIT_USE, "%s: one video is taken, and this is a second", arguments[0]);
    if (!t->input)
        return report(EXIT_USE, "no video: -i VIDEO is missing");
    if (t->vos && (t->prompts.count || t->reverse || t->both || t->start >= 0 || t->overlay_file || t->json_file ||
                   t->dump_file || !t->vos_masks || !t->output))
        return report(EXIT_USE, "--vos goes with -i, --masks and -o alone, and needs all three");
    if (t->vos_masks && !t->vos)
        return report(EXIT_USE, "--masks goes with --vos");
    if (!t->prompts.count && !t->vos)
        return report(EXIT_USE, "nothing says what to track: give --prompt ID:FRAME:point:x,y, :box: or :mask:");
    if (t->reverse && t->both)
        return report(EXIT_USE, "--reverse and --both: one of them");
    if (t->frames >= 0 && t->start >= t->frames)
        return report(EXIT_USE, "--start %lld: not one of the %lld frames", (long long)t->start, (long long)t->frames);
    t->source.picture = t->reading.media;
    t->source.picture.alpha = (media_alpha)t->reading.alpha;
    return track_outputs_check(t);
}

static int parse(track *t, int count, char **arguments)
{
    uint64_t start = UINT64_MAX, frames = UINT64_MAX;
    int limit = 0;
    const option own[] = {
        ROW_TEXT('i', "input", &t->input, "VIDEO", "a video file, a folder of pictures, or - for a stream"),
        ROW_CALL(0, "prompt", &t->prompts, track_prompts_add, "PROMPT", "what to track; see above"),
        ROW_CHOICE(0, "units", &t->units, "pixels|fraction", "coordinates are pixels (default) or fraction, 0 to 1"),
        ROW_TEXT('o', "output", &t->output, "FOLDER", "masks as PNG, in a folder that is made"),
        ROW_CHOICE(0, "layout", &t->layout, "objects|labels",
                   "of that folder: ID/FRAME.png, 0 and 255 (default), or\nFRAME.png, all objects by their numbers"),
        ROW_TEXT(0, "overlay", &t->overlay_file, "FILE",
                 "the video with masks and prompts drawn on it; a name that ends\n"
                 "in / is a folder of PNG frames"),
        ROW_TEXT(0, "json", &t->json_file, "FILE", "a line for each frame: scores, boxes, masks; docs/json.md"),
        ROW_TEXT(0, "dump", &t->dump_file, "FILE.npz", "logits, scores, pointers and memories of every frame"),
        ROW_FLAG(0, "vos", &t->vos,
                 "-i is a folder of videos, each a folder of pictures; --masks has\n"
                 "the first masks of their objects, and -o gets all masks, in the\n"
                 "same layout (VIDEO/FRAME.png or VIDEO/ID/FRAME.png), as the\n"
                 "official evaluation tool; sam2 eval --vos measures them"),
        ROW_TEXT(0, "masks", &t->vos_masks, "FOLDER", "for --vos"),
        ROW_FLAG(0, "reverse", &t->reverse, "from the earliest prompt (or --start) backward"),
        ROW_FLAG(0, "both", &t->both, "forward, then backward"),
        ROW_FLAG(0, "live", &t->live,
                 "prompts count from their frames on, as in a stream; else every\nprompt is known from the start"),
        ROW_COUNT(0, "start", &start, 0, 1e8, "the frame to begin at (default: that of the earliest prompt)"),
        ROW_COUNT(0, "frames", &frames, 1, 1e8, "the video ends after so many frames"),
        ROW_FLAG(0, "evaluation", &t->evaluation, "the official evaluation tool's behaviour"),
        ROW_FLAG(0, "no-fill", &t->no_fill, "small holes stay"),
        ROW_FLAG(0, "forget-corrections", &t->forget_corrections,
                 "prompts on tracked frames do not last, as in the official\npredictor"),
        ROW_FLAG(0, "non-overlap", &t->non_overlap, "each pixel belongs to one object at most"),
        ROW_INT(0, "memory-frames", &t->memory_frames, 1, 64, "frames that are remembered (default: the model's, 7)"),
        ROW_INT(0, "conditioning-limit", &limit, 2, 1000000, "prompted frames that count at a time (default: all)"),
        ROW_INT(0, "memory-stride", &t->memory_stride, 1, 1000, "remembered frames lie so far apart (default 1)"),
        ROW_CALL(0, "raw", &t->source, parse_raw, "WxH:FORMAT", "raw frames: rgb24, bgr24, rgba or gray"),
        ROW_REAL(0, "fps", &t->source.fps, 0.001, 1000, "frames a second of a source without a clock (default 25)"),
        ROW_FLAG(0, "skip-bad", &t->source.skip_bad, "frames that cannot be read are left out"),
        ROW_FLAG(0, "ignore-rotation", &t->source.ignore_rotation, "frames of a video file as they are stored"),
        ROW_CHOICE(0, "progress", &t->progress_kind, PROGRESS_WORDS,
                   "on stderr: bar (default, on a terminal), json, none"),
        ROW_END};
    option picture[PICTURE_ROWS], shared[COMMON_ROWS];
    const option *const tables[] = {own, picture, shared, NULL};
    int operands, status;
    picture_rows_make(&t->reading, picture);
    common_rows_make(&t->common, COMMON_ALL, shared);
    t->memory_stride = 1;
    status = common_parse(&t->common, tables, usage, count, arguments, &operands);
    t->start = start == UINT64_MAX ? -1 : (int64_t)start;
    t->frames = frames == UINT64_MAX ? -1 : (int64_t)frames;
    t->conditioning_limit = limit ? limit : -1;
    return status >= 0 ? status : check(t, operands, arguments);
}

int run_track(int count, char **arguments)
{
    track *t = calloc(1, sizeof *t);
    int status;
    if (!t)
        return report(EXIT_FAULT, "out of memory");
    status = parse(t, count, arguments);
    if (!status && !t->common.help) {
        struct sigaction act = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND}; /* the second one ends it */
        sigaction(SIGINT, &act, NULL);
        sigaction(SIGTERM, &act, NULL);
        status = t->vos ? track_vos(t) : work(t);
    }
    sam2_features_destroy(t->features);
    sam2_tracker_destroy(t->tracker);
    sam2_context_destroy(t->context);
    sam2_model_close(t->model);
    media_video_close(t->video);
    track_prompts_free(&t->prompts);
    free(t);
    return status;
}
