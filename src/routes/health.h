/* health.h -- what the server says of itself: GET /healthz, /readyz, /version, /pipe and /. */
#ifndef MR_ROUTES_HEALTH_H
#define MR_ROUTES_HEALTH_H

#include "http/request.h"
#include "service/service.h"

extern const struct mr_route mr_health_routes[]; /* for mr_http_register() */

/* MR_OK: new work is welcome. Else the fault that /readyz answers with. The request's loop. */
int mr_health_check(struct mr_service *service, struct mr_loop *loop, struct mr_fault *fault);

/* Make the texts that never change. MR_OK or MR_EMEMORY; the caller frees them. */
int mr_health_version_json(char **out, const struct mr_service *service);
int mr_health_stages_json(char **out);

#endif
