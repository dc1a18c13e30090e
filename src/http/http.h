/* http.h -- what all connections of the server share: limits, routes, host rules, counters.
 *
 * Filled by the service before the loops run and read-only afterwards, but for `draining`, the counts of connections
 * and the counters, which belong to one loop each. */
#ifndef MR_HTTP_HTTP_H
#define MR_HTTP_HTTP_H

#include "base/error.h"
#include "base/exemplar.h"
#include "base/histogram.h"
#include "http/authorizer.h"
#include "http/forwarded.h"
#include "http/public_url.h"
#include "http/router.h"
#include "http/status.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct mr_http_limits {
    uint64_t body_max;                    /* bytes; 0: none */
    uint32_t head_max;                    /* bytes */
    uint32_t connections_max;             /* of all loops together */
    uint32_t requests_per_connection_max; /* 0: none */
    uint64_t head_timeout_ns;             /* first to last byte of a head */
    uint64_t body_timeout_ns;             /* without progress on a request or response body */
    uint64_t idle_timeout_ns;             /* between requests */
    uint64_t min_rate;                    /* bytes/s of a body, over a minute; 0: none */
};

/* Bytes of a body that a route takes, NULL being none; 0: any number. */
uint64_t mr_http_body_max(const struct mr_http_limits *limits, const struct mr_route *route);

#define MR_ROUTES_MAX 32

/* Counters of one loop: written by it alone, readable by any thread (counter.h). */
struct mr_http_route_counter {
    _Atomic uint64_t by_status[MR_STATUS_COUNT]; /* index: enum mr_status_index */
    struct mr_histogram duration;                /* ns from the first byte of the head to the end of the response */
    struct mr_exemplar slowest;                  /* of the last minute */
};
struct mr_http_counters {
    struct mr_http_route_counter routes[MR_ROUTES_MAX + 1]; /* one per route, then one for what matched none */
    _Atomic uint64_t connections;                           /* open now */
    _Atomic uint64_t connections_accepted, connections_refused;
    _Atomic uint64_t connections_dropped; /* closed at once: no descriptor or no memory */
    _Atomic uint64_t requests_in_flight;
    _Atomic uint64_t request_bytes, response_bytes; /* on the wire, heads included */
    _Atomic uint64_t timeouts;                      /* requests and bodies cut by a timeout */
    _Atomic uint64_t wrong_keys;                    /* requests with an API key that is not known */
    _Atomic uint64_t refusals[MR_ERROR_COUNT]; /* problem responses that say that the server could not; by -error */
};

struct mr_http {
    struct mr_http_limits limits;
    struct mr_route routes[MR_ROUTES_MAX + 1]; /* in the order of their registration; behind them an empty row */
    unsigned route_count;
    char *const *allow_hosts; /* borrowed: further host names (or host:port) that are ours */
    size_t allow_host_count;
    char *const *allow_origins; /* borrowed: origins whose pages may use the server ("https://example.org"), or "*" */
    size_t allow_origin_count;
    struct mr_trust trust;           /* proxies that are believed what they say of their clients */
    struct mr_public_url public_url; /* where clients reach the server; .text.at NULL: not said */
    bool is_public;                  /* on loopback and Unix sockets too: a proxy or a public address was named */
    struct mr_authorizer authorizer; /* of API keys; all zero: there are none, and none is needed */
    void *app;                       /* borrowed: what handlers may see (app/app.h); HTTP does not know it */
    struct mr_http_counters *const *counters; /* borrowed: one per loop, zeroed or counted in before */
    unsigned loop_count;
    atomic_bool draining;              /* responses carry Connection: close; idle connections are closed */
    _Atomic uint32_t connection_count; /* of all loops, against connections_max */
    _Atomic uint32_t refused_count;    /* beside them: those over it that are being told so */
};

/* Zero *http; the caller registers routes and fills in limits and lists afterwards. */
void mr_http_init(struct mr_http *http, struct mr_http_counters *const *counters, unsigned loop_count);
/* Add the routes of one resource (copied), up to the row whose pattern is NULL: in all at most MR_ROUTES_MAX. Rows of
 * one pattern stand next to each other. */
void mr_http_register(struct mr_http *http, const struct mr_route *rows);

static inline struct mr_http_counters *mr_http_counters_of(struct mr_http *http, unsigned loop_index)
{
    return http->counters[loop_index];
}

#endif
