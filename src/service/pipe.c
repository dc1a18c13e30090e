/* DESIGN. The life of one image request, all on its loop but for work():
 *
 *      start ----> COLLECTING ----> SUBMITTED --------------------> OVER    answered
 *        |             |                |                             ^
 *        |             |                +-------> ABANDONED ----------+     the client left: the job comes back
 *        v             v
 *      OVER          OVER                                                   refused, or the client left
 *
 * What a request holds: its collected body (the collector's own budget), memory taken from the budget for the run, the
 * job's hold on the request, the result. take_leave() gives back the first two, done() the third, and the fourth goes
 * with the answer. */
#include "service/pipe.h"
#include "base/assert.h"
#include "base/counter.h"
#include "service/collect.h"
#include "service/lane.h"
#include "service/service.h"
#include <stdlib.h>

/* So much of a body is scanned on the loop: 3 us for a photograph, 0.35 ms for the worst that could be built (a JPEG of
 * restart marks only). Its head is nearly always in there, and all of it the worker scans. */
#define SCAN_ON_LOOP (128 * MR_KIB)

enum pipe_state { COLLECTING, SUBMITTED, ABANDONED, OVER, STATE_COUNT };

#define TO(state) (1u << (state))
static const unsigned legal_next[STATE_COUNT] = {
    [COLLECTING] = TO(SUBMITTED) | TO(OVER),
    [SUBMITTED] = TO(ABANDONED) | TO(OVER), /* only by done(): the queue or a worker has the job */
    [ABANDONED] = TO(OVER),
    [OVER] = 0,
};

struct pipe { /* in the request's arena */
    struct mr_request *request;
    struct mr_service *service;
    struct mr_service_loop *on;
    enum pipe_state state;
    struct mr_image_ops ops;
    struct mr_collect *body;
    uint64_t memory;  /* taken from the budget for the run; work() may take more */
    bool is_measured; /* from the whole body: `memory` is right */
    struct mr_job job;

    /* Written by work(), read by done(). */
    int err;
    struct mr_fault fault;
    struct mr_image_result result;
};

static void set_state(struct pipe *pipe, enum pipe_state next)
{
    MR_ON_LOOP(pipe->request->loop);
    MR_ASSERT(legal_next[pipe->state] & TO(next));
    pipe->state = next;
}

/* The request's end as far as memory goes: from COLLECTING, or in done(). */
static void take_leave(struct pipe *pipe)
{
    mr_collect_destroy(&pipe->body);
    mr_budget_give_back(&pipe->service->memory, pipe->memory);
    pipe->memory = 0;
    set_state(pipe, OVER);
}

/* The pipe may be gone when this returns: a request ends with its answer. */
static void refuse(struct pipe *pipe, struct mr_fault *fault)
{
    bool is_overload = mr_error_status(fault->error) == 503;
    if (is_overload && pipe->state == COLLECTING)
        mr_counter_add(&pipe->on->jobs_refused, 1);
    if (is_overload)
        mr_service_retry_after(pipe->service, pipe->request->loop, pipe->job.lane, fault);
    take_leave(pipe);
    mr_respond_problem(pipe->request, fault);
}

/* ---- the answer ---- */

struct sent { /* a result on its way to the client; the request may end before it */
    struct mr_image_result result;
    struct mr_budget *budget;
    uint64_t charged;
};

static void release_sent(void *context)
{
    struct sent *sent = context;
    mr_image_result_free(&sent->result);
    mr_budget_give_back(sent->budget, sent->charged);
    free(sent);
}

static double milliseconds(uint64_t from, uint64_t to)
{
    return to > from ? (double)(to - from) / (double)MR_NS_PER_MS : 0;
}

static const char *server_timing(const struct pipe *pipe)
{
    const struct mr_request *request = pipe->request;
    const struct mr_job *job = &pipe->job;
    return mr_arena_printf(
               &pipe->request->arena, "Server-Timing: recv;dur=%.3f, wait;dur=%.3f, work;dur=%.3f, total;dur=%.3f",
               milliseconds(request->began_at, request->body_done_at), milliseconds(job->submitted_at, job->started_at),
               milliseconds(job->started_at, job->finished_at),
               milliseconds(request->began_at, mr_loop_now(request->loop)))
        .at;
}

