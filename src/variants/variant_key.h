/* variant_key.h -- what a variant is known by: the hash of all that its bytes depend on. Two requests that mean the
 * same image have the same key, however they spell it. Pure functions; any thread. */
#ifndef MR_VARIANTS_VARIANT_KEY_H
#define MR_VARIANTS_VARIANT_KEY_H

#include "base/slice.h"
#include "media/image/image.h"
#include <stdint.h>

#define MR_VARIANT_KEY_LEN  32
#define MR_VARIANT_TAG_SIZE 44 /* base64url without padding, and a NUL */

struct mr_variant_key {
    uint8_t bytes[MR_VARIANT_KEY_LEN];
};

/* BLAKE2b-256 (RFC 7693) of the object's ID, whose bytes never change, the canonical text of the operations, the
 * formats that auto=format may pick, and the version of the image stage with that of its library. A focal point that is
 * used is among the operations. */
void mr_variant_key(struct mr_variant_key *out, struct mr_slice id, const struct mr_image_ops *ops);
/* The key as an entity tag. */
void mr_variant_key_tag(char out[MR_VARIANT_TAG_SIZE], const struct mr_variant_key *key);

#endif
