/* DESIGN. The slots are a ring. One at a time is filled; it is handed to the workers when the first byte after it
 * arrives, or the end: only then is it known whether it is the last. Results wait in their slots until those before
 * them were passed on.
 *
 * A slot is given memory when it is first filled. When the budget has none it takes over that of a slot that is free,
 * so that the window is as long as there is memory for, and grows when there is more. */
#include "base/assert.h"
#include "pipe/transform_internal.h"
#include <string.h>

static struct mr_slot *slot_at(struct mr_transform *transform, uint64_t number)
{
    return &transform->slots[number % transform->config.window];
}

/* The one that is being filled, or NULL when none was begun. */
static struct mr_slot *filling(struct mr_transform *transform)
{
    if (transform->filled == transform->joined)
        return NULL;
    struct mr_slot *slot = slot_at(transform, transform->filled - 1);
    return slot->work.state == JOB_IDLE ? slot : NULL;
}

static int get_memory(struct mr_transform *transform, struct mr_slot *slot)
{
    const struct mr_stage_sizes *sizes = &transform->sizes;
    size_t in_size = sizes->history + sizes->piece;
    if (slot->in == NULL)
        slot->in = mr_transform_take(transform, in_size);
    if (slot->result.bytes == NULL)
        slot->result.bytes = mr_transform_take(transform, sizes->out_max);
    slot->result.size = sizes->out_max;
    if (slot->in != NULL && slot->result.bytes != NULL)
        return MR_OK;
    mr_transform_give_back(transform, slot->in, in_size);
    mr_transform_give_back(transform, slot->result.bytes, sizes->out_max);
    slot->in = slot->result.bytes = NULL;
    return MR_EBUDGET;
}

/* The memory of a free slot; the one before this is the last to be asked, as its end is still needed. */
static int take_over_memory(struct mr_transform *transform, struct mr_slot *slot)
{
    for (uint64_t i = transform->filled + 1; i < transform->joined + transform->config.window; i++) {
        struct mr_slot *from = slot_at(transform, i);
        if (from->in == NULL)
            continue;
        slot->in = from->in;
        slot->result = from->result;
        from->in = NULL;
        from->result = (struct mr_result){.bytes = NULL};
        return MR_OK;
    }
    return MR_EBUDGET;
}

/* The end of the piece before this one, whose memory may be this one's by now. */
static void copy_history(struct mr_transform *transform, struct mr_slot *slot)
{
    const struct mr_slot *before = slot_at(transform, transform->filled - 1);
    const unsigned char *from = before->in != NULL ? before->in : slot->in;
    size_t end = before->before_len + before->in_len;
    size_t len = MR_MIN(transform->sizes.history, before->in_len);
    memmove(slot->in, from + end - len, len);
    slot->before_len = len;
}

/* Begin the next slot. False: the window is full, or as long as there is memory for; or there is none at all. */
static bool begin(struct mr_transform *transform)
{
    if (transform->filled - transform->joined == transform->config.window)
        return false;
    struct mr_slot *slot = slot_at(transform, transform->filled);
    if (get_memory(transform, slot) != MR_OK && take_over_memory(transform, slot) != MR_OK) {
        if (transform->filled == 0)
            mr_transform_fail_for_memory(transform, transform->sizes.piece);
        return false;
    }
    slot->work.state = JOB_IDLE;
    if (transform->filled > 0)
        copy_history(transform, slot);
    else
        slot->before_len = 0;
    slot->in_len = 0;
    transform->filled++;
    return true;
}

static void dispatch(struct mr_transform *transform, struct mr_slot *slot, bool last)
{
    slot->work.transform = transform;
    slot->work.call = transform->config.ops->work;
    slot->work.piece = (struct mr_stage_piece){
        .index = transform->filled - 1,
        .before = slot->in,
        .before_len = slot->before_len,
        .in = slot->in + slot->before_len,
        .in_len = slot->in_len,
        .last = last,
        .out = slot->result.bytes,
        .out_size = slot->result.size,
    };
    mr_transform_submit(transform, &slot->work, MR_LANE_BULK);
}

/* The slot that takes the next byte, or NULL. */
static struct mr_slot *open_slot(struct mr_transform *transform)
{
    struct mr_slot *slot = filling(transform);
    if (slot != NULL && slot->in_len < transform->sizes.piece)
        return slot;
    if (slot != NULL)
        dispatch(transform, slot, false);
    return transform->state != TRANSFORM_OVER && begin(transform) ? slot_at(transform, transform->filled - 1) : NULL;
}

