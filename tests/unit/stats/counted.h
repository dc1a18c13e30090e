/* counted.h -- numbers of a server that does not run: a segment, some routes, and what figures are read from. */
#ifndef MR_TESTS_STATS_COUNTED_H
#define MR_TESTS_STATS_COUNTED_H

#include "base/clock.h"
#include "base/counter.h"
#include "stats/snapshot.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNTED_LOOPS_MAX 4
#define COUNTED_ENDLESS   "/events"

struct counted {
    struct mr_segment *segment;
    struct mr_http http;
    struct mr_http_counters *counters[COUNTED_LOOPS_MAX];
    struct mr_snapshot_source source;
};

/* One process with so many loops, and two workers. */
static inline struct counted *make_counted(unsigned loops)
{
    static const struct mr_route routes[] = {
        {.method = MR_METHOD_POST, .pattern = "/pipe/{stages*}"},
        {.method = MR_METHOD_GET, .pattern = "/pipe"},
        {.method = MR_METHOD_GET, .pattern = "/healthz"},
        {.method = MR_METHOD_GET, .pattern = "/thing"},
        {.method = MR_METHOD_POST, .pattern = "/thing"},
        {.method = MR_METHOD_GET, .pattern = COUNTED_ENDLESS},
        {.pattern = NULL},
    };
    struct counted *counted = calloc(1, sizeof(*counted));
    assert_int_equal(mr_segment_create(&counted->segment, 1, loops, 2), MR_OK);
    mr_segment_started(counted->segment, 0, getpid());
    mr_budget_init(&mr_segment_process(counted->segment, 0)->memory, 64 * MR_MIB);
    for (unsigned i = 0; i < loops; i++)
        counted->counters[i] = &mr_segment_loop(counted->segment, i)->http;
    mr_http_init(&counted->http, counted->counters, loops);
    mr_http_register(&counted->http, routes);
    counted->source = (struct mr_snapshot_source){.segment = counted->segment,
                                                  .http = &counted->http,
                                                  .offload = "workers",
                                                  .workers = 2,
                                                  .queue_capacity = 1024 * loops};
    return counted;
}

static inline void free_counted(struct counted *counted)
{
    mr_segment_destroy(&counted->segment);
    free(counted);
}

static inline struct mr_loop_numbers *loop_of(const struct counted *counted, unsigned loop)
{
    return mr_segment_loop(counted->segment, loop);
}

/* What matched no route is counted behind them all. */
static inline struct mr_http_route_counter *unmatched_of(const struct counted *counted, unsigned loop)
{
    return &counted->counters[loop]->routes[counted->http.route_count];
}

#endif
