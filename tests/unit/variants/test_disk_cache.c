/* Two processes of a server, both played by this one: each has a cache on the same index. */
#include "../store/fs/rig.h"
#include "variants/disk_cache.h"
#include <sys/stat.h>

#define ID "01M8MMF2NAXJFYWDJD7847071C"

static struct {
    struct mr_variant_home *home;
    struct mr_disk_cache *caches[2];
    struct mr_variant_cache_numbers numbers;
    unsigned done;
    uint64_t wait_ns;
} two;

static void start_caches(void)
{
    rig_start();
    mr_variant_home_open(&two.home,
                         &(struct mr_variant_home_config){.store = rig.home, .size_max = 64 * MR_MIB, .processes = 2});
    assert_non_null(two.home);
    for (unsigned i = 0; i < 2; i++) {
        const struct mr_disk_cache_config config = {
            .home = two.home, .process = i, .memory = &rig.memory, .numbers = &two.numbers, .wait_ns = two.wait_ns};
        assert_int_equal(mr_disk_cache_create(&two.caches[i], &config), MR_OK);
    }
}

static void stop_caches(void)
{
    mr_disk_cache_destroy(&two.caches[0]);
    mr_disk_cache_destroy(&two.caches[1]);
    mr_variant_home_close(&two.home);
    rig_stop();
}

static int open_two(void **state)
{
    (void)state;
    rig_open();
    memset(&two, 0, sizeof(two));
    two.wait_ns = UINT64_MAX;
    start_caches();
    faults_begin();
    return 0;
}

static int close_two(void **state)
{
    (void)state;
    faults_end();
    stop_caches();
    rig_close_loop();
    rig_close_place();
    return 0;
}

static void turn_until_done(unsigned count)
{
    while (two.done < count)
        uv_run(mr_loop_uv(rig_loop), UV_RUN_ONCE);
    assert_int_equal(two.done, count);
    two.done = 0;
}

/* ---- looks and writes ---- */

static void on_look_done(struct mr_disk_look *look)
{
    (void)look;
    two.done++;
}

static void on_write_done(struct mr_disk_write *write)
{
    (void)write;
    two.done++;
}

static struct mr_variant_key key_of(unsigned number)
{
    struct mr_variant_key key = {{0}};
    memcpy(key.bytes, &number, sizeof(number));
    return key;
}

static void begin_look(struct mr_disk_look *look, unsigned process, unsigned number)
{
    *look = (struct mr_disk_look){
        .cache = two.caches[process], .loop = rig_loop, .key = key_of(number), .done = on_look_done};
    mr_disk_look_begin(look);
}

static void look_for(struct mr_disk_look *look, unsigned process, unsigned number)
{
    begin_look(look, process, number);
    turn_until_done(1);
}

static struct mr_disk_write write_of(unsigned process, unsigned number, const char *bytes, size_t len)
{
    return (struct mr_disk_write){
        .cache = two.caches[process],
        .loop = rig_loop,
        .store = rig.store,
        .record = {.key = key_of(number), .id = ID, .format = MR_IMAGE_PNG, .width = 3, .height = 4},
        .image = {.at = bytes, .len = len},
        .done = on_write_done,
    };
}

static void write_one(unsigned process, unsigned number, const char *bytes, size_t len)
{
    struct mr_disk_write write = write_of(process, number, bytes, len);
    assert_true(mr_disk_write_begin(&write));
    turn_until_done(1);
}

static void assert_found(unsigned process, unsigned number, const char *bytes, size_t len)
{
    struct mr_disk_look look;
    look_for(&look, process, number);
    assert_true(look.is_found);
    assert_false(look.has_claim);
    assert_int_equal(look.image.len, len);
    assert_memory_equal(look.image.at, bytes, len);
    assert_int_equal(look.record.format, MR_IMAGE_PNG);
    assert_true(look.record.width == 3 && look.record.height == 4);
    assert_int_equal(mr_budget_used(&rig.memory), look.charged);
    mr_disk_look_clear(&look);
    assert_int_equal(mr_budget_used(&rig.memory), 0);
}

