/* DESIGN. All on the loop but for work():
 *
 *      COLLECTING ----> SUBMITTED ----> PASSING ----> OVER
 *          |                |              |           ^
 *          +----------------+--------------+-----------+     refused, failed, or nobody wants it any more
 *
 * A job that runs when the step is over is cancelled, and frees the step when it comes back. What a step holds: the
 * collected body (the collector's own budget), memory taken from the budget for the run, the result. */
#include "pipe/image_step.h"
#include "base/assert.h"
#include "base/counter.h"
#include "base/guard.h"
#include "base/macros.h"
#include "io/collect.h"
#include "pipe/lane.h"
#include <stdlib.h>

enum step_state { COLLECTING, SUBMITTED, PASSING, OVER };

struct mr_image_step {
    struct mr_image_step_config config;
    enum step_state state;
    struct mr_stream out;
    struct mr_collect *body;
    uint64_t memory; /* taken from the budget for the run; work() may take more */
    bool is_running; /* the offload has the job */
    struct mr_guard guard;
    size_t passed; /* bytes of the result */
    struct mr_job job;

    /* Written by work(), read by done(). */
    int err;
    struct mr_fault fault;
    struct mr_image_result result;
};

static void enter(struct mr_image_step *step)
{
    MR_ON_LOOP(step->config.loop);
    mr_guard_enter(&step->guard);
}

static void leave(struct mr_image_step *step)
{
    if (mr_guard_leave(&step->guard) && !step->is_running)
        free(step);
}

static void count(_Atomic uint64_t *counter)
{
    if (counter != NULL)
        mr_counter_add(counter, 1);
}

/* Nothing more is passed on. What the job still uses is given back when it has come back. */
static void stop(struct mr_image_step *step)
{
    step->state = OVER;
    if (step->is_running) {
        mr_job_cancel(&step->job);
        return;
    }
    mr_collect_destroy(&step->body);
    mr_image_result_free(&step->result);
    mr_budget_give_back(step->config.budget, step->memory);
    step->memory = 0;
}

static void fail(struct mr_image_step *step, struct mr_fault *fault)
{
    bool is_overload = mr_error_kind(fault->error) == MR_ERROR_OF_LOAD;
    if (is_overload && step->state == COLLECTING)
        count(step->config.refused);
    if (is_overload)
        mr_offload_admit(step->config.offload, step->config.loop, step->job.lane, &fault->retry_after_s);
    bool is_collecting = step->state == COLLECTING;
    stop(step);
    if (is_collecting)
        mr_stream_cancel(step->config.in, fault); /* unless it has ended */
    mr_stream_abort(&step->out, fault);
}

/* ---- the result ---- */

static void pass(struct mr_image_step *step)
{
    const char *bytes = step->result.bytes;
    bool more = mr_stream_is_open(&step->out);
    while (more && step->passed < step->result.len) {
        size_t part = MR_MIN(step->result.len - step->passed, MR_STREAM_PUSH_MAX), from = step->passed;
        step->passed += part;
        more = mr_stream_push(&step->out, bytes + from, part) == MR_FLOW_MORE;
    }
    if (step->state != PASSING || step->passed < step->result.len)
        return;
    stop(step);
    mr_stream_end(&step->out);
}

static void hand_over(struct mr_image_step *step)
{
    struct mr_image_result result = step->result;
    uint64_t charged = MR_MIN(step->memory, (uint64_t)result.len);
    step->result = (struct mr_image_result){.bytes = NULL};
    step->memory -= charged;
    stop(step);
    step->config.whole(step->config.context, &result, charged);
}

/* ---- the job ---- */

/* Take from the budget what the run needs beyond what was taken. On the loop or, while it runs, on its worker. */
static int reserve(void *context, uint64_t needed, struct mr_fault *fault)
{
    struct mr_image_step *step = context;
    struct mr_budget *budget = step->config.budget;
    if (needed <= step->memory)
        return MR_OK;
    if (budget->limit != 0 && needed > budget->limit) /* no use in trying again */
        return mr_fault_limit(fault, MR_EPIXELS, "memory-budget", budget->limit, needed);
    if (!mr_budget_try_take(budget, needed - step->memory))
        return mr_fault_limit(fault, MR_EBUDGET, "memory-budget", budget->limit, mr_budget_used(budget) + needed);
    step->memory = needed;
    return MR_OK;
}

static void work(struct mr_job *job)
{
    struct mr_image_step *step = mr_container_of(job, struct mr_image_step, job);
    struct mr_image_limits limits = *step->config.limits;
    limits.reserve = reserve; /* the loop has seen the beginning at most, and some steps change what is needed */
    limits.context = step;
    struct mr_slice bytes;
    step->err = mr_collect_map(step->body, &bytes);
    if (step->err != 0)
        mr_fault_set(&step->fault, step->err, "The temporary file of the body cannot be read.");
    else
        step->err =
            mr_image_run(&step->result, &step->config.ops, bytes.at, bytes.len, &limits, &job->cancel, &step->fault);
    mr_collect_discard(step->body); /* here: returning much memory, or a file, is nothing for the loop */
}

static void count_outcome(struct mr_image_step *step)
{
    if (step->job.outcome == MR_JOB_DONE && step->err != 0)
        count(step->err == MR_ECANCELLED ? step->config.stopped : step->config.failed);
}

