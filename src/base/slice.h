/* slice.h -- a borrowed run of bytes: where it is and how long. Never owns, never ends in NUL by promise.
 * All functions are pure and may be called from any thread. */
#ifndef MR_BASE_SLICE_H
#define MR_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct mr_slice {
    const char *at;
    size_t len;
};

#define MR_SLICE(literal) ((struct mr_slice){.at = (literal), .len = sizeof(literal) - 1})
/* For printf's "%.*s". */
#define MR_SLICE_ARG(slice) (int)(slice).len, (slice).at

static inline struct mr_slice mr_slice_of(const char *text)
{
    return (struct mr_slice){.at = text, .len = text == NULL ? 0 : strlen(text)};
}

static inline bool mr_slice_equal(struct mr_slice a, struct mr_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline bool mr_slice_is(struct mr_slice slice, const char *text)
{
    return mr_slice_equal(slice, mr_slice_of(text));
}

/* ASCII case is folded: header names, host names, tokens. */
static inline bool mr_slice_is_nocase(struct mr_slice slice, const char *text)
{
    return slice.len == strlen(text) && (slice.len == 0 || strncasecmp(slice.at, text, slice.len) == 0);
}

/* Without leading and trailing spaces and tabs (OWS of RFC 9110, section 5.6.3). */
static inline struct mr_slice mr_slice_trim(struct mr_slice slice)
{
    while (slice.len > 0 && (slice.at[0] == ' ' || slice.at[0] == '\t')) {
        slice.at++;
        slice.len--;
    }
    while (slice.len > 0 && (slice.at[slice.len - 1] == ' ' || slice.at[slice.len - 1] == '\t'))
        slice.len--;
    return slice;
}

/* Cut *rest at the first `separator`: what stands before it is returned, *rest becomes what stands after it.
 * Without a separator all of it is returned and rest->at becomes NULL, which ends a loop over the parts. */
static inline struct mr_slice mr_slice_cut(struct mr_slice *rest, char separator)
{
    struct mr_slice head = *rest;
    const char *found = rest->len > 0 ? memchr(rest->at, separator, rest->len) : NULL;
    if (found == NULL) {
        *rest = (struct mr_slice){.at = NULL, .len = 0};
        return head;
    }
    head.len = (size_t)(found - rest->at);
    rest->at = found + 1;
    rest->len -= head.len + 1;
    return head;
}

#endif
