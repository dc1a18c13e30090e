#include "http/dispatch.h"
#include "http/http.h"
#include "http/policy.h"
#include "http/problem.h"
#include "http/protocol.h"

/* May it be served, and by which route? */
static int route_request(struct mr_request *request, unsigned *allowed, struct mr_fault *fault)
{
    const struct mr_head *head = &request->head;
    struct mr_route_match match; /* not the request's before it may come here: it is counted by its route */
    int matched = mr_router_match(request->http->routes, head->method, head->path, &match, allowed);
    int err = mr_policy_check(request, match.route, fault);
    if (err != MR_OK)
        return err;
    request->match = match;
    if (matched != MR_OK)
        return head->method == MR_METHOD_OPTIONS ? MR_OK : mr_fault_set(fault, matched, "%s", "");
    uint64_t max = mr_request_body_max(request);
    if (head->has_length && max != 0 && head->content_length > max)
        return mr_fault_limit(fault, MR_EBODY, "max-body", max, head->content_length);
    return mr_query_parse(&request->query, head->query, &request->arena, fault);
}

void mr_dispatch(struct mr_request *request)
{
    struct mr_fault fault = {0};
    unsigned allowed = 0;
    if (route_request(request, &allowed, &fault) != MR_OK) {
        request->allowed = allowed;
        request->outcome = mr_problem_type(fault.error);
        mr_respond_problem(request, &fault);
        return;
    }
    if (request->match.route == NULL)
        mr_policy_respond_options(request, allowed);
    else
        request->match.route->start(request);
}