static void assert_missed(unsigned process, unsigned number)
{
    struct mr_disk_look look;
    look_for(&look, process, number);
    assert_false(look.is_found);
    assert_true(look.has_claim);
    mr_disk_look_clear(&look);
}

static uint64_t number_of(const _Atomic uint64_t *number)
{
    return atomic_load(number);
}

/* ---- tests ---- */

static void what_is_written_is_found_by_each_process(void **state)
{
    (void)state;
    static const size_t lens[] = {3, 300 * MR_KIB, 2 * MR_MIB}; /* read at once, in a later turn, and on the pool */
    char *bytes = calloc(1, lens[2]);
    for (unsigned i = 0; i < 3; i++) {
        assert_missed(0, i);
        bytes[lens[i] - 1] = 1;
        write_one(i % 2, i, bytes, lens[i]);
        assert_found(0, i, bytes, lens[i]);
        assert_found(1, i, bytes, lens[i]);
    }
    assert_int_equal(number_of(&two.numbers.disk_written), 3);
    free(bytes);
}

/* What the loop would read together is bounded: the pool has the rest. All are found. */
static void many_that_look_at_once_find_it(void **state)
{
    (void)state;
    enum { LOOKS = 20 };
    struct mr_disk_look looks[LOOKS];
    size_t len = 300 * MR_KIB;
    char *bytes = calloc(1, len);
    write_one(0, 1, bytes, len);
    for (unsigned i = 0; i < LOOKS; i++)
        begin_look(&looks[i], i % 2, 1);
    assert_int_equal(two.done, 0);
    turn_until_done(LOOKS);
    for (unsigned i = 0; i < LOOKS; i++) {
        assert_true(looks[i].is_found && looks[i].image.len == len);
        mr_disk_look_clear(&looks[i]);
    }
    assert_int_equal(mr_budget_used(&rig.memory), 0);
    free(bytes);
}

static void the_next_server_finds_it(void **state)
{
    (void)state;
    write_one(0, 1, "abc", 3);
    write_one(1, 2, "defg", 4);
    write_one(0, 3, "h", 1);
    stop_caches();
    start_caches();
    assert_found(0, 1, "abc", 3);
    assert_found(0, 2, "defg", 4);
    assert_found(1, 3, "h", 1);
    assert_missed(0, 4);
}

static void directory_that_cannot_be_used_is_no_cache(void **state)
{
    (void)state;
    char path[200];
    struct mr_variant_home *home;
    stop_caches();
    rig_start();
    rig_be_quiet();
    snprintf(path, sizeof(path), "%s/variants", rig.data);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(symlink("/tmp", path), 0);
    mr_variant_home_open(&home,
                         &(struct mr_variant_home_config){.store = rig.home, .size_max = MR_MIB, .processes = 1});
    assert_null(home);
    assert_int_equal(unlink(path), 0);
    rig_stop();
    start_caches();
}

static void files_of_others_are_left_alone(void **state)
{
    (void)state;
    char path[200];
    struct mr_variant_home *home;
    write_one(0, 1, "abc", 3);
    stop_caches();
    rig_start();
    snprintf(path, sizeof(path), "%s/variants/README", rig.data);
    assert_int_equal(mkdir(path, 0700), 0);
    mr_variant_home_open(&home, &(struct mr_variant_home_config){.store = rig.home, .size_max = 0, .processes = 1});
    assert_null(home);
    assert_int_equal(rmdir(path), 0);
    snprintf(path, sizeof(path), "%s/variants/0000000001.cache", rig.data);
    assert_int_equal(access(path, F_OK), -1);
    rig_stop();
    start_caches();
}

static void one_that_waits_finds_what_the_other_process_made(void **state)
{
    (void)state;
    struct mr_disk_look makes, waits[3];
    look_for(&makes, 0, 1);
    assert_true(makes.has_claim);
    for (unsigned i = 0; i < 3; i++)
        begin_look(&waits[i], 1, 1);
    struct mr_disk_write write = write_of(0, 1, "abc", 3);
    write.has_claim = true;
    makes.has_claim = false;
    assert_int_equal(two.done, 0);
    assert_true(mr_disk_write_begin(&write));
    turn_until_done(4);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(waits[i].is_found && waits[i].was_awaited);
        assert_memory_equal(waits[i].image.at, "abc", 3);
        mr_disk_look_clear(&waits[i]);
    }
    mr_disk_look_clear(&makes);
}

