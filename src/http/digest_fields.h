/* digest_fields.h -- Content-Digest, Repr-Digest and their Want- fields (RFC 9530), which are dictionaries (RFC 8941,
 * section 3.2). SHA-256 is the one algorithm here; every other one, SHA-512 too, is read over. Pure functions; any
 * thread. */
#ifndef MR_HTTP_DIGEST_FIELDS_H
#define MR_HTTP_DIGEST_FIELDS_H

#include "http/fields.h"
#include "http/head.h"

#define MR_DIGEST_SHA256_LEN 32

struct mr_digest {
    bool is_given; /* the field has a sha-256 */
    uint8_t sha256[MR_DIGEST_SHA256_LEN];
};

/* Read all lines of the field `name` ("Content-Digest", "Repr-Digest"). MR_OK, or MR_EREQUEST: no dictionary, or a
 * sha-256 that is none. The last one counts when there are several (RFC 8941, section 4.2.2). */
int mr_digest_read(const struct mr_head *head, const char *name, struct mr_digest *out, struct mr_fault *fault);

/* Does the field `name` ("Want-Repr-Digest") ask for sha-256? A preference of 0 says no, 1 to 10 say yes. MR_OK, or
 * MR_EREQUEST as above. */
int mr_digest_read_want(const struct mr_head *head, const char *name, bool *is_wanted, struct mr_fault *fault);

/* Set the field `name` (static text) to sha-256=:BASE64: */
void mr_digest_set_field(struct mr_fields *fields, const char *name, const uint8_t sha256[MR_DIGEST_SHA256_LEN]);

#endif
