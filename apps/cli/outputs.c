#define _POSIX_C_SOURCE 200809L
#include "outputs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "message.h"

/* What a path stands for. A file that is not there yet is its folder's and its name; one whose folder is not there
 * either, its path. */
typedef struct file_id {
    dev_t device;
    ino_t inode;
    const char *name;
    size_t length;
    const file_use *use;
} file_id;

static void add(file_uses *uses, const file_use *use, const char *path)
{
    if (!path || uses->failed)
        return;
    if (!strcmp(path, "-")) {
        if (use->written)
            uses->standard[uses->standard[0] != NULL] = use->shown;
        return;
    }
    if (uses->count == uses->capacity) {
        const size_t capacity = uses->capacity ? 2 * uses->capacity : 16;
        file_use *list = realloc(uses->list, capacity * sizeof *list);
        if (!list) {
            uses->failed = 1;
            return;
        }
        uses->list = list;
        uses->capacity = capacity;
    }
    uses->list[uses->count] = *use;
    uses->failed = !(uses->list[uses->count].path = strdup(path));
    uses->count += !uses->failed;
}

void file_uses_read(file_uses *uses, const char *shown, const char *path)
{
    add(uses, &(file_use){.shown = shown}, path);
}

void file_uses_write(file_uses *uses, const char *shown, const char *path)
{
    add(uses, &(file_use){.shown = shown, .written = 1}, path);
}

void file_uses_read_folder(file_uses *uses, const char *shown, const char *path)
{
    add(uses, &(file_use){.shown = shown, .folder = 1}, path);
}

void file_uses_write_folder(file_uses *uses, const char *shown, const char *path)
{
    add(uses, &(file_use){.shown = shown, .written = 1, .folder = 1}, path);
}

/* The folder of a path of `length` bytes, "" if that is too long; where its name begins. */
static size_t folder_of(const char *path, size_t length, char folder[4096])
{
    size_t start = length;
    while (start && path[start - 1] != '/')
        start--;
    if (start >= 4096)
        *folder = 0;
    else
        snprintf(folder, 4096, "%.*s", start ? (int)start : 1, start ? path : ".");
    return start;
}

/* Whether the file can be written. */
static int check_written(const file_use *use)
{
    struct stat about;
    char folder[4096];
    if (!stat(use->path, &about)) {
        if (S_ISDIR(about.st_mode))
            return report(EXIT_FAULT, "%s %s: cannot be written: it is a folder", use->shown, use->path);
        if (!S_ISREG(about.st_mode))
            return EXIT_DONE;
    }
    folder_of(use->path, strlen(use->path), folder);
    if (!*folder)
        return report(EXIT_FAULT, "%s %.60s...: cannot be written: the name is too long", use->shown, use->path);
    if (access(folder, W_OK | X_OK))
        return report(EXIT_FAULT, "%s %s: cannot be written: %s", use->shown, use->path, strerror(errno));
    return EXIT_DONE;
}

/* Returns 0 for what nothing replaces: devices, pipes, no name at all. */
static int identify(const file_use *use, file_id *out)
{
    struct stat about;
    char folder[4096];
    size_t length = strlen(use->path);
    *out = (file_id){.name = "", .use = use};
    if (!length)
        return 0;
    if (stat(use->path, &about)) {
        while (use->folder && length > 1 && use->path[length - 1] == '/')
            length--;
        const size_t start = folder_of(use->path, length, folder);
        const int known = *folder && !stat(folder, &about);
        out->name = use->path + (known ? start : 0);
        out->length = length - (known ? start : 0);
        if (!known)
            return 1;
    } else if (!S_ISREG(about.st_mode) && !S_ISDIR(about.st_mode))
        return 0;
    out->device = about.st_dev;
    out->inode = about.st_ino;
    return 1;
}

static int compare_files(const file_id *x, const file_id *y)
{
    if (x->device != y->device)
        return x->device < y->device ? -1 : 1;
    if (x->inode != y->inode)
        return x->inode < y->inode ? -1 : 1;
    if (x->length != y->length)
        return x->length < y->length ? -1 : 1;
    return memcmp(x->name, y->name, x->length);
}

/* Of one file, what is read before what is written, then in the order of the list. */
static int compare(const void *a, const void *b)
{
    const file_id *x = a, *y = b;
    const int difference = compare_files(x, y);
    if (difference)
        return difference;
    if (x->use->written != y->use->written)
        return x->use->written - y->use->written;
    return (x->use > y->use) - (x->use < y->use);
}

static int refuse(const file_use *first, const file_use *second)
{
    if (!first->written)
        return report(EXIT_USE,
                      second->folder ? "%s %s: is the folder of %s, whose files it would replace"
                                     : "%s %s: would replace %s",
                      second->shown, second->path, first->shown);
    return report(EXIT_USE, "%s and %s: both would write %s", first->shown, second->shown, second->path);
}

/* Whether the file is there, and one of a folder that is read. */
static int replaces_in(const file_use *file, const file_use *folder)
{
    struct stat about, here, of;
    char path[4096];
    folder_of(file->path, strlen(file->path), path);
    return *path && !stat(file->path, &about) && S_ISREG(about.st_mode) && !stat(path, &here) &&
           !stat(folder->path, &of) && here.st_dev == of.st_dev && here.st_ino == of.st_ino;
}

static int check_inside(const file_uses *uses)
{
    for (size_t i = 0; i < uses->count; i++)
        for (size_t k = 0; k < uses->count && uses->list[i].written && !uses->list[i].folder; k++) {
            const file_use *file = &uses->list[i], *folder = &uses->list[k];
            if (folder->folder && !folder->written && replaces_in(file, folder))
                return report(EXIT_USE, "%s %s: would replace a file in the folder of %s", file->shown, file->path,
                              folder->shown);
        }
    return EXIT_DONE;
}

static int check_distinct(const file_uses *uses)
{
    file_id *ids = calloc(uses->count + 1, sizeof *ids);
    size_t count = 0;
    int status = EXIT_DONE;
    if (!ids)
        return report(EXIT_FAULT, "out of memory");
    for (size_t i = 0; i < uses->count; i++)
        count += (size_t)identify(&uses->list[i], &ids[count]);
    qsort(ids, count, sizeof *ids, compare);
    for (size_t i = 1; i < count && !status; i++)
        if (ids[i].use->written && !compare_files(&ids[i - 1], &ids[i]))
            status = refuse(ids[i - 1].use, ids[i].use);
    free(ids);
    return status;
}

int file_uses_check(file_uses *uses)
{
    int status = uses->failed ? report(EXIT_FAULT, "out of memory") : check_distinct(uses);
    if (!status)
        status = check_inside(uses);
    if (!status && uses->standard[1])
        status = report(EXIT_USE, "%s - and %s -: only one of them can go to standard output", uses->standard[0],
                        uses->standard[1]);
    for (size_t i = 0; i < uses->count && !status; i++)
        if (uses->list[i].written && !uses->list[i].folder)
            status = check_written(&uses->list[i]);
    file_uses_free(uses);
    return status;
}

void file_uses_free(file_uses *uses)
{
    for (size_t i = 0; i < uses->count; i++)
        free(uses->list[i].path);
    free(uses->list);
    *uses = (file_uses){0};
}

const char *output_name(const char *path)
{
    struct stat named, standard;
    if (!path || stat(path, &named) || fstat(STDOUT_FILENO, &standard) || S_ISCHR(named.st_mode))
        return path;
    return named.st_dev == standard.st_dev && named.st_ino == standard.st_ino ? "-" : path;
}
