#define _GNU_SOURCE /* wait4, nftw */
#include "run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/sam2-program-XXXXXX";
static run_result latest;

void run_begin(void)
{
    if (!mkdtemp(folder) || chdir(folder)) {
        perror(folder);
        exit(1);
    }
}

static int drop(const char *path, const struct stat *about, int kind, struct FTW *place)
{
    (void)about, (void)kind, (void)place;
    return remove(path);
}

void run_end(void)
{
    if (chdir("/") || nftw(folder, drop, 16, FTW_DEPTH | FTW_PHYS))
        perror(folder);
    free(latest.out);
    free(latest.err);
    latest = (run_result){0};
}

uint8_t *file_read(const char *name, size_t *size)
{
    FILE *file = fopen(name, "rb");
    uint8_t *bytes = NULL;
    size_t used = 0, capacity = 0;
    if (!file)
        return NULL;
    do {
        capacity = capacity ? capacity * 2 : 1 << 16;
        bytes = realloc(bytes, capacity);
        if (!bytes)
            abort();
        used += fread(bytes + used, 1, capacity - used, file);
    } while (used == capacity);
    fclose(file);
    bytes[used] = 0;
    if (size)
        *size = used;
    return bytes;
}

void file_write(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(name, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file))
        fail_msg("%s cannot be written", name);
}

int file_exists(const char *name)
{
    struct stat about;
    return !stat(name, &about);
}

int file_same(const char *a, const char *b)
{
    size_t na = 0, nb = 0;
    uint8_t *fa = file_read(a, &na), *fb = file_read(b, &nb);
    int same = fa && fb && na == nb && !memcmp(fa, fb, na);
    free(fa);
    free(fb);
    return same;
}

void folder_make(const char *name)
{
    if (mkdir(name, 0777))
        fail_msg("%s cannot be made", name);
}

static void redirect(const char *name, int flags, int fd)
{
    int opened = open(name, flags, 0666);
    if (opened < 0 || dup2(opened, fd) < 0)
        _exit(126);
    close(opened);
}

/* In the child: takes the redirections out of the words and becomes the program. */
static _Noreturn void become(char **words, int count)
{
    int kept = 0;
    redirect("/dev/null", O_RDONLY, 0);
    redirect("run.out", O_WRONLY | O_CREAT | O_TRUNC, 1);
    redirect("run.err", O_WRONLY | O_CREAT | O_TRUNC, 2);
    for (int i = 0; i < count; i++) {
        if (!strcmp(words[i], "<"))
            redirect(words[++i], O_RDONLY, 0);
        else if (!strcmp(words[i], ">"))
            redirect(words[++i], O_WRONLY | O_CREAT | O_TRUNC, 1);
        else if (!strcmp(words[i], "<&-"))
            close(0);
        else if (!strcmp(words[i], ">&-"))
            close(1);
        else if (!strcmp(words[i], "2>&-"))
            close(2);
        else
            words[kept++] = words[i];
    }
    words[kept] = NULL;
    execv(PROGRAM, words);
    _exit(127);
}

static pid_t start_line(const char *format, va_list arguments)
{
    static char line[1 << 16];
    char *words[2048];
    int count = 1;
    pid_t child;
    words[0] = PROGRAM;
    vsnprintf(line, sizeof line, format, arguments);
    for (char *word = strtok(line, " "); word && count < 2040; word = strtok(NULL, " "))
        words[count++] = word;
    child = fork();
    if (!child)
        become(words, count);
    return child;
}

const run_result *run_wait(int process)
{
    struct rusage usage;
    int status = 0;
    while (wait4(process, &status, 0, &usage) < 0)
        if (errno != EINTR)
            fail_msg("wait4 failed");
    free(latest.out);
    free(latest.err);
    latest.out = (char *)file_read("run.out", &latest.out_size);
    latest.err = (char *)file_read("run.err", NULL);
    latest.peak_kib = usage.ru_maxrss;
    latest.status = WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
    return &latest;
}

int run_start(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const pid_t process = start_line(format, arguments);
    va_end(arguments);
    return (int)process;
}

const run_result *run(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const pid_t process = start_line(format, arguments);
    va_end(arguments);
    return run_wait((int)process);
}

const run_result *run_expect(int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const pid_t process = start_line(format, arguments);
    va_end(arguments);
    run_wait((int)process);
    if (latest.status != status) {
        char line[1024];
        va_start(arguments, format);
        vsnprintf(line, sizeof line, format, arguments);
        va_end(arguments);
        fail_msg("sam2 %s\nexit status %d, expected %d\nstdout: %.2000s\nstderr: %s", line, latest.status, status,
                 latest.out, latest.err);
    }
    return &latest;
}