/* The result's bytes stay in the budget until they were sent: a slow reader holds them. */
static void respond(struct pipe *pipe)
{
    struct sent *sent = malloc(sizeof(*sent));
    MR_ASSERT(sent != NULL);
    uint64_t charged = MR_MIN(pipe->memory, (uint64_t)pipe->result.len);
    *sent = (struct sent){.result = pipe->result, .budget = &pipe->service->memory, .charged = charged};
    pipe->memory -= charged;
    const char *extra[] = {server_timing(pipe), NULL};
    take_leave(pipe);
    mr_respond(pipe->request, 200, mr_image_media_type(sent->result.format), extra, sent->result.bytes,
               sent->result.len, release_sent, sent);
}

/* ---- the job ---- */

/* Take from the budget what such an image needs beyond what was taken. Any thread. */
static int reserve(struct pipe *pipe, const struct mr_image_info *info, struct mr_fault *fault)
{
    struct mr_budget *budget = &pipe->service->memory;
    uint64_t needed = mr_image_memory(info, &pipe->ops);
    if (needed <= pipe->memory)
        return MR_OK;
    if (budget->limit != 0 && needed > budget->limit) /* no use in trying again */
        return mr_fault_limit(fault, MR_EPIXELS, "memory-budget", budget->limit, needed);
    if (!mr_budget_try_take(budget, needed - pipe->memory))
        return mr_fault_limit(fault, MR_EBUDGET, "memory-budget", budget->limit, mr_budget_used(budget) + needed);
    pipe->memory = needed;
    return MR_OK;
}

/* The loop has seen the beginning only. */
static int measure_rest(struct pipe *pipe, struct mr_slice bytes)
{
    struct mr_image_info info;
    int err = mr_image_identify(&info, bytes.at, bytes.len, &pipe->service->image_limits, &pipe->fault);
    return err != 0 ? err : reserve(pipe, &info, &pipe->fault);
}

static void work(struct mr_job *job)
{
    struct pipe *pipe = mr_container_of(job, struct pipe, job);
    struct mr_slice bytes;
    pipe->err = mr_collect_map(pipe->body, &bytes);
    if (pipe->err != 0)
        mr_fault_set(&pipe->fault, pipe->err, "The temporary file of the body cannot be read.");
    if (pipe->err == 0 && !pipe->is_measured)
        pipe->err = measure_rest(pipe, bytes);
    if (pipe->err == 0)
        pipe->err = mr_image_run(&pipe->result, &pipe->ops, bytes.at, bytes.len, &pipe->service->image_limits,
                                 &job->cancel, &pipe->fault);
    mr_collect_discard(pipe->body); /* here: returning much memory, or a file, is nothing for the loop */
}

static void count_outcome(struct pipe *pipe)
{
    if (pipe->job.outcome != MR_JOB_DONE || pipe->err == 0)
        return;
    mr_counter_add(pipe->err == MR_ECANCELLED ? &pipe->on->jobs_stopped : &pipe->on->jobs_failed, 1);
}

/* Why there is no result, if there is none. */
static int find_fault(struct pipe *pipe)
{
    switch (pipe->job.outcome) {
    case MR_JOB_DONE:
        if (pipe->err == MR_ECANCELLED) /* the client is still there: it was the end of the server */
            return mr_fault_set(&pipe->fault, MR_ESHUTDOWN, NULL);
        return pipe->err;
    case MR_JOB_EXPIRED:
        return mr_fault_set(&pipe->fault, MR_EEXPIRED, NULL);
    case MR_JOB_CANCELLED:
    case MR_JOB_SHUT_DOWN:
        return mr_fault_set(&pipe->fault, MR_ESHUTDOWN, NULL);
    }
    MR_UNREACHABLE();
}

