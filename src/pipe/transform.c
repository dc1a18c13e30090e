/* DESIGN. Whatever happens (bytes, the end, a job that came back, a receiver that resumes) is written down where it
 * happens; then pump() does what has become possible, and nothing else does. */
#include "pipe/transform_internal.h"

#include "base/assert.h"
#include "base/counter.h"
#include <stdlib.h>
#include <string.h>

#define RETRY_NS (20 * MR_NS_PER_MS)

static void forget_loans(struct mr_transform *transform);
static void pump(struct mr_transform *transform);
static void on_retry(struct mr_timer *timer);

/* ---- memory ---- */

void *mr_transform_take(struct mr_transform *transform, size_t size)
{
    if (!mr_budget_try_take(transform->config.budget, size))
        return NULL;
    void *memory = malloc(size);
    if (memory == NULL)
        mr_budget_give_back(transform->config.budget, size);
    else
        transform->charged += size;
    return memory;
}

void mr_transform_give_back(struct mr_transform *transform, void *memory, size_t size)
{
    if (memory == NULL)
        return;
    free(memory);
    transform->charged -= size;
    mr_budget_give_back(transform->config.budget, size);
}

/* What work() uses beside its piece, for so many jobs. False: the budget has no room for it now. */
static bool hold_work_memory(struct mr_transform *transform, unsigned jobs)
{
    uint64_t wanted = jobs * (uint64_t)transform->sizes.work_memory, held = transform->work_charged;
    if (wanted > held && !mr_budget_try_take(transform->config.budget, wanted - held))
        return false;
    if (wanted < held)
        mr_budget_give_back(transform->config.budget, held - wanted);
    transform->work_charged = wanted;
    return true;
}

/* A SEQUENTIAL stage keeps it from piece to piece. */
static void give_back_work_memory(struct mr_transform *transform)
{
    if (transform->config.ops->kind == MR_STAGE_PARALLEL)
        hold_work_memory(transform, transform->jobs);
}

static int refuse_for_memory(struct mr_transform *transform, size_t wanted, struct mr_fault *fault)
{
    const struct mr_transform_config *config = &transform->config;
    mr_fault_limit(fault, MR_EBUDGET, "memory-budget", config->budget->limit, mr_budget_used(config->budget) + wanted);
    mr_offload_admit(config->offload, config->loop, MR_LANE_BULK, &fault->retry_after_s);
    if (config->refused != NULL)
        mr_counter_add(config->refused, 1);
    return MR_EBUDGET;
}

static void free_transform(struct mr_transform *transform)
{
    mr_timer_clear(&transform->retry);
    mr_buf_reset(&transform->backlog);
    forget_loans(transform);
    mr_window_free(transform);
    mr_serial_free(transform);
    mr_transform_give_back(transform, transform->last.bytes, transform->last.size);
    mr_budget_give_back(transform->config.budget, transform->backlog_max);
    hold_work_memory(transform, 0);
    MR_ASSERT(transform->charged == 0);
    free(transform->slots);
    transform->config.ops->destroy(transform->config.stage);
    free(transform);
}

/* Callbacks may destroy the transform: it lives until the outermost call has returned. */
static void enter(struct mr_transform *transform)
{
    MR_ON_LOOP(transform->config.loop);
    transform->entered++;
}

static void leave(struct mr_transform *transform)
{
    if (--transform->entered == 0 && transform->destroyed && transform->jobs == 0)
        free_transform(transform);
}

/* ---- jobs ---- */

static void run_piece(struct mr_job *job)
{
    struct mr_chunk *work = mr_container_of(job, struct mr_chunk, job);
    work->err = work->call(work->transform->config.stage, &work->piece, &job->cancel, &work->fault);
}

/* False: it waited too long for a worker and is tried again; the client has a timeout of its own. */
static bool was_run(struct mr_chunk *work)
{
    struct mr_transform *transform = work->transform;
    const struct mr_job *job = &work->job;
    if (job->outcome == MR_JOB_EXPIRED)
        return false;
    if (job->outcome != MR_JOB_DONE) {
        work->err = mr_fault_set(&work->fault, MR_ESHUTDOWN, NULL);
        return true;
    }
    transform->has_run = true;
    transform->work_ns += job->finished_at - job->started_at;
    transform->wait_ns += job->started_at - job->submitted_at;
    if (work->err == MR_ECANCELLED) /* if the stream is still wanted it was the end of the server */
        work->err = mr_fault_set(&work->fault, MR_ESHUTDOWN, NULL);
    else if (work->err != MR_OK && transform->config.failed != NULL)
        mr_counter_add(transform->config.failed, 1);
    return true;
}

