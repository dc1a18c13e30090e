/* DESIGN. The input that the stage has not used yet lies in one run. While a job works on it nothing is added; what
 * comes in waits in the backlog. Two results take turns, so that the next job runs while the last result is passed on.
 */
#include "base/assert.h"
#include "pipe/transform_internal.h"
#include <string.h>

/* A header that a stage wants to see in one run may be so long; it says itself when that is too much. */
#define OPEN_INPUT (128 * MR_KIB)

static const unsigned char no_input; /* where none begins: a stage may copy no bytes from there, not from NULL */

static size_t input_max(const struct mr_transform *transform)
{
    switch (transform->state) {
    case TRANSFORM_OPENING:
        return MR_MAX(transform->sizes.piece, (size_t)OPEN_INPUT);
    case TRANSFORM_GATHERING:
    case TRANSFORM_WHOLE:
        return transform->sizes.whole_max + 1; /* one more says that it is not short */
    default:
        return 2 * transform->sizes.piece; /* what was left and as much again */
    }
}

static size_t result_size(const struct mr_transform *transform)
{
    return transform->state == TRANSFORM_WHOLE ? transform->sizes.whole_out_max : transform->sizes.out_max;
}

/* Room for `wanted` bytes of input: twice what there was, so that a long one is not copied often. In a SEQUENTIAL stage
 * all that there may ever be: when bytes of it are on their way it must not be refused any more. */
static bool grow(struct mr_transform *transform, size_t wanted)
{
    struct mr_serial *serial = &transform->serial;
    size_t max = input_max(transform);
    if (transform->state == TRANSFORM_SERIAL)
        wanted = max;
    if (wanted <= serial->in_size)
        return true;
    size_t size = MR_MIN(MR_MAX(wanted, 2 * serial->in_size), max);
    unsigned char *grown = mr_transform_take(transform, size);
    if (grown == NULL) {
        mr_transform_fail_for_memory(transform, size);
        return false;
    }
    if (serial->in_len > 0)
        memcpy(grown, serial->in, serial->in_len);
    mr_transform_give_back(transform, serial->in, serial->in_size);
    serial->in = grown;
    serial->in_size = size;
    return true;
}

/* Move from the backlog what there is room for. */
static bool load(struct mr_transform *transform)
{
    struct mr_serial *serial = &transform->serial;
    size_t max = input_max(transform);
    size_t part = MR_MIN(transform->backlog.len, max > serial->in_len ? max - serial->in_len : 0);
    if (part == 0)
        return true;
    if (!grow(transform, serial->in_len + part))
        return false;
    serial->in_len += mr_transform_unload(transform, serial->in + serial->in_len, part);
    serial->starving = false;
    return true;
}

static bool is_last(const struct mr_transform *transform)
{
    return transform->in_ended && transform->backlog.len == 0;
}

/* It was not known whether the input is short: now it is. When it is not, what was gathered goes to slots before the
 * backlog does. False: not known yet. */
static bool decide(struct mr_transform *transform)
{
    struct mr_serial *serial = &transform->serial;
    if (is_last(transform) && serial->in_len <= transform->sizes.whole_max) {
        transform->state = TRANSFORM_WHOLE;
        return true;
    }
    if (serial->in_len <= transform->sizes.whole_max)
        return false;
    transform->state = TRANSFORM_WINDOW;
    return true;
}

static bool get_result(struct mr_transform *transform, struct mr_result *result)
{
    size_t size = result_size(transform);
    if (result->size >= size)
        return true;
    mr_transform_give_back(transform, result->bytes, result->size);
    result->size = 0;
    result->bytes = mr_transform_take(transform, size);
    if (result->bytes == NULL) {
        mr_transform_fail_for_memory(transform, size);
        return false;
    }
    result->size = size;
    return true;
}

/* Those of a SEQUENTIAL stage at once, for the same reason as its input. */
static bool get_results(struct mr_transform *transform)
{
    struct mr_serial *serial = &transform->serial;
    if (transform->state == TRANSFORM_SERIAL && !get_result(transform, &serial->results[(serial->made + 1) % 2]))
        return false;
    return get_result(transform, &serial->results[serial->made % 2]);
}

static void submit(struct mr_transform *transform)
{
    struct mr_serial *serial = &transform->serial;
    struct mr_result *result = &serial->results[serial->made % 2];
    bool opening = transform->state == TRANSFORM_OPENING;
    if (!get_results(transform))
        return;
    serial->work.transform = transform;
    serial->work.call = opening ? transform->config.ops->open : transform->config.ops->work;
    serial->work.piece = (struct mr_stage_piece){
        .in = serial->in != NULL ? serial->in : &no_input,
        .in_len = serial->in_len,
        .last = is_last(transform),
        .whole = transform->state == TRANSFORM_WHOLE,
        .out = result->bytes,
        .out_size = result->size,
    };
    enum mr_lane lane = MR_LANE_BULK;
    if (opening)
        lane = transform->sizes.open_is_heavy ? MR_LANE_HEAVY : MR_LANE_INTERACTIVE;
    else if (serial->work.piece.whole)
        lane = MR_LANE_INTERACTIVE; /* a short job, whose client waits for nothing else */
    mr_transform_submit(transform, &serial->work, lane);
}

