/* DESIGN. The slots are a ring. One at a time is filled; it is handed to the workers when the first byte after it
 * arrives, or the end: only then is it known whether it is the last. Results wait in their slots until those before
 * them were passed on.
 *
 * A slot is given memory when it is first filled. When the budget has none it takes over that of a slot that is free,
 * so that the window is as long as there is memory for, and grows when there is more. */
#include "pipe/window.h"

#include "base/assert.h"
#include "base/macros.h"
#include <stdlib.h>
#include <string.h>

static struct mr_slot *slot_at(struct mr_window *window, uint64_t number)
{
    return &window->slots[number % window->size];
}

/* The one that is being filled, or NULL when none was begun. */
static struct mr_slot *filling(struct mr_window *window)
{
    if (window->filled == window->joined)
        return NULL;
    struct mr_slot *slot = slot_at(window, window->filled - 1);
    return slot->chunk.state == CHUNK_IDLE ? slot : NULL;
}

static int get_memory(struct mr_window *window, struct mr_slot *slot)
{
    const struct mr_stage_sizes *sizes = &window->chunks->sizes;
    size_t in_size = sizes->history + sizes->piece;
    if (slot->in == NULL)
        slot->in = mr_chunks_take(window->chunks, in_size);
    if (slot->result.bytes == NULL)
        slot->result.bytes = mr_chunks_take(window->chunks, sizes->out_max);
    slot->result.size = sizes->out_max;
    if (slot->in != NULL && slot->result.bytes != NULL)
        return MR_OK;
    mr_chunks_give_back(window->chunks, slot->in, in_size);
    mr_chunks_give_back(window->chunks, slot->result.bytes, sizes->out_max);
    slot->in = slot->result.bytes = NULL;
    return MR_EBUDGET;
}

