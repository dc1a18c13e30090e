/* parking.c is compiled into this test, so that test_parking_portable.c can run it without the futex. */
#include "workers/parking.c"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct mr_parking parking;
static _Atomic unsigned tokens, returned; /* the work */

static int open_parking(void **state)
{
    (void)state;
    mr_parking_init(&parking);
    atomic_store(&tokens, 0);
    atomic_store(&returned, 0);
    return 0;
}

static unsigned waiters(void)
{
    return WAITERS(atomic_load(&parking.state));
}

static void *wait_once(void *argument)
{
    (void)argument;
    mr_parking_prepare(&parking);
    mr_parking_wait(&parking, 1);
    atomic_fetch_add(&returned, 1);
    return NULL;
}

static void a_signal_between_prepare_and_wait_is_kept(void **state)
{
    (void)state;
    mr_parking_prepare(&parking);
    mr_parking_wake_one(&parking);
    mr_parking_wait(&parking, 0); /* would hang */
    assert_int_equal(atomic_load(&parking.state), 0);
}

static void a_wake_up_without_waiters_is_not_kept(void **state)
{
    (void)state;
    mr_parking_wake_one(&parking);
    mr_parking_wake_all(&parking);
    assert_int_equal(atomic_load(&parking.state), 0);
}

static void a_wake_up_adds_nothing_to_a_signal_on_its_way(void **state)
{
    (void)state;
    mr_parking_prepare(&parking);
    mr_parking_prepare(&parking); /* as two threads would */
    mr_parking_wake_one(&parking);
    mr_parking_wake_one(&parking);
    assert_int_equal(waiters(), 1);
    mr_parking_wait(&parking, 0); /* the signal is taken: the next wake-up counts again */
    mr_parking_wake_one(&parking);
    assert_int_equal(waiters(), 0);
    mr_parking_wait(&parking, 0);
    assert_int_equal(atomic_load(&parking.state), 0);
}

static void wake_all_signals_also_beside_a_signal_on_its_way(void **state)
{
    (void)state;
    mr_parking_prepare(&parking);
    mr_parking_prepare(&parking);
    mr_parking_wake_one(&parking);
    mr_parking_wake_all(&parking);
    assert_int_equal(waiters(), 0);
    mr_parking_wait(&parking, 0);
    mr_parking_wait(&parking, 0);
    assert_int_equal(atomic_load(&parking.state), 0);
}

static void cancel_leaves_nothing_behind(void **state)
{
    (void)state;
    mr_parking_prepare(&parking);
    mr_parking_cancel(&parking);
    assert_int_equal(atomic_load(&parking.state), 0);
    mr_parking_prepare(&parking);
    mr_parking_wake_one(&parking);
    mr_parking_cancel(&parking); /* takes the signal along */
    assert_int_equal(atomic_load(&parking.state), 0);
}

static void cancel_leaves_the_signal_to_an_unsignalled_sleeper(void **state)
{
    pthread_t sleeper;

    (void)state;
    assert_int_equal(pthread_create(&sleeper, NULL, wait_once, NULL), 0);
    while (waiters() < 1)
        sched_yield();
    mr_parking_prepare(&parking);
    mr_parking_wake_one(&parking);
    mr_parking_cancel(&parking);
    pthread_join(sleeper, NULL); /* would hang if cancel had taken the signal */
    assert_int_equal(atomic_load(&parking.state), 0);
}

static void wake_one_wakes_one_and_wake_all_the_rest(void **state)
{
    pthread_t sleepers[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&sleepers[i], NULL, wait_once, NULL), 0);
    while (waiters() < 4)
        sched_yield();
    mr_parking_wake_one(&parking);
    while (atomic_load(&returned) < 1)
        sched_yield();
    assert_int_equal(waiters(), 3);
    mr_parking_wake_all(&parking);
    for (int i = 0; i < 4; i++)
        pthread_join(sleepers[i], NULL);
    assert_int_equal(atomic_load(&returned), 4);
    assert_int_equal(atomic_load(&parking.state), 0);
}

#ifndef MR_PARKING_PORTABLE

struct sleeper {
    pthread_t thread;
    unsigned number;
    _Atomic int tid;
    atomic_bool is_back;
};

static void *sleep_once(void *argument)
{
    struct sleeper *sleeper = argument;

    atomic_store(&sleeper->tid, (int)syscall(SYS_gettid));
    mr_parking_prepare(&parking);
    mr_parking_wait(&parking, sleeper->number);
    atomic_store(&sleeper->is_back, true);
    return NULL;
}

/* Field 3 of stat: S is asleep. */
static char state_of(int tid)
{
    char path[64], text[64] = "";

    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof(text), file));
    fclose(file);
    return strrchr(text, ')')[2];
}

/* Until the kernel has it: a thread that is about to sleep takes a signal without being woken. */
static void send_to_sleep(struct sleeper *sleeper, unsigned number)
{
    *sleeper = (struct sleeper){.number = number};
    assert_int_equal(pthread_create(&sleeper->thread, NULL, sleep_once, sleeper), 0);
    while (atomic_load(&sleeper->tid) == 0 || (atomic_load(&parking.asleep) >> number % 32 & 1) == 0 ||
           state_of(atomic_load(&sleeper->tid)) != 'S')
        sched_yield();
}

