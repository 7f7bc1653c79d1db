/* The program `sam2`: picks the subcommand. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common.h"

typedef struct command {
    const char *name, *summary;
    int (*run)(int count, char **arguments);
} command;

static const command commands[] = {
    {"segment", "masks of the objects that points, boxes and masks tell about", run_segment},
    {"auto", "masks of everything in a picture", run_auto},
    {"track", "objects through a video", run_track},
    {"encode", "the features of a picture to a file, for segment --embedding", run_encode},
    {"convert", "a checkpoint in another format", run_convert},
    {"synth", "stand-in weights for tests and timings", run_synth},
    {"info", "which model a checkpoint is", run_info},
    {"bench", "how fast this machine is", run_bench},
    {"eval", "how well predicted masks of videos agree with the true ones", run_eval},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static void help(FILE *file)
{
    fprintf(file, "Usage: sam2 COMMAND [OPTION]...\n"
                  "\n"
                  "Segment Anything Model 2: cuts objects out of pictures.\n"
                  "\n"
                  "Commands:\n");
    for (int i = 0; i < COMMANDS; i++)
        fprintf(file, "  %-10s%s\n", commands[i].name, commands[i].summary);
    fprintf(file, "\n"
                  "sam2 COMMAND --help tells the options of a command; sam2 --version what this build is.\n"
                  "\n"
                  "Example: sam2 segment -m sam2.1_hiera_tiny.pt -i photo.jpg -p 500,375 -o mask.png\n");
}

/* The instruction set in use is known to a model only. */
static void version(void)
{
    sam2_model_options options = SAM2_MODEL_OPTIONS_INIT;
    sam2_model_info info = SAM2_MODEL_INFO_INIT;
    sam2_model *model = NULL;
    char libraries[512] = "";
    media_libraries(libraries, sizeof libraries);
    printf("sam2 %d.%d.%d\n", SAM2_VERSION_MAJOR, SAM2_VERSION_MINOR, SAM2_VERSION_PATCH);
    printf("library: libsam2 %s\n", sam2_version());
    printf("build: %s, %s\n", SAM2_COMPILER, SAM2_BUILD_TYPE);
    printf("pictures: %s\n", libraries);
    printf("json: jansson %s\n", JANSSON_VERSION);
    options.threads = 1;
    if (!sam2_model_open_builtin(&options, &model, NULL) && !sam2_model_get_info(model, &info, NULL))
        printf("instructions: %s\n", info.isa);
    sam2_model_close(model);
}

static int dispatch(int count, char **arguments)
{
    static const char *const later[] = {"serve"};
    const char *names[COMMANDS], *word, *near;
    if (count < 2) {
        help(stderr);
        return EXIT_USE;
    }
    word = arguments[1];
    if (!strcmp(word, "--help") || !strcmp(word, "-h") || (!strcmp(word, "help") && count == 2)) {
        help(stdout);
        return EXIT_DONE;
    }
    if (!strcmp(word, "--version") || !strcmp(word, "-V") || !strcmp(word, "version")) {
        version();
        return EXIT_DONE;
    }
    if (!strcmp(word, "help")) { /* sam2 help COMMAND is sam2 COMMAND --help */
        static char option[] = "--help";
        word = arguments[2];
        arguments[2] = option;
        count = 3;
    }
    for (int i = 0; i < COMMANDS; i++) {
        if (!strcmp(word, commands[i].name))
            return commands[i].run(count - 2, arguments + 2);
        names[i] = commands[i].name;
    }
    for (size_t i = 0; i < sizeof later / sizeof later[0]; i++)
        if (!strcmp(word, later[i]))
            return report(EXIT_USE, "%s: not in this version", word);
    near = nearest_word(word, names, COMMANDS);
    if (word[0] == '-')
        return report(EXIT_USE, "%s: a command comes first; sam2 --help lists them", word);
    if (near)
        return report(EXIT_USE, "unknown command %s; did you mean %s?", word, near);
    return report(EXIT_USE, "unknown command %s; sam2 --help lists them", word);
}

int main(int count, char **arguments)
{
    int status;
    /* A descriptor that came closed would be given to the next file that is opened, and messages would go into it. */
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", fd ? O_RDONLY : O_WRONLY) < 0)
            return EXIT_FAULT;
    /* Then a write fails with an error that is reported, and no half-written file is left behind. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    status = dispatch(count, arguments);
    errno = 0;
    if ((fflush(stdout) || ferror(stdout)) && (status == EXIT_DONE || status == EXIT_EMPTY))
        status = report(EXIT_FAULT, "standard output: cannot be written: %s",
                        errno ? strerror(errno) : "an earlier write failed");
    return status;
}
