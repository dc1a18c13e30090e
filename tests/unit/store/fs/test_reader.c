#include "calls.h"
#include "store/fs/cache.h"
#include <sys/stat.h>

static int open_rig(void **state)
{
    (void)state;
    rig_open_in(RIG_FAST);
    rig_start();
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

static void shell(const char *format, const char *id)
{
    char command[600];
    int len = snprintf(command, sizeof(command), "cd %s/objects/%.4s/%.2s && id=%s && ", rig.data, id, id + 4, id);
    snprintf(command + len, sizeof(command) - (size_t)len, "%s", format);
    assert_int_equal(system(command), 0);
}

/* What the page cache does not have is read on the pool. */
static ssize_t read_nothing(int fd, const struct iovec *runs, int count, off_t offset, int flags)
{
    (void)fd, (void)runs, (void)count, (void)offset, (void)flags;
    errno = EAGAIN;
    return -1;
}

static void what_is_not_cached_is_read_on_the_pool(void **state)
{
    (void)state;
    char small[MR_ULID_LEN + 1], large[MR_ULID_LEN + 1];
    struct download download;
    assert_int_equal(rig_put(small, 2, 1000, "s"), MR_OK);
    assert_int_equal(rig_put(large, 3, 2000001, "l"), MR_OK);
    mr_disk_calls.preadv2 = read_nothing;
    for (int pauses = 0; pauses < 2; pauses++) {
        assert_int_equal(download_open(&download, large), MR_OK);
        assert_int_equal(download.was_opened_at_once, pauses == 1); /* the description is known by then */
        download.pauses = pauses == 1;
        assert_int_equal(download_read(&download, 3, 0, 2000001), MR_OK);
        assert_int_equal(download_read(&download, 3, 1234567, 500000), MR_OK);
        download_close(&download);
    }
    assert_int_equal(rig_check(small, 2, 1000), MR_OK);
}

static void reader_may_be_closed_while_it_opens(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1];
    assert_int_equal(rig_put(id, 3, 100000, "l"), MR_OK);
    mr_disk_calls.preadv2 = read_nothing;
    struct download download = {0};
    mr_store_open(&download.reader, rig.store, rig_loop, mr_slice_of(id), download_opened, &download);
    assert_false(download.is_opened);
    mr_store_reader_close(&download.reader);
    rig_rest();
    assert_false(download.is_opened);
}

static void stream_goes_on_after_its_reader_was_closed(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1];
    struct download download;
    assert_int_equal(rig_put(id, 3, 900000, "l"), MR_OK);
    assert_int_equal(download_open(&download, id), MR_OK);
    download.seed = 3;
    assert_int_equal(mr_store_read(download.reader, 0, 900000, &download.stream, &download.fault), MR_OK);
    mr_store_reader_close(&download.reader);
    mr_stream_attach_receiver(&download.stream, &download_receiver, &download);
    while (!download.has_ended) {
        rig_turn();
        download_give_back(&download);
    }
    assert_false(download.is_wrong);
    assert_int_equal(download.came, 900000);
    rig_rest();
}

static void cancelled_stream_gives_everything_back(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1];
    assert_int_equal(rig_put(id, 3, 2000000, "l"), MR_OK);
    for (int cold = 0; cold < 2; cold++) {
        if (cold == 1)
            mr_disk_calls.preadv2 = read_nothing;
        for (int turns = 0; turns < 6; turns++) {
            struct download download;
            struct mr_fault why;
            mr_fault_set(&why, MR_EGONE, NULL);
            assert_int_equal(download_open(&download, id), MR_OK);
            download.seed = 3;
            assert_int_equal(mr_store_read(download.reader, 0, 2000000, &download.stream, &download.fault), MR_OK);
            mr_stream_attach_receiver(&download.stream, &download_receiver, &download);
            for (int i = 0; i < turns; i++)
                uv_run(mr_loop_uv(rig_loop), UV_RUN_NOWAIT);
            if (!download.has_ended)
                mr_stream_cancel(&download.stream, &why);
            download_close(&download); /* which gives the last part back, after the end */
            assert_int_equal(mr_budget_used(&rig.memory), 0);
        }
    }
}

