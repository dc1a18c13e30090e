/* param.h -- typed values written by people: what a query parameter, a flag, an environment variable and a line of the
 * configuration file have in common. One table row says name, type, range, unit and text; from the tables come the
 * parsing, the error messages, --help, GET /pipe and the docs.
 *
 *   type             written as                                   value
 *   MR_PARAM_BOOL    1 0 true false yes no on off, "" is true     .flag
 *   MR_PARAM_INT     decimal integer in [min, max]                .integer
 *   MR_PARAM_NUMBER  decimal number in [min, max]                 .number
 *   MR_PARAM_SIZE    bytes: 512, 64KiB, 8MiB, 1GiB (k M G: 1024)  .integer
 *   MR_PARAM_TIME    5 5s 500ms 2m 1h (a bare number is seconds)  .integer, nanoseconds
 *   MR_PARAM_CHOICE  one of the words in `choices`                .integer, the word's index
 *   MR_PARAM_TEXT    up to `max` octets                           .text
 *
 * Pure functions; any thread. */
#ifndef MR_BASE_PARAM_H
#define MR_BASE_PARAM_H

#include "base/error.h"
#include "base/slice.h"
#include <stdbool.h>
#include <stdint.h>

enum mr_param_type {
    MR_PARAM_BOOL,
    MR_PARAM_INT,
    MR_PARAM_NUMBER,
    MR_PARAM_SIZE,
    MR_PARAM_TIME,
    MR_PARAM_CHOICE,
    MR_PARAM_TEXT,
};

struct mr_param_spec {
    const char *name;
    enum mr_param_type type;
    double min, max;            /* of INT and NUMBER; SIZE and TIME in bytes and seconds; TEXT: max octets. max 0: none
                                   (but a bound like any other where min is below 0) */
    const char *unit;           /* "px", "s", "%"; or NULL */
    const char *const *choices; /* CHOICE: NULL-terminated words */
    const char *text;           /* one line for --help, GET /pipe and the docs */
};

struct mr_param_value {
    bool flag;
    int64_t integer;
    double number;
    struct mr_slice text; /* borrowed from the parsed text */
};

/* A parameter as it was sent, before any table knows it. */
struct mr_param_pair {
    struct mr_slice name, value;
};

/* Parse `text` by `spec`. MR_OK, or MR_EPARAM with a fault whose detail names the parameter and what is allowed (never
 * the text itself, which may be a secret), limit and value filled when a range was left. */
int mr_param_parse(const struct mr_param_spec *spec, struct mr_slice text, struct mr_param_value *out,
                   struct mr_fault *fault);

/* Write what is allowed, to stand behind "must be": "an integer from 1 to 1024". Cut to what fits, NUL included. */
void mr_param_describe(const struct mr_param_spec *spec, char *out, size_t size);

/* A name that came from outside, as its sender is told it: as it was sent, or "*" if it is longer than 32 octets, since
 * no parameter is and a key may be. */
struct mr_slice mr_param_sent_name(struct mr_slice name);
/* A name that came from outside, as it may be logged: itself if it could be a parameter's (up to 32 of a to z,
 * digits, '-', '_', '.'), else "*". It may be a secret that stands in the wrong place. */
struct mr_slice mr_param_shown_name(struct mr_slice name);

/* The table of a request that takes no parameters. */
extern const struct mr_param_spec mr_param_none[];

/* The row called `name`, or NULL. The table ends with a row whose name is NULL. */
const struct mr_param_spec *mr_param_find(const struct mr_param_spec *table, struct mr_slice name);

#endif
