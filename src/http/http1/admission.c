/* The number of connections of all loops, and its limit. */
#include "base/assert.h"
#include "http/http1/internal.h"

#define REFUSED_MAX 256 /* connections over the limit that are told so; more are just closed */

bool mr_connection_admit(struct mr_connection *self)
{
    MR_ON_LOOP(self->loop);
    struct mr_http *http = self->http;
    uint32_t max = http->limits.connections_max;
    uint32_t open = atomic_fetch_add_explicit(&http->connection_count, 1, memory_order_relaxed) + 1;
    struct mr_http_counters *counters = mr_connection_counters(self);
    mr_counter_add(&counters->connections, 1);
    mr_counter_add(open <= max ? &counters->connections_accepted : &counters->connections_refused, 1);
    self->counted_in = open <= max ? &http->connection_count : &http->refused_count;
    if (open <= max)
        return true;
    /* It must not take the place of one that could be admitted. */
    atomic_fetch_sub_explicit(&http->connection_count, 1, memory_order_relaxed);
    uint32_t refused = atomic_fetch_add_explicit(&http->refused_count, 1, memory_order_relaxed) + 1;
    struct mr_fault fault = {0};
    mr_fault_limit(&fault, MR_ECONNECTIONS, "max-connections", max, open);
    mr_connection_refuse(self, &fault);
    return refused <= REFUSED_MAX;
}

void mr_connection_leave(struct mr_connection *self)
{
    MR_ON_LOOP(self->loop);
    MR_ASSERT(self->counted_in != NULL);
    atomic_fetch_sub_explicit(self->counted_in, 1, memory_order_relaxed);
    mr_counter_subtract(&mr_connection_counters(self)->connections, 1);
    self->counted_in = NULL;
}
