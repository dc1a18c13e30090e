#include "calls.h"
#include "store/fs/writer.h"
#include <sys/mount.h>

static int open_rig(void **state)
{
    (void)state;
    rig_open_in(RIG_FAST);
    rig_start();
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    assert_int_equal(rig_debris(), 0);
    rig_close();
    return 0;
}

static void assert_nothing_is_left(void)
{
    rig_rest();
    assert_int_equal(rig_count("uploads objects -type f"), 0);
    assert_int_equal(mr_budget_used(&rig.memory), 0);
    assert_int_equal(atomic_load(&rig.numbers->reserved_bytes), 0);
    assert_int_equal(atomic_load(&rig.numbers->uploads_open), 0);
    assert_int_equal(atomic_load(&rig.numbers->oldest_upload_at[0]), 0);
}

static const uint64_t lengths[] = {0, 1, MR_STORE_INLINE_MAX, MR_STORE_INLINE_MAX + 1, 600000};

static void aborted_upload_leaves_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(lengths); i++) {
        for (int waits = 0; waits < 2; waits++) {
            struct upload upload;
            struct mr_fault why;
            mr_fault_set(&why, MR_EGONE, NULL);
            assert_int_equal(upload_open(&upload, MR_STORE_UNKNOWN), MR_OK);
            upload_push(&upload, 1, 0, lengths[i], i % 2 == 0);
            for (int turn = 0; turn < 20 * waits; turn++)
                uv_run(mr_loop_uv(rig_loop), UV_RUN_NOWAIT);
            mr_stream_abort(&upload.stream, &why);
            assert_true(upload.was_aborted);
            assert_int_equal(upload.fault.error, MR_EGONE);
            mr_store_writer_destroy(&upload.writer);
            assert_null(upload.writer);
            assert_nothing_is_left();
        }
    }
}

static uint64_t oldest_upload(void)
{
    return atomic_load(&rig.numbers->oldest_upload_at[mr_loop_index(rig_loop)]);
}

static void oldest_upload_is_known_until_it_ends(void **state)
{
    (void)state;
    struct upload uploads[3];
    assert_int_equal(oldest_upload(), 0);
    for (size_t i = 0; i < MR_ARRAY_SIZE(uploads); i++)
        assert_int_equal(upload_open(&uploads[i], 10), MR_OK);
    uint64_t began[] = {uploads[0].writer->began_at, uploads[1].writer->began_at, uploads[2].writer->began_at};
    assert_true(began[0] <= began[1] && began[1] <= began[2]);
    assert_int_equal(oldest_upload(), began[0]);
    mr_store_writer_destroy(&uploads[1].writer);
    rig_turn_until(atomic_load(&rig.numbers->uploads_open) == 2);
    assert_int_equal(oldest_upload(), began[0]);
    mr_store_writer_destroy(&uploads[0].writer);
    rig_turn_until(atomic_load(&rig.numbers->uploads_open) == 1);
    assert_int_equal(oldest_upload(), began[2]);
    mr_store_writer_destroy(&uploads[2].writer);
    assert_nothing_is_left();
}

static void destroyed_writer_leaves_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(lengths); i++) {
        for (int when = 0; when < 3; when++) {
            struct upload upload;
            assert_int_equal(upload_open(&upload, lengths[i]), MR_OK);
            upload_push(&upload, 1, 0, lengths[i], i % 2 == 0);
            if (when > 0)
                mr_stream_end(&upload.stream);
            if (when == 2)
                rig_turn_until(upload.is_complete);
            mr_store_writer_destroy(&upload.writer);
            assert_int_equal(upload.was_cancelled, when == 0);
            assert_nothing_is_left();
        }
    }
    mr_store_writer_destroy(&(struct mr_store_writer *){NULL}); /* has no effect */
}

