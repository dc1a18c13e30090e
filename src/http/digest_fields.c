#include "http/digest_fields.h"
#include "base/base64.h"
#include "base/macros.h"
#include "base/number.h"
#include "http/structured.h"

#define SHA256_KEY "sha-256"

enum {
    SHA256_TEXT_LEN = (MR_DIGEST_SHA256_LEN + 2) / 3 * 4, /* with its padding */
    PREFERENCE_MAX = 10,
};

/* Padding may be missing (RFC 8941, section 4.2.7). The length is checked first: the decoder writes what it reads. */
static bool decode_sha256(struct mr_slice text, uint8_t out[MR_DIGEST_SHA256_LEN])
{
    size_t len;
    if (text.len == SHA256_TEXT_LEN && text.at[text.len - 1] == '=')
        text.len--;
    return text.len == MR_BASE64_LEN(MR_DIGEST_SHA256_LEN) && mr_base64_decode(out, &len, text, MR_BASE64_BARE);
}

static int take_digest(void *context, const struct mr_structured_member *member)
{
    struct mr_digest *digest = context;
    if (!mr_slice_is(member->key, SHA256_KEY))
        return MR_OK;
    if (member->kind != MR_STRUCTURED_BYTES || !decode_sha256(member->text, digest->sha256))
        return MR_EREQUEST;
    digest->is_given = true;
    return MR_OK;
}

static int take_preference(void *context, const struct mr_structured_member *member)
{
    bool *is_wanted = context;
    uint64_t preference;
    if (!mr_slice_is(member->key, SHA256_KEY))
        return MR_OK;
    if (member->kind != MR_STRUCTURED_INTEGER || !mr_number_parse(member->text, PREFERENCE_MAX, &preference))
        return MR_EREQUEST;
    *is_wanted = preference > 0;
    return MR_OK;
}

/* All lines of a field are one dictionary. */
static int read_lines(const struct mr_head *head, const char *name,
                      int (*take)(void *context, const struct mr_structured_member *member), void *context,
                      struct mr_fault *fault)
{
    for (unsigned i = 0; i < head->header_count; i++) {
        if (!mr_slice_is_nocase(head->headers[i].name, name))
            continue;
        if (mr_structured_dictionary(head->headers[i].value, take, context) != MR_OK)
            return mr_fault_set(fault, MR_EREQUEST, "The field %s is malformed.", name);
    }
    return MR_OK;
}

int mr_digest_read(const struct mr_head *head, const char *name, struct mr_digest *out, struct mr_fault *fault)
{
    *out = (struct mr_digest){.is_given = false};
    return read_lines(head, name, take_digest, out, fault);
}

int mr_digest_read_want(const struct mr_head *head, const char *name, bool *is_wanted, struct mr_fault *fault)
{
    *is_wanted = false;
    return read_lines(head, name, take_preference, is_wanted, fault);
}

void mr_digest_set_field(struct mr_fields *fields, const char *name, const uint8_t sha256[MR_DIGEST_SHA256_LEN])
{
    char text[SHA256_TEXT_LEN];
    size_t len = mr_base64_encode(text, sha256, MR_DIGEST_SHA256_LEN, MR_BASE64_PADDED);
    const struct mr_slice parts[] = {MR_SLICE(SHA256_KEY "=:"), {.at = text, .len = len}, MR_SLICE(":")};
    mr_fields_set(fields, name, mr_arena_join(fields->arena, parts, MR_ARRAY_SIZE(parts)));
}
