/* A file that appears only once it is whole: written under another name in the same folder, then renamed. */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(const media_output *output, const char *what, char *error, size_t error_size)
{
    if (error && error_size) {
        snprintf(error, error_size, "%s: %s: %s", output->label, what, errno ? strerror(errno) : "unknown fault");
        for (unsigned char *c = (unsigned char *)error; *c; c++)
            if (*c < 32 || *c == 127)
                *c = '?';
    }
    return -1;
}

static void forget(media_output *output)
{
    free(output->temporary);
    free(output->final);
    *output = (media_output){.label = output->label};
}

/* A new file beside the final one, under a name of its own: the final one may be as long as a name can be. Not mkstemp,
 * whose files nobody else may read. */
static int open_beside(media_output *output)
{
    const char *slash = strrchr(output->final, '/');
    const int folder = slash ? (int)(slash - output->final) + 1 : 0;
    size_t size = (size_t)folder + 64;
    output->temporary = malloc(size);
    if (!output->temporary) {
        errno = ENOMEM;
        return -1;
    }
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(output->temporary, size, "%.*ssam2-%ld-%u.part", folder, output->final, (long)getpid(), i);
        int fd = open(output->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 && (output->file = fdopen(fd, "wb")))
            return 0;
        if (fd >= 0) {
            int cause = errno;
            close(fd);
            unlink(output->temporary);
            errno = cause;
            return -1;
        }
        if (errno != EEXIST)
            return -1;
    }
    return -1;
}

int media_output_open(media_output *output, const char *path, char *error, size_t error_size)
{
    struct stat about;
    int known = -1;
    *output = (media_output){.label = path};
    errno = 0;
    if (!strcmp(path, "-")) {
        output->label = "standard output";
        output->file = stdout;
        return 0;
    }
    if (!*path) {
        errno = ENOENT;
        return fail(output, "cannot be written", error, error_size);
    }
    known = stat(path, &about);
    if (!known && !S_ISREG(about.st_mode)) { /* a device or a pipe: opening a folder fails by itself */
        output->file = fopen(path, "wb");
        return output->file ? 0 : fail(output, "cannot be written", error, error_size);
    }
    /* Through a link, so that the link stays and its target changes. */
    output->final = known ? strdup(path) : realpath(path, NULL);
    if (!output->final || open_beside(output)) {
        int status = fail(output, "cannot be written", error, error_size);
        forget(output);
        return status;
    }
    return 0;
}

int media_output_close(media_output *output, int keep, char *error, size_t error_size)
{
    int status = 0;
    int bad = ferror(output->file);
    errno = 0;
    if (output->file == stdout)
        bad |= fflush(stdout);
    else
        bad |= fclose(output->file);
    if (keep && bad)
        status = fail(output, "cannot be written", error, error_size);
    if (output->temporary && keep && !bad && rename(output->temporary, output->final))
        status = fail(output, "cannot be renamed to", error, error_size);
    if (output->temporary && (!keep || status)) {
        int cause = errno;
        unlink(output->temporary);
        errno = cause;
    }
    forget(output);
    return status;
}
