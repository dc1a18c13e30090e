/* events.h -- GET /events: the live figures once a second, as server-sent events (WHATWG HTML, "Server-sent events").
 *
 *      retry: 2000
 *
 *      id: 1767322985123
 *      data: {"time":1767322985.123,...}           live.h
 *
 * The id is the time in ms. Each loop has its listeners and one timer, which runs while there are any: a server that
 * nobody watches has no wake-ups. A listener that does not read is not waited for: once as much as an answer may hold
 * is on its way to it, it misses figures (its ids have gaps) until it reads on; --body-timeout cuts it like any reader.
 * Draining ends the streams in good order, and whoever comes later is refused. */
#ifndef MR_ROUTES_EVENTS_H
#define MR_ROUTES_EVENTS_H

#include "app/resource.h"
#include "base/clock.h"
#include "loop/timer.h"
#include <stdbool.h>

#define MR_EVENTS_PATTERN       "/events"
#define MR_EVENTS_LISTENERS_MAX 16 /* of one loop; more are refused with 503 */
#define MR_EVENTS_INTERVAL_NS   MR_NS_PER_S

struct mr_events_numbers;
struct mr_snapshot_source;
struct mr_listening;
struct mr_live;

struct mr_events {                     /* of one loop; its thread only; all private, and here for tests */
    struct mr_events_numbers *numbers; /* borrowed, as the next */
    const struct mr_snapshot_source *source;
    struct mr_listening *first; /* each in its request's arena */
    struct mr_timer_list ticks;
    struct mr_timer tick;
    struct mr_live *now, *before; /* owned while somebody listens */
    bool is_closed;
};

extern const struct mr_resource mr_events_resource; /* its state on a loop: struct mr_events */

#endif
