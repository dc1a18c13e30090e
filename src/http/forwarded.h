/* forwarded.h -- what a trusted proxy says of the client before it: Forwarded (RFC 7239), or X-Forwarded-For.
 *
 * A proxy adds the address of its own peer at the right, and what stands to the left of that may come from anybody. So
 * the list is read from the right, beginning with the connection's peer: as long as a hop is trusted, the one before it
 * is believed. The first one that is not trusted is the client. A hop that is no address ends the search; the client is
 * then the last proxy that is known. Where both fields are there and name different clients, neither is believed: a
 * proxy that writes the one passes the other through as its client sent it.
 * Pure; any thread. */
#ifndef MR_HTTP_FORWARDED_H
#define MR_HTTP_FORWARDED_H

#include "http/head.h"
#include "net/peer.h"

#define MR_FORWARDED_HOPS_MAX 16 /* read from the right; those further left are not looked at */

struct mr_trust {
    unsigned count;
    struct mr_network networks[32];
};

struct mr_client {
    struct mr_peer peer;
    bool is_behind_trusted; /* the connection's peer is a trusted proxy */
};

bool mr_trust_has(const struct mr_trust *trust, const struct mr_peer *peer);
/* peer: of the connection. */
struct mr_client mr_forwarded_client(const struct mr_head *head, const struct mr_peer *peer,
                                     const struct mr_trust *trust);

#endif
