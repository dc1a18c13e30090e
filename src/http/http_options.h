/* http_options.h -- what a program can be told of HTTP: --max-body, --max-head, --max-connections,
 * --max-requests-per-connection, the timeouts, --min-rate, --allow-host, --allow-origin,
 * --trust-proxy, --public-url. */
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
    struct mr_option_list allow_host, allow_origin, trust_proxy;
    char *public_url; /* NULL: not said */
};

extern const struct mr_option mr_http_body_options[];   /* --max-body */
extern const struct mr_option mr_http_options[];        /* --max-head and what follows it */
extern const struct mr_option mr_http_origin_options[]; /* --allow-host and what follows it */

/* Are they well formed? MR_OK, or MR_EPARAM: *option names the option, the fault's detail says why. */
int mr_http_settings_check(const struct mr_http_settings *settings, const char **option, struct mr_fault *fault);
/* The first of the options that make a server public, also where it listens on loopback alone; NULL: none is given. */
const char *mr_http_settings_public(const struct mr_http_settings *settings);
/* Fill in the limits and which clients may use the server. *settings was checked, and stays borrowed. */
void mr_http_set(struct mr_http *http, const struct mr_http_settings *settings);

#endif
