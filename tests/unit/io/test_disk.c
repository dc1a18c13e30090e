#define _GNU_SOURCE 1 /* RENAME_NOREPLACE, O_PATH */
#include "io/disk.h"

#include "dies.h"
#include "faults.h"
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define LEN (100 * MR_KIB + 17)

static struct place place;
static struct mr_disk_failure failure;
static unsigned char bytes[LEN], back[LEN + 1];

static int open_place(void **state)
{
    (void)state;
    place_open(&place);
    for (size_t i = 0; i < LEN; i++)
        bytes[i] = (unsigned char)(i * 31 + i / 256);
    memset(back, 0, sizeof(back));
    faults_begin();
    return 0;
}

static int close_place(void **state)
{
    (void)state;
    faults_end();
    place_close(&place);
    return 0;
}

static int open_file(const char *name, int flags)
{
    int fd;
    assert_int_equal(mr_disk_open(&fd, NULL, place.directory, name, flags, 0600, &failure), MR_OK);
    return fd;
}

static int open_error(int directory, const char *name, int flags)
{
    int fd;
    assert_true(mr_disk_open(&fd, NULL, directory, name, flags, 0600, &failure) < 0);
    assert_int_equal(fd, -1);
    assert_int_equal(failure.operation, MR_DISK_OPEN);
    return failure.error_number;
}

/* ---- opening ---- */

static void only_regular_files_beneath_the_directory_are_opened(void **state)
{
    (void)state;
    place_put(&place, "file", "x", 1);
    assert_int_equal(mkdirat(place.directory, "inner", 0700), 0);
    assert_int_equal(mkfifoat(place.directory, "fifo", 0600), 0);
    assert_int_equal(symlinkat("file", place.directory, "link"), 0);
    assert_int_equal(symlinkat(".", place.directory, "loop"), 0);
    assert_int_equal(open_error(place.directory, "../etc/passwd", O_RDONLY), EXDEV);
    assert_int_equal(open_error(place.directory, "/etc/passwd", O_RDONLY), EXDEV);
    assert_int_equal(open_error(place.directory, "link", O_RDONLY), ELOOP);
    assert_int_equal(open_error(place.directory, "loop/file", O_RDONLY), ELOOP);
    assert_int_equal(open_error(place.directory, "fifo", O_RDONLY), EINVAL); /* and it did not wait */
    assert_int_equal(open_error(place.directory, "inner", O_RDONLY), EINVAL);
    assert_int_equal(open_error(place.directory, "none", O_RDONLY), ENOENT);
    close(open_file("file", O_RDONLY));
    close(open_file("inner", O_RDONLY | O_DIRECTORY));
    assert_int_equal(open_error(place.directory, "file", O_RDWR | O_CREAT | O_EXCL), EEXIST);
}

static void opened_file_has_its_size_mode_and_closes_on_exec(void **state)
{
    (void)state;
    struct stat info;
    struct mr_disk_info found;
    umask(0);
    unsigned calls = faults.calls;
    int fd = open_file("new", O_RDWR | O_CREAT | O_EXCL);
    assert_int_equal(faults.calls - calls, 1); /* what was made just now is not asked what it is */
    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(mr_disk_write(fd, "hello", 5, 0, &failure), MR_OK);
    assert_int_equal(mr_disk_stat(&found, fd, &failure), MR_OK);
    assert_int_equal(found.size, 5);
    assert_int_equal(found.inode, info.st_ino);
    assert_int_equal(found.links, 1);
    assert_int_equal(found.owner, geteuid());
    assert_int_equal(found.mode, 0600);
    assert_true(found.modified_ns > 0);
    assert_int_equal(mr_disk_close(&fd, &failure), MR_OK);
    assert_int_equal(fd, -1);
    assert_int_equal(mr_disk_open(&fd, &found, place.directory, "new", O_RDONLY, 0, &failure), MR_OK);
    assert_int_equal(found.size, 5);
    close(fd);
}

static void kernel_without_openat2_is_named(void **state)
{
    (void)state;
    struct mr_fault fault;
    faults.error_number = ENOSYS;
    assert_int_equal(open_error(place.directory, "file", O_RDONLY), ENOSYS);
    assert_int_equal(mr_disk_fault(&fault, &failure, "The object cannot be read"), MR_EIO);
    assert_string_equal(fault.detail, "The object cannot be read: open: Function not implemented (ENOSYS); "
                                      "openat2 needs Linux 5.6.");
}

/* ---- bytes ---- */

