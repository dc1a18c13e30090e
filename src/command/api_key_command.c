#include "base/options.h"
#include "command/command.h"
#include "keys/api_keys.h"
#include <sodium.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define USAGE                                                                                              \
    "usage: millrace api-key NAME --rights RIGHTS >>KEYS 2>KEY\n"                                          \
    "Makes an API key. Its line for the file of --api-keys goes to standard output, and the key itself,\n" \
    "which is shown this once, to standard error. RIGHTS are words with commas between them:\n"            \
    "pipe, upload, read, list, edit, delete, metrics, admin.\n"

struct arguments {
    char *name, *rights;
};

static const struct mr_option options[] = {
    {.spec = {.name = "rights", .type = MR_PARAM_TEXT, .max = 200, .text = "what the key allows"},
     .metavar = "RIGHTS",
     .offset = offsetof(struct arguments, rights)},
    {.spec = {.name = NULL}},
};

static const struct mr_option name_operand = {
    .spec = {.name = "NAME", .type = MR_PARAM_TEXT, .max = 1000, .text = "of the key, for the access log"},
    .metavar = "NAME",
    .offset = offsetof(struct arguments, name),
};

static const struct mr_options_program program = {
    .name = "millrace: api-key",
    .usage = USAGE,
    .options = options,
    .operand = &name_operand,
    .hint = USAGE,
};

/* Returns what is wrong with the arguments, or NULL. */
static const char *check_arguments(const struct arguments *arguments, uint32_t *rights, struct mr_fault *fault)
{
    if (arguments->name == NULL)
        return "a NAME is needed";
    if (!mr_api_key_is_name(mr_slice_of(arguments->name)))
        return "NAME must have 1 to 64 letters, digits, '-', '_', '.' and '@', and not begin as a key does";
    if (arguments->rights == NULL)
        return "--rights is needed";
    return mr_rights_parse(mr_slice_of(arguments->rights), rights, fault) == MR_OK ? NULL : fault->detail;
}

/* The line first: a key whose line is lost must not be used. */
static int print_key(const char *key, const char *line)
{
    if (puts(line) < 0 || fflush(stdout) != 0) {
        perror("millrace: api-key: standard output");
        return 1;
    }
    fprintf(stderr, "%s%s\n", isatty(STDERR_FILENO) ? "The key, which is shown this once: " : "", key);
    return ferror(stderr) ? 1 : 0;
}

static int make_key(const struct arguments *arguments)
{
    char key[MR_API_KEY_SIZE], line[MR_API_KEY_LINE_SIZE];
    struct mr_fault fault;
    uint32_t rights = 0;
    const char *complaint = check_arguments(arguments, &rights, &fault);
    if (complaint != NULL) {
        mr_options_complain(&program, stderr, "%s", complaint);
        return 2;
    }
    if (mr_api_key_make(key) != MR_OK) {
        fputs("millrace: api-key: libsodium cannot be started\n", stderr);
        return 1;
    }
    mr_api_key_line(line, mr_slice_of(arguments->name), mr_slice_of(key), rights);
    int status = print_key(key, line);
    sodium_memzero(key, sizeof(key));
    return status;
}

static void write_key_help(FILE *out)
{
    mr_options_help(&program, out);
}

int mr_api_key_main(int argc, char *const *argv, char *const *environment)
{
    struct arguments arguments = {.name = NULL};
    setrlimit(RLIMIT_CORE, &(struct rlimit){.rlim_cur = 0, .rlim_max = 0}); /* a core file would hold the key */
    enum mr_options_result result = mr_options_parse(&program, &arguments, argc, argv, environment, stderr);
    int status = mr_options_answer(result, "millrace", write_key_help);
    if (status == MR_OPTIONS_GO_ON)
        status = make_key(&arguments);
    mr_options_free(&program, &arguments);
    return status;
}
