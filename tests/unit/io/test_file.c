#define _GNU_SOURCE 1 /* RENAME_NOREPLACE */
#include "io/file.h"

#include "dies.h"
#include "faults.h"

#define LEN (300 * MR_KIB + 3)

static struct place place;
static struct mr_loop *loop;
static struct mr_file_request request;
static unsigned dones;
static unsigned char bytes[LEN], back[LEN + 1];

static void on_done(struct mr_file_request *done)
{
    assert_ptr_equal(done, &request);
    assert_true(mr_file_is_idle(done));
    dones++;
}

static int open_bench(void **state)
{
    (void)state;
    place_open(&place);
    for (size_t i = 0; i < LEN; i++)
        bytes[i] = (unsigned char)(i * 7 + i / 256);
    dones = 0;
    assert_int_equal(mr_loop_create(&loop, 0), MR_OK);
    mr_file_init(&request, loop, MR_LABEL_TEST, on_done);
    faults_begin();
    return 0;
}

static int close_bench(void **state)
{
    (void)state;
    faults_end();
    mr_loop_destroy(&loop);
    place_close(&place);
    return 0;
}

/* Until `count` requests are done, and then no other follows. */
static void turn_until(unsigned count)
{
    while (dones < count)
        uv_run(mr_loop_uv(loop), UV_RUN_ONCE);
    for (int i = 0; i < 3; i++)
        uv_run(mr_loop_uv(loop), UV_RUN_NOWAIT);
    assert_int_equal(dones, count);
}

/* What was submitted right before is done, once, in a later turn. */
static int finish(void)
{
    assert_int_equal(dones, 0);
    assert_false(mr_file_is_idle(&request));
    turn_until(1);
    dones = 0;
    return request.err;
}

static int open_file(const char *name, int flags)
{
    mr_file_open(&request, place.directory, name, flags, 0600);
    assert_int_equal(finish(), MR_OK);
    return request.fd;
}

static void file_is_written_read_and_moved(void **state)
{
    (void)state;
    int fd = open_file("a", O_RDWR | O_CREAT | O_EXCL);
    assert_int_equal(request.info.size, 0);
    mr_file_write(&request, fd, bytes, LEN, 7);
    assert_int_equal(finish(), MR_OK);
    mr_file_write_back(&request, fd, 0, LEN);
    assert_int_equal(finish(), MR_OK);
    mr_file_read(&request, fd, back, LEN + 1, 7);
    assert_int_equal(finish(), MR_OK);
    assert_int_equal(request.got, LEN);
    assert_memory_equal(back, bytes, LEN);
    mr_file_stat(&request, fd);
    assert_int_equal(finish(), MR_OK);
    assert_int_equal(request.info.size, LEN + 7);
    mr_file_room(&request, fd);
    assert_int_equal(finish(), MR_OK);
    assert_true(request.room.bytes > 0);
    mr_file_close(&request, fd);
    assert_int_equal(finish(), MR_OK);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    mr_file_make_directory(&request, place.directory, "inner", 0700);
    assert_int_equal(finish(), MR_OK);
    mr_file_rename(&request, place.directory, "a", place.directory, "inner/b", RENAME_NOREPLACE);
    assert_int_equal(finish(), MR_OK);
    mr_file_unlink(&request, place.directory, "inner/b", 0);
    assert_int_equal(finish(), MR_OK);
    mr_file_unlink(&request, place.directory, "inner", AT_REMOVEDIR);
    assert_int_equal(finish(), MR_OK);
}

static void directory_is_listed(void **state)
{
    (void)state;
    _Alignas(8) char buffer[1024];
    struct mr_disk_entry entry;
    size_t at = 0;
    place_put(&place, "only", "", 0);
    int fd = open_file(".", O_RDONLY | O_DIRECTORY);
    mr_file_list(&request, fd, buffer, sizeof(buffer));
    assert_int_equal(finish(), MR_OK);
    assert_true(mr_disk_entry(&entry, buffer, request.got, &at));
    assert_string_equal(entry.name, "only");
    assert_false(mr_disk_entry(&entry, buffer, request.got, &at));
    mr_file_list(&request, fd, buffer, sizeof(buffer));
    assert_int_equal(finish(), MR_OK);
    assert_int_equal(request.got, 0);
    close(fd);
}

