/* Memory for the secrets of a stage. */
#include "media/age/secret.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool is_zero(const unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

static void a_secret_is_wiped_before_anybody_else_has_its_memory(void **state)
{
    (void)state;
    unsigned char *first = mr_secret_take(MR_SECRET_MAX);
    assert_true(is_zero(first, MR_SECRET_MAX));
    memset(first, 'k', MR_SECRET_MAX);
    mr_secret_give_back(first);
    unsigned char *second = mr_secret_take(32);
    assert_ptr_equal(second, first);
    assert_true(is_zero(second, MR_SECRET_MAX));
    mr_secret_give_back(second);
}

static void secrets_at_the_same_time_have_memory_of_their_own(void **state)
{
    enum { COUNT = 100 }; /* more than are kept */
    unsigned char *blocks[COUNT];
    (void)state;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < COUNT; i++) {
            blocks[i] = mr_secret_take(MR_SECRET_MAX);
            assert_true(is_zero(blocks[i], MR_SECRET_MAX));
            memset(blocks[i], i + 1, MR_SECRET_MAX);
        }
        for (int i = 0; i < COUNT; i++) {
            assert_int_equal(blocks[i][0], i + 1);
            assert_int_equal(blocks[i][MR_SECRET_MAX - 1], i + 1);
            mr_secret_give_back(blocks[i]);
        }
    }
}

/* KiB of this process that are kept from swap. */
static long locked_kib(void)
{
    char line[256];
    long kib = -1;
    FILE *status = fopen("/proc/self/status", "r");
    assert_non_null(status);
    while (kib < 0 && fgets(line, sizeof(line), status) != NULL)
        if (strncmp(line, "VmLck:", 6) == 0)
            kib = strtol(line + 6, NULL, 10);
    fclose(status);
    return kib;
}

static void only_so_many_blocks_are_kept_after_a_crowd(void **state)
{
    enum { COUNT = 100, KEPT = 32, PAGE_KIB = 4 };
    void *blocks[COUNT];
    (void)state;
    for (int i = 0; i < COUNT; i++)
        blocks[i] = mr_secret_take(1);
    if (locked_kib() < COUNT * PAGE_KIB) /* the machine does not let us, or has larger pages */
        print_message("memory cannot be locked here: only freeing is tried\n");
    for (int i = 0; i < COUNT; i++)
        mr_secret_give_back(blocks[i]);
    assert_true(locked_kib() <= KEPT * PAGE_KIB);
}

static void *take_and_give_back(void *wrong)
{
    for (int i = 0; i < 10000; i++) {
        unsigned char *block = mr_secret_take(64);
        if (!is_zero(block, 64))
            atomic_fetch_add((atomic_int *)wrong, 1);
        memset(block, i, 64);
        mr_secret_give_back(block);
    }
    return NULL;
}

static void threads_never_have_the_same_memory(void **state)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    atomic_int wrong = 0;
    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give_back, &wrong), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&wrong), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_is_wiped_before_anybody_else_has_its_memory),
        cmocka_unit_test(secrets_at_the_same_time_have_memory_of_their_own),
        cmocka_unit_test(only_so_many_blocks_are_kept_after_a_crowd),
        cmocka_unit_test(threads_never_have_the_same_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
