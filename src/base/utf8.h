/* utf8.h -- UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
 * Pure functions; any thread. */
#ifndef MR_BASE_UTF8_H
#define MR_BASE_UTF8_H

#include "base/slice.h"
#include <stdint.h>

/* Octets (1 to 4) of the well-formed sequence that `text` begins with, or 0. */
size_t mr_utf8_length(struct mr_slice text);
/* The same, and its code point in *point, which is left alone when there is none. */
size_t mr_utf8_decode(struct mr_slice text, uint32_t *point);
/* Is all of it well formed? */
bool mr_utf8_is_valid(struct mr_slice text);

#endif
