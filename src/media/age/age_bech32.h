/* age_bech32.h -- private to age: 32-byte keys as Bech32 text (BIP 173, without its bound on the length).
 *
 * A text is PREFIX "1" DIGITS CHECKSUM, all of it in the case of the prefix: "age1..." of a public key,
 * "AGE-SECRET-KEY-1..." of an identity. Mixed case, another prefix, a wrong checksum and set bits behind the key are
 * refused. No branch depends on the key, and no copy of it stays on the stack.
 * Pure functions; any thread. */
#ifndef MR_MEDIA_AGE_BECH32_H
#define MR_MEDIA_AGE_BECH32_H

#include "base/slice.h"
#include <stdbool.h>
#include <stdint.h>

enum { MR_AGE_BECH32_KEY = 32 };

/* Bytes of the text of a key, NUL included. */
#define MR_AGE_BECH32_SIZE(prefix) (sizeof(prefix) + 1 + 52 + 6)

/* Write the text of `key` and a NUL into out[MR_AGE_BECH32_SIZE(prefix)]. */
void mr_age_bech32_encode(char *out, const char *prefix, const uint8_t key[MR_AGE_BECH32_KEY]);

/* False: not the text of a key with that prefix. `key` then holds zeros. */
bool mr_age_bech32_decode(uint8_t key[MR_AGE_BECH32_KEY], const char *prefix, struct mr_slice text);

#endif
