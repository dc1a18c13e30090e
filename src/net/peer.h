/* peer.h -- the other end of a connection: an Internet address with its port, or a Unix socket. And networks, to say
 * which peers are meant.
 *
 * An IPv4 address that came in IPv6 clothes (::ffff:192.0.2.1, as a listener on both has them) is the IPv4 address.
 * Pure functions but for what takes a descriptor; any thread. */
#ifndef MR_NET_PEER_H
#define MR_NET_PEER_H

#include "base/error.h"
#include "base/slice.h"
#include <stdbool.h>
#include <stdint.h>

enum mr_peer_kind { MR_PEER_UNKNOWN, MR_PEER_ADDRESS, MR_PEER_UNIX };

struct mr_peer {
    enum mr_peer_kind kind;
    uint16_t port;       /* 0: not known */
    uint8_t address[16]; /* of IPv6; IPv4 as ::ffff:a.b.c.d */
};

#define MR_PEER_SIZE 46 /* the longest text, with its NUL */

/* The peer of a connected socket; UNKNOWN if the system does not tell it. One system call. */
struct mr_peer mr_peer_of_socket(int fd);
/* Is the address that the socket is bound to one that other machines can reach: no loopback, no Unix socket? */
bool mr_peer_is_public_socket(int fd);
/* An address as proxies write it: "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80".
 * False: it is none of these; then *out is UNKNOWN. */
bool mr_peer_parse(struct mr_peer *out, struct mr_slice text);
/* "192.0.2.1", "2001:db8::1", "unix", "unknown"; without the port. */
void mr_peer_write(const struct mr_peer *peer, char out[MR_PEER_SIZE]);
/* On this machine: a loopback address, or a Unix socket. */
bool mr_peer_is_local(const struct mr_peer *peer);
/* The same address or kind, whatever the port. */
bool mr_peer_is_same(const struct mr_peer *a, const struct mr_peer *b);

struct mr_network {
    bool is_unix;        /* every Unix socket */
    uint8_t address[16]; /* as above */
    unsigned bits;       /* of the address that count: 0 to 128 */
};

/* "192.0.2.0/24", "2001:db8::/32", an address alone, or "unix". MR_OK, or MR_EPARAM: the fault's detail says why. */
int mr_network_parse(struct mr_network *out, struct mr_slice text, struct mr_fault *fault);
bool mr_network_has(const struct mr_network *network, const struct mr_peer *peer);

#endif
