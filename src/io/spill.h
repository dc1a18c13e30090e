/* spill.h -- room between a stream and a receiver that does not read yet, for clients that send everything before they
 * read anything: what they do not take goes to an unlinked temporary file, so that their sending can go on.
 *
 *      in  --->  spill  --->  out          as long as `out` takes the bytes, they only pass through
 *                  |  ^
 *                  v  |
 *                  file                    `out` took nothing for MR_SPILL_AFTER_NS while it was needed
 *
 * It is needed while the client still sends. Later, when the file holds config.max bytes, and while a budget has no
 * room, `in` is paused instead. Written and read on file threads. Everything here is called on the loop.
 *
 * With config.holds nothing passes to `out` before it is no longer needed: all is stored from its first byte. What is
 * more than config.max (and 256 KiB) then aborts `out` with MR_ESPILL, and a budget without room with its own error. */
#ifndef MR_IO_SPILL_H
#define MR_IO_SPILL_H

#include "base/budget.h"
#include "base/stream.h"
#include "loop/loop.h"

#define MR_SPILL_AFTER_NS (500 * MR_NS_PER_MS)

struct mr_spill;

struct mr_spill_config {
    struct mr_loop *loop; /* borrowed, as all here */
    struct mr_budget *budget;
    struct mr_budget *disk; /* of temporary files; NULL: none */
    struct mr_stream *in;
    uint64_t max;                     /* bytes in the file; 0: never spill */
    bool holds;                       /* until the client has sent all */
    bool (*is_needed)(void *context); /* does the client still send? */
    void *context;
};

int mr_spill_create(struct mr_spill **out, const struct mr_spill_config *config, struct mr_fault *fault);
/* Also from inside its callbacks; clears *spill. Neither stream hears of it. */
void mr_spill_destroy(struct mr_spill **spill);
/* Become the receiver of `in`. */
void mr_spill_attach(struct mr_spill *spill);
struct mr_stream *mr_spill_out(struct mr_spill *spill);

#endif
