#include "net/peer.h"
#include "base/macros.h"
#include "base/number.h"
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
};

#define MAPPED_BITS 96
static const uint8_t mapped[MAPPED_BITS / 8] = {[10] = 0xff, 0xff};

static void set_v4(uint8_t *out, const struct in_addr *v4)
{
    memcpy(out, mapped, sizeof(mapped));
    memcpy(out + sizeof(mapped), v4, sizeof(*v4));
}

static bool is_v4(const uint8_t *address)
{
    return memcmp(address, mapped, sizeof(mapped)) == 0;
}

static struct mr_peer peer_of(const union address *at)
{
    struct mr_peer peer = {.kind = MR_PEER_UNKNOWN};
    if (at->any.sa_family == AF_INET) {
        peer = (struct mr_peer){.kind = MR_PEER_ADDRESS, .port = ntohs(at->v4.sin_port)};
        set_v4(peer.address, &at->v4.sin_addr);
    } else if (at->any.sa_family == AF_INET6) {
        peer = (struct mr_peer){.kind = MR_PEER_ADDRESS, .port = ntohs(at->v6.sin6_port)};
        memcpy(peer.address, &at->v6.sin6_addr, sizeof(peer.address));
    } else if (at->any.sa_family == AF_UNIX) {
        peer.kind = MR_PEER_UNIX;
    }
    return peer;
}

struct mr_peer mr_peer_of_socket(int fd)
{
    union address at = {.any = {.sa_family = AF_UNSPEC}};
    socklen_t len = sizeof(at);
    if (getpeername(fd, &at.any, &len) != 0)
        at.any.sa_family = AF_UNSPEC;
    return peer_of(&at);
}

bool mr_peer_is_local(const struct mr_peer *peer)
{
    if (peer->kind != MR_PEER_ADDRESS)
        return peer->kind == MR_PEER_UNIX;
    return is_v4(peer->address) ? peer->address[sizeof(mapped)] == 127
                                : memcmp(peer->address, &in6addr_loopback, sizeof(peer->address)) == 0;
}

bool mr_peer_is_public_socket(int fd)
{
    union address at = {.any = {.sa_family = AF_UNSPEC}};
    socklen_t len = sizeof(at);
    if (getsockname(fd, &at.any, &len) != 0)
        return true;
    struct mr_peer peer = peer_of(&at);
    return !mr_peer_is_local(&peer);
}

/* An address without port and brackets. */
static bool parse_address(uint8_t *out, struct mr_slice text)
{
    char copy[INET6_ADDRSTRLEN];
    struct in_addr v4;
    if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.at, '\0', text.len) != NULL)
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, &v4) != 1)
        return inet_pton(AF_INET6, copy, out) == 1;
    set_v4(out, &v4);
    return true;
}

static bool parse_port(struct mr_slice text, uint16_t *out)
{
    uint64_t port;
    if (!mr_number_parse(text, UINT16_MAX, &port))
        return false;
    *out = (uint16_t)port;
    return true;
}

bool mr_peer_parse(struct mr_peer *out, struct mr_slice text)
{
    struct mr_peer peer = {.kind = MR_PEER_ADDRESS};
    struct mr_slice port = text, host;
    bool is_good;
    *out = (struct mr_peer){.kind = MR_PEER_UNKNOWN};
    if (text.len > 0 && text.at[0] == '[') {
        port = (struct mr_slice){.at = text.at + 1, .len = text.len - 1};
        host = mr_slice_cut(&port, ']');
        bool ends = port.at != NULL && port.len == 0;
        bool has_port = port.len > 1 && port.at[0] == ':';
        is_good = (ends || has_port) && parse_address(peer.address, host) && memchr(host.at, ':', host.len) != NULL;
        if (is_good && has_port)
            is_good = parse_port((struct mr_slice){.at = port.at + 1, .len = port.len - 1}, &peer.port);
    } else if (parse_address(peer.address, text)) {
        is_good = true;
    } else {
        host = mr_slice_cut(&port, ':'); /* a port behind an IPv6 address needs brackets */
        is_good = port.at != NULL && parse_address(peer.address, host) && parse_port(port, &peer.port);
    }
    if (is_good)
        *out = peer;
    return is_good;
}

void mr_peer_write(const struct mr_peer *peer, char out[MR_PEER_SIZE])
{
    _Static_assert(MR_PEER_SIZE >= INET6_ADDRSTRLEN, "an address fits");
    const char *text = peer->kind == MR_PEER_UNIX ? "unix" : "unknown";
    if (peer->kind != MR_PEER_ADDRESS)
        memcpy(out, text, strlen(text) + 1);
    else if (is_v4(peer->address))
        inet_ntop(AF_INET, peer->address + sizeof(mapped), out, MR_PEER_SIZE);
    else
        inet_ntop(AF_INET6, peer->address, out, MR_PEER_SIZE);
}

bool mr_peer_is_same(const struct mr_peer *a, const struct mr_peer *b)
{
    return a->kind == b->kind && memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

int mr_network_parse(struct mr_network *out, struct mr_slice text, struct mr_fault *fault)
{
    struct mr_slice bits = text, address = mr_slice_cut(&bits, '/');
    uint64_t count;
    *out = (struct mr_network){.is_unix = mr_slice_is(text, "unix"), .bits = 128};
    if (out->is_unix)
        return MR_OK;
    if (!parse_address(out->address, address))
        return mr_fault_set(fault, MR_EPARAM, "must be an ADDRESS, ADDRESS/BITS or unix");
    bool is_short = memchr(address.at, ':', address.len) == NULL;
    unsigned max = is_short ? 128 - MAPPED_BITS : 128;
    if (bits.at == NULL)
        return MR_OK;
    if (!mr_number_parse(bits, max, &count))
        return mr_fault_set(fault, MR_EPARAM, "behind the slash must be 0 to %u bits", max);
    out->bits = (unsigned)count + 128 - max;
    return MR_OK;
}

bool mr_network_has(const struct mr_network *network, const struct mr_peer *peer)
{
    if (peer->kind != MR_PEER_ADDRESS || network->is_unix)
        return network->is_unix && peer->kind == MR_PEER_UNIX;
    unsigned whole = network->bits / 8, rest = network->bits % 8;
    if (memcmp(network->address, peer->address, whole) != 0)
        return false;
    return rest == 0 || ((network->address[whole] ^ peer->address[whole]) >> (8 - rest)) == 0;
}
