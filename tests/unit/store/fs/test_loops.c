/* One store, several loops, each on a thread of its own, and the scrub, which walks all the time: for ThreadSanitizer
 * above all. */
#include "rig.h"
#include "store/fs/fs.h"
#include "store/scrub.h"
#include <pthread.h>

#define LOOPS  4
#define ROUNDS 12

static char shared_id[MR_ULID_LEN + 1];
static atomic_uint ended;

static void *use_store(void *context)
{
    const unsigned index = *(const unsigned *)context;
    static const uint64_t sizes[] = {10, 20000, 40000, 300000};
    char id[MR_ULID_LEN + 1];
    struct changed changed;
    assert_int_equal(mr_loop_create(&rig_loop, index), MR_OK);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        uint64_t size = sizes[(round + index) % MR_ARRAY_SIZE(sizes)], seed = round * LOOPS + index;
        assert_int_equal(rig_put(id, seed, size, "of a loop"), MR_OK);
        assert_int_equal(rig_check(id, seed, size), MR_OK);
        assert_int_equal(rig_check(shared_id, 1, 100), MR_OK); /* which all of them change */
        assert_int_equal(rig_rename(shared_id, 0, "of all", &changed), MR_OK);
        assert_int_equal(rig_rename(id, 1, "new", &changed), MR_OK);
        if (round % 2 == 0)
            assert_int_equal(rig_delete(id), MR_OK);
        assert_int_equal(rig_check(id, seed, size), round % 2 == 0 ? MR_ENOTFOUND : MR_OK);
    }
    rig_rest();
    atomic_fetch_add(&ended, 1);
    return rig_loop;
}

static uint64_t findings(void)
{
    uint64_t sum = 0;
    for (int i = 0; i < MR_STORE_FINDINGS; i++)
        sum += atomic_load(&rig.numbers->findings[i]);
    return sum;
}

/* Until all loops have ended, and then once more, when nothing changes. */
static void scrub_all_the_time(void)
{
    struct mr_offload *offload;
    struct mr_scrub *scrub;
    const struct mr_offload_config config = {
        .workers = 1, .priority = MR_PRIORITY_EQUAL, .queue_depth = 16, .loops = &rig_loop, .loop_count = 1};
    assert_int_equal(mr_offload_create(&offload, &config), MR_OK);
    assert_int_equal(mr_scrub_start(&scrub, &(struct mr_scrub_config){.store = rig.store,
                                                                      .loop = rig_loop,
                                                                      .offload = offload,
                                                                      .rate = 1024 * MR_MIB,
                                                                      .pause_ns = 1}),
                     MR_OK);
    rig_turn_until(atomic_load(&ended) == LOOPS);
    uint64_t walks = atomic_load(&rig.numbers->scrub_walks);
    rig_turn_until(atomic_load(&rig.numbers->scrub_walks) >= walks + 2); /* one may have begun before */
    mr_scrub_stop(scrub);
    rig_rest();
    mr_scrub_destroy(&scrub);
    mr_offload_close(offload);
    mr_offload_destroy(&offload);
}

static void loops_share_a_store(void **state)
{
    (void)state;
    pthread_t threads[LOOPS];
    unsigned indexes[LOOPS];
    struct download download;
    setenv("CMOCKA_TEST_ABORT", "1", 1); /* an assertion of another thread cannot leave the test */
    rig_open_in(RIG_FAST);
    rig_start();
    assert_int_equal(rig_put(shared_id, 1, 100, "a"), MR_OK);
    for (unsigned i = 0; i < LOOPS; i++) {
        indexes[i] = i + 1; /* 0 is that of the test */
        assert_int_equal(pthread_create(&threads[i], NULL, use_store, &indexes[i]), 0);
    }
    scrub_all_the_time();
    void *loops[LOOPS];
    for (unsigned i = 0; i < LOOPS; i++)
        pthread_join(threads[i], &loops[i]);
    /* Here, as ThreadSanitizer does not see openat2: a number that libuv had closed would look like a race. */
    for (unsigned i = 0; i < LOOPS; i++) {
        struct mr_loop *loop = loops[i];
        mr_loop_destroy(&loop);
    }
    assert_int_equal(download_open(&download, shared_id), MR_OK);
    assert_int_equal(mr_store_reader_object(download.reader)->rev, 1 + LOOPS * ROUNDS);
    download_close(&download);
    assert_int_equal(atomic_load(&rig.numbers->objects_written), 1 + LOOPS * ROUNDS);
    assert_int_equal(atomic_load(&rig.numbers->deleted), LOOPS * ROUNDS / 2);
    assert_int_equal(rig_debris(), 0);
    struct mr_store_totals totals;
    assert_true(mr_store_totals(rig.store, &totals));
    assert_int_equal(totals.objects, 1 + LOOPS * ROUNDS / 2);
    assert_int_equal(findings(), 0);
    rig_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(loops_share_a_store)};
    rig_be_quiet();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
