#include "../../io/faults.h"
#include "store/check.h"
#include "store/fs/meta.h"
#include <openssl/sha.h>
#include <sys/stat.h>

#define ID      "01M8K7ZZZZ0123456789ABCDEF"
#define SEGMENT 300000

static struct place place;
static char data[96];

static void put(const char *name, const char *bytes, size_t len)
{
    char path[160];
    snprintf(path, sizeof(path), "data/%s", name);
    place_put(&place, path, bytes, len);
}

static void make_directory(const char *name)
{
    assert_int_equal(mkdirat(place.directory, name, 0700), 0);
}

/* One object with two segments, one of which has room before the payload. */
static void put_object(void)
{
    static char payload[2 * SEGMENT];
    struct mr_meta meta;
    char *bytes;
    size_t len;
    memset(payload, 'x', sizeof(payload));
    payload[SEGMENT - 1] = 'y';
    assert_int_equal(mr_meta_init(&meta), MR_OK);
    memcpy(meta.object.id, ID, sizeof(meta.object.id));
    meta.object.rev = 1;
    meta.object.size = 2 * SEGMENT - 5;
    meta.object.has_sha256 = true;
    meta.segments = calloc(2, sizeof(*meta.segments));
    meta.segments[0] = (struct mr_meta_segment){.number = 1, .stored = SEGMENT, .plain = SEGMENT};
    meta.segments[1] = (struct mr_meta_segment){.number = 7, .stored = SEGMENT, .plain = SEGMENT - 5, .room = 5};
    meta.segment_count = 2;
    SHA256((const unsigned char *)payload, 2 * SEGMENT - 5, meta.object.sha256);
    assert_int_equal(mr_meta_encode(&meta, &bytes, &len, NULL), MR_OK);
    put("objects/01M8/K7/" ID ".meta", bytes, len);
    put("objects/01M8/K7/" ID ".1", payload, SEGMENT);
    memset(payload + SEGMENT, '-', 5);
    memset(payload + SEGMENT + 5, 'x', SEGMENT - 5);
    put("objects/01M8/K7/" ID ".7", payload + SEGMENT, SEGMENT);
    free(bytes);
    mr_meta_free(&meta);
}

static int set_up(void **state)
{
    (void)state;
    static const char *const names[] = {"data", "data/objects", "data/uploads", "data/objects/01M8",
                                        "data/objects/01M8/K7"};
    place_open(&place);
    snprintf(data, sizeof(data), "%s/data", place.path);
    for (size_t i = 0; i < MR_ARRAY_SIZE(names); i++)
        make_directory(names[i]);
    put("format", "millrace-data 1\n", 16);
    put_object();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    place_close(&place);
    return 0;
}

static void count_finding(void *context, const char *path, const char *what)
{
    assert_true(strncmp(path, "objects/", 8) == 0 && what[0] != '\0');
    ++*(unsigned *)context;
}

/* Returns what the check does; results in *check. */
static int run_check(struct mr_store_check *check, struct mr_fault *fault)
{
    unsigned findings = 0;
    *check = (struct mr_store_check){.data = data, .report = count_finding, .context = &findings};
    int err = mr_store_check(check, fault);
    assert_int_equal(findings, check->damaged + check->strays);
    return err;
}

static void a_whole_object_is_whole(void **state)
{
    (void)state;
    struct mr_store_check check;
    assert_int_equal(run_check(&check, NULL), MR_OK);
    assert_int_equal(check.objects, 1);
    assert_int_equal(check.segments, 2);
    assert_int_equal(check.bytes, 2 * SEGMENT - 5);
    assert_int_equal(check.damaged + check.strays + check.interrupted, 0);
}

static void interrupts_and_short_reads_are_no_damage(void **state)
{
    (void)state;
    struct mr_store_check check;
    faults_begin();
    faults.interrupts = 3;
    faults.most = 1000;
    int err = run_check(&check, NULL);
    faults_end();
    assert_int_equal(err, MR_OK);
    assert_int_equal(check.objects, 1);
    assert_int_equal(check.damaged, 0);
}

/* A disk that fails from the nth call on: it is said, by the fault or by a finding. */
static void each_call_that_fails_is_told(void **state)
{
    (void)state;
    unsigned fails = 0;
    for (bool has_struck = true; has_struck;) {
        struct mr_store_check check;
        struct mr_fault fault = {.error = MR_OK};
        faults_begin();
        faults.error_number = EIO;
        faults.after = fails++;
        int err = run_check(&check, &fault);
        has_struck = atomic_load(&faults.calls) >= fails;
        faults_end();
        assert_true(err == MR_OK || (err == MR_EIO && fault.error == MR_EIO && fault.detail[0] != '\0'));
        assert_int_equal(err != MR_OK || check.damaged > 0, has_struck);
    }
    assert_true(fails > 10);
}

/* Want of descriptors says nothing of the objects. */
static void want_of_descriptors_is_no_damage(void **state)
{
    (void)state;
    unsigned fails = 0;
    for (bool has_struck = true; has_struck;) {
        struct mr_store_check check;
        struct mr_fault fault = {.error = MR_OK};
        faults_begin();
        faults.error_number = EMFILE;
        faults.after = fails++;
        int err = run_check(&check, &fault);
        has_struck = atomic_load(&faults.calls) >= fails;
        faults_end();
        assert_int_equal(err, has_struck ? MR_EFILES : MR_OK);
        assert_int_equal(fault.error, err);
        assert_int_equal(check.damaged, 0);
    }
    assert_true(fails > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_whole_object_is_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(interrupts_and_short_reads_are_no_damage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_call_that_fails_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(want_of_descriptors_is_no_damage, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