static void piece_done(struct mr_job *job)
{
    struct mr_chunk *work = mr_container_of(job, struct mr_chunk, job);
    struct mr_transform *transform = work->transform;
    const struct mr_transform_config config = transform->config;

    enter(transform);
    transform->jobs--;
    give_back_work_memory(transform);
    transform->retry_due = true;
    work->state = was_run(work) ? JOB_BACK : JOB_WAITING;
    if (transform->state != TRANSFORM_OVER) {
        if (work == &transform->serial.work && work->state == JOB_BACK)
            mr_serial_back(transform);
        pump(transform);
    }
    bool is_over = transform->jobs == 0;
    if (is_over)
        transform->is_held = false;
    leave(transform);
    if (is_over && config.release != NULL)
        config.release(config.context);
}

/* One that comes back sees to the pieces that wait, and otherwise the clock. */
static void wait_for_room(struct mr_transform *transform, struct mr_chunk *work)
{
    work->state = JOB_WAITING;
    if (!mr_timer_is_set(&transform->retry))
        mr_timer_set(mr_timer_list_share(transform->config.loop, RETRY_NS, on_retry), &transform->retry);
}

/* Nothing of a stream that is refused was passed on. What others hold comes back: they have timeouts. */
static bool may_wait_for_memory(struct mr_transform *transform)
{
    uint64_t now = mr_clock_now(), patience_ns = transform->config.patience_ns;
    if (transform->waiting_since == 0)
        transform->waiting_since = now;
    bool is_patient = patience_ns == 0 || now - transform->waiting_since < patience_ns;
    return transform->jobs > 0 || (transform->has_run && is_patient);
}

void mr_transform_submit(struct mr_transform *transform, struct mr_chunk *work, enum mr_lane lane)
{
    struct mr_fault fault;
    work->job.work = run_piece;
    work->job.done = piece_done;
    work->job.loop = transform->config.loop;
    work->job.lane = lane;
    work->job.run_time = transform->config.run_time;
    if (!hold_work_memory(transform, transform->jobs + 1)) {
        if (may_wait_for_memory(transform))
            wait_for_room(transform, work);
        else
            mr_transform_fail_for_memory(transform, transform->sizes.work_memory);
        return;
    }
    transform->waiting_since = 0;
    int err = mr_offload_submit(transform->config.offload, &work->job);
    if (err == MR_ESHUTDOWN) {
        mr_fault_set(&fault, err, NULL);
        mr_transform_fail(transform, &fault);
        return;
    }
    if (err == MR_OK) {
        work->state = JOB_RUNNING;
        transform->jobs++;
    } else {
        give_back_work_memory(transform);
        wait_for_room(transform, work);
    }
    if (transform->jobs > 0 && !transform->is_held) {
        transform->is_held = true;
        if (transform->config.hold != NULL)
            transform->config.hold(transform->config.context);
    }
}

static void on_retry(struct mr_timer *timer)
{
    struct mr_transform *transform = mr_container_of(timer, struct mr_transform, retry);
    enter(transform);
    transform->retry_due = true;
    if (transform->state != TRANSFORM_OVER)
        pump(transform);
    leave(transform);
}

/* ---- the end ---- */

static void stop(struct mr_transform *transform)
{
    transform->state = TRANSFORM_OVER;
    mr_timer_clear(&transform->retry);
    mr_window_cancel(transform);
    mr_serial_cancel(transform);
}

void mr_transform_fail(struct mr_transform *transform, const struct mr_fault *why)
{
    if (transform->state == TRANSFORM_OVER)
        return;
    stop(transform);
    if (transform->in != NULL)
        mr_stream_cancel(transform->in, why);
    mr_stream_abort(&transform->out, why);
}

void mr_transform_fail_for_memory(struct mr_transform *transform, size_t wanted)
{
    struct mr_fault fault;
    refuse_for_memory(transform, wanted, &fault);
    mr_transform_fail(transform, &fault);
}

/* ---- output ---- */

/* A receiver may keep bytes for as long as it likes (stream.h, rule 2), and the stage needs the memory of a result as
 * soon as it was passed on. So a result is lent only while there is spare memory to take its place. */

