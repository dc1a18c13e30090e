/* DESIGN. Whatever happens (bytes, the end, a job that came back, a receiver that resumes) is written down where it
 * happens; then transform_pump() does what has become possible, and nothing else does.
 *
 *      backlog --> serial (one job at a time) --+--> results in order --> out
 *             \--> window (chunks side by side) -+
 */
#include "pipe/transform.h"

#include "base/assert.h"
#include "base/buf.h"
#include "base/guard.h"
#include "base/macros.h"
#include "base/magic.h"
#include "pipe/chunk.h"
#include "pipe/lender.h"
#include "pipe/serial.h"
#include "pipe/window.h"
#include <stdlib.h>

#define WINDOW_MIN 4 /* pieces in flight that every stream may have, however large they are */

#define TRANSFORM_MAGIC 0x74726166u /* "traf" */

struct mr_transform {
    uint32_t magic;
    struct mr_transform_config config;
    struct mr_stream *in; /* borrowed; NULL: not attached */
    struct mr_stream out;
    struct mr_buf backlog;  /* input that has no place yet: backlog_max bytes at most */
    size_t backlog_charged; /* of the budget */
    struct mr_chunks chunks;
    struct mr_serial serial;
    struct mr_window window; /* once serial.mode is MR_SERIAL_HANDED */
    struct mr_lender lender;
    struct mr_result last; /* of ops->finish */
    uint64_t out_length;
    bool over;     /* ended, failed or destroyed */
    bool paused;   /* the sender of `in` was told to wait */
    bool blocked;  /* the receiver of `out` said so */
    bool in_ended; /* the input is all there */
    bool finished; /* ops->finish was called: its result is the last */
    struct mr_guard guard;
};

static void transform_pump(struct mr_transform *transform);

/* ---- life and death ---- */

static void free_transform(struct mr_transform *transform)
{
    mr_buf_reset(&transform->backlog);
    mr_lender_clear(&transform->lender);
    mr_window_clear(&transform->window);
    mr_serial_clear(&transform->serial);
    mr_result_close(&transform->chunks, &transform->last);
    mr_budget_give_back(transform->config.budget, transform->backlog_charged);
    mr_chunks_clear(&transform->chunks);
    transform->config.ops->destroy(transform->config.stage);
    free(transform);
}

static void transform_enter(struct mr_transform *transform)
{
    MR_ON_LOOP(transform->config.loop);
    mr_guard_enter(&transform->guard);
}

static void transform_leave(struct mr_transform *transform)
{
    if (mr_guard_leave(&transform->guard) && transform->chunks.jobs == 0)
        free_transform(transform);
}

static void transform_stop(struct mr_transform *transform)
{
    transform->over = true;
    mr_chunks_stop(&transform->chunks);
    mr_window_cancel(&transform->window);
    mr_serial_cancel(&transform->serial);
}

/* The stream cannot go on: tell both sides. */
static void transform_fail(struct mr_transform *transform, const struct mr_fault *why)
{
    if (transform->over)
        return;
    transform_stop(transform);
    if (transform->in != NULL)
        mr_stream_cancel(transform->in, why);
    mr_stream_abort(&transform->out, why);
}

/* After whatever may have failed. */
static void heed_failure(struct mr_transform *transform)
{
    if (!transform->chunks.is_failed || transform->over)
        return;
    struct mr_fault fault = transform->chunks.fault;
    transform_fail(transform, &fault);
}

/* ---- output ---- */

/* Pass on what is left of the result. True: all of it. */
static bool transform_pass(struct mr_transform *transform, struct mr_result *result)
{
    while (result->passed < result->len && !transform->blocked && !transform->over) {
        size_t part = MR_MIN(result->len - result->passed, MR_STREAM_PUSH_MAX);
        if (mr_lender_push(&transform->lender, result, part) == MR_FLOW_PAUSE)
            transform->blocked = true;
    }
    if (result->passed < result->len)
        return false;
    mr_lender_passed(&transform->lender, result);
    return true;
}

/* That of a slot, if there is one: all that was in it was passed on. */
static bool get_last(struct mr_transform *transform, struct mr_result *last)
{
    struct mr_chunks *chunks = &transform->chunks;
    size_t size = chunks->sizes.out_max;
    if (transform->serial.mode == MR_SERIAL_HANDED)
        mr_window_give_result(&transform->window, last);
    if (last->room.bytes == NULL && !mr_room_open(chunks, &last->room, size))
        return false;
    if (mr_room_charge(chunks, &last->room, size, true))
        return true;
    mr_chunks_fail_for_memory(chunks, size);
    return false;
}

