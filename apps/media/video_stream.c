/* Frames that follow each other without compression: YUV4MPEG2 and raw frames, from a pipe or a file. */
#include "video_source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "y4m.h"

typedef struct stream {
    FILE *file;
    int from_stdin, y4m;
    y4m_header header;
    media_raw_format raw;
    size_t frame_bytes;
    uint8_t *bytes, *pixels;
    int64_t next;     /* the frame that the file's position is before */
    int64_t shown;    /* the frame in `pixels`; -1: none */
    int broken;       /* a stream after an error: where the next frame begins is not known */
    int64_t *offsets; /* of a file that can seek: where the frames begin, as far as is known */
    size_t known, room;
    int64_t size; /* of the file */
} stream;

static int is_stream(const media_video *video)
{
    return video->info.forward_only;
}

/* The error of a read that gave less than was wanted. */
static int cut_off(media_video *video, size_t got, size_t wanted, const char *what)
{
    stream *s = video->state;
    s->broken = 1;
    if (ferror(s->file))
        return media_fail(&video->reader, "frame %lld cannot be read: %s", (long long)s->next, strerror(errno));
    return media_fail(&video->reader, "frame %lld is cut off: %zu of %zu bytes%s", (long long)s->next, got, wanted,
                      what);
}

/* One line without its newline. 1; 0 when the file ends before its first byte; -1 when it ends in the line or the line
 * is too long, with what was read in `got`. */
static int read_line(stream *s, char *line, size_t *got)
{
    *got = 0;
    errno = 0;
    for (int c; (c = getc(s->file)) != EOF;) {
        if (c == '\n') {
            line[*got] = 0;
            return 1;
        }
        if (*got + 1 >= Y4M_MAX_LINE)
            return -1;
        line[(*got)++] = (char)c;
    }
    line[*got] = 0;
    return *got || ferror(s->file) ? -1 : 0;
}

static int refuse_header(media_video *video, const char *line, size_t got)
{
    stream *s = video->state;
    size_t magic = strlen(Y4M_MAGIC);
    if (ferror(s->file))
        return media_fail(&video->reader, "cannot be read: %s", strerror(errno));
    if (!got)
        return media_fail(&video->reader, "it is empty; frames as YUV4MPEG2, or raw frames with --raw WxH:FORMAT, "
                                          "were expected");
    if (strncmp(line, Y4M_MAGIC, got < magic ? got : magic))
        return media_fail(&video->reader, "not YUV4MPEG2; a stream holds that, or raw frames with --raw WxH:FORMAT");
    return media_fail(&video->reader, "the YUV4MPEG2 header is %s", got + 1 >= Y4M_MAX_LINE ? "too long" : "cut off");
}

/* The line before a frame's planes. 1, 0 at the end of the file, -1. */
static int frame_line(media_video *video)
{
    stream *s = video->state;
    char line[Y4M_MAX_LINE];
    size_t got;
    int status = read_line(s, line, &got);
    if (!status)
        return 0;
    if (status < 0 && got < 5 && !strncmp(line, "FRAME", got))
        return cut_off(video, 0, s->frame_bytes, ", and the line before it");
    if (status > 0 && !strncmp(line, "FRAME", 5) && (!line[5] || line[5] == ' '))
        return 1;
    if (status < 0 && got + 1 < Y4M_MAX_LINE && !strncmp(line, "FRAME", 5))
        return cut_off(video, 0, s->frame_bytes, ", and the line before it");
    s->broken = 1;
    return media_fail(&video->reader, "frame %lld does not begin with a line FRAME", (long long)s->next);
}

static int remember_offset(media_video *video)
{
    stream *s = video->state;
    if (is_stream(video) || (uint64_t)s->next < s->known)
        return 0;
    if (s->known == s->room) {
        size_t room = s->room ? s->room * 2 : 256;
        int64_t *grown = realloc(s->offsets, room * sizeof *grown);
        if (!grown)
            return media_fail(&video->reader, "out of memory for %zu frames", room);
        s->offsets = grown;
        s->room = room;
    }
    s->offsets[s->known++] = (int64_t)ftello(s->file);
    return 0;
}

/* The next frame's bytes into `bytes`, or over them with skip. 1, 0 at the end, -1. */
static int take_frame(media_video *video, int skip)
{
    stream *s = video->state;
    size_t got;
    if (s->broken)
        return media_fail(&video->reader, "nothing can be read after the fault at frame %lld", (long long)s->next);
    if (remember_offset(video))
        return -1;
    if (s->y4m) {
        int status = frame_line(video);
        if (status < 1) {
            if (!status)
                video->info.frames = s->next;
            return status;
        }
    }
    if (skip && !is_stream(video) && s->size - (int64_t)ftello(s->file) >= (int64_t)s->frame_bytes &&
        !fseeko(s->file, (off_t)s->frame_bytes, SEEK_CUR)) {
        s->next++;
        return 1;
    }
    errno = 0;
    got = fread(s->bytes, 1, s->frame_bytes, s->file);
    if (got < s->frame_bytes) {
        if (!got && !s->y4m && !ferror(s->file)) {
            video->info.frames = s->next;
            return 0;
        }
        return cut_off(video, got, s->frame_bytes, "");
    }
    s->next++;
    return 1;
}

