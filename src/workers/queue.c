/* Written after the single-producer ring of L. Lamport ("Proving the Correctness of Multiprocess Programs", 1977), with
 * the producer's cached index of FastForward and MCRingBuffer, and a compare-and-swap on the consumers' side. The
 * counters run free for 2^64 jobs, so a swap never mistakes an old head for a new one. docs/queue.md has the proof. */
#include "workers/queue.h"

#include "base/assert.h"
#include "base/atomic.h"
#include "base/macros.h"
#include <stdlib.h>

/* Atomic, as a consumer may read a slot that the producer writes again: its swap then fails and the value is dropped.
 */
typedef _Atomic(struct mr_job *) slot;

struct ring {
    _Alignas(MR_CACHE_LINE) _Atomic uint64_t tail; /* the producer's: jobs pushed */
    uint64_t head_seen;                            /* the producer's: a head it saw, so at most the true one */
    _Alignas(MR_CACHE_LINE) _Atomic uint64_t head; /* the consumers': jobs taken */
    _Atomic uint64_t tail_seen;                    /* the consumers': a tail that one of them saw */
    slot *slots;                                   /* never changes */
};

struct mr_queue {
    unsigned producers;
    uint64_t capacity;  /* of a ring; a power of two */
    struct ring *rings; /* [producer * MR_LANE_COUNT + lane] */
    slot *slots;        /* of all rings */
};

static struct ring *ring_of(const struct mr_queue *queue, unsigned producer, enum mr_lane lane)
{
    return &queue->rings[producer * MR_LANE_COUNT + lane];
}

static uint64_t power_of_two_at_least(uint32_t n)
{
    uint64_t power = 1;
    while (power < n)
        power *= 2;
    return power;
}

int mr_queue_create(struct mr_queue **out, unsigned producers, uint32_t capacity)
{
    MR_ASSERT(producers > 0 && capacity > 0);
    struct mr_queue *queue = calloc(1, sizeof(*queue));
    if (queue == NULL)
        return MR_EMEMORY;
    size_t ring_count = (size_t)producers * MR_LANE_COUNT;
    queue->producers = producers;
    queue->capacity = power_of_two_at_least(capacity);
    queue->rings = aligned_alloc(MR_CACHE_LINE, ring_count * sizeof(*queue->rings));
    queue->slots = calloc(ring_count * queue->capacity, sizeof(*queue->slots));
    if (queue->rings == NULL || queue->slots == NULL) {
        free(queue->slots);
        free(queue->rings);
        free(queue);
        return MR_EMEMORY;
    }
    for (size_t i = 0; i < ring_count; i++)
        queue->rings[i] = (struct ring){.slots = &queue->slots[i * queue->capacity]};
    *out = queue;
    return 0;
}

void mr_queue_destroy(struct mr_queue **out)
{
    struct mr_queue *queue = *out;

    for (int lane = 0; lane < MR_LANE_COUNT; lane++)
        MR_ASSERT(mr_queue_depth(queue, (enum mr_lane)lane) == 0);
    free(queue->slots);
    free(queue->rings);
    free(queue);
    *out = NULL;
}

/* Looks at the consumers' cache line only when the ring seems full. */
static bool is_full(const struct mr_queue *queue, struct ring *ring, uint64_t tail)
{
    if (tail - ring->head_seen < queue->capacity)
        return false;
    /* Acquire: pairs with the swap of try_pop(). The consumer has read the slot that is to be written next before it
     * moved head past it; without this order its read might see the new job, and two would be given out as one. */
    ring->head_seen = mr_load(&ring->head, acquire);
    return tail - ring->head_seen >= queue->capacity;
}

bool mr_queue_is_full(struct mr_queue *queue, unsigned producer, enum mr_lane lane)
{
    struct ring *ring = ring_of(queue, producer, lane);
    /* Relaxed: the producer's own counter. */
    return is_full(queue, ring, mr_load(&ring->tail, relaxed));
}