/* ---- the cache ---- */

static unsigned calls_made(void)
{
    pthread_mutex_lock(&calls.mutex);
    unsigned made = calls.made;
    pthread_mutex_unlock(&calls.mutex);
    return made;
}

static void short_object_that_was_read_twice_costs_no_call(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1];
    struct download download;
    assert_int_equal(rig_put(id, 2, 1000, "a"), MR_OK);
    for (int i = 0; i < 2; i++) {
        unsigned before = calls_made();
        assert_int_equal(rig_check(id, 2, 1000), MR_OK);
        assert_true(calls_made() > before);
    }
    unsigned made = calls_made();
    for (int i = 0; i < 10; i++) {
        assert_int_equal(download_open(&download, id), MR_OK);
        assert_true(download.was_opened_at_once);
        assert_int_equal(download_read(&download, 2, 0, 1000), MR_OK);
        download_close(&download);
    }
    assert_int_equal(calls_made(), made);
    rig_restart(); /* which forgets it */
    assert_int_equal(rig_check(id, 2, 1000), MR_OK);
}

/* Of what is long the description, and no file is held open. */
static void description_that_was_read_costs_no_call(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1];
    struct download download;
    struct mr_slice none;
    assert_int_equal(rig_put(id, 2, 100000, "a"), MR_OK);
    assert_int_equal(rig_check(id, 2, 100000), MR_OK);
    unsigned made = calls_made();
    for (int i = 0; i < 10; i++) {
        assert_int_equal(download_open_by(&download, id, mr_store_describe), MR_OK);
        assert_true(download.was_opened_at_once);
        assert_int_equal(mr_store_reader_object(download.reader)->size, 100000);
        assert_false(mr_store_reader_bytes(download.reader, &none));
        download_close(&download);
    }
    assert_int_equal(calls_made(), made);
    assert_int_equal(rig_check(id, 2, 100000), MR_OK);
}

static void what_another_changes_or_deletes_is_seen_at_once(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1];
    struct mr_store *other;
    struct changed changed;
    struct download download, before;
    struct mr_store_config config = {.home = rig.home, .process = 1, .memory = &rig.memory, .numbers = rig.numbers};
    assert_int_equal(mr_store_create(&other, &config, &rig.fault), MR_OK); /* as another process has it */
    assert_int_equal(rig_put(id, 2, 1000, "a"), MR_OK);
    assert_int_equal(download_open(&before, id), MR_OK);
    for (uint64_t rev = 1; rev < 5; rev++) {
        struct mr_store *own = rig.store;
        rig.store = other;
        assert_int_equal(rig_rename(id, rev, "b", &changed), MR_OK);
        rig.store = own;
        assert_int_equal(download_open(&download, id), MR_OK);
        assert_int_equal(mr_store_reader_object(download.reader)->rev, rev + 1);
        download_close(&download);
    }
    mr_store_delete(other, rig_loop, mr_slice_of(id), on_changed, &changed);
    changed.is_done = false;
    rig_turn_until(changed.is_done);
    assert_int_equal(rig_check(id, 2, 1000), MR_ENOTFOUND);
    assert_int_equal(mr_store_reader_object(before.reader)->rev, 1); /* a read that has begun goes on */
    assert_int_equal(download_read(&before, 2, 0, 1000), MR_OK);
    download_close(&before);
    mr_store_destroy(&other);
}

/* More objects, and more bytes, than are kept. */
enum { OBJECTS = 700 };

static void put_objects(char ids[OBJECTS][MR_ULID_LEN + 1])
{
    rig.settings.durability = MR_STORE_NONE;
    rig_restart();
    for (size_t i = 0; i < OBJECTS; i++)
        assert_int_equal(rig_put(ids[i], 2, 20000, "a"), MR_OK);
}