/* After the last join: what the stage adds, once. */
static void make_last(struct mr_transform *transform)
{
    const struct mr_stage_ops *ops = transform->config.ops;
    struct mr_result *last = &transform->last;
    struct mr_fault fault;
    if (ops->finish == NULL || transform->finished || !get_last(transform, last))
        return;
    struct mr_stage_piece piece = {.out = last->room.bytes, .out_size = last->room.size};
    int err = ops->finish(transform->config.stage, &piece, &fault);
    last->len = piece.out_len;
    transform->finished = true;
    if (err != MR_OK)
        mr_chunks_fail(&transform->chunks, &fault);
}

/* All results were passed on: what the stage adds, and the end. */
static void transform_finish(struct mr_transform *transform)
{
    make_last(transform);
    heed_failure(transform);
    if (!transform_pass(transform, &transform->last) || transform->over)
        return;
    transform_stop(transform);
    mr_stream_end(&transform->out);
}

static bool pass_serial(struct mr_transform *transform)
{
    struct mr_result *result;
    while ((result = mr_serial_front(&transform->serial)) != NULL) {
        if (transform->blocked || transform->over || !transform_pass(transform, result))
            return false;
        mr_serial_pop(&transform->serial);
    }
    return mr_serial_is_idle(&transform->serial);
}

static bool pass_window(struct mr_transform *transform)
{
    struct mr_result *result;
    while (!transform->blocked && !transform->over && (result = mr_window_front(&transform->window)) != NULL) {
        if (!transform_pass(transform, result))
            return false;
        mr_window_pop(&transform->window);
    }
    heed_failure(transform);
    return transform->window.joined == transform->window.filled;
}

/* ---- what has become possible ---- */

/* What was gathered, then the backlog. */
static void feed_window(struct mr_transform *transform)
{
    struct mr_serial *serial = &transform->serial;
    struct mr_window *window = &transform->window;
    struct iovec run;
    if (serial->in_len > 0)
        mr_serial_drop(serial, mr_window_take(window, serial->in.bytes, serial->in_len));
    while (serial->in_len == 0 && !transform->chunks.is_failed && mr_buf_peek(&transform->backlog, &run, 1) == 1) {
        size_t taken = mr_window_take(window, run.iov_base, run.iov_len);
        mr_buf_consume(&transform->backlog, taken);
        if (taken < run.iov_len)
            break;
    }
    if (serial->in_len == 0 && mr_serial_front(serial) == NULL)
        mr_serial_clear(serial);
    bool is_all = serial->in_len == 0 && transform->backlog.len == 0 && transform->in_ended;
    if (is_all && !transform->chunks.is_failed && !window->is_ended)
        mr_window_end(window);
}

static void start_jobs(struct mr_transform *transform)
{
    if (transform->serial.mode != MR_SERIAL_HANDED)
        mr_serial_step(&transform->serial);
    if (transform->serial.mode == MR_SERIAL_HANDED && transform->chunks.retry_due)
        mr_window_retry(&transform->window);
    if (transform->serial.mode == MR_SERIAL_HANDED && !transform->chunks.is_failed)
        feed_window(transform);
    heed_failure(transform);
}

static void pass_results(struct mr_transform *transform)
{
    bool is_done = pass_serial(transform) && pass_window(transform);
    if (is_done && !transform->over && (transform->serial.is_ended || transform->window.is_ended))
        transform_finish(transform);
}

/* Grows with everything that is done. */
static uint64_t progress(const struct mr_transform *transform)
{
    const struct mr_serial *serial = &transform->serial;
    return transform->window.filled + transform->window.joined + serial->made + serial->passed + serial->mode;
}

/* Do bytes go straight into the window? */
static bool is_direct(const struct mr_transform *transform)
{
    return transform->serial.mode == MR_SERIAL_HANDED && transform->serial.in_len == 0 && transform->backlog.len == 0;
}

