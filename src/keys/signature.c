/* DESIGN. The text is built whole and hashed then: an address is bounded by the head (16 KiB), and a text can be
 * printed and compared when a signature does not fit. Two addresses differ in their texts because PATH holds no '?' (it
 * is escaped), NAME and VALUE hold no '=' and '&', and an escape can be read in one way. */
#include "keys/signature.h"
#include "base/assert.h"
#include "base/number.h"
#include <sodium.h>
#include <stdlib.h>

#define BASE64URL sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define SIG_LEN   43

_Static_assert(MR_SIGNING_SECRET == crypto_auth_hmacsha256_KEYBYTES, "HMAC-SHA-256");
_Static_assert(sodium_base64_ENCODED_LEN(crypto_auth_hmacsha256_BYTES, BASE64URL) == SIG_LEN + 1, "43, NUL");

/* ---- the signed text ---- */

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || mr_number_is_digit(c) || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

/* Returns where it ends: up to three characters further. */
static char *write_octet(char *to, char octet)
{
    if (is_unreserved(octet)) {
        *to++ = octet;
        return to;
    }
    *to++ = '%';
    *to++ = mr_number_hex_upper((uint8_t)octet >> 4);
    *to++ = mr_number_hex_upper((uint8_t)octet);
    return to;
}

static char *write_encoded(char *to, struct mr_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        to = write_octet(to, text.at[i]);
    return to;
}

/* Returns where it ends, or NULL: an escape is malformed. */
static char *write_path(char *to, struct mr_slice path)
{
    for (size_t i = 0; i < path.len; i++) {
        char c = path.at[i];
        if (c == '/') {
            *to++ = c;
            continue;
        }
        if (c == '%') {
            int high = i + 2 < path.len ? mr_number_hex_value(path.at[i + 1]) : -1;
            int low = i + 2 < path.len ? mr_number_hex_value(path.at[i + 2]) : -1;
            if (high < 0 || low < 0)
                return NULL;
            c = (char)(high << 4 | low);
            i += 2;
        }
        to = write_octet(to, c);
    }
    return to;
}

static int order_of_pairs(const void *a, const void *b)
{
    struct mr_slice one = ((const struct mr_param_pair *)a)->name, other = ((const struct mr_param_pair *)b)->name;
    size_t len = one.len < other.len ? one.len : other.len;
    int order = len > 0 ? memcmp(one.at, other.at, len) : 0;
    return order != 0 ? order : (one.len > other.len) - (one.len < other.len);
}

/* All pairs, sorted by name; NULL: two have the same name. */
static const struct mr_param_pair *sort_pairs(const struct mr_signed_address *address, struct mr_arena *arena,
                                              struct mr_fault *fault)
{
    struct mr_param_pair *pairs = mr_arena_alloc(arena, address->count * sizeof(*pairs));
    if (address->count > 0) {
        memcpy(pairs, address->pairs, address->count * sizeof(*pairs));
        qsort(pairs, address->count, sizeof(*pairs), order_of_pairs);
    }
    for (unsigned i = 1; i < address->count; i++) {
        if (mr_slice_equal(pairs[i - 1].name, pairs[i].name)) {
            mr_fault_set(fault, MR_EPARAM, "\"%.*s\" is given more than once.",
                         MR_SLICE_ARG(mr_param_sent_name(pairs[i].name)));
            return NULL;
        }
    }
    return pairs;
}

static size_t room_for(const struct mr_signed_address *address)
{
    size_t room = 3 * address->path.len + 2;
    for (unsigned i = 0; i < address->count; i++)
        room += 3 * (address->pairs[i].name.len + address->pairs[i].value.len) + 2;
    return room;
}

static char *write_query(char *to, const struct mr_param_pair *pairs, unsigned count)
{
    char separator = '?';
    for (unsigned i = 0; i < count; i++) {
        if (mr_slice_is(pairs[i].name, "sig") || mr_slice_is(pairs[i].name, "s"))
            continue;
        *to++ = separator;
        to = write_encoded(to, pairs[i].name);
        *to++ = '=';
        to = write_encoded(to, pairs[i].value);
        separator = '&';
    }
    if (separator == '?') /* no address that is signed comes here */
        *to++ = separator;
    return to;
}

