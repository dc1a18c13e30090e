/* metrics.h -- GET /metrics: the server's numbers for a scraper (stats/prometheus.h), in the format that it asks for.
 */
#ifndef MR_ROUTES_METRICS_H
#define MR_ROUTES_METRICS_H

#include "app/resource.h"
#include "stats/prometheus.h"

extern const struct mr_resource mr_metrics_resource;

/* What the value of an Accept field asks for (.at NULL: there is none): OpenMetrics where one of its media ranges names
 * that type, in version 1.0.0 or any, and not with q=0. */
enum mr_prometheus_format mr_metrics_format_of(struct mr_slice accept);

#endif