static void give_back_spare(struct mr_transform *transform)
{
    mr_transform_give_back(transform, transform->spare, transform->spare_size);
    transform->spare = NULL;
    transform->spare_size = 0;
}

/* It is the next spare. False: there is one. */
static bool keep_as_spare(struct mr_transform *transform, struct mr_loan *loan)
{
    struct mr_loan **at = &transform->away;
    while (*at != loan)
        at = &(*at)->next;
    *at = loan->next;
    if (transform->spare != NULL)
        return false;
    transform->spare = loan->bytes;
    transform->spare_size = loan->size;
    transform->charged += loan->size;
    return true;
}

static void end_loan(struct mr_loan *loan)
{
    if (loan->transform == NULL || !keep_as_spare(loan->transform, loan)) {
        free(loan->bytes);
        mr_budget_give_back(loan->budget, loan->size);
    }
    free(loan);
}

static void release_part(void *owner)
{
    struct mr_loan *loan = owner;
    if (--loan->parts == 0)
        end_loan(loan);
}

/* Few bytes in much memory are not worth it: they are copied. */
static bool begin_lending(struct mr_transform *transform, struct mr_result *result)
{
    if (transform->lending == result)
        return true;
    if (result->passed > 0 || result->len < result->size / 2 || !mr_stream_takes_ref(&transform->out))
        return false;
    if (transform->spare_size != result->size) {
        give_back_spare(transform);
        transform->spare = mr_transform_take(transform, result->size);
        if (transform->spare == NULL)
            return false;
        transform->spare_size = result->size;
    }
    struct mr_loan *loan = malloc(sizeof(*loan));
    if (loan == NULL)
        return false;
    *loan = (struct mr_loan){.transform = transform, .budget = transform->config.budget, .parts = 1};
    transform->lending = result;
    transform->loan = loan;
    return true;
}

/* The result was passed on. What the receiver keeps goes away with the loan, and the spare takes its place. */
static void end_lending(struct mr_transform *transform)
{
    struct mr_result *result = transform->lending;
    struct mr_loan *loan = transform->loan;
    transform->lending = NULL;
    transform->loan = NULL;
    if (--loan->parts == 0) {
        free(loan);
        return;
    }
    loan->bytes = result->bytes;
    loan->size = result->size;
    loan->next = transform->away;
    transform->away = loan;
    transform->charged -= loan->size;
    result->bytes = transform->spare;
    transform->spare = NULL;
    transform->spare_size = 0;
}

static void forget_loans(struct mr_transform *transform)
{
    if (transform->lending != NULL)
        end_lending(transform);
    for (struct mr_loan *loan = transform->away; loan != NULL; loan = loan->next)
        loan->transform = NULL;
    give_back_spare(transform);
}

static enum mr_flow push_part(struct mr_transform *transform, struct mr_result *result, size_t part)
{
    bool is_lent = begin_lending(transform, result);
    const unsigned char *at = result->bytes + result->passed;
    result->passed += part;
    if (!is_lent)
        return mr_stream_push(&transform->out, at, part);
    transform->loan->parts++;
    return mr_stream_push_ref(&transform->out, at, part, release_part, transform->loan);
}

bool mr_transform_pass(struct mr_transform *transform, struct mr_result *result)
{
    while (result->passed < result->len && !transform->blocked && transform->state != TRANSFORM_OVER) {
        size_t part = MR_MIN(result->len - result->passed, MR_STREAM_PUSH_MAX);
        if (push_part(transform, result, part) == MR_FLOW_PAUSE)
            transform->blocked = true;
    }
    if (result->passed < result->len)
        return false;
    if (transform->lending == result)
        end_lending(transform);
    return true;
}

/* That of a slot, if there is one: all that was in it was passed on. */
static int get_last(struct mr_transform *transform, struct mr_result *last)
{
    if (transform->state == TRANSFORM_WINDOW) {
        mr_window_give_result(transform, last);
        return MR_OK;
    }
    last->bytes = mr_transform_take(transform, transform->sizes.out_max);
    last->size = transform->sizes.out_max;
    return last->bytes != NULL ? MR_OK : MR_EBUDGET;
}

