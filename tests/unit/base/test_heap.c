#define _DEFAULT_SOURCE 1 /* mincore */
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

#include <errno.h>
#include <jemalloc/jemalloc.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096

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

/* Of the pages that lie in it whole. */
static size_t resident_pages(unsigned char *block, size_t pages)
{
    static unsigned char in_memory[16 << 10];
    size_t count = 0, into_page = (uintptr_t)block % PAGE;
    assert_true(pages <= sizeof(in_memory));
    assert_int_equal(mincore(block + (PAGE - into_page), (pages - 1) * PAGE, in_memory), 0);
    for (size_t i = 0; i < pages - 1; i++)
        count += in_memory[i] & 1;
    return count;
}

/* Also where the block was used before. */
static void large_cleared_block_takes_no_memory_until_it_is_touched(void **state)
{
    (void)state;
    const size_t pages = 8 << 10;
    for (int time = 0; time < 3; time++) {
        unsigned char *block = calloc(pages, PAGE);
        assert_non_null(block);
        assert_int_equal(resident_pages(block, pages), 0);
        for (size_t i = 0; i < pages * PAGE; i++)
            assert_true(block[i] == 0);
        memset(block, 255, pages * PAGE);
        assert_int_equal(resident_pages(block, pages), pages - 1);
        free(block);
    }
}

static void cleared_block_is_clear(void **state)
{
    (void)state;
    for (size_t size = 1; size <= (16 << 20); size *= 2) {
        for (int time = 0; time < 2; time++) {
            unsigned char *block = calloc(1, size);
            assert_non_null(block);
            for (size_t i = 0; i < size; i++)
                assert_true(block[i] == 0);
            memset(block, 255, size);
            free(block);
        }
    }
    volatile size_t half = SIZE_MAX / 2 + 1;
    errno = 0;
    assert_null(calloc(half, 2));
    assert_int_equal(errno, ENOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_cleared_block_takes_no_memory_until_it_is_touched),
        cmocka_unit_test(cleared_block_is_clear),
        cmocka_unit_test(private_heap_is_no_other_threads),
        cmocka_unit_test(heap_is_made_once_a_thread),
        cmocka_unit_test(freed_memory_is_given_back_by_a_thread_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
