/* The host names of head.h. */
#include "base/macros.h"
#include "base/number.h"
#include "http/chars.h"
#include "http/head.h"
#include "net/localhost.h"
#include <arpa/inet.h>

/* Is `text` an address in its standard notation? The short and octal forms of IPv4 are names here: no client sends
 * them, and readers disagree about them. */
static bool is_address(int family, struct mr_slice text)
{
    char copy[INET6_ADDRSTRLEN];
    unsigned char address[sizeof(struct in6_addr)];
    if (text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    return strlen(copy) == text.len && inet_pton(family, copy, address) == 1;
}

/* RFC 3986, section 3.2.2: unreserved, sub-delims and percent escapes; not empty (RFC 9110, section 4.2.1). */
static bool is_registered_name(struct mr_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] != '%' && !mr_char_is(text.at[i], MR_CHAR_HOST))
            return false;
    return text.len > 0 && mr_percent_is_valid(text);
}

static bool is_port(struct mr_slice text)
{
    uint64_t port;
    return text.len == 0 || mr_number_parse(text, UINT16_MAX, &port);
}

bool mr_host_split(struct mr_slice authority, struct mr_slice *host, struct mr_slice *port)
{
    struct mr_slice rest = authority;
    if (authority.len > 0 && authority.at[0] == '[') { /* an IPv6 literal; of IPvFuture there is none yet */
        rest.at++;
        rest.len--;
        *host = mr_slice_cut(&rest, ']');
        if (rest.at == NULL || !is_address(AF_INET6, *host))
            return false;
        if (mr_slice_cut(&rest, ':').len > 0)
            return false;
    } else {
        *host = mr_slice_cut(&rest, ':');
        if (!is_registered_name(*host))
            return false;
    }
    *port = rest;
    return is_port(rest);
}

bool mr_host_is_local_name(struct mr_slice host)
{
    return is_address(AF_INET, host) || is_address(AF_INET6, host) || mr_localhost_is(host);
}

static bool ends_in(struct mr_slice name, const char *suffix)
{
    size_t len = strlen(suffix);
    return name.len > len && strncasecmp(name.at + name.len - len, suffix, len) == 0;
}

bool mr_host_is_private_name(struct mr_slice host)
{
    static const char *const suffixes[] = {".internal", ".local", ".localhost", ".home.arpa", ".test"};
    if (host.len > 0 && host.at[host.len - 1] == '.') /* the root, written out */
        host.len--;
    if (host.len == 0 || memchr(host.at, '%', host.len) != NULL)
        return false;
    if (memchr(host.at, '.', host.len) == NULL)
        return true;
    for (size_t i = 0; i < MR_ARRAY_SIZE(suffixes); i++)
        if (ends_in(host, suffixes[i]))
            return true;
    return false;
}
