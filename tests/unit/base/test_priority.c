#define _GNU_SOURCE 1 /* SCHED_BATCH, SCHED_IDLE */
#include "base/priority.h"
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

struct found {
    int nice, policy;
    bool worked;
};

static void look(struct found *found)
{
    found->nice = getpriority(PRIO_PROCESS, (id_t)gettid());
    found->policy = sched_getscheduler(0);
}

static void *give_way(void *context)
{
    struct found *found = context;
    found->worked = mr_priority_be_nicer(3) && mr_priority_be_patient();
    look(found);
    return NULL;
}

static void thread_gives_way_and_no_other_thread_does(void **state)
{
    (void)state;
    struct found before, found, after;
    pthread_t thread;
    look(&before);
    assert_int_equal(pthread_create(&thread, NULL, give_way, &found), 0);
    pthread_join(thread, NULL);
    look(&after);
    assert_true(found.worked);
    assert_int_equal(found.nice, before.nice + 3 > 19 ? 19 : before.nice + 3);
    assert_int_equal(found.policy, before.policy == SCHED_IDLE ? SCHED_IDLE : SCHED_BATCH);
    assert_int_equal(after.nice, before.nice);
    assert_int_equal(after.policy, before.policy);
}

static void *idle_becomes_patient(void *context)
{
    struct found *found = context;
    const struct sched_param none = {0};
    found->worked = sched_setscheduler(0, SCHED_IDLE, &none) == 0 && mr_priority_be_patient();
    look(found);
    return NULL;
}

static void thread_that_gives_way_to_all_is_not_raised(void **state)
{
    (void)state;
    struct found found;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, idle_becomes_patient, &found), 0);
    pthread_join(thread, NULL);
    assert_true(found.worked);
    assert_int_equal(found.policy, SCHED_IDLE);
}

static void *become_nicest(void *context)
{
    struct found *found = context;
    found->worked = mr_priority_be_nicer(15) && mr_priority_be_nicer(15);
    look(found);
    return NULL;
}

static void nice_value_ends_at_19(void **state)
{
    (void)state;
    struct found found;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, become_nicest, &found), 0);
    pthread_join(thread, NULL);
    assert_true(found.worked);
    assert_int_equal(found.nice, 19);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thread_gives_way_and_no_other_thread_does),
        cmocka_unit_test(thread_that_gives_way_to_all_is_not_raised),
        cmocka_unit_test(nice_value_ends_at_19),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
