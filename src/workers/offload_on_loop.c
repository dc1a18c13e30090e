/* --offload=none and inline: the loop runs its jobs itself, and all its clients wait. That is their purpose: to show
 * what the others are for. Between two polls `none` runs one job, and `inline` all that are ready, as a server does
 * whose handlers compute: there the sockets are looked at when nothing is left to compute. Of several loops each runs
 * its own jobs only: one that has a thread to itself for each connection (millrace-bench serve-threads) computes for
 * that connection and no other. */
#include "base/assert.h"
#include "workers/offload_internal.h"
#include <stdlib.h>

struct turn {         /* of one loop; freed in its close callback */
    uv_idle_t handle; /* active while jobs wait: libuv calls it once a turn and does not wait in poll */
    struct mr_offload *offload;
    unsigned loop_index;
};

/* False: there was none. */
static bool run_next_job(struct turn *turn)
{
    struct mr_offload *offload = turn->offload;
    struct mr_runner *runner = &offload->runners[turn->loop_index];
    struct mr_loop *loop = offload->loops[turn->loop_index].loop;
    uint64_t started = mr_loop_enter(loop);
    struct mr_job *job = mr_lanes_take(&offload->lanes, &runner->picker);

    if (job != NULL) {
        mr_loop_note(loop, &job->note);
        mr_offload_run(offload, runner, job);
    }
    mr_loop_leave(loop, MR_LABEL_JOB, started);
    return job != NULL;
}

/* Of `inline` at most as many jobs as the queue holds: what they bring about is for a later turn. */
static void on_turn(uv_idle_t *handle)
{
    struct turn *turn = mr_container_of(handle, struct turn, handle);
    bool ran;

    do
        ran = run_next_job(turn);
    while (ran && turn->offload->ops->empties_lanes);
    if (!ran)
        uv_idle_stop(handle);
}

static void give_turn(struct mr_offload *offload, unsigned loop_index)
{
    struct turn *turn = offload->loops[loop_index].turns;
    uv_idle_start(&turn->handle, on_turn);
}

static int start(struct mr_offload *offload)
{
    for (unsigned i = 0; i < offload->config.loop_count; i++) {
        struct turn *turn = calloc(1, sizeof(*turn));
        if (turn == NULL)
            return MR_EMEMORY;
        turn->offload = offload;
        turn->loop_index = i;
        uv_idle_init(mr_loop_uv(offload->loops[i].loop), &turn->handle);
        offload->runners[i].picker = (struct mr_picker){.own_only = true, .turn = i};
        offload->loops[i].turns = turn;
    }
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    free(mr_container_of(handle, struct turn, handle));
}

static void stop(struct mr_offload *offload)
{
    for (unsigned i = 0; i < offload->config.loop_count; i++) {
        struct turn *turn = offload->loops[i].turns;
        if (turn != NULL)
            uv_close((uv_handle_t *)&turn->handle, on_closed); /* mr_loop_destroy() lets it come */
    }
}

const struct mr_offload_ops mr_offload_ops_none = {
    .is_on_loop = true, .start = start, .give_turn = give_turn, .stop = stop};

const struct mr_offload_ops mr_offload_ops_inline = {
    .is_on_loop = true, .empties_lanes = true, .start = start, .give_turn = give_turn, .stop = stop};
