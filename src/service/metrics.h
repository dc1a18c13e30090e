/* metrics.h -- GET /metrics: the server's numbers in Prometheus' text exposition format 0.0.4.
 *
 * Each loop writes its own numbers and nobody else's; here they are read (relaxed, not at one instant) and added up.
 * Made anew for each scrape on the loop, in well under a millisecond: no file but two small ones of /proc is read, and
 * only routes and statuses that have occurred are listed. */
#ifndef MR_SERVICE_METRICS_H
#define MR_SERVICE_METRICS_H

#include "http/request.h"
#include "service/service.h"

void mr_metrics_start(struct mr_request *request);

/* The text, owned by the caller (free), or NULL when memory is short. */
char *mr_metrics_render(const struct mr_service *service, size_t *len);

#endif
