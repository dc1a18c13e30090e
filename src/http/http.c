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
