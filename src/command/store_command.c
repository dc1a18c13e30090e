#include "base/macros.h"
#include "base/options.h"
#include "command/command.h"
#include "store/check.h"
#include <inttypes.h>
#include <stdio.h>

#define USAGE "usage: millrace store check DATA    look for damage in a data directory that no server uses\n"

enum { DAMAGED = 3 }; /* the exit status when something was found that is not as it was written */

struct arguments {
    char *data;
};

static const struct mr_option options[] = {{.spec = {.name = NULL}}};

static const struct mr_option data = {
    .spec = {.name = "DATA", .type = MR_PARAM_TEXT, .text = "the data directory"},
    .metavar = "DATA",
    .offset = offsetof(struct arguments, data),
};

static const struct mr_options_program program = {
    .name = "millrace: store check",
    .usage =
        USAGE "\nStatus: 0 all is whole, 1 it could not be checked, 2 the arguments are wrong, 3 there is damage.\n",
    .options = options,
    .operand = &data,
    .hint = USAGE,
};

/* Names that are not the store's may hold anything, and go to a terminal. */
static void print_finding(void *context, const char *path, const char *what)
{
    (void)context;
    for (const char *at = path; *at != '\0'; at++)
        putchar(*at >= ' ' && *at <= '~' ? *at : '?');
    printf(": %s\n", what);
}

static void print_result(const struct mr_store_check *check)
{
    printf("%" PRIu64 " objects of %" PRIu64 " bytes, %" PRIu64 " segments: %" PRIu64 " damaged, %" PRIu64
           " stray files, %" PRIu64 " files of interrupted uploads\n",
           check->objects, check->bytes, check->segments, check->damaged, check->strays, check->interrupted);
}

static int check_data(const char *path)
{
    struct mr_store_check check = {.data = path, .report = print_finding};
    struct mr_fault fault;
    int err = mr_store_check(&check, &fault);
    if (err != MR_OK) {
        fflush(stdout);
        fprintf(stderr, "millrace: store check: %s\n",
                fault.detail[0] != '\0' ? fault.detail : mr_error_text(fault.error));
        return 1;
    }
    print_result(&check);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("millrace: store check: standard output");
        return 1;
    }
    return check.damaged > 0 ? DAMAGED : 0;
}

static void write_check_help(FILE *out)
{
    mr_options_help(&program, out);
}

static int check_main(int argc, char *const *argv, char *const *environment)
{
    struct arguments arguments = {.data = NULL};
    enum mr_options_result result = mr_options_parse(&program, &arguments, argc, argv, environment, stderr);
    int status = mr_options_answer(result, "millrace", write_check_help);
    if (status == MR_OPTIONS_GO_ON && arguments.data == NULL) {
        mr_options_complain(&program, stderr, "which DATA?");
        status = 2;
    } else if (status == MR_OPTIONS_GO_ON) {
        status = check_data(arguments.data);
    }
    mr_options_free(&program, &arguments);
    return status;
}

int mr_store_main(int argc, char *const *argv, char *const *environment)
{
    static const struct mr_program_command commands[] = {
        {"check", check_main, "look for damage in a data directory that no server uses"},
        {.name = NULL},
    };
    static const struct mr_program store = {.name = "millrace store", .commands = commands};
    return mr_program_run(&store, argc, argv, environment);
}
