/* key_ring.h -- the keys of one file in use: read by any thread, replaced as a whole while the server runs.
 *
 * Reading the file again has one thread at a time, which may block; those that look up a key wait for none of it. Until
 * the new keys are complete the old ones are in use, and where the file is broken they stay. Memory of old keys is
 * wiped. */
#ifndef MR_KEYS_KEY_RING_H
#define MR_KEYS_KEY_RING_H

#include "keys/key_file.h"

struct mr_key_ring;

/* Read the file. MR_OK, or as mr_key_file_load() and nothing is left to close. kind and path are borrowed. */
int mr_key_ring_open(struct mr_key_ring **out, const struct mr_key_kind *kind, const char *path,
                     struct mr_fault *fault);
/* Read it again, and log what became of it. */
void mr_key_ring_reload(struct mr_key_ring *ring);
/* How many keys are in use. Any thread. */
size_t mr_key_ring_count(struct mr_key_ring *ring);
/* No other thread uses it any more. NULL is left behind. No effect on NULL. */
void mr_key_ring_close(struct mr_key_ring **ring);

/* ---- for the kinds of keys ---- */

/* The keys in use, as a struct of this kind. They stay until mr_key_ring_return(), for which a reload waits: copy what
 * is needed, and return them at once. Any thread. */
const void *mr_key_ring_borrow(struct mr_key_ring *ring, const struct mr_key_kind *kind);
void mr_key_ring_return(struct mr_key_ring *ring);

#endif
