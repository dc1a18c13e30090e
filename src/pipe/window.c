/* DESIGN. The slots are a ring. One at a time is filled; it is handed to the workers when the first byte after it
 * arrives, or the end: only then is it known whether it is the last. Results wait in their slots until those before
 * them were passed on.
 *
 * A slot takes over the memory of one that is free, so that a stream holds what it has in flight; where the budget is
 * tight it holds no more than that. When the budget has no room for a byte more, the window is as long as it is then.
 */
#include "pipe/window.h"

#include "base/assert.h"
#include "base/macros.h"
#include <stdlib.h>
#include <string.h>

static struct mr_slot *slot_at(struct mr_window *window, uint64_t number)
{
    return &window->slots[number % window->size];
}

/* As many as streams that are at work may have now. */
static bool is_full(const struct mr_window *window)
{
    uint64_t in_use = window->filled - window->joined;
    return in_use == window->size || in_use >= mr_offload_stream_jobs(window->chunks->offload);
}

/* The one that is being filled, or NULL when none was begun. */
static struct mr_slot *filling(struct mr_window *window)
{
    if (window->filled == window->joined)
        return NULL;
    struct mr_slot *slot = slot_at(window, window->filled - 1);
    return slot->chunk.state == CHUNK_IDLE ? slot : NULL;
}

static void close_slot(struct mr_window *window, struct mr_slot *slot)
{
    mr_room_close(window->chunks, &slot->in);
    mr_result_close(window->chunks, &slot->result);
}

/* The memory of a free slot, up to but not including number `end`. */
static void take_over_memory(struct mr_window *window, struct mr_slot *slot, uint64_t end)
{
    for (uint64_t i = window->filled + 1; i < end; i++) {
        struct mr_slot *from = slot_at(window, i);
        if (from->in.bytes == NULL)
            continue;
        mr_result_close(window->chunks, &slot->result);
        slot->in = from->in;
        slot->result = from->result;
        from->in = (struct mr_room){.bytes = NULL};
        from->result = (struct mr_result){.len = 0};
        return;
    }
}

/* False: malloc failed. The last of the slots that are free may be the one before this, whose end is still needed. */
static bool get_memory(struct mr_window *window, struct mr_slot *slot, bool also_last)
{
    const struct mr_stage_sizes *sizes = &window->chunks->sizes;
    if (slot->in.bytes == NULL)
        take_over_memory(window, slot, window->joined + window->size - (also_last ? 0 : 1));
    return slot->in.bytes != NULL || mr_room_open(window->chunks, &slot->in, sizes->history + sizes->piece);
}

/* The last one in use is not done with: no free one's end is needed. */
static void close_free_slots(struct mr_window *window)
{
    for (uint64_t i = window->filled; i < window->joined + window->size; i++)
        close_slot(window, slot_at(window, i));
}

/* A slot is being filled, so that no other's end is needed: charge its first `len` bytes. False: not now. */
static bool charge(struct mr_window *window, struct mr_slot *slot, size_t len)
{
    bool is_alone = window->filled - window->joined == 1; /* else others will be free */
    if (mr_room_charge(window->chunks, &slot->in, len, false))
        return true;
    close_free_slots(window);
    if (mr_room_charge(window->chunks, &slot->in, len, is_alone))
        return true;
    if (is_alone)
        mr_chunks_wait_for_memory(window->chunks, len - slot->in.charged);
    return false;
}

/* The end of the piece before this one, whose memory may be this one's by now. */
static void copy_history(struct mr_window *window, struct mr_slot *slot)
{
    const struct mr_slot *before = slot_at(window, window->filled - 1);
    const unsigned char *from = before->in.bytes != NULL ? before->in.bytes : slot->in.bytes;
    size_t end = before->before_len + before->in_len;
    if (slot->before_len > 0)
        memmove(slot->in.bytes, from + end - slot->before_len, slot->before_len);
}

/* The chunk before this one would wait for what this one takes. */
static bool wants_memory(struct mr_window *window)
{
    const struct mr_chunk *before = &slot_at(window, window->filled - 1)->chunk;
    return window->filled > window->joined && before->state == CHUNK_WAITING && before->wants_memory;
}

/* Begin the next slot. False: the window is full, or as long as there is memory for. */
static bool begin(struct mr_window *window)
{
    const struct mr_stage_sizes *sizes = &window->chunks->sizes;
    if (is_full(window) || wants_memory(window))
        return false;
    struct mr_slot *slot = slot_at(window, window->filled);
    if (!get_memory(window, slot, true))
        return false;
    slot->before_len = window->filled == 0 ? 0 : MR_MIN(sizes->history, slot_at(window, window->filled - 1)->in_len);
    bool is_alone = window->filled == window->joined;
    if (!mr_room_charge(window->chunks, &slot->in, slot->before_len, is_alone)) {
        if (is_alone)
            mr_chunks_wait_for_memory(window->chunks, slot->before_len);
        return false;
    }
    slot->chunk.state = CHUNK_IDLE;
    copy_history(window, slot);
    slot->in_len = 0;
    window->filled++;
    return true;
}

