#include "rig.h"

static int open_rig(void **state)
{
    (void)state;
    rig_open();
    rig_start();
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    rig_close();
    return 0;
}

static const uint64_t sizes[] = {
    0, 1, 1000, MR_STORE_INLINE_MAX - 1, MR_STORE_INLINE_MAX, MR_STORE_INLINE_MAX + 1, 300000, 3 * MR_MIB + 17};

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(sizes); i++) {
        for (uint64_t seed = 2; seed <= 3; seed++) {
            char id[MR_ULID_LEN + 1];
            assert_int_equal(rig_put(id, seed, sizes[i], "photo.jpg"), MR_OK);
            assert_int_equal(rig_check(id, seed, sizes[i]), MR_OK);
        }
    }
    assert_int_equal(rig_debris(), 0);
    assert_int_equal(atomic_load(&rig.numbers->objects_written), 2 * MR_ARRAY_SIZE(sizes));
    rig_restart();
    assert_int_equal(atomic_load(&rig.numbers->debris_removed), 0);
}

static void what_was_written_is_there_after_a_restart(void **state)
{
    (void)state;
    char ids[MR_ARRAY_SIZE(sizes)][MR_ULID_LEN + 1];
    for (size_t i = 0; i < MR_ARRAY_SIZE(sizes); i++)
        assert_int_equal(rig_put(ids[i], i, sizes[i], "a"), MR_OK);
    rig_restart();
    for (size_t i = 0; i < MR_ARRAY_SIZE(sizes); i++)
        assert_int_equal(rig_check(ids[i], i, sizes[i]), MR_OK);
}

static void any_range_is_read(void **state)
{
    (void)state;
    const uint64_t size = 700001;
    const uint64_t ranges[][2] = {{0, 1}, {0, 0}, {size, 0}, {size - 1, 1}, {65535, 65538}, {1, size - 2}};
    char id[MR_ULID_LEN + 1], small[MR_ULID_LEN + 1];
    struct download download;
    assert_int_equal(rig_put(id, 5, size, ""), MR_OK);
    assert_int_equal(download_open(&download, id), MR_OK);
    for (size_t i = 0; i < MR_ARRAY_SIZE(ranges); i++) {
        for (int pauses = 0; pauses < 2; pauses++) {
            download.pauses = pauses == 1;
            assert_int_equal(download_read(&download, 5, ranges[i][0], ranges[i][1]), MR_OK);
        }
    }
    download_close(&download);
    assert_int_equal(rig_put(small, 6, 100, ""), MR_OK);
    assert_int_equal(download_open(&download, small), MR_OK);
    assert_int_equal(download_read(&download, 6, 50, 50), MR_OK);
    download_close(&download);
}

static void short_payload_is_in_memory(void **state)
{
    (void)state;
    char small[MR_ULID_LEN + 1], large[MR_ULID_LEN + 1];
    struct download download;
    struct mr_slice bytes;
    assert_int_equal(rig_put(small, 1, 100, ""), MR_OK);
    assert_int_equal(rig_put(large, 2, 100000, ""), MR_OK);
    assert_int_equal(download_open(&download, small), MR_OK);
    assert_true(download.was_opened_at_once); /* it was written just now */
    assert_true(mr_store_reader_bytes(download.reader, &bytes));
    assert_int_equal(bytes.len, 100);
    assert_int_equal((unsigned char)bytes.at[99], rig_byte(1, 99));
    download_close(&download);
    assert_int_equal(download_open(&download, large), MR_OK);
    assert_false(mr_store_reader_bytes(download.reader, &bytes));
    download_close(&download);
}

