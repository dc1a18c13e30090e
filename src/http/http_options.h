/* http_options.h -- what a program can be told of HTTP: --max-body, --max-head, --max-connections,
 * --max-requests-per-connection, the timeouts, --min-rate, --allow-host, --allow-origin. */
#ifndef MR_HTTP_HTTP_OPTIONS_H
#define MR_HTTP_HTTP_OPTIONS_H

#include "base/option_tables.h"
#include "http/http.h"

/* Times in ns, sizes in bytes. */
struct mr_http_settings {
    uint64_t max_body; /* 0: none */
    uint64_t max_head;
    int64_t max_connections;             /* of each process */
    int64_t max_requests_per_connection; /* 0: none */
    uint64_t head_timeout, body_timeout, idle_timeout;
    uint64_t min_rate; /* bytes/s; 0: none */
    struct mr_option_list allow_host, allow_origin;
};

extern const struct mr_option mr_http_body_options[];   /* --max-body */
extern const struct mr_option mr_http_options[];        /* --max-head and what follows it */
extern const struct mr_option mr_http_origin_options[]; /* --allow-host, --allow-origin */

/* Fill in the limits and the allowed hosts and origins, which stay borrowed from *settings. */
void mr_http_set(struct mr_http *http, const struct mr_http_settings *settings);

#endif
