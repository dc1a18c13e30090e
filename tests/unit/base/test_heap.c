#include "base/heap.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#ifdef MR_SANITIZED

static void the_allocator_is_the_sanitizers(void **state)
{
    (void)state;
    mr_heap_start();
    mr_heap_become_private();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_allocator_is_the_sanitizers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

#include <jemalloc/jemalloc.h>

static unsigned heap_of(void *memory)
{
    unsigned heap;
    size_t size = sizeof(heap);
    assert_int_equal(mallctl("arenas.lookup", &heap, &size, &memory, sizeof(memory)), 0);
    return heap;
}

/* Which heap do blocks of all sizes come from that the calling thread allocates? */
static unsigned own_heap(void)
{
    unsigned heap = 0;
    for (size_t size = 16; size <= (16 << 20); size *= 4) {
        void *block = malloc(size);
        assert_non_null(block);
        assert_true(size == 16 || heap_of(block) == heap);
        heap = heap_of(block);
        free(block);
    }
    return heap;
}

static void *run_shared(void *heap)
{
    *(unsigned *)heap = own_heap();
    return NULL;
}

static void *run_private(void *heap)
{
    mr_heap_become_private();
    return run_shared(heap);
}

static unsigned heap_of_thread(void *(*run)(void *))
{
    pthread_t thread;
    unsigned heap;
    assert_int_equal(pthread_create(&thread, NULL, run, &heap), 0);
    pthread_join(thread, NULL);
    return heap;
}

static void private_heap_is_no_other_threads(void **state)
{
    (void)state;
    unsigned first = heap_of_thread(run_private), second = heap_of_thread(run_private);
    assert_int_not_equal(first, second);
    for (int i = 0; i < 100; i++) {
        unsigned shared = heap_of_thread(run_shared);
        assert_int_not_equal(shared, first);
        assert_int_not_equal(shared, second);
    }
}

static void *run_private_twice(void *heap)
{
    mr_heap_become_private();
    unsigned first = own_heap();
    run_private(heap);
    assert_int_equal(*(unsigned *)heap, first);
    return NULL;
}

static void heap_is_made_once_a_thread(void **state)
{
    (void)state;
    heap_of_thread(run_private_twice);
}

static void freed_memory_is_given_back_by_a_thread_of_its_own(void **state)
{
    (void)state;
    bool is_on = false;
    size_t size = sizeof(is_on);
    mr_heap_start();
    assert_int_equal(mallctl("background_thread", &is_on, &size, NULL, 0), 0);
    assert_true(is_on);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(private_heap_is_no_other_threads),
        cmocka_unit_test(heap_is_made_once_a_thread),
        cmocka_unit_test(freed_memory_is_given_back_by_a_thread_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
