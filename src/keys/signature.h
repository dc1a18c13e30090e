/* signature.h -- signed addresses: a path and a query that cannot be made or changed without the key.
 *
 *      /images/01M8MMF2NAXJFYWDJD7847071C?expires=1764547200&kid=2026-11&w=300&sig=Vb1x...
 *
 * SPECIFICATION. The signed text is PATH '?' QUERY.
 *
 * PATH is the path of the address as the server gets it, with each percent escape decoded and each octet other than '/'
 * and the unreserved ones (RFC 3986, section 2.3: letters, digits, '-', '.', '_', '~') written as %XX with upper-case
 * digits. An escaped slash stays "%2F", and so differs from one that separates segments.
 *
 * QUERY is made of all parameters but `sig` and `s`; `kid` and `expires` are among them. The names and values are
 * decoded (http/query.h: '+' is a space, and a parameter without '=' has an empty value), sorted by the octets of their
 * names, written as NAME '=' VALUE with all octets but the unreserved ones as %XX, and joined with '&'.
 *
 * `sig` is base64url without padding (43 characters) of the HMAC-SHA-256 of this text under the key that `kid` names.
 * `expires` is a time in seconds since 1970, as a decimal number; from then on the address is refused. Each parameter
 * occurs once.
 *
 * So the spelling of escapes and the order of parameters may change on the way, and nothing else may: two addresses
 * have the same signed text only if their paths have the same segments and their queries the same names and values.
 * `s`, which imgix uses for its own signatures, means nothing here. Scheme and host are not signed, nor is the method:
 * a signature is good for reading.
 *
 * Pure functions, but for looking up keys; any thread. Memory from the arena: some three times the address. */
#ifndef MR_KEYS_SIGNATURE_H
#define MR_KEYS_SIGNATURE_H

#include "base/arena.h"
#include "base/error.h"
#include "base/param.h"
#include "keys/signing_keys.h"

#define MR_SIGNATURE_EXPIRES_MAX 253402300799u /* the end of the year 9999 */

/* What an address says, before or after it was signed. All of it is borrowed. */
struct mr_signed_address {
    struct mr_slice path;              /* as sent; begins with '/' */
    const struct mr_param_pair *pairs; /* of the query, decoded; all of them */
    unsigned count;
};

/* What a server signs with. */
struct mr_signing {
    struct mr_key_ring *keys; /* borrowed: of mr_signing_key_kind */
    uint64_t life_s;          /* of what it signs, before it is rounded up */
    bool signs_files;         /* addresses of files, too, and not of images alone */
};

/* What a signature that was verified says. */
struct mr_signature {
    char kid[MR_SIGNING_KID_MAX + 1];
    uint64_t expires; /* seconds since 1970 */
};

/* Write the signed text. MR_OK, or MR_EPARAM: a '%' of the path is not followed by two hex digits, it does not begin
 * with '/', or a parameter is given more than once. */
int mr_signature_text(struct mr_slice *out, const struct mr_signed_address *address, struct mr_arena *arena,
                      struct mr_fault *fault);

/* Sign: *out becomes the path as it is, '?', the query as it is signed, and `sig` at its end. The same address, key and
 * time give the same text. MR_OK, or MR_EPARAM: as mr_signature_text(); the query has `sig`, `kid` or `expires`
 * already. `s` is left out. expires: at most MR_SIGNATURE_EXPIRES_MAX. */
int mr_signature_sign(struct mr_slice *out, const struct mr_signed_address *address, const struct mr_signing_key *key,
                      uint64_t expires, struct mr_arena *arena, struct mr_fault *fault);
/* The same by a server: with its first key, until mr_signature_expiry(). */
int mr_signing_sign(struct mr_slice *out, const struct mr_signing *signing, const struct mr_signed_address *address,
                    uint64_t now_s, struct mr_arena *arena, struct mr_fault *fault);

/* Verify, in a time that does not depend on how much of the signature is right. MR_OK, and *out (may be NULL) is
 * filled; MR_ESIGNATURE: something is missing, the kid is not known, or the signature does not fit; MR_ESIGEXPIRED: it
 * fits, and its time is over. That is said of a right signature alone. */
int mr_signature_verify(struct mr_signature *out, const struct mr_signing *signing,
                        const struct mr_signed_address *address, uint64_t now_s, struct mr_arena *arena,
                        struct mr_fault *fault);

/* When an address that is signed now expires: now and life, rounded up to a multiple of an eighth of life (of a second
 * at least). So it lives at least for `life` and at most an eighth longer, all that are made within an eighth of life
 * are the same, and caches have them. */
uint64_t mr_signature_expiry(uint64_t now_s, uint64_t life_s);

#endif
