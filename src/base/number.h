/* number.h -- numbers as text: the one parser and the one writer of digits. No sign, no space, no locale; a number that
 * is larger than the caller's bound is refused, never cut. Pure functions; any thread. */
#ifndef MR_BASE_NUMBER_H
#define MR_BASE_NUMBER_H

#include "base/slice.h"
#include <stdbool.h>
#include <stdint.h>

#define MR_NUMBER_SIZE 21 /* the longest decimal number, and a NUL */

static inline bool mr_number_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The value of a hexadecimal digit of either case, or -1. */
static inline int mr_number_hex_value(char c)
{
    if (mr_number_is_digit(c))
        return c - '0';
    if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
        return (c | 0x20) - 'a' + 10;
    return -1;
}

static inline char mr_number_hex_upper(unsigned value)
{
    return "0123456789ABCDEF"[value & 15];
}

/* All of the text is a decimal number of at most `max`. False: it is empty, has another character, or is larger. */
bool mr_number_parse(struct mr_slice text, uint64_t max, uint64_t *out);
/* The decimal number that the text begins with, cut from it. False, and *text is left alone: as above. */
bool mr_number_cut(struct mr_slice *text, uint64_t max, uint64_t *out);
/* The same behind spaces and tabs: for the tables of /proc. */
bool mr_number_next(struct mr_slice *text, uint64_t max, uint64_t *out);
/* Is all of it digits, and not empty? */
bool mr_number_is_digits(struct mr_slice text);

/* Write decimal digits and a NUL. Returns how many digits. */
size_t mr_number_write(char out[MR_NUMBER_SIZE], uint64_t value);
/* Write the last `digits` decimal digits of the value, with zeros before it, without a NUL. */
void mr_number_write_padded(char *out, uint64_t value, unsigned digits);
/* Write the last `digits` hexadecimal digits of the value, in lower case, without a NUL. */
void mr_number_write_hex(char *out, uint64_t value, unsigned digits);

#endif
