/* service.h -- the whole server, built from a config: loops on threads, the offload, a server per loop, listeners,
 * routes; its start, its drain, its end.
 *
 *      create -> listen -> run (until SIGTERM or SIGINT) -> destroy
 *
 * The main thread calls these; run() is loop 0. What several loops share is atomic or read-only while they run. The
 * struct is public to the files of service/ (the handlers find it through request->http->service) and to nobody else.
 */
#ifndef MR_SERVICE_SERVICE_H
#define MR_SERVICE_SERVICE_H

#include "base/budget.h"
#include "base/histogram.h"
#include "http/http.h"
#include "http/http1/server.h"
#include "http/request.h"
#include "loop/loop.h"
#include "media/age/age_keys.h"
#include "media/image/image.h"
#include "pipe/pipeline.h"
#include "routes/events.h"
#include "service/config.h"
#include "stats/figures.h"
#include "stats/segment.h"
#include "supervisor/cluster.h"
#include "supervisor/listeners.h"
#include "workers/offload.h"
#include <stdatomic.h>
#include <uv.h>

/* One loop and what belongs to it. */
struct mr_service_loop {
    struct mr_service *service;
    struct mr_loop *loop;
    struct mr_server *server;
    uv_thread_t thread;                     /* of all but loop 0 */
    struct mr_events events;                /* who listens to the live figures */
    struct mr_loop_numbers *numbers;        /* borrowed: in the segment */
    struct mr_inbox_node drain, cut, quiet; /* drain.c: what loop 0 tells it, and what it answers */
    unsigned drain_turns;                   /* that accepted more before the drain began */
};

/* How far the way out is: drain.c. */
enum mr_phase {
    MR_PHASE_SERVING,
    MR_PHASE_LEAVING,  /* /readyz says no, answers say Connection: close; still accepting */
    MR_PHASE_DRAINING, /* the listeners are closed, what is in flight goes on */
    MR_PHASE_CUTTING,  /* the time is up: what is left was cut */
    MR_PHASE_OVER,
};

struct mr_service {
    const struct mr_config *config; /* borrowed */
    const struct mr_child *child;   /* borrowed: one of several processes; NULL: the only one */
    struct mr_segment *segment;     /* the child's, or owned */
    struct mr_http http;
    struct mr_budget *memory; /* borrowed: in the segment */
    struct mr_image_limits image_limits;
    struct mr_age_keys *identities; /* owned: of --identity; NULL: none */
    struct mr_offload *offload;
    struct mr_figures_source source;
    struct mr_service_loop *loops;           /* owned: one per --loops */
    unsigned loop_count;                     /* of those, how many were made */
    struct mr_loop *loop_list[MR_LOOPS_MAX]; /* the same, as the offload wants them */
    struct mr_http_counters *http_counters[MR_LOOPS_MAX];
    struct mr_offload_stats *offload_stats[MR_LOOPS_MAX];
    struct mr_listeners listeners;
    char *version_json, *stages_json; /* owned: GET /version and GET /pipe never change */

    atomic_uint loops_cut; /* drain.c: the last of them closes the offload */
    atomic_bool was_cut;   /* drain.c: on any loop there was something to cut */

    /* drain.c; loop 0 only. */
    enum mr_phase phase;
    unsigned loops_quiet;
    int signals; /* a signalfd */
    uv_poll_t signal_poll;
    uv_timer_t alarm;
    uv_work_t reload;
    bool is_reloading;
    void (*reload_config)(struct mr_service *service); /* on libuv's pool, after SIGHUP; or NULL */
};

/* All but the listeners. *config and *child, if there is one, must outlive it. MR_OK, or the fault's detail is for a
 * person. */
int mr_service_create(struct mr_service **out, const struct mr_config *config, const struct mr_child *child,
                      struct mr_fault *fault);
/* Accept on the child's listeners; or open them (listeners.h), with `passed` descriptors from the service manager. */
int mr_service_listen(struct mr_service *service, unsigned passed, struct mr_fault *fault);
/* Serve until told to end. 0: drained; 1: something was cut. */
int mr_service_run(struct mr_service *service);
void mr_service_destroy(struct mr_service **service);
/* On a thread that ran jobs, before it ends: frees what the codecs and libvips keep for it. */
void mr_service_thread_end(void);

/* ---- for the handlers, on the request's loop ---- */

static inline struct mr_service *mr_service_of(const struct mr_request *request)
{
    return request->http->service;
}

static inline struct mr_service_loop *mr_service_loop_of(const struct mr_request *request)
{
    return &mr_service_of(request)->loops[mr_loop_index(request->loop)];
}

#endif
