#include "calls.h"

static int open_rig(void **state)
{
    (void)state;
    rig_open_in(RIG_FAST);
    rig_start();
    calls_begin();
    rig_be_quiet();
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    calls_end();
    rig_close();
    return 0;
}

static struct load {
    struct mr_store_bytes *bytes;
    bool is_over;
    int err;
} load;

static void on_load_over(void *context, const struct mr_fault *fault)
{
    struct load *it = context;
    it->is_over = true;
    it->err = fault != NULL ? (int)fault->error : MR_OK;
}

/* Its file may be open or not. The object's reader is closed before its bytes are there. */
static void begin_load(const char *id)
{
    static unsigned count;
    struct download download;
    assert_int_equal(download_open_by(&download, id, count++ % 2 == 0 ? mr_store_open : mr_store_describe), MR_OK);
    load = (struct load){.is_over = false};
    mr_store_load(&load.bytes, download.reader, on_load_over, &load);
    mr_store_reader_close(&download.reader);
}

static void load_of(const char *id)
{
    begin_load(id);
    rig_turn_until(load.is_over);
}

static void check_bytes(uint64_t seed, size_t size)
{
    struct mr_slice bytes = mr_store_bytes_slice(load.bytes);
    assert_int_equal(load.err, MR_OK);
    assert_int_equal(bytes.len, size);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)bytes.at[i] != rig_byte(seed, i))
            fail_msg("byte %zu is another", i);
}

static void close_load(void)
{
    mr_store_bytes_close(&load.bytes);
    rig_rest();
    assert_int_equal(mr_budget_used(&rig.memory), 0);
}

static void *no_map(int fd, size_t len, off_t offset)
{
    (void)fd, (void)len, (void)offset;
    errno = ENODEV;
    return MAP_FAILED;
}

static int populate_is_unknown(void *bytes, size_t len)
{
    (void)bytes, (void)len;
    errno = EINVAL;
    return -1;
}

static int populate_fails(void *bytes, size_t len)
{
    (void)bytes, (void)len;
    errno = EFAULT;
    return -1;
}

/* The description, which is shorter, is read well. */
static ssize_t read_fails(int fd, void *bytes, size_t len, off_t offset)
{
    if (len < 100000)
        return calls.before.pread(fd, bytes, len, offset);
    errno = EIO;
    return -1;
}

static ssize_t read_ends(int fd, void *bytes, size_t len, off_t offset)
{
    return len < 100000 ? calls.before.pread(fd, bytes, len, offset) : 0;
}

static void short_payload_is_lent_and_costs_nothing(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1];
    assert_int_equal(rig_put(id, 2, 1000, "s"), MR_OK);
    begin_load(id);
    assert_true(load.is_over);
    assert_int_equal(mr_budget_used(&rig.memory), 0);
    check_bytes(2, 1000);
    close_load();
}

static void long_payload_is_mapped_or_copied(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1];
    assert_int_equal(rig_put(id, 3, 2000001, "l"), MR_OK);
    for (int way = 0; way < 6; way++) {
        if (way == 2)
            mr_disk_calls.populate = populate_is_unknown;
        if (way == 4)
            mr_disk_calls.map = no_map;
        load_of(id);
        assert_int_equal(mr_budget_used(&rig.memory), 2000001);
        check_bytes(3, 2000001);
        if (way > 0) {
            mr_store_bytes_drop(load.bytes);
            assert_int_equal(mr_budget_used(&rig.memory), 0);
        }
        close_load();
    }
}

static void disk_that_fails_is_a_fault(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1];
    assert_int_equal(rig_put(id, 3, 200000, "l"), MR_OK);
    mr_disk_calls.populate = populate_fails;
    load_of(id);
    assert_int_equal(load.err, MR_EIO);
    close_load();
    mr_disk_calls.populate = populate_is_unknown;
    mr_disk_calls.pread = read_fails;
    load_of(id);
    assert_int_equal(load.err, MR_EIO);
    close_load();
    mr_disk_calls.pread = read_ends;
    load_of(id);
    assert_int_equal(load.err, MR_EIO);
    close_load();
}

static void what_was_deleted_since_it_was_described_is_not_found(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1];
    struct download download;
    struct changed changed = {.is_done = false};
    assert_int_equal(rig_put(id, 3, 200000, "l"), MR_OK);
    assert_int_equal(download_open_by(&download, id, mr_store_describe), MR_OK);
    mr_store_delete(rig.store, rig_loop, mr_slice_of(id), on_changed, &changed);
    rig_turn_until(changed.is_done);
    rig_turn_until(mr_loop_requests(rig_loop) == 1); /* the file is removed after the response; the reader is left */
    load = (struct load){.is_over = false};
    mr_store_load(&load.bytes, download.reader, on_load_over, &load);
    mr_store_reader_close(&download.reader);
    rig_turn_until(load.is_over);
    assert_int_equal(load.err, MR_ENOTFOUND);
    close_load();
}

static void budget_bounds_what_is_loaded(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1];
    assert_int_equal(rig_put(id, 3, 200000, "l"), MR_OK);
    rig.memory.limit = 100000;
    load_of(id);
    assert_int_equal(load.err, MR_EPIXELS);
    close_load();
    rig.memory.limit = 300000;
    assert_true(mr_budget_try_take(&rig.memory, 150000));
    load_of(id);
    assert_int_equal(load.err, MR_EBUDGET);
    mr_budget_give_back(&rig.memory, 150000);
    close_load();
}

static void load_that_is_not_wanted_any_more_is_given_back(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1];
    assert_int_equal(rig_put(id, 3, 200000, "l"), MR_OK);
    begin_load(id);
    assert_false(load.is_over);
    close_load();
    assert_false(load.is_over);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(short_payload_is_lent_and_costs_nothing, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(long_payload_is_mapped_or_copied, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(disk_that_fails_is_a_fault, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(what_was_deleted_since_it_was_described_is_not_found, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(budget_bounds_what_is_loaded, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(load_that_is_not_wanted_any_more_is_given_back, open_rig, close_rig),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
