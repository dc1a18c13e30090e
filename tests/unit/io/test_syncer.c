#define _GNU_SOURCE 1 /* pthread_getname_np */
#include "io/syncer.h"

#include "faults.h"
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/resource.h>

#define REQUESTS 6
#define LOOPS    2
#define ROUNDS   200

static struct place place;
static struct mr_loop *loop;
static struct mr_syncer *syncer;
static struct mr_file_request requests[REQUESTS];
static unsigned dones;
static pthread_t loop_thread;

static void on_done(struct mr_file_request *done)
{
    assert_true(mr_file_is_idle(done));
    assert_true(pthread_equal(pthread_self(), loop_thread));
    dones++;
}

static void open_syncer_of(const struct mr_syncer_config *config)
{
    assert_int_equal(mr_syncer_create(&syncer, config), MR_OK);
}

static void open_syncer(void (*group)(void *context, unsigned thread, struct mr_file_request *first), void *context,
                        unsigned threads)
{
    open_syncer_of(
        &(struct mr_syncer_config){.name = "test-sync", .threads = threads, .group = group, .context = context});
}

static int open_bench(void **state)
{
    (void)state;
    place_open(&place);
    place_put(&place, "file", "x", 1);
    dones = 0;
    loop_thread = pthread_self();
    assert_int_equal(mr_loop_create(&loop, 0), MR_OK);
    for (size_t i = 0; i < REQUESTS; i++)
        mr_file_init(&requests[i], loop, MR_LABEL_TEST, on_done);
    faults_begin();
    return 0;
}

static int close_bench(void **state)
{
    (void)state;
    mr_syncer_destroy(&syncer);
    mr_syncer_destroy(&syncer); /* has no effect */
    faults_end();
    mr_loop_destroy(&loop);
    place_close(&place);
    return 0;
}

static void turn_until(unsigned count)
{
    while (dones < count)
        uv_run(mr_loop_uv(loop), UV_RUN_ONCE);
    assert_int_equal(dones, count);
}

static void file_and_directory_are_synced_and_failures_come_back(void **state)
{
    (void)state;
    open_syncer(NULL, NULL, 0);
    int fd = openat(place.directory, "file", O_RDWR | O_CLOEXEC);
    mr_file_sync(&requests[0], syncer, fd);
    mr_file_sync_directory(&requests[1], syncer, place.directory);
    assert_int_equal(dones, 0);
    turn_until(2);
    assert_int_equal(requests[0].err, MR_OK);
    assert_int_equal(requests[1].err, MR_OK);
    faults.error_number = EIO;
    mr_file_sync(&requests[0], syncer, fd);
    turn_until(3);
    assert_int_equal(requests[0].err, MR_EIO);
    assert_int_equal(requests[0].failure.operation, MR_DISK_SYNC);
    assert_int_equal(requests[0].failure.error_number, EIO);
    close(fd);
}

static char name_of_thread[16];

static int work_name(struct mr_file_request *on)
{
    (void)on;
    pthread_getname_np(pthread_self(), name_of_thread, sizeof(name_of_thread));
    return MR_OK;
}

static void thread_has_its_name(void **state)
{
    (void)state;
    open_syncer(NULL, NULL, 0);
    do { /* it is named after it was started */
        mr_file_run_on(&requests[0], syncer, work_name);
        dones = 0;
        turn_until(1);
    } while (strcmp(name_of_thread, "test-sync") != 0);
}

/* A group is held until the test says so. */
struct gate {
    sem_t entered, open;
    unsigned sizes[REQUESTS], groups;
    const struct mr_file_request *last_first;
};

static void hold_group(void *context, unsigned thread, struct mr_file_request *first)
{
    (void)thread;
    struct gate *gate = context;
    sem_post(&gate->entered);
    while (sem_wait(&gate->open) != 0)
        ;
    gate->last_first = first;
    for (struct mr_file_request *at = first; at != NULL; at = at->next) {
        gate->sizes[gate->groups]++;
        mr_file_perform(at);
    }
    gate->groups++;
}

static int work_nothing(struct mr_file_request *on)
{
    (void)on;
    return MR_OK;
}

static void what_comes_during_a_group_is_the_next_group(void **state)
{
    (void)state;
    struct gate gate = {.groups = 0};
    sem_init(&gate.entered, 0, 0);
    sem_init(&gate.open, 0, 0);
    open_syncer(hold_group, &gate, 1);
    mr_file_run_on(&requests[0], syncer, work_nothing);
    while (sem_wait(&gate.entered) != 0)
        ;
    for (size_t i = 1; i < REQUESTS; i++)
        mr_file_run_on(&requests[i], syncer, work_nothing);
    uv_run(mr_loop_uv(loop), UV_RUN_NOWAIT);
    assert_int_equal(dones, 0);
    sem_post(&gate.open);
    sem_post(&gate.open);
    turn_until(REQUESTS);
    assert_int_equal(gate.groups, 2);
    assert_int_equal(gate.sizes[0], 1);
    assert_int_equal(gate.sizes[1], REQUESTS - 1);
    assert_ptr_equal(gate.last_first, &requests[1]); /* the oldest */
    sem_destroy(&gate.entered);
    sem_destroy(&gate.open);
}

