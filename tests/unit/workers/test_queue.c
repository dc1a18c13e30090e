/* queue.c is compiled into this test with hooks on two of its atomic operations, so that threads can be held at the two
 * places where a lock-free queue must not need them to go on. */
#include "base/atomic.h"

static _Thread_local void (*before_publish)(void), (*before_swap)(void); /* of the thread to be held */

static void call_hook(void (**hook)(void))
{
    void (*once)(void) = *hook;
    *hook = (void (*)(void))0;
    if (once != (void (*)(void))0)
        once();
}
#define before_release_store() call_hook(&before_publish)
#define before_relaxed_store()

#undef mr_store
#define mr_store(object, value, order)                              \
    do {                                                            \
        before_##order##_store();                                   \
        atomic_store_explicit(object, value, memory_order_##order); \
    } while (0)
#undef mr_compare_swap
#define mr_compare_swap(object, expected, desired, success, failure)                             \
    (call_hook(&before_swap), atomic_compare_exchange_strong_explicit(object, expected, desired, \
                                                                      memory_order_##success, memory_order_##failure))
#include "workers/queue.c"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct mr_job jobs[64];
static sem_t held, go_on;
static struct mr_queue *queue;

static void hold(void)
{
    sem_post(&held);
    sem_wait(&go_on);
}

static struct mr_job *job_in(unsigned number, enum mr_lane lane)
{
    jobs[number].lane = lane;
    return &jobs[number];
}

static struct mr_job *pop_any(enum mr_lane lane)
{
    static unsigned turn;
    return mr_queue_try_pop(queue, lane, &turn);
}

static int open_queue(void **state, unsigned producers, uint32_t capacity)
{
    (void)state;
    sem_init(&held, 0, 0);
    sem_init(&go_on, 0, 0);
    return mr_queue_create(&queue, producers, capacity);
}

static int open_for_one(void **state)
{
    return open_queue(state, 1, 4);
}

static int open_for_two(void **state)
{
    return open_queue(state, 2, 2);
}

static int close_queue(void **state)
{
    (void)state;
    mr_queue_destroy(&queue);
    return queue == NULL ? 0 : -1;
}

static void push_to_a_full_queue_is_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(mr_queue_try_push(queue, 0, job_in(i, MR_LANE_BULK)), 0);
    assert_true(mr_queue_is_full(queue, 0, MR_LANE_BULK));
    assert_int_equal(mr_queue_try_push(queue, 0, job_in(4, MR_LANE_BULK)), MR_EBUSY);
    assert_int_equal(mr_queue_depth(queue, MR_LANE_BULK), 4);
    assert_ptr_equal(pop_any(MR_LANE_BULK), &jobs[0]);
    assert_false(mr_queue_is_full(queue, 0, MR_LANE_BULK));
    assert_int_equal(mr_queue_try_push(queue, 0, job_in(4, MR_LANE_BULK)), 0);
    for (unsigned i = 1; i < 5; i++)
        assert_ptr_equal(pop_any(MR_LANE_BULK), &jobs[i]);
    assert_null(pop_any(MR_LANE_BULK));
}

static void lanes_do_not_share_room_or_order(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(mr_queue_try_push(queue, 0, job_in(i, MR_LANE_HEAVY)), 0);
    assert_false(mr_queue_is_full(queue, 0, MR_LANE_INTERACTIVE));
    assert_int_equal(mr_queue_try_push(queue, 0, job_in(9, MR_LANE_INTERACTIVE)), 0);
    assert_ptr_equal(pop_any(MR_LANE_INTERACTIVE), &jobs[9]);
    assert_null(pop_any(MR_LANE_INTERACTIVE));
    for (unsigned i = 0; i < 4; i++)
        assert_ptr_equal(pop_any(MR_LANE_HEAVY), &jobs[i]);
}

static void capacity_is_rounded_up_to_a_power_of_two(void **state)
{
    struct mr_queue *odd = NULL;

    (void)state;
    assert_int_equal(mr_queue_create(&odd, 3, 5), 0);
    assert_int_equal(mr_queue_capacity(odd), 3 * 8);
    mr_queue_destroy(&odd);
    assert_int_equal(mr_queue_create(&odd, 1, 1), 0);
    assert_int_equal(mr_queue_capacity(odd), 1);
    assert_int_equal(mr_queue_try_push(odd, 0, job_in(0, MR_LANE_BULK)), 0);
    assert_int_equal(mr_queue_try_push(odd, 0, job_in(1, MR_LANE_BULK)), MR_EBUSY);
    unsigned turn = 0;
    assert_ptr_equal(mr_queue_try_pop(odd, MR_LANE_BULK, &turn), &jobs[0]);
    mr_queue_destroy(&odd);
}

static void producers_are_served_in_turn(void **state)
{
    unsigned turn = 0;

    (void)state;
    mr_queue_try_push(queue, 0, job_in(0, MR_LANE_BULK));
    mr_queue_try_push(queue, 0, job_in(1, MR_LANE_BULK));
    mr_queue_try_push(queue, 1, job_in(10, MR_LANE_BULK));
    mr_queue_try_push(queue, 1, job_in(11, MR_LANE_BULK));
    assert_ptr_equal(mr_queue_try_pop(queue, MR_LANE_BULK, &turn), &jobs[0]);
    assert_ptr_equal(mr_queue_try_pop(queue, MR_LANE_BULK, &turn), &jobs[10]);
    assert_ptr_equal(mr_queue_try_pop(queue, MR_LANE_BULK, &turn), &jobs[1]);
    assert_ptr_equal(mr_queue_try_pop(queue, MR_LANE_BULK, &turn), &jobs[11]);
}

static void *push_and_be_held(void *argument)
{
    (void)argument;
    before_publish = hold;
    assert_int_equal(mr_queue_try_push(queue, 0, job_in(0, MR_LANE_BULK)), 0);
    return NULL;
}

static void a_producer_held_before_its_publish_holds_back_only_its_own_job(void **state)
{
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, push_and_be_held, NULL), 0);
    sem_wait(&held);
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(mr_queue_try_push(queue, 1, job_in(1 + i % 50, MR_LANE_BULK)), 0);
        assert_ptr_equal(pop_any(MR_LANE_BULK), &jobs[1 + i % 50]);
        assert_null(pop_any(MR_LANE_BULK));
    }
    sem_post(&go_on);
    pthread_join(thread, NULL);
    assert_ptr_equal(pop_any(MR_LANE_BULK), &jobs[0]);
}