static void cache_is_bounded(void **state)
{
    (void)state;
    static char ids[OBJECTS][MR_ULID_LEN + 1];
    put_objects(ids);
    for (size_t i = 0; i < OBJECTS; i++) {
        for (int time = 0; time < 2; time++)
            assert_int_equal(rig_check(ids[i], 2, 20000), MR_OK);
        assert_true(rig.store->caches[0]->bytes <= MR_CACHE_BYTES_MAX);
    }
    assert_true(rig.store->caches[0]->bytes > MR_CACHE_BYTES_MAX / 2);
    for (size_t i = 0; i < OBJECTS; i++)
        assert_int_equal(rig_check(ids[i], 2, 20000), MR_OK);
}

static void what_is_read_once_pushes_out_nothing(void **state)
{
    (void)state;
    static char ids[OBJECTS][MR_ULID_LEN + 1];
    char id[MR_ULID_LEN + 1];
    put_objects(ids);
    assert_int_equal(rig_put(id, 3, 1000, "a"), MR_OK);
    for (int time = 0; time < 2; time++)
        assert_int_equal(rig_check(id, 3, 1000), MR_OK);
    size_t kept = rig.store->caches[0]->bytes;
    for (size_t i = 0; i < OBJECTS; i++)
        assert_int_equal(rig_check(ids[i], 2, 20000), MR_OK);
    assert_int_equal(rig.store->caches[0]->bytes, kept);
    unsigned made = calls_made();
    assert_int_equal(rig_check(id, 3, 1000), MR_OK);
    assert_int_equal(calls_made(), made);
}

static void full_memory_budget_is_told_before_the_first_byte(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1];
    struct download download;
    assert_int_equal(rig_put(id, 3, 300000, "l"), MR_OK);
    assert_int_equal(download_open(&download, id), MR_OK);
    assert_true(mr_budget_try_take(&rig.memory, rig.memory.limit - 10));
    assert_int_equal(mr_store_read(download.reader, 0, 300000, &download.stream, &download.fault), MR_EBUDGET);
    assert_string_equal(download.fault.limit_name, "memory-budget");
    mr_budget_give_back(&rig.memory, rig.memory.limit - 10);
    download.pauses = true;
    assert_int_equal(download_read(&download, 3, 0, 300000), MR_OK);
    download_close(&download);
}

/* ---- what is damaged ---- */

static void damaged_object_is_an_error_and_no_other_object(void **state)
{
    (void)state;
    static const char *const damages[] = {
        ": > $id.meta",
        "truncate -s -1 $id.meta",
        "printf x >> $id.meta",
        "printf x | dd of=$id.meta bs=1 seek=200 conv=notrunc 2>&1",
        "head -c 70000 /dev/zero > $id.meta",
        "truncate -s -1 $id.1",
        "printf x >> $id.1",
        "rm $id.1",
        "rm $id.1 && mkfifo $id.1",
        "rm $id.1 && ln -s /etc/passwd $id.1",
        "rm $id.1 && mkdir $id.1",
        "rm $id.meta && mkfifo $id.meta",
        "rm $id.meta && ln -s /etc/passwd $id.meta",
        "rm $id.meta && ln /etc/passwd $id.meta || cp /etc/passwd $id.meta",
        "rm $id.meta && mkdir $id.meta",
        "for o in *.meta; do test $o = $id.meta || { cp $o $id.meta; break; }; done",
    };
    char other[MR_ULID_LEN + 1];
    for (size_t i = 0; i < MR_ARRAY_SIZE(damages); i++) {
        char id[MR_ULID_LEN + 1];
        struct changed changed;
        assert_int_equal(rig_put(other, 1, 100000, "other"), MR_OK);
        assert_int_equal(rig_put(id, 2, 100000, "damaged"), MR_OK);
        shell(damages[i], id);
        for (int cold = 0; cold < 2; cold++) {
            if (cold == 1)
                mr_disk_calls.preadv2 = read_nothing;
            if (rig_check(id, 2, 100000) != MR_EIO)
                fail_msg("%s", damages[i]);
            mr_disk_calls.preadv2 = calls_preadv2;
        }
        if (strstr(damages[i], "meta") != NULL)
            assert_int_equal(rig_rename(id, 0, "new", &changed), MR_EIO);
        assert_int_equal(rig_check(other, 1, 100000), MR_OK);
    }
    assert_true(atomic_load(&rig.numbers->damaged) >= MR_ARRAY_SIZE(damages) / 2);
}

