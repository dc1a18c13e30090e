/* api_keys.h -- API keys: a key is 32 random bytes as text, and the file of --api-keys has a line for each, which holds
 * its SHA-256 and not the key itself.
 *
 *      # name   hash of the key            what it allows
 *      shop     sha256:HEX (64 digits)     upload,read
 *
 * What holds for every file of keys stands in key_file.h. A name has 1 to MR_API_KEY_NAME_MAX letters, digits, '-',
 * '_', '.' and '@', and does not begin as our keys do, since it stands in the access log. Names and hashes occur once.
 * What stands behind the rights is `word=value`; no word is known yet, and an unknown one is an error, since it may
 * restrict the key.
 *
 * No fault holds a key, nor text that may be one. A hash tells nothing of a key that is random. */
#ifndef MR_KEYS_API_KEYS_H
#define MR_KEYS_API_KEYS_H

#include "base/error.h"
#include "base/slice.h"
#include "keys/key_ring.h"
#include "keys/rights.h"
#include <stddef.h>
#include <stdint.h>

enum {
    MR_API_KEYS_MAX = 1024, /* of a file */
    MR_API_KEY_NAME_MAX = 64,
    MR_API_KEY_HASH = 32,
    MR_API_KEY_MAX = 256, /* bytes of a key that is looked up; a longer one is unknown */
};
#define MR_API_KEY_PREFIX    "millrace_"
#define MR_API_KEY_SIZE      (sizeof(MR_API_KEY_PREFIX) + 43) /* of a key that we make: base64url of 32 bytes, and a NUL */
#define MR_API_KEY_LINE_SIZE (MR_API_KEY_NAME_MAX + 74 + MR_RIGHTS_SIZE)

struct mr_api_key {
    char name[MR_API_KEY_NAME_MAX + 1];
    uint8_t hash[MR_API_KEY_HASH];
    uint32_t rights; /* bits of rights.h */
};

struct mr_api_keys {
    size_t count;
    struct mr_api_key keys[MR_API_KEYS_MAX];
};

/* ---- the file ---- */

/* Read the text of a file, which faults call `name`. MR_OK, also without any key; or MR_EPARAM: the fault's detail has
 * the number of the line and what is wrong with it, and *out is not complete. */
int mr_api_keys_parse(struct mr_api_keys *out, struct mr_slice text, const char *name, struct mr_fault *fault);
extern const struct mr_key_kind mr_api_key_kind;
/* The key, or NULL. Compares with the hash of each, in a time that depends on their number alone. */
const struct mr_api_key *mr_api_keys_find(const struct mr_api_keys *keys, struct mr_slice key);
/* Find a key of a ring: false, or a copy of what its line says. Any thread. */
bool mr_api_keys_look_up(struct mr_key_ring *ring, struct mr_slice key, struct mr_api_key *out);

/* ---- making one ---- */

bool mr_api_key_is_name(struct mr_slice name);
/* A new key, as text with a NUL; the caller wipes it. MR_OK or MR_EINTERNAL. */
int mr_api_key_make(char out[MR_API_KEY_SIZE]);
/* The line of a key for the file, without its end. name: mr_api_key_is_name(); rights: at least one. */
void mr_api_key_line(char out[MR_API_KEY_LINE_SIZE], struct mr_slice name, struct mr_slice key, uint32_t rights);

#endif
