#include "bench/load/target.h"
#include "base/assert.h"
#include "base/number.h"
#include <netdb.h>

static bool copy(char *out, size_t size, struct mr_slice text)
{
    if (text.len == 0 || text.len >= size)
        return false;
    memcpy(out, text.at, text.len);
    out[text.len] = '\0';
    return true;
}

static bool cut_prefix(struct mr_slice *text, const char *prefix)
{
    size_t len = strlen(prefix);
    if (text->len < len || strncasecmp(text->at, prefix, len) != 0)
        return false;
    text->at += len;
    text->len -= len;
    return true;
}

/* PATH[:/TARGET]: the last ":/" divides, so that a path may hold a colon. */
static int parse_unix(struct mr_target *out, struct mr_slice text, struct mr_fault *fault)
{
    struct mr_slice file = text;
    out->is_unix = true;
    for (size_t i = text.len; i-- > 0;) {
        if (text.at[i] == ':' && i + 1 < text.len && text.at[i + 1] == '/') {
            file.len = i;
            out->path = (struct mr_slice){.at = text.at + i + 1, .len = text.len - i - 1};
            break;
        }
    }
    if (!copy(out->unix_path, sizeof(out->unix_path), file))
        return mr_fault_set(fault, MR_EPARAM, "a socket's path must have 1 to 107 octets");
    strcpy(out->authority, "localhost");
    return MR_OK;
}

static bool is_port(struct mr_slice text)
{
    uint64_t port;
    return mr_number_parse(text, UINT16_MAX, &port) && port >= 1;
}

static int parse_authority(struct mr_target *out, struct mr_slice text, struct mr_fault *fault)
{
    struct mr_slice host, rest = text;
    if (text.len > 0 && text.at[0] == '[') { /* an IPv6 address holds colons of its own */
        rest.at++;
        rest.len--;
        host = mr_slice_cut(&rest, ']');
        if (rest.at == NULL || (rest.len > 0 && rest.at[0] != ':'))
            return mr_fault_set(fault, MR_EPARAM, "an IPv6 address must stand in brackets");
        if (rest.len == 0)
            rest.at = NULL;
        else
            mr_slice_cut(&rest, ':');
    } else {
        host = mr_slice_cut(&rest, ':');
    }
    struct mr_slice port = rest.at == NULL ? MR_SLICE("80") : rest;
    if (!is_port(port))
        return mr_fault_set(fault, MR_EPARAM, "the port must be a number from 1 to 65535");
    if (!copy(out->host, sizeof(out->host), host))
        return mr_fault_set(fault, MR_EPARAM, "the URL must name a host");
    MR_ASSERT(copy(out->port, sizeof(out->port), port));
    MR_ASSERT(copy(out->authority, sizeof(out->authority), text));
    return MR_OK;
}

int mr_target_parse(struct mr_target *out, const char *url, struct mr_fault *fault)
{
    *out = (struct mr_target){.path = MR_SLICE("/")};
    struct mr_slice rest = mr_slice_of(url);
    for (size_t i = 0; i < rest.len; i++) {
        if (rest.at[i] <= ' ' || rest.at[i] == 0x7f || rest.at[i] == '#')
            return mr_fault_set(fault, MR_EPARAM, "a URL holds no spaces, control characters or fragment here");
    }
    bool has_scheme = cut_prefix(&rest, "http://");
    if (cut_prefix(&rest, "unix:"))
        return parse_unix(out, rest, fault);
    if (!has_scheme)
        return mr_fault_set(fault, MR_EPARAM, "a URL begins with http:// or unix:");

    struct mr_slice authority = rest;
    const char *end = rest.len > 0 ? memchr(rest.at, '/', rest.len) : NULL;
    if (end != NULL) {
        authority.len = (size_t)(end - rest.at);
        out->path = (struct mr_slice){.at = end, .len = rest.len - authority.len};
    }
    return parse_authority(out, authority, fault);
}

int mr_target_resolve(struct mr_target *target, struct mr_fault *fault)
{
    if (target->is_unix)
        return MR_OK;
    struct addrinfo *found;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    int error = getaddrinfo(target->host, target->port, &hints, &found);
    if (error != 0)
        return mr_fault_set(fault, MR_EIO, "cannot find %s: %s", target->host, gai_strerror(error));
    memcpy(&target->address, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return MR_OK;
}
