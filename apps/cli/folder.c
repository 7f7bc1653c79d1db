#define _POSIX_C_SOURCE 200809L
#include "folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "message.h"

char *folder_join(const char *path, const char *name)
{
    size_t length = strlen(path), size = length + strlen(name) + 2;
    char *joined = malloc(size);
    if (!joined)
        return NULL;
    memcpy(joined, path, length);
    joined[length] = '/';
    memcpy(joined + length + 1, name, size - length - 1);
    return joined;
}

/* Takes a copy of the name. */
static int add(char ***names, size_t *count, const char *name)
{
    char *copy = strdup(name);
    if (copy && !(*count & (*count + 1))) { /* full at 0, 1, 3, 7 ... */
        char **grown = realloc(*names, (2 * *count + 1) * sizeof *grown);
        if (!grown) {
            free(copy);
            return -1;
        }
        *names = grown;
    }
    if (!copy)
        return -1;
    (*names)[(*count)++] = copy;
    return 0;
}

static int add_entry(folder *out, const char *path, const char *name)
{
    size_t length = strlen(name);
    struct stat about;
    char *joined = folder_join(path, name);
    int is_folder = joined && !stat(joined, &about) && S_ISDIR(about.st_mode);
    if (!joined)
        return -1;
    free(joined);
    if (is_folder)
        return add(&out->folders, &out->folder_count, name);
    if (length > 4 && !strcmp(name + length - 4, ".png"))
        return add(&out->frames, &out->frame_count, name);
    return add(&out->others, &out->other_count, name);
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort(char **names, size_t count)
{
    if (count)
        qsort(names, count, sizeof *names, by_bytes);
}

int folder_read(const char *path, folder *out)
{
    DIR *directory;
    const struct dirent *entry;
    int status = 0;
    *out = (folder){0};
    directory = opendir(path);
    if (!directory)
        return report(EXIT_PICTURE, "%s: cannot be opened as a folder: %s", path, strerror(errno));
    while (!status && (errno = 0, entry = readdir(directory)))
        if (entry->d_name[0] != '.' && add_entry(out, path, entry->d_name))
            status = report(EXIT_FAULT, "%s: out of memory", path);
    if (!status && errno)
        status = report(EXIT_PICTURE, "%s: cannot be read: %s", path, strerror(errno));
    closedir(directory);
    sort(out->frames, out->frame_count);
    sort(out->folders, out->folder_count);
    sort(out->others, out->other_count);
    return status;
}

static void free_names(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

void folder_free(folder *folder)
{
    free_names(folder->frames, folder->frame_count);
    free_names(folder->folders, folder->folder_count);
    free_names(folder->others, folder->other_count);
    memset(folder, 0, sizeof *folder);
}

int folder_has(char **names, size_t count, const char *name)
{
    return count && bsearch(&name, names, count, sizeof *names, by_bytes) != NULL;
}
