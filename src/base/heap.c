/* DESIGN: jemalloc as it comes would cost libvips dearly, which has every buffer of pixels cleared (calloc). jemalloc
 * clears large blocks by giving their pages back to the kernel, only to have each of them faulted in again: 6 % of the
 * time of an image job. So the program defines calloc itself, and a definition in the program stands before those in
 * libraries. Of the largest blocks that would cost more than it saves: libwebp and libvips have whole canvases cleared,
 * of which they use a part or nothing, and all of them would be resident. */
#include "base/heap.h"

#ifdef MR_SANITIZED

void mr_heap_start(void)
{
}

void mr_heap_become_private(void)
{
}

#else

#include <errno.h>
#include <jemalloc/jemalloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Cleared blocks of so many bytes are fresh pages of the kernel, which take no memory until they are touched. */
#define UNTOUCHED_MIN (4u << 20)

/* What jemalloc reads when the program starts; MALLOC_CONF in the environment stands above it.
 *
 * narenas_ratio: a heap for two cores, for all threads but the loops'. libvips computes on threads of its own, many
 * more than workers, and on another one each time: each heap would grow to the size of the largest images.
 * dirty_decay_ms: what was freed is given back within this time; what is taken again sooner needs no page fault.
 * oversize_threshold: also what is large, which otherwise is given back at once.
 * max_background_threads: one thread gives back for all heaps. */
__attribute__((visibility("default"))) const char *malloc_conf =
    "narenas_ratio:0.5,dirty_decay_ms:1000,muzzy_decay_ms:0,oversize_threshold:0,"
    "max_background_threads:1";

/* Through a pointer: the compiler would make a calloc of malloc and memset. */
static void *(*const volatile allocate)(size_t) = malloc;

static void *allocate_cleared(size_t size)
{
    if (size >= UNTOUCHED_MIN)
        return mallocx(size, MALLOCX_ZERO);
    void *memory = allocate(size);
    if (memory != NULL)
        memset(memory, 0, size);
    return memory;
}

__attribute__((visibility("default"))) void *calloc(size_t count, size_t size)
{
    size_t total;
    void *memory = __builtin_mul_overflow(count, size, &total) ? NULL : allocate_cleared(total);
    if (memory == NULL)
        errno = ENOMEM;
    return memory;
}

void mr_heap_start(void)
{
    bool is_on = true;
    mallctl("background_thread", NULL, NULL, &is_on, sizeof(is_on));
}

void mr_heap_become_private(void)
{
    static _Thread_local bool is_private;
    unsigned heap;
    size_t size = sizeof(heap);
    if (is_private || mallctl("arenas.create", &heap, &size, NULL, 0) != 0)
        return; /* without memory for it the thread shares, as before */
    is_private = mallctl("thread.arena", NULL, NULL, &heap, sizeof(heap)) == 0;
}

#endif
