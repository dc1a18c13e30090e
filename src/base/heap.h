/* heap.h -- which threads share a heap of the allocator, which is jemalloc.
 *
 * A heap has locks, and who holds one may be kept from running for as long as other threads of his priority have work:
 * a loop that shared a heap with workers, which run below its priority, would wait for them and for the programs beside
 * the server. So a loop's thread has a heap of its own, and all other threads share one, because each heap keeps what
 * its largest jobs needed. What was freed goes back to the system some seconds later, by a thread of jemalloc's.
 *
 * In builds with a sanitizer, whose allocator is its own, these do nothing. */
#ifndef MR_BASE_HEAP_H
#define MR_BASE_HEAP_H

/* Before any other thread is started, and after the last fork: from here on freed memory goes back to the system. */
void mr_heap_start(void);
/* Until it ends, the calling thread allocates from a heap of its own. Once a thread; further calls have no effect. */
void mr_heap_become_private(void);

#endif
