#include "io/temporary.h"

#include "faults.h"

static struct mr_disk_failure failure;
static struct mr_budget budget;
static struct mr_temporary temporary;
static char back[16];

static int open_bench(void **state)
{
    (void)state;
    unsetenv("TMPDIR");
    mr_budget_init(&budget, 1000);
    mr_temporary_init(&temporary, &budget);
    faults_begin();
    return 0;
}

static int close_bench(void **state)
{
    (void)state;
    mr_temporary_close(&temporary);
    faults_end();
    unsetenv("TMPDIR");
    assert_int_equal(mr_budget_used(&budget), 0);
    return 0;
}

static void it_is_opened_by_the_first_write_and_holds_what_was_written(void **state)
{
    (void)state;
    assert_false(mr_temporary_is_open(&temporary));
    assert_int_equal(mr_temporary_write(&temporary, "hello", 5, 3, &failure), MR_OK);
    assert_true(mr_temporary_is_open(&temporary));
    assert_int_equal(mr_temporary_read(&temporary, back, 5, 3, &failure), MR_OK);
    assert_memory_equal(back, "hello", 5);
    assert_int_equal(mr_temporary_read(&temporary, back, 6, 3, &failure), MR_EIO); /* there are only 5 */
    mr_temporary_close(&temporary);
    assert_false(mr_temporary_is_open(&temporary));
}

static void budget_is_taken_before_and_given_back_at_the_end(void **state)
{
    (void)state;
    struct mr_fault fault;
    assert_int_equal(mr_temporary_reserve(&temporary, 600, &fault), MR_OK);
    assert_int_equal(mr_temporary_reserve(&temporary, 400, &fault), MR_OK);
    assert_int_equal(mr_budget_used(&budget), 600);
    assert_int_equal(mr_temporary_reserve(&temporary, 1001, &fault), MR_EDISK);
    assert_string_equal(fault.limit_name, "disk-budget");
    assert_int_equal(fault.limit, 1000);
    assert_int_equal(fault.value, 1001);
    assert_int_equal(mr_budget_used(&budget), 600);
    assert_int_equal(mr_temporary_reserve(&temporary, 1000, &fault), MR_OK);
    mr_temporary_close(&temporary); /* it was never opened */
    assert_int_equal(mr_budget_used(&budget), 0);
    mr_temporary_close(&temporary);
}

static int open_without_tmpfile(const char *path, int flags, mode_t mode)
{
    (void)path, (void)flags, (void)mode;
    errno = EOPNOTSUPP;
    return -1;
}

static void file_systems_without_tmpfile_have_an_unlinked_file(void **state)
{
    (void)state;
    struct place place;
    struct stat info;
    place_open(&place);
    setenv("TMPDIR", place.path, 1);
    mr_disk_calls.open = open_without_tmpfile;
    assert_int_equal(mr_temporary_write(&temporary, "hello", 5, 0, &failure), MR_OK);
    assert_int_equal(fstat(temporary.fd, &info), 0);
    assert_int_equal(info.st_nlink, 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(rmdir(place.path), 0); /* it is empty */
    close(place.directory);
}

static void check_tells_whether_files_can_be_made_and_why_not(void **state)
{
    (void)state;
    struct mr_disk_room room;
    struct mr_fault fault;
    assert_int_equal(mr_temporary_check(&failure), MR_OK);
    assert_int_equal(mr_temporary_room(&room, &failure), MR_OK);
    assert_true(room.bytes > 0);
    setenv("TMPDIR", "/nonexistent/directory", 1);
    assert_string_equal(mr_temporary_directory(), "/nonexistent/directory");
    assert_int_equal(mr_temporary_check(&failure), MR_EIO);
    assert_int_equal(failure.operation, MR_DISK_OPEN);
    assert_int_equal(failure.error_number, ENOENT);
    assert_int_equal(mr_temporary_room(&room, &failure), MR_EIO);
    unsetenv("TMPDIR");
    faults.error_number = ENOSPC;
    atomic_store(&faults.after, 1); /* it can be opened, and not written */
    assert_int_equal(mr_temporary_check(&failure), MR_ENOSPACE);
    assert_int_equal(mr_temporary_fault(&fault, &failure, "No"), MR_ENOSPACE);
    assert_string_equal(fault.detail, "No: write: No space left on device (ENOSPC).");
}

static int mkostemp_without_descriptors(char *path, int flags)
{
    (void)path, (void)flags;
    errno = EMFILE;
    return -1;
}

static void want_of_descriptors_is_named(void **state)
{
    (void)state;
    faults.error_number = EMFILE;
    mr_disk_calls.mkostemp = mkostemp_without_descriptors;
    assert_int_equal(mr_temporary_write(&temporary, "x", 1, 0, &failure), MR_EFILES);
    assert_int_equal(failure.error_number, EMFILE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_opened_by_the_first_write_and_holds_what_was_written),
        TEST(budget_is_taken_before_and_given_back_at_the_end),
        TEST(file_systems_without_tmpfile_have_an_unlinked_file),
        TEST(check_tells_whether_files_can_be_made_and_why_not),
        TEST(want_of_descriptors_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
