/* image_job.h -- one image from its bytes to an encoded image or a fault: finds lane and memory, has one job on a
 * worker do it. Where the bytes come from is not its business: a body that was collected, a map, a stored object.
 *
 *      init ----> submit ----> done() ----> clear
 *
 * A job is embedded in its owner, which outlives it and sees to the bytes until it is back. Everything here is called
 * on the loop, but for the functions of a source. */
#ifndef MR_PIPE_IMAGE_JOB_H
#define MR_PIPE_IMAGE_JOB_H

#include "base/budget.h"
#include "base/slice.h"
#include "media/digest/sha256.h"
#include "media/image/image.h"
#include "workers/offload.h"

/* The bytes of an image. */
struct mr_image_source {
    struct mr_slice bytes; /* borrowed, in memory; .at NULL: map() gives them */
    /* Or NULL. On the worker, once: it may wait for a file. MR_OK, or MR_EIO with the fault filled. */
    int (*map)(void *owner, struct mr_slice *bytes, struct mr_fault *fault);
    /* Or NULL. On the worker, when it has run: it has no use for the bytes any more. To give back much memory, or a
     * file, is nothing for the loop. Of a job that did not run the owner does it. */
    void (*drop)(void *owner);
    void *owner;
};

struct mr_image_job {
    /* Set by the owner before init. */
    struct mr_loop *loop; /* borrowed, as all here */
    struct mr_offload *offload;
    struct mr_budget *budget;
    const struct mr_image_limits *limits;
    struct mr_image_ops ops;
    bool wants_sha256;                        /* of the result */
    struct mr_histogram *run_time;            /* or NULL, as the next two */
    _Atomic uint64_t *failed;                 /* counts jobs that found that it cannot be done, */
    _Atomic uint64_t *stopped;                /* and that were cancelled while they ran */
    void (*done)(struct mr_image_job *image); /* once for each submit that was accepted */
    /* Or NULL. Before done(): it waits past its deadline (mr_job.late), which the fault says; the client can be told.
     */
    void (*late)(struct mr_image_job *image, struct mr_fault *fault);

    /* Valid in done(): why there is no result, or the result. Its bytes are within `memory`. */
    int err;
    struct mr_fault fault;
    struct mr_image_result result;
    uint8_t sha256[MR_SHA256_LEN]; /* if it is wanted */

    /* Read-only. */
    struct mr_job job; /* for its times, once it is back */
    bool is_running;   /* the offload has it */

    /* Private. */
    uint32_t magic;
    struct mr_image_source source;
    struct mr_image_scan scan; /* what the loop has seen of the container */
    uint64_t memory;           /* taken from the budget for the run; the worker may take more */
};

void mr_image_job_init(struct mr_image_job *image);
/* Would a job be accepted now? is_large: its bytes will not be in memory, and little is known of them. MR_OK or the
 * errors of mr_offload_admit, with the fault filled. */
int mr_image_job_admit(struct mr_image_job *image, bool is_large, struct mr_fault *fault);
/* Seconds until another try makes sense, for a fault of want of room. */
uint32_t mr_image_job_retry_after_s(struct mr_image_job *image);
/* Look at the bytes if they are in memory, take what the run needs, and hand it to the workers. MR_OK: done() will be
 * called. Else the fault is filled, and the source is the owner's. */
int mr_image_job_submit(struct mr_image_job *image, const struct mr_image_source *source, struct mr_fault *fault);
/* If it runs. It still comes back. */
void mr_image_job_cancel(struct mr_image_job *image);
/* Take the result: the caller frees it, and gives back to the budget as many bytes as are returned. */
uint64_t mr_image_job_take(struct mr_image_job *image, struct mr_image_result *out);
/* Not while it runs: frees what is left. */
void mr_image_job_clear(struct mr_image_job *image);

#endif