static void transfers_are_whole_in_spite_of_short_calls_and_interrupts(void **state)
{
    (void)state;
    size_t got;
    int fd = open_file("file", O_RDWR | O_CREAT);
    faults.most = 1000;
    faults.interrupts = 2;
    assert_int_equal(mr_disk_write(fd, bytes, LEN, 5, &failure), MR_OK);
    assert_int_equal(mr_disk_read(fd, back, LEN, 5, &got, &failure), MR_OK);
    assert_int_equal(got, LEN);
    assert_memory_equal(back, bytes, LEN);
    assert_true(atomic_load(&faults.calls) >= 2 * 3 * LEN / 1000);
    assert_int_equal(mr_disk_read(fd, back, LEN, 5 + LEN - 10, &got, &failure), MR_OK);
    assert_int_equal(got, 10); /* the file ends */
    close(fd);
}

static void runs_are_written_whole_in_spite_of_short_calls_and_interrupts(void **state)
{
    (void)state;
    size_t got;
    int fd = open_file("file", O_RDWR | O_CREAT);
    for (size_t most = 0; most <= 10007; most += 10007) {
        struct iovec runs[] = {{bytes, 0}, {bytes, 10007}, {bytes + 10007, 1}, {NULL, 0}, {bytes + 10008, LEN - 10008}};
        faults.most = most;
        faults.interrupts = 2;
        assert_int_equal(mr_disk_write_runs(fd, runs, 5, 3, &failure), MR_OK);
        assert_int_equal(mr_disk_read(fd, back, LEN + 1, 3, &got, &failure), MR_OK);
        assert_int_equal(got, LEN);
        assert_memory_equal(back, bytes, LEN);
        assert_int_equal(ftruncate(fd, 0), 0);
    }
    faults.error_number = ENOSPC;
    atomic_store(&faults.after, 3);
    struct iovec run = {bytes, LEN};
    assert_int_equal(mr_disk_write_runs(fd, &run, 1, 0, &failure), MR_ENOSPACE);
    assert_int_equal(failure.operation, MR_DISK_WRITE);
    close(fd);
}

static void failed_transfer_says_which_and_why(void **state)
{
    (void)state;
    size_t got;
    int fd = open_file("file", O_RDWR | O_CREAT);
    faults.most = 1000;
    faults.error_number = ENOSPC;
    atomic_store(&faults.after, 3);
    assert_int_equal(mr_disk_write(fd, bytes, LEN, 0, &failure), MR_ENOSPACE);
    assert_int_equal(failure.operation, MR_DISK_WRITE);
    assert_int_equal(failure.error_number, ENOSPC);
    faults.error_number = EIO;
    assert_int_equal(mr_disk_read(fd, back, LEN, 0, &got, &failure), MR_EIO);
    assert_int_equal(failure.operation, MR_DISK_READ);
    close(fd);
}

static ssize_t write_nothing(int fd, const void *from, size_t len, off_t offset)
{
    (void)fd, (void)from, (void)len, (void)offset;
    return 0;
}

static void write_that_moves_nothing_ends(void **state)
{
    (void)state;
    mr_disk_calls.pwrite = write_nothing;
    assert_int_equal(mr_disk_write(0, bytes, 1, 0, &failure), MR_EIO);
}