static void commit_that_has_begun_goes_on_without_its_writer(void **state)
{
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(lengths); i++) {
        struct upload upload;
        assert_int_equal(upload_open(&upload, lengths[i]), MR_OK);
        upload_push(&upload, 2, 0, lengths[i], false);
        mr_stream_end(&upload.stream);
        rig_turn_until(upload.is_complete);
        upload_commit(&upload, "left alone");
        mr_store_writer_destroy(&upload.writer);
        assert_false(upload.is_committed);
        rig_rest();
        assert_true(upload.is_committed);
        assert_int_equal(rig_check(upload.id, 2, lengths[i]), MR_OK);
        assert_int_equal(rig_delete(upload.id), MR_OK);
    }
    assert_nothing_is_left();
}

static int describe_payload(struct mr_object *object, struct mr_slice payload, void *context, struct mr_fault *fault)
{
    (void)context;
    if (payload.len == 7)
        return mr_fault_set(fault, MR_EDIGEST, NULL);
    object->sha256[0] = (uint8_t)payload.len;
    object->has_sha256 = true;
    return MR_OK;
}

static void short_object_is_finished_or_refused_before_it_is_written(void **state)
{
    (void)state;
    for (uint64_t len = 6; len <= 8; len++) {
        struct upload upload;
        assert_int_equal(upload_open(&upload, len), MR_OK);
        mr_store_writer_finish_by(upload.writer, describe_payload);
        upload_push(&upload, 3, 0, len, false);
        mr_stream_end(&upload.stream);
        rig_turn_until(upload.is_complete);
        upload_commit(&upload, "short");
        rig_turn_until(upload.is_committed);
        mr_store_writer_destroy(&upload.writer);
        assert_int_equal(upload.fault.error, len == 7 ? MR_EDIGEST : MR_OK);
        assert_int_equal(upload.digest, len == 7 ? 0 : len);
        assert_int_equal(rig_delete(upload.id), len == 7 ? MR_ENOTFOUND : MR_OK);
    }
    assert_nothing_is_left();
}

/* Rule 3 of base/stream.h: what a paused sender may still push is taken. */
static void fast_sender_is_paused_and_resumed(void **state)
{
    (void)state;
    static unsigned char bytes[MR_STREAM_PUSH_MAX];
    struct upload upload;
    uint64_t pushed = 0;
    assert_int_equal(upload_open(&upload, MR_STORE_UNKNOWN), MR_OK);
    unsigned pauses = 0;
    while (pushed < 20 * MR_MIB) {
        rig_turn_until(!upload.is_paused);
        enum mr_flow flow;
        do {
            rig_fill(bytes, 2, pushed, sizeof(bytes));
            flow = mr_stream_push(&upload.stream, bytes, sizeof(bytes));
            pushed += sizeof(bytes);
        } while (flow == MR_FLOW_MORE && pushed < 20 * MR_MIB);
        upload.is_paused = flow == MR_FLOW_PAUSE;
        pauses += upload.is_paused;
        assert_true(mr_budget_used(&rig.memory) <= MR_MIB);
    }
    assert_true(pauses > 5);
    mr_stream_end(&upload.stream);
    rig_turn_until(upload.is_complete);
    assert_int_equal(mr_store_writer_size(upload.writer), pushed);
    upload_commit(&upload, "fast");
    rig_turn_until(upload.is_committed);
    mr_store_writer_destroy(&upload.writer);
    assert_int_equal(rig_check(upload.id, 2, pushed), MR_OK);
}

static void slow_sender_holds_little(void **state)
{
    (void)state;
    enum { UPLOADS = 50 };
    static struct upload uploads[UPLOADS];
    for (size_t i = 0; i < UPLOADS; i++)
        assert_int_equal(upload_open(&uploads[i], 200000), MR_OK);
    for (uint64_t at = 0; at < 200000; at += 2000) {
        for (size_t i = 0; i < UPLOADS; i++)
            upload_push(&uploads[i], i, at, 2000, false);
        while (mr_budget_used(&rig.memory) > UPLOADS * (MR_STORE_INLINE_MAX + 2000)) /* until the pool has written it */
            rig_turn();
    }
    for (size_t i = 0; i < UPLOADS; i++) {
        mr_stream_end(&uploads[i].stream);
        rig_turn_until(uploads[i].is_complete);
        upload_commit(&uploads[i], "slow");
        rig_turn_until(uploads[i].is_committed);
        mr_store_writer_destroy(&uploads[i].writer);
        assert_int_equal(rig_check(uploads[i].id, i, 200000), MR_OK);
    }
}

