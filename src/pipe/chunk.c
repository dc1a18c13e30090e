#include "pipe/chunk.h"

#include "base/assert.h"
#include "base/counter.h"
#include "base/macros.h"
#include <stdlib.h>

#define RETRY_NS (20 * MR_NS_PER_MS)
#define PAGE     ((size_t)4096) /* what memory is touched in */

/* ---- memory ---- */

bool mr_room_open(struct mr_chunks *chunks, struct mr_room *room, size_t size)
{
    MR_ON_LOOP(chunks->loop);
    struct mr_fault fault;
    *room = (struct mr_room){.bytes = malloc(size), .size = size};
    if (room->bytes != NULL)
        return true;
    *room = (struct mr_room){.bytes = NULL};
    mr_fault_set(&fault, MR_EMEMORY, NULL);
    mr_chunks_fail(chunks, &fault);
    return false;
}

static size_t whole_pages(const struct mr_room *room, size_t len)
{
    return MR_MIN(room->size, (len + PAGE - 1) / PAGE * PAGE);
}

static bool take(struct mr_chunks *chunks, uint64_t bytes, bool is_pressed)
{
    return is_pressed ? mr_budget_try_take(chunks->budget, bytes) : mr_budget_try_grow(chunks->budget, bytes);
}

bool mr_room_charge(struct mr_chunks *chunks, struct mr_room *room, size_t len, bool is_pressed)
{
    MR_ON_LOOP(chunks->loop);
    if (len <= room->charged)
        return true;
    size_t more = whole_pages(room, len) - room->charged;
    if (!take(chunks, more, is_pressed))
        return false;
    room->charged += more;
    chunks->charged += more;
    chunks->waiting_since = 0;
    return true;
}

/* Down to the first `len` bytes. */
static void uncharge(struct mr_chunks *chunks, struct mr_room *room, size_t len)
{
    size_t left = whole_pages(room, len);
    if (left >= room->charged)
        return;
    mr_budget_give_back(chunks->budget, room->charged - left);
    chunks->charged -= room->charged - left;
    room->charged = left;
}

void mr_room_leave(struct mr_chunks *chunks, const struct mr_room *room)
{
    MR_ON_LOOP(chunks->loop);
    chunks->charged -= room->charged;
}

void mr_room_return(struct mr_chunks *chunks, const struct mr_room *room)
{
    MR_ON_LOOP(chunks->loop);
    chunks->charged += room->charged;
}

void mr_room_close(struct mr_chunks *chunks, struct mr_room *room)
{
    MR_ON_LOOP(chunks->loop);
    if (room->bytes == NULL)
        return;
    uncharge(chunks, room, 0);
    free(room->bytes);
    *room = (struct mr_room){.bytes = NULL};
}

void mr_result_close(struct mr_chunks *chunks, struct mr_result *result)
{
    mr_room_close(chunks, &result->room);
    *result = (struct mr_result){.len = 0};
}

bool mr_chunks_are_tight(const struct mr_chunks *chunks)
{
    MR_ON_LOOP(chunks->loop);
    return mr_budget_is_tight(chunks->budget);
}

/* What work() uses beside its piece. False: the budget has no room for it now. */
static bool hold_work_memory(struct mr_chunks *chunks, uint64_t wanted)
{
    uint64_t held = chunks->work_charged;
    if (wanted > held && !take(chunks, wanted - held, chunks->jobs == 0))
        return false;
    if (wanted < held)
        mr_budget_give_back(chunks->budget, held - wanted);
    chunks->work_charged = wanted;
    return true;
}

static uint64_t work_memory(const struct mr_chunks *chunks, unsigned jobs)
{
    return jobs * (uint64_t)chunks->sizes.work_memory;
}

/* After a job, or when one did not start. A SEQUENTIAL stage keeps it from piece to piece. */
static void give_back_work_memory(struct mr_chunks *chunks)
{
    if (chunks->ops->kind == MR_STAGE_PARALLEL)
        hold_work_memory(chunks, work_memory(chunks, chunks->jobs));
}

/* ---- what goes wrong ---- */

void mr_chunks_fail(struct mr_chunks *chunks, const struct mr_fault *why)
{
    MR_ON_LOOP(chunks->loop);
    if (chunks->is_failed)
        return;
    chunks->is_failed = true;
    chunks->fault = *why;
}

