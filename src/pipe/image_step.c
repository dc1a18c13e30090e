/* DESIGN. All on the loop:
 *
 *      COLLECTING ----> SUBMITTED ----> PASSING ----> OVER
 *          |                |              |           ^
 *          +----------------+--------------+-----------+     refused, failed, or not wanted any more
 *
 * A job that runs when the step is over is cancelled, and frees the step when it comes back. What a step holds: the
 * collected body (the collector's own budget), and what the image job holds. */
#include "pipe/image_step.h"
#include "base/assert.h"
#include "base/counter.h"
#include "base/guard.h"
#include "base/macros.h"
#include "base/magic.h"
#include "io/collect.h"
#include "pipe/image_job.h"
#include <stdlib.h>

#define IMAGE_STEP_MAGIC 0x73746570u /* "step" */

enum step_state { COLLECTING, SUBMITTED, PASSING, OVER };

struct mr_image_step {
    uint32_t magic;
    struct mr_image_step_config config;
    enum step_state state;
    struct mr_stream out;
    struct mr_collect *body;
    struct mr_image_job image;
    struct mr_guard guard;
    size_t passed; /* bytes of the result */
};

static void step_enter(struct mr_image_step *step)
{
    MR_ON_LOOP(step->config.loop);
    mr_guard_enter(&step->guard);
}

static void step_leave(struct mr_image_step *step)
{
    if (mr_guard_leave(&step->guard) && !step->image.is_running)
        free(step);
}

static void step_count(_Atomic uint64_t *counter)
{
    if (counter != NULL)
        mr_counter_add(counter, 1);
}

/* Nothing more is passed on. What the job still uses is given back when it has come back. */
static void step_stop(struct mr_image_step *step)
{
    step->state = OVER;
    if (step->image.is_running) {
        mr_image_job_cancel(&step->image);
        return;
    }
    mr_collect_destroy(&step->body);
    mr_image_job_clear(&step->image);
}

static void step_fail(struct mr_image_step *step, struct mr_fault *fault)
{
    bool is_overload = mr_error_kind(fault->error) == MR_ERROR_OF_LOAD;
    if (is_overload && step->state == COLLECTING)
        step_count(step->config.refused);
    if (is_overload)
        fault->retry_after_s = mr_image_job_retry_after_s(&step->image);
    bool is_collecting = step->state == COLLECTING;
    step_stop(step);
    if (is_collecting)
        mr_stream_cancel(step->config.in, fault); /* unless it has ended */
    mr_stream_abort(&step->out, fault);
}

/* ---- the result ---- */

static void step_pass(struct mr_image_step *step)
{
    const char *bytes = step->image.result.bytes;
    size_t len = step->image.result.len;
    bool more = mr_stream_is_open(&step->out);
    while (more && step->passed < len) {
        size_t part = MR_MIN(len - step->passed, MR_STREAM_PUSH_MAX), from = step->passed;
        step->passed += part;
        more = mr_stream_push(&step->out, bytes + from, part) == MR_FLOW_MORE;
    }
    if (step->state != PASSING || step->passed < len)
        return;
    step_stop(step);
    mr_stream_end(&step->out);
}

static void hand_over(struct mr_image_step *step)
{
    struct mr_image_result result;
    uint64_t charged = mr_image_job_take(&step->image, &result);
    step_stop(step);
    step->config.whole(step->config.context, &result, charged);
}

/* ---- the job ---- */

static void step_go_on(struct mr_image_step *step)
{
    if (step->state == OVER) {
        step_stop(step); /* what the job used */
    } else if (step->image.err != MR_OK) {
        struct mr_fault fault = step->image.fault;
        step_fail(step, &fault);
    } else if (step->config.whole != NULL) {
        hand_over(step);
    } else {
        step->state = PASSING;
        step_pass(step);
    }
}

/* The response does not wait for the workers. The job frees the step when it comes back. */
static void step_on_late(struct mr_image_job *image, struct mr_fault *fault)
{
    struct mr_image_step *step = mr_container_of(image, struct mr_image_step, image);
    step_enter(step);
    if (step->state != OVER)
        step_fail(step, fault);
    step_leave(step);
}

static void step_on_done(struct mr_image_job *image)
{
    struct mr_image_step *step = mr_container_of(image, struct mr_image_step, image);
    void (*release)(void *context) = step->config.release;
    void *context = step->config.context;
    step_enter(step);
    step_go_on(step);
    step_leave(step);
    if (release != NULL)
        release(context);
}

/* ---- the body ---- */

static int on_first(void *context, struct mr_slice bytes, struct mr_fault *fault)
{
    (void)context;
    if (mr_image_sniff(bytes.at, bytes.len) != MR_IMAGE_UNKNOWN)
        return MR_OK;
    return mr_fault_set(fault, MR_ENOTIMAGE, bytes.len == 0 ? "The body is empty." : NULL);
}

static int map_body(void *owner, struct mr_slice *bytes, struct mr_fault *fault)
{
    int err = mr_collect_map(owner, bytes);
    return err == MR_OK ? MR_OK : mr_fault_set(fault, err, "The temporary file of the body cannot be read.");
}

static void drop_body(void *owner)
{
    mr_collect_discard(owner);
}

