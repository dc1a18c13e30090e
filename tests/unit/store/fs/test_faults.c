/* Each system call of an operation fails in turn, alone or with all that follow: the operation succeeds or fails
 * clearly, what was acknowledged is whole, and the next start leaves no debris. */
#include "calls.h"

#define SMALL         1000
#define LARGE         100000
#define CALLS_AT_MOST 300

static char kept[2][MR_ULID_LEN + 1]; /* acknowledged before the faults */

static int open_rig(void **state)
{
    (void)state;
    rig_open_in(RIG_FAST);
    rig_start();
    assert_int_equal(rig_put(kept[0], 100, SMALL, "kept"), MR_OK);
    assert_int_equal(rig_put(kept[1], 101, LARGE, "kept"), MR_OK);
    calls_begin();
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    calls_end();
    rig_close();
    return 0;
}

static void assert_kept(void)
{
    assert_int_equal(rig_check(kept[0], 100, SMALL), MR_OK);
    assert_int_equal(rig_check(kept[1], 101, LARGE), MR_OK);
}

static void assert_clear(int err, int error_number)
{
    assert_int_equal(err, mr_disk_error(error_number));
    assert_int_equal(rig.memory.used, 0);
}

/* A change reads what is there before it writes. */
static void assert_write_clear(int err, int error_number, bool reads_too)
{
    bool is_broken = mr_disk_error(error_number) == MR_EIO;
    if (err == MR_EWRITE || (is_broken && !reads_too))
        assert_int_equal(err, is_broken ? MR_EWRITE : mr_disk_error(error_number));
    else
        assert_int_equal(err, mr_disk_error(error_number));
    assert_int_equal(rig.memory.used, 0);
}

/* Is it there as it must be? Restarts the store without faults. */
static void assert_sound(const char *id, uint64_t seed, uint64_t size, bool may_be_there, bool must_be_there)
{
    calls_arm(0, 0, false);
    for (int restarted = 0; restarted < 2; restarted++) {
        int err = id[0] == '\0' ? MR_ENOTFOUND : rig_check(id, seed, size);
        if (err != MR_OK)
            assert_int_equal(err, MR_ENOTFOUND);
        assert_true(err == MR_OK ? may_be_there : !must_be_there);
        assert_kept();
        rig_restart();
    }
    assert_int_equal(rig_debris(), 0);
}

static int put(char id[MR_ULID_LEN + 1], uint64_t size)
{
    struct upload upload;
    id[0] = '\0';
    int err = upload_open(&upload, size);
    if (err != MR_OK)
        return err;
    memcpy(id, upload.id, sizeof(upload.id));
    upload_push(&upload, size % 2, 0, size, size % 2 == 1);
    if (!upload_is_over(&upload))
        mr_stream_end(&upload.stream);
    rig_turn_until(upload.is_complete || upload_is_over(&upload));
    if (upload.is_complete) {
        upload_commit(&upload, "new");
        rig_turn_until(upload.is_committed);
    }
    mr_store_writer_destroy(&upload.writer);
    rig_rest();
    return upload.fault.error;
}

static void upload_fails_clearly(uint64_t size, int error_number, bool goes_on)
{
    unsigned failed = 0;
    for (unsigned at = 1; at < CALLS_AT_MOST; at++) {
        char id[MR_ULID_LEN + 1];
        calls_arm(at, error_number, goes_on);
        int err = put(id, size);
        unsigned struck = calls.struck;
        failed += err != MR_OK;
        if (err != MR_OK)
            assert_write_clear(err, error_number, false);
        /* What failed while it was undone may be there until the next start, but is never torn. */
        assert_sound(id, size % 2, size, err == MR_OK || goes_on, err == MR_OK);
        if (struck == 0) {
            assert_int_equal(err, MR_OK);
            assert_true(failed >= 4);
            return;
        }
    }
    fail();
}

static void upload_survives_each_fault_of_a_call(void **state)
{
    (void)state;
    upload_fails_clearly(LARGE + 1, EIO, false); /* EROFS, EDQUOT: test_disk.c, and tests/http/test_failing_disk.py */
    upload_fails_clearly(LARGE + 1, ENOSPC, false);
    upload_fails_clearly(SMALL, EIO, false);
}

static void upload_survives_a_disk_that_dies_in_its_midst(void **state)
{
    (void)state;
    upload_fails_clearly(SMALL, EIO, true);
    upload_fails_clearly(LARGE, EROFS, true);
}

static void interrupts_and_short_writes_are_nothing(void **state)
{
    (void)state;
    for (unsigned at = 1; at < CALLS_AT_MOST; at++) {
        char id[MR_ULID_LEN + 1];
        calls.most = 700;
        calls_arm(at, EINTR, false);
        assert_int_equal(put(id, at % 2 == 0 ? SMALL : LARGE), MR_OK);
        unsigned struck = calls.struck;
        assert_sound(id, 0, at % 2 == 0 ? SMALL : LARGE, true, true);
        if (struck == 0 && at % 2 == 1)
            return;
    }
    fail();
}

/* ---- change ---- */

static uint64_t rev_of(const char *id)
{
    struct download download;
    assert_int_equal(download_open(&download, id), MR_OK);
    uint64_t rev = mr_store_reader_object(download.reader)->rev;
    download_close(&download);
    return rev;
}

