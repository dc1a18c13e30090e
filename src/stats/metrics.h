/* metrics.h -- GET /metrics: the server's numbers (figures.h) in Prometheus' text exposition format 0.0.4, or for a
 * scraper that asks for it in OpenMetrics 1.0, which also names the request behind a number (exemplars).
 *
 * Made anew for each scrape on the loop, in well under a millisecond: of each process no file but two small ones of
 * /proc is read, and only routes and statuses that have occurred are listed. */
#ifndef MR_STATS_METRICS_H
#define MR_STATS_METRICS_H

#include "http/request.h"
#include "service/service.h"

extern const struct mr_route mr_metrics_routes[]; /* for mr_http_register() */

enum mr_metrics_format { MR_METRICS_TEXT, MR_METRICS_OPENMETRICS };

/* What the value of an Accept field asks for (.at NULL: there is none): OpenMetrics where one of its media ranges names
 * that type, in version 1.0.0 or any, and not with q=0. */
enum mr_metrics_format mr_metrics_format_of(struct mr_slice accept);

/* The text, owned by the caller (free), or NULL when memory is short. */
char *mr_metrics_render(const struct mr_service *service, enum mr_metrics_format format, size_t *len);

#endif
