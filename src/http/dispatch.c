#include "http/dispatch.h"
#include "base/number.h"
#include "http/http.h"
#include "http/policy.h"
#include "http/problem.h"
#include "http/protocol.h"

#define METHODS_SIZE 80 /* all of them, with commas */

/* The route that a preflight asks for, or NULL: it is none, or there is no such route. */
static const struct mr_route *find_asked(const struct mr_request *request)
{
    const struct mr_head *head = &request->head;
    struct mr_slice method = mr_head_find(head, "access-control-request-method");
    struct mr_route_match match;
    unsigned allowed;
    if (head->method != MR_METHOD_OPTIONS || method.at == NULL)
        return NULL;
    mr_router_match(request->http->routes, mr_method_of(method), head->path, &match, &allowed);
    return match.route;
}

/* May it be served, and by which route? */
static int route_request(struct mr_request *request, unsigned *allowed, struct mr_fault *fault)
{
    const struct mr_head *head = &request->head;
    /* It is counted by its route also when it is refused. */
    int matched = mr_router_match(request->http->routes, head->method, head->path, &request->match, allowed);
    const struct mr_route *route = matched == MR_OK ? request->match.route : find_asked(request);
    request->is_any_site = route != NULL && route->site == MR_SITE_ANY;
    int err = mr_policy_check(request, route, fault);
    if (err == MR_OK && mr_head_find(head, "content-range").at != NULL) /* RFC 9110, section 14.5 */
        err = mr_fault_set(fault, MR_EREQUEST, "Content-Range: a part of a body is not taken here. Send all of it.");
    if (err != MR_OK)
        return err;
    if (matched != MR_OK)
        return head->method == MR_METHOD_OPTIONS ? MR_OK : mr_fault_set(fault, matched, "%s", "");
    uint64_t max = mr_request_body_max(request);
    if (head->has_length && max != 0 && head->content_length > max)
        return mr_fault_limit(fault, MR_EBODY, "max-body", max, head->content_length);
    return mr_query_parse(&request->query, head->query, &request->arena, fault);
}

/* Methods for OPTIONS *: all that any route has. */
static unsigned all_methods(const struct mr_http *http)
{
    unsigned methods = 0;
    for (unsigned i = 0; i < http->route_count; i++)
        methods |= 1u << http->routes[i].method;
    return methods;
}

static bool is_token_list(struct mr_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        bool token = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || mr_number_is_digit(c);
        if (!token && strchr("-_, ", c) == NULL)
            return false;
    }
    return text.len > 0;
}

/* The fields of a preflight's response. Of an address that pages of any site may use, the methods for which they may.
 */
static void set_preflight(struct mr_request *request, struct mr_fields *fields, unsigned allowed)
{
    const struct mr_head *head = &request->head;
    const struct mr_route *asked = find_asked(request);
    char *methods = mr_arena_alloc(&request->arena, METHODS_SIZE);
    if (mr_policy_cors_origin(request).at == NULL || mr_head_find(head, "access-control-request-method").at == NULL)
        return;
    mr_router_allow(request->is_any_site ? 1u << asked->method : allowed, methods, METHODS_SIZE);
    mr_fields_set_text(fields, "Access-Control-Allow-Methods", methods);
    struct mr_slice wanted = mr_head_find(head, "access-control-request-headers");
    if (is_token_list(wanted))
        mr_fields_set(fields, "Access-Control-Allow-Headers", wanted);
    mr_fields_set_text(fields, "Access-Control-Max-Age", "600");
}

/* allowed: bits of methods. */
static void respond_options(struct mr_request *request, unsigned allowed)
{
    struct mr_fields fields;
    char methods[METHODS_SIZE];
    struct mr_fault fault = {0};
    if (mr_slice_is(request->head.path, "*"))
        allowed = all_methods(request->http);
    if (allowed == 0) {
        mr_fault_set(&fault, MR_ENOTFOUND, "%s", "");
        mr_respond_problem(request, &fault);
        return;
    }
    mr_router_allow(allowed, methods, sizeof(methods));
    mr_fields_init(&fields, &request->arena);
    mr_fields_set_text(&fields, "Allow", methods);
    set_preflight(request, &fields, allowed);
    mr_respond(request, 204, NULL, &fields, NULL, 0, NULL, NULL);
}

void mr_dispatch(struct mr_request *request)
{
    MR_ON_LOOP(request->loop);
    struct mr_fault fault = {0};
    unsigned allowed = 0;
    if (route_request(request, &allowed, &fault) != MR_OK) {
        request->allowed = allowed;
        request->outcome = mr_problem_type(fault.error);
        mr_respond_problem(request, &fault);
        return;
    }
    if (request->match.route == NULL)
        respond_options(request, allowed);
    else
        request->match.route->start(request);
}
