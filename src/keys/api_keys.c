/* DESIGN. A stored hash is compared in constant time, and all of them always are. Even a comparison that leaked would
 * not help: what a client chooses is the key, and it cannot choose a key for the first bytes of its hash to be those of
 * another one without computing as many hashes as for guessing. SHA-256 without salt and stretching is enough for keys
 * of 256 random bits. */
#include "keys/api_keys.h"
#include "base/assert.h"
#include "base/macros.h"
#include "base/number.h"
#include "keys/word.h"
#include <sodium.h>
#include <stdio.h>

#define HASH_PREFIX "sha256:"

_Static_assert(MR_API_KEY_HASH == crypto_hash_sha256_BYTES, "SHA-256");

static int wrong_line(struct mr_fault *fault, const char *why)
{
    return mr_fault_set(fault, MR_EPARAM, "%s", why);
}

/* ---- a line ---- */

bool mr_api_key_is_name(struct mr_slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && !mr_number_is_digit(c) && c != '-' && c != '_' && c != '.' && c != '@')
            return false;
    }
    bool is_key = name.len >= sizeof(MR_API_KEY_PREFIX) - 1 &&
                  memcmp(name.at, MR_API_KEY_PREFIX, sizeof(MR_API_KEY_PREFIX) - 1) == 0;
    return name.len > 0 && name.len <= MR_API_KEY_NAME_MAX && !is_key;
}

