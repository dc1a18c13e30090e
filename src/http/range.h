/* range.h -- the Range field of a GET (RFC 9110, section 14) against content of a known size, and Content-Range.
 *
 * One range of bytes is served. Several ranges, another unit and a malformed field are ignored, as section 14.2 allows:
 * the response is then the whole content with status 200. Pure functions; any thread. */
#ifndef MR_HTTP_RANGE_H
#define MR_HTTP_RANGE_H

#include "http/fields.h"
#include "http/head.h"

enum mr_range_kind {
    MR_RANGE_WHOLE,         /* 200 */
    MR_RANGE_PART,          /* 206 */
    MR_RANGE_UNSATISFIABLE, /* 416 (MR_ERANGE) */
};

struct mr_range {
    enum mr_range_kind kind;
    uint64_t first, len; /* the bytes to send: all of them for WHOLE, none for UNSATISFIABLE */
    uint64_t size;       /* of the whole content */
};

/* What the request asks for, of content of `size` bytes. Any method but GET asks for the whole. Evaluate conditions
 * first (conditional.h): If-Range may have the range ignored (mr_range_whole). */
struct mr_range mr_range_select(const struct mr_head *head, uint64_t size);
struct mr_range mr_range_whole(uint64_t size);

/* Set Content-Range: "bytes 0-4/10", or "bytes *" "/10" for MR_RANGE_UNSATISFIABLE. Nothing for MR_RANGE_WHOLE. */
void mr_range_set_field(struct mr_fields *fields, const struct mr_range *range);

#endif
