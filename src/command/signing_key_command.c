#include "base/options.h"
#include "command/command.h"
#include "keys/signing_keys.h"
#include <sodium.h>
#include <stdio.h>
#include <sys/resource.h>

#define USAGE                                                                                           \
    "usage: millrace signing-key KID >>KEYS\n"                                                          \
    "Makes a key that signs addresses, and writes its line for the file of --signing-keys to\n"         \
    "standard output. KID is its name: up to 32 letters, digits, '-', '_' and '.'. The first line of\n" \
    "the file signs, all of them verify. The line is the secret: let no one else read the file.\n"

struct arguments {
    char *kid;
};

static const struct mr_option options[] = {{.spec = {.name = NULL}}};

static const struct mr_option kid_operand = {
    .spec = {.name = "KID", .type = MR_PARAM_TEXT, .max = 1000, .text = "of the key, for signed addresses"},
    .metavar = "KID",
    .offset = offsetof(struct arguments, kid),
};

static const struct mr_options_program program = {
    .name = "millrace: signing-key",
    .usage = USAGE,
    .options = options,
    .operand = &kid_operand,
    .hint = USAGE,
};

static int make_signing_key(const char *kid)
{
    char line[MR_SIGNING_LINE_SIZE];
    if (kid == NULL || !mr_signing_key_is_kid(mr_slice_of(kid))) {
        mr_options_complain(&program, stderr, "%s",
                            kid == NULL ? "a KID is needed"
                                        : "KID must have 1 to 32 letters, digits, '-', '_' and '.'");
        return 2;
    }
    if (mr_signing_key_make(line, mr_slice_of(kid)) != MR_OK) {
        fputs("millrace: signing-key: libsodium cannot be started\n", stderr);
        return 1;
    }
    bool is_written = puts(line) >= 0 && fflush(stdout) == 0;
    sodium_memzero(line, sizeof(line));
    if (!is_written)
        perror("millrace: signing-key: standard output");
    return is_written ? 0 : 1;
}

static void write_help(FILE *out)
{
    mr_options_help(&program, out);
}

int mr_signing_key_main(int argc, char *const *argv, char *const *environment)
{
    struct arguments arguments = {.kid = NULL};
    setrlimit(RLIMIT_CORE, &(struct rlimit){.rlim_cur = 0, .rlim_max = 0}); /* a core file would hold the key */
    enum mr_options_result result = mr_options_parse(&program, &arguments, argc, argv, environment, stderr);
    int status = mr_options_answer(result, "millrace", write_help);
    if (status == MR_OPTIONS_GO_ON)
        status = make_signing_key(arguments.kid);
    mr_options_free(&program, &arguments);
    return status;
}
