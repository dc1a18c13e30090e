#include "base/options.h"
#include "command/command.h"
#include "media/age/age_keys.h"
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define USAGE                                                                                   \
    "usage: millrace keygen [FILE]           make an identity, in FILE or on standard output\n" \
    "       millrace keygen --public FILE    show the public keys of the identities in FILE\n"

struct arguments {
    char *file;
    bool shows;
};

static const struct mr_option options[] = {
    {.spec = {.name = "public", .type = MR_PARAM_BOOL, .text = "show public keys, as -y does"},
     .offset = offsetof(struct arguments, shows),
     .letter = 'y'},
    {.spec = {.name = NULL}},
};

static const struct mr_option file = {
    .spec = {.name = "FILE", .type = MR_PARAM_TEXT, .text = "of identities"},
    .metavar = "FILE",
    .offset = offsetof(struct arguments, file),
};

static const struct mr_options_program program = {
    .name = "millrace: keygen",
    .usage = USAGE,
    .options = options,
    .operand = &file,
    .hint = USAGE,
};

static int complain(const struct mr_fault *fault)
{
    fprintf(stderr, "millrace: keygen: %s\n", fault->detail[0] != '\0' ? fault->detail : mr_error_text(fault->error));
    return 1;
}

/* Standard output holds the secret when there is no FILE. Is it no terminal, the public key is shown beside it. */
static int make(const char *path)
{
    char recipient[MR_AGE_RECIPIENT_SIZE];
    struct mr_fault fault;
    int err = path != NULL ? mr_age_keygen(path, recipient, &fault)
                           : mr_age_keygen_to(STDOUT_FILENO, "standard output", recipient, &fault);
    if (err != MR_OK)
        return complain(&fault);
    if (path != NULL || !isatty(STDOUT_FILENO))
        fprintf(stderr, "Public key: %s\n", recipient);
    return 0;
}

static int print_recipients(const struct mr_age_keys *keys)
{
    char recipient[MR_AGE_RECIPIENT_SIZE];
    for (size_t i = 0; i < keys->count; i++) {
        mr_age_keys_recipient(keys, i, recipient);
        puts(recipient);
    }
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    perror("millrace: keygen: standard output");
    return 1;
}

static int show(const char *path)
{
    struct mr_age_keys *keys;
    struct mr_fault fault;
    int err = mr_age_keys_create(&keys);
    if (err != MR_OK) {
        mr_fault_set(&fault, (enum mr_error)err, NULL);
        return complain(&fault);
    }
    int status = mr_age_keys_load(keys, path, &fault) == MR_OK ? print_recipients(keys) : complain(&fault);
    mr_age_keys_free(&keys);
    return status;
}

static void write_help(FILE *out)
{
    mr_options_help(&program, out);
}

static int run(const struct arguments *arguments)
{
    if (!arguments->shows)
        return make(arguments->file);
    if (arguments->file != NULL)
        return show(arguments->file);
    mr_options_complain(&program, stderr, "--public: of which FILE?");
    return 2;
}

int mr_keygen_main(int argc, char *const *argv, char *const *environment)
{
    struct arguments arguments = {.file = NULL};
    setrlimit(RLIMIT_CORE, &(struct rlimit){.rlim_cur = 0, .rlim_max = 0}); /* a core file would hold keys */
    enum mr_options_result result = mr_options_parse(&program, &arguments, argc, argv, environment, stderr);
    int status = mr_options_answer(result, "millrace", write_help);
    if (status == MR_OPTIONS_GO_ON)
        status = run(&arguments);
    mr_options_free(&program, &arguments);
    return status;
}
