/* chunked.h -- a strict guard over the framing of a chunked body (RFC 9112, section 7.1).
 *
 * The raw bytes run through it before llhttp sees them. It refuses what llhttp would let pass (a bare LF that ends the
 * body, obs-fold and empty names in trailers, sizes above 2^63-1) and bounds what llhttp does not count. Extensions are
 * the guard's alone: it checks them, and they are left out of what llhttp is given, which knows fewer of them. White
 * space around extensions and backslashes in their quoted strings stand in the grammar of the RFC, but readers disagree
 * about them and no client sends them: they are refused. What else the guard accepts llhttp reads in the same way, or
 * refuses.
 *
 * Pure; one body is guarded by one thread at a time. */
#ifndef MR_HTTP1_CHUNKED_H
#define MR_HTTP1_CHUNKED_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MR_CHUNK_DIGITS_MAX     16            /* hex digits of a size, leading zeros included */
#define MR_CHUNK_EXTENSION_MAX  MR_KIB        /* octets of extensions of one chunk */
#define MR_CHUNK_EXTENSIONS_MAX (16 * MR_KIB) /* of one body */
#define MR_CHUNK_TRAILERS_MAX   (16 * MR_KIB) /* octets of all trailer fields with their line ends */

struct mr_chunked {
    bool done;    /* read-only: the body has ended; the next request begins behind what was used */
    size_t used;  /* read-only: octets that the last call looked at */
    bool skipped; /* read-only: all of them are of extensions: not for llhttp. Else none is */

    /* private */
    uint8_t state;
    uint8_t digits;               /* of the size being read */
    uint64_t left;                /* octets of data that the chunk still has */
    size_t extension, extensions; /* octets of extensions: of this chunk, of the body */
    size_t trailers;              /* octets of trailer fields */
};

/* Before the first byte of a body. */
void mr_chunked_init(struct mr_chunked *guard);
/* Look at the next bytes of the body, as far as the begin or the end of extensions: call it again for the rest. MR_OK
 * (see done, used and skipped), or MR_EREQUEST, MR_EHEAD (too many trailers) with *fault filled: the connection cannot
 * be read any further. Bytes behind the end of the body are not looked at. */
int mr_chunked_guard(struct mr_chunked *guard, const char *bytes, size_t len, struct mr_fault *fault);

#endif
