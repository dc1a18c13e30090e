/* DESIGN. The cipher is libcrypto's: libsodium's takes nearly three times as long, and this is where the time of a
 * stream goes. One EVP_CIPHER_CTX a run of chunks; freeing it wipes its copy of the key. */
#include "media/age/age_stream.h"
#include "base/assert.h"
#include "base/macros.h"
#include <inttypes.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <string.h>

enum { NONCE = 12 };

void mr_age_stream_key(uint8_t key[MR_AGE_KEY], const uint8_t file_key[MR_AGE_FILE_KEY],
                       const uint8_t nonce[MR_AGE_NONCE])
{
    mr_age_hkdf(key, file_key, MR_AGE_FILE_KEY, nonce, MR_AGE_NONCE, "payload");
}

/* The number, 11 bytes of it with the highest first, and the mark of the final chunk. */
static void write_nonce(uint8_t nonce[NONCE], uint64_t chunk, bool final)
{
    memset(nonce, 0, NONCE);
    for (int i = NONCE - 2; chunk > 0; i--, chunk >>= 8)
        nonce[i] = (uint8_t)chunk;
    nonce[NONCE - 1] = final;
}

/* NULL: see mr_age_seal(). */
static EVP_CIPHER_CTX *begin(const uint8_t key[MR_AGE_KEY], bool seals, struct mr_fault *fault)
{
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    if (cipher != NULL && EVP_CipherInit_ex(cipher, EVP_chacha20_poly1305(), NULL, key, NULL, seals) == 1)
        return cipher;
    EVP_CIPHER_CTX_free(cipher);
    mr_fault_set(fault, MR_EMEMORY, "libcrypto does not give ChaCha20-Poly1305.");
    return NULL;
}

/* All of a chunk but its tag, which an opening cipher was told before. */
static bool run(EVP_CIPHER_CTX *cipher, uint8_t *out, uint64_t chunk, bool final, const uint8_t *in, size_t len)
{
    uint8_t nonce[NONCE], nothing[1];
    int written, rest;
    write_nonce(nonce, chunk, final);
    return EVP_CipherInit_ex(cipher, NULL, NULL, NULL, nonce, -1) == 1 &&
           EVP_CipherUpdate(cipher, out, &written, in, (int)len) == 1 &&
           EVP_CipherFinal_ex(cipher, nothing, &rest) == 1;
}

static void seal_chunk(EVP_CIPHER_CTX *cipher, uint8_t *out, uint64_t chunk, bool final, const uint8_t *in, size_t len)
{
    bool is_done = run(cipher, out, chunk, final, in, len) &&
                   EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, MR_AGE_TAG, out + len) == 1;
    MR_ASSERT(is_done); /* with a key and such lengths nothing can fail */
}

int mr_age_seal(uint8_t *out, size_t *out_len, const uint8_t key[MR_AGE_KEY], uint64_t chunk, const uint8_t *in,
                size_t len, bool last, struct mr_fault *fault)
{
    MR_ASSERT(last || (len > 0 && len % MR_AGE_CHUNK == 0));
    MR_ASSERT(len > 0 || chunk == 0);
    *out_len = 0;
    EVP_CIPHER_CTX *cipher = begin(key, true, fault);
    if (cipher == NULL)
        return MR_EMEMORY;
    do {
        size_t part = MR_MIN(len, (size_t)MR_AGE_CHUNK);
        seal_chunk(cipher, out + *out_len, chunk++, last && part == len, in, part);
        *out_len += part + MR_AGE_TAG;
        in += part;
        len -= part;
    } while (len > 0);
    EVP_CIPHER_CTX_free(cipher);
    return MR_OK;
}

/* One chunk. Nothing is left of its plaintext when the tag is wrong. */
static bool open_chunk(EVP_CIPHER_CTX *cipher, uint8_t *out, uint64_t chunk, bool final, const uint8_t *in, size_t len)
{
    uint8_t tag[MR_AGE_TAG];
    if (len < MR_AGE_TAG || (len == MR_AGE_TAG && chunk > 0))
        return false;
    len -= MR_AGE_TAG;
    memcpy(tag, in + len, MR_AGE_TAG);
    bool is_whole = EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, MR_AGE_TAG, tag) == 1 &&
                    run(cipher, out, chunk, final, in, len);
    if (!is_whole)
        sodium_memzero(out, len);
    return is_whole;
}

/* Chunk by chunk, up to one that is wrong: *out_len is what was opened before it. */
static int open_chunks(EVP_CIPHER_CTX *cipher, uint8_t *out, size_t *out_len, uint64_t chunk, const uint8_t *in,
                       size_t len, bool last, struct mr_fault *fault)
{
    do {
        size_t part = MR_MIN(len, (size_t)MR_AGE_SEALED);
        bool final = last && part == len;
        bool is_whole = open_chunk(cipher, out + *out_len, chunk, final, in, part);
        bool too_early = !is_whole && !final && open_chunk(cipher, out + *out_len, chunk, true, in, part);
        if (is_whole || too_early)
            *out_len += part - MR_AGE_TAG;
        if (too_early)
            return mr_fault_set(fault, MR_ECORRUPT, "Something stands behind the end of the payload.");
        if (!is_whole)
            return mr_fault_set(fault, MR_ECORRUPT, "The payload is damaged or cut short in chunk %" PRIu64 ".", chunk);
        chunk++;
        in += part;
        len -= part;
    } while (len > 0);
    return MR_OK;
}

int mr_age_open(uint8_t *out, size_t *out_len, const uint8_t key[MR_AGE_KEY], uint64_t chunk, const uint8_t *in,
                size_t len, bool last, struct mr_fault *fault)
{
    MR_ASSERT(last || (len > 0 && len % MR_AGE_SEALED == 0));
    *out_len = 0;
    EVP_CIPHER_CTX *cipher = begin(key, false, fault);
    if (cipher == NULL)
        return MR_EMEMORY;
    int err = open_chunks(cipher, out, out_len, chunk, in, len, last, fault);
    EVP_CIPHER_CTX_free(cipher);
    return err;
}
