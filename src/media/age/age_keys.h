/* age_keys.h -- identities (secret keys) and recipients (public keys) of age, of the X25519 type.
 *
 * Secrets lie in memory that is kept from swap and core files, and is wiped when it is freed. No fault says any of
 * them, nor text that may be one: only a file and a line. Files are read and written with blocking calls: for start-up,
 * for a worker, for a command. Reading a finished list is free for all threads. */
#ifndef MR_MEDIA_AGE_KEYS_H
#define MR_MEDIA_AGE_KEYS_H

#include "base/error.h"
#include "base/slice.h"
#include "media/age/age_bech32.h"
#include <stddef.h>
#include <stdint.h>

#define MR_AGE_RECIPIENT_SIZE MR_AGE_BECH32_SIZE("age") /* bytes of "age1...", NUL included */

enum { MR_AGE_IDENTITIES_MAX = 64, MR_AGE_KEYS_FILE_MAX = 64 * 1024 };

struct mr_age_identity {
    uint8_t secret[MR_AGE_BECH32_KEY];
    uint8_t recipient[MR_AGE_BECH32_KEY];
};

struct mr_age_keys {
    size_t count;  /* read-only, as the next */
    size_t others; /* identities of other kinds that were passed over: post-quantum ones, of plugins, of ssh */
    struct mr_age_identity identities[MR_AGE_IDENTITIES_MAX]; /* private to age */
};

/* An empty list; mr_age_keys_free() wipes it, and leaves NULL behind. MR_EMEMORY. */
int mr_age_keys_create(struct mr_age_keys **out);
void mr_age_keys_free(struct mr_age_keys **keys);

/* Add the identities of a text: "AGE-SECRET-KEY-1..." each on a line of its own, which ends with LF or CRLF; lines that
 * are blank or begin with # are passed over, and so are identities of other kinds, which are counted. `name`: what a
 * fault calls the text. MR_EPARAM: a line is no identity, there is none of ours, or there are more than
 * MR_AGE_IDENTITIES_MAX; then those before it are in the list. */
int mr_age_keys_add(struct mr_age_keys *keys, struct mr_slice text, const char *name, struct mr_fault *fault);

/* The same from a file, as age-keygen writes it. Also MR_EIO, MR_EMEMORY; MR_EPARAM if it is longer than
 * MR_AGE_KEYS_FILE_MAX bytes. Its permissions are the caller's matter. */
int mr_age_keys_load(struct mr_age_keys *keys, const char *path, struct mr_fault *fault);

/* "age1..." of the identity number `index`, below keys->count, and a NUL. */
void mr_age_keys_recipient(const struct mr_age_keys *keys, size_t index, char out[MR_AGE_RECIPIENT_SIZE]);

/* Read "age1...". MR_EPARAM. */
int mr_age_recipient_read(uint8_t recipient[MR_AGE_BECH32_KEY], struct mr_slice text, struct mr_fault *fault);

/* Make a new identity and write it to a new file, readable by its owner only, which age reads as its own. A file that
 * is there stays as it is (MR_EPARAM). MR_OK: the file is on the disk, and its public key in `recipient`. MR_EIO:
 * writing failed, and there is no file. MR_EMEMORY. */
int mr_age_keygen(const char *path, char recipient[MR_AGE_RECIPIENT_SIZE], struct mr_fault *fault);
/* The same text to a descriptor that is open. `name`: what a fault calls it. MR_EIO, MR_EMEMORY. */
int mr_age_keygen_to(int fd, const char *name, char recipient[MR_AGE_RECIPIENT_SIZE], struct mr_fault *fault);

#endif