static bool is_due(const struct mr_transform *transform)
{
    const struct mr_serial *serial = &transform->serial;
    if (serial->work.state != JOB_IDLE || serial->ended || serial->made - serial->passed == 2)
        return false;
    return serial->full || is_last(transform) || (serial->in_len > 0 && !serial->starving);
}

void mr_serial_step(struct mr_transform *transform)
{
    struct mr_serial *serial = &transform->serial;
    if (serial->work.state == JOB_WAITING && transform->retry_due) {
        submit(transform);
        return;
    }
    if (serial->work.state != JOB_IDLE || !load(transform))
        return;
    if (transform->state == TRANSFORM_GATHERING && !decide(transform))
        return;
    if (transform->state != TRANSFORM_WINDOW && is_due(transform))
        submit(transform);
}

/* What the stage did not use comes again. */
static void drop_used(struct mr_serial *serial, size_t used)
{
    MR_ASSERT(used <= serial->in_len);
    serial->in_len -= used;
    if (used > 0)
        memmove(serial->in, serial->in + used, serial->in_len);
}

static int join_whole(struct mr_transform *transform, struct mr_serial *serial)
{
    const struct mr_stage_ops *ops = transform->config.ops;
    serial->ended = true;
    serial->work.piece.in_used = serial->in_len;
    return ops->join != NULL ? ops->join(transform->config.stage, &serial->work.piece, &serial->work.fault) : MR_OK;
}

enum mr_transform_state mr_serial_after_open(const struct mr_transform *transform)
{
    if (transform->config.ops->kind == MR_STAGE_SEQUENTIAL)
        return TRANSFORM_SERIAL;
    bool may_be_short = transform->sizes.whole_max > 0 && (transform->config.length == MR_TRANSFORM_UNKNOWN ||
                                                           transform->config.length <= transform->sizes.whole_max);
    return may_be_short ? TRANSFORM_GATHERING : TRANSFORM_WINDOW;
}

static int take_in(struct mr_transform *transform, struct mr_serial *serial)
{
    const struct mr_stage_piece *piece = &serial->work.piece;
    if (transform->state == TRANSFORM_WHOLE)
        return join_whole(transform, serial);
    if (piece->last && piece->status == MR_STAGE_WANT) /* a stage must say itself what is missing */
        return mr_fault_set(&serial->work.fault, MR_ECORRUPT, "The body is truncated.");
    if (piece->status == MR_STAGE_WANT && piece->in_len - piece->in_used >= input_max(transform))
        return mr_fault_set(&serial->work.fault, MR_ECORRUPT, "%s wants too much of the body at once.",
                            transform->config.ops->name); /* it would be waited for for ever */
    serial->starving = piece->status == MR_STAGE_WANT;
    serial->full = piece->status == MR_STAGE_FULL;
    serial->ended = piece->status == MR_STAGE_DONE && piece->last; /* before that only this piece is done */
    if (piece->status == MR_STAGE_OPEN)
        transform->state = mr_serial_after_open(transform);
    return MR_OK;
}

void mr_serial_back(struct mr_transform *transform)
{
    struct mr_serial *serial = &transform->serial;
    int err = serial->work.err == MR_OK ? take_in(transform, serial) : serial->work.err;
    if (err != MR_OK) {
        struct mr_fault fault = serial->work.fault;
        mr_transform_fail(transform, &fault);
        return;
    }
    serial->work.state = JOB_IDLE;
    struct mr_result *result = &serial->results[serial->made % 2];
    result->len = serial->work.piece.out_len;
    result->passed = 0;
    drop_used(serial, serial->work.piece.in_used);
    serial->made++;
    serial->made_len += result->len;
    if (transform->state == TRANSFORM_WHOLE && mr_transform_make_last(transform) == MR_OK)
        transform->out_length = serial->made_len + transform->last.len;
}

bool mr_serial_pass(struct mr_transform *transform)
{
    struct mr_serial *serial = &transform->serial;
    while (serial->passed < serial->made && transform->state != TRANSFORM_OVER) {
        if (transform->blocked || !mr_transform_pass(transform, &serial->results[serial->passed % 2]))
            return false;
        serial->passed++;
    }
    return serial->passed == serial->made && serial->work.state == JOB_IDLE;
}

void mr_serial_cancel(struct mr_transform *transform)
{
    if (transform->serial.work.state == JOB_RUNNING)
        mr_job_cancel(&transform->serial.work.job);
}

void mr_serial_give_back(struct mr_transform *transform)
{
    struct mr_serial *serial = &transform->serial;
    if (serial->in_len > 0 || serial->passed < serial->made)
        return;
    mr_serial_free(transform);
    serial->in = NULL;
    serial->in_size = 0;
    for (int i = 0; i < 2; i++)
        serial->results[i] = (struct mr_result){.bytes = NULL};
}

void mr_serial_free(struct mr_transform *transform)
{
    struct mr_serial *serial = &transform->serial;
    mr_transform_give_back(transform, serial->in, serial->in_size);
    for (int i = 0; i < 2; i++)
        mr_transform_give_back(transform, serial->results[i].bytes, serial->results[i].size);
}
