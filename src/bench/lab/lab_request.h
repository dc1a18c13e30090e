/* lab_request.h -- what each stream of the lab asks for, and which answer is right. Any thread, after
 * mr_image_setup(). */
#ifndef MR_BENCH_LAB_REQUEST_H
#define MR_BENCH_LAB_REQUEST_H

#include "base/error.h"
#include "base/slice.h"
#include "bench/lab/lab_result.h"
#include <stdbool.h>

#define MR_LAB_WIDTH 300 /* px, of the image that comes back: of a peer, too, whatever its path says */

struct mr_lab_request {
    const char *method;
    const char *path; /* Millrace's own; a peer may have others */
    const char *body; /* "photo", "data", or NULL: none */
};

const struct mr_lab_request *mr_lab_request_of(enum mr_lab_stream stream);

/* Is `body` the right response to a request that sent `sent`? An image must be whole and as wide as was asked for, gzip
 * must hold what was sent, and what is encrypted must be no shorter than that and not show it. Of our own servers the
 * format is known too. MR_OK, or MR_EIO with a fault that says what is wrong. */
int mr_lab_request_check(enum mr_lab_stream stream, bool is_ours, struct mr_slice sent, struct mr_slice body,
                         struct mr_fault *fault);

#endif