static void lowest_number_is_woken_and_not_the_one_that_slept_longest(void **state)
{
    static struct sleeper sleepers[3];

    (void)state;
    for (unsigned i = 3; i-- > 0;)
        send_to_sleep(&sleepers[i], i);
    for (unsigned i = 0; i < 3; i++) {
        mr_parking_wake_one(&parking);
        pthread_join(sleepers[i].thread, NULL); /* would hang if another had been woken */
        for (unsigned other = i + 1; other < 3; other++)
            assert_false(atomic_load(&sleepers[other].is_back));
    }
    assert_int_equal(atomic_load(&parking.state), 0);
    assert_int_equal(atomic_load(&parking.asleep), 0);
}

/* The first one back takes the bit along. */
static void both_of_two_that_share_a_bit_are_woken(void **state)
{
    static struct sleeper one, other;

    (void)state;
    send_to_sleep(&one, 0);
    send_to_sleep(&other, 32);
    mr_parking_wake_one(&parking);
    while (!atomic_load(&one.is_back) && !atomic_load(&other.is_back))
        sched_yield();
    mr_parking_wake_one(&parking);
    pthread_join(one.thread, NULL);
    pthread_join(other.thread, NULL);
    assert_int_equal(atomic_load(&parking.state), 0);
}

#endif

#define CONSUMERS 3
#define PRODUCERS 2
#ifdef MR_SANITIZED
#define TOKENS 20000u /* of each producer */
#else
#define TOKENS 200000u
#endif
static _Atomic bool ending;

static bool take_token(void)
{
    unsigned seen = atomic_load_explicit(&tokens, memory_order_relaxed);

    while (seen > 0)
        if (atomic_compare_exchange_weak_explicit(&tokens, &seen, seen - 1, memory_order_relaxed, memory_order_relaxed))
            return true;
    return false;
}

static void *consume(void *argument)
{
    unsigned number = (unsigned)(uintptr_t)argument;

    for (;;) {
        if (take_token()) {
            atomic_fetch_add(&returned, 1);
            continue;
        }
        mr_parking_prepare(&parking);
        bool took = take_token(), end = !took && atomic_load(&ending);
        if (took || end) {
            mr_parking_cancel(&parking);
            if (end)
                return NULL;
            atomic_fetch_add(&returned, 1);
            continue;
        }
        mr_parking_wait(&parking, number);
    }
}

/* A producer waits until everything he gave is gone: a lost wake-up hangs here. */
static void *produce(void *argument)
{
    unsigned burst = (unsigned)(uintptr_t)argument;

    for (unsigned given = 0; given < TOKENS; given += burst) {
        for (unsigned i = 0; i < burst; i++) {
            atomic_fetch_add_explicit(&tokens, 1, memory_order_relaxed);
            mr_parking_wake_one(&parking);
        }
        while (atomic_load_explicit(&tokens, memory_order_relaxed) > 0)
            sched_yield();
    }
    return NULL;
}

static void no_wake_up_is_lost_under_stress(void **state)
{
    pthread_t consumers[CONSUMERS], producers[PRODUCERS];

    (void)state;
    atomic_store(&ending, false);
    for (uintptr_t i = 0; i < CONSUMERS; i++)
        assert_int_equal(pthread_create(&consumers[i], NULL, consume, (void *)i), 0);
    for (uintptr_t i = 0; i < PRODUCERS; i++)
        assert_int_equal(pthread_create(&producers[i], NULL, produce, (void *)(1 + 3 * i)), 0);
    for (int i = 0; i < PRODUCERS; i++)
        pthread_join(producers[i], NULL);
    atomic_store(&ending, true);
    mr_parking_wake_all(&parking);
    for (int i = 0; i < CONSUMERS; i++)
        pthread_join(consumers[i], NULL);
    assert_int_equal(atomic_load(&parking.state), 0);
    assert_int_equal(atomic_load(&returned), PRODUCERS * TOKENS);
}

#define TEST(name) cmocka_unit_test_setup(name, open_parking)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_signal_between_prepare_and_wait_is_kept),
        TEST(a_wake_up_without_waiters_is_not_kept),
        TEST(a_wake_up_adds_nothing_to_a_signal_on_its_way),
        TEST(wake_all_signals_also_beside_a_signal_on_its_way),
        TEST(cancel_leaves_nothing_behind),
        TEST(cancel_leaves_the_signal_to_an_unsignalled_sleeper),
        TEST(wake_one_wakes_one_and_wake_all_the_rest),
#ifndef MR_PARKING_PORTABLE
        TEST(lowest_number_is_woken_and_not_the_one_that_slept_longest),
        TEST(both_of_two_that_share_a_bit_are_woken),
#endif
        TEST(no_wake_up_is_lost_under_stress),
    };
    return cmocka_run_group_tests_name("parking", tests, NULL, NULL);
}