static void dispatch(struct mr_window *window, struct mr_slot *slot, bool last)
{
    slot->chunk.call = window->chunks->ops->work;
    slot->chunk.piece = (struct mr_stage_piece){
        .index = window->filled - 1,
        .before = slot->in.bytes,
        .before_len = slot->before_len,
        .in = slot->in.bytes + slot->before_len,
        .in_len = slot->in_len,
        .last = last,
    };
    slot->chunk.result = &slot->result;
    slot->chunk.out_size = window->chunks->sizes.out_max;
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
    MR_ON_LOOP(window->chunks->loop);
    size_t taken = 0;
    while (taken < len) {
        struct mr_slot *slot = open_slot(window);
        if (slot == NULL)
            break;
        size_t part = MR_MIN(len - taken, window->chunks->sizes.piece - slot->in_len);
        size_t at = slot->before_len + slot->in_len;
        if (!charge(window, slot, at + part))
            break;
        unsigned char *to = slot->in.bytes + at;
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
    size_t history = window->filled > 0 ? window->chunks->sizes.history : 0; /* the slot before it is full */
    if (is_full(window))
        return NULL;
    if (history > 0 && slot_at(window, window->filled - 1)->in.bytes == NULL) /* its end lies in this one's memory */
        return NULL;
    struct mr_slot *slot = slot_at(window, window->filled);
    return get_memory(window, slot, history == 0) ? slot->in.bytes + history : NULL;
}

/* What is read to its place is charged when it is there. So there is no place where the budget is tight. */
void *mr_window_space(struct mr_window *window, size_t *len)
{
    MR_ON_LOOP(window->chunks->loop);
    if (mr_chunks_are_tight(window->chunks))
        return NULL;
    struct mr_slot *slot = filling(window);
    size_t taken = slot != NULL ? slot->in_len % window->chunks->sizes.piece : 0;
    unsigned char *place = taken > 0 ? slot->in.bytes + slot->before_len + taken : next_place(window);
    size_t room = window->chunks->sizes.piece - taken;
    if (place == NULL || room < *len)
        return NULL;
    *len = room;
    return place;
}

bool mr_window_has_room(struct mr_window *window)
{
    MR_ON_LOOP(window->chunks->loop);
    struct mr_slot *slot = filling(window);
    uint64_t in_use = window->filled - window->joined;
    /* Also when nothing but a full slot is there: the next byte sends it on its way, and none of it makes room before.
     */
    return (slot != NULL && (slot->in_len < window->chunks->sizes.piece || in_use == 1)) || !is_full(window);
}

void mr_window_end(struct mr_window *window)
{
    MR_ON_LOOP(window->chunks->loop);
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
    MR_ON_LOOP(window->chunks->loop);
    if (window->joined == window->filled)
        return NULL;
    struct mr_slot *slot = slot_at(window, window->joined);
    if (slot->chunk.state == CHUNK_BACK && join(window, slot) != MR_OK)
        return NULL;
    return slot->chunk.state == CHUNK_JOINED ? &slot->result : NULL;
}

void mr_window_pop(struct mr_window *window)
{
    MR_ON_LOOP(window->chunks->loop);
    struct mr_slot *slot = slot_at(window, window->joined++);
    if (!mr_chunks_are_tight(window->chunks))
        return;
    mr_result_close(window->chunks, &slot->result);
    if (window->joined < window->filled) /* else its end is still needed */
        mr_room_close(window->chunks, &slot->in);
}

void mr_window_give_result(struct mr_window *window, struct mr_result *out)
{
    MR_ON_LOOP(window->chunks->loop);
    struct mr_result *result = &slot_at(window, window->filled - 1)->result; /* no later slot took it over */
    *out = (struct mr_result){.room = result->room, .touched = result->touched};
    *result = (struct mr_result){.len = 0};
}

void mr_window_retry(struct mr_window *window)
{
    MR_ON_LOOP(window->chunks->loop);
    for (uint64_t i = window->joined; i < window->filled && !window->chunks->is_failed; i++) {
        struct mr_chunk *chunk = &slot_at(window, i)->chunk;
        if (chunk->state == CHUNK_WAITING && chunk->wants_memory)
            close_free_slots(window);
        if (chunk->state == CHUNK_WAITING)
            mr_chunk_submit(window->chunks, chunk, chunk->job.lane);
    }
}

void mr_window_cancel(struct mr_window *window)
{
    MR_ON_LOOP(window->chunks->loop);
    for (unsigned i = 0; i < window->size; i++)
        mr_chunk_cancel(&window->slots[i].chunk);
}

int mr_window_init(struct mr_window *window, struct mr_chunks *chunks, unsigned size)
{
    MR_ON_LOOP(chunks->loop);
    *window = (struct mr_window){.chunks = chunks, .size = size};
    window->slots = calloc(size, sizeof(*window->slots));
    if (window->slots != NULL)
        return MR_OK;
    window->size = 0;
    return MR_EMEMORY;
}

void mr_window_clear(struct mr_window *window)
{
    MR_ON_LOOP(window->chunks->loop);
    for (unsigned i = 0; i < window->size; i++)
        close_slot(window, &window->slots[i]);
    free(window->slots);
}
