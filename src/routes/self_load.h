/* self_load.h -- the load of the lab: the server submits jobs to itself (self_job.h), so many a second, for some
 * seconds, and does not wait for them before the next (an open loop). All loops of the process share the rate. And the
 * switch of the lab: which offload takes these jobs. Jobs of requests stay with the server's own.
 *
 *      due     = rate x seconds since it began: exactly that many are submitted or refused when its time is over
 *      refused = no place in the queue or the budget, or MR_SELF_JOBS_MAX of a loop are in flight
 *
 * A loop that was held catches up when it can. While its part of the load lasts, a loop has a request in flight, so
 * that the lag probe runs and a drain waits for the jobs. What is past its time goes away by itself: no timer is left
 * behind.
 *
 *                       a loop's thread   main (no loop running)
 *   create, destroy           -                   yes
 *   drain               the loop that drains       -
 *   the others               yes                   -
 */
#ifndef MR_ROUTES_SELF_LOAD_H
#define MR_ROUTES_SELF_LOAD_H

#include "app/app.h"
#include "routes/self_job.h"

#define MR_SELF_JOBS_MAX    256 /* in flight of one loop */
#define MR_SELF_RATE_MAX    1000
#define MR_SELF_SECONDS_MAX 60

struct mr_self_load;

/* What is asked for. */
struct mr_self_order {
    enum mr_self_kind kind;
    uint32_t rate;        /* jobs a second; 1 to MR_SELF_RATE_MAX */
    uint64_t duration_ns; /* up to MR_SELF_SECONDS_MAX */
};

/* How it stands. */
struct mr_self_report {
    enum mr_offload_kind offload; /* of the next job */
    uint64_t offload_left_ns;     /* until it is `workers` again; 0: it is */
    bool has_load;                /* the rest is about one, which may be over: until another begins, or it is ended */
    struct mr_self_order order;
    uint64_t left_ns;
    uint64_t submitted, done, refused, expired, in_flight;
    uint64_t run_ns; /* of all that are done */
};

/* app: has the offloads of the lab; borrowed. MR_OK, MR_EMEMORY, or why a stage cannot work here. */
int mr_self_load_create(struct mr_self_load **out, const struct mr_app *app);
void mr_self_load_destroy(struct mr_self_load **load); /* no job is in flight */

void mr_self_load_switch(struct mr_self_load *load, enum mr_offload_kind kind, uint64_t duration_ns);
/* Instead of the one before, whose jobs are cancelled. */
void mr_self_load_begin(struct mr_self_load *load, const struct mr_self_order *order);
void mr_self_load_end(struct mr_self_load *load);
void mr_self_load_read(struct mr_self_load *load, struct mr_self_report *out);
/* The loop's part of it ends now, and none begins there. */
void mr_self_load_drain(struct mr_self_load *load, struct mr_loop *loop);

#endif