static bool transform_has_room(struct mr_transform *transform)
{
    if (transform->serial.mode == MR_SERIAL_HANDED)
        return is_direct(transform) && mr_window_has_room(&transform->window);
    return transform->backlog.len < transform->chunks.sizes.piece;
}

/* What of it found its place. */
static void give_back_backlog(struct mr_transform *transform)
{
    size_t len = transform->backlog.len;
    mr_budget_give_back(transform->config.budget, transform->backlog_charged - len);
    transform->backlog_charged = len;
}

/* Up to where transform_has_room() says yes, and what may still be pushed then: one push, and one after the pause
 * (stream.h, rule 3). */
static size_t backlog_max(const struct mr_transform *transform)
{
    return 2 * MR_STREAM_PUSH_MAX + transform->chunks.sizes.piece;
}

/* The sender cannot take them back: without memory for them the stream fails. */
static void keep(struct mr_transform *transform, const unsigned char *bytes, size_t len)
{
    if (len == 0)
        return;
    MR_ASSERT(transform->backlog.len + len <= backlog_max(transform));
    if (mr_budget_try_take(transform->config.budget, len)) {
        transform->backlog_charged += len;
        mr_buf_append(&transform->backlog, bytes, len);
    } else {
        mr_chunks_fail_for_memory(&transform->chunks, len);
    }
}

static void transform_pump(struct mr_transform *transform)
{
    uint64_t before;
    heed_failure(transform);
    if (transform->over)
        return;
    do {
        before = progress(transform);
        start_jobs(transform);
        if (!transform->over)
            pass_results(transform);
    } while (!transform->over && progress(transform) != before);
    transform->chunks.retry_due = false;
    give_back_backlog(transform);
    if (!transform->over && transform->paused && transform_has_room(transform)) {
        transform->paused = false;
        mr_stream_resume(transform->in);
    }
}

/* A short input in one piece: how long its output is shows before the first byte of it is passed on. */
static void note_length(struct mr_transform *transform)
{
    if (transform->serial.mode != MR_SERIAL_WHOLE || transform->chunks.is_failed)
        return;
    make_last(transform);
    transform->out_length = transform->serial.made_len + transform->last.len;
}

static void transform_on_wake(struct mr_chunks *chunks, struct mr_chunk *back)
{
    struct mr_transform *transform = mr_container_of(chunks, struct mr_transform, chunks);
    const struct mr_transform_config config = transform->config;
    transform_enter(transform);
    if (!transform->over) {
        if (back == &transform->serial.chunk && back->state == CHUNK_BACK) {
            mr_serial_back(&transform->serial);
            note_length(transform);
        }
        transform_pump(transform);
    }
    bool is_released = mr_chunks_are_back(chunks);
    transform_leave(transform);
    if (is_released && config.release != NULL)
        config.release(config.context);
}

/* ---- the streams ---- */

static enum mr_flow transform_on_push(void *context, const void *bytes, size_t len)
{
    struct mr_transform *transform = mr_from_context(context, struct mr_transform, TRANSFORM_MAGIC);
    transform_enter(transform);
    size_t taken = is_direct(transform) ? mr_window_take(&transform->window, bytes, len) : 0;
    heed_failure(transform);
    if (!transform->over) {
        keep(transform, (const unsigned char *)bytes + taken, len - taken);
        transform_pump(transform);
    }
    transform->paused = transform->over || !transform_has_room(transform);
    enum mr_flow flow = transform->paused ? MR_FLOW_PAUSE : MR_FLOW_MORE;
    transform_leave(transform);
    return flow;
}

static void transform_on_end(void *context)
{
    struct mr_transform *transform = mr_from_context(context, struct mr_transform, TRANSFORM_MAGIC);
    transform_enter(transform);
    transform->in_ended = true;
    transform->in = NULL; /* its sender hears of nothing any more */
    transform->paused = false;
    mr_serial_end(&transform->serial);
    transform_pump(transform);
    transform_leave(transform);
}

static void transform_on_abort(void *context, const struct mr_fault *why)
{
    struct mr_transform *transform = mr_from_context(context, struct mr_transform, TRANSFORM_MAGIC);
    transform_enter(transform);
    transform->in = NULL;
    transform_fail(transform, why);
    transform_leave(transform);
}

static void *transform_on_space(void *context, size_t *len)
{
    struct mr_transform *transform = mr_from_context(context, struct mr_transform, TRANSFORM_MAGIC);
    return is_direct(transform) ? mr_window_space(&transform->window, len) : NULL;
}

