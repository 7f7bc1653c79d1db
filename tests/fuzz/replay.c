/* Runs a fuzz target on committed inputs, without libFuzzer: replay_fuzz_X FOLDER_OR_FILE... Finding no input is a
 * failure. */
#define _POSIX_C_SOURCE 200809L
#include "fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static int inputs;

/* The input in a block of exactly its size, so that a sanitizer sees a read beyond it. */
static void run_file(const char *path, size_t size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(size ? size : 1);
    if (!file || !bytes || fread(bytes, 1, size, file) != size) {
        fprintf(stderr, "%s: cannot be read\n", path);
        exit(1);
    }
    fclose(file);
    fprintf(stderr, "%s\n", path); /* names the input that ends the program */
    LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
    inputs++;
}

static void run_path(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        fprintf(stderr, "%s: not found\n", path);
        exit(1);
    }
    if (!S_ISDIR(info.st_mode)) {
        run_file(path, (size_t)info.st_size);
        return;
    }
    DIR *folder = opendir(path);
    for (struct dirent *e; folder && (e = readdir(folder));) {
        char inner[4096];
        if (*e->d_name == '.')
            continue;
        snprintf(inner, sizeof inner, "%s/%s", path, e->d_name);
        run_path(inner);
    }
    if (folder)
        closedir(folder);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        run_path(argv[i]);
    if (!inputs)
        fprintf(stderr, "no inputs\n");
    return inputs ? 0 : 1;
}
