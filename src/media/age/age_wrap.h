/* age_wrap.h -- private to age: the file key, wrapped in a stanza for one recipient and unwrapped from it again.
 *
 * For an X25519 key that takes 50 us; for a passphrase, with scrypt, half a second and 256 MiB, which are taken from
 * the budget before and given back after. One scrypt runs at a time in the process: a second one is MR_EBUSY, and the
 * client comes again. Not to be stopped once it runs. Any thread; never a loop's, but for mr_age_passphrase_set(). */
#ifndef MR_MEDIA_AGE_WRAP_H
#define MR_MEDIA_AGE_WRAP_H

#include "base/budget.h"
#include "media/age/age_header.h"
#include "media/age/age_keys.h"

enum {
    MR_AGE_WORK_FACTOR =
        18, /* that is written, and read unless more is allowed: each one more doubles time and memory */
    MR_AGE_PASSPHRASE_MAX = 1024,
};

/* A secret: lies in memory of sodium_malloc() only. */
struct mr_age_passphrase {
    size_t len;           /* 0: none */
    uint32_t work_factor; /* the largest that is read */
    char text[MR_AGE_PASSPHRASE_MAX];
};

/* Take a copy, with MR_AGE_WORK_FACTOR as its bound; text.at NULL: there is none. MR_EPARAM: it is empty, too long, not
 * UTF-8, or begins with a byte order mark. */
int mr_age_passphrase_set(struct mr_age_passphrase *out, struct mr_slice text, struct mr_fault *fault);

/* Make the stanza for a public key. MR_EPARAM: it is a point of low order, so nobody's key. */
int mr_age_wrap_x25519(struct mr_age_stanza *out, const uint8_t file_key[MR_AGE_FILE_KEY],
                       const uint8_t recipient[MR_AGE_KEY], struct mr_fault *fault);

/* MR_ENOKEY (without a fault, because another identity may fit): not for this one. MR_ECORRUPT: the share is a point of
 * low order. */
int mr_age_unwrap_x25519(uint8_t file_key[MR_AGE_FILE_KEY], const struct mr_age_stanza *stanza,
                         const struct mr_age_identity *identity, struct mr_fault *fault);

/* Make the stanza for a passphrase. MR_EBUSY, MR_EBUDGET (budget may be NULL: none), MR_EMEMORY. */
int mr_age_wrap_scrypt(struct mr_age_stanza *out, const uint8_t file_key[MR_AGE_FILE_KEY],
                       const struct mr_age_passphrase *passphrase, struct mr_budget *budget, struct mr_fault *fault);

/* The same back; also MR_EKEYWORK: more work than passphrase->work_factor; and MR_ENOKEY: not this passphrase. */
int mr_age_unwrap_scrypt(uint8_t file_key[MR_AGE_FILE_KEY], const struct mr_age_stanza *stanza,
                         const struct mr_age_passphrase *passphrase, struct mr_budget *budget, struct mr_fault *fault);

#endif