static void *pop_and_be_held(void *argument)
{
    (void)argument;
    before_swap = hold;
    return pop_any(MR_LANE_BULK);
}

static void a_consumer_held_before_its_swap_holds_back_nothing(void **state)
{
    pthread_t thread;
    void *popped;

    (void)state;
    mr_queue_try_push(queue, 0, job_in(0, MR_LANE_BULK));
    assert_int_equal(pthread_create(&thread, NULL, pop_and_be_held, NULL), 0);
    sem_wait(&held);
    assert_ptr_equal(pop_any(MR_LANE_BULK), &jobs[0]);
    for (unsigned i = 1; i < 50; i++) { /* the slot that it has read is written anew many times */
        assert_int_equal(mr_queue_try_push(queue, 0, job_in(i, MR_LANE_BULK)), 0);
        if (i < 49)
            assert_ptr_equal(pop_any(MR_LANE_BULK), &jobs[i]);
    }
    sem_post(&go_on);
    pthread_join(thread, &popped);
    assert_ptr_equal(popped, &jobs[49]); /* what it had read was somebody else's; it took what was there */
    assert_null(pop_any(MR_LANE_BULK));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(push_to_a_full_queue_is_refused, open_for_one, close_queue),
        cmocka_unit_test_setup_teardown(lanes_do_not_share_room_or_order, open_for_one, close_queue),
        cmocka_unit_test(capacity_is_rounded_up_to_a_power_of_two),
        cmocka_unit_test_setup_teardown(producers_are_served_in_turn, open_for_two, close_queue),
        cmocka_unit_test_setup_teardown(a_producer_held_before_its_publish_holds_back_only_its_own_job, open_for_two,
                                        close_queue),
        cmocka_unit_test_setup_teardown(a_consumer_held_before_its_swap_holds_back_nothing, open_for_two, close_queue),
    };
    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