static void descriptors_of_any_kind_give_what_there_is_and_take_everything(void **state)
{
    (void)state;
    int ends[2];
    size_t got;
    assert_int_equal(pipe(ends), 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    faults.most = 3;
    faults.interrupts = 1;
    assert_int_equal(mr_disk_send(ends[1], "0123456789", 10, &failure), MR_OK);
    faults.most = 0;
    assert_int_equal(mr_disk_receive(ends[0], back, LEN, &got, &failure), MR_OK);
    assert_int_equal(got, 10);
    assert_memory_equal(back, "0123456789", 10);
    close(ends[1]);
    assert_int_equal(mr_disk_receive(ends[0], back, LEN, &got, &failure), MR_OK);
    assert_int_equal(got, 0);
    close(ends[0]);
    assert_true(mr_disk_send(ends[0], "x", 1, &failure) < 0);
    assert_int_equal(failure.error_number, EBADF);
}

/* ---- without waiting ---- */

static void what_is_cached_is_read_without_waiting(void **state)
{
    (void)state;
    int fd;
    size_t got;
    struct mr_disk_info info;
    place_put(&place, "file", bytes, LEN);
    enum mr_disk_try opened = mr_disk_try_open(&fd, &info, place.directory, "file", O_RDONLY, &failure);
    if (opened == MR_DISK_WOULD_BLOCK)
        skip(); /* a kernel before 5.12 */
    assert_int_equal(opened, MR_DISK_DONE);
    assert_int_equal(info.size, LEN);
    enum mr_disk_try read = mr_disk_try_read(fd, back, LEN, 0, &got, &failure);
    if (read == MR_DISK_DONE) { /* else the file system cannot tell */
        assert_true(got > 0 && got <= LEN);
        assert_memory_equal(back, bytes, got);
        assert_int_equal(mr_disk_try_read(fd, back, LEN, LEN, &got, &failure), MR_DISK_DONE);
        assert_int_equal(got, 0);
    }
    close(fd);
    assert_int_equal(mr_disk_try_open(&fd, NULL, place.directory, "/etc/passwd", O_RDONLY, &failure), MR_DISK_FAILED);
    assert_int_equal(failure.error_number, EXDEV);
}

static void what_is_forgotten_is_read_from_the_disk(void **state)
{
    (void)state;
    int fd;
    size_t got;
    place_put(&place, "file", bytes, LEN);
    assert_int_equal(mr_disk_open(&fd, NULL, place.directory, "file", O_RDWR, 0, &failure), MR_OK);
    assert_int_equal(mr_disk_sync(fd, &failure), MR_OK);
    mr_disk_forget(fd, 0, LEN);
    enum mr_disk_try read = mr_disk_try_read(fd, back, 1, 0, &got, &failure);
    assert_int_equal(mr_disk_read(fd, back, LEN, 0, &got, &failure), MR_OK);
    assert_int_equal(got, LEN);
    assert_memory_equal(back, bytes, LEN);
    close(fd);
    if (read == MR_DISK_DONE)
        skip(); /* a file system that has nothing but memory, or a kernel that does not follow */
    assert_int_equal(read, MR_DISK_WOULD_BLOCK);
}

static ssize_t preadv2_would_block(int fd, const struct iovec *runs, int count, off_t offset, int flags)
{
    (void)fd, (void)runs, (void)count, (void)offset, (void)flags;
    errno = faults.error_number;
    return -1;
}

static void what_the_kernel_cannot_promise_would_block(void **state)
{
    (void)state;
    static const int cannot[] = {EAGAIN, EOPNOTSUPP, ENOSYS};
    int fd;
    size_t got;
    mr_disk_calls.preadv2 = preadv2_would_block;
    for (size_t i = 0; i < MR_ARRAY_SIZE(cannot); i++) {
        faults.error_number = cannot[i];
        assert_int_equal(mr_disk_try_read(0, back, LEN, 0, &got, &failure), MR_DISK_WOULD_BLOCK);
        assert_int_equal(got, 0);
        if (cannot[i] != EOPNOTSUPP)
            assert_int_equal(mr_disk_try_open(&fd, NULL, place.directory, "file", O_RDONLY, &failure),
                             MR_DISK_WOULD_BLOCK);
    }
    faults.error_number = EIO;
    assert_int_equal(mr_disk_try_read(0, back, LEN, 0, &got, &failure), MR_DISK_FAILED);
    assert_int_equal(mr_disk_try_open(&fd, NULL, place.directory, "file", O_RDONLY, &failure), MR_DISK_FAILED);
}

/* As many bytes as fit into a socket that is not read; and all, whatever interrupts it, into one that has room. */
static void file_is_sent_as_far_as_the_socket_takes_it(void **state)
{
    (void)state;
    enum { LARGE = 4 * MR_MIB };
    int ends[2], fd = open_file("large", O_RDWR | O_CREAT);
    signal(SIGPIPE, SIG_IGN); /* as the service does */
    assert_int_equal(ftruncate(fd, LARGE), 0);
    assert_int_equal(pwrite(fd, "abc", 3, 1000), 3);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    faults.interrupts = 2;
    faults.most = 2;
    assert_int_equal(mr_disk_send_file(ends[0], fd, 1000, 3), 3);
    char came[4] = "";
    assert_int_equal(recv(ends[1], came, sizeof(came), 0), 3);
    assert_string_equal(came, "abc");
    faults.interrupts = 0;
    faults.most = 0;
    assert_in_range(mr_disk_send_file(ends[0], fd, 0, LARGE), 1, LARGE - 1);
    assert_int_equal(mr_disk_send_file(ends[0], fd, 0, 1), 0); /* it is full */
    assert_int_equal(mr_disk_send_file(ends[0], fd, LARGE, 1), 0);
    close(ends[1]);
    assert_int_equal(mr_disk_send_file(ends[0], fd, 0, 1), 0); /* and now its other end is closed */
    close(ends[0]);
    close(fd);
}

/* ---- directories and file systems ---- */

static void names_are_made_moved_and_removed(void **state)
{
    (void)state;
    int inner;
    assert_int_equal(mr_disk_make_directory(place.directory, "inner", 0700, &failure), MR_OK);
    assert_int_equal(mr_disk_make_directory(place.directory, "inner", 0700, &failure), MR_EIO);
    assert_int_equal(failure.error_number, EEXIST);
    inner = open_file("inner", O_RDONLY | O_DIRECTORY);
    place_put(&place, "a", "a", 1);
    place_put(&place, "b", "b", 1);
    assert_int_equal(mr_disk_rename(place.directory, "a", inner, "a", RENAME_NOREPLACE, &failure), MR_OK);
    assert_true(mr_disk_rename(place.directory, "b", inner, "a", RENAME_NOREPLACE, &failure) < 0);
    assert_int_equal(failure.operation, MR_DISK_RENAME);
    assert_int_equal(failure.error_number, EEXIST);
    assert_int_equal(mr_disk_rename(place.directory, "b", inner, "a", 0, &failure), MR_OK);
    assert_int_equal(mr_disk_sync_directory(inner, &failure), MR_OK);
    assert_int_equal(mr_disk_unlink(inner, "a", 0, &failure), MR_OK);
    assert_int_equal(mr_disk_unlink(inner, "a", 0, &failure), MR_EIO);
    assert_int_equal(failure.error_number, ENOENT);
    assert_int_equal(mr_disk_unlink(place.directory, "inner", AT_REMOVEDIR, &failure), MR_OK);
    close(inner);
}

static void directory_is_listed_whole_through_a_small_buffer(void **state)
{
    (void)state;
    _Alignas(8) char buffer[1024];
    bool seen[100] = {false};
    struct mr_disk_entry entry;
    size_t got, at, count = 0;
    for (int i = 0; i < 100; i++) {
        char name[64];
        snprintf(name, sizeof(name), "a-name-of-some-length-%03d", i);
        place_put(&place, name, "", 0);
    }
    assert_int_equal(mkdirat(place.directory, "inner", 0700), 0);
    int fd = open_file(".", O_RDONLY | O_DIRECTORY);
    do {
        assert_int_equal(mr_disk_list(fd, buffer, sizeof(buffer), &got, &failure), MR_OK);
        for (at = 0; mr_disk_entry(&entry, buffer, got, &at); count++) {
            bool is_inner = strcmp(entry.name, "inner") == 0;
            assert_true(entry.kind == MR_DISK_UNKNOWN || (entry.kind == MR_DISK_DIRECTORY) == is_inner);
            if (!is_inner)
                seen[atoi(entry.name + strlen(entry.name) - 3)] = true;
        }
    } while (got > 0);
    assert_int_equal(count, 101);
    for (int i = 0; i < 100; i++)
        assert_true(seen[i]);
    close(fd);
}

static int fstatfs_of_memory(int fd, struct statfs *info)
{
    (void)fd;
    *info = (struct statfs){.f_type = 0x01021994, .f_bsize = 4096, .f_blocks = 10, .f_bfree = 5, .f_bavail = 4};
    return 0;
}

static void locks_hold_between_open_files(void **state)
{
    (void)state;
    int first = open_file("file", O_RDWR | O_CREAT), second = open_file("file", O_RDWR);
    assert_int_equal(mr_disk_lock_file(first, &failure), MR_OK);
    assert_int_equal(mr_disk_lock_file(first, &failure), MR_OK);
    assert_int_equal(mr_disk_lock_file(second, &failure), MR_EBUSY);
    assert_int_equal(mr_disk_lock_byte(first, INT64_MAX - 1, true, &failure), MR_OK);
    assert_int_equal(mr_disk_lock_byte(second, INT64_MAX - 1, false, &failure), MR_EBUSY);
    assert_int_equal(mr_disk_lock_byte(second, 0, true, &failure), MR_OK); /* another byte */
    mr_disk_unlock_byte(first, INT64_MAX - 1);
    assert_int_equal(mr_disk_lock_byte(second, INT64_MAX - 1, false, &failure), MR_OK);
    close(first);
    assert_int_equal(mr_disk_lock_file(second, &failure), MR_OK);
    close(second);
    assert_int_equal(mr_disk_lock_file(second, &failure), MR_EIO);
    assert_int_equal(failure.operation, MR_DISK_LOCK);
    assert_int_equal(mr_disk_lock_byte(second, 0, false, &failure), MR_EIO);
}

static void interrupted_calls_are_made_again(void **state)
{
    (void)state;
    int fd = open_file("file", O_RDWR | O_CREAT);
    faults.interrupts = 2;
    assert_int_equal(mr_disk_sync(fd, &failure), MR_OK);
    assert_true(atomic_load(&faults.calls) > 2); /* the open is one of them */
    close(fd);
}

static void room_counts_bytes_and_knows_memory(void **state)
{
    (void)state;
    struct mr_disk_room room;
    assert_int_equal(mr_disk_room(&room, place.directory, &failure), MR_OK);
    assert_true(room.bytes >= room.bytes_free && room.bytes > 0);
    mr_disk_calls.fstatfs = fstatfs_of_memory;
    assert_int_equal(mr_disk_room(&room, place.directory, &failure), MR_OK);
    assert_int_equal(room.bytes, 40960);
    assert_int_equal(room.bytes_free, 16384);
    assert_true(room.is_memory);
}

/* ---- failures ---- */

static void each_errno_has_its_error_and_its_name(void **state)
{
    (void)state;
    static const struct {
        int number;
        enum mr_error error;
        const char *name;
    } cases[] = {{ENOSPC, MR_ENOSPACE, "(ENOSPC)"},
                 {EDQUOT, MR_ENOSPACE, "(EDQUOT)"},
                 {EMFILE, MR_EFILES, "(EMFILE)"},
                 {ENFILE, MR_EFILES, "(ENFILE)"},
                 {EIO, MR_EIO, "(EIO)"},
                 {EROFS, MR_EIO, "(EROFS)"},
                 {ENOENT, MR_EIO, "(ENOENT)"}};
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
        struct mr_fault fault;
        const struct mr_disk_failure from = {.operation = MR_DISK_WRITE_BACK, .error_number = cases[i].number};
        assert_int_equal(mr_disk_fault(&fault, &from, "It went wrong"), cases[i].error);
        assert_int_equal(fault.error, cases[i].error);
        assert_non_null(strstr(fault.detail, "It went wrong: write-back: "));
        assert_non_null(strstr(fault.detail, cases[i].name));
    }
    for (int i = 0; i < MR_DISK_OPERATIONS; i++)
        assert_non_null(mr_disk_operation_name((enum mr_disk_operation)i));
}

