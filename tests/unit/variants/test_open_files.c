/* Which descriptors stay open, and which are closed when they are given back. */
#define _GNU_SOURCE 1 /* O_PATH */
#include "variants/open_files.h"

#include "base/macros.h"
#include "variants/variant_file.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define FILES (2 * MR_VARIANT_OPEN_MAX)

static struct {
    char path[64];
    int directory;
    struct mr_open_files files;
} place;

static int open_place(void **state)
{
    (void)state;
    snprintf(place.path, sizeof(place.path), "/tmp/open-files-XXXXXX");
    assert_non_null(mkdtemp(place.path));
    place.directory = open(place.path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (uint32_t number = 1; number <= FILES; number++) {
        char name[MR_VARIANT_FILE_NAME_SIZE];
        mr_variant_file_name(name, number);
        int fd = openat(place.directory, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(write(fd, &number, sizeof(number)), sizeof(number));
        close(fd);
    }
    mr_open_files_init(&place.files, place.directory);
    return 0;
}

static int close_place(void **state)
{
    (void)state;
    mr_open_files_close(&place.files);
    for (uint32_t number = 1; number <= FILES; number++) {
        char name[MR_VARIANT_FILE_NAME_SIZE];
        mr_variant_file_name(name, number);
        unlinkat(place.directory, name, 0);
    }
    close(place.directory);
    rmdir(place.path);
    return 0;
}

static int take(uint32_t number)
{
    struct mr_disk_failure failure;
    uint32_t found;
    int fd;
    assert_int_equal(mr_open_files_take(&fd, &place.files, number, &failure), MR_OK);
    assert_int_equal(pread(fd, &found, sizeof(found), 0), sizeof(found));
    assert_int_equal(found, number);
    return fd;
}

static void give_back(uint32_t number, int fd)
{
    mr_open_files_give_back(&place.files, number, fd);
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) != -1;
}

static int count_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += is_open(fd);
    return count;
}

static void file_that_was_read_stays_open(void **state)
{
    (void)state;
    struct mr_disk_failure failure;
    int fd = take(1), again;
    assert_int_equal(take(1), fd);
    give_back(1, fd);
    give_back(1, fd);
    assert_true(is_open(fd));
    assert_int_equal(mr_open_files_try_take(&again, &place.files, 1, &failure), MR_DISK_DONE);
    assert_int_equal(again, fd);
    give_back(1, fd);
}

static void only_so_many_stay_open(void **state)
{
    (void)state;
    int before = count_descriptors();
    for (uint32_t number = 1; number <= FILES; number++)
        give_back(number, take(number));
    assert_int_equal(count_descriptors(), before + MR_VARIANT_OPEN_MAX);
}

static void file_that_is_being_read_is_not_closed_for_another_one(void **state)
{
    (void)state;
    int held = take(1), other = take(1 + MR_VARIANT_OPEN_MAX);
    assert_true(held != other);
    give_back(1 + MR_VARIANT_OPEN_MAX, other);
    assert_false(is_open(other));
    assert_true(is_open(held));
    give_back(1, held);
    other = take(1 + MR_VARIANT_OPEN_MAX);
    give_back(1 + MR_VARIANT_OPEN_MAX, other);
    assert_true(is_open(other));
}

static void file_that_is_not_there_is_told(void **state)
{
    (void)state;
    struct mr_disk_failure failure;
    int fd;
    assert_int_equal(mr_open_files_take(&fd, &place.files, FILES + 1, &failure), MR_EIO);
    assert_int_equal(failure.error_number, ENOENT);
    give_back(1, take(1));
}

/* By hand: by name they cannot be emptied any more. */
static void what_was_removed_by_hand_is_let_go(void **state)
{
    (void)state;
    char name[MR_VARIANT_FILE_NAME_SIZE];
    int removed = take(1), kept = take(2), read = take(3);
    give_back(1, removed);
    give_back(2, kept);
    for (uint32_t number = 1; number <= 3; number += 2) {
        mr_variant_file_name(name, number);
        assert_int_equal(unlinkat(place.directory, name, 0), 0);
    }
    mr_open_files_drop_removed(&place.files);
    assert_false(is_open(removed));
    assert_true(is_open(kept));
    assert_true(is_open(read)); /* until the next time */
    give_back(3, read);
    mr_open_files_drop_removed(&place.files);
    assert_false(is_open(read));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_place, close_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(file_that_was_read_stays_open),
        TEST(only_so_many_stay_open),
        TEST(file_that_is_being_read_is_not_closed_for_another_one),
        TEST(file_that_is_not_there_is_told),
        TEST(what_was_removed_by_hand_is_let_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
