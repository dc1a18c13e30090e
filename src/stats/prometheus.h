/* prometheus.h -- the server's numbers (snapshot.h) as a page for a scraper: Prometheus' text exposition format 0.0.4,
 * or OpenMetrics 1.0, which also names the request behind a number (exemplars).
 *
 * Made for each scrape in well under a millisecond: of each process no file but two small ones of /proc is read, and
 * only routes and statuses that have occurred are listed. */
#ifndef MR_STATS_PROMETHEUS_H
#define MR_STATS_PROMETHEUS_H

#include "stats/snapshot.h"

enum mr_prometheus_format { MR_PROMETHEUS_TEXT, MR_PROMETHEUS_OPENMETRICS };

/* The page, owned by the caller (free), or NULL when memory is short. Any thread. */
char *mr_prometheus_render(const struct mr_snapshot_source *source, enum mr_prometheus_format format, size_t *len);

#endif
