/* policy.h -- may a request be served here, and may the page that sent it see the response? */
#ifndef MR_HTTP_POLICY_H
#define MR_HTTP_POLICY_H

#include "http/request.h"

/* May this request be served here at all? Host and Origin (DNS rebinding, cross-site requests), the API key and its
 * rights, expectations, content codings. route: where it goes, or NULL. MR_OK or the fault. */
int mr_policy_check(struct mr_request *request, const struct mr_route *route, struct mr_fault *fault);
/* For a handler whose row is MR_SITE_ANY, of a request for what only pages of this server may have: as if the row were
 * MR_SITE_SAME. MR_OK or the fault. */
int mr_policy_require_same_site(struct mr_request *request, struct mr_fault *fault);
/* Did the request come where other machines can reach the server, or by a public address? */
bool mr_policy_is_public(const struct mr_request *request);
/* Whom to name in CORS fields: the Origin of an allowed foreign page, "*" where any may see it; or .at NULL. */
struct mr_slice mr_policy_cors_origin(const struct mr_request *request);

#endif
