#include "variants/variant_key.h"
#include "base/assert.h"
#include <sodium.h>
#include <stdio.h>
#include <string.h>

static void add_part(crypto_generichash_state *hash, struct mr_slice text)
{
    /* A NUL between the parts, which none of them has: no two lists of parts are one text. */
    crypto_generichash_update(hash, (const unsigned char *)text.at, text.len);
    crypto_generichash_update(hash, (const unsigned char *)"", 1);
}

void mr_variant_key(struct mr_variant_key *out, struct mr_slice id, const struct mr_image_ops *ops)
{
    char canonical[MR_IMAGE_CANONICAL_SIZE], picks[16];
    crypto_generichash_state hash;
    size_t len = mr_image_ops_canonical(ops, canonical, sizeof(canonical));
    MR_ASSERT(len < sizeof(canonical));
    crypto_generichash_init(&hash, NULL, 0, MR_VARIANT_KEY_LEN);
    add_part(&hash, mr_slice_of("millrace-variant-" MR_IMAGE_STAGE_VERSION));
    add_part(&hash, mr_slice_of(mr_image_library_version()));
    add_part(&hash, id);
    add_part(&hash, (struct mr_slice){.at = canonical, .len = len});
    snprintf(picks, sizeof(picks), "%x", mr_image_ops_picks(ops));
    add_part(&hash, mr_slice_of(picks));
    crypto_generichash_final(&hash, out->bytes, MR_VARIANT_KEY_LEN);
}

void mr_variant_key_tag(char out[MR_VARIANT_TAG_SIZE], const struct mr_variant_key *key)
{
    sodium_bin2base64(out, MR_VARIANT_TAG_SIZE, key->bytes, MR_VARIANT_KEY_LEN,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}