int mr_chunks_refuse_for_memory(struct mr_chunks *chunks, size_t wanted, struct mr_fault *fault)
{
    MR_ON_LOOP(chunks->loop);
    mr_fault_limit(fault, MR_EBUDGET, "memory-budget", chunks->budget->limit, mr_budget_used(chunks->budget) + wanted);
    mr_offload_admit(chunks->offload, chunks->loop, MR_LANE_BULK, &fault->retry_after_s);
    if (chunks->refused != NULL)
        mr_counter_add(chunks->refused, 1);
    return MR_EBUDGET;
}

void mr_chunks_fail_for_memory(struct mr_chunks *chunks, size_t wanted)
{
    MR_ON_LOOP(chunks->loop);
    struct mr_fault fault;
    if (chunks->is_failed)
        return;
    mr_chunks_refuse_for_memory(chunks, wanted, &fault);
    mr_chunks_fail(chunks, &fault);
}

/* ---- jobs ---- */

static void give_back_memory(struct mr_chunks *chunks, struct mr_chunk *chunk)
{
    give_back_work_memory(chunks);
    uncharge(chunks, &chunk->result->room, chunk->result->touched);
}

static void run_chunk(struct mr_job *job)
{
    struct mr_chunk *chunk = mr_container_of(job, struct mr_chunk, job);
    chunk->err = chunk->call(chunk->chunks->stage, &chunk->piece, &job->cancel, &chunk->fault);
    job->has_failed = chunk->err != MR_OK && chunk->err != MR_ECANCELLED;
}

/* False: it waited too long for a worker and is tried again; the client has a timeout of its own. */
static bool was_run(struct mr_chunk *chunk)
{
    struct mr_chunks *chunks = chunk->chunks;
    const struct mr_job *job = &chunk->job;
    if (job->outcome == MR_JOB_EXPIRED)
        return false;
    if (job->outcome != MR_JOB_DONE) {
        chunk->err = mr_fault_set(&chunk->fault, MR_ESHUTDOWN, NULL);
        return true;
    }
    chunks->runs++;
    chunk->result->touched = MR_MAX(chunk->result->touched, chunk->piece.out_len);
    chunks->work_ns += job->finished_at - job->started_at;
    chunks->wait_ns += job->started_at - job->submitted_at;
    if (chunk->err == MR_ECANCELLED) /* if the stream is still wanted it was the end of the server */
        chunk->err = mr_fault_set(&chunk->fault, MR_ESHUTDOWN, NULL);
    else if (chunk->err != MR_OK && chunks->failed != NULL)
        mr_counter_add(chunks->failed, 1);
    return true;
}

static void chunk_done(struct mr_job *job)
{
    struct mr_chunk *chunk = mr_container_of(job, struct mr_chunk, job);
    struct mr_chunks *chunks = chunk->chunks;
    if (--chunks->jobs == 0)
        mr_offload_stream_end(chunks->offload);
    chunks->retry_due = true;
    chunk->state = was_run(chunk) ? CHUNK_BACK : CHUNK_WAITING;
    give_back_memory(chunks, chunk);
    chunks->wake(chunks, chunk);
}

static void on_retry(struct mr_timer *timer)
{
    struct mr_chunks *chunks = mr_container_of(timer, struct mr_chunks, retry);
    chunks->retry_due = true;
    chunks->wake(chunks, NULL);
}

static void try_later(struct mr_chunks *chunks)
{
    if (!mr_timer_is_set(&chunks->retry))
        mr_timer_set(mr_timer_list_share(chunks->loop, RETRY_NS, on_retry), &chunks->retry);
}

/* One that comes back sees to the chunks that wait, and otherwise the clock. */
static void wait_for_room(struct mr_chunks *chunks, struct mr_chunk *chunk)
{
    chunk->state = CHUNK_WAITING;
    try_later(chunks);
}

/* Nothing of a stream that is refused was passed on. What others hold comes back: they have timeouts. */
static bool may_wait_for_memory(struct mr_chunks *chunks)
{
    uint64_t now = mr_clock_now(), patience_ns = chunks->patience_ns;
    if (chunks->waiting_since == 0)
        chunks->waiting_since = now;
    bool is_patient = patience_ns == 0 || now - chunks->waiting_since < patience_ns;
    return chunks->jobs > 0 || (chunks->runs > 0 && is_patient);
}

