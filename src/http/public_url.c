#include "http/public_url.h"
#include "http/chars.h"
#include "http/head.h"

static bool begins_with(struct mr_slice text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text.len >= len && strncasecmp(text.at, prefix, len) == 0;
}

int mr_public_url_parse(struct mr_public_url *out, const char *text, struct mr_fault *fault)
{
    struct mr_slice rest = mr_slice_of(text), port;
    bool is_https = begins_with(rest, "https://");
    size_t scheme_len = is_https ? 8 : 7;
    *out = (struct mr_public_url){.text = {.at = NULL}};
    if (!is_https && !begins_with(rest, "http://"))
        return mr_fault_set(fault, MR_EPARAM, "must begin with http:// or https://");
    while (rest.len > scheme_len && rest.at[rest.len - 1] == '/')
        rest.len--;
    struct mr_slice path = {.at = rest.at + scheme_len, .len = rest.len - scheme_len};
    struct mr_slice authority = mr_slice_cut(&path, '/');
    if (!mr_host_split(authority, &out->host, &port) || out->host.len == 0)
        return mr_fault_set(fault, MR_EPARAM, "must have a host, and a port if that is not the scheme's own");
    if (path.len > 0 && (!mr_chars_are(path, MR_CHAR_TARGET) || memchr(path.at, '?', path.len) != NULL))
        return mr_fault_set(fault, MR_EPARAM, "may have a path, but no query and no fragment");
    out->origin = (struct mr_slice){.at = rest.at, .len = scheme_len + authority.len};
    bool is_default = mr_slice_is(port, is_https ? "443" : "80");
    if (is_default || port.at != NULL)
        out->origin.len -= is_default ? port.len + 1 : port.len == 0;
    out->text = rest;
    return MR_OK;
}