static void bytes_that_are_borrowed_are_given_back(void **state)
{
    (void)state;
    for (size_t part = 1; part < 200000; part = part * 7 + 1) {
        struct upload upload;
        uint64_t at = 0;
        assert_int_equal(upload_open(&upload, MR_STORE_UNKNOWN), MR_OK);
        for (int i = 0; i < 150; i++) {
            upload_push(&upload, 9, at, MR_MIN(part, 40000), true); /* free() is the release: ASan counts */
            at += MR_MIN(part, 40000);
        }
        mr_stream_end(&upload.stream);
        rig_turn_until(upload.is_complete);
        upload_commit(&upload, "refs");
        rig_turn_until(upload.is_committed);
        mr_store_writer_destroy(&upload.writer);
        assert_int_equal(rig_check(upload.id, 9, at), MR_OK);
    }
}

static void full_memory_budget_is_named(void **state)
{
    (void)state;
    struct upload upload;
    assert_true(mr_budget_try_take(&rig.memory, rig.memory.limit - 10));
    assert_int_equal(upload_open(&upload, 1000), MR_OK);
    upload_push(&upload, 1, 0, 1000, false);
    assert_true(upload.has_failed && upload.was_cancelled);
    assert_int_equal(upload.fault.error, MR_EBUDGET);
    assert_string_equal(upload.fault.limit_name, "memory-budget");
    mr_store_writer_destroy(&upload.writer);
    mr_budget_give_back(&rig.memory, rig.memory.limit - 10);
    assert_nothing_is_left();
}

/* ---- the disk is full ---- */

static int mount_small(void **state)
{
    (void)state;
    rig_open();
    assert_int_equal(mkdir(rig.data, 0700), 0);
    if (mount("tmpfs", rig.data, "tmpfs", 0, "size=2m,nr_inodes=200,mode=0700") != 0) {
        rig_close();
        rig.place.path[0] = '\0';
        return 0;
    }
    rig_start();
    return 0;
}

static int unmount_small(void **state)
{
    (void)state;
    if (rig.place.path[0] == '\0')
        return 0;
    rig_stop();
    assert_int_equal(umount2(rig.data, MNT_DETACH), 0);
    rig_close();
    return 0;
}

static void need_mount(void)
{
    if (rig.place.path[0] == '\0')
        skip();
}

static void full_disk_is_an_error_and_leaves_the_store_sound(void **state)
{
    (void)state;
    char kept[MR_ULID_LEN + 1], last[MR_ULID_LEN + 1];
    need_mount();
    assert_int_equal(rig_put(kept, 3, MR_MIB, "kept"), MR_OK);
    for (int i = 0; i < 3; i++) {
        struct upload upload;
        /* Announced less than what comes: the room is not reserved. */
        if (upload_open(&upload, 0) == MR_OK) {
            upload_push(&upload, 1, 0, 3 * MR_MIB, i % 2 == 0);
            rig_turn_until(upload_is_over(&upload));
            assert_int_equal(upload.fault.error, MR_ENOSPACE);
            mr_store_writer_destroy(&upload.writer);
            rig_rest();
        }
        assert_int_equal(rig_debris(), 0);
        assert_int_equal(rig_check(kept, 3, MR_MIB), MR_OK);
    }
    assert_int_equal(rig_put(last, 4, 400000, "last"), MR_OK);
    rig_restart();
    assert_int_equal(rig_check(last, 4, 400000), MR_OK);
    assert_int_equal(rig_delete(kept), MR_OK);
    assert_int_equal(rig_put(kept, 5, MR_MIB, "again"), MR_OK);
}

static void without_inodes_an_upload_is_refused(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1];
    unsigned count = 0;
    int err;
    need_mount();
    while ((err = rig_put(id, 2, 10, "x")) == MR_OK)
        count++;
    assert_int_equal(err, MR_ENOSPACE);
    assert_true(count > 100);
    assert_int_equal(rig_delete(id), MR_ENOTFOUND);
    assert_int_equal(rig_debris(), 0);
}

/* ---- --min-free, reservations ---- */

