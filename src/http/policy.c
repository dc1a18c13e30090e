/* Who may use this server, beyond what a bound address says. A service on loopback is reachable from every web page in
 * the user's browser: by DNS rebinding (the page's own host name, resolved to 127.0.0.1) and by plain cross-site
 * requests. The browser tells on both: Host names the page's host, Origin the page, and where it sends no Origin
 * (links, images) Sec-Fetch-Site says whether the page is of another site.
 *
 * A server with API keys needs no rule for host names: a page that was rebound to it has no key. */
#include "http/policy.h"
#include "http/http.h"
#include "http/protocol.h"

static bool is_equal_nocase(struct mr_slice a, struct mr_slice b)
{
    return a.len == b.len && a.len > 0 && strncasecmp(a.at, b.at, a.len) == 0;
}

bool mr_policy_is_public(const struct mr_request *request)
{
    return request->http->is_public || request->protocol->is_public;
}

static bool is_allowed_host(const struct mr_http *http, struct mr_slice authority, struct mr_slice host)
{
    if (is_equal_nocase(host, http->public_url.host))
        return true;
    for (size_t i = 0; i < http->allow_host_count; i++) {
        if (mr_slice_is_nocase(authority, http->allow_hosts[i]) || mr_slice_is_nocase(host, http->allow_hosts[i]))
            return true;
    }
    return false;
}

static int check_host(const struct mr_request *request, struct mr_fault *fault)
{
    struct mr_slice host, port, authority = request->head.host;
    if (authority.len == 0)
        return MR_OK; /* HTTP/1.0 without Host: no browser */
    if (!mr_host_split(authority, &host, &port))
        return mr_fault_set(fault, MR_EREQUEST, "The Host field is malformed.");
    if (request->http->authorizer.find != NULL)
        return MR_OK;
    if (mr_host_is_local_name(host) || is_allowed_host(request->http, authority, host))
        return MR_OK;
    if (mr_policy_is_public(request) && mr_host_is_private_name(host))
        return MR_OK;
    return mr_fault_set(fault, MR_EHOST, "Name the host with --allow-host if it is meant.");
}

/* "http://" or "https://" and then the very authority that the request was sent to. */
static bool is_same_origin(struct mr_slice origin, struct mr_slice authority)
{
    static const struct mr_slice schemes[] = {{"http://", 7}, {"https://", 8}};
    for (size_t i = 0; i < MR_ARRAY_SIZE(schemes); i++) {
        if (origin.len != schemes[i].len + authority.len || strncasecmp(origin.at, schemes[i].at, schemes[i].len) != 0)
            continue;
        if (strncasecmp(origin.at + schemes[i].len, authority.at, authority.len) == 0)
            return true;
    }
    return false;
}

static bool is_allowed_origin(const struct mr_http *http, struct mr_slice origin)
{
    for (size_t i = 0; i < http->allow_origin_count; i++) {
        if (mr_slice_is(mr_slice_of(http->allow_origins[i]), "*") || mr_slice_is_nocase(origin, http->allow_origins[i]))
            return true;
    }
    return false;
}

/* Without an Origin: a link, an image or a form of a page of another site. */
static int check_site(const struct mr_request *request, const struct mr_route *route, struct mr_fault *fault)
{
    struct mr_slice site = mr_head_find(&request->head, "sec-fetch-site");
    if (route == NULL || route->site != MR_SITE_SAME || !mr_slice_is_nocase(site, "cross-site") ||
        is_allowed_origin(request->http, MR_SLICE("*")))
        return MR_OK;
    return mr_fault_set(fault, MR_EORIGIN, "A page of another site may not link to this address or embed it.");
}

static int check_origin(const struct mr_request *request, const struct mr_route *route, struct mr_fault *fault)
{
    if (route != NULL && route->site == MR_SITE_ANY)
        return MR_OK;
    struct mr_slice origin = mr_head_find(&request->head, "origin");
    if (origin.at == NULL)
        return check_site(request, route, fault);
    if (is_same_origin(origin, request->head.host) || is_equal_nocase(origin, request->http->public_url.origin) ||
        is_allowed_origin(request->http, origin))
        return MR_OK;
    return mr_fault_set(fault, MR_EORIGIN, "Name the origin with --allow-origin if it is meant.");
}

/* A preflight is sent without a key, and an address that is none has nothing to protect. */
static int check_key(struct mr_request *request, const struct mr_route *route, struct mr_fault *fault)
{
    if (route == NULL || route->is_open || request->head.method == MR_METHOD_OPTIONS)
        return MR_OK;
    return mr_request_authorize(request, route->rights, fault);
}

int mr_policy_check(struct mr_request *request, const struct mr_route *route, struct mr_fault *fault)
{
    const struct mr_head *head = &request->head;
    int err = check_host(request, fault);
    if (err == MR_OK)
        err = check_origin(request, route, fault);
    if (err == MR_OK)
        err = check_key(request, route, fault);
    if (err != MR_OK)
        return err;
    if (head->expect_other)
        return mr_fault_set(fault, MR_EEXPECT, "Only 100-continue can be expected.");
    struct mr_slice coding = mr_head_find(head, "content-encoding");
    if (coding.len > 0 && !mr_slice_is_nocase(coding, "identity"))
        return mr_fault_set(fault, MR_ECODING, "Send the body without Content-Encoding.");
    return MR_OK;
}

int mr_policy_require_same_site(struct mr_request *request, struct mr_fault *fault)
{
    struct mr_route strict = *request->match.route;
    strict.site = MR_SITE_SAME;
    request->is_any_site = false;
    return check_origin(request, &strict, fault);
}

struct mr_slice mr_policy_cors_origin(const struct mr_request *request)
{
    struct mr_slice none = {NULL, 0};
    if (request->is_any_site)
        return MR_SLICE("*");
    if (request->http->allow_origin_count == 0)
        return none;
    struct mr_slice origin = mr_head_find(&request->head, "origin");
    if (origin.len == 0 || !is_allowed_origin(request->http, origin))
        return none;
    return origin;
}