static void change_fails_clearly(int error_number, bool goes_on)
{
    uint64_t rev = rev_of(kept[1]);
    for (unsigned at = 1; at < CALLS_AT_MOST; at++) {
        struct changed changed;
        calls_arm(at, error_number, goes_on);
        int err = rig_rename(kept[1], 0, "changed", &changed);
        unsigned struck = calls.struck;
        calls_arm(0, 0, false);
        if (err != MR_OK)
            assert_write_clear(err, error_number, true);
        assert_kept();
        rig_restart();
        assert_int_equal(rig_debris(), 0);
        uint64_t found = rev_of(kept[1]);
        if (err == MR_OK)
            assert_int_equal(found, rev + 1);
        else /* one whose directory could not be synced stays */
            assert_true(found == rev || found == rev + 1);
        rev = found;
        if (struck == 0) {
            assert_int_equal(err, MR_OK);
            return;
        }
    }
    fail();
}

static void change_survives_each_fault_of_a_call(void **state)
{
    (void)state;
    change_fails_clearly(EIO, false);
    change_fails_clearly(ENOSPC, false);
    change_fails_clearly(EIO, true);
}

/* ---- delete ---- */

static void delete_fails_clearly(uint64_t size, int error_number, bool goes_on)
{
    for (unsigned at = 1; at < CALLS_AT_MOST; at++) {
        char id[MR_ULID_LEN + 1];
        calls_arm(0, 0, false);
        assert_int_equal(rig_put(id, 7, size, "x"), MR_OK);
        calls_arm(at, error_number, goes_on);
        int err = rig_delete(id);
        unsigned struck = calls.struck;
        if (err != MR_OK)
            assert_write_clear(err, error_number, true);
        /* An intent that could not be taken back is completed by the next start. */
        calls_arm(0, 0, false);
        if (err == MR_OK)
            assert_int_equal(rig_check(id, 7, size), MR_ENOTFOUND);
        assert_sound(id, 7, size, err != MR_OK, err != MR_OK && !goes_on);
        if (struck == 0) {
            assert_int_equal(err, MR_OK);
            return;
        }
        assert_int_equal(rig_delete(id), err == MR_OK || rig_check(id, 7, size) == MR_ENOTFOUND ? MR_ENOTFOUND : MR_OK);
    }
    fail();
}

static void delete_survives_each_fault_of_a_call(void **state)
{
    (void)state;
    delete_fails_clearly(SMALL, EIO, false);
    delete_fails_clearly(LARGE, EIO, false);
    delete_fails_clearly(LARGE, EIO, true);
    assert_int_equal(rig_count("objects -type f"), 1 + 2); /* those that are kept: no segment is left */
}

/* ---- reading ---- */

static void read_fails_clearly(bool goes_on)
{
    for (unsigned at = 1; at < CALLS_AT_MOST; at++) {
        calls_arm(at, EIO, goes_on);
        int err = rig_check(kept[1], 101, LARGE);
        unsigned struck = calls.struck;
        if (err != MR_OK)
            assert_clear(err, EIO);
        calls_arm(0, 0, false);
        assert_kept();
        if (struck == 0) {
            assert_int_equal(err, MR_OK);
            return;
        }
    }
    fail();
}

static void read_survives_each_fault_of_a_call(void **state)
{
    (void)state;
    read_fails_clearly(false);
    read_fails_clearly(true);
}

/* ---- start ---- */

/* What a server that was killed has left: half an upload, half a commit, half a delete. */
static void leave_debris(void)
{
    char command[512];
    const char *small = "01ARYZ6S41TSV4RRFFQ69G5FAV";
    snprintf(command, sizeof(command),
             "cd %s && echo half > uploads/%s.1.p3 && echo half > uploads/%s.meta.p0 && "
             "cp objects/*/*/%s.meta uploads/%s.meta.p1 && cp objects/*/*/%s.meta uploads/%s.gone.p2",
             rig.data, small, small, kept[1], kept[1], kept[1], kept[1]);
    assert_int_equal(system(command), 0);
}

static void start_survives_each_fault_of_a_call(void **state)
{
    (void)state;
    for (int goes_on = 0; goes_on < 2; goes_on++) {
        for (unsigned at = 1;; at++) {
            assert_true(at < CALLS_AT_MOST);
            rig_stop();
            leave_debris();
            calls_arm(at, EIO, goes_on == 1);
            int err = rig_open_home();
            unsigned struck = calls.struck;
            calls_arm(0, 0, false);
            if (err == MR_OK)
                mr_store_home_close(&rig.home);
            else
                assert_true(rig.fault.detail[0] != '\0');
            rig_start();
            assert_int_equal(rig_debris(), 0);
            assert_kept();
            if (struck == 0)
                break;
        }
    }
}

static void first_start_can_be_interrupted_anywhere(void **state)
{
    (void)state;
    rig_stop();
    for (unsigned at = 1;; at++) {
        char command[128];
        assert_true(at < CALLS_AT_MOST);
        snprintf(command, sizeof(command), "rm -rf %s", rig.data);
        assert_int_equal(system(command), 0);
        calls_arm(at, EIO, true);
        int err = rig_open_home();
        unsigned struck = calls.struck;
        calls_arm(0, 0, false);
        mr_store_home_close(&rig.home);
        assert_true(struck == 0 || err != MR_OK || at > 1);
        rig_start();
        assert_int_equal(rig_put(kept[0], 100, SMALL, "kept"), MR_OK);
        assert_int_equal(rig_check(kept[0], 100, SMALL), MR_OK);
        rig_stop();
        if (struck == 0)
            break;
    }
    rig_start();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(upload_survives_each_fault_of_a_call),    TEST(upload_survives_a_disk_that_dies_in_its_midst),
        TEST(interrupts_and_short_writes_are_nothing), TEST(change_survives_each_fault_of_a_call),
        TEST(delete_survives_each_fault_of_a_call),    TEST(read_survives_each_fault_of_a_call),
        TEST(start_survives_each_fault_of_a_call),     TEST(first_start_can_be_interrupted_anywhere),
    };
    rig_be_quiet();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
