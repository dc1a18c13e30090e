/* health.h -- what the server says of itself: GET /healthz, /readyz, /version and /pipe. */
#ifndef MR_ROUTES_HEALTH_H
#define MR_ROUTES_HEALTH_H

#include "app/resource.h"
#include "base/error.h"

struct mr_loop;

struct mr_about_schema;

extern const struct mr_resource mr_health_resource;
/* Of bodies (about.h); up to a NULL. */
extern const struct mr_about_schema *const mr_health_schemas[];

/* May new work come? MR_OK, or the fault that /readyz responds with. The loop's thread. */
int mr_health_check(const struct mr_app *app, struct mr_loop *loop, struct mr_fault *fault);

#endif