static void what_is_no_object_is_not_found(void **state)
{
    (void)state;
    static const char *const ids[] = {"",
                                      "x",
                                      "../../../../etc/passwd",
                                      "01ARYZ6S41TSV4RRFFQ69G5FAV",
                                      "01aryz6s41tsv4rrffq69g5fav",
                                      "01ARYZ6S41TSV4RRFFQ69G5FA/"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(ids); i++) {
        struct changed changed;
        assert_int_equal(rig_check(ids[i], 0, 0), MR_ENOTFOUND);
        assert_int_equal(rig_delete(ids[i]), MR_ENOTFOUND);
        assert_int_equal(rig_rename(ids[i], 0, "n", &changed), MR_ENOTFOUND);
    }
    rig_rest();
}

static void what_is_deleted_is_gone(void **state)
{
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(sizes); i++) {
        char id[MR_ULID_LEN + 1];
        assert_int_equal(rig_put(id, i, sizes[i], "a"), MR_OK);
        assert_int_equal(rig_delete(id), MR_OK);
        assert_int_equal(rig_check(id, i, sizes[i]), MR_ENOTFOUND);
        assert_int_equal(rig_delete(id), MR_ENOTFOUND);
    }
    assert_int_equal(rig_count("uploads objects -type f"), 0);
    assert_int_equal(atomic_load(&rig.numbers->deleted), MR_ARRAY_SIZE(sizes));
}

static void a_read_that_has_begun_goes_on_after_a_delete(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1];
    struct download download;
    assert_int_equal(rig_put(id, 9, 2 * MR_MIB, "a"), MR_OK);
    assert_int_equal(download_open(&download, id), MR_OK);
    assert_int_equal(rig_delete(id), MR_OK);
    assert_int_equal(download_read(&download, 9, 0, 2 * MR_MIB), MR_OK);
    download_close(&download);
}

static void a_change_is_seen_at_once_and_has_a_higher_rev(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1];
    struct changed changed;
    struct download download;
    assert_int_equal(rig_put(id, 4, 100000, "before"), MR_OK);
    assert_int_equal(rig_rename(id, 0, "after", &changed), MR_OK);
    assert_int_equal(changed.rev, 2);
    assert_string_equal(changed.name, "after");
    assert_int_equal(rig_rename(id, 1, "stale", &changed), MR_EPRECONDITION);
    assert_int_equal(changed.rev, 2);
    assert_int_equal(rig_rename(id, 2, "again", &changed), MR_OK);
    assert_int_equal(rig_rename(id, 3, "a/b", &changed), MR_EPARAM); /* apply() refuses it */
    rig_restart();
    assert_int_equal(download_open(&download, id), MR_OK);
    assert_string_equal(mr_store_reader_object(download.reader)->name, "again");
    assert_int_equal(mr_store_reader_object(download.reader)->rev, 3);
    assert_int_equal(download_read(&download, 4, 0, 100000), MR_OK);
    download_close(&download);
    assert_int_equal(rig_debris(), 0);
}

static void changes_of_one_object_are_made_one_after_the_other(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1], other[MR_ULID_LEN + 1];
    struct changed changed[20];
    assert_int_equal(rig_put(id, 4, 10, "a"), MR_OK);
    assert_int_equal(rig_put(other, 4, 10, "a"), MR_OK);
    for (size_t i = 0; i < MR_ARRAY_SIZE(changed); i++)
        change_begin(&changed[i], i % 4 == 3 ? other : id, 0, "b");
    rig_rest();
    for (size_t i = 0; i < MR_ARRAY_SIZE(changed); i++)
        assert_int_equal(changed[i].fault.error, MR_OK);
    assert_int_equal(changed[18].rev, 16);
    assert_int_equal(changed[19].rev, 6);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_is_read_back),
        TEST(what_was_written_is_there_after_a_restart),
        TEST(any_range_is_read),
        TEST(short_payload_is_in_memory),
        TEST(what_is_no_object_is_not_found),
        TEST(what_is_deleted_is_gone),
        TEST(a_read_that_has_begun_goes_on_after_a_delete),
        TEST(a_change_is_seen_at_once_and_has_a_higher_rev),
        TEST(changes_of_one_object_are_made_one_after_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
