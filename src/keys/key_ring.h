/* key_ring.h -- the keys of one file in use: found by any thread, replaced as a whole while the server runs.
 *
 * Reading the file again has one thread at a time, which may block; those that look up a key wait for none of it. Until
 * the new keys are complete the old ones are in use, and where the file is broken they stay. */
#ifndef MR_KEYS_KEY_RING_H
#define MR_KEYS_KEY_RING_H

#include "keys/api_keys.h"

struct mr_key_ring;

/* Read the file. MR_OK, or as mr_api_keys_load() and nothing is left to close. path is borrowed. */
int mr_key_ring_open(struct mr_key_ring **out, const char *path, struct mr_fault *fault);
/* Read it again, and log what became of it. */
void mr_key_ring_reload(struct mr_key_ring *ring);
/* Find a key: false, or a copy of what its line says. Any thread. */
bool mr_key_ring_find(struct mr_key_ring *ring, struct mr_slice key, struct mr_api_key *out);
/* How many keys are in use. Any thread. */
size_t mr_key_ring_count(struct mr_key_ring *ring);
/* No other thread uses it any more. NULL is left behind. No effect on NULL. */
void mr_key_ring_close(struct mr_key_ring **ring);

#endif