int mr_transform_make_last(struct mr_transform *transform)
{
    const struct mr_stage_ops *ops = transform->config.ops;
    struct mr_result *last = &transform->last;
    struct mr_fault fault;
    if (ops->finish == NULL || transform->finished)
        return MR_OK;
    if (get_last(transform, last) != MR_OK) {
        mr_transform_fail_for_memory(transform, transform->sizes.out_max);
        return MR_EBUDGET;
    }
    struct mr_stage_piece piece = {.out = last->bytes, .out_size = last->size};
    int err = ops->finish(transform->config.stage, &piece, &fault);
    last->len = piece.out_len;
    transform->finished = true;
    if (err != MR_OK)
        mr_transform_fail(transform, &fault);
    return err;
}

/* All results were passed on: what the stage adds, and the end. */
static void finish(struct mr_transform *transform)
{
    if (mr_transform_make_last(transform) != MR_OK)
        return;
    if (!mr_transform_pass(transform, &transform->last) || transform->state == TRANSFORM_OVER)
        return;
    stop(transform);
    mr_stream_end(&transform->out);
}

/* ---- what has become possible ---- */

size_t mr_transform_unload(struct mr_transform *transform, unsigned char *to, size_t len)
{
    size_t done = 0;
    struct iovec run;
    while (done < len && mr_buf_peek(&transform->backlog, &run, 1) == 1) {
        size_t part = MR_MIN(run.iov_len, len - done);
        memcpy(to + done, run.iov_base, part);
        mr_buf_consume(&transform->backlog, part);
        done += part;
    }
    return done;
}

/* What was gathered, then the backlog, into slots. */
static void feed_slots(struct mr_transform *transform)
{
    struct mr_serial *serial = &transform->serial;
    struct iovec run;
    if (serial->in_len > 0) {
        size_t taken = mr_window_take(transform, serial->in, serial->in_len);
        serial->in_len -= taken;
        memmove(serial->in, serial->in + taken, serial->in_len);
    }
    while (serial->in_len == 0 && transform->state != TRANSFORM_OVER &&
           mr_buf_peek(&transform->backlog, &run, 1) == 1) {
        size_t taken = mr_window_take(transform, run.iov_base, run.iov_len);
        mr_buf_consume(&transform->backlog, taken);
        if (taken < run.iov_len)
            break;
    }
    mr_serial_give_back(transform);
    bool is_all = serial->in_len == 0 && transform->backlog.len == 0 && transform->in_ended;
    if (is_all && transform->state != TRANSFORM_OVER && !transform->slots_ended)
        transform->slots_ended = mr_window_end(transform);
}

static void start_jobs(struct mr_transform *transform)
{
    if (transform->state != TRANSFORM_WINDOW)
        mr_serial_step(transform);
    if (transform->state == TRANSFORM_WINDOW && transform->retry_due)
        mr_window_retry(transform);
    if (transform->state == TRANSFORM_WINDOW)
        feed_slots(transform);
}

static void pass_results(struct mr_transform *transform)
{
    bool is_done = mr_serial_pass(transform) && mr_window_pass(transform);
    if (is_done && transform->state != TRANSFORM_OVER && (transform->serial.ended || transform->slots_ended))
        finish(transform);
}

/* Grows with everything that is done. */
static uint64_t progress(const struct mr_transform *transform)
{
    return transform->filled + transform->joined + transform->serial.made + transform->serial.passed + transform->state;
}

static bool has_room(struct mr_transform *transform)
{
    if (transform->state == TRANSFORM_WINDOW)
        return transform->serial.in_len == 0 && transform->backlog.len == 0 && mr_window_have_room(transform);
    return transform->backlog.len < transform->sizes.piece;
}

static void pump(struct mr_transform *transform)
{
    uint64_t before;
    do {
        before = progress(transform);
        start_jobs(transform);
        if (transform->state != TRANSFORM_OVER)
            pass_results(transform);
    } while (transform->state != TRANSFORM_OVER && progress(transform) != before);
    transform->retry_due = false;
    if (transform->state != TRANSFORM_OVER && transform->paused && has_room(transform)) {
        transform->paused = false;
        mr_stream_resume(transform->in);
    }
}

/* ---- the streams ---- */

static enum mr_flow on_push(void *context, const void *bytes, size_t len)
{
    struct mr_transform *transform = context;
    bool is_direct =
        transform->state == TRANSFORM_WINDOW && transform->serial.in_len == 0 && transform->backlog.len == 0;
    enter(transform);
    size_t taken = is_direct ? mr_window_take(transform, bytes, len) : 0;
    if (transform->state != TRANSFORM_OVER) {
        MR_ASSERT(len - taken <= transform->backlog_max - transform->backlog.len);
        if (taken < len)
            mr_buf_append(&transform->backlog, (const unsigned char *)bytes + taken, len - taken);
        pump(transform);
    }
    transform->paused = transform->state == TRANSFORM_OVER || !has_room(transform);
    enum mr_flow flow = transform->paused ? MR_FLOW_PAUSE : MR_FLOW_MORE;
    leave(transform);
    return flow;
}