/* A response that has begun is aborted, never ended short. */
static void file_that_becomes_shorter_aborts_the_stream(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1];
    struct download download;
    assert_int_equal(rig_put(id, 2, 1000000, "x"), MR_OK);
    assert_int_equal(download_open(&download, id), MR_OK);
    shell("truncate -s 700000 $id.1", id);
    for (int as_file = 0; as_file < 2; as_file++) {
        uint64_t failed = atomic_load(&rig.numbers->failed);
        download.takes_files = as_file == 1;
        assert_int_equal(download_read(&download, 2, 0, 1000000), MR_EIO);
        assert_true(download.came <= 700000);
        assert_false(download.is_wrong);
        assert_int_equal(atomic_load(&rig.numbers->failed), failed + 1);
        assert_int_equal(download_read(&download, 2, 0, 700000), MR_OK);
    }
    download_close(&download);
}

/* It takes no memory, and nothing is read by the store. What is short is not worth it. */
static void long_payload_is_lent_to_who_takes_files(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1];
    struct download download;
    assert_int_equal(rig_put(id, 2, 1000000, "x"), MR_OK);
    assert_int_equal(download_open(&download, id), MR_OK);
    download.takes_files = true;
    unsigned made = calls_made();
    assert_int_equal(download_read(&download, 2, 500000, 300000), MR_OK);
    assert_int_equal(calls_made(), made);
    assert_true(mr_budget_try_take(&rig.memory, rig.memory.limit - 10));
    assert_int_equal(download_read(&download, 2, 0, 1000000), MR_OK);
    mr_budget_give_back(&rig.memory, rig.memory.limit - 10);
    assert_int_equal(download_read(&download, 2, 999990, 10), MR_OK);
    assert_int_not_equal(calls_made(), made);
    download_close(&download);
}

static void file_that_is_lent_outlives_the_stream_and_its_object(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1];
    struct download download;
    struct mr_fault why;
    mr_fault_set(&why, MR_EGONE, NULL);
    assert_int_equal(rig_put(id, 2, 1000000, "x"), MR_OK);
    assert_int_equal(download_open(&download, id), MR_OK);
    mr_stream_attach_receiver(&download.stream, &download_file_receiver, &download);
    assert_int_equal(mr_store_read(download.reader, 0, 1000000, &download.stream, &download.fault), MR_OK);
    rig_turn_until(download.span.len > 0);
    mr_store_reader_close(&download.reader);
    assert_int_equal(rig_delete(id), MR_OK);
    mr_stream_cancel(&download.stream, &why);
    rig_turn();
    download.seed = 2;
    download_close(&download);
    assert_int_equal(download.came, 1000000);
    assert_false(download.is_wrong);
}

/* ---- several segments ---- */

