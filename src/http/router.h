/* router.h -- which handler answers a method and path.
 *
 * A table of routes with patterns: "/healthz", "/files/{id}/info", "/pipe/{stages*}" ({name} matches one segment, not
 * empty; {name*} the rest of the path, slashes included, not empty). The first route in table order that matches wins;
 * a path whose patterns match but whose method does not is 405 with Allow. A GET route answers HEAD too. Small tables,
 * searched in order. Matching is on the raw path, segment by segment; parameters are decoded afterwards, so that %2F
 * never makes a separator. Pure; any thread. */
#ifndef MR_HTTP_ROUTER_H
#define MR_HTTP_ROUTER_H

#include "http/head.h"
#include <stdint.h>

#define MR_ROUTE_PARAMS_MAX 8

struct mr_request;
struct mr_route_about; /* not known to HTTP */

/* Whose pages may use a route, and how. */
enum mr_site {
    MR_SITE_SAME, /* pages of this server and of --allow-origin; no other may even link to it or embed it */
    MR_SITE_LINK, /* scripts of the same pages; any page may link to it */
    MR_SITE_ANY,  /* any page, scripts too */
};

struct mr_route {
    enum mr_method method;
    const char *pattern;       /* static text; also the `route` label of metrics and logs */
    uint64_t body_max;         /* bytes, where that is less than --max-body; 0: --max-body */
    const char *cache_control; /* of its responses below 400, unless the handler sets it; NULL: none */
    enum mr_site site;
    uint32_t rights; /* that the request's key must have, where the server has keys: bits, whose words the authorizer
                        knows (http.h); 0: any key will do */
    bool is_open;    /* it needs no key */
    /* The head has arrived and passed all general checks; the body has not been read. The handler answers at once, or
     * takes the body (mr_request_take_body) and answers later. */
    void (*start)(struct mr_request *request);
    /* The client went away before the answer was complete: cancel what runs for it. May be NULL. Called at most once,
     * and never after the answer was complete. */
    void (*on_disconnect)(struct mr_request *request);
    const struct mr_route_about *about; /* for the server's description of itself */
};

struct mr_route_match {
    const struct mr_route *route;
    unsigned param_count;
    struct {
        struct mr_slice name;  /* of the pattern, static */
        struct mr_slice value; /* raw, of the path */
    } params[MR_ROUTE_PARAMS_MAX];
};

/* Find the route. MR_OK, MR_ENOTFOUND, or MR_EMETHOD: then *allowed has a bit (1u << method) for each method that is.
 * routes ends with a row whose pattern is NULL. */
int mr_router_match(const struct mr_route *routes, enum mr_method method, struct mr_slice path,
                    struct mr_route_match *out, unsigned *allowed);
/* The Allow value of such a set, "GET, HEAD, OPTIONS": OPTIONS is always in it, HEAD wherever GET is. Writes at most
 * size bytes with NUL. */
void mr_router_allow(unsigned allowed, char *out, size_t size);

#endif
