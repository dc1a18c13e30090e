#include "http/http.h"
#include "base/assert.h"
#include <stdlib.h>

int mr_http_init(struct mr_http *http, const struct mr_route *routes, unsigned loop_count)
{
    MR_ASSERT(loop_count > 0);
    *http = (struct mr_http){.routes = routes, .loop_count = loop_count};
    while (routes[http->route_count].pattern != NULL)
        http->route_count++;
    http->counters = calloc(loop_count, sizeof(*http->counters));
    if (http->counters == NULL)
        return MR_EMEMORY;
    for (unsigned i = 0; i < loop_count; i++) {
        http->counters[i].routes = calloc(http->route_count + 1, sizeof(*http->counters[i].routes));
        if (http->counters[i].routes == NULL) {
            mr_http_deinit(http);
            return MR_EMEMORY;
        }
    }
    return MR_OK;
}

void mr_http_deinit(struct mr_http *http)
{
    for (unsigned i = 0; http->counters != NULL && i < http->loop_count; i++)
        free(http->counters[i].routes);
    free(http->counters);
    http->counters = NULL;
}
