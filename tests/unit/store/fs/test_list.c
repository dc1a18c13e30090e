#include "rig.h"
#include <pthread.h>

#define OBJECTS 30

static char ids[OBJECTS][MR_ULID_LEN + 1]; /* in order */

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
    rig_close();
    return 0;
}

struct listing {
    bool is_done, has_more;
    struct mr_fault fault;
    size_t count;
    char at[MR_STORE_LIST_MAX][MR_ULID_LEN + 1];
    unsigned prepared; /* on the pool, with `first` and `prepared_count` */
    pthread_t thread;
    size_t prepared_count;
    bool prepared_more;
    char first[MR_ULID_LEN + 1];
};

static void prepare_listing(void *context, const struct mr_object *objects, size_t count, bool has_more)
{
    struct listing *listing = context;
    listing->prepared++;
    listing->thread = pthread_self();
    listing->prepared_count = count;
    listing->prepared_more = has_more;
    if (count > 0)
        memcpy(listing->first, objects[0].id, sizeof(listing->first));
}

static void on_listed(void *context, const struct mr_fault *fault, const struct mr_object *objects, size_t count,
                      bool has_more)
{
    struct listing *listing = context;
    listing->is_done = true;
    if (fault != NULL)
        listing->fault = *fault;
    listing->count = count;
    listing->has_more = has_more;
    for (size_t i = 0; i < count; i++)
        memcpy(listing->at[i], objects[i].id, sizeof(listing->at[i]));
}

/* Once, not on the loop, and with what done() was given. */
static void assert_prepared(const struct listing *listing)
{
    assert_int_equal(listing->prepared, listing->fault.error == MR_OK ? 1 : 0);
    if (listing->prepared == 0)
        return;
    assert_false(pthread_equal(listing->thread, pthread_self()));
    assert_int_equal(listing->prepared_count, listing->count);
    assert_int_equal(listing->prepared_more, listing->has_more);
    if (listing->count > 0)
        assert_string_equal(listing->first, listing->at[0]);
}

