#include "media/age/age_kdf.h"
#include <sodium.h>
#include <string.h>

static void extract(uint8_t out[MR_AGE_KEY], const uint8_t *ikm, size_t ikm_len, const uint8_t *salt, size_t salt_len)
{
    static const uint8_t empty[1];
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, salt_len > 0 ? salt : empty, salt_len);
    crypto_auth_hmacsha256_update(&state, ikm, ikm_len);
    crypto_auth_hmacsha256_final(&state, out);
    sodium_memzero(&state, sizeof(state));
}

/* The first block is all that is ever needed. */
static void expand(uint8_t out[MR_AGE_KEY], const uint8_t extracted[MR_AGE_KEY], const char *info)
{
    static const uint8_t first_block = 1;
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, extracted, MR_AGE_KEY);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)info, strlen(info));
    crypto_auth_hmacsha256_update(&state, &first_block, 1);
    crypto_auth_hmacsha256_final(&state, out);
    sodium_memzero(&state, sizeof(state));
}

void mr_age_hkdf(uint8_t key[MR_AGE_KEY], const uint8_t *ikm, size_t ikm_len, const uint8_t *salt, size_t salt_len,
                 const char *info)
{
    uint8_t extracted[MR_AGE_KEY];
    extract(extracted, ikm, ikm_len, salt, salt_len);
    expand(key, extracted, info);
    sodium_memzero(extracted, sizeof(extracted));
}