size_t mr_window_take(struct mr_transform *transform, const unsigned char *bytes, size_t len)
{
    size_t taken = 0;
    while (taken < len) {
        struct mr_slot *slot = open_slot(transform);
        if (slot == NULL)
            break;
        size_t part = MR_MIN(len - taken, transform->sizes.piece - slot->in_len);
        unsigned char *to = slot->in + slot->before_len + slot->in_len;
        if (to != bytes + taken) /* it was read to its place */
            memcpy(to, bytes + taken, part);
        slot->in_len += part;
        taken += part;
    }
    return taken;
}

/* Where the byte after a full slot will lie. It begins a slot when it is there, and not before: then the end of the
 * slot before it is copied in front of it. */
static unsigned char *next_place(struct mr_transform *transform)
{
    if (transform->filled - transform->joined == transform->config.window)
        return NULL;
    struct mr_slot *slot = slot_at(transform, transform->filled);
    if (get_memory(transform, slot) != MR_OK) /* that of another slot may hold what is to be copied */
        return NULL;
    return slot->in + (transform->filled > 0 ? transform->sizes.history : 0); /* the slot before it is full */
}

void *mr_window_space(struct mr_transform *transform, size_t *len)
{
    struct mr_slot *slot = filling(transform);
    size_t taken = slot != NULL ? slot->in_len % transform->sizes.piece : 0;
    unsigned char *place = taken > 0 ? slot->in + slot->before_len + taken : next_place(transform);
    size_t room = transform->sizes.piece - taken;
    if (place == NULL || room < *len)
        return NULL;
    *len = room;
    return place;
}

bool mr_window_have_room(struct mr_transform *transform)
{
    struct mr_slot *slot = filling(transform);
    uint64_t in_use = transform->filled - transform->joined;
    /* Also when nothing but a full slot is there: the next byte sends it on its way, and none of it makes room before.
     */
    return (slot != NULL && (slot->in_len < transform->sizes.piece || in_use == 1)) ||
           in_use < transform->config.window;
}

bool mr_window_end(struct mr_transform *transform)
{
    if (transform->filled == 0 && !begin(transform)) /* an input of no bytes is one empty piece */
        return false;
    struct mr_slot *slot = filling(transform);
    MR_ASSERT(slot != NULL);
    dispatch(transform, slot, true);
    return true;
}

static int join(struct mr_transform *transform, struct mr_slot *slot)
{
    const struct mr_stage_ops *ops = transform->config.ops;
    struct mr_fault fault;
    int err = slot->work.err;
    if (err == MR_OK && ops->join != NULL)
        err = ops->join(transform->config.stage, &slot->work.piece, &slot->work.fault);
    if (err != MR_OK) {
        fault = slot->work.fault;
        mr_transform_fail(transform, &fault);
        return err;
    }
    slot->result.len = slot->work.piece.out_len;
    slot->result.passed = 0;
    slot->work.state = JOB_JOINED;
    return MR_OK;
}

bool mr_window_pass(struct mr_transform *transform)
{
    while (transform->joined < transform->filled && !transform->blocked && transform->state != TRANSFORM_OVER) {
        struct mr_slot *slot = slot_at(transform, transform->joined);
        if (slot->work.state == JOB_BACK && join(transform, slot) != MR_OK)
            return false;
        if (slot->work.state != JOB_JOINED || !mr_transform_pass(transform, &slot->result))
            return false;
        transform->joined++;
    }
    return transform->joined == transform->filled;
}

void mr_window_give_result(struct mr_transform *transform, struct mr_result *out)
{
    struct mr_result *result = &slot_at(transform, transform->filled - 1)->result; /* no later slot took it over */
    *out = (struct mr_result){.bytes = result->bytes, .size = result->size};
    *result = (struct mr_result){.bytes = NULL};
}

void mr_window_retry(struct mr_transform *transform)
{
    for (uint64_t i = transform->joined; i < transform->filled && transform->state != TRANSFORM_OVER; i++) {
        struct mr_chunk *work = &slot_at(transform, i)->work;
        if (work->state == JOB_WAITING)
            mr_transform_submit(transform, work, work->job.lane);
    }
}

void mr_window_cancel(struct mr_transform *transform)
{
    for (unsigned i = 0; transform->slots != NULL && i < transform->config.window; i++)
        if (transform->slots[i].work.state == JOB_RUNNING)
            mr_job_cancel(&transform->slots[i].work.job);
}

void mr_window_free(struct mr_transform *transform)
{
    const struct mr_stage_sizes *sizes = &transform->sizes;
    for (unsigned i = 0; transform->slots != NULL && i < transform->config.window; i++) {
        struct mr_slot *slot = &transform->slots[i];
        mr_transform_give_back(transform, slot->in, sizes->history + sizes->piece);
        mr_transform_give_back(transform, slot->result.bytes, slot->result.size);
    }
}