int mr_signature_text(struct mr_slice *out, const struct mr_signed_address *address, struct mr_arena *arena,
                      struct mr_fault *fault)
{
    *out = (struct mr_slice){.at = NULL};
    if (address->path.len == 0 || address->path.at[0] != '/')
        return mr_fault_set(fault, MR_EPARAM, "The path does not begin with a slash.");
    const struct mr_param_pair *pairs = sort_pairs(address, arena, fault);
    if (pairs == NULL)
        return MR_EPARAM;
    char *text = mr_arena_alloc(arena, room_for(address)), *end = write_path(text, address->path);
    if (end == NULL)
        return mr_fault_set(fault, MR_EPARAM, "A '%%' of the path is not followed by two hex digits.");
    end = write_query(end, pairs, address->count);
    *end = '\0';
    *out = (struct mr_slice){.at = text, .len = (size_t)(end - text)};
    return MR_OK;
}

static void write_sig(char out[SIG_LEN + 1], struct mr_slice text, const struct mr_signing_key *key)
{
    uint8_t mac[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256(mac, (const unsigned char *)text.at, text.len, key->secret);
    sodium_bin2base64(out, SIG_LEN + 1, mac, sizeof(mac), BASE64URL);
    sodium_memzero(mac, sizeof(mac));
}

/* ---- signing ---- */

uint64_t mr_signature_expiry(uint64_t now_s, uint64_t life_s)
{
    MR_ASSERT(now_s <= MR_SIGNATURE_EXPIRES_MAX && life_s <= MR_SIGNATURE_EXPIRES_MAX);
    uint64_t step = life_s >= 8 ? life_s / 8 : 1, expires = (now_s + life_s + step - 1) / step * step;
    return expires < MR_SIGNATURE_EXPIRES_MAX ? expires : MR_SIGNATURE_EXPIRES_MAX;
}

/* The address with `kid` and `expires`, whose text is `digits`. */
static int complete_address(struct mr_signed_address *out, const struct mr_signed_address *address, const char *kid,
                            const char *digits, struct mr_arena *arena, struct mr_fault *fault)
{
    struct mr_param_pair *pairs = mr_arena_alloc(arena, (address->count + 2) * sizeof(*pairs));
    for (unsigned i = 0; i < address->count; i++) {
        struct mr_slice name = address->pairs[i].name;
        if (mr_slice_is(name, "sig") || mr_slice_is(name, "kid") || mr_slice_is(name, "expires"))
            return mr_fault_set(fault, MR_EPARAM, "\"%.*s\" belongs to the signature.", MR_SLICE_ARG(name));
        pairs[i] = address->pairs[i];
    }
    pairs[address->count] = (struct mr_param_pair){.name = MR_SLICE("kid"), .value = mr_slice_of(kid)};
    pairs[address->count + 1] = (struct mr_param_pair){.name = MR_SLICE("expires"), .value = mr_slice_of(digits)};
    *out = (struct mr_signed_address){.path = address->path, .pairs = pairs, .count = address->count + 2};
    return MR_OK;
}

static char *append_part(char *to, struct mr_slice part)
{
    if (part.len > 0)
        memcpy(to, part.at, part.len);
    return to + part.len;
}

/* PATH?QUERY&sig=SIG */
static struct mr_slice join_signed(struct mr_slice path, struct mr_slice query, const char *sig, struct mr_arena *arena)
{
    const struct mr_slice name = MR_SLICE("&sig=");
    size_t len = path.len + 1 + query.len + name.len + SIG_LEN;
    char *text = mr_arena_alloc(arena, len + 1), *end = append_part(text, path);
    *end++ = '?';
    end = append_part(end, query);
    end = append_part(end, name);
    end = append_part(end, (struct mr_slice){.at = sig, .len = SIG_LEN});
    *end = '\0';
    return (struct mr_slice){.at = text, .len = len};
}

int mr_signature_sign(struct mr_slice *out, const struct mr_signed_address *address, const struct mr_signing_key *key,
                      uint64_t expires, struct mr_arena *arena, struct mr_fault *fault)
{
    char digits[MR_NUMBER_SIZE], sig[SIG_LEN + 1];
    struct mr_signed_address complete;
    struct mr_slice text;
    MR_ASSERT(expires <= MR_SIGNATURE_EXPIRES_MAX);
    mr_number_write(digits, expires);
    int err = complete_address(&complete, address, key->kid, digits, arena, fault);
    if (err == MR_OK)
        err = mr_signature_text(&text, &complete, arena, fault);
    if (err != MR_OK)
        return err;
    write_sig(sig, text, key);
    mr_slice_cut(&text, '?');
    *out = join_signed(address->path, text, sig, arena);
    return MR_OK;
}

int mr_signing_sign(struct mr_slice *out, const struct mr_signing *signing, const struct mr_signed_address *address,
                    uint64_t now_s, struct mr_arena *arena, struct mr_fault *fault)
{
    struct mr_signing_key key;
    mr_signing_keys_first(signing->keys, &key);
    int err = mr_signature_sign(out, address, &key, mr_signature_expiry(now_s, signing->life_s), arena, fault);
    sodium_memzero(&key, sizeof(key));
    return err;
}

/* ---- verifying ---- */

/* The value of a parameter, or .at NULL and a fault. */
static struct mr_slice value_of(const struct mr_signed_address *address, const char *name, struct mr_fault *fault)
{
    for (unsigned i = 0; i < address->count; i++)
        if (mr_slice_is(address->pairs[i].name, name))
            return address->pairs[i].value;
    mr_fault_set(fault, MR_ESIGNATURE, "The address is not signed: it has no \"%s\".", name);
    return (struct mr_slice){.at = NULL, .len = 0};
}

static int check_sig(struct mr_slice sig, struct mr_slice text, const struct mr_signing_key *key,
                     struct mr_fault *fault)
{
    char right[SIG_LEN + 1];
    write_sig(right, text, key);
    bool fits = sig.len == SIG_LEN && sodium_memcmp(right, sig.at, SIG_LEN) == 0;
    sodium_memzero(right, sizeof(right)); /* what a wrong one should have been */
    return fits ? MR_OK : mr_fault_set(fault, MR_ESIGNATURE, "The signature does not fit the address.");
}

static int check_expires(struct mr_slice digits, uint64_t now_s, uint64_t *out, struct mr_fault *fault)
{
    if (!mr_number_parse(digits, MR_SIGNATURE_EXPIRES_MAX, out))
        return mr_fault_set(fault, MR_ESIGNATURE, "\"expires\" is no time in seconds since 1970.");
    return now_s < *out ? MR_OK : mr_fault_set(fault, MR_ESIGEXPIRED, NULL);
}

int mr_signature_verify(struct mr_signature *out, const struct mr_signing *signing,
                        const struct mr_signed_address *address, uint64_t now_s, struct mr_arena *arena,
                        struct mr_fault *fault)
{
    struct mr_slice sig = value_of(address, "sig", fault), text;
    struct mr_slice kid = sig.at != NULL ? value_of(address, "kid", fault) : sig;
    struct mr_slice digits = kid.at != NULL ? value_of(address, "expires", fault) : kid;
    struct mr_signing_key key;
    struct mr_fault why;
    uint64_t expires;
    if (digits.at == NULL)
        return MR_ESIGNATURE;
    if (mr_signature_text(&text, address, arena, &why) != MR_OK)
        return mr_fault_set(fault, MR_ESIGNATURE, "%s", why.detail);
    if (!mr_signing_keys_find(signing->keys, kid, &key))
        return mr_fault_set(fault, MR_ESIGNATURE, "The key of the signature (\"kid\") is not known.");
    int err = check_sig(sig, text, &key, fault);
    if (err == MR_OK)
        err = check_expires(digits, now_s, &expires, fault);
    if (err == MR_OK && out != NULL) {
        memcpy(out->kid, key.kid, sizeof(out->kid));
        out->expires = expires;
    }
    sodium_memzero(&key, sizeof(key));
    return err;
}
