/* self_job.h -- one job of the lab's load (self_load.h): the work of one of the server's own stages on data that the
 * server made for it. What comes out is dropped.
 *
 *      image      a photograph's size and work: a JPEG is decoded, made smaller and encoded
 *      gzip       1 MiB, as one body of that length
 *      encrypt    the same, to one recipient
 *
 * It takes from the memory budget what it needs, and counts in the numbers of the pipes, as jobs of requests do (but
 * for refusals, which are its owner's to count). On its
 * loop, but for mr_self_material_create(). */
#ifndef MR_ROUTES_SELF_JOB_H
#define MR_ROUTES_SELF_JOB_H

#include "pipe/image_job.h"
#include "pipe/pipeline.h"

enum mr_self_kind { MR_SELF_IMAGE, MR_SELF_GZIP, MR_SELF_ENCRYPT };
#define MR_SELF_KINDS (MR_SELF_ENCRYPT + 1)
extern const char *const mr_self_kind_names[]; /* "image" ...; ends with NULL */

/* What all jobs read: about 2 MiB, read-only once it is made. */
struct mr_self_material;
/* It takes a tenth of a second: before the loops run. MR_OK, MR_EMEMORY, or why a stage cannot work here. */
int mr_self_material_create(struct mr_self_material **out);
void mr_self_material_free(struct mr_self_material **material);

struct mr_self_job {
    /* Set by the owner before submit. */
    enum mr_self_kind kind;
    struct mr_loop *loop; /* borrowed, as all here */
    struct mr_offload *offload;
    struct mr_budget *budget;
    struct mr_pipe_numbers *numbers;
    const struct mr_self_material *material;
    void (*done)(
        struct mr_self_job *job); /* once for each submit that was accepted; the owner may free the job in it */

    /* Read-only. */
    struct mr_job *job; /* for its outcome and times, in done() */

    /* Private. */
    struct mr_image_job image;
    struct mr_job stage;
    uint64_t memory; /* of `stage`, taken from the budget */
    int err;
    struct mr_fault fault;
};

/* MR_OK: done() will be called. Else why it was refused: MR_EBUDGET, or what mr_offload_submit() says. */
int mr_self_job_submit(struct mr_self_job *job);
/* It still comes back. */
void mr_self_job_cancel(struct mr_self_job *job);

#endif
