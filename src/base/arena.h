/* arena.h -- memory that lives as long as one request and is freed in one go.
 *
 * Small things of a request (its head, header slices, decoded parameters, response header lines) come from here, so
 * that none of them needs a free of its own. Not for bodies. One thread at a time; allocations are aligned for any
 * object; there is no free of a single one. */
#ifndef MR_BASE_ARENA_H
#define MR_BASE_ARENA_H

#include "base/macros.h"
#include "base/slice.h"
#include <stddef.h>

struct mr_arena_block;
struct mr_arena {
    struct mr_arena_block *blocks; /* private: newest first; NULL until the first allocation */
    size_t used;                   /* private: bytes taken of the newest block */
    size_t total;                  /* read-only: bytes of all blocks, for the counters */
};

/* Make an empty arena: no memory is taken until the first allocation. Zeroed memory is an empty arena too. */
void mr_arena_init(struct mr_arena *arena);
/* Free all blocks; the arena is empty and usable again. Every pointer from it is dead. */
void mr_arena_reset(struct mr_arena *arena);

/* `size` bytes (0 gives a unique pointer). Never NULL: running out of memory for a bounded head is a crash, as
 * everything that comes from here is bounded by --max-head and the size of our own texts. */
void *mr_arena_alloc(struct mr_arena *arena, size_t size);
void *mr_arena_zalloc(struct mr_arena *arena, size_t size); /* zeroed */
/* A copy with a NUL behind it. */
char *mr_arena_copy(struct mr_arena *arena, struct mr_slice slice);
/* The parts one behind the other (a NUL stands behind them). */
struct mr_slice mr_arena_join(struct mr_arena *arena, const struct mr_slice *parts, size_t count);
/* A formatted text as a slice (a NUL stands behind it). */
struct mr_slice mr_arena_printf(struct mr_arena *arena, const char *format, ...) MR_PRINTF(2, 3);

#endif