static int step_submit(struct mr_image_step *step, struct mr_fault *fault)
{
    struct mr_image_source source = {.map = map_body, .drop = drop_body, .owner = step->body};
    if (mr_collect_in_memory(step->body)) {
        int err = mr_collect_map(step->body, &source.bytes);
        MR_ASSERT(err == MR_OK);
    }
    int err = mr_image_job_submit(&step->image, &source, fault);
    if (err != MR_OK)
        return err;
    step->state = SUBMITTED;
    if (step->config.hold != NULL) /* which may destroy the step: it is freed when the job has come back */
        step->config.hold(step->config.context);
    return MR_OK;
}

static void on_complete(void *context)
{
    struct mr_image_step *step = mr_from_context(context, struct mr_image_step, IMAGE_STEP_MAGIC);
    struct mr_fault fault;
    step_enter(step);
    if (step_submit(step, &fault) != MR_OK)
        step_fail(step, &fault);
    step_leave(step);
}

static void step_on_failed(void *context, const struct mr_fault *why)
{
    struct mr_image_step *step = mr_from_context(context, struct mr_image_step, IMAGE_STEP_MAGIC);
    struct mr_fault fault = *why;
    step_enter(step);
    step_fail(step, &fault);
    step_leave(step);
}

static void on_aborted(void *context, const struct mr_fault *why)
{
    struct mr_image_step *step = mr_from_context(context, struct mr_image_step, IMAGE_STEP_MAGIC);
    struct mr_fault fault = *why;
    step_enter(step);
    step_stop(step);
    mr_stream_abort(&step->out, &fault);
    step_leave(step);
}

static const struct mr_collect_events body_events = {
    .first = on_first, .complete = on_complete, .failed = step_on_failed, .aborted = on_aborted};

/* ---- `out`, as its sender ---- */

static void step_on_resume(void *context)
{
    struct mr_image_step *step = mr_from_context(context, struct mr_image_step, IMAGE_STEP_MAGIC);
    step_enter(step);
    if (step->state == PASSING)
        step_pass(step);
    step_leave(step);
}

static void step_on_cancel(void *context, const struct mr_fault *why)
{
    struct mr_image_step *step = mr_from_context(context, struct mr_image_step, IMAGE_STEP_MAGIC);
    step_enter(step);
    bool is_collecting = step->state == COLLECTING;
    if (step->state != OVER)
        step_stop(step);
    if (is_collecting)
        mr_stream_cancel(step->config.in, why);
    step_leave(step);
}

static const struct mr_stream_sender out_sender = {.resume = step_on_resume, .cancel = step_on_cancel};

/* ---- life ---- */

static int step_admit(struct mr_image_step *step, struct mr_fault *fault)
{
    const struct mr_image_step_config *config = &step->config;
    bool will_be_in_file = config->length != UINT64_MAX && config->length > config->body_memory;
    int err = mr_image_job_admit(&step->image, will_be_in_file, fault);
    if (err != MR_OK)
        return err;
    return mr_collect_create(&step->body,
                             &(struct mr_collect_config){.loop = config->loop,
                                                         .stream = config->in,
                                                         .budget = config->budget,
                                                         .disk = config->disk,
                                                         .memory_max = config->body_memory,
                                                         .length = config->length,
                                                         .events = &body_events,
                                                         .context = step},
                             fault);
}

int mr_image_step_create(struct mr_image_step **out, const struct mr_image_step_config *config, struct mr_fault *fault)
{
    MR_ON_LOOP(config->loop);
    struct mr_image_step *step = calloc(1, sizeof(*step));
    if (step == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    step->magic = IMAGE_STEP_MAGIC;
    step->config = *config;
    step->image = (struct mr_image_job){
        .loop = config->loop,
        .offload = config->offload,
        .budget = config->budget,
        .limits = config->limits,
        .ops = config->ops,
        .wants_sha256 = config->wants_sha256,
        .run_time = config->run_time,
        .failed = config->failed,
        .stopped = config->stopped,
        .done = step_on_done,
        .late = step_on_late,
    };
    mr_image_job_init(&step->image);
    int err = step_admit(step, fault);
    if (err != 0) {
        if (mr_error_kind((enum mr_error)err) == MR_ERROR_OF_LOAD) {
            step_count(config->refused);
            fault->retry_after_s = mr_image_job_retry_after_s(&step->image);
        }
        free(step);
        return err;
    }
    mr_stream_attach_sender(&step->out, &out_sender, step);
    *out = step;
    return MR_OK;
}

void mr_image_step_destroy(struct mr_image_step **out)
{
    struct mr_image_step *step = *out;
    *out = NULL;
    step_enter(step);
    mr_guard_destroy(&step->guard);
    if (step->state != OVER)
        step_stop(step);
    step_leave(step);
}

void mr_image_step_attach(struct mr_image_step *step)
{
    MR_ON_LOOP(step->config.loop);
    mr_stream_attach_receiver(step->config.in, &mr_collect_receiver, step->body);
}

struct mr_stream *mr_image_step_out(struct mr_image_step *step)
{
    MR_ON_LOOP(step->config.loop);
    return &step->out;
}

const uint8_t *mr_image_step_sha256(const struct mr_image_step *step)
{
    MR_ON_LOOP(step->config.loop);
    return step->image.sha256;
}

const struct mr_job *mr_image_step_job(const struct mr_image_step *step)
{
    MR_ON_LOOP(step->config.loop);
    return &step->image.job;
}
