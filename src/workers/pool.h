/* pool.h -- the worker threads: started together, joined together, at a priority below the loop. */
#ifndef MR_WORKERS_POOL_H
#define MR_WORKERS_POOL_H

#include "workers/offload.h"

struct mr_pool;

/* Start `threads` threads that run body(argument, 0), body(argument, 1), ... with all signals blocked. A priority that
 * the system refuses is left as it is. On failure (MR_EMEMORY, MR_EIO) *out holds the threads started until then, or
 * NULL: tell them to end, and join. */
int mr_pool_start(struct mr_pool **out, unsigned threads, enum mr_worker_priority priority,
                  void (*body)(void *argument, unsigned index), void *argument);
/* Wait until every body returned (the caller told them to), free, clear *pool. NULL is an empty pool. */
void mr_pool_join(struct mr_pool **pool);

#endif