static void raw_to_rgb(const stream *s, const media_video *video)
{
    size_t count = (size_t)video->info.width * (size_t)video->info.height;
    const uint8_t *from = s->bytes;
    uint8_t *to = s->pixels;
    media_alpha ground = video->options.picture.alpha;
    if (s->raw == MEDIA_RAW_RGB24) {
        memcpy(to, from, count * 3);
        return;
    }
    for (size_t i = 0; i < count; i++, to += 3) {
        switch (s->raw) {
        case MEDIA_RAW_BGR24:
            to[0] = from[2], to[1] = from[1], to[2] = from[0];
            from += 3;
            break;
        case MEDIA_RAW_RGBA:
            for (int c = 0; c < 3; c++)
                to[c] = ground == MEDIA_ALPHA_DROP ? from[c] : (uint8_t)media_over(from[c], from[3], 255, ground);
            from += 4;
            break;
        default:
            to[0] = to[1] = to[2] = *from++;
            break;
        }
    }
}

/* Before frame `index`, or as near before it as the file is known. */
static int go_to(media_video *video, int64_t index)
{
    stream *s = video->state;
    if (is_stream(video)) {
        if (index >= s->next)
            return 0;
        return media_fail(&video->reader, "frame %lld was asked for after frame %lld; a stream cannot go back",
                          (long long)index, (long long)s->next - 1);
    }
    if (!s->known)
        return 0;
    int64_t nearest = index < (int64_t)s->known ? index : (int64_t)s->known - 1;
    if (!s->broken && (s->next == index || (s->next > nearest && s->next < index)))
        return 0;
    if (fseeko(s->file, (off_t)s->offsets[nearest], SEEK_SET))
        return media_fail(&video->reader, "cannot be read: %s", strerror(errno));
    s->next = nearest;
    s->broken = 0;
    return 0;
}

static int stream_read(media_video *video, int64_t index, media_frame *out)
{
    stream *s = video->state;
    if (s->shown != index) {
        int status = go_to(video, index);
        while (!status && s->next < index) {
            int got = take_frame(video, 1);
            if (got < 1)
                return got;
        }
        if (status)
            return -1;
        status = take_frame(video, 0);
        if (status < 1)
            return status;
        if (s->y4m)
            y4m_to_rgb(&s->header, s->bytes, s->pixels);
        else
            raw_to_rgb(s, video);
        s->shown = index;
    }
    out->pixels = s->pixels;
    out->pts_ms = (double)index * 1000 / video->info.fps;
    return 1;
}

static int stream_count(media_video *video)
{
    int got;
    if (is_stream(video))
        return media_fail(&video->reader, "a stream's frames cannot be counted before its end");
    if (go_to(video, INT64_MAX))
        return -1;
    do
        got = take_frame(video, 1);
    while (got == 1);
    return got;
}

static void stream_close(media_video *video)
{
    stream *s = video->state;
    if (!s)
        return;
    if (s->file && !s->from_stdin)
        fclose(s->file);
    free(s->bytes);
    free(s->pixels);
    free(s->offsets);
    free(s);
}

static int open_y4m(media_video *video)
{
    stream *s = video->state;
    char line[Y4M_MAX_LINE];
    size_t got;
    if (read_line(s, line, &got) < 1 || memchr(line, 0, got))
        return refuse_header(video, line, got);
    if (strncmp(line, Y4M_MAGIC, strlen(Y4M_MAGIC)))
        return refuse_header(video, line, got);
    if (y4m_parse_header(&video->reader, line, &s->header))
        return -1;
    s->frame_bytes = y4m_frame_bytes(&s->header);
    video->info.width = s->header.width;
    video->info.height = s->header.height;
    if (s->header.fps > 0)
        video->info.fps = s->header.fps;
    snprintf(video->info.format, sizeof video->info.format, "yuv4mpeg");
    snprintf(video->info.codec, sizeof video->info.codec, "%s", s->header.layout);
    if (s->header.interlaced)
        snprintf(video->info.notice, sizeof video->info.notice, "interlaced; both fields are shown as one picture");
    return 0;
}

static int open_raw(media_video *video)
{
    static const struct {
        const char *name;
        size_t channels;
    } formats[] = {{"rgb24", 3}, {"bgr24", 3}, {"rgba", 4}, {"gray", 1}};
    const media_video_options *o = &video->options;
    stream *s = video->state;
    s->raw = o->raw_format;
    if (media_check_size(&video->reader, (uint64_t)o->raw_width, (uint64_t)o->raw_height))
        return -1;
    s->frame_bytes = (size_t)o->raw_width * (size_t)o->raw_height * formats[s->raw].channels;
    video->info.width = o->raw_width;
    video->info.height = o->raw_height;
    snprintf(video->info.format, sizeof video->info.format, "raw");
    snprintf(video->info.codec, sizeof video->info.codec, "%s", formats[s->raw].name);
    return 0;
}

int video_open_stream(media_video *video, FILE *file, int from_stdin, int y4m)
{
    static const video_kind kind = {stream_read, stream_count, stream_close};
    struct stat about;
    stream *s = calloc(1, sizeof *s);
    if (!s) {
        if (!from_stdin)
            fclose(file);
        return media_fail(&video->reader, "out of memory");
    }
    s->file = file;
    s->from_stdin = from_stdin;
    s->y4m = y4m;
    s->shown = -1;
    video->kind = &kind;
    video->state = s;
    video->info.fps = video_fps_or_default(video);
    /* Standard input is a stream even where it is a file: what another program has read of it is gone. */
    video->info.forward_only = from_stdin || fstat(fileno(file), &about) || !S_ISREG(about.st_mode);
    if (y4m ? open_y4m(video) : open_raw(video))
        return -1;
    s->bytes = malloc(s->frame_bytes);
    s->pixels = malloc((size_t)video->info.width * (size_t)video->info.height * 3);
    if (!s->bytes || !s->pixels)
        return media_fail(&video->reader, "out of memory for %d x %d pixels", video->info.width, video->info.height);
    if (!video->info.forward_only) {
        s->size = (int64_t)about.st_size;
        video->info.estimate = s->size / (int64_t)s->frame_bytes;
    }
    return 0;
}
