/* pipeline.h -- stages in a row: what stands in POST /pipe/image/gzip/encrypt and in `millrace pipe image/gzip`.
 *
 *      create      the stages by their names
 *      set         each parameter, check: all of it is known to be right before a byte is read
 *      open        memory and places in the queue: may be refused for want of room
 *      start       bytes flow from `in` through all stages to out()
 *      destroy     at any time
 *
 *      in --stream--> stage --stream--> stage --stream--> out
 *
 * The stages work at the same time, each on what the one before it has passed on. A failure anywhere cancels `in` and
 * aborts out() with the fault. Everything here is called on the loop. */
#ifndef MR_PIPE_PIPELINE_H
#define MR_PIPE_PIPELINE_H

#include "base/stream.h"
#include "media/image/image.h"
#include "pipe/stages.h"
#include "workers/offload.h"

#define MR_PIPELINE_UNKNOWN UINT64_MAX

/* What the jobs of one loop are counted in; written by it. */
struct mr_pipe_numbers {
    struct mr_histogram run_time[MR_STAGE_COUNT]; /* ns that jobs ran */
    _Atomic uint64_t failed;                      /* ran and found that it cannot be done */
    _Atomic uint64_t stopped;                     /* ran and were cancelled meanwhile */
    _Atomic uint64_t refused;                     /* for want of room, at submit or before */
};

struct mr_pipeline_config {
    struct mr_loop *loop; /* borrowed, as all here; outlives the pipeline's jobs */
    struct mr_offload *offload;
    struct mr_budget *budget;
    struct mr_budget *disk; /* of temporary files; NULL: none */
    const struct mr_image_limits *image_limits;
    uint32_t formats;                  /* of what image writes, as bits; 0: all */
    enum mr_image_format first_format; /* what stands for one that is none of them; see mr_image_ops_allow */
    uint64_t patience_ns;              /* longest wait of a stream that is under way for memory; 0: no bound */
    uint64_t body_memory;              /* bytes: of what image collects; a larger input goes to a file */
    struct mr_stage_env env;           /* its slices: during create only */
    struct mr_pipe_numbers *numbers;
    bool may_be_empty;              /* no stages: bytes pass as they are, for their digest */
    void (*hold)(void *context);    /* or NULL: jobs of a stage went to the workers */
    void (*release)(void *context); /* or NULL: they came back; as often as hold. The pipeline may be gone in it */
    /* Where the last stage is image: its result, handed over whole; out() then hears of failures alone. NULL: pushed to
     * out() as everything else. */
    void (*whole)(void *context, const struct mr_image_result *result, uint64_t charged);
    void *context;
};

struct mr_pipeline;

/* stages: names with slashes between; .at NULL: none. MR_OK; MR_ENOTFOUND: a name is none of a stage; MR_EPARAM: one
 * stands there twice, or what came with the request does not fit it. */
int mr_pipeline_create(struct mr_pipeline **out, const struct mr_pipeline_config *config, struct mr_slice stages,
                       struct mr_fault *fault);
/* A parameter, for all stages that have it. MR_EPARAM: none has, or it is malformed. */
int mr_pipeline_set(struct mr_pipeline *pipeline, struct mr_slice name, struct mr_slice value, struct mr_fault *fault);
int mr_pipeline_check(struct mr_pipeline *pipeline, struct mr_fault *fault);
/* Does the result come in pieces? False: whole() is given it. */
bool mr_pipeline_streams(const struct mr_pipeline *pipeline);
/* Before open: the SHA-256 of the result is computed, on the workers. */
void mr_pipeline_want_sha256(struct mr_pipeline *pipeline);
/* The same for what comes in. */
void mr_pipeline_want_sha256_in(struct mr_pipeline *pipeline);
/* length: of the input, if it is known. MR_OK, or MR_EBUSY, MR_EBACKLOG, MR_EBUDGET... with the time to try again. */
int mr_pipeline_open(struct mr_pipeline *pipeline, struct mr_stream *in, uint64_t length, struct mr_fault *fault);
/* Become the receiver of `in`. */
void mr_pipeline_start(struct mr_pipeline *pipeline);
/* Where the caller attaches its receiver, after open. */
struct mr_stream *mr_pipeline_out(struct mr_pipeline *pipeline);
/* Also from inside its callbacks; clears *pipeline. No stream hears of it. Jobs that still run are cancelled. */
void mr_pipeline_destroy(struct mr_pipeline **pipeline);

/* Of what comes out: static text. Not for what whole() is given. */
const char *mr_pipeline_media_type(const struct mr_pipeline *pipeline);
/* Bytes that come out in all, when that is known at the first push, else MR_PIPELINE_UNKNOWN. */
uint64_t mr_pipeline_out_length(const struct mr_pipeline *pipeline);
/* Bytes of output before which a response should not begin: a refusal of the input is likely to come before them. */
size_t mr_pipeline_held_back(const struct mr_pipeline *pipeline);
/* The SHA-256 of the result, in whole() and when out() ended; NULL: it is not wanted, or not known yet. */
const uint8_t *mr_pipeline_sha256(const struct mr_pipeline *pipeline);
const uint8_t *mr_pipeline_sha256_in(const struct mr_pipeline *pipeline);
/* Is image its only stage? Then the job, for its times. */
const struct mr_job *mr_pipeline_image_job(const struct mr_pipeline *pipeline);
/* "gzip;dur=12.345, encrypt;dur=3.210": ms that each stage's jobs ran. As snprintf. */
int mr_pipeline_timing(const struct mr_pipeline *pipeline, char *out, size_t size);

#endif