static void done(struct mr_job *job)
{
    struct pipe *pipe = mr_container_of(job, struct pipe, job);
    struct mr_request *request = pipe->request;
    count_outcome(pipe);
    if (pipe->state == ABANDONED || mr_request_is_gone(request)) {
        mr_image_result_free(&pipe->result);
        take_leave(pipe);
    } else if (find_fault(pipe) != 0) {
        mr_image_result_free(&pipe->result);
        refuse(pipe, &pipe->fault);
    } else {
        respond(pipe);
    }
    mr_request_release(request);
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
static int measure(struct pipe *pipe, struct mr_fault *fault)
{
    struct mr_image_info info = {.format = MR_IMAGE_UNKNOWN};
    int err = MR_OK;
    if (mr_collect_in_memory(pipe->body)) {
        struct mr_slice bytes;
        err = mr_collect_map(pipe->body, &bytes);
        MR_ASSERT(err == 0);
        pipe->is_measured = bytes.len <= SCAN_ON_LOOP;
        bytes.len = MR_MIN(bytes.len, (size_t)SCAN_ON_LOOP);
        err = mr_image_identify(&info, bytes.at, bytes.len, &pipe->service->image_limits, fault);
    }
    if (err == MR_EDAMAGED && !pipe->is_measured)
        err = MR_OK; /* as it was bound to be, being cut */
    if (err != 0)
        return err;
    pipe->job.lane = mr_lane_of_image(&info, &pipe->ops);
    return info.width != 0 ? reserve(pipe, &info, fault) : MR_OK;
}

static void on_complete(void *context)
{
    struct pipe *pipe = context;
    struct mr_fault fault;
    if (measure(pipe, &fault) != 0) {
        refuse(pipe, &fault);
        return;
    }
    mr_request_hold(pipe->request);
    int err = mr_offload_submit(pipe->service->offload, &pipe->job);
    if (err == 0) {
        set_state(pipe, SUBMITTED);
        return;
    }
    mr_request_release(pipe->request);
    mr_fault_set(&fault, err, NULL);
    refuse(pipe, &fault);
}

static void on_failed(void *context, const struct mr_fault *why)
{
    struct mr_fault fault = *why;
    refuse(context, &fault);
}

static void on_aborted(void *context)
{
    take_leave(context);
}

static const struct mr_collect_events body_events = {
    .first = on_first, .complete = on_complete, .failed = on_failed, .aborted = on_aborted};

/* ---- the request ---- */

static int read_ops(struct mr_image_ops *ops, const struct mr_query *query, struct mr_fault *fault)
{
    mr_image_ops_init(ops);
    struct mr_slice twice = mr_query_duplicate(query, NULL);
    if (twice.at != NULL)
        return mr_fault_set(fault, MR_EPARAM, "%.*s is given more than once", MR_MIN((int)twice.len, 100), twice.at);
    for (unsigned i = 0; i < query->count; i++) {
        int err = mr_image_ops_set(ops, query->pairs[i].name, query->pairs[i].value, fault);
        if (err != 0)
            return err;
    }
    return mr_image_ops_check(ops, fault);
}

/* Is there room now for a job and for the body that was announced? Asked before the client is told to send it. */
static int admit(struct pipe *pipe, struct mr_fault *fault)
{
    struct mr_request *request = pipe->request;
    struct mr_service *service = pipe->service;
    uint64_t length = request->head.chunked ? MR_COLLECT_UNKNOWN : request->head.content_length;
    bool will_be_in_file = !request->head.chunked && length > service->config->body_memory;
    pipe->job.lane = will_be_in_file ? MR_LANE_HEAVY : MR_LANE_INTERACTIVE; /* until more is known */
    int err = mr_offload_admit(service->offload, request->loop, pipe->job.lane, NULL);
    if (err != 0)
        return mr_fault_set(fault, err, NULL);
    return mr_collect_create(&pipe->body,
                             &(struct mr_collect_config){.loop = request->loop,
                                                         .stream = &request->body,
                                                         .budget = &service->memory,
                                                         .memory_max = service->config->body_memory,
                                                         .length = length,
                                                         .events = &body_events,
                                                         .context = pipe},
                             fault);
}

void mr_pipe_image_start(struct mr_request *request)
{
    struct mr_service_loop *on = mr_service_loop_of(request);
    struct pipe *pipe = mr_arena_zalloc(&request->arena, sizeof(*pipe));
    struct mr_fault fault;
    pipe->request = request;
    pipe->service = on->service;
    pipe->on = on;
    pipe->job.work = work;
    pipe->job.done = done;
    pipe->job.loop = request->loop;
    pipe->job.run_time = &on->image_run;
    request->handler_data = pipe;
    int err = read_ops(&pipe->ops, &request->query, &fault);
    if (err == 0)
        err = admit(pipe, &fault);
    if (err != 0)
        refuse(pipe, &fault);
    else
        mr_request_take_body(request, &mr_collect_receiver, pipe->body);
}

void mr_pipe_image_gone(struct mr_request *request)
{
    struct pipe *pipe = request->handler_data;
    if (pipe->state == COLLECTING) {
        take_leave(pipe);
    } else if (pipe->state == SUBMITTED) {
        set_state(pipe, ABANDONED);
        mr_job_cancel(&pipe->job);
    }
}