void mr_chunks_wait_for_memory(struct mr_chunks *chunks, size_t wanted)
{
    MR_ON_LOOP(chunks->loop);
    if (may_wait_for_memory(chunks))
        try_later(chunks);
    else
        mr_chunks_fail_for_memory(chunks, wanted);
}

/* Is there memory for it to run? False: it waits, or the chunks have failed. */
static bool get_memory(struct mr_chunks *chunks, struct mr_chunk *chunk)
{
    struct mr_room *room = &chunk->result->room;
    if (room->size < chunk->out_size) {
        mr_result_close(chunks, chunk->result);
        if (!mr_room_open(chunks, room, chunk->out_size))
            return false;
    }
    if (hold_work_memory(chunks, work_memory(chunks, chunks->jobs + 1)) &&
        mr_room_charge(chunks, room, chunk->out_size, chunks->jobs == 0)) {
        chunks->waiting_since = 0;
        chunk->wants_memory = false;
        return true;
    }
    give_back_memory(chunks, chunk);
    chunk->wants_memory = true;
    chunk->state = CHUNK_WAITING;
    mr_chunks_wait_for_memory(chunks, chunks->sizes.work_memory + chunk->out_size);
    return false;
}

static void note_job_out(struct mr_chunks *chunks)
{
    if (chunks->jobs++ == 0)
        mr_offload_stream_begin(chunks->offload);
    if (chunks->is_held)
        return;
    chunks->is_held = true;
    if (chunks->hold != NULL)
        chunks->hold(chunks->context);
}

void mr_chunk_submit(struct mr_chunks *chunks, struct mr_chunk *chunk, enum mr_lane lane)
{
    MR_ON_LOOP(chunks->loop);
    struct mr_fault fault;
    if (chunks->is_failed)
        return;
    chunk->chunks = chunks;
    chunk->job.work = run_chunk;
    chunk->job.done = chunk_done;
    chunk->job.loop = chunks->loop;
    chunk->job.lane = lane;
    chunk->job.run_time = chunks->run_time;
    chunk->job.expected_ns = chunks->runs > 0 ? chunks->work_ns / chunks->runs : 0;
    if (!get_memory(chunks, chunk))
        return;
    chunk->piece.out = chunk->result->room.bytes;
    chunk->piece.out_size = chunk->out_size;
    int err = mr_offload_submit(chunks->offload, &chunk->job);
    if (err == MR_OK) {
        chunk->state = CHUNK_RUNNING;
        note_job_out(chunks);
        return;
    }
    give_back_memory(chunks, chunk);
    if (err != MR_ESHUTDOWN) {
        wait_for_room(chunks, chunk);
        return;
    }
    mr_fault_set(&fault, err, NULL);
    mr_chunks_fail(chunks, &fault);
}

bool mr_chunks_are_back(struct mr_chunks *chunks)
{
    MR_ON_LOOP(chunks->loop);
    bool are_back = chunks->is_held && chunks->jobs == 0;
    if (are_back)
        chunks->is_held = false;
    return are_back;
}

void mr_chunk_cancel(struct mr_chunk *chunk)
{
    if (chunk->state == CHUNK_RUNNING)
        mr_job_cancel(&chunk->job);
}

/* ---- life ---- */

void mr_chunks_init(struct mr_chunks *chunks)
{
    MR_ON_LOOP(chunks->loop);
    chunks->ops->sizes(chunks->stage, &chunks->sizes);
    MR_ASSERT(chunks->sizes.history <= chunks->sizes.piece);
}

void mr_chunks_stop(struct mr_chunks *chunks)
{
    MR_ON_LOOP(chunks->loop);
    mr_timer_clear(&chunks->retry);
}

void mr_chunks_clear(struct mr_chunks *chunks)
{
    MR_ON_LOOP(chunks->loop);
    MR_ASSERT(chunks->jobs == 0 && chunks->charged == 0);
    mr_timer_clear(&chunks->retry);
    hold_work_memory(chunks, 0);
}
