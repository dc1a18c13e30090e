/* service.h -- the whole server, built from a config: loops on threads, the offload, a server for each loop, listeners,
 * routes; its start, its shutdown, its end.
 *
 *      create -> listen -> run (until SIGTERM or SIGINT) -> destroy
 *
 * The main thread calls these, and is loop 0 in run(). Another transport than run() (millrace-bench serve-threads)
 * leaves out listen and run, and finds in the app what it serves with. */
#ifndef MR_SERVICE_SERVICE_H
#define MR_SERVICE_SERVICE_H

#include "app/app.h"
#include "service/config.h"
#include "service/data.h"
#include "service/key_rings.h"
#include "supervisor/cluster.h"
#include "supervisor/listeners.h"

#define MR_LOOPS_MAX 256 /* of one process: millrace-bench serve-threads has one for each connection */

struct mr_service;

/* What a service is made of. All of it is borrowed and must outlive it. */
struct mr_service_parts {
    const struct mr_config *config;
    const struct mr_key_rings *rings; /* the key files, read already; NULL: the service reads those that are given */
    const struct mr_data *data;       /* NULL, or without a home: no store */
    const struct mr_child *child;     /* one of several processes; NULL: the only one */
};

/* All but the listeners. MR_OK, or the fault's detail is for a person. */
int mr_service_create(struct mr_service **out, const struct mr_service_parts *parts, struct mr_fault *fault);
/* Accept on the child's listeners; or open them (listeners.h), with `passed` descriptors from the service manager. */
int mr_service_listen(struct mr_service *service, unsigned passed, struct mr_fault *fault);
/* What SIGHUP does in any transport: open the log again, and read the key files again. Blocks; one thread at a time. */
void mr_service_reload(struct mr_service *service);
/* reload(): called on libuv's pool after SIGHUP, behind mr_service_reload(). Set it before run. */
void mr_service_on_hangup(struct mr_service *service, void (*reload)(void));
/* Serve until the shutdown. Returns 0 if the server drained, 1 if something was aborted. */
int mr_service_run(struct mr_service *service);
void mr_service_destroy(struct mr_service **service);
/* On a thread that ran jobs, before it ends: frees what the codecs and libvips keep for it. */
void mr_service_thread_end(void);

/* What its handlers see: HTTP's rules and numbers, the loops, the offload. From create to destroy; any thread. */
const struct mr_app *mr_service_app(const struct mr_service *service);
/* What it listens on, after listen. */
const struct mr_listeners *mr_service_listeners(const struct mr_service *service);

#endif