static void set_min_free(const char *text)
{
    rig.settings.min_free = (char *)(uintptr_t)text;
    rig_restart();
}

static void room_that_stays_free_is_refused_with_its_name(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1];
    struct upload upload;
    need_mount();
    set_min_free("1MiB");
    assert_int_equal(rig_put(id, 1, 900000, "fits"), MR_OK);
    assert_int_equal(upload_open(&upload, 300000), MR_ENOSPACE); /* before its first byte */
    assert_string_equal(upload.fault.limit_name, "min-free");
    assert_int_equal(upload.fault.limit, MR_MIB);
    assert_true(upload.fault.value < MR_MIB);
    assert_int_equal(rig_check(id, 1, 900000), MR_OK); /* reads go on */
    set_min_free("10%");
    assert_int_equal(rig_put(id, 1, 300000, "fits now"), MR_OK);
    set_min_free("90%");
    assert_int_equal(upload_open(&upload, 1), MR_ENOSPACE);
}

static void uploads_under_way_reserve_what_they_announce(void **state)
{
    (void)state;
    struct upload first, second;
    char id[MR_ULID_LEN + 1];
    need_mount();
    assert_int_equal(upload_open(&first, 1500000), MR_OK);
    assert_int_equal(upload_open(&second, 1500000), MR_ENOSPACE);
    assert_int_equal(upload_open(&second, MR_STORE_UNKNOWN), MR_ENOSPACE); /* 8 MiB at a time */
    assert_int_equal(atomic_load(&rig.numbers->reserved_bytes), 1500000);
    assert_int_equal(rig_put(id, 1, 100000, "beside"), MR_OK);
    upload_push(&first, 2, 0, 1500000, false);
    mr_stream_end(&first.stream);
    rig_turn_until(first.is_complete);
    assert_int_equal(atomic_load(&rig.numbers->reserved_bytes), 0); /* it is written */
    upload_commit(&first, "x");
    rig_turn_until(first.is_committed);
    assert_int_equal(first.fault.error, MR_OK);
    mr_store_writer_destroy(&first.writer);
    rig_rest();
}

static void complete_upload_is_kept_though_others_filled_the_disk(void **state)
{
    (void)state;
    char command[160], other[MR_ULID_LEN + 1];
    struct upload upload;
    need_mount();
    set_min_free("500KiB");
    assert_int_equal(upload_open(&upload, 900000), MR_OK);
    upload_push(&upload, 2, 0, 900000, false);
    mr_stream_end(&upload.stream);
    rig_turn_until(upload.is_complete);
    snprintf(command, sizeof(command), "head -c 700000 /dev/zero > %s/filler", rig.data);
    assert_int_equal(system(command), 0);
    upload_commit(&upload, "whole");
    rig_turn_until(upload.is_committed);
    assert_int_equal(upload.fault.error, MR_OK);
    mr_store_writer_destroy(&upload.writer);
    rig_rest();
    assert_int_equal(rig_put(other, 2, 100, "too late"), MR_ENOSPACE);
    assert_int_equal(rig_check(upload.id, 2, 900000), MR_OK);
}

#define TEST(name)  cmocka_unit_test_setup_teardown(name, open_rig, close_rig)
#define SMALL(name) cmocka_unit_test_setup_teardown(name, mount_small, unmount_small)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(aborted_upload_leaves_nothing),
        TEST(oldest_upload_is_known_until_it_ends),
        TEST(destroyed_writer_leaves_nothing),
        TEST(commit_that_has_begun_goes_on_without_its_writer),
        TEST(short_object_is_finished_or_refused_before_it_is_written),
        TEST(fast_sender_is_paused_and_resumed),
        TEST(slow_sender_holds_little),
        TEST(bytes_that_are_borrowed_are_given_back),
        TEST(full_memory_budget_is_named),
        SMALL(full_disk_is_an_error_and_leaves_the_store_sound),
        SMALL(without_inodes_an_upload_is_refused),
        SMALL(room_that_stays_free_is_refused_with_its_name),
        SMALL(uploads_under_way_reserve_what_they_announce),
        SMALL(complete_upload_is_kept_though_others_filled_the_disk),
    };
    rig_be_quiet();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