static void one_that_waits_makes_it_when_the_other_gives_up(void **state)
{
    (void)state;
    struct mr_disk_look makes, waits, other;
    look_for(&makes, 0, 1);
    begin_look(&waits, 1, 1);
    look_for(&other, 0, 2); /* a claim of another key ends nothing */
    mr_disk_look_clear(&other);
    assert_int_equal(two.done, 0);
    mr_disk_look_clear(&makes);
    turn_until_done(1);
    assert_true(!waits.is_found && waits.has_claim && waits.was_awaited);
    mr_disk_look_clear(&waits);
}

static void one_that_waits_makes_it_when_the_other_process_dies(void **state)
{
    (void)state;
    struct mr_disk_look makes, waits;
    look_for(&makes, 0, 1);
    begin_look(&waits, 1, 1);
    mr_variant_index_sweep(two.home->index, 0);
    turn_until_done(1);
    assert_true(!waits.is_found && waits.has_claim);
    mr_disk_look_clear(&makes); /* its claim is another one's now */
    struct mr_disk_look again;
    begin_look(&again, 0, 1);
    assert_int_equal(two.done, 0);
    mr_disk_look_clear(&waits);
    turn_until_done(1);
    mr_disk_look_clear(&again);
}

static void one_that_waits_for_too_long_makes_it_itself(void **state)
{
    (void)state;
    struct mr_disk_look first, waits;
    stop_caches();
    two.wait_ns = 1;
    start_caches();
    look_for(&first, 0, 1);
    assert_true(first.has_claim);
    look_for(&waits, 1, 1); /* the first one never ends */
    assert_true(!waits.is_found && !waits.has_claim && waits.was_awaited);
    assert_false(mr_disk_look_is_wanted(&first));
    mr_disk_look_clear(&waits);
    mr_disk_look_clear(&first);
}

static void one_that_waits_can_be_stopped(void **state)
{
    (void)state;
    struct mr_disk_look makes, waits, stays;
    look_for(&makes, 0, 1);
    begin_look(&stays, 1, 1);
    begin_look(&waits, 1, 1);
    mr_disk_look_stop(&waits);
    assert_int_equal(two.done, 1);
    assert_false(waits.is_found || waits.has_claim);
    mr_disk_look_clear(&waits);
    assert_true(mr_disk_look_is_wanted(&makes));
    mr_disk_look_stop(&stays);
    mr_disk_look_clear(&stays);
    assert_false(mr_disk_look_is_wanted(&makes));
    begin_look(&stays, 1, 1);
    assert_true(mr_disk_look_is_wanted(&makes));
    mr_disk_look_clear(&makes);
    turn_until_done(3);
    assert_true(stays.has_claim);
    mr_disk_look_clear(&stays);
}

static void flip_in_file(const char *name, off_t offset)
{
    char path[200], byte;
    snprintf(path, sizeof(path), "%s/variants/%s", rig.data, name);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, offset), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
    close(fd);
}

static void damaged_one_is_missed_and_made_again(void **state)
{
    (void)state;
    write_one(0, 1, "abc", 3);
    flip_in_file("0000000001.cache", 24 + MR_VARIANT_HEAD_SIZE + 1);
    rig_be_quiet();
    assert_missed(0, 1);
    assert_int_equal(number_of(&two.numbers.disk_damaged), 1);
    write_one(1, 1, "abc", 3);
    assert_found(0, 1, "abc", 3);
    assert_int_equal(number_of(&two.numbers.disk_damaged), 1);
}

/* Each time it is read, not just the first time. */
static void one_that_was_damaged_between_two_looks_is_missed(void **state)
{
    (void)state;
    size_t len = 300 * MR_KIB;
    char *bytes = calloc(1, len);
    write_one(0, 1, bytes, len);
    assert_found(0, 1, bytes, len);
    flip_in_file("0000000001.cache", (off_t)len / 2);
    rig_be_quiet();
    assert_missed(0, 1);
    assert_int_equal(number_of(&two.numbers.disk_damaged), 1);
    free(bytes);
}

