/* DESIGN. One thing at a time, each begun by the end of the one before:
 *
 *      WAITING --(timer)--> READING --(chunk)--> HASHING --> WAITING ...
 *         |                    |                    |
 *         +------(stop)--------+--------------------+--> CLOSING --> OVER
 *
 * READING is a request on the scrub's thread, HASHING a job of the bulk lane. The pace is kept by waiting: what was
 * read is a debt, and a wait pays it. Only while it waits is the scrub no operation of the loop. */
#include "store/scrub.h"
#include "base/clock.h"
#include "io/syncer.h"
#include "loop/timer.h"
#include "store/fs/scrub_walk.h"
#include <stdlib.h>

#define PAUSE_NS     (86400 * MR_NS_PER_S) /* a day */
#define RETRY_NS     (100 * MR_NS_PER_MS)  /* until memory, a lock or a place in the lane is looked for again */
#define SHORTEST_NS  (10 * MR_NS_PER_MS)   /* less debt is not waited for */
#define CHUNK_MIN    (16 * MR_KIB)
#define PAGE         4096
#define CHUNKS_PER_S 8

enum scrub_state { WAITING, READING, HASHING, CLOSING, OVER };

struct mr_scrub {
    struct mr_scrub_config config;
    enum scrub_state state;
    struct mr_syncer *syncer; /* owned */
    struct mr_file_request request;
    struct mr_job job;
    struct mr_timer_list waits; /* of one timer, for as long as the present wait is */
    struct mr_timer timer;
    struct mr_scrub_walk walk;
    char *chunk;             /* owned, and charged to the memory budget; NULL: none is held */
    enum mr_scrub_step step; /* that the walk took last */
    bool has_to_hash;        /* a chunk waits for its job */
    uint64_t debt;           /* bytes that were read and not waited for */
};

static void go_on(struct mr_scrub *scrub);
static void close_files(struct mr_scrub *scrub);

static bool is_scrub_stopping(const struct mr_scrub *scrub)
{
    return atomic_load_explicit(&scrub->walk.is_stopping, memory_order_relaxed); /* set on this loop */
}

/* ---- waiting ---- */

static void on_waited(struct mr_timer *timer)
{
    go_on(mr_container_of(timer, struct mr_scrub, timer));
}

static void wait_scrub(struct mr_scrub *scrub, uint64_t ns)
{
    scrub->state = WAITING;
    mr_timer_list_close(&scrub->waits);
    mr_timer_list_open(&scrub->waits, scrub->config.loop, MR_MAX(ns, MR_NS_PER_MS), on_waited);
    mr_timer_set(&scrub->waits, &scrub->timer);
}

/* What was begun by mr_store_begin() is over. */
static void rest(struct mr_scrub *scrub, uint64_t ns)
{
    if (is_scrub_stopping(scrub)) {
        close_files(scrub);
        return;
    }
    mr_store_end(scrub->config.store, scrub->config.loop);
    wait_scrub(scrub, ns);
}

/* Until the debt is paid. */
static uint64_t time_of_debt(struct mr_scrub *scrub)
{
    uint64_t ns = (uint64_t)((double)scrub->debt * (double)MR_NS_PER_S / (double)scrub->config.rate);
    if (ns < SHORTEST_NS)
        return 0;
    scrub->debt = 0;
    return ns;
}

static uint64_t time_to_next_walk(const struct mr_scrub *scrub)
{
    /* Relaxed: written by a scrub that is no more, or by this one. */
    uint64_t due = atomic_load_explicit(&scrub->config.store->home->shared->scrub_due, memory_order_relaxed);
    uint64_t now = mr_clock_now();
    return due > now ? due - now : 0;
}

static void note_next_walk(const struct mr_scrub *scrub)
{
    uint64_t pause = scrub->config.pause_ns != 0 ? scrub->config.pause_ns : PAUSE_NS;
    atomic_store_explicit(&scrub->config.store->home->shared->scrub_due, mr_clock_now() + pause, memory_order_relaxed);
}

/* ---- memory ---- */

static bool hold_chunk(struct mr_scrub *scrub)
{
    struct mr_budget *memory = scrub->config.store->memory;
    size_t size = scrub->walk.chunk_size;
    if (mr_budget_is_tight(memory) || !mr_budget_try_take(memory, size))
        return false;
    scrub->walk.chunk = scrub->chunk = malloc(size);
    if (scrub->chunk == NULL)
        mr_budget_give_back(memory, size);
    return scrub->chunk != NULL;
}

static void release_chunk(struct mr_scrub *scrub)
{
    if (scrub->chunk == NULL)
        return;
    free(scrub->chunk);
    scrub->walk.chunk = scrub->chunk = NULL;
    mr_budget_give_back(scrub->config.store->memory, scrub->walk.chunk_size);
}

/* ---- hashing ---- */

static void on_hashed(struct mr_job *job)
{
    struct mr_scrub *scrub = mr_container_of(job, struct mr_scrub, job);
    scrub->has_to_hash = job->outcome != MR_JOB_DONE; /* it waited for too long, or the server ends */
    if (scrub->has_to_hash) {
        rest(scrub, RETRY_NS);
        return;
    }
    release_chunk(scrub);
    rest(scrub, time_of_debt(scrub));
}

static void work_hash(struct mr_job *job)
{
    mr_scrub_walk_hash(&mr_container_of(job, struct mr_scrub, job)->walk);
}

