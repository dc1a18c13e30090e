/* age_header.h -- private to age: the header of an age v1 file (c2sp.org/age), read and written.
 *
 *   age-encryption.org/v1
 *   -> X25519 SHARE             a stanza: the file key wrapped for one recipient
 *   BODY
 *   --- MAC
 *
 * A header is read whole, and each stanza in it, before any key is tried: of each type that is known here the arguments
 * are decoded and the body's length is checked; of all others only the form. Everything in it is public; what is
 * unwrapped from it is not (age_wrap.h). Pure functions; any thread. */
#ifndef MR_MEDIA_AGE_HEADER_H
#define MR_MEDIA_AGE_HEADER_H

#include "base/error.h"
#include "base/slice.h"
#include "media/age/age_kdf.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MR_AGE_HEADER_MAX = 64 * 1024, /* bytes of a header that is read */
    MR_AGE_SHARE = 32,
    MR_AGE_SALT = 16,
    MR_AGE_BODY = MR_AGE_FILE_KEY + 16, /* of the known types: a wrapped file key and its tag */
    MR_AGE_MAC = 32,
    MR_AGE_STANZA_TEXT_MAX = 128, /* bytes that the text of a known stanza fits in */
};

/* HYBRID: for a post-quantum key; it is not looked at any further. */
enum mr_age_stanza_type { MR_AGE_OTHER, MR_AGE_X25519, MR_AGE_SCRYPT, MR_AGE_HYBRID };

struct mr_age_stanza {
    enum mr_age_stanza_type type;
    uint8_t share[MR_AGE_SHARE]; /* X25519: the ephemeral share */
    uint8_t salt[MR_AGE_SALT];   /* SCRYPT */
    uint32_t work_factor;        /* SCRYPT: the binary logarithm of N, from 1; UINT32_MAX: that or more */
    uint8_t body[MR_AGE_BODY];   /* X25519, SCRYPT */
};

struct mr_age_header {
    size_t len;              /* bytes of the header; the payload's nonce comes next */
    struct mr_slice stanzas; /* for mr_age_header_next(); borrowed from the input, as the next one */
    struct mr_slice covered; /* what the MAC covers */
    uint8_t mac[MR_AGE_MAC];
};

/* Read the header at the front of `input`; `last`: nothing comes after it. MR_OK with out->len 0: that is not all of
 * it, come again with more. MR_EFORMAT: not an age file, or of another version. MR_ECORRUPT: malformed, cut short,
 * longer than MR_AGE_HEADER_MAX, or a passphrase beside other stanzas. What is said does not depend on how much of the
 * input behind the place of the error has arrived. */
int mr_age_header_read(struct mr_age_header *out, struct mr_slice input, bool last, struct mr_fault *fault);

/* Cut the next stanza off `rest`, which begins as header->stanzas. False: there are no more. */
bool mr_age_header_next(struct mr_slice *rest, struct mr_age_stanza *out);

/* Is the MAC of the header made with this file key? */
bool mr_age_header_is_signed(const struct mr_age_header *header, const uint8_t file_key[MR_AGE_FILE_KEY]);

/* Bytes of a header of `count` known stanzas, at most. */
#define MR_AGE_HEADER_SIZE(count) (22 + (count)*MR_AGE_STANZA_TEXT_MAX + 48)

/* Write a header of known stanzas, signed with the file key, without a NUL. Returns its length. */
size_t mr_age_header_write(char *out, const struct mr_age_stanza *stanzas, size_t count,
                           const uint8_t file_key[MR_AGE_FILE_KEY]);

/* Write the text of one known stanza, without a NUL. Returns its length. */
size_t mr_age_stanza_write(char out[MR_AGE_STANZA_TEXT_MAX], const struct mr_age_stanza *stanza);

#endif
