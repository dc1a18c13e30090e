/* DESIGN. The input that the stage has not used yet lies in one run. While a job works on it nothing is added; what
 * comes in waits in the backlog. Two results take turns, so that the next job runs while the last result is passed on.
 */
#include "pipe/serial.h"

#include "base/assert.h"
#include "base/macros.h"
#include <string.h>

/* A header that a stage wants to see in one run may be so long; it says itself when that is too much. */
#define OPEN_INPUT (128 * MR_KIB)

static const unsigned char no_input; /* where none begins: a stage may copy no bytes from there, not from NULL */

static size_t input_max(const struct mr_serial *serial)
{
    switch (serial->mode) {
    case MR_SERIAL_OPENING:
        return MR_MAX(serial->chunks->sizes.piece, (size_t)OPEN_INPUT);
    case MR_SERIAL_GATHERING:
    case MR_SERIAL_WHOLE:
        return serial->chunks->sizes.whole_max + 1; /* one more says that it is not short */
    default:
        return 2 * serial->chunks->sizes.piece; /* what was left and as much again */
    }
}

static size_t result_size(const struct mr_serial *serial)
{
    const struct mr_stage_sizes *sizes = &serial->chunks->sizes;
    return serial->mode == MR_SERIAL_WHOLE ? sizes->whole_out_max : sizes->out_max;
}

/* Room for `wanted` bytes of input: twice what there was, so that a long one is not copied often. In a SEQUENTIAL stage
 * all that there may ever be. False: the budget has none now, or the chunks have failed. */
static bool grow(struct mr_serial *serial, size_t wanted)
{
    struct mr_chunks *chunks = serial->chunks;
    struct mr_room grown;
    size_t max = input_max(serial);
    bool is_pressed = serial->made == serial->passed;
    if (wanted <= serial->in.size)
        return mr_room_charge(chunks, &serial->in, wanted, is_pressed);
    size_t size = serial->mode == MR_SERIAL_STREAM ? max : MR_MIN(MR_MAX(wanted, 2 * serial->in.size), max);
    if (!mr_room_open(chunks, &grown, size))
        return false;
    if (!mr_room_charge(chunks, &grown, wanted, is_pressed)) {
        mr_room_close(chunks, &grown);
        return false;
    }
    if (serial->in_len > 0)
        memcpy(grown.bytes, serial->in.bytes, serial->in_len);
    mr_room_close(chunks, &serial->in);
    serial->in = grown;
    return true;
}

static void unload(struct mr_serial *serial, size_t len)
{
    struct iovec run;
    while (len > 0 && mr_buf_peek(serial->backlog, &run, 1) == 1) {
        size_t part = MR_MIN(run.iov_len, len);
        memcpy(serial->in.bytes + serial->in_len, run.iov_base, part);
        mr_buf_consume(serial->backlog, part);
        serial->in_len += part;
        len -= part;
    }
}

/* Move from the backlog what there is room for. */
static bool load(struct mr_serial *serial)
{
    size_t max = input_max(serial);
    size_t part = MR_MIN(serial->backlog->len, max > serial->in_len ? max - serial->in_len : 0);
    if (part == 0)
        return true;
    if (!grow(serial, serial->in_len + part))
        return false;
    unload(serial, part);
    serial->is_starving = false;
    return true;
}

static bool is_last(const struct mr_serial *serial)
{
    return serial->is_last && serial->backlog->len == 0;
}

/* It was not known whether the input is short: now it is. When it is not, what was gathered goes to slots before the
 * backlog does. False: not known yet. */
static bool decide(struct mr_serial *serial)
{
    if (is_last(serial) && serial->in_len <= serial->chunks->sizes.whole_max) {
        serial->mode = MR_SERIAL_WHOLE;
        return true;
    }
    if (serial->in_len <= serial->chunks->sizes.whole_max)
        return false;
    serial->mode = MR_SERIAL_HANDED;
    return true;
}

/* open() is a tenth of a millisecond before a stream of pieces: in the interactive lane it would wait for whole images,
 * one after the other, while the pieces behind it are sure of their share. */
static enum mr_lane lane_of_piece(const struct mr_serial *serial, bool opening)
{
    if (opening && serial->chunks->sizes.open_is_heavy)
        return MR_LANE_HEAVY;
    if (serial->chunk.piece.whole)
        return MR_LANE_INTERACTIVE; /* a short job, whose client waits for nothing else */
    return MR_LANE_BULK;
}

static void submit(struct mr_serial *serial)
{
    bool opening = serial->mode == MR_SERIAL_OPENING;
    serial->chunk.result = &serial->results[serial->made % 2];
    serial->chunk.out_size = result_size(serial);
    serial->chunk.call = opening ? serial->chunks->ops->open : serial->chunks->ops->work;
    serial->chunk.piece = (struct mr_stage_piece){
        .in = serial->in.bytes != NULL ? serial->in.bytes : &no_input,
        .in_len = serial->in_len,
        .last = is_last(serial),
        .whole = serial->mode == MR_SERIAL_WHOLE,
    };
    mr_chunk_submit(serial->chunks, &serial->chunk, lane_of_piece(serial, opening));
}

static bool is_due(const struct mr_serial *serial)
{
    if (serial->chunk.state != CHUNK_IDLE || serial->is_ended || serial->made - serial->passed == 2)
        return false;
    return serial->is_full || is_last(serial) || (serial->in_len > 0 && !serial->is_starving);
}

