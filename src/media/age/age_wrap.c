#include "media/age/age_wrap.h"
#include "base/assert.h"
#include "base/utf8.h"
#include <errno.h>
#include <sodium.h>
#include <stdatomic.h>

enum { SCRYPT_BLOCK = 8, SCRYPT_LANES = 1, BUSY_RETRY_S = 1 };

_Static_assert(MR_AGE_SHARE == crypto_scalarmult_BYTES && MR_AGE_KEY == crypto_scalarmult_BYTES, "X25519");
_Static_assert(MR_AGE_BODY == MR_AGE_FILE_KEY + crypto_aead_chacha20poly1305_ietf_ABYTES, "a file key and its tag");

/* Each wrap key is used once, so that the nonce may be the same. */
static const uint8_t zero_nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];

static void seal_file_key(uint8_t body[MR_AGE_BODY], const uint8_t file_key[MR_AGE_FILE_KEY],
                          const uint8_t wrap_key[MR_AGE_KEY])
{
    crypto_aead_chacha20poly1305_ietf_encrypt(body, NULL, file_key, MR_AGE_FILE_KEY, NULL, 0, NULL, zero_nonce,
                                              wrap_key);
}

static bool open_file_key(uint8_t file_key[MR_AGE_FILE_KEY], const uint8_t body[MR_AGE_BODY],
                          const uint8_t wrap_key[MR_AGE_KEY])
{
    return crypto_aead_chacha20poly1305_ietf_decrypt(file_key, NULL, NULL, body, MR_AGE_BODY, NULL, 0, zero_nonce,
                                                     wrap_key) == 0;
}

/* What both sides of an exchange derive. False: the point is of low order, and the secret no secret. */
static bool derive_x25519(uint8_t wrap_key[MR_AGE_KEY], const uint8_t secret[MR_AGE_KEY],
                          const uint8_t point[MR_AGE_KEY], const uint8_t share[MR_AGE_SHARE],
                          const uint8_t recipient[MR_AGE_KEY])
{
    uint8_t shared[crypto_scalarmult_BYTES];
    uint8_t salt[MR_AGE_SHARE + MR_AGE_KEY];
    bool good = crypto_scalarmult(shared, secret, point) == 0 && sodium_is_zero(shared, sizeof(shared)) == 0;
    memcpy(salt, share, MR_AGE_SHARE);
    memcpy(salt + MR_AGE_SHARE, recipient, MR_AGE_KEY);
    if (good)
        mr_age_hkdf(wrap_key, shared, sizeof(shared), salt, sizeof(salt), "age-encryption.org/v1/X25519");
    sodium_memzero(shared, sizeof(shared));
    return good;
}

int mr_age_wrap_x25519(struct mr_age_stanza *out, const uint8_t file_key[MR_AGE_FILE_KEY],
                       const uint8_t recipient[MR_AGE_KEY], struct mr_fault *fault)
{
    uint8_t ephemeral[MR_AGE_KEY], wrap_key[MR_AGE_KEY];
    *out = (struct mr_age_stanza){.type = MR_AGE_X25519};
    randombytes_buf(ephemeral, sizeof(ephemeral));
    crypto_scalarmult_base(out->share, ephemeral);
    bool good = derive_x25519(wrap_key, ephemeral, recipient, out->share, recipient);
    if (good)
        seal_file_key(out->body, file_key, wrap_key);
    sodium_memzero(ephemeral, sizeof(ephemeral));
    sodium_memzero(wrap_key, sizeof(wrap_key));
    return good ? MR_OK : mr_fault_set(fault, MR_EPARAM, "A recipient is not a key that anybody can have.");
}

int mr_age_unwrap_x25519(uint8_t file_key[MR_AGE_FILE_KEY], const struct mr_age_stanza *stanza,
                         const struct mr_age_identity *identity, struct mr_fault *fault)
{
    uint8_t wrap_key[MR_AGE_KEY];
    MR_ASSERT(stanza->type == MR_AGE_X25519);
    if (!derive_x25519(wrap_key, identity->secret, stanza->share, stanza->share, identity->recipient))
        return mr_fault_set(fault, MR_ECORRUPT, "The age header is malformed: a share is a point of low order.");
    bool opened = open_file_key(file_key, stanza->body, wrap_key);
    sodium_memzero(wrap_key, sizeof(wrap_key));
    return opened ? MR_OK : MR_ENOKEY;
}

/* Other programs take what is typed as UTF-8: what is sent here as Latin-1 (by fetch() and Python's requests), or with
 * a byte order mark in front (by an editor), would open nothing that they made, and they nothing that we made. */
static int check_text(struct mr_slice text, struct mr_fault *fault)
{
    static const char mark[] = "\xef\xbb\xbf";
    if (text.len >= sizeof(mark) - 1 && memcmp(text.at, mark, sizeof(mark) - 1) == 0)
        return mr_fault_set(fault, MR_EPARAM,
                            "The passphrase begins with a byte order mark, which is no part of what is typed.");
    if (!mr_utf8_is_valid(text))
        return mr_fault_set(fault, MR_EPARAM, "The passphrase is not UTF-8: other programs of age would not take it.");
    return MR_OK;
}

