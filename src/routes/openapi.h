/* openapi.h -- GET /openapi.yaml: all routes as an OpenAPI 3.1 document (spec.openapis.org/oas/v3.1.1), in YAML (RFC
 * 9512). It is made at the start from what the routes are (http/router.h, about.h), what stages take (pipe/stages.h),
 * which problems there are (http/problem.h), and how this server was started: with keys or without, with --data or
 * without, and with which limits.
 *
 * Version 3.1, because 3.0 cannot say which rights of a key a route needs, how long a body of bytes may be, or that the
 * same response has another text here. */
#ifndef MR_ROUTES_OPENAPI_H
#define MR_ROUTES_OPENAPI_H

#include "app/resource.h"
#include "http/request.h"

extern const struct mr_resource mr_openapi_resource;

/* Fields with a link to the document (RFC 8631), for responses that say what there is. */
struct mr_fields mr_openapi_link(struct mr_request *request);

#endif