void mr_serial_step(struct mr_serial *serial)
{
    MR_ON_LOOP(serial->chunks->loop);
    if (serial->chunk.state == CHUNK_WAITING && serial->chunks->retry_due) {
        submit(serial);
        return;
    }
    if (serial->chunk.state != CHUNK_IDLE)
        return;
    bool is_loaded = load(serial);
    if (serial->chunks->is_failed)
        return;
    if (serial->mode == MR_SERIAL_GATHERING && is_loaded && !decide(serial))
        return;
    if (is_loaded && serial->mode == MR_SERIAL_HANDED)
        return;
    if (serial->mode != MR_SERIAL_GATHERING && is_due(serial))
        submit(serial);
    else if (!is_loaded && serial->made == serial->passed) /* else what is passed on makes room */
        mr_chunks_wait_for_memory(serial->chunks, serial->backlog->len);
}

void mr_serial_drop(struct mr_serial *serial, size_t len)
{
    MR_ON_LOOP(serial->chunks->loop);
    MR_ASSERT(len <= serial->in_len);
    serial->in_len -= len;
    if (len > 0)
        memmove(serial->in.bytes, serial->in.bytes + len, serial->in_len);
}

static int join_whole(struct mr_serial *serial)
{
    const struct mr_stage_ops *ops = serial->chunks->ops;
    serial->is_ended = true;
    serial->chunk.piece.in_used = serial->in_len;
    return ops->join != NULL ? ops->join(serial->chunks->stage, &serial->chunk.piece, &serial->chunk.fault) : MR_OK;
}

static enum mr_serial_mode after_open(const struct mr_serial *serial)
{
    if (serial->chunks->ops->kind == MR_STAGE_SEQUENTIAL)
        return MR_SERIAL_STREAM;
    bool may_be_short = serial->chunks->sizes.whole_max > 0 &&
                        (serial->length == UINT64_MAX || serial->length <= serial->chunks->sizes.whole_max);
    return may_be_short ? MR_SERIAL_GATHERING : MR_SERIAL_HANDED;
}

static int take_in(struct mr_serial *serial)
{
    const struct mr_stage_piece *piece = &serial->chunk.piece;
    if (serial->mode == MR_SERIAL_WHOLE)
        return join_whole(serial);
    if (piece->last && piece->status == MR_STAGE_WANT) /* a stage must say itself what is missing */
        return mr_fault_set(&serial->chunk.fault, MR_ECORRUPT, "The body is truncated.");
    if (piece->status == MR_STAGE_WANT && piece->in_len - piece->in_used >= input_max(serial))
        return mr_fault_set(&serial->chunk.fault, MR_ECORRUPT, "%s wants too much of the body at once.",
                            serial->chunks->ops->name); /* it would never come */
    serial->is_starving = piece->status == MR_STAGE_WANT;
    serial->is_full = piece->status == MR_STAGE_FULL;
    serial->is_ended = piece->status == MR_STAGE_DONE && piece->last; /* before that only this piece is done */
    if (piece->status == MR_STAGE_OPEN)
        serial->mode = after_open(serial);
    return MR_OK;
}

void mr_serial_back(struct mr_serial *serial)
{
    MR_ON_LOOP(serial->chunks->loop);
    int err = serial->chunk.err == MR_OK ? take_in(serial) : serial->chunk.err;
    if (err != MR_OK) {
        mr_chunks_fail(serial->chunks, &serial->chunk.fault);
        return;
    }
    serial->chunk.state = CHUNK_IDLE;
    struct mr_result *result = &serial->results[serial->made % 2];
    result->len = serial->chunk.piece.out_len;
    result->passed = 0;
    mr_serial_drop(serial, serial->chunk.piece.in_used); /* what it did not use comes again */
    serial->made++;
    serial->made_len += result->len;
}

struct mr_result *mr_serial_front(struct mr_serial *serial)
{
    MR_ON_LOOP(serial->chunks->loop);
    return serial->passed < serial->made ? &serial->results[serial->passed % 2] : NULL;
}

/* Where the budget is tight nothing is kept that is not in use. */
void mr_serial_pop(struct mr_serial *serial)
{
    MR_ON_LOOP(serial->chunks->loop);
    serial->passed++;
    if (!mr_chunks_are_tight(serial->chunks))
        return;
    mr_result_close(serial->chunks, &serial->results[(serial->passed - 1) % 2]);
    if (serial->in_len == 0 && serial->chunk.state == CHUNK_IDLE)
        mr_room_close(serial->chunks, &serial->in);
}

bool mr_serial_is_idle(const struct mr_serial *serial)
{
    MR_ON_LOOP(serial->chunks->loop);
    return serial->passed == serial->made && serial->chunk.state == CHUNK_IDLE;
}

void mr_serial_end(struct mr_serial *serial)
{
    MR_ON_LOOP(serial->chunks->loop);
    serial->is_last = true;
}

void mr_serial_cancel(struct mr_serial *serial)
{
    MR_ON_LOOP(serial->chunks->loop);
    mr_chunk_cancel(&serial->chunk);
}

void mr_serial_init(struct mr_serial *serial, struct mr_chunks *chunks, struct mr_buf *backlog, uint64_t length)
{
    MR_ON_LOOP(chunks->loop);
    *serial = (struct mr_serial){.chunks = chunks, .backlog = backlog, .length = length};
    serial->mode = chunks->ops->open != NULL ? MR_SERIAL_OPENING : after_open(serial);
}

void mr_serial_clear(struct mr_serial *serial)
{
    MR_ON_LOOP(serial->chunks->loop);
    mr_room_close(serial->chunks, &serial->in);
    for (int i = 0; i < 2; i++)
        mr_result_close(serial->chunks, &serial->results[i]);
}
