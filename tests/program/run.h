/* Runs the built program as a user would and catches what it says. */
#ifndef TEST_RUN_H
#define TEST_RUN_H

#include <stddef.h>
#include <stdint.h>

typedef struct run_result {
    int status; /* exit status; 256 + the signal's number when it was killed */
    char *out;  /* standard output, with a NUL behind it */
    size_t out_size;
    char *err;     /* standard error, as text */
    long peak_kib; /* greatest resident size */
} run_result;

/* An own empty folder, in which the runs of this process take place; removed by run_end. */
void run_begin(void);
void run_end(void);
/* Runs `sam2` in that folder. The line is split at blanks; "< FILE" and "> FILE" redirect, "<&-", ">&-" and "2>&-"
 * close. The result is valid until the next run. */
const run_result *run(const char *format, ...);
/* The same, and fails the test with everything that was said unless the exit status is this. */
const run_result *run_expect(int status, const char *format, ...);

/* The same in the background: its process, and what became of it. */
int run_start(const char *format, ...);
const run_result *run_wait(int process);

/* A whole file of the folder; malloc; NULL when it is not there. */
uint8_t *file_read(const char *name, size_t *size);
void file_write(const char *name, const void *bytes, size_t size);
int file_exists(const char *name);
int file_same(const char *a, const char *b);
void folder_make(const char *name);

#endif
