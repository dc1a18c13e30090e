#include "http/http.h"
#include "base/assert.h"

void mr_http_init(struct mr_http *http, const struct mr_route *routes, struct mr_http_counters *const *counters,
                  unsigned loop_count)
{
    MR_ASSERT(loop_count > 0);
    *http = (struct mr_http){.routes = routes, .counters = counters, .loop_count = loop_count};
    while (routes[http->route_count].pattern != NULL)
        http->route_count++;
    MR_ASSERT(http->route_count <= MR_ROUTES_MAX);
}