static void on_end(void *context)
{
    struct mr_transform *transform = context;
    enter(transform);
    transform->in_ended = true;
    transform->in = NULL; /* its sender hears of nothing any more */
    transform->paused = false;
    pump(transform);
    leave(transform);
}

static void on_abort(void *context, const struct mr_fault *why)
{
    struct mr_transform *transform = context;
    enter(transform);
    transform->in = NULL;
    mr_transform_fail(transform, why);
    leave(transform);
}

static void *on_space(void *context, size_t *len)
{
    struct mr_transform *transform = context;
    if (transform->state != TRANSFORM_WINDOW || transform->serial.in_len > 0 || transform->backlog.len > 0)
        return NULL;
    return mr_window_space(transform, len);
}

static const struct mr_stream_receiver in_receiver = {
    .push = on_push, .end = on_end, .abort = on_abort, .space = on_space};

static void on_resume(void *context)
{
    struct mr_transform *transform = context;
    enter(transform);
    transform->blocked = false;
    if (transform->state != TRANSFORM_OVER)
        pump(transform);
    leave(transform);
}

static void on_cancel(void *context, const struct mr_fault *why)
{
    struct mr_transform *transform = context;
    enter(transform);
    mr_transform_fail(transform, why);
    leave(transform);
}

static const struct mr_stream_sender out_sender = {.resume = on_resume, .cancel = on_cancel};

/* ---- life ---- */

/* Up to where has_room() says yes, and what may still be pushed then: one push, and one after the pause (stream.h, rule
 * 3). */
static int take_backlog(struct mr_transform *transform, struct mr_fault *fault)
{
    size_t wanted = 2 * MR_STREAM_PUSH_MAX;
    if (transform->state != TRANSFORM_WINDOW)
        wanted += transform->sizes.piece;
    if (!mr_budget_try_take(transform->config.budget, wanted))
        return refuse_for_memory(transform, wanted, fault);
    transform->backlog_max = wanted;
    return MR_OK;
}

int mr_transform_create(struct mr_transform **out, const struct mr_transform_config *config, struct mr_fault *fault)
{
    MR_ASSERT(config->window >= 2);
    struct mr_transform *transform = calloc(1, sizeof(*transform));
    if (transform == NULL) {
        config->ops->destroy(config->stage);
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    }
    transform->config = *config;
    transform->out_length = MR_TRANSFORM_UNKNOWN;
    transform->blocked = true; /* until there is a receiver */
    config->ops->sizes(config->stage, &transform->sizes);
    MR_ASSERT(transform->sizes.history <= transform->sizes.piece);
    mr_buf_init(&transform->backlog, 0, 0);
    mr_stream_attach_sender(&transform->out, &out_sender, transform);
    transform->state = config->ops->open != NULL ? TRANSFORM_OPENING : mr_serial_after_open(transform);
    transform->slots = calloc(config->window, sizeof(*transform->slots));
    int err = transform->slots != NULL ? take_backlog(transform, fault) : mr_fault_set(fault, MR_EMEMORY, NULL);
    if (err != MR_OK)
        free_transform(transform);
    else
        *out = transform;
    return err;
}

void mr_transform_destroy(struct mr_transform **out)
{
    struct mr_transform *transform = *out;
    *out = NULL;
    enter(transform);
    transform->destroyed = true;
    if (transform->state != TRANSFORM_OVER)
        stop(transform);
    leave(transform);
}

void mr_transform_attach(struct mr_transform *transform)
{
    transform->in = transform->config.in;
    mr_stream_attach_receiver(transform->in, &in_receiver, transform);
}

struct mr_stream *mr_transform_out(struct mr_transform *transform)
{
    return &transform->out;
}

uint64_t mr_transform_out_length(const struct mr_transform *transform)
{
    return transform->out_length;
}

uint64_t mr_transform_work_ns(const struct mr_transform *transform)
{
    return transform->work_ns;
}

uint64_t mr_transform_wait_ns(const struct mr_transform *transform)
{
    return transform->wait_ns;
}