static bool parse_hash(struct mr_slice word, uint8_t out[MR_API_KEY_HASH])
{
    const size_t prefix = sizeof(HASH_PREFIX) - 1;
    if (word.len != prefix + 2 * (size_t)MR_API_KEY_HASH || memcmp(word.at, HASH_PREFIX, prefix) != 0)
        return false;
    const char *digits = word.at + prefix;
    for (size_t i = 0; i < MR_API_KEY_HASH; i++) {
        int high = mr_number_hex_value(digits[2 * i]), low = mr_number_hex_value(digits[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static int parse_line(struct mr_api_key *out, struct mr_slice line, struct mr_fault *fault)
{
    struct mr_slice name = mr_word_next(&line), hash = mr_word_next(&line), rights = mr_word_next(&line);
    if (rights.len == 0)
        return wrong_line(fault, "a line has a name, sha256:HEX and rights");
    if (!mr_api_key_is_name(name))
        return wrong_line(fault, "a name has 1 to 64 letters, digits, '-', '_', '.' and '@', and is no key");
    if (!parse_hash(hash, out->hash))
        return wrong_line(fault, "behind the name stands sha256: and 64 hexadecimal digits, the hash of the key");
    memcpy(out->name, name.at, name.len);
    out->name[name.len] = '\0';
    int err = mr_rights_parse(rights, &out->rights, fault);
    return err == MR_OK ? mr_word_refuse_rest(line, "the rights", fault) : err;
}

/* ---- all lines ---- */

static int check_unique(const struct mr_api_keys *keys, const struct mr_api_key *key, struct mr_fault *fault)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (strcmp(keys->keys[i].name, key->name) == 0)
            return wrong_line(fault, "the name stands in a line above already");
        if (memcmp(keys->keys[i].hash, key->hash, sizeof(key->hash)) == 0)
            return wrong_line(fault, "the hash stands in a line above already");
    }
    return MR_OK;
}

static int add_line(void *context, struct mr_slice line, struct mr_fault *fault)
{
    struct mr_api_keys *keys = context;
    if (keys->count == MR_API_KEYS_MAX)
        return mr_fault_set(fault, MR_EPARAM, "a file has at most %d keys", MR_API_KEYS_MAX);
    struct mr_api_key *key = &keys->keys[keys->count];
    int err = parse_line(key, line, fault);
    if (err == MR_OK)
        err = check_unique(keys, key, fault);
    if (err == MR_OK)
        keys->count++;
    return err;
}

int mr_api_keys_parse(struct mr_api_keys *out, struct mr_slice text, const char *name, struct mr_fault *fault)
{
    out->count = 0;
    return mr_key_lines(text, name, add_line, out, fault);
}

/* ---- a file ---- */

static int parse_keys(void *out, struct mr_slice text, const char *name, struct mr_fault *fault)
{
    return mr_api_keys_parse(out, text, name, fault);
}

static size_t count_keys(const void *keys)
{
    return ((const struct mr_api_keys *)keys)->count;
}

const struct mr_key_kind mr_api_key_kind = {
    .label = "API keys",
    .counted = "keys",
    .size = sizeof(struct mr_api_keys),
    .parse = parse_keys,
    .count = count_keys,
};

/* ---- keys ---- */

/* Looks at all bytes, by the word: 1,024 keys take 1 us. With sodium_memcmp(), which reads byte by byte, it was 49. */
static bool is_same_hash(const uint8_t a[MR_API_KEY_HASH], const uint8_t b[MR_API_KEY_HASH])
{
    uint64_t differs = 0;
    for (size_t i = 0; i < MR_API_KEY_HASH; i += sizeof(uint64_t)) {
        uint64_t one, other;
        memcpy(&one, a + i, sizeof(one));
        memcpy(&other, b + i, sizeof(other));
        differs |= one ^ other;
    }
    return differs == 0;
}

const struct mr_api_key *mr_api_keys_find(const struct mr_api_keys *keys, struct mr_slice key)
{
    uint8_t hash[MR_API_KEY_HASH];
    const struct mr_api_key *found = NULL;
    if (key.len == 0 || key.len > MR_API_KEY_MAX)
        return NULL;
    crypto_hash_sha256(hash, (const unsigned char *)key.at, key.len);
    for (size_t i = 0; i < keys->count; i++)
        found = is_same_hash(keys->keys[i].hash, hash) ? &keys->keys[i] : found;
    return found;
}

bool mr_api_keys_look_up(struct mr_key_ring *ring, struct mr_slice key, struct mr_api_key *out)
{
    const struct mr_api_key *found = mr_api_keys_find(mr_key_ring_borrow(ring, &mr_api_key_kind), key);
    if (found != NULL)
        *out = *found;
    mr_key_ring_return(ring);
    return found != NULL;
}

int mr_api_key_make(char out[MR_API_KEY_SIZE])
{
    uint8_t secret[32];
    const size_t prefix = sizeof(MR_API_KEY_PREFIX) - 1;
    _Static_assert(sodium_base64_ENCODED_LEN(sizeof(secret), sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 44,
                   "43, NUL");
    if (sodium_init() < 0)
        return MR_EINTERNAL;
    randombytes_buf(secret, sizeof(secret));
    memcpy(out, MR_API_KEY_PREFIX, prefix);
    sodium_bin2base64(out + prefix, MR_API_KEY_SIZE - prefix, secret, sizeof(secret),
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(secret, sizeof(secret));
    return MR_OK;
}

void mr_api_key_line(char out[MR_API_KEY_LINE_SIZE], struct mr_slice name, struct mr_slice key, uint32_t rights)
{
    uint8_t hash[MR_API_KEY_HASH];
    char digits[2 * MR_API_KEY_HASH + 1], words[MR_RIGHTS_SIZE];
    MR_ASSERT(mr_api_key_is_name(name) && rights != 0);
    crypto_hash_sha256(hash, (const unsigned char *)key.at, key.len);
    sodium_bin2hex(digits, sizeof(digits), hash, sizeof(hash));
    mr_rights_write(rights, words);
    int len = snprintf(out, MR_API_KEY_LINE_SIZE, "%.*s " HASH_PREFIX "%s %s", MR_SLICE_ARG(name), digits, words);
    MR_ASSERT(len > 0 && (size_t)len < MR_API_KEY_LINE_SIZE);
}
