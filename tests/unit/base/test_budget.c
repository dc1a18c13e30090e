#include "base/budget.h"
#include "base/macros.h"
#include "dies.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void take_past_the_limit_is_refused(void **state)
{
    (void)state;
    struct mr_budget budget;
    mr_budget_init(&budget, 100);
    assert_true(mr_budget_try_take(&budget, 60));
    assert_false(mr_budget_try_take(&budget, 41));
    assert_int_equal(mr_budget_used(&budget), 60);
    assert_true(mr_budget_try_take(&budget, 40));
    assert_false(mr_budget_try_take(&budget, 1));
    assert_true(mr_budget_try_take(&budget, 0));
    mr_budget_give_back(&budget, 100);
    assert_int_equal(mr_budget_used(&budget), 0);
}

static void huge_take_does_not_wrap_around(void **state)
{
    (void)state;
    struct mr_budget budget;
    mr_budget_init(&budget, 100);
    assert_true(mr_budget_try_take(&budget, 60));
    assert_false(mr_budget_try_take(&budget, UINT64_MAX));
    assert_false(mr_budget_try_take(&budget, UINT64_MAX - 59));
}

static void the_last_parts_are_for_those_who_are_under_way(void **state)
{
    (void)state;
    struct mr_budget budget;
    mr_budget_init(&budget, 3200);
    assert_true(mr_budget_is_open(&budget) && !mr_budget_is_tight(&budget));
    assert_true(mr_budget_try_grow(&budget, 1601));
    assert_true(mr_budget_is_open(&budget) && mr_budget_is_tight(&budget));
    assert_true(mr_budget_try_grow(&budget, 3000 - 1601));
    assert_true(mr_budget_is_open(&budget));
    assert_true(mr_budget_try_grow(&budget, 1));
    assert_false(mr_budget_is_open(&budget));
    assert_true(mr_budget_try_grow(&budget, 99));
    assert_false(mr_budget_try_grow(&budget, 1));
    assert_true(mr_budget_try_take(&budget, 100));
    assert_false(mr_budget_try_grow(&budget, 0));
    assert_false(mr_budget_try_take(&budget, 1));
}

static void no_limit_is_always_open(void **state)
{
    (void)state;
    struct mr_budget budget;
    mr_budget_init(&budget, 0);
    assert_true(mr_budget_try_grow(&budget, (uint64_t)1 << 40));
    assert_true(mr_budget_is_open(&budget) && !mr_budget_is_tight(&budget));
}

static void no_limit_still_counts(void **state)
{
    (void)state;
    struct mr_budget budget;
    mr_budget_init(&budget, 0);
    assert_true(mr_budget_try_take(&budget, (uint64_t)1 << 60));
    assert_true(mr_budget_used(&budget) == (uint64_t)1 << 60);
}

static void giving_back_what_was_not_taken_is_a_programming_error(void **state)
{
    (void)state;
    struct mr_budget budget;
    mr_budget_init(&budget, 100);
    assert_dies(mr_budget_give_back(&budget, 1));
}

static struct mr_budget shared;
static _Atomic uint64_t successes;

static void *take_and_give_back(void *context)
{
    unsigned seed = (unsigned)(uintptr_t)context;
    for (int i = 0; i < 20000; i++) {
        uint64_t bytes = (uint64_t)rand_r(&seed) % 80;
        if (!mr_budget_try_take(&shared, bytes))
            continue;
        if (mr_budget_used(&shared) > 100)
            abort();
        atomic_fetch_add(&successes, 1);
        mr_budget_give_back(&shared, bytes);
    }
    return NULL;
}

static void threads_never_pass_the_limit_together(void **state)
{
    (void)state;
    pthread_t threads[3];
    mr_budget_init(&shared, 100);
    for (uintptr_t i = 0; i < MR_ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give_back, (void *)(i + 1)), 0);
    for (size_t i = 0; i < MR_ARRAY_SIZE(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(mr_budget_used(&shared), 0);
    assert_true(successes > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(take_past_the_limit_is_refused),
        cmocka_unit_test(huge_take_does_not_wrap_around),
        cmocka_unit_test(the_last_parts_are_for_those_who_are_under_way),
        cmocka_unit_test(no_limit_is_always_open),
        cmocka_unit_test(no_limit_still_counts),
        cmocka_unit_test(giving_back_what_was_not_taken_is_a_programming_error),
        cmocka_unit_test(threads_never_pass_the_limit_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