int mr_queue_try_push(struct mr_queue *queue, unsigned producer, struct mr_job *job)
{
    MR_ASSERT(producer < queue->producers && job->lane < MR_LANE_COUNT);
    struct ring *ring = ring_of(queue, producer, job->lane);
    uint64_t tail = mr_load(&ring->tail, relaxed); /* the producer's own counter */

    if (is_full(queue, ring, tail))
        return MR_EBUSY;
    /* Relaxed: published by the next line. */
    mr_store(&ring->slots[tail & (queue->capacity - 1)], job, relaxed);
    /* Release: pairs with the acquire of try_pop(). Who sees the new tail sees the slot and every field of *job. */
    mr_store(&ring->tail, tail + 1, release);
    return 0;
}

/* A tail above `head` if there is one; looks at the producer's cache line only when the ring seems empty. It may be
 * older than the head we know, so the difference is signed. */
static uint64_t known_tail(struct ring *ring, uint64_t head)
{
    /* Acquire: pairs with the release below, and so with that of try_push() of which the other consumer knew. */
    uint64_t tail = mr_load(&ring->tail_seen, acquire);
    if ((int64_t)(tail - head) > 0)
        return tail;
    /* Acquire: pairs with the release of try_push(): the slot below tail and its job are visible. */
    tail = mr_load(&ring->tail, acquire);
    /* Release: who reads it sees what we see. Two consumers may store out of order: an old tail is only looked up
     * again.
     */
    if ((int64_t)(tail - head) > 0)
        mr_store(&ring->tail_seen, tail, release);
    return tail;
}

static struct mr_job *pop(const struct mr_queue *queue, struct ring *ring)
{
    /* Relaxed: an old head only makes the swap fail, which brings the true one. */
    uint64_t head = mr_load(&ring->head, relaxed);

    for (;;) {
        uint64_t tail = known_tail(ring, head);
        if ((int64_t)(tail - head) <= 0)
            return NULL;
        /* Relaxed: ordered by tail before and by the swap after. */
        struct mr_job *job = mr_load(&ring->slots[head & (queue->capacity - 1)], relaxed);
        /* Release: pairs with the acquire of is_full(): the slot was read before it may be written again. Later swaps
         * of other consumers continue the release sequence. Relaxed on failure: only the number is used. */
        if (mr_compare_swap(&ring->head, &head, head + 1, release, relaxed))
            return job;
    }
}

struct mr_job *mr_queue_try_pop(struct mr_queue *queue, enum mr_lane lane, unsigned *turn)
{
    for (unsigned i = 0; i < queue->producers; i++) {
        unsigned producer = (*turn + i) % queue->producers;
        struct mr_job *job = pop(queue, ring_of(queue, producer, lane));
        if (job != NULL) {
            *turn = producer + 1;
            return job;
        }
    }
    return NULL;
}

struct mr_job *mr_queue_try_pop_of(struct mr_queue *queue, unsigned producer, enum mr_lane lane)
{
    MR_ASSERT(producer < queue->producers);
    return pop(queue, ring_of(queue, producer, lane));
}

uint32_t mr_queue_capacity(const struct mr_queue *queue)
{
    return (uint32_t)(queue->producers * queue->capacity);
}

uint32_t mr_queue_depth_of(const struct mr_queue *queue, unsigned producer, enum mr_lane lane)
{
    const struct ring *ring = ring_of(queue, producer, lane);
    /* Relaxed: two numbers of slightly different moments, for a snapshot; head first, so that it is rarely the newer
     * one. */
    uint64_t head = mr_load(&ring->head, relaxed);
    uint64_t tail = mr_load(&ring->tail, relaxed);
    return (int64_t)(tail - head) > 0 ? (uint32_t)MR_MIN(tail - head, queue->capacity) : 0;
}

uint32_t mr_queue_depth(const struct mr_queue *queue, enum mr_lane lane)
{
    uint32_t depth = 0;

    for (unsigned i = 0; i < queue->producers; i++)
        depth += mr_queue_depth_of(queue, i, lane);
    return depth;
}
