#include "pipe/chunk.h"

#include "base/assert.h"
#include "base/counter.h"
#include "base/macros.h"
#include <stdlib.h>

#define RETRY_NS (20 * MR_NS_PER_MS)

/* ---- memory ---- */

void *mr_chunks_take(struct mr_chunks *chunks, size_t size)
{
    if (!mr_budget_try_take(chunks->budget, size))
        return NULL;
    void *memory = malloc(size);
    if (memory == NULL)
        mr_budget_give_back(chunks->budget, size);
    else
        chunks->charged += size;
    return memory;
}

void mr_chunks_give_back(struct mr_chunks *chunks, void *memory, size_t size)
{
    if (memory == NULL)
        return;
    free(memory);
    chunks->charged -= size;
    mr_budget_give_back(chunks->budget, size);
}

void mr_chunks_disown(struct mr_chunks *chunks, size_t size)
{
    chunks->charged -= size;
}

void mr_chunks_own(struct mr_chunks *chunks, size_t size)
{
    chunks->charged += size;
}

/* What work() uses beside its piece, for so many jobs. False: the budget has no room for it now. */
static bool hold_work_memory(struct mr_chunks *chunks, unsigned jobs)
{
    uint64_t wanted = jobs * (uint64_t)chunks->sizes.work_memory, held = chunks->work_charged;
    if (wanted > held && !mr_budget_try_take(chunks->budget, wanted - held))
        return false;
    if (wanted < held)
        mr_budget_give_back(chunks->budget, held - wanted);
    chunks->work_charged = wanted;
    return true;
}

/* A SEQUENTIAL stage keeps it from piece to piece. */
static void give_back_work_memory(struct mr_chunks *chunks)
{
    if (chunks->ops->kind == MR_STAGE_PARALLEL)
        hold_work_memory(chunks, chunks->jobs);
}

/* ---- what goes wrong ---- */

void mr_chunks_fail(struct mr_chunks *chunks, const struct mr_fault *why)
{
    if (chunks->is_failed)
        return;
    chunks->is_failed = true;
    chunks->fault = *why;
}

int mr_chunks_refuse_for_memory(struct mr_chunks *chunks, size_t wanted, struct mr_fault *fault)
{
    mr_fault_limit(fault, MR_EBUDGET, "memory-budget", chunks->budget->limit, mr_budget_used(chunks->budget) + wanted);
    mr_offload_admit(chunks->offload, chunks->loop, MR_LANE_BULK, &fault->retry_after_s);
    if (chunks->refused != NULL)
        mr_counter_add(chunks->refused, 1);
    return MR_EBUDGET;
}

void mr_chunks_fail_for_memory(struct mr_chunks *chunks, size_t wanted)
{
    struct mr_fault fault;
    if (chunks->is_failed)
        return;
    mr_chunks_refuse_for_memory(chunks, wanted, &fault);
    mr_chunks_fail(chunks, &fault);
}

/* ---- jobs ---- */

static void run_chunk(struct mr_job *job)
{
    struct mr_chunk *chunk = mr_container_of(job, struct mr_chunk, job);
    chunk->err = chunk->call(chunk->chunks->stage, &chunk->piece, &job->cancel, &chunk->fault);
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
    chunks->has_run = true;
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
    chunks->jobs--;
    give_back_work_memory(chunks);
    chunks->retry_due = true;
    chunk->state = was_run(chunk) ? CHUNK_BACK : CHUNK_WAITING;
    chunks->wake(chunks, chunk);
}

static void on_retry(struct mr_timer *timer)
{
    struct mr_chunks *chunks = mr_container_of(timer, struct mr_chunks, retry);
    chunks->retry_due = true;
    chunks->wake(chunks, NULL);
}

/* One that comes back sees to the chunks that wait, and otherwise the clock. */
static void wait_for_room(struct mr_chunks *chunks, struct mr_chunk *chunk)
{
    chunk->state = CHUNK_WAITING;
    if (!mr_timer_is_set(&chunks->retry))
        mr_timer_set(mr_timer_list_share(chunks->loop, RETRY_NS, on_retry), &chunks->retry);
}

/* Nothing of a stream that is refused was passed on. What others hold comes back: they have timeouts. */
static bool may_wait_for_memory(struct mr_chunks *chunks)
{
    uint64_t now = mr_clock_now(), patience_ns = chunks->patience_ns;
    if (chunks->waiting_since == 0)
        chunks->waiting_since = now;
    bool is_patient = patience_ns == 0 || now - chunks->waiting_since < patience_ns;
    return chunks->jobs > 0 || (chunks->has_run && is_patient);
}

/* Is there memory for it to run? False: it waits, or the chunks have failed. */
static bool get_work_memory(struct mr_chunks *chunks, struct mr_chunk *chunk)
{
    if (hold_work_memory(chunks, chunks->jobs + 1)) {
        chunks->waiting_since = 0;
        return true;
    }
    if (may_wait_for_memory(chunks))
        wait_for_room(chunks, chunk);
    else
        mr_chunks_fail_for_memory(chunks, chunks->sizes.work_memory);
    return false;
}

void mr_chunk_submit(struct mr_chunks *chunks, struct mr_chunk *chunk, enum mr_lane lane)
{
    struct mr_fault fault;
    if (chunks->is_failed)
        return;
    chunk->chunks = chunks;
    chunk->job.work = run_chunk;
    chunk->job.done = chunk_done;
    chunk->job.loop = chunks->loop;
    chunk->job.lane = lane;
    chunk->job.run_time = chunks->run_time;
    if (!get_work_memory(chunks, chunk))
        return;
    int err = mr_offload_submit(chunks->offload, &chunk->job);
    if (err == MR_OK) {
        chunk->state = CHUNK_RUNNING;
        chunks->jobs++;
        return;
    }
    give_back_work_memory(chunks);
    if (err != MR_ESHUTDOWN) {
        wait_for_room(chunks, chunk);
        return;
    }
    mr_fault_set(&fault, err, NULL);
    mr_chunks_fail(chunks, &fault);
}

void mr_chunk_cancel(struct mr_chunk *chunk)
{
    if (chunk->state == CHUNK_RUNNING)
        mr_job_cancel(&chunk->job);
}

/* ---- life ---- */

void mr_chunks_init(struct mr_chunks *chunks)
{
    chunks->ops->sizes(chunks->stage, &chunks->sizes);
    MR_ASSERT(chunks->sizes.history <= chunks->sizes.piece);
}

void mr_chunks_stop(struct mr_chunks *chunks)
{
    mr_timer_clear(&chunks->retry);
}

void mr_chunks_clear(struct mr_chunks *chunks)
{
    MR_ASSERT(chunks->jobs == 0 && chunks->charged == 0);
    mr_timer_clear(&chunks->retry);
    hold_work_memory(chunks, 0);
}
