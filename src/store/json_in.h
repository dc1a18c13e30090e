/* json_in.h -- private to store: JSON that comes in (a request, the head of an object's metadata), read by jansson
 * within bounds, and values of it as text. Any thread; 2 KiB take up to 0.1 ms and 64 KiB several, which is too long
 * for a loop. */
#ifndef MR_STORE_JSON_IN_H
#define MR_STORE_JSON_IN_H

#include "base/error.h"
#include "base/slice.h"
#include <jansson.h>

enum { MR_JSON_IN_DEPTH_MAX = 32 }; /* of objects and arrays: jansson's parser calls itself for each */

/* Read `text`, which must be one object and nothing else but white space. Two members of one name, text that is not
 * UTF-8, a NUL character, and numbers that neither 64 bits nor a double hold are refused.
 * MR_OK: *out is the caller's (json_decref). MR_EREQUEST: the fault says what is wrong and where, and quotes nothing.
 * MR_EMEMORY. */
int mr_json_in_read(json_t **out, struct mr_slice text, struct mr_fault *fault);

/* The value as compact text: members in their order, real numbers with as few digits as give the same value again (of
 * all that are in it). NULL: there is no memory. To be freed by free(). */
char *mr_json_in_text(const json_t *value);

#endif
