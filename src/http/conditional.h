/* conditional.h -- conditional requests (RFC 9110, section 13): If-Match, If-None-Match, If-Modified-Since,
 * If-Unmodified-Since and If-Range, evaluated in the order of section 13.2.2.
 *
 * Call it when the response would otherwise be 2xx: another status takes precedence (section 13.2.1).
 *
 * What is malformed:
 *  - a list of entity tags counts as far as it can be read. What follows matches nothing; a method that changes
 *    something then fails (412), since its client wanted to be protected.
 *  - a date that is none is ignored, as are several of them (sections 13.1.3 and 13.1.4).
 *  - an If-Range that is malformed has the range ignored.
 * Pure functions, but for the clock that two-digit years of old dates are read against; any thread. */
#ifndef MR_HTTP_CONDITIONAL_H
#define MR_HTTP_CONDITIONAL_H

#include "http/head.h"

/* The current state of what the request is about. Its bytes change at most with its validators: both are strong. */
struct mr_validators {
    struct mr_slice etag;  /* the opaque text of a strong entity tag, without quotes; .at NULL: it has none */
    bool has_date;         /* last_modified is known */
    int64_t last_modified; /* seconds since 1970, as in Last-Modified */
};

enum mr_condition {
    MR_CONDITION_PROCEED,      /* as if there were no conditions; a Range counts */
    MR_CONDITION_IGNORE_RANGE, /* GET: the same, but for the whole content */
    MR_CONDITION_NOT_MODIFIED, /* GET, HEAD: 304 */
    MR_CONDITION_FAILED,       /* 412 (MR_EPRECONDITION) */
};

/* current: NULL when nothing exists at the target. */
enum mr_condition mr_conditional_evaluate(const struct mr_head *head, const struct mr_validators *current);

#endif
