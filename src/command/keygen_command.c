#include "base/macros.h"
#include "command/command.h"
#include "media/age/age_keys.h"
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char usage[] = "usage: millrace keygen [FILE]           make an identity, in FILE or on standard output\n"
                            "       millrace keygen --public FILE    show the public keys of the identities in FILE\n";

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

int mr_keygen_main(int argc, char *const *argv)
{
    setrlimit(RLIMIT_CORE, &(struct rlimit){.rlim_cur = 0, .rlim_max = 0}); /* a core file would hold keys */
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (argc == 3 && (strcmp(argv[1], "--public") == 0 || strcmp(argv[1], "-y") == 0))
        return show(argv[2]);
    if (argc <= 2 && (argc < 2 || argv[1][0] != '-'))
        return make(argv[1]); /* NULL: no FILE */
    fprintf(stderr, "millrace: keygen: %s: wrong arguments\n%s", argv[1], usage);
    return 2;
}