int mr_age_passphrase_set(struct mr_age_passphrase *out, struct mr_slice text, struct mr_fault *fault)
{
    out->len = 0;
    out->work_factor = MR_AGE_WORK_FACTOR;
    if (text.at == NULL)
        return MR_OK;
    if (text.len == 0)
        return mr_fault_set(fault, MR_EPARAM, "The passphrase must not be empty.");
    if (text.len > MR_AGE_PASSPHRASE_MAX)
        return mr_fault_limit(fault, MR_EPARAM, "passphrase", MR_AGE_PASSPHRASE_MAX, text.len);
    int err = check_text(text, fault);
    if (err != MR_OK)
        return err;
    memcpy(out->text, text.at, text.len);
    out->len = text.len;
    return MR_OK;
}

static int run_scrypt(uint8_t wrap_key[MR_AGE_KEY], const struct mr_age_passphrase *passphrase,
                      const struct mr_age_stanza *stanza, struct mr_fault *fault)
{
    static const char label[] = "age-encryption.org/v1/scrypt";
    uint8_t salt[sizeof(label) - 1 + MR_AGE_SALT];
    memcpy(salt, label, sizeof(label) - 1);
    memcpy(salt + sizeof(label) - 1, stanza->salt, MR_AGE_SALT);
    if (crypto_pwhash_scryptsalsa208sha256_ll((const uint8_t *)passphrase->text, passphrase->len, salt, sizeof(salt),
                                              (uint64_t)1 << stanza->work_factor, SCRYPT_BLOCK, SCRYPT_LANES, wrap_key,
                                              MR_AGE_KEY) == 0)
        return MR_OK;
    return mr_fault_set(fault, errno == ENOMEM ? MR_EMEMORY : MR_EINTERNAL, NULL);
}

/* One at a time, within the budget. */
static int derive_scrypt(uint8_t wrap_key[MR_AGE_KEY], const struct mr_age_passphrase *passphrase,
                         const struct mr_age_stanza *stanza, struct mr_budget *budget, struct mr_fault *fault)
{
    static atomic_flag is_running = ATOMIC_FLAG_INIT;
    uint64_t bytes = (uint64_t)128 * SCRYPT_BLOCK << stanza->work_factor;
    /* Relaxed, here and below: the flag only counts to one, and no data goes with it. */
    if (atomic_flag_test_and_set_explicit(&is_running, memory_order_relaxed)) {
        mr_fault_set(fault, MR_EBUSY, "Another passphrase is at work.");
        if (fault != NULL)
            fault->retry_after_s = BUSY_RETRY_S;
        return MR_EBUSY;
    }
    int err;
    if (budget != NULL && !mr_budget_try_take(budget, bytes)) {
        err = mr_fault_limit(fault, MR_EBUDGET, "memory-budget", budget->limit, mr_budget_used(budget) + bytes);
    } else {
        err = run_scrypt(wrap_key, passphrase, stanza, fault);
        if (budget != NULL)
            mr_budget_give_back(budget, bytes);
    }
    atomic_flag_clear_explicit(&is_running, memory_order_relaxed);
    return err;
}

int mr_age_wrap_scrypt(struct mr_age_stanza *out, const uint8_t file_key[MR_AGE_FILE_KEY],
                       const struct mr_age_passphrase *passphrase, struct mr_budget *budget, struct mr_fault *fault)
{
    uint8_t wrap_key[MR_AGE_KEY];
    *out = (struct mr_age_stanza){.type = MR_AGE_SCRYPT, .work_factor = MR_AGE_WORK_FACTOR};
    randombytes_buf(out->salt, sizeof(out->salt));
    int err = derive_scrypt(wrap_key, passphrase, out, budget, fault);
    if (err != MR_OK)
        return err;
    seal_file_key(out->body, file_key, wrap_key);
    sodium_memzero(wrap_key, sizeof(wrap_key));
    return MR_OK;
}

int mr_age_unwrap_scrypt(uint8_t file_key[MR_AGE_FILE_KEY], const struct mr_age_stanza *stanza,
                         const struct mr_age_passphrase *passphrase, struct mr_budget *budget, struct mr_fault *fault)
{
    uint8_t wrap_key[MR_AGE_KEY];
    MR_ASSERT(stanza->type == MR_AGE_SCRYPT);
    if (stanza->work_factor > passphrase->work_factor)
        return mr_fault_limit(fault, MR_EKEYWORK, "max-work-factor", passphrase->work_factor, stanza->work_factor);
    int err = derive_scrypt(wrap_key, passphrase, stanza, budget, fault);
    if (err != MR_OK)
        return err;
    bool opened = open_file_key(file_key, stanza->body, wrap_key);
    sodium_memzero(wrap_key, sizeof(wrap_key));
    return opened ? MR_OK : mr_fault_set(fault, MR_ENOKEY, "The passphrase is not that of the file.");
}
