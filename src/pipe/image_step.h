/* image_step.h -- the image stage at work on one stream: collects it (collect.h), has an image job (image_job.h) do it,
 * and passes the result on.
 *
 *      in (stream.h)  --->  the whole image  --->  one job on a worker  --->  out (stream.h), or whole()
 *
 * Fails as a transform does (transform.h): `in` is cancelled and `out` aborted, with the fault, which for want of room
 * says when to try again. Everything here is called on the loop. */
#ifndef MR_PIPE_IMAGE_STEP_H
#define MR_PIPE_IMAGE_STEP_H

#include "base/budget.h"
#include "base/stream.h"
#include "media/image/image.h"
#include "workers/offload.h"

struct mr_image_step;

struct mr_image_step_config {
    struct mr_loop *loop; /* borrowed, as all here */
    struct mr_offload *offload;
    struct mr_budget *budget;
    struct mr_budget *disk; /* of temporary files; NULL: none */
    const struct mr_image_limits *limits;
    uint64_t body_memory; /* bytes: larger bodies go to a file */
    struct mr_stream *in;
    uint64_t length; /* of the input, or UINT64_MAX */
    struct mr_image_ops ops;
    bool wants_sha256;              /* of the result */
    struct mr_histogram *run_time;  /* or NULL, as the next three */
    _Atomic uint64_t *failed;       /* counts jobs that found that it cannot be done, */
    _Atomic uint64_t *stopped;      /* that were cancelled while they ran, */
    _Atomic uint64_t *refused;      /* that there was no room for */
    void (*hold)(void *context);    /* or NULL: the job went to the workers */
    void (*release)(void *context); /* or NULL: it came back. The step may be gone in it */
    /* Or NULL: the result is pushed to `out`. Else it is handed over here, and `out` hears of failures alone. `charged`
     * bytes of the budget are the callee's to give back. */
    void (*whole)(void *context, const struct mr_image_result *result, uint64_t charged);
    void *context;
};

/* Is there room for the job and for a body of that length? MR_OK, or why not. */
int mr_image_step_create(struct mr_image_step **out, const struct mr_image_step_config *config, struct mr_fault *fault);
/* At any time, also from inside its callbacks; clears *step. Frees it now or when its job came back. */
void mr_image_step_destroy(struct mr_image_step **step);
/* Become the receiver of `in`. */
void mr_image_step_attach(struct mr_image_step *step);
struct mr_stream *mr_image_step_out(struct mr_image_step *step);
/* Of the result, if it is wanted; valid once the job came back, also in whole(). */
const uint8_t *mr_image_step_sha256(const struct mr_image_step *step);
/* For its times; valid once it came back. */
const struct mr_job *mr_image_step_job(const struct mr_image_step *step);

#endif
