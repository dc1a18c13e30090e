#include "http/http.h"
#include "base/assert.h"

void mr_http_init(struct mr_http *http, struct mr_http_counters *const *counters, unsigned loop_count)
{
    MR_ASSERT(loop_count > 0);
    *http = (struct mr_http){.counters = counters, .loop_count = loop_count};
}

void mr_http_register(struct mr_http *http, const struct mr_route *rows)
{
    for (const struct mr_route *row = rows; row->pattern != NULL; row++) {
        MR_ASSERT(http->route_count < MR_ROUTES_MAX);
        http->routes[http->route_count++] = *row;
    }
}

uint64_t mr_http_body_max(const struct mr_http_limits *limits, const struct mr_route *route)
{
    uint64_t of_server = limits->body_max, of_route = route != NULL ? route->body_max : 0;
    if (of_server == 0 || of_route == 0)
        return MR_MAX(of_server, of_route);
    return MR_MIN(of_server, of_route);
}
