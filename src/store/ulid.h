/* ulid.h -- the IDs of objects: ULIDs, 26 characters of Crockford's base 32 in capitals. The first ten are the time in
 * milliseconds since 1970 (48 bits), the other sixteen are 80 random bits. IDs sort by time as text does.
 *
 * The random bits are fresh for each ID, never counted up from the one before: the ID of a public file is its secret.
 * Any thread may call these. */
#ifndef MR_STORE_ULID_H
#define MR_STORE_ULID_H

#include "base/slice.h"
#include <stdbool.h>
#include <stdint.h>

#define MR_ULID_LEN    26
#define MR_ULID_MS_MAX ((INT64_C(1) << 48) - 1) /* in the year 10889 */

/* "01M8/K7": where an object with that ID lies. The first 4 characters of the ID and the next 2 stand for 17.5 minutes
 * of time (2^20 ms). */
#define MR_ULID_DIRECTORY_LEN 7

/* Write a new ID and a NUL. A time below 0 or above MR_ULID_MS_MAX becomes that bound. */
void mr_ulid_make(char out[MR_ULID_LEN + 1], int64_t now_ms);
/* The text is an ID as mr_ulid_make() writes it. Lower case and the letters that Crockford reads as others (I, L, O)
 * are no IDs: each object has one spelling. */
bool mr_ulid_is_valid(struct mr_slice text);
/* The time of a valid ID, in milliseconds since 1970. */
int64_t mr_ulid_ms(const char *id);
/* Write the directory of a valid ID and a NUL. */
void mr_ulid_directory(char out[MR_ULID_DIRECTORY_LEN + 1], const char *id);

#endif