/* As a later version will write them: a payload in three files, of which the second begins with room. */
static void put_segments(char id[MR_ULID_LEN + 1])
{
    static const struct mr_meta_segment segments[] = {{.number = 1, .stored = 400000, .plain = 400000},
                                                      {.number = 3, .room = 4096, .stored = 4096 + 5, .plain = 5},
                                                      {.number = 7, .stored = 599995, .plain = 599995}};
    static unsigned char bytes[600000];
    struct mr_meta meta;
    char *text, path[256];
    size_t len;
    uint64_t at = 0;
    assert_int_equal(rig_put(id, 2, 1000000, "x"), MR_OK); /* makes the directory */
    assert_int_equal(mr_meta_init(&meta), MR_OK);
    memcpy(meta.object.id, id, MR_ULID_LEN);
    meta.object.rev = 2;
    meta.object.size = 1000000;
    meta.segments = malloc(sizeof(segments));
    memcpy(meta.segments, segments, sizeof(segments));
    meta.segment_count = 3;
    assert_int_equal(mr_meta_encode(&meta, &text, &len, &rig.fault), MR_OK);
    for (size_t i = 0; i < 4; i++) {
        int path_len = snprintf(path, sizeof(path), "%s/objects/%.4s/%.2s/%s.", rig.data, id, id + 4, id);
        snprintf(path + path_len, sizeof(path) - (size_t)path_len, i < 3 ? "%u" : "meta",
                 i < 3 ? (unsigned)segments[i].number : 0);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (i < 3) {
            rig_fill(bytes, 2, at, segments[i].plain);
            at += segments[i].plain;
            assert_int_equal(pwrite(fd, bytes, segments[i].plain, segments[i].room), segments[i].plain);
        } else {
            assert_int_equal(write(fd, text, len), len);
        }
        close(fd);
    }
    free(text);
    mr_meta_free(&meta);
}

static void object_of_several_segments_is_read_changed_and_deleted(void **state)
{
    (void)state;
    static const uint64_t ranges[][2] = {{0, 1000000}, {399999, 2}, {400000, 5}, {399999, 7}, {400005, 1}, {999999, 1}};
    char id[MR_ULID_LEN + 1];
    struct changed changed;
    struct download download;
    put_segments(id);
    for (int cold = 0; cold < 2; cold++) {
        mr_disk_calls.preadv2 = cold == 1 ? read_nothing : calls_preadv2;
        assert_int_equal(download_open(&download, id), MR_OK);
        for (size_t i = 0; i < 2 * MR_ARRAY_SIZE(ranges); i++) {
            const uint64_t *range = ranges[i / 2];
            download.takes_files = i % 2 == 1;
            assert_int_equal(download_read(&download, 2, range[0], range[1]), MR_OK);
        }
        download_close(&download);
    }
    assert_int_equal(rig_rename(id, 2, "new", &changed), MR_OK);
    assert_int_equal(rig_check(id, 2, 1000000), MR_OK);
    shell("mv $id.7 elsewhere", id);
    assert_int_equal(rig_check(id, 2, 1000000), MR_ENOTFOUND);
    assert_int_equal(download_open(&download, id), MR_OK);
    download.takes_files = true;
    assert_int_equal(download_read(&download, 2, 0, 1000000), MR_ENOTFOUND);
    assert_int_equal(download.came, 400000 + 5);
    download_close(&download);
    shell("mv elsewhere $id.7", id);
    assert_int_equal(rig_delete(id), MR_OK);
    assert_int_equal(rig_count("objects uploads -type f"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_not_cached_is_read_on_the_pool),
        TEST(reader_may_be_closed_while_it_opens),
        TEST(stream_goes_on_after_its_reader_was_closed),
        TEST(cancelled_stream_gives_everything_back),
        TEST(short_object_that_was_read_twice_costs_no_call),
        TEST(description_that_was_read_costs_no_call),
        TEST(what_another_changes_or_deletes_is_seen_at_once),
        TEST(cache_is_bounded),
        TEST(what_is_read_once_pushes_out_nothing),
        TEST(full_memory_budget_is_told_before_the_first_byte),
        TEST(damaged_object_is_an_error_and_no_other_object),
        TEST(file_that_becomes_shorter_aborts_the_stream),
        TEST(long_payload_is_lent_to_who_takes_files),
        TEST(file_that_is_lent_outlives_the_stream_and_its_object),
        TEST(object_of_several_segments_is_read_changed_and_deleted),
    };
    rig_be_quiet();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
