/* digest_step.h -- the SHA-256 of a stream, on the workers, while its bytes pass: a step of a pipeline that changes
 * nothing.
 *
 *      in (stream.h) ---> | filling | hashed by a job | passed on | ---> out (stream.h)
 *
 * Bytes are read into blocks, hashed there and lent to the receiver from there (lender.h), so that none is copied where
 * the sender reads into the place that it is given (get_buffer). Blocks grow with the speed of the stream: a slow one
 * holds no memory between its bytes, also not the place that was given for the next. What comes in one turn of the loop
 * is one job, as handing it over costs about as much as its work; one job is out at a time.
 *
 * Ends as a transform does (transform.h). Everything here is called on the loop. */
#ifndef MR_PIPE_DIGEST_STEP_H
#define MR_PIPE_DIGEST_STEP_H

#include "base/budget.h"
#include "base/stream.h"
#include "workers/offload.h"

struct mr_digest_step;

struct mr_digest_step_config {
    struct mr_loop *loop; /* borrowed, as all here; outlives the step and its jobs */
    struct mr_offload *offload;
    struct mr_budget *budget;
    _Atomic uint64_t *failed, *refused; /* as of a transform */
    uint64_t patience_ns;               /* the same */
    struct mr_stream *in;
    void (*hold)(void *context);    /* or NULL: the first job went to the workers */
    void (*release)(void *context); /* or NULL: none is there any more. The step may be gone in it */
    void *context;
};

/* MR_OK or MR_EMEMORY. */
int mr_digest_step_create(struct mr_digest_step **out, const struct mr_digest_step_config *config,
                          struct mr_fault *fault);
/* At any time, also from inside its callbacks; clears *step. Frees it now or when its job came back. Neither stream
 * hears of it: they must be closed, or not attached. */
void mr_digest_step_destroy(struct mr_digest_step **step);

/* Become the receiver of `in`. */
void mr_digest_step_attach(struct mr_digest_step *step);
/* Where the bytes come out: the caller attaches its receiver, before or after attach(). */
struct mr_stream *mr_digest_step_out(struct mr_digest_step *step);

/* Of all that passed, once `out` ended; NULL before. */
const uint8_t *mr_digest_step_sha256(const struct mr_digest_step *step);
/* ns that its jobs ran. */
uint64_t mr_digest_step_work_ns(const struct mr_digest_step *step);

#endif
