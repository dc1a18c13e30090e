/* The order of the system calls: data, renames, directory, response. */
#include "calls.h"
#include <sched.h>
#include <stdatomic.h>

static int open_rig(void **state)
{
    (void)state;
    rig_open();
    calls_begin();
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    rig_close();
    calls_end();
    return 0;
}

/* Each of the patterns, one after the other. */
static void assert_order(const char *id, const char *const *patterns)
{
    unsigned at = 0;
    for (size_t i = 0; patterns[i] != NULL; i++)
        at = calls_find(at, id, patterns[i]) + 1;
}

#define ORDER(id, ...) assert_order(id, (const char *const[]){__VA_ARGS__, NULL})

static unsigned count_of(const char *begin)
{
    unsigned count = 0;
    for (unsigned i = 0; i < calls.count; i++)
        count += strncmp(calls.lines[i], begin, strlen(begin)) == 0;
    return count;
}

static void a_commit_is_data_directory_renames_directory_response(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1];
    rig_start();
    calls_write_down(true);
    assert_int_equal(rig_put(id, 1, 100000, "a"), MR_OK);
    calls_write_down(false); /* after the response */
    ORDER(id, "create uploads/ID.1.p0", "write uploads/ID.1.p0", "create uploads/ID.meta.p0",
          "write uploads/ID.meta.p0", "sync uploads/ID.1.p0", "sync uploads/ID.meta.p0", "make-directory objects/PRE",
          "sync-directory objects");
    /* A new directory, and its name, before anything in it. */
    unsigned at = calls_find(0, id, "sync-directory objects");
    char inner[64];
    snprintf(inner, sizeof(inner), "make-directory objects/PRE/%.2s", id + 4);
    at = calls_find(at, id, inner);
    at = calls_find(at, id, "sync-directory objects/PRE");
    at = calls_find(at, id, "rename uploads/ID.1.p0 objects/DIR/ID.1");
    at = calls_find(at, id, "rename uploads/ID.meta.p0 objects/DIR/ID.meta");
    at = calls_find(at, id, "sync-directory objects/DIR");
    assert_int_equal(at, calls.count - 1); /* and then the response */
}

static void a_known_directory_is_synced_once(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1];
    rig_start();
    assert_int_equal(rig_put(id, 1, 10, "a"), MR_OK);
    calls_write_down(true);
    assert_int_equal(rig_put(id, 1, 10, "a"), MR_OK);
    calls_write_down(false);
    ORDER(id, "create uploads/ID.meta.p0", "write uploads/ID.meta.p0", "sync uploads/ID.meta.p0",
          "rename uploads/ID.meta.p0 objects/DIR/ID.meta", "sync-directory objects/DIR");
    assert_true(count_of("sync-directory") == 1 || count_of("make-directory") > 0); /* a quarter of an hour may end */
}

static void a_directory_of_another_process_is_synced_in_its_parents(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1];
    rig_start();
    assert_int_equal(rig_put(id, 1, 10, "a"), MR_OK);
    rig_restart(); /* which knows no directory */
    calls_write_down(true);
    assert_int_equal(rig_put(id, 1, 10, "a"), MR_OK);
    calls_write_down(false);
    ORDER(id, "sync-directory objects", "sync-directory objects/PRE", "rename uploads/ID.meta.p0 objects/DIR/ID.meta",
          "sync-directory objects/DIR");
}

static atomic_bool may_sync;

/* No group ends before all have gathered. */
static int sync_later(int fd)
{
    while (!atomic_load(&may_sync))
        sched_yield();
    return calls_fdatasync(fd);
}

static void commits_of_one_moment_share_the_sync_of_their_directory(void **state)
{
    (void)state;
    enum { UPLOADS = 40 };
    static struct upload uploads[UPLOADS];
    char id[MR_ULID_LEN + 1];
    rig_start();
    assert_int_equal(rig_put(id, 1, 10, "a"), MR_OK);
    atomic_store(&may_sync, false);
    mr_disk_calls.fdatasync = sync_later;
    calls_write_down(true);
    for (size_t i = 0; i < UPLOADS; i++) {
        assert_int_equal(upload_open(&uploads[i], 10), MR_OK);
        upload_push(&uploads[i], i, 0, 10, false);
        mr_stream_end(&uploads[i].stream);
        assert_true(uploads[i].is_complete); /* at once: it needs no disk */
        upload_commit(&uploads[i], "a");
    }
    atomic_store(&may_sync, true);
    for (size_t i = 0; i < UPLOADS; i++) {
        rig_turn_until(uploads[i].is_committed);
        assert_int_equal(uploads[i].fault.error, MR_OK);
        mr_store_writer_destroy(&uploads[i].writer);
    }
    rig_rest();
    calls_write_down(false);
    assert_int_equal(count_of("sync uploads/"), UPLOADS);
    assert_true(count_of("sync-directory objects/") < UPLOADS / 2); /* each thread has two groups at most */
}

