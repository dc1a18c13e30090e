#include "http/router.h"
#include "base/assert.h"
#include <stdio.h>

static void add_param(struct mr_route_match *match, struct mr_slice name, struct mr_slice value)
{
    MR_ASSERT(match->param_count < MR_ROUTE_PARAMS_MAX);
    match->params[match->param_count].name = name;
    match->params[match->param_count].value = value;
    match->param_count++;
}

/* Does one segment of the pattern, "{name}" or literal text, match one of the path? */
static bool match_segment(struct mr_slice pattern, struct mr_slice segment, struct mr_route_match *match)
{
    if (pattern.len == 0 || pattern.at[0] != '{')
        return mr_slice_equal(pattern, segment);
    if (segment.len == 0)
        return false;
    add_param(match, (struct mr_slice){.at = pattern.at + 1, .len = pattern.len - 2}, segment);
    return true;
}

static bool is_rest(struct mr_slice pattern)
{
    return pattern.len > 3 && pattern.at[0] == '{' && pattern.at[pattern.len - 2] == '*';
}

/* Does the path begin with the pattern's literal text? Most rows end here, at their first other letter. */
static bool shares_head(const char *pattern, struct mr_slice path)
{
    size_t at = 0;
    while (at < path.len && pattern[at] == path.at[at] && pattern[at] != '{')
        at++;
    return pattern[at] == '{' || (pattern[at] == '\0' && at == path.len);
}

static bool match_path(struct mr_slice pattern, struct mr_slice path, struct mr_route_match *match)
{
    match->param_count = 0;
    while (pattern.at != NULL && path.at != NULL) {
        struct mr_slice rest = path, wanted = mr_slice_cut(&pattern, '/');
        if (is_rest(wanted)) {
            add_param(match, (struct mr_slice){.at = wanted.at + 1, .len = wanted.len - 3}, rest);
            return rest.len > 0;
        }
        if (!match_segment(wanted, mr_slice_cut(&path, '/'), match))
            return false;
    }
    return pattern.at == NULL && path.at == NULL;
}

static bool answers(enum mr_method route, enum mr_method method)
{
    return route == method || (route == MR_METHOD_GET && method == MR_METHOD_HEAD);
}

int mr_router_match(const struct mr_route *routes, enum mr_method method, struct mr_slice path,
                    struct mr_route_match *out, unsigned *allowed)
{
    *allowed = 0;
    out->route = NULL;
    for (const struct mr_route *route = routes; route->pattern != NULL; route++) {
        if (!shares_head(route->pattern, path) || !match_path(mr_slice_of(route->pattern), path, out))
            continue;
        *allowed |= 1u << route->method;
        if (answers(route->method, method)) {
            out->route = route;
            return MR_OK;
        }
    }
    out->param_count = 0;
    return *allowed != 0 ? MR_EMETHOD : MR_ENOTFOUND;
}

void mr_router_allow(unsigned allowed, char *out, size_t size)
{
    MR_ASSERT(size > 0);
    allowed |= 1u << MR_METHOD_OPTIONS;
    if (allowed & 1u << MR_METHOD_GET)
        allowed |= 1u << MR_METHOD_HEAD;

    size_t len = 0;
    out[0] = '\0';
    for (enum mr_method method = MR_METHOD_GET; method < MR_METHOD_COUNT && len < size; method++)
        if (allowed & 1u << method)
            len += (size_t)snprintf(out + len, size - len, "%s%s", len > 0 ? ", " : "", mr_method_name(method));
}