/* The first thread's group waits for the second's, which could not begin on the same thread. */
struct meeting {
    sem_t second;
    atomic_uint groups, threads;
};

static void meet(void *context, unsigned thread, struct mr_file_request *first)
{
    struct meeting *meeting = context;
    /* Relaxed: the semaphore orders what matters. */
    atomic_fetch_or_explicit(&meeting->threads, 1u << thread, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&meeting->groups, 1, memory_order_relaxed) == 0)
        while (sem_wait(&meeting->second) != 0)
            ;
    else
        sem_post(&meeting->second);
    for (struct mr_file_request *at = first; at != NULL; at = at->next)
        mr_file_perform(at);
}

static void group_does_not_wait_for_one_on_another_thread(void **state)
{
    (void)state;
    struct meeting meeting = {.groups = 0};
    sem_init(&meeting.second, 0, 0);
    open_syncer(meet, &meeting, 2);
    mr_file_run_on(&requests[0], syncer, work_nothing);
    while (atomic_load_explicit(&meeting.groups, memory_order_relaxed) == 0)
        sched_yield();
    mr_file_run_on(&requests[1], syncer, work_nothing);
    turn_until(2);
    assert_int_equal(meeting.threads, 3);
    sem_destroy(&meeting.second);
}

/* Both are posted before a thread wakes: as one group the first would wait for the second for ever. */
static void requests_of_one_moment_are_performed_at_the_same_time_if_singly(void **state)
{
    (void)state;
    struct meeting meeting = {.groups = 0};
    sem_init(&meeting.second, 0, 0);
    open_syncer_of(&(struct mr_syncer_config){
        .name = "test-sync", .threads = 2, .singly = true, .group = meet, .context = &meeting});
    for (unsigned i = 0; i < 2; i++)
        mr_file_run_on(&requests[i], syncer, work_nothing);
    turn_until(2);
    assert_int_equal(meeting.groups, 2);
    assert_int_equal(meeting.threads, 3);
    sem_destroy(&meeting.second);
}

static int nice_of_thread;

static int work_nice(struct mr_file_request *on)
{
    (void)on;
    nice_of_thread = getpriority(PRIO_PROCESS, 0);
    return MR_OK;
}

static void threads_are_nicer_by_as_much_as_they_are_told(void **state)
{
    (void)state;
    open_syncer_of(&(struct mr_syncer_config){.name = "test-sync", .nicer = 3});
    mr_file_run_on(&requests[0], syncer, work_nice);
    turn_until(1);
    assert_int_equal(nice_of_thread, MR_MIN(getpriority(PRIO_PROCESS, 0) + 3, 19));
}

/* ---- many loops ---- */

struct client {
    struct mr_loop *loop;
    pthread_t thread;
    struct mr_file_request request;
    unsigned rounds;
};

static void on_round(struct mr_file_request *done)
{
    struct client *client = mr_container_of(done, struct client, request);
    assert_true(mr_loop_is_current(client->loop));
    assert_int_equal(done->err, MR_OK);
    if (++client->rounds == ROUNDS)
        mr_loop_stop(client->loop);
    else
        mr_file_run_on(done, syncer, work_nothing);
}

static void *run_client(void *context)
{
    mr_loop_run(((struct client *)context)->loop);
    return NULL;
}

static void each_request_completes_on_its_own_loop(void **state)
{
    (void)state;
    struct client clients[LOOPS];
    open_syncer(NULL, NULL, 0);
    for (unsigned i = 0; i < LOOPS; i++) {
        clients[i].rounds = 0;
        assert_int_equal(mr_loop_create(&clients[i].loop, i), MR_OK);
        mr_file_init(&clients[i].request, clients[i].loop, MR_LABEL_TEST, on_round);
        mr_file_run_on(&clients[i].request, syncer, work_nothing);
        pthread_create(&clients[i].thread, NULL, run_client, &clients[i]);
    }
    for (unsigned i = 0; i < LOOPS; i++) {
        pthread_join(clients[i].thread, NULL);
        assert_int_equal(clients[i].rounds, ROUNDS);
        mr_loop_destroy(&clients[i].loop);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(file_and_directory_are_synced_and_failures_come_back),
        TEST(thread_has_its_name),
        TEST(what_comes_during_a_group_is_the_next_group),
        TEST(group_does_not_wait_for_one_on_another_thread),
        TEST(requests_of_one_moment_are_performed_at_the_same_time_if_singly),
        TEST(threads_are_nicer_by_as_much_as_they_are_told),
        TEST(each_request_completes_on_its_own_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