static void failure_names_operation_and_errno(void **state)
{
    (void)state;
    int fd = open_file("a", O_RDWR | O_CREAT);
    faults.most = 1000;
    faults.error_number = ENOSPC;
    atomic_store(&faults.after, 5);
    mr_file_write(&request, fd, bytes, LEN, 0);
    assert_int_equal(finish(), MR_ENOSPACE);
    assert_int_equal(request.failure.operation, MR_DISK_WRITE);
    assert_int_equal(request.failure.error_number, ENOSPC);
    faults.error_number = EMFILE;
    mr_file_open(&request, place.directory, "none", O_RDONLY, 0);
    assert_int_equal(finish(), MR_EFILES);
    assert_int_equal(request.fd, -1);
    faults.error_number = 0;
    mr_file_stat(&request, fd);
    assert_int_equal(finish(), MR_OK); /* nothing is left of it */
    close(fd);
}

static int work_twice(struct mr_file_request *on)
{
    const char *text = "one trip";
    int err = mr_disk_open(&on->fd, NULL, place.directory, "a", O_RDWR | O_CREAT, 0600, &on->failure);
    return err != MR_OK ? err : mr_disk_write(on->fd, text, strlen(text), 0, &on->failure);
}

static void several_operations_are_one_trip(void **state)
{
    (void)state;
    mr_file_run(&request, work_twice);
    assert_int_equal(finish(), MR_OK);
    assert_int_equal(pread(request.fd, back, LEN, 0), 8);
    close(request.fd);
    faults.error_number = EROFS;
    mr_file_run(&request, work_twice);
    assert_int_equal(finish(), MR_EIO);
    assert_int_equal(request.failure.operation, MR_DISK_OPEN);
    assert_int_equal(request.failure.error_number, EROFS);
}

static void on_done_again(struct mr_file_request *done)
{
    if (++dones < 5)
        mr_file_stat(done, place.directory);
}

static void on_done_free(struct mr_file_request *done)
{
    dones++;
    free(done);
}

static void done_may_submit_again_and_may_free(void **state)
{
    (void)state;
    request.done = on_done_again;
    mr_file_stat(&request, place.directory);
    turn_until(5);
    struct mr_file_request *owned = malloc(sizeof(*owned));
    mr_file_init(owned, loop, MR_LABEL_TEST, on_done_free);
    mr_file_stat(owned, place.directory);
    turn_until(6);
}

static struct mr_loop_note noted;

static void on_done_note(struct mr_file_request *done)
{
    noted = *mr_loop_noted(done->loop);
    dones++;
}

static void note_of_the_submitter_holds_in_done(void **state)
{
    (void)state;
    request.done = on_done_note;
    uint64_t started = mr_loop_enter(loop);
    mr_loop_note(loop, &(struct mr_loop_note){.id = "somebody", .bytes = 5});
    mr_file_stat(&request, place.directory);
    mr_loop_leave(loop, MR_LABEL_TEST, started);
    turn_until(1);
    assert_string_equal(noted.id, "somebody");
    assert_int_equal(noted.bytes, 5);
    assert_int_equal(atomic_load(&mr_loop_stats(loop)->longest_label), MR_LABEL_TEST);
}

static void request_that_is_submitted_is_not_submitted_again(void **state)
{
    (void)state;
    request.is_submitted = true;
    assert_dies(mr_file_stat(&request, place.directory));
    request.is_submitted = false;
}

static int work_sync_on_pool(struct mr_file_request *on)
{
    return mr_disk_sync(place.directory, &on->failure);
}

static void sync_on_the_pool_is_a_programming_error(void **state)
{
    (void)state;
    assert_dies((mr_file_run(&request, work_sync_on_pool), turn_until(1)));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(request_that_is_submitted_is_not_submitted_again),
        TEST(sync_on_the_pool_is_a_programming_error), /* before there is a pool: it forks */
        TEST(file_is_written_read_and_moved),
        TEST(directory_is_listed),
        TEST(failure_names_operation_and_errno),
        TEST(several_operations_are_one_trip),
        TEST(done_may_submit_again_and_may_free),
        TEST(note_of_the_submitter_holds_in_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
