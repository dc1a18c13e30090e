/* signing_keys.h -- the keys that sign addresses (signature.h), and the file of --signing-keys with a line for each:
 *
 *      # kid      the key: base64url of 32 bytes, without padding
 *      2026-11    6Xv0...(43 characters)
 *
 * What holds for every file of keys stands in key_file.h. The first key signs, and all of them verify: that is how a
 * key is replaced without a gap. A kid is the key's name, which stands in each signed address: 1 to MR_SIGNING_KID_MAX
 * letters, digits, '-', '_' and '.'. Kids and keys occur once. A file without a key is refused, since nothing could be
 * signed. What stands behind the key is `word=value`; no word is known yet.
 *
 * The file holds the keys themselves: with it one can sign. */
#ifndef MR_KEYS_SIGNING_KEYS_H
#define MR_KEYS_SIGNING_KEYS_H

#include "base/slice.h"
#include "keys/key_ring.h"
#include <stdbool.h>
#include <stdint.h>

enum {
    MR_SIGNING_KEYS_MAX = 64, /* of a file */
    MR_SIGNING_KID_MAX = 32,
    MR_SIGNING_SECRET = 32, /* bytes */
};
#define MR_SIGNING_LINE_SIZE (MR_SIGNING_KID_MAX + 1 + 43 + 1) /* kid, blank, base64url of the secret, NUL */

struct mr_signing_key {
    char kid[MR_SIGNING_KID_MAX + 1];
    uint8_t secret[MR_SIGNING_SECRET];
};

struct mr_signing_keys {
    size_t count; /* at least 1 */
    struct mr_signing_key keys[MR_SIGNING_KEYS_MAX];
};

/* Read the text of a file, which faults call `name`. MR_OK, or MR_EPARAM, and *out is not complete. */
int mr_signing_keys_parse(struct mr_signing_keys *out, struct mr_slice text, const char *name, struct mr_fault *fault);
extern const struct mr_key_kind mr_signing_key_kind;

/* Of a ring: the key that signs, and the key of this kid (false: there is none). The caller wipes the copy. Any thread.
 */
void mr_signing_keys_first(struct mr_key_ring *ring, struct mr_signing_key *out);
bool mr_signing_keys_find(struct mr_key_ring *ring, struct mr_slice kid, struct mr_signing_key *out);

bool mr_signing_key_is_kid(struct mr_slice kid);
/* The line of a new key, without its end; the caller wipes it. kid: mr_signing_key_is_kid(). MR_OK or MR_EINTERNAL. */
int mr_signing_key_make(char line[MR_SIGNING_LINE_SIZE], struct mr_slice kid);

#endif
