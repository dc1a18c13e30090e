/* options.h -- the options of a program: flags, environment, configuration file, defaults; the first that names an
 * option wins. The table is the program's own (struct mr_option rows); this file knows how to read it.
 *
 *   --name VALUE   --name=VALUE   --flag           command line (a bool needs no value; --no-flag turns it off)
 *   PREFIX_NAME=VALUE                              environment: upper case, '-' becomes '_' (prefix "MILLRACE")
 *   name = value                                   file given with --config: '#' starts a comment, blank lines are free
 *
 * A repeatable option collects: within one source all its values count; a higher source replaces a lower one; the
 * environment and the file separate several values with spaces or (file) repeat the line. Another option given twice
 * in one source has its last value. Whatever no row knows is wrong, in each source; but an empty variable counts as not
 * set, and the variables that Kubernetes makes for a service called like the prefix are passed over.
 * A program without a prefix has its command line alone. For start-up and SIGHUP, on one thread. */
#ifndef MR_BASE_OPTIONS_H
#define MR_BASE_OPTIONS_H

#include "base/param.h"
#include <stddef.h>
#include <stdio.h>

#define MR_OPTION_VALUES_MAX 32 /* of one repeatable option */

struct mr_option_list {
    size_t count;
    char *values[MR_OPTION_VALUES_MAX]; /* owned: freed by mr_options_free */
};

struct mr_option {
    struct mr_param_spec spec; /* without a text it shares a line of --help with the next row, whose text is of both; it
                                  has no default then */
    const char *metavar;       /* "HOST:PORT" in --help; NULL for a bool */
    const char *default_value; /* text, parsed as if given; NULL: none */
    size_t offset;             /* of the field in the program's config struct */
    bool repeatable;           /* the field is a struct mr_option_list (type TEXT) */
    char letter;               /* of a bool: "-y" is the same on the command line; 0: none */
};
/* Field types by param type: BOOL bool, INT int64_t, NUMBER double, SIZE and TIME uint64_t (bytes, ns), CHOICE int,
 * TEXT char * (owned, NULL without a value). */

/* Options that are in no table since they depend on the operand: those of the stages of `millrace pipe`. On the command
 * line only. */
struct mr_options_further {
    /* The option called `name`, or NULL. */
    const struct mr_param_spec *(*find)(const void *config, struct mr_slice name);
    /* Keep a value, which is borrowed from argv and not checked yet. Returns what is wrong with it, or NULL. */
    const char *(*take)(void *config, struct mr_slice name, struct mr_slice value);
};

struct mr_options_program {
    const char *name;                /* "millrace" */
    const char *env_prefix;          /* "MILLRACE"; NULL: no environment, no --config, no --check-config */
    const char *usage;               /* what stands on top of --help */
    const struct mr_option *options; /* ends with a row whose spec.name is NULL */
    /* The one word of the command line that is no option, before, between or behind them (type TEXT; the field stays
     * NULL without it); NULL: the program takes none. */
    const struct mr_option *operand;
    const struct mr_options_further *further; /* or NULL */
    const char *hint;                         /* stands below each complaint; NULL: nothing does */
};

enum mr_options_result { MR_OPTIONS_RUN, MR_OPTIONS_HELP, MR_OPTIONS_VERSION, MR_OPTIONS_CHECK, MR_OPTIONS_WRONG };

/* Fill *config (zeroed by the caller). --help, --version, --check-config and --config FILE (or PREFIX_CONFIG) are known
 * without a row. WRONG: one line that names the option, where it was given and why was written to `complaints`; the
 * program exits 2.
 */
enum mr_options_result mr_options_parse(const struct mr_options_program *program, void *config, int argc,
                                        char *const *argv, char *const *environment, FILE *complaints);
/* Write a complaint as those of parse: the program's name, the text, the hint. */
void mr_options_complain(const struct mr_options_program *program, FILE *complaints, const char *format, ...)
    MR_PRINTF(3, 4);
/* Free the texts and lists that parse put into *config. */
void mr_options_free(const struct mr_options_program *program, void *config);
/* Write --help: one line an option, or some that share one, with its default. */
void mr_options_help(const struct mr_options_program *program, FILE *out);

#define MR_OPTIONS_GO_ON (-1)
/* What a program does with what parse returned: GO_ON for RUN, else the status to exit with, after `help` was called,
 * or "NAME VERSION" or (--check-config) "ok" was written to standard output. */
int mr_options_answer(enum mr_options_result result, const char *name, void (*help)(FILE *out));

#endif
