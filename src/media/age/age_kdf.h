/* age_kdf.h -- private to age: the one key derivation of its format, HKDF-SHA-256 (RFC 5869) with 32 bytes of output,
 * built from libsodium's HMAC-SHA-256, because libsodium 1.0.18 has no HKDF. Pure functions; any thread. */
#ifndef MR_MEDIA_AGE_KDF_H
#define MR_MEDIA_AGE_KDF_H

#include <stddef.h>
#include <stdint.h>

enum { MR_AGE_KEY = 32, MR_AGE_FILE_KEY = 16 };

/* key = HKDF-SHA-256(ikm, salt, info). salt may be NULL with salt_len 0: the empty one. `info` is text. */
void mr_age_hkdf(uint8_t key[MR_AGE_KEY], const uint8_t *ikm, size_t ikm_len, const uint8_t *salt, size_t salt_len,
                 const char *info);

#endif