/* Why there is no result, if there is none. */
static int find_fault(struct mr_image_step *step)
{
    switch (step->job.outcome) {
    case MR_JOB_DONE:
        if (step->err == MR_ECANCELLED) /* the client is still there: it was the end of the server */
            return mr_fault_set(&step->fault, MR_ESHUTDOWN, NULL);
        return step->err;
    case MR_JOB_EXPIRED:
        return mr_fault_set(&step->fault, MR_EEXPIRED, NULL);
    case MR_JOB_CANCELLED:
    case MR_JOB_SHUT_DOWN:
        return mr_fault_set(&step->fault, MR_ESHUTDOWN, NULL);
    }
    MR_UNREACHABLE();
}

static void go_on(struct mr_image_step *step)
{
    if (step->state == OVER) {
        stop(step); /* what the job used */
    } else if (find_fault(step) != 0) {
        struct mr_fault fault = step->fault;
        fail(step, &fault);
    } else if (step->config.whole != NULL) {
        hand_over(step);
    } else {
        step->state = PASSING;
        pass(step);
    }
}

static void done(struct mr_job *job)
{
    struct mr_image_step *step = mr_container_of(job, struct mr_image_step, job);
    void (*release)(void *context) = step->config.release;
    void *context = step->config.context;
    enter(step);
    step->is_running = false;
    count_outcome(step);
    go_on(step);
    leave(step);
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

/* Find lane and memory of the job from what can be known of the body here. */
static int measure(struct mr_image_step *step, struct mr_fault *fault)
{
    struct mr_image_info info = {.format = MR_IMAGE_UNKNOWN};
    int err = MR_OK;
    if (mr_collect_in_memory(step->body)) {
        struct mr_slice bytes;
        err = mr_collect_map(step->body, &bytes);
        MR_ASSERT(err == 0);
        bool is_decided; /* if not, the worker decides */
        err = mr_image_glance(&info, &is_decided, bytes.at, bytes.len, step->config.limits, fault);
    }
    if (err != 0)
        return err;
    step->job.lane = mr_lane_of_image(&info, &step->config.ops);
    return info.width != 0 ? reserve(step, mr_image_memory(&info, &step->config.ops), fault) : MR_OK;
}

static int submit(struct mr_image_step *step, struct mr_fault *fault)
{
    int err = mr_offload_submit(step->config.offload, &step->job);
    if (err != 0)
        return mr_fault_set(fault, err, NULL);
    step->is_running = true;
    step->state = SUBMITTED;
    if (step->config.hold != NULL) /* which may destroy the step: it is freed when the job has come back */
        step->config.hold(step->config.context);
    return MR_OK;
}

static void on_complete(void *context)
{
    struct mr_image_step *step = context;
    struct mr_fault fault;
    enter(step);
    if (measure(step, &fault) != 0 || submit(step, &fault) != 0)
        fail(step, &fault);
    leave(step);
}

static void on_failed(void *context, const struct mr_fault *why)
{
    struct mr_image_step *step = context;
    struct mr_fault fault = *why;
    enter(step);
    fail(step, &fault);
    leave(step);
}

static void on_aborted(void *context, const struct mr_fault *why)
{
    struct mr_image_step *step = context;
    struct mr_fault fault = *why;
    enter(step);
    stop(step);
    mr_stream_abort(&step->out, &fault);
    leave(step);
}

static const struct mr_collect_events body_events = {
    .first = on_first, .complete = on_complete, .failed = on_failed, .aborted = on_aborted};

/* ---- `out`, as its sender ---- */

static void on_resume(void *context)
{
    struct mr_image_step *step = context;
    enter(step);
    if (step->state == PASSING)
        pass(step);
    leave(step);
}

static void on_cancel(void *context, const struct mr_fault *why)
{
    struct mr_image_step *step = context;
    enter(step);
    bool is_collecting = step->state == COLLECTING;
    if (step->state != OVER)
        stop(step);
    if (is_collecting)
        mr_stream_cancel(step->config.in, why);
    leave(step);
}

static const struct mr_stream_sender out_sender = {.resume = on_resume, .cancel = on_cancel};

/* ---- life ---- */

static int admit(struct mr_image_step *step, struct mr_fault *fault)
{
    const struct mr_image_step_config *config = &step->config;
    bool will_be_in_file = config->length != UINT64_MAX && config->length > config->body_memory;
    step->job.lane = will_be_in_file ? MR_LANE_HEAVY : MR_LANE_INTERACTIVE; /* until more is known */
    int err = mr_offload_admit(config->offload, config->loop, step->job.lane, NULL);
    if (err != 0)
        return mr_fault_set(fault, err, NULL);
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
    struct mr_image_step *step = calloc(1, sizeof(*step));
    if (step == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    step->config = *config;
    step->job.work = work;
    step->job.done = done;
    step->job.loop = config->loop;
    step->job.run_time = config->run_time;
    int err = admit(step, fault);
    if (err != 0) {
        if (mr_error_kind((enum mr_error)err) == MR_ERROR_OF_LOAD) {
            count(config->refused);
            mr_offload_admit(config->offload, config->loop, step->job.lane, &fault->retry_after_s);
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
    enter(step);
    mr_guard_destroy(&step->guard);
    if (step->state != OVER)
        stop(step);
    leave(step);
}

void mr_image_step_attach(struct mr_image_step *step)
{
    mr_stream_attach_receiver(step->config.in, &mr_collect_receiver, step->body);
}

struct mr_stream *mr_image_step_out(struct mr_image_step *step)
{
    return &step->out;
}

const struct mr_job *mr_image_step_job(const struct mr_image_step *step)
{
    return &step->job;
}
