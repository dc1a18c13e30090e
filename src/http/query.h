/* query.h -- the query of a target as decoded names and values (application/x-www-form-urlencoded, WHATWG URL
 * section 5.1, but strict: a malformed percent escape, a NUL or invalid UTF-8 is an error and not silently kept).
 *
 * Also percent-decoding of one path segment. The loop's thread or any other; memory from the arena. */
#ifndef MR_HTTP_QUERY_H
#define MR_HTTP_QUERY_H

#include "base/arena.h"
#include "base/error.h"
#include "base/param.h"
#include "base/slice.h"
#include <stdbool.h>

#define MR_QUERY_PAIRS_MAX 128

struct mr_query {
    unsigned count;
    struct mr_param_pair *pairs; /* decoded, in order of appearance; a NUL stands behind each name and value; owned by
                                    the arena */
};

/* Decode `text` (what stands behind '?', may be empty). MR_OK or MR_EPARAM. '+' is a space in names and values. */
int mr_query_parse(struct mr_query *out, struct mr_slice text, struct mr_arena *arena, struct mr_fault *fault);
/* First value of `name`, or .at NULL. */
struct mr_slice mr_query_find(const struct mr_query *query, const char *name);
/* The first name that appears twice and is not in the NULL-terminated list `repeatable` (may be NULL); or .at NULL. */
struct mr_slice mr_query_duplicate(const struct mr_query *query, const char *const *repeatable);

/* The same as a fault that names it: MR_OK or MR_EPARAM. */
int mr_query_check_once(const struct mr_query *query, const char *const *repeatable, struct mr_fault *fault);

/* The parameters of the query are among these, once each: MR_OK or MR_EPARAM. What they hold is not looked at. params:
 * ends with a row whose name is NULL. */
int mr_query_check_known(const struct mr_query *query, const struct mr_param_spec *params, struct mr_fault *fault);
/* The value of one parameter; *value stays as it is if it was not sent. MR_OK or MR_EPARAM. */
int mr_query_read(const struct mr_query *query, const struct mr_param_spec *spec, struct mr_param_value *value,
                  struct mr_fault *fault);

/* Percent-decode; a NUL stands behind *out. False: malformed escape, NUL, invalid UTF-8. */
bool mr_percent_decode(struct mr_slice *out, struct mr_slice text, struct mr_arena *arena);
/* The same of a path segment that names something of ours. False, too: a decoded '/' or control character. */
bool mr_path_decode(struct mr_slice *out, struct mr_slice segment, struct mr_arena *arena);

/* The target as it may be logged: the path, and of the query the names that look like names, with all else replaced by
 * '*': values, what has no value, other names (an empty value or name stays). */
struct mr_slice mr_query_redact(struct mr_slice target, struct mr_arena *arena);

#endif