static void long_bodies_are_written_back_on_their_way(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1], line[96];
    rig_start();
    calls_write_down(true);
    assert_int_equal(rig_put(id, 1, 20 * MR_MIB, "a"), MR_OK);
    calls_write_down(false);
    snprintf(line, sizeof(line), "write-back uploads/%s.1.p0", id);
    assert_int_equal(count_of(line), 2); /* every 8 MiB */
    assert_true(calls_find(0, id, "write-back uploads/ID.1.p0") < calls_find(0, id, "sync uploads/ID.1.p0"));
}

static void a_change_is_data_rename_directory_response(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1];
    struct changed changed;
    rig_start();
    assert_int_equal(rig_put(id, 1, 10, "a"), MR_OK);
    calls_write_down(true);
    assert_int_equal(rig_rename(id, 0, "b", &changed), MR_OK);
    calls_write_down(false);
    ORDER(id, "lock locks", "read objects/DIR/ID.meta", "create uploads/ID.meta.p0", "write uploads/ID.meta.p0",
          "sync uploads/ID.meta.p0", "rename uploads/ID.meta.p0 objects/DIR/ID.meta", "sync-directory objects/DIR");
}

static void a_delete_is_rename_directory_response_and_then_the_bytes(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1];
    struct changed changed = {0};
    rig_start();
    assert_int_equal(rig_put(id, 1, 100000, "a"), MR_OK);
    calls_write_down(true);
    mr_store_delete(rig.store, rig_loop, mr_slice_of(id), on_changed, &changed);
    while (!changed.is_done)
        uv_run(mr_loop_uv(rig_loop), UV_RUN_ONCE);
    pthread_mutex_lock(&calls.mutex);
    unsigned responded = calls.count; /* or some calls later: the pool has begun */
    pthread_mutex_unlock(&calls.mutex);
    rig_rest();
    calls_write_down(false);
    ORDER(id, "lock locks", "rename objects/DIR/ID.meta uploads/ID.gone.p0", "sync-directory objects/DIR",
          "unlink objects/DIR/ID.1", "unlink uploads/ID.gone.p0");
    assert_true(calls_find(0, id, "sync-directory objects/DIR") < responded);
}

static void without_durability_nothing_is_synced(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1];
    struct changed changed;
    rig.settings.durability = MR_STORE_NONE;
    rig_start();
    calls_write_down(true);
    assert_int_equal(rig_put(id, 1, 10 * MR_MIB, "a"), MR_OK);
    assert_int_equal(rig_rename(id, 0, "b", &changed), MR_OK);
    assert_int_equal(rig_delete(id), MR_OK);
    calls_write_down(false);
    assert_int_equal(count_of("sync"), 0);
    assert_int_equal(count_of("write-back"), 0);
}

static void a_new_data_directory_is_synced_in_its_parent(void **state)
{
    (void)state;
    char parent[100];
    snprintf(parent, sizeof(parent), "sync-directory %s", rig.place.path);
    calls_write_down(true);
    rig_start();
    calls_write_down(false);
    ORDER("", "lock lock", "sync format.new", "rename format.new format", "make-directory objects");
    assert_int_equal(count_of(parent), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_commit_is_data_directory_renames_directory_response),
        TEST(a_known_directory_is_synced_once),
        TEST(a_directory_of_another_process_is_synced_in_its_parents),
        TEST(commits_of_one_moment_share_the_sync_of_their_directory),
        TEST(long_bodies_are_written_back_on_their_way),
        TEST(a_change_is_data_rename_directory_response),
        TEST(a_delete_is_rename_directory_response_and_then_the_bytes),
        TEST(without_durability_nothing_is_synced),
        TEST(a_new_data_directory_is_synced_in_its_parent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
