/* The files that a command line names, looked at before the work: whether those to be written can be, and that none
 * replaces one that is read, or another that is written. */
#ifndef CLI_OUTPUTS_H
#define CLI_OUTPUTS_H

#include <stddef.h>

typedef struct file_use {
    char *path;
    const char *shown; /* the option, for messages */
    int written, folder;
} file_use;

/* Begins as {0}. */
typedef struct file_uses {
    file_use *list;
    size_t count, capacity;
    int failed;              /* out of memory */
    const char *standard[2]; /* who writes to standard output */
} file_uses;

/* A path may be NULL, which says nothing, or "-", of which one can be written. `shown` must last; the path need not. */
void file_uses_read(file_uses *uses, const char *shown, const char *path);
void file_uses_write(file_uses *uses, const char *shown, const char *path);
/* A folder whose files are read, or in which files are written; it need not be there yet. */
void file_uses_read_folder(file_uses *uses, const char *shown, const char *path);
void file_uses_write_folder(file_uses *uses, const char *shown, const char *path);

/* Files are the same when they are one file on the disk, whatever their names. Devices and pipes can be named any
 * number of times, standard output once. 0 or an exit status of what was reported; frees the list. */
int file_uses_check(file_uses *uses);
void file_uses_free(file_uses *uses);

/* "-" for a path of what standard output is (/dev/stdout), so that nothing else is printed between; else the path. */
const char *output_name(const char *path);

#endif
