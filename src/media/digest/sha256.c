#include "media/digest/sha256.h"

#include "base/assert.h"
#include <openssl/evp.h>

void mr_sha256(uint8_t out[MR_SHA256_LEN], const void *bytes, size_t len)
{
    int ok = EVP_Digest(bytes, len, out, NULL, EVP_sha256(), NULL);
    MR_ASSERT(ok == 1); /* it fails for want of memory */
}

/* With the first bytes, since libcrypto may read its configuration the first time, which is nothing for a loop. */
static bool begin_hash(struct mr_sha256 *hash)
{
    if (hash->context != NULL)
        return true;
    hash->context = EVP_MD_CTX_new();
    if (hash->context != NULL && EVP_DigestInit_ex(hash->context, EVP_sha256(), NULL) == 1)
        return true;
    mr_sha256_clear(hash);
    return false;
}

bool mr_sha256_add(struct mr_sha256 *hash, const void *bytes, size_t len)
{
    return begin_hash(hash) && EVP_DigestUpdate(hash->context, bytes, len) == 1;
}

bool mr_sha256_end(struct mr_sha256 *hash, uint8_t out[MR_SHA256_LEN])
{
    bool is_done = begin_hash(hash) && EVP_DigestFinal_ex(hash->context, out, NULL) == 1;
    mr_sha256_clear(hash);
    return is_done;
}

void mr_sha256_clear(struct mr_sha256 *hash)
{
    EVP_MD_CTX_free(hash->context);
    hash->context = NULL;
}
