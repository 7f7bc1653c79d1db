/* What is in a folder. */
#ifndef CLI_FOLDER_H
#define CLI_FOLDER_H

#include <stddef.h>

/* Names in the order of their bytes; those that begin with a dot are left out. */
typedef struct folder {
    char **frames; /* files that end with .png */
    size_t frame_count;
    char **folders;
    size_t folder_count;
    char **others; /* files of other kinds */
    size_t other_count;
} folder;

/* 0, or an exit status of what was reported. To be freed in either case. */
int folder_read(const char *path, folder *out);
void folder_free(folder *folder);

/* Whether the sorted list has the name. */
int folder_has(char **names, size_t count, const char *name);

/* "path/name"; malloc; NULL when there is no memory. */
char *folder_join(const char *path, const char *name);

#endif
