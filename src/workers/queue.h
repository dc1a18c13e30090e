/* queue.h -- bounded lock-free queue of jobs: many producers (the loops), many consumers (the workers), three lanes.
 *
 * DESIGN. Each producer has a ring of its own in each lane: a power-of-two array of job pointers between two
 * free-running 64-bit counters. Only the producer writes `tail`; consumers take by compare-and-swap on `head`. So
 *  - a push is wait-free and shares no cache line with other producers;
 *  - a pop is lock-free: a failed swap means that another consumer took a job;
 *  - nobody is ever between "reserved" and "published" where others would have to wait for it: a producer stopped
 * inside push holds back only his own job, a consumer stopped inside pop holds back nothing. Rings in which producers
 *    share a tail (ck_ring's MPMC, Vyukov's) do not have this; docs/queue.md has the measurements.
 * Order: first in, first out per producer and lane. Full is an answer, not a wait: the caller sheds.
 *
 *              its producer   workers   any thread
 *   try_push       yes           -          -
 *   is_full        yes           -          -
 *   try_pop, _of    -           yes         -
 *   capacity       yes          yes        yes
 *   depth, _of     yes          yes        yes    (a snapshot, for statistics)
 */
#ifndef MR_WORKERS_QUEUE_H
#define MR_WORKERS_QUEUE_H

#include "workers/job.h"
#include <stdint.h>

struct mr_queue;

/* capacity: jobs per producer and lane, rounded up to a power of two. producers: 1 or more, fixed. */
int mr_queue_create(struct mr_queue **out, unsigned producers, uint32_t capacity);
void mr_queue_destroy(struct mr_queue **queue); /* must be empty */

/* Give `job` to the workers through `producer`'s ring of job->lane. 0: the queue owns it. MR_EBUSY: full, the caller
 * still owns it. Never blocks. One thread at a time per producer. */
int mr_queue_try_push(struct mr_queue *queue, unsigned producer, struct mr_job *job);
/* Would a push be refused? */
bool mr_queue_is_full(struct mr_queue *queue, unsigned producer, enum mr_lane lane);
/* Take the oldest job of one producer in `lane`, producers in turn beginning at `*turn` (the worker's own counter), or
 * NULL when all its rings were seen empty. */
struct mr_job *mr_queue_try_pop(struct mr_queue *queue, enum mr_lane lane, unsigned *turn);
/* The same of this producer alone. */
struct mr_job *mr_queue_try_pop_of(struct mr_queue *queue, unsigned producer, enum mr_lane lane);
uint32_t mr_queue_capacity(const struct mr_queue *queue); /* of one lane, all producers */
uint32_t mr_queue_depth(const struct mr_queue *queue, enum mr_lane lane);
uint32_t mr_queue_depth_of(const struct mr_queue *queue, unsigned producer, enum mr_lane lane);

#endif