static int list(struct listing *listing, const char *after, bool oldest_first, size_t limit)
{
    listing->is_done = false;
    listing->fault.error = MR_OK;
    listing->prepared = 0;
    mr_store_list(rig.store, rig_loop,
                  &(struct mr_store_list){.after = mr_slice_of(after),
                                          .oldest_first = oldest_first,
                                          .limit = limit,
                                          .prepare = prepare_listing,
                                          .done = on_listed,
                                          .context = listing});
    assert_false(listing->is_done);
    rig_turn_until(listing->is_done);
    rig_rest();
    assert_prepared(listing);
    return listing->fault.error;
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Move an object to another time: the head of its description names it, so that is written again. */
static void put_at(char id[MR_ULID_LEN + 1], int64_t ms)
{
    struct upload upload;
    struct mr_object object;
    assert_int_equal(upload_open(&upload, 10), MR_OK);
    mr_ulid_make((char *)(uintptr_t)mr_store_writer_id(upload.writer), ms);
    memcpy(id, mr_store_writer_id(upload.writer), MR_ULID_LEN + 1);
    upload_push(&upload, 1, 0, 10, false);
    mr_stream_end(&upload.stream);
    mr_object_init(&object);
    mr_store_writer_commit(upload.writer, &object, on_upload_committed, &upload);
    mr_object_free(&object);
    rig_turn_until(upload.is_committed);
    assert_int_equal(upload.fault.error, MR_OK);
    mr_store_writer_destroy(&upload.writer);
    rig_rest();
}

/* A year, and some of them in one directory. */
static void put_all(void)
{
    const int64_t day = 86400000, begin = 1796000000000;
    for (int i = 0; i < OBJECTS; i++)
        put_at(ids[i], begin + (i % 3 == 0 ? i : i / 10) * 13 * day + i);
    qsort(ids, OBJECTS, sizeof(ids[0]), compare);
}

static void page_by_page_each_is_listed_once_in_order(void **state)
{
    (void)state;
    static struct listing listing;
    put_all();
    for (int oldest_first = 0; oldest_first < 2; oldest_first++) {
        for (size_t limit = 1; limit <= OBJECTS + 1; limit += 7) {
            char after[MR_ULID_LEN + 1] = "";
            size_t at = 0;
            do {
                assert_int_equal(list(&listing, after, oldest_first == 1, limit), MR_OK);
                assert_int_equal(listing.count, MR_MIN(limit, OBJECTS - at));
                for (size_t i = 0; i < listing.count; i++, at++)
                    assert_string_equal(listing.at[i], ids[oldest_first == 1 ? at : OBJECTS - 1 - at]);
                assert_int_equal(listing.has_more, at < OBJECTS);
                memcpy(after, listing.at[listing.count - 1], sizeof(after));
            } while (listing.has_more);
            assert_int_equal(at, OBJECTS);
            assert_int_equal(list(&listing, after, oldest_first == 1, limit), MR_OK);
            assert_int_equal(listing.count, 0); /* behind the last one */
        }
    }
}

static void empty_store_has_an_empty_list(void **state)
{
    (void)state;
    static struct listing listing;
    assert_int_equal(list(&listing, "", false, 10), MR_OK);
    assert_int_equal(listing.count, 0);
    assert_false(listing.has_more);
    assert_int_equal(list(&listing, "no id", false, 10), MR_EPARAM);
}

static void cursor_need_not_exist_any_more(void **state)
{
    (void)state;
    static struct listing listing;
    put_all();
    assert_int_equal(rig_delete(ids[10]), MR_OK);
    assert_int_equal(list(&listing, ids[10], true, 1), MR_OK);
    assert_string_equal(listing.at[0], ids[11]);
    assert_int_equal(list(&listing, ids[10], false, 1), MR_OK);
    assert_string_equal(listing.at[0], ids[9]);
    assert_int_equal(list(&listing, "", false, 100), MR_OK);
    assert_int_equal(listing.count, OBJECTS - 1);
}

static void what_is_damaged_or_planted_is_left_out(void **state)
{
    (void)state;
    static struct listing listing;
    char command[512];
    put_all();
    snprintf(command, sizeof(command),
             "cd %s/objects && f=$(ls */*/%s.meta) && echo x > $f && f=$(ls */*/%s.meta) && rm $f && mkfifo $f && "
             "f=$(ls */*/%s.meta) && rm $f && ln -s /etc/passwd $f && mkdir 01M8 -p && touch ZZZZ 0000 x && "
             "mkdir -p ZZZZ2 01zz 7ZZZ/ZZ && ln -s / 7ZZY && echo x > 7ZZZ/ZZ/%s.meta",
             rig.data, ids[3], ids[4], ids[5], ids[6]);
    assert_int_equal(system(command), 0);
    assert_int_equal(list(&listing, "", true, 4), MR_OK);
    assert_int_equal(listing.count, 4);
    assert_true(listing.has_more);
    assert_string_equal(listing.at[2], ids[2]);
    assert_string_equal(listing.at[3], ids[6]);
    assert_int_equal(list(&listing, "", false, 100), MR_OK);
    assert_int_equal(listing.count, OBJECTS - 3);
    assert_true(atomic_load(&rig.numbers->damaged) > 0);
}

/* More of them than one trip to the pool reads, all of one moment. */
static void many_in_one_directory_are_listed(void **state)
{
    (void)state;
    enum { MANY = 300 };
    static struct listing listing;
    static char many[MANY][MR_ULID_LEN + 1];
    for (size_t i = 0; i < MANY; i++)
        put_at(many[i], 1796000000000);
    qsort(many, MANY, sizeof(many[0]), compare);
    assert_int_equal(list(&listing, "", true, MANY), MR_OK);
    assert_int_equal(listing.count, MANY);
    assert_false(listing.has_more);
    for (size_t i = 0; i < MANY; i++)
        assert_string_equal(listing.at[i], many[i]);
    assert_int_equal(list(&listing, many[MANY - 10], false, 5), MR_OK);
    assert_true(listing.has_more);
    assert_string_equal(listing.at[4], many[MANY - 15]);
}

/* More directories without an object than one trip passes. */
static void empty_directories_are_passed(void **state)
{
    (void)state;
    static struct listing listing;
    char id[MR_ULID_LEN + 1], command[256];
    put_at(id, 1796000000000);
    snprintf(command, sizeof(command),
             "cd %s/objects && for i in 0 1 2 3 4 5 6 7 8 9; do mkdir -p 00A$i 7ZA$i; "
             "for j in 0 1 2 3 4 5 6 7 8 9 A B C D E F; do mkdir 00A$i/Z$j 7ZA$i/Z$j; done; done",
             rig.data);
    assert_int_equal(system(command), 0);
    for (int oldest_first = 0; oldest_first < 2; oldest_first++) {
        assert_int_equal(list(&listing, "", oldest_first == 1, 10), MR_OK);
        assert_int_equal(listing.count, 1);
        assert_string_equal(listing.at[0], id);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(page_by_page_each_is_listed_once_in_order),
        TEST(empty_store_has_an_empty_list),
        TEST(cursor_need_not_exist_any_more),
        TEST(what_is_damaged_or_planted_is_left_out),
        TEST(many_in_one_directory_are_listed),
        TEST(empty_directories_are_passed),
    };
    rig_be_quiet();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