/* The memory of a free slot; the one before this is the last to be asked, as its end is still needed. */
static int take_over_memory(struct mr_window *window, struct mr_slot *slot)
{
    for (uint64_t i = window->filled + 1; i < window->joined + window->size; i++) {
        struct mr_slot *from = slot_at(window, i);
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
static void copy_history(struct mr_window *window, struct mr_slot *slot)
{
    const struct mr_slot *before = slot_at(window, window->filled - 1);
    const unsigned char *from = before->in != NULL ? before->in : slot->in;
    size_t end = before->before_len + before->in_len;
    size_t len = MR_MIN(window->chunks->sizes.history, before->in_len);
    memmove(slot->in, from + end - len, len);
    slot->before_len = len;
}

/* Begin the next slot. False: the window is full, or as long as there is memory for; or there is none at all. */
static bool begin(struct mr_window *window)
{
    if (window->filled - window->joined == window->size)
        return false;
    struct mr_slot *slot = slot_at(window, window->filled);
    if (get_memory(window, slot) != MR_OK && take_over_memory(window, slot) != MR_OK) {
        if (window->filled == 0)
            mr_chunks_fail_for_memory(window->chunks, window->chunks->sizes.piece);
        return false;
    }
    slot->chunk.state = CHUNK_IDLE;
    if (window->filled > 0)
        copy_history(window, slot);
    else
        slot->before_len = 0;
    slot->in_len = 0;
    window->filled++;
    return true;
}

static void dispatch(struct mr_window *window, struct mr_slot *slot, bool last)
{
    slot->chunk.call = window->chunks->ops->work;
    slot->chunk.piece = (struct mr_stage_piece){
        .index = window->filled - 1,
        .before = slot->in,
        .before_len = slot->before_len,
        .in = slot->in + slot->before_len,
        .in_len = slot->in_len,
        .last = last,
        .out = slot->result.bytes,
        .out_size = slot->result.size,
    };
    mr_chunk_submit(window->chunks, &slot->chunk, MR_LANE_BULK);
}

/* The slot that takes the next byte, or NULL. */
static struct mr_slot *open_slot(struct mr_window *window)
{
    struct mr_slot *slot = filling(window);
    if (slot != NULL && slot->in_len < window->chunks->sizes.piece)
        return slot;
    if (slot != NULL)
        dispatch(window, slot, false);
    return !window->chunks->is_failed && begin(window) ? slot_at(window, window->filled - 1) : NULL;
}

size_t mr_window_take(struct mr_window *window, const unsigned char *bytes, size_t len)
{
    size_t taken = 0;
    while (taken < len) {
        struct mr_slot *slot = open_slot(window);
        if (slot == NULL)
            break;
        size_t part = MR_MIN(len - taken, window->chunks->sizes.piece - slot->in_len);
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
static unsigned char *next_place(struct mr_window *window)
{
    if (window->filled - window->joined == window->size)
        return NULL;
    struct mr_slot *slot = slot_at(window, window->filled);
    if (get_memory(window, slot) != MR_OK) /* that of another slot may hold what is to be copied */
        return NULL;
    return slot->in + (window->filled > 0 ? window->chunks->sizes.history : 0); /* the slot before it is full */
}

void *mr_window_space(struct mr_window *window, size_t *len)
{
    struct mr_slot *slot = filling(window);
    size_t taken = slot != NULL ? slot->in_len % window->chunks->sizes.piece : 0;
    unsigned char *place = taken > 0 ? slot->in + slot->before_len + taken : next_place(window);
    size_t room = window->chunks->sizes.piece - taken;
    if (place == NULL || room < *len)
        return NULL;
    *len = room;
    return place;
}

bool mr_window_has_room(struct mr_window *window)
{
    struct mr_slot *slot = filling(window);
    uint64_t in_use = window->filled - window->joined;
    /* Also when nothing but a full slot is there: the next byte sends it on its way, and none of it makes room before.
     */
    return (slot != NULL && (slot->in_len < window->chunks->sizes.piece || in_use == 1)) || in_use < window->size;
}

void mr_window_end(struct mr_window *window)
{
    if (window->filled == 0 && !begin(window)) /* an input of no bytes is one empty piece */
        return;
    struct mr_slot *slot = filling(window);
    MR_ASSERT(slot != NULL);
    dispatch(window, slot, true);
    window->is_ended = true;
}

static int join(struct mr_window *window, struct mr_slot *slot)
{
    const struct mr_stage_ops *ops = window->chunks->ops;
    int err = slot->chunk.err;
    if (err == MR_OK && ops->join != NULL)
        err = ops->join(window->chunks->stage, &slot->chunk.piece, &slot->chunk.fault);
    if (err != MR_OK) {
        mr_chunks_fail(window->chunks, &slot->chunk.fault);
        return err;
    }
    slot->result.len = slot->chunk.piece.out_len;
    slot->result.passed = 0;
    slot->chunk.state = CHUNK_JOINED;
    return MR_OK;
}

struct mr_result *mr_window_front(struct mr_window *window)
{
    if (window->joined == window->filled)
        return NULL;
    struct mr_slot *slot = slot_at(window, window->joined);
    if (slot->chunk.state == CHUNK_BACK && join(window, slot) != MR_OK)
        return NULL;
    return slot->chunk.state == CHUNK_JOINED ? &slot->result : NULL;
}

void mr_window_pop(struct mr_window *window)
{
    window->joined++;
}

void mr_window_give_result(struct mr_window *window, struct mr_result *out)
{
    struct mr_result *result = &slot_at(window, window->filled - 1)->result; /* no later slot took it over */
    *out = (struct mr_result){.bytes = result->bytes, .size = result->size};
    *result = (struct mr_result){.bytes = NULL};
}

void mr_window_retry(struct mr_window *window)
{
    for (uint64_t i = window->joined; i < window->filled && !window->chunks->is_failed; i++) {
        struct mr_chunk *chunk = &slot_at(window, i)->chunk;
        if (chunk->state == CHUNK_WAITING)
            mr_chunk_submit(window->chunks, chunk, chunk->job.lane);
    }
}

void mr_window_cancel(struct mr_window *window)
{
    for (unsigned i = 0; i < window->size; i++)
        mr_chunk_cancel(&window->slots[i].chunk);
}

int mr_window_init(struct mr_window *window, struct mr_chunks *chunks, unsigned size)
{
    *window = (struct mr_window){.chunks = chunks, .size = size};
    window->slots = calloc(size, sizeof(*window->slots));
    if (window->slots != NULL)
        return MR_OK;
    window->size = 0;
    return MR_EMEMORY;
}

void mr_window_clear(struct mr_window *window)
{
    const struct mr_stage_sizes *sizes = &window->chunks->sizes;
    for (unsigned i = 0; i < window->size; i++) {
        struct mr_slot *slot = &window->slots[i];
        mr_chunks_give_back(window->chunks, slot->in, sizes->history + sizes->piece);
        mr_chunks_give_back(window->chunks, slot->result.bytes, slot->result.size);
    }
    free(window->slots);
}