static int unknown_number;

static int write_back_unknown(int fd, off_t offset, off_t len, unsigned flags)
{
    (void)fd, (void)offset, (void)len, (void)flags;
    errno = unknown_number;
    return -1;
}

static void write_back_that_is_not_known_does_nothing(void **state)
{
    (void)state;
    static const int numbers[] = {EINVAL, ESPIPE, ENOSYS, EOPNOTSUPP};
    mr_disk_calls.sync_file_range = write_back_unknown;
    for (size_t i = 0; i < MR_ARRAY_SIZE(numbers); i++) {
        unknown_number = numbers[i];
        assert_int_equal(mr_disk_write_back(0, 0, 0, &failure), MR_OK);
    }
    unknown_number = ENOSPC;
    assert_int_equal(mr_disk_write_back(0, 0, 0, &failure), MR_ENOSPACE);
    assert_int_equal(failure.operation, MR_DISK_WRITE_BACK);
}

static void pool_does_not_sync(void **state)
{
    (void)state;
    int fd = open_file("file", O_RDWR | O_CREAT);
    assert_int_equal(mr_disk_write_back(fd, 0, 0, &failure), MR_OK);
    assert_int_equal(mr_disk_sync(fd, &failure), MR_OK);
    assert_dies((mr_disk_enter_pool(), mr_disk_sync(fd, &failure)));
    assert_dies((mr_disk_enter_pool(), mr_disk_sync_directory(fd, &failure)));
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_place, close_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_regular_files_beneath_the_directory_are_opened),
        TEST(opened_file_has_its_size_mode_and_closes_on_exec),
        TEST(kernel_without_openat2_is_named),
        TEST(transfers_are_whole_in_spite_of_short_calls_and_interrupts),
        TEST(runs_are_written_whole_in_spite_of_short_calls_and_interrupts),
        TEST(failed_transfer_says_which_and_why),
        TEST(write_that_moves_nothing_ends),
        TEST(descriptors_of_any_kind_give_what_there_is_and_take_everything),
        TEST(what_is_cached_is_read_without_waiting),
        TEST(what_is_forgotten_is_read_from_the_disk),
        TEST(what_the_kernel_cannot_promise_would_block),
        TEST(file_is_sent_as_far_as_the_socket_takes_it),
        TEST(names_are_made_moved_and_removed),
        TEST(directory_is_listed_whole_through_a_small_buffer),
        TEST(locks_hold_between_open_files),
        TEST(interrupted_calls_are_made_again),
        TEST(room_counts_bytes_and_knows_memory),
        TEST(each_errno_has_its_error_and_its_name),
        TEST(write_back_that_is_not_known_does_nothing),
        TEST(pool_does_not_sync),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