/* A request shall find the lane at least half empty. */
static void hash_chunk(struct mr_scrub *scrub)
{
    struct mr_offload *offload = scrub->config.offload;
    scrub->state = HASHING;
    scrub->job =
        (struct mr_job){.work = work_hash, .done = on_hashed, .loop = scrub->config.loop, .lane = MR_LANE_BULK};
    bool is_full = mr_offload_depth(offload, MR_LANE_BULK) > mr_offload_capacity(offload) / 2;
    if (is_scrub_stopping(scrub) || is_full || mr_offload_submit(offload, &scrub->job) != MR_OK)
        rest(scrub, RETRY_NS);
}

/* ---- reading ---- */

static void on_step(struct mr_file_request *request)
{
    struct mr_scrub *scrub = mr_container_of(request, struct mr_scrub, request);
    scrub->debt += scrub->walk.read;
    scrub->has_to_hash = scrub->step == MR_SCRUB_CHUNK;
    if (scrub->has_to_hash) {
        hash_chunk(scrub);
        return;
    }
    release_chunk(scrub);
    if (scrub->step == MR_SCRUB_OVER)
        note_next_walk(scrub);
    switch (scrub->step) {
    case MR_SCRUB_OVER:
        rest(scrub, time_to_next_walk(scrub));
        break;
    case MR_SCRUB_WAIT:
        rest(scrub, RETRY_NS);
        break;
    case MR_SCRUB_MORE:
    case MR_SCRUB_CHUNK:
        rest(scrub, time_of_debt(scrub));
        break;
    }
}

static int work_step(struct mr_file_request *request)
{
    struct mr_scrub *scrub = mr_container_of(request, struct mr_scrub, request);
    scrub->step = mr_scrub_walk_step(&scrub->walk);
    return MR_OK;
}

static void go_on(struct mr_scrub *scrub)
{
    if (!scrub->has_to_hash && !hold_chunk(scrub)) {
        wait_scrub(scrub, RETRY_NS);
        return;
    }
    mr_store_begin(scrub->config.store, scrub->config.loop);
    if (scrub->has_to_hash) {
        hash_chunk(scrub);
        return;
    }
    scrub->state = READING;
    scrub->request.done = on_step;
    mr_file_run_on(&scrub->request, scrub->syncer, work_step);
}

/* ---- the end ---- */

static int work_close_files(struct mr_file_request *request)
{
    mr_scrub_walk_close(&mr_container_of(request, struct mr_scrub, request)->walk);
    return MR_OK;
}

static void on_files_closed(struct mr_file_request *request)
{
    struct mr_scrub *scrub = mr_container_of(request, struct mr_scrub, request);
    scrub->state = OVER;
    mr_store_end(scrub->config.store, scrub->config.loop);
}

/* Of an object that was deleted the last close frees the bytes on the disk: not on the loop. */
static void close_files(struct mr_scrub *scrub)
{
    release_chunk(scrub);
    scrub->state = CLOSING;
    scrub->request.done = on_files_closed;
    mr_file_run_on(&scrub->request, scrub->syncer, work_close_files);
}

void mr_scrub_stop(struct mr_scrub *scrub)
{
    MR_ON_LOOP(scrub->config.loop);
    if (is_scrub_stopping(scrub))
        return;
    atomic_store_explicit(&scrub->walk.is_stopping, true, memory_order_relaxed);
    if (scrub->state == HASHING) {
        mr_job_cancel(&scrub->job);
    } else if (scrub->state == WAITING) {
        mr_timer_clear(&scrub->timer);
        mr_store_begin(scrub->config.store, scrub->config.loop);
        close_files(scrub);
    }
}

int mr_scrub_start(struct mr_scrub **out, const struct mr_scrub_config *config)
{
    struct mr_scrub *scrub = calloc(1, sizeof(*scrub));
    uint64_t chunk = MR_MIN(MR_MAX(config->rate / CHUNKS_PER_S, CHUNK_MIN), MR_SCRUB_CHUNK_MAX);
    *out = NULL;
    MR_ASSERT(config->rate > 0);
    if (scrub == NULL)
        return MR_EMEMORY;
    int err = mr_scrub_walk_open(&scrub->walk, config->store);
    if (err == MR_OK)
        err = mr_syncer_create(&scrub->syncer, &(struct mr_syncer_config){.name = "store-scrub"});
    if (err != MR_OK) {
        mr_scrub_walk_close(&scrub->walk);
        free(scrub);
        return err;
    }
    scrub->config = *config;
    scrub->walk.chunk_size = (size_t)chunk / PAGE * PAGE;
    mr_file_init(&scrub->request, config->loop, MR_LABEL_STORE_SCRUB, on_step);
    mr_timer_list_open(&scrub->waits, config->loop, MR_NS_PER_MS, on_waited);
    wait_scrub(scrub, time_to_next_walk(scrub));
    *out = scrub;
    return MR_OK;
}

void mr_scrub_destroy(struct mr_scrub **out)
{
    struct mr_scrub *scrub = *out;
    *out = NULL;
    if (scrub == NULL)
        return;
    MR_ASSERT(scrub->state == OVER);
    mr_timer_list_close(&scrub->waits);
    mr_syncer_destroy(&scrub->syncer);
    free(scrub);
}