static const struct mr_stream_receiver in_receiver = {
    .push = transform_on_push, .end = transform_on_end, .abort = transform_on_abort, .get_buffer = transform_on_space};

static void transform_on_resume(void *context)
{
    struct mr_transform *transform = mr_from_context(context, struct mr_transform, TRANSFORM_MAGIC);
    transform_enter(transform);
    transform->blocked = false;
    if (!transform->over)
        transform_pump(transform);
    transform_leave(transform);
}

static void transform_on_cancel(void *context, const struct mr_fault *why)
{
    struct mr_transform *transform = mr_from_context(context, struct mr_transform, TRANSFORM_MAGIC);
    transform_enter(transform);
    transform_fail(transform, why);
    transform_leave(transform);
}

static const struct mr_stream_sender out_sender = {.resume = transform_on_resume, .cancel = transform_on_cancel};

/* ---- life ---- */

static void init_chunks(struct mr_chunks *chunks, const struct mr_transform_config *config)
{
    *chunks = (struct mr_chunks){
        .loop = config->loop,
        .offload = config->offload,
        .budget = config->budget,
        .run_time = config->run_time,
        .failed = config->failed,
        .refused = config->refused,
        .patience_ns = config->patience_ns,
        .ops = config->ops,
        .stage = config->stage,
        .wake = transform_on_wake,
        .hold = config->hold,
        .context = config->context,
    };
    mr_chunks_init(chunks);
}

static unsigned window_size(const struct mr_transform_config *config, const struct mr_stage_sizes *sizes)
{
    size_t each = sizes->history + sizes->piece + sizes->out_max;
    if (config->window_memory == 0)
        return config->window;
    return (unsigned)MR_MIN((size_t)config->window, MR_MAX(config->window_memory / each, (size_t)WINDOW_MIN));
}

int mr_transform_create(struct mr_transform **out, const struct mr_transform_config *config, struct mr_fault *fault)
{
    MR_ON_LOOP(config->loop);
    MR_ASSERT(config->window >= 2);
    struct mr_transform *transform = calloc(1, sizeof(*transform));
    if (transform == NULL) {
        config->ops->destroy(config->stage);
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    }
    transform->magic = TRANSFORM_MAGIC;
    transform->config = *config;
    transform->out_length = MR_TRANSFORM_UNKNOWN;
    transform->blocked = true; /* until there is a receiver */
    mr_buf_init(&transform->backlog, 0, 0);
    mr_stream_attach_sender(&transform->out, &out_sender, transform);
    init_chunks(&transform->chunks, config);
    transform->lender = (struct mr_lender){.chunks = &transform->chunks, .out = &transform->out};
    mr_serial_init(&transform->serial, &transform->chunks, &transform->backlog, config->length);
    int err = mr_window_init(&transform->window, &transform->chunks, window_size(config, &transform->chunks.sizes));
    if (err == MR_OK) {
        *out = transform;
        return MR_OK;
    }
    free_transform(transform);
    return mr_fault_set(fault, err, NULL);
}

void mr_transform_destroy(struct mr_transform **out)
{
    struct mr_transform *transform = *out;
    *out = NULL;
    transform_enter(transform);
    mr_guard_destroy(&transform->guard);
    if (!transform->over)
        transform_stop(transform);
    transform_leave(transform);
}

void mr_transform_attach(struct mr_transform *transform)
{
    MR_ON_LOOP(transform->config.loop);
    transform->in = transform->config.in;
    mr_stream_attach_receiver(transform->in, &in_receiver, transform);
}

struct mr_stream *mr_transform_out(struct mr_transform *transform)
{
    MR_ON_LOOP(transform->config.loop);
    return &transform->out;
}

uint64_t mr_transform_out_length(const struct mr_transform *transform)
{
    MR_ON_LOOP(transform->config.loop);
    return transform->out_length;
}

uint64_t mr_transform_work_ns(const struct mr_transform *transform)
{
    MR_ON_LOOP(transform->config.loop);
    return transform->chunks.work_ns;
}

uint64_t mr_transform_wait_ns(const struct mr_transform *transform)
{
    MR_ON_LOOP(transform->config.loop);
    return transform->chunks.wait_ns;
}
