#include "keys/signing_keys.h"
#include "base/assert.h"
#include "base/number.h"
#include "keys/word.h"
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define BASE64URL sodium_base64_VARIANT_URLSAFE_NO_PADDING

_Static_assert(sodium_base64_ENCODED_LEN(MR_SIGNING_SECRET, BASE64URL) == 44, "43, NUL");

/* ---- a line ---- */

bool mr_signing_key_is_kid(struct mr_slice kid)
{
    for (size_t i = 0; i < kid.len; i++) {
        char c = kid.at[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && !mr_number_is_digit(c) && c != '-' && c != '_' && c != '.')
            return false;
    }
    return kid.len > 0 && kid.len <= MR_SIGNING_KID_MAX;
}

/* Strict: the one text of 32 bytes. */
static bool parse_secret(struct mr_slice word, uint8_t out[MR_SIGNING_SECRET])
{
    const char *end;
    size_t len;
    return word.len == sodium_base64_ENCODED_LEN(MR_SIGNING_SECRET, BASE64URL) - 1 &&
           sodium_base642bin(out, MR_SIGNING_SECRET, word.at, word.len, NULL, &len, &end, BASE64URL) == 0 &&
           len == MR_SIGNING_SECRET && end == word.at + word.len;
}

static int parse_signing_key(struct mr_signing_key *out, struct mr_slice line, struct mr_fault *fault)
{
    struct mr_slice kid = mr_word_next(&line), secret = mr_word_next(&line);
    if (secret.len == 0)
        return mr_fault_set(fault, MR_EPARAM, "a line has a kid and a key");
    if (!mr_signing_key_is_kid(kid))
        return mr_fault_set(fault, MR_EPARAM, "a kid has 1 to %d letters, digits, '-', '_' and '.'",
                            MR_SIGNING_KID_MAX);
    if (!parse_secret(secret, out->secret))
        return mr_fault_set(fault, MR_EPARAM, "behind the kid stands the key: 32 bytes as 43 characters of base64url");
    memcpy(out->kid, kid.at, kid.len);
    out->kid[kid.len] = '\0';
    return mr_word_refuse_rest(line, "the key", fault);
}

/* ---- a file ---- */

static int refuse_repeated(const struct mr_signing_keys *keys, const struct mr_signing_key *key, struct mr_fault *fault)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (strcmp(keys->keys[i].kid, key->kid) == 0)
            return mr_fault_set(fault, MR_EPARAM, "the kid stands in a line above already");
        if (sodium_memcmp(keys->keys[i].secret, key->secret, sizeof(key->secret)) == 0)
            return mr_fault_set(fault, MR_EPARAM, "the key stands in a line above already");
    }
    return MR_OK;
}

static int add_signing_key(void *context, struct mr_slice line, struct mr_fault *fault)
{
    struct mr_signing_keys *keys = context;
    if (keys->count == MR_SIGNING_KEYS_MAX)
        return mr_fault_set(fault, MR_EPARAM, "a file has at most %d keys", MR_SIGNING_KEYS_MAX);
    struct mr_signing_key *key = &keys->keys[keys->count];
    int err = parse_signing_key(key, line, fault);
    if (err == MR_OK)
        err = refuse_repeated(keys, key, fault);
    if (err == MR_OK)
        keys->count++;
    return err;
}

int mr_signing_keys_parse(struct mr_signing_keys *out, struct mr_slice text, const char *name, struct mr_fault *fault)
{
    out->count = 0;
    int err = mr_key_lines(text, name, add_signing_key, out, fault);
    if (err == MR_OK && out->count == 0)
        err = mr_fault_set(fault, MR_EPARAM, "%.100s: there is no key in it", name);
    return err;
}

static int parse_signing_keys(void *out, struct mr_slice text, const char *name, struct mr_fault *fault)
{
    return mr_signing_keys_parse(out, text, name, fault);
}

static size_t count_signing_keys(const void *keys)
{
    return ((const struct mr_signing_keys *)keys)->count;
}

const struct mr_key_kind mr_signing_key_kind = {.label = "signing keys",
                                                .counted = "keys",
                                                .size = sizeof(struct mr_signing_keys),
                                                .parse = parse_signing_keys,
                                                .count = count_signing_keys};

/* ---- keys ---- */

void mr_signing_keys_first(struct mr_key_ring *ring, struct mr_signing_key *out)
{
    const struct mr_signing_keys *keys = mr_key_ring_borrow(ring, &mr_signing_key_kind);
    *out = keys->keys[0];
    mr_key_ring_return(ring);
}

/* A kid is no secret: it stands in the address. */
bool mr_signing_keys_find(struct mr_key_ring *ring, struct mr_slice kid, struct mr_signing_key *out)
{
    bool is_found = false;
    const struct mr_signing_keys *keys = mr_key_ring_borrow(ring, &mr_signing_key_kind);
    for (size_t i = 0; i < keys->count && !is_found; i++) {
        is_found = mr_slice_is(kid, keys->keys[i].kid);
        if (is_found)
            *out = keys->keys[i];
    }
    mr_key_ring_return(ring);
    return is_found;
}

int mr_signing_key_make(char line[MR_SIGNING_LINE_SIZE], struct mr_slice kid)
{
    uint8_t secret[MR_SIGNING_SECRET];
    MR_ASSERT(mr_signing_key_is_kid(kid));
    if (sodium_init() < 0)
        return MR_EINTERNAL;
    randombytes_buf(secret, sizeof(secret));
    memcpy(line, kid.at, kid.len);
    line[kid.len] = ' ';
    sodium_bin2base64(line + kid.len + 1, MR_SIGNING_LINE_SIZE - kid.len - 1, secret, sizeof(secret), BASE64URL);
    sodium_memzero(secret, sizeof(secret));
    return MR_OK;
}
