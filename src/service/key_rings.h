/* key_rings.h -- the key files of a config in use: those of --api-keys and of --signing-keys, and
 * that of --presets, which is read in the same way.
 *
 * With several processes the supervisor opens them before it forks, and reads them again too: so a process that
 * replaces a dead one has the keys that are in use, also where a file is broken by then. */
#ifndef MR_SERVICE_KEY_RINGS_H
#define MR_SERVICE_KEY_RINGS_H

#include "keys/key_ring.h"
#include "service/config.h"

struct mr_key_rings {
    struct mr_key_ring *api;     /* NULL: no --api-keys */
    struct mr_key_ring *signing; /* NULL: no --signing-keys */
    struct mr_key_ring *presets; /* NULL: no --presets */
};

/* Read the files that the config names, which is borrowed. MR_OK, or as mr_key_ring_open(): the fault's detail names
 * the option, and nothing is left to close. */
int mr_key_rings_open(struct mr_key_rings *out, const struct mr_config *config, struct mr_fault *fault);
/* Read them again, and log what became of it. Blocks; one thread at a time. */
void mr_key_rings_reload(const struct mr_key_rings *rings);
void mr_key_rings_close(struct mr_key_rings *rings);

#endif
