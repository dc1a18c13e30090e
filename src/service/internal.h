/* internal.h -- the service's own struct, for build.c, run.c and drain.c. No file outside src/service includes it.
 *
 * What several loops share is atomic, or read-only while they run. */
#ifndef MR_SERVICE_INTERNAL_H
#define MR_SERVICE_INTERNAL_H

#include "http/http1/server.h"
#include "loop/timer.h"
#include "service/drain.h"
#include "service/service.h"
#include "store/scrub.h"
#include <limits.h>
#include <stdatomic.h>
#include <uv.h>

#define MR_SERVICE_LOOP_MAGIC 0x736c6f70u /* "slop" */

/* One loop and what belongs to it. */
struct mr_service_loop {
    uint32_t magic;
    struct mr_service *service;
    struct mr_loop *loop;
    struct mr_server *server;
    uv_thread_t thread;                     /* of all but loop 0 */
    struct mr_inbox_node drain, cut, quiet; /* drain.c: what loop 0 tells it, and its response */
    unsigned drain_turns;                   /* that accepted more before the drain began */
    struct mr_timer_list beats;             /* run.c: gives a sign of life */
    struct mr_timer beat;
};

struct mr_service {
    const struct mr_config *config; /* borrowed */
    const struct mr_child *child;   /* borrowed: one of several processes; NULL: the only one */
    struct mr_segment *segment;     /* the child's, or owned */
    struct mr_http http;
    struct mr_app app;
    struct mr_age_keys *identities;                /* owned: of --identity; NULL: none */
    struct mr_store *store;                        /* owned; NULL: there is no --data */
    struct mr_variant_home *variants;              /* borrowed; NULL: no images are kept on the disk */
    struct mr_scrub *scrub;                        /* owned; NULL: another process scrubs, or none */
    struct mr_key_rings rings;                     /* the key files */
    bool owns_rings;                               /* or they are borrowed */
    struct mr_signing signing;                     /* where there are signing keys */
    struct mr_offload *offloads[MR_OFFLOAD_KINDS]; /* owned: that of --offload; with --lab one of each kind */
    struct mr_offload *offload;                    /* the former */
    struct mr_service_loop *loops;                 /* owned: one per --loops */
    unsigned loop_count;                           /* of those, how many were made */
    struct mr_loop *loop_list[MR_LOOPS_MAX];       /* the same, as the offload wants them */
    struct mr_http_counters *http_counters[MR_LOOPS_MAX];
    struct mr_offload_stats *offload_stats[MR_LOOPS_MAX];
    struct mr_listeners listeners;
    char throttling[PATH_MAX]; /* of the CPU quota (base/machine.h); "": there is none */

    atomic_uint loops_cut; /* drain.c: the last of them closes the offload */
    atomic_bool was_cut;   /* drain.c: on any loop there was something to abort */

    /* drain.c; loop 0 only. */
    enum mr_phase phase;
    unsigned loops_quiet;
    int signals; /* a signalfd */
    uv_poll_t signal_poll;
    uv_timer_t alarm;
    uv_work_t reload_work;
    bool is_reloading, reloads_again; /* again: a SIGHUP came meanwhile */
    void (*reload)(void);             /* on libuv's pool, after SIGHUP; or NULL */

    uint64_t beat_ns; /* run.c: how often each loop gives a sign of life; 0: it need not */
};

/* No offload takes jobs any more (mr_offload_close()). Any thread. */
void mr_service_close_offloads(struct mr_service *service);

/* Its place among the processes. */
static inline unsigned mr_service_index(const struct mr_service *service)
{
    return service->child != NULL ? service->child->index : 0;
}

#endif
