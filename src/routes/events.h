/* events.h -- GET /events: the server's numbers once a second, or up to ten times (?interval=0.1), as server-sent
 * events (WHATWG HTML, "Server-sent events").
 *
 *      retry: 2000
 *
 *      id: 1767322985123
 *      data: {"time":1767322985.123,...}           stats/live.h
 *
 * The id is the time in ms. The listeners of one interval are a group: each loop has a list of them and a timer, which
 * runs only while there are some, and the figures of an event are those since the one before it. A server without
 * listeners has no wake-ups. The server does not wait for a listener that stops reading. Once as much
 * is buffered for it as a response may hold, it misses events (its ids have gaps) until it reads again, and
 * --body-timeout ends it like any other client. Shutdown ends the streams cleanly and refuses new listeners. */
#ifndef MR_ROUTES_EVENTS_H
#define MR_ROUTES_EVENTS_H

#include "app/resource.h"
#include "base/clock.h"
#include "loop/timer.h"
#include <stdbool.h>

#define MR_EVENTS_PATTERN       "/events"
#define MR_EVENTS_LISTENERS_MAX 16 /* of one loop; more are refused with 503 */
#define MR_EVENTS_STEP_NS       (100 * MR_NS_PER_MS)
#define MR_EVENTS_GROUPS        10 /* of intervals of one step, of two, ... */

struct mr_events_numbers;
struct mr_snapshot_source;
struct mr_listening;
struct mr_live;
struct mr_events;

struct mr_events_group { /* listeners of one interval */
    struct mr_events *events;
    struct mr_listening *first; /* each in its request's arena */
    /* The rest is there while there are listeners. */
    struct mr_timer_list ticks;
    struct mr_timer tick;
    struct mr_live *now, *before; /* owned */
};

struct mr_events {                     /* of one loop; its thread only; all private, and here for tests */
    struct mr_events_numbers *numbers; /* borrowed, as the next two */
    const struct mr_snapshot_source *source;
    struct mr_loop *loop;
    struct mr_events_group groups[MR_EVENTS_GROUPS];
    bool is_closed;
};

extern const struct mr_resource mr_events_resource; /* its state on a loop: struct mr_events */

#endif
