/* --offload=libuv: each submitted job queues a token on libuv's pool; whichever thread gets it runs the next job of the
 * lanes.
 *
 * A token is not part of a job: as lanes overtake each other it may outlive the job it was queued for.
 *
 * Turns and jobs are equally many, so a turn that finds no job it may run (the heavy limit is reached) must not be
 * lost: it is banked, and the thread that makes room for a heavy job takes it over. Banking is the prepare, and taking
 * over the wake-up, of an eventcount (parking.h): count first and look again; make room first and then count. */
#include "base/assert.h"
#include "base/atomic.h"
#include "workers/offload_internal.h"
#include <stdio.h>
#include <stdlib.h>

#define POOL_MAX 1024 /* threads that libuv's pool ever has */

struct token {
    uv_work_t request;
    struct mr_offload *offload;
    struct token_stack *home;
    struct token *next;
};

struct token_stack { /* of one loop, its own */
    struct token *unused;
    unsigned queued;
};

/* libuv's threads live as long as the process; each is given its place at its first job. */
static struct mr_runner *runner_of_this_thread(struct mr_offload *offload)
{
    static _Atomic unsigned places;
    static _Thread_local unsigned place; /* counted from 1 */

    if (place == 0)
        place = 1 + mr_fetch_add(&places, 1, relaxed);
    MR_ASSERT(place <= offload->runner_count);
    return &offload->runners[place - 1];
}

/* Take back a banked turn, if there is one. Release: what the bankers look at after they counted themselves (room for
 * a heavy job) is published; acquire: so is what they saw before (the job). A swap also when there is none. */
static bool unbank_turn(struct mr_offload *offload)
{
    unsigned seen = mr_load(&offload->banked, relaxed);

    while (!mr_compare_swap(&offload->banked, &seen, seen > 0 ? seen - 1 : 0, acq_rel, relaxed))
        ;
    return seen > 0;
}

static struct mr_job *take_or_bank_turn(struct mr_offload *offload, struct mr_runner *runner)
{
    struct mr_job *job = mr_lanes_take(&offload->lanes, &runner->picker);
    if (job != NULL)
        return job;
    mr_fetch_add(&offload->banked, 1, acq_rel);
    job = mr_lanes_take(&offload->lanes, &runner->picker);
    if (job != NULL)
        unbank_turn(offload); /* if it is gone, somebody looks in our place: one look too many */
    return job;
}

static void on_turn(uv_work_t *request)
{
    struct mr_offload *offload = mr_container_of(request, struct token, request)->offload;
    struct mr_runner *runner = runner_of_this_thread(offload);
    bool again;

    do {
        struct mr_job *job = take_or_bank_turn(offload, runner);
        if (job != NULL)
            mr_offload_run(offload, runner, job);
        again = runner->picker.heavy_freed && unbank_turn(offload);
        runner->picker.heavy_freed = false;
    } while (again);
}

static void on_token_back(uv_work_t *request, int status)
{
    struct token *token = mr_container_of(request, struct token, request);

    (void)status; /* never cancelled */
    token->next = token->home->unused;
    token->home->unused = token;
    token->home->queued--;
}

static struct token *unused_token(struct mr_offload *offload, struct token_stack *home)
{
    struct token *token = home->unused;

    if (token != NULL) {
        home->unused = token->next;
        return token;
    }
    /* As many as jobs were ever in flight at once; then no more. */
    token = calloc(1, sizeof(*token));
    MR_ASSERT(token != NULL);
    token->offload = offload;
    token->home = home;
    return token;
}

static void give_turn(struct mr_offload *offload, unsigned loop_index)
{
    struct token_stack *home = offload->loops[loop_index].turns;
    struct token *token = unused_token(offload, home);

    home->queued++;
    int err = uv_queue_work(mr_loop_uv(offload->loops[loop_index].loop), &token->request, on_turn, on_token_back);
    MR_ASSERT(err == 0);
}

/* libuv reads the size of its pool from the environment when it queues its first work: the offload is to be created
 * before. */
static int start(struct mr_offload *offload)
{
    char size[16];

    snprintf(size, sizeof(size), "%u", offload->config.workers);
    setenv("UV_THREADPOOL_SIZE", size, 1);
    for (unsigned i = 0; i < offload->config.loop_count; i++) {
        offload->loops[i].turns = calloc(1, sizeof(struct token_stack));
        if (offload->loops[i].turns == NULL)
            return MR_EMEMORY;
    }
    return 0;
}

/* A job may be back before the token whose turn ran it: the loops run on until the tokens are back too. */
static void stop(struct mr_offload *offload)
{
    for (unsigned i = 0; i < offload->config.loop_count; i++) {
        struct token_stack *home = offload->loops[i].turns;
        while (home != NULL && home->queued > 0)
            uv_run(mr_loop_uv(offload->loops[i].loop), UV_RUN_ONCE);
        while (home != NULL && home->unused != NULL) {
            struct token *token = home->unused;
            home->unused = token->next;
            free(token);
        }
        free(home);
    }
}

/* The pool may be larger than asked for, if it was started before. */
const struct mr_offload_ops mr_offload_ops_libuv = {
    .runners = POOL_MAX, .start = start, .give_turn = give_turn, .stop = stop};
