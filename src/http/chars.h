/* chars.h -- the alphabets of HTTP and URIs: what the readers of this floor share.
 * Pure functions; any thread. */
#ifndef MR_HTTP_CHARS_H
#define MR_HTTP_CHARS_H

#include "base/slice.h"
#include <stdbool.h>
#include <stdint.h>

enum mr_char_class {
    MR_CHAR_TOKEN = 1,   /* tchar (RFC 9110, section 5.6.2) */
    MR_CHAR_FIELD = 2,   /* of a field value: visible ASCII, SP, HTAB, obs-text (RFC 9110, section 5.5) */
    MR_CHAR_TARGET = 4,  /* of a request target, see chars.c */
    MR_CHAR_HOST = 8,    /* unreserved and sub-delims: of a registered name (RFC 3986, section 3.2.2) */
    MR_CHAR_QUOTED = 16, /* qdtext: between the quotes of a quoted-string (RFC 9110, section 5.6.4) */
};
extern const uint8_t mr_char_classes[256];

static inline bool mr_char_is(char c, enum mr_char_class class)
{
    return (mr_char_classes[(uint8_t)c] & class) != 0;
}

/* All of it, and not empty? */
bool mr_chars_are(struct mr_slice text, enum mr_char_class class);

/* Is every '%' followed by two hex digits (RFC 3986, section 2.1)? */
bool mr_percent_is_valid(struct mr_slice text);

/* mr_slice_cut() at the first separator that does not stand between quotes. */
struct mr_slice mr_cut_unquoted(struct mr_slice *rest, char separator);

#endif