static void file_that_is_gone_is_missed(void **state)
{
    (void)state;
    char path[200];
    write_one(0, 1, "abc", 3);
    snprintf(path, sizeof(path), "%s/variants/0000000001.cache", rig.data);
    assert_int_equal(unlink(path), 0);
    assert_missed(1, 1);
    assert_int_equal(number_of(&two.numbers.disk_damaged), 0);
}

static void disk_that_fails_is_left_alone_for_a_while(void **state)
{
    (void)state;
    struct mr_disk_write write = write_of(0, 2, "defg", 4);
    write_one(0, 1, "abc", 3);
    rig_be_quiet();
    faults.error_number = ENOSPC;
    write_one(0, 2, "defg", 4);
    faults.error_number = 0;
    assert_int_equal(number_of(&two.numbers.disk_failed), 1);
    assert_int_equal(number_of(&two.numbers.disk_written), 1);
    assert_false(mr_disk_write_begin(&write));
    assert_found(1, 1, "abc", 3);
    assert_missed(1, 2);
    write_one(1, 2, "defg", 4); /* the other process has not seen it fail */
    assert_found(0, 2, "defg", 4);
}

static void claim_ends_although_it_is_not_written(void **state)
{
    (void)state;
    struct mr_disk_look makes;
    struct mr_disk_write write;
    look_for(&makes, 0, 1);
    write =
        write_of(0, 1, "abc", (size_t)mr_variant_index_file_max(two.home->index)); /* the length is looked at only */
    write.has_claim = true;
    makes.has_claim = false;
    assert_false(mr_disk_write_begin(&write));
    assert_missed(1, 1);
    mr_disk_look_clear(&makes);
}

static void without_memory_it_is_made_and_not_read(void **state)
{
    (void)state;
    struct mr_disk_look look;
    write_one(0, 1, "abc", 3);
    uint64_t all = rig.memory.limit;
    assert_true(mr_budget_try_take(&rig.memory, all));
    look_for(&look, 0, 1);
    assert_false(look.is_found || look.has_claim);
    mr_disk_look_clear(&look);
    mr_budget_give_back(&rig.memory, all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_written_is_found_by_each_process, open_two, close_two),
        cmocka_unit_test_setup_teardown(many_that_look_at_once_find_it, open_two, close_two),
        cmocka_unit_test_setup_teardown(the_next_server_finds_it, open_two, close_two),
        cmocka_unit_test_setup_teardown(directory_that_cannot_be_used_is_no_cache, open_two, close_two),
        cmocka_unit_test_setup_teardown(files_of_others_are_left_alone, open_two, close_two),
        cmocka_unit_test_setup_teardown(one_that_waits_finds_what_the_other_process_made, open_two, close_two),
        cmocka_unit_test_setup_teardown(one_that_waits_makes_it_when_the_other_gives_up, open_two, close_two),
        cmocka_unit_test_setup_teardown(one_that_waits_makes_it_when_the_other_process_dies, open_two, close_two),
        cmocka_unit_test_setup_teardown(one_that_waits_for_too_long_makes_it_itself, open_two, close_two),
        cmocka_unit_test_setup_teardown(one_that_waits_can_be_stopped, open_two, close_two),
        cmocka_unit_test_setup_teardown(damaged_one_is_missed_and_made_again, open_two, close_two),
        cmocka_unit_test_setup_teardown(one_that_was_damaged_between_two_looks_is_missed, open_two, close_two),
        cmocka_unit_test_setup_teardown(file_that_is_gone_is_missed, open_two, close_two),
        cmocka_unit_test_setup_teardown(disk_that_fails_is_left_alone_for_a_while, open_two, close_two),
        cmocka_unit_test_setup_teardown(claim_ends_although_it_is_not_written, open_two, close_two),
        cmocka_unit_test_setup_teardown(without_memory_it_is_made_and_not_read, open_two, close_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
