/* The scrub: what it finds, what it leaves alone, what it counts, and how it ends. */
#include "calls.h"
#include "store/fs/fs.h"
#include "store/fs/layout.h"
#include "store/fs/meta.h"
#include "store/scrub.h"
#include "workers/offload.h"
#include <openssl/sha.h>
#include <sys/stat.h>
#include <sys/time.h>

#define FAST  (1024 * MR_MIB) /* a second */
#define NEVER (UINT64_C(1) << 60)
#define CUT   70000 /* the length of a segment */

static struct mr_offload *offload;
static struct mr_scrub *scrub;

/* ---- the scrub ---- */

static void start_scrub(uint64_t rate, uint64_t pause_ns)
{
    const struct mr_scrub_config config = {
        .store = rig.store, .loop = rig_loop, .offload = offload, .rate = rate, .pause_ns = pause_ns};
    assert_int_equal(mr_scrub_start(&scrub, &config), MR_OK);
}

static void stop_scrub(void)
{
    mr_scrub_stop(scrub);
    rig_rest();
    mr_scrub_destroy(&scrub);
}

static uint64_t walks(void)
{
    return atomic_load(&rig.numbers->scrub_walks);
}

/* The rest of one walk that is under way, or all of one. */
static void scrub_once(void)
{
    uint64_t before = walks();
    atomic_store(&rig.home->shared->scrub_due, 0);
    start_scrub(FAST, NEVER / 2);
    rig_turn_until(walks() > before);
    stop_scrub();
}

static uint64_t found(enum mr_store_finding finding)
{
    return atomic_load(&rig.numbers->findings[finding]);
}

static uint64_t found_in_all(void)
{
    uint64_t all = 0;
    for (int finding = 0; finding < MR_STORE_FINDINGS; finding++)
        all += found((enum mr_store_finding)finding);
    return all;
}

/* What a walk found: one thing of this kind, or nothing at all (MR_STORE_FINDINGS). */
static void assert_finds(enum mr_store_finding finding)
{
    for (int i = 0; i < MR_STORE_FINDINGS; i++)
        atomic_store(&rig.numbers->findings[i], 0);
    scrub_once();
    for (int i = 0; i < MR_STORE_FINDINGS; i++)
        assert_int_equal(found((enum mr_store_finding)i), i == (int)finding);
}

#define assert_finds_nothing() assert_finds(MR_STORE_FINDINGS)

static void assert_total(uint64_t objects, uint64_t bytes)
{
    struct mr_store_totals totals;
    assert_true(mr_store_totals(rig.store, &totals));
    assert_int_equal(totals.objects, objects);
    assert_int_equal(totals.bytes, bytes);
}

/* ---- objects as they lie in the directory ---- */

static void make_directories(const char *id)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/objects/%.4s", rig.data, id);
    mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/objects/%.4s/%.2s", rig.data, id, id + 4);
    mkdir(path, 0700);
}

static void object_file(char out[160], const char *id, const char *end)
{
    snprintf(out, 160, "%s/objects/%.4s/%.2s/%s%s", rig.data, id, id + 4, id, end);
}

static void put_file(const char *path, const void *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    close(fd);
}

static bool is_file(const char *id, const char *end)
{
    char path[160];
    object_file(path, id, end);
    return access(path, F_OK) == 0;
}

static bool is_aside(const char *id, const char *end)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/damaged/%s%s", rig.data, id, end);
    return access(path, F_OK) == 0;
}

/* The 17.5 minutes of that letter. */
static void make_id(char id[MR_ULID_LEN + 1], char directory, unsigned number)
{
    snprintf(id, MR_ULID_LEN + 1, "01M8%cK0000%016u", directory, number);
}

static void add_segments(struct mr_meta *meta, const unsigned char *payload, size_t size)
{
    char path[160], end[16];
    meta->segments = calloc(size / CUT + 1, sizeof(*meta->segments));
    for (size_t at = 0; at < size; at += CUT) {
        size_t len = MR_MIN(size - at, (size_t)CUT);
        uint32_t number = (uint32_t)++meta->segment_count;
        meta->segments[number - 1] = (struct mr_meta_segment){.number = number, .stored = len, .plain = len};
        snprintf(end, sizeof(end), ".%u", number);
        object_file(path, meta->object.id, end);
        put_file(path, payload + at, len);
    }
}

/* In segments, if it is longer than may be inline. */
static void plant(char id[MR_ULID_LEN + 1], char directory, unsigned number, size_t size)
{
    struct mr_meta meta;
    char *bytes, path[160];
    size_t len;
    unsigned char *payload = malloc(size + 1);
    make_id(id, directory, number);
    make_directories(id);
    rig_fill(payload, number, 0, size);
    assert_int_equal(mr_meta_init(&meta), MR_OK);
    memcpy(meta.object.id, id, sizeof(meta.object.id));
    meta.object.rev = 1;
    meta.object.size = size;
    meta.object.has_sha256 = true;
    SHA256(payload, size, meta.object.sha256);
    if (size > MR_STORE_INLINE_MAX)
        add_segments(&meta, payload, size);
    else
        meta.payload = (struct mr_slice){(const char *)payload, size};
    assert_int_equal(mr_meta_encode(&meta, &bytes, &len, NULL), MR_OK);
    object_file(path, id, ".meta");
    put_file(path, bytes, len);
    free(bytes);
    mr_meta_free(&meta);
    free(payload);
}

static void plant_segment(char id[MR_ULID_LEN + 1], unsigned number)
{
    char path[160];
    make_id(id, 'C', number);
    make_directories(id);
    object_file(path, id, ".1");
    put_file(path, "stray", 5);
}

static void make_old(const char *id, const char *end)
{
    char path[160];
    const struct timeval then[2] = {{.tv_sec = time(NULL) - 3700}, {.tv_sec = time(NULL) - 3700}};
    object_file(path, id, end);
    assert_int_equal(utimes(path, then), 0);
}

static void flip(const char *id, const char *end, off_t at)
{
    char path[160];
    unsigned char byte;
    object_file(path, id, end);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void cut_file(const char *id, const char *end, off_t len)
{
    char path[160];
    object_file(path, id, end);
    assert_int_equal(truncate(path, len), 0);
}

static void remove_file(const char *id, const char *end)
{
    char path[160];
    object_file(path, id, end);
    assert_int_equal(unlink(path), 0);
}

/* ---- life ---- */

static void open_offload(enum mr_offload_kind kind)
{
    assert_int_equal(mr_offload_create(&offload, &(struct mr_offload_config){.kind = kind,
                                                                             .workers = 2,
                                                                             .priority = MR_PRIORITY_EQUAL,
                                                                             .queue_depth = 16,
                                                                             .loops = &rig_loop,
                                                                             .loop_count = 1}),
                     MR_OK);
}

static int set_up(void **state)
{
    (void)state;
    rig_open_in(RIG_FAST);
    rig_start();
    open_offload(MR_OFFLOAD_WORKERS);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (scrub != NULL)
        stop_scrub();
    mr_offload_close(offload);
    mr_offload_destroy(&offload);
    rig_close();
    return 0;
}

static char ids[8][MR_ULID_LEN + 1];

#define PLANTED_BYTES (0 + 100 + 32768 + CUT + 3 * CUT + 1 + 600000)

/* Six whole objects in four directories. */
static void plant_all(void)
{
    plant(ids[0], 'A', 1, 0);
    plant(ids[1], 'A', 2, 100);
    plant(ids[2], 'B', 3, 32768);
    plant(ids[3], 'B', 4, CUT);
    plant(ids[4], 'D', 5, 3 * CUT + 1);
    plant(ids[5], 'E', 6, 600000);
}

/* ---- what is whole ---- */

static void what_is_whole_is_no_finding_and_is_counted(void **state)
{
    (void)state;
    struct mr_store_totals totals;
    plant_all();
    assert_false(mr_store_totals(rig.store, &totals));
    assert_finds_nothing();
    assert_total(6, PLANTED_BYTES);
    assert_int_equal(walks(), 1);
    assert_true(atomic_load(&rig.numbers->scrub_bytes) >= PLANTED_BYTES);
    assert_true(atomic_load(&rig.numbers->scrub_ended) > 0);
    assert_finds_nothing();
    assert_total(6, PLANTED_BYTES);
    assert_int_equal(atomic_load(&rig.numbers->damaged), 0);
}

static void an_empty_store_has_no_objects(void **state)
{
    (void)state;
    assert_finds_nothing();
    assert_total(0, 0);
}

static void names_of_others_are_left_alone(void **state)
{
    (void)state;
    char path[160];
    plant_all();
    object_file(path, ids[0], "");
    put_file(path, "x", 1);
    snprintf(path, sizeof(path), "%s/objects/ZZZZ", rig.data); /* no time begins so */
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/objects/ZZZZ/ZZ", rig.data);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/objects/notes.txt", rig.data);
    put_file(path, "x", 1);
    assert_finds_nothing();
    assert_total(6, PLANTED_BYTES);
    assert_int_equal(rig_count("objects -name notes.txt"), 1);
}

static void a_directory_with_many_names_is_counted(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1];
    for (unsigned i = 0; i < 1200; i++)
        plant(id, 'A' + (i >= 1150 ? 1 : 0), i, 10);
    assert_finds_nothing();
    assert_total(1200, 12000);
}

static void it_works_where_the_loop_computes(void **state)
{
    (void)state;
    mr_offload_close(offload);
    mr_offload_destroy(&offload);
    open_offload(MR_OFFLOAD_NONE);
    plant_all();
    flip(ids[5], ".9", 1);
    assert_finds(MR_STORE_DAMAGED_PAYLOAD);
    assert_total(6, PLANTED_BYTES);
}

/* ---- damage ---- */

static void a_flipped_byte_is_found(void **state)
{
    (void)state;
    plant_all();
    flip(ids[4], ".2", 5000);
    assert_finds(MR_STORE_DAMAGED_PAYLOAD);
    assert_true(is_file(ids[4], ".meta"));
    assert_int_equal(atomic_load(&rig.numbers->damaged), 1);
    flip(ids[4], ".2", 5000);
    flip(ids[2], ".meta", 20000); /* an inline payload */
    assert_finds(MR_STORE_DAMAGED_META);
    assert_total(6, PLANTED_BYTES - 32768); /* what it has is not known */
    flip(ids[2], ".meta", 20000);
    assert_finds_nothing();
    assert_total(6, PLANTED_BYTES);
}

static void a_segment_of_another_length_is_found(void **state)
{
    (void)state;
    plant_all();
    cut_file(ids[3], ".1", CUT - 1);
    assert_finds(MR_STORE_DAMAGED_PAYLOAD);
    cut_file(ids[3], ".1", CUT + 1);
    assert_finds(MR_STORE_DAMAGED_PAYLOAD);
    assert_int_equal(rig_count("damaged 2>/dev/null"), 0);
    assert_total(6, PLANTED_BYTES);
}

static void a_meta_that_is_none_is_found(void **state)
{
    (void)state;
    plant_all();
    cut_file(ids[1], ".meta", 0);
    assert_finds(MR_STORE_DAMAGED_META);
    assert_true(is_file(ids[1], ".meta"));
}

static void an_object_without_a_segment_is_set_aside(void **state)
{
    (void)state;
    struct download download;
    plant_all();
    assert_finds_nothing();
    assert_int_equal(download_open(&download, ids[4]), MR_OK);
    download_close(&download);
    remove_file(ids[4], ".2");
    assert_finds(MR_STORE_MISSING_SEGMENT);
    assert_total(5, PLANTED_BYTES - (3 * CUT + 1));
    assert_false(is_file(ids[4], ".meta") || is_file(ids[4], ".1") || is_file(ids[4], ".3"));
    assert_true(is_aside(ids[4], ".meta") && is_aside(ids[4], ".1") && is_aside(ids[4], ".3"));
    assert_int_equal(download_open(&download, ids[4]), MR_ENOTFOUND);
    assert_finds_nothing(); /* once is enough */
    rig_restart();
    assert_true(is_aside(ids[4], ".meta"));
    assert_finds_nothing();
}

/* Nothing that was set aside before is replaced. */
static void an_object_that_cannot_be_set_aside_stays(void **state)
{
    (void)state;
    char path[160];
    plant_all();
    snprintf(path, sizeof(path), "%s/damaged", rig.data);
    put_file(path, "x", 1);
    remove_file(ids[4], ".2");
    assert_finds(MR_STORE_MISSING_SEGMENT);
    assert_true(is_file(ids[4], ".meta") && is_file(ids[4], ".1") && is_file(ids[4], ".3"));
}

static void the_lines_of_a_walk_are_bounded(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1], log[128];
    snprintf(log, sizeof(log), "%s/log", rig.place.path);
    for (unsigned i = 0; i < 2 * MR_SCRUB_LINES_MAX; i++) {
        plant(id, 'A', i, 10);
        flip(id, ".meta", 30);
    }
    assert_int_equal(mr_log_open(MR_LOG_WARN, MR_LOG_LOGFMT, log), 0);
    scrub_once();
    mr_log_stop();
    rig_be_quiet();
    assert_int_equal(found(MR_STORE_DAMAGED_META), 2 * MR_SCRUB_LINES_MAX);
    assert_int_equal(rig_count("../log -exec grep kind=meta {} +"), MR_SCRUB_LINES_MAX);
    assert_int_equal(rig_count("../log -exec grep findings=200 {} +"), 1);
}

/* ---- strays ---- */

static void an_old_segment_without_an_object_is_removed(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1], fresh[MR_ULID_LEN + 1];
    plant_all();
    plant_segment(id, 7);
    plant_segment(fresh, 8);
    make_old(id, ".1");
    assert_finds(MR_STORE_STRAY_SEGMENT);
    assert_false(is_file(id, ".1"));
    assert_true(is_file(fresh, ".1"));
    assert_int_equal(atomic_load(&rig.numbers->debris_removed), 1);
    assert_int_equal(atomic_load(&rig.numbers->damaged), 0);
    assert_total(6, PLANTED_BYTES);
}

static void a_segment_of_something_under_way_is_kept(void **state)
{
    (void)state;
    char id[MR_ULID_LEN + 1], path[160];
    static const char *const under_way[] = {"meta.p0", "meta.p63", "gone.p5", "2.p1"};
    plant_segment(id, 7);
    make_old(id, ".1");
    for (size_t i = 0; i < MR_ARRAY_SIZE(under_way); i++) {
        snprintf(path, sizeof(path), "%s/uploads/%s.%s", rig.data, id, under_way[i]);
        put_file(path, "x", 1);
        assert_finds_nothing();
        assert_true(is_file(id, ".1"));
        assert_int_equal(unlink(path), 0);
    }
    assert_finds(MR_STORE_STRAY_SEGMENT);
    assert_false(is_file(id, ".1"));
}

static void a_segment_whose_meta_is_damaged_or_set_aside_is_kept(void **state)
{
    (void)state;
    char path[160], to[160];
    plant_all();
    make_old(ids[3], ".1");
    flip(ids[3], ".meta", 30);
    assert_finds(MR_STORE_DAMAGED_META);
    assert_true(is_file(ids[3], ".1"));
    object_file(path, ids[3], ".meta");
    snprintf(to, sizeof(to), "%s/damaged", rig.data);
    assert_int_equal(mkdir(to, 0700), 0);
    snprintf(to, sizeof(to), "%s/damaged/%s.meta", rig.data, ids[3]);
    assert_int_equal(rename(path, to), 0);
    assert_finds_nothing();
    assert_true(is_file(ids[3], ".1"));
}

/* A commit that is as slow as can be: its segment is old and at its place, its meta is still in uploads/, and moves
 * from there to its place at the nth call that the scrub makes. */
static struct {
    struct mr_disk_calls before;
    _Atomic unsigned made;
    unsigned at;
    char from[160], to[160];
} slow;

static void commit_if_due(void)
{
    if (atomic_fetch_add(&slow.made, 1) + 1 == slow.at)
        assert_int_equal(rename(slow.from, slow.to), 0);
}

static int slow_openat2(int directory, const char *path, const struct open_how *how)
{
    commit_if_due();
    return slow.before.openat2(directory, path, how);
}

static ssize_t slow_getdents64(int directory, void *bytes, size_t len)
{
    commit_if_due();
    ssize_t got = slow.before.getdents64(directory, bytes, len);
    commit_if_due();
    return got;
}

static int slow_unlinkat(int directory, const char *path, int flags)
{
    commit_if_due();
    return slow.before.unlinkat(directory, path, flags);
}

static int slow_fsync(int fd)
{
    commit_if_due();
    return slow.before.fsync(fd);
}

static void a_commit_at_any_moment_of_the_walk_keeps_its_segment(void **state)
{
    (void)state;
    unsigned moments = 0;
    for (bool is_over = false; !is_over; moments++) {
        plant(ids[0], 'A', moments, CUT);
        make_old(ids[0], ".1");
        object_file(slow.to, ids[0], ".meta");
        snprintf(slow.from, sizeof(slow.from), "%s/uploads/%s.meta.p0", rig.data, ids[0]);
        assert_int_equal(rename(slow.to, slow.from), 0);
        slow.before = mr_disk_calls;
        slow.at = moments + 1;
        atomic_store(&slow.made, 0);
        mr_disk_calls.openat2 = slow_openat2;
        mr_disk_calls.getdents64 = slow_getdents64;
        mr_disk_calls.unlinkat = slow_unlinkat;
        mr_disk_calls.fsync = slow_fsync;
        scrub_once();
        mr_disk_calls = slow.before;
        is_over = atomic_load(&slow.made) < slow.at;
        if (is_over)
            assert_int_equal(rename(slow.from, slow.to), 0);
        assert_int_equal(rig_check(ids[0], moments, CUT), MR_OK);
        assert_int_equal(rig_delete(ids[0]), MR_OK);
    }
    assert_int_equal(found_in_all(), 0);
    assert_true(moments > 10);
}

/* ---- what changes meanwhile ---- */

/* Others have its lock: nothing is said before they give it back. */
static void what_is_locked_is_looked_at_later(void **state)
{
    (void)state;
    struct mr_disk_failure failure;
    int locks;
    plant_all();
    flip(ids[1], ".meta", 30);
    assert_int_equal(mr_locks_open(&locks, rig.home, &failure), MR_OK);
    assert_int_equal(mr_locks_take(locks, ids[1], false, &failure), MR_OK);
    start_scrub(FAST, NEVER / 2);
    for (int i = 0; i < 20; i++)
        rig_turn();
    assert_int_equal(found_in_all(), 0);
    assert_int_equal(walks(), 0);
    remove_file(ids[1], ".meta"); /* it was a delete */
    mr_locks_release(locks, ids[1]);
    rig_turn_until(walks() > 0);
    close(locks);
    assert_int_equal(found_in_all(), 0);
    stop_scrub();
    assert_total(5, PLANTED_BYTES - 100);
}

/* Uploads, changes and deletes as fast as they go, while one walk follows the other: nothing is found, and what is
 * counted is right whenever the store rests. */
static void uploads_and_deletes_are_no_findings_and_are_counted(void **state)
{
    (void)state;
    static const size_t sizes[] = {10, 40000, 3000, 300000};
    char mine[4][MR_ULID_LEN + 1] = {""};
    struct changed changed;
    uint64_t objects = 6, bytes = PLANTED_BYTES;
    plant_all();
    start_scrub(FAST, 1);
    rig_turn_until(walks() > 0);
    for (unsigned round = 0; walks() < 30 || round < 60; round++) {
        unsigned i = round % 4;
        if (mine[i][0] != '\0' && round % 3 != 0) {
            assert_int_equal(rig_delete_beside(mine[i]), MR_OK);
            mine[i][0] = '\0';
            objects--;
            bytes -= sizes[i];
        } else if (mine[i][0] == '\0') {
            assert_int_equal(rig_put_beside(mine[i], round, sizes[i], "a"), MR_OK);
            objects++;
            bytes += sizes[i];
        } else {
            assert_int_equal(rig_rename(mine[i], 0, "b", &changed), MR_OK);
        }
        assert_total(objects, bytes);
    }
    stop_scrub();
    assert_int_equal(found_in_all(), 0);
    assert_total(objects, bytes);
    scrub_once();
    assert_total(objects, bytes);
    assert_int_equal(atomic_load(&rig.numbers->damaged), 0);
}

/* ---- a disk that fails ---- */

/* One walk, or a part of it, in which that call fails (and all after it). Returns how many did. */
static unsigned scrub_with_failure(unsigned at, int error_number, bool goes_on)
{
    uint64_t before = walks();
    atomic_store(&rig.home->shared->scrub_due, 0);
    start_scrub(FAST, NEVER / 2);
    calls_begin();
    calls_arm(at, error_number, goes_on);
    for (int i = 0; (!goes_on || i < 30) && walks() == before; i++)
        rig_turn();
    rig_rest();
    unsigned struck = calls.struck;
    calls_end();
    stop_scrub();
    return struck;
}

/* At each call in turn: it may be said that something cannot be read, but nothing is moved or removed.
 */
static void a_disk_that_fails_costs_nothing(void **state)
{
    (void)state;
    static const int errors[] = {EIO, EMFILE};
    plant_all();
    for (size_t error = 0; error < MR_ARRAY_SIZE(errors); error++) {
        for (unsigned at = 1, struck = 1; struck > 0; at += errors[error] == EMFILE ? 7 : 1) {
            struck = scrub_with_failure(at, errors[error], false);
            if (errors[error] == EMFILE)
                assert_int_equal(found_in_all(), 0);
        }
        for (int i = 0; i < MR_STORE_FINDINGS; i++)
            atomic_store(&rig.numbers->findings[i], 0);
    }
    assert_int_equal(rig_count("objects -name '01*.*'"), 6 + 1 + 4 + 9);
    assert_int_equal(rig_count("damaged 2>/dev/null"), 0);
    assert_int_equal(atomic_load(&rig.numbers->debris_removed), 0);
    assert_finds_nothing();
    assert_total(6, PLANTED_BYTES);
}

/* The moves of an object that is set aside: whatever fails, what is left of it is in one of the two places, and the
 * next walks bring it all to the other. */
static void what_is_set_aside_is_never_lost(void **state)
{
    (void)state;
    unsigned at = 1;
    for (unsigned struck = 1; struck > 0; at++) {
        plant(ids[0], 'A', at, 3 * CUT);
        make_old(ids[0], ".1");
        make_old(ids[0], ".3");
        remove_file(ids[0], ".2");
        struck = scrub_with_failure(at, EIO, true);
        scrub_once();
        scrub_once();
        assert_true(is_aside(ids[0], ".meta") && is_aside(ids[0], ".1") && is_aside(ids[0], ".3"));
        assert_false(is_file(ids[0], ".meta") || is_file(ids[0], ".1") || is_file(ids[0], ".3"));
    }
    assert_int_equal(atomic_load(&rig.numbers->debris_removed), 0);
    assert_true(at > 10);
}

/* ---- its bounds ---- */

static void it_waits_while_memory_is_short(void **state)
{
    (void)state;
    plant_all();
    assert_true(mr_budget_try_take(&rig.memory, 40 * MR_MIB));
    start_scrub(FAST, NEVER / 2);
    for (int i = 0; i < 5; i++)
        rig_turn();
    assert_int_equal(atomic_load(&rig.numbers->scrub_bytes), 0);
    assert_int_equal(mr_budget_used(&rig.memory), 40 * MR_MIB);
    mr_budget_give_back(&rig.memory, 40 * MR_MIB);
    rig_turn_until(walks() == 1);
    rig_rest(); /* it is counted before its last step is over */
    assert_int_equal(mr_budget_used(&rig.memory), 0);
    stop_scrub();
    assert_int_equal(found_in_all(), 0);
}

static atomic_bool is_released;
static unsigned returned;

static void work_until_released(struct mr_job *job)
{
    (void)job;
    while (!atomic_load(&is_released))
        usleep(1000);
}

static void on_returned(struct mr_job *job)
{
    (void)job;
    returned++;
}

/* Both workers are busy, and more than half of the lane is full: a request would still find a place in it. */
static void it_leaves_the_lane_to_requests(void **state)
{
    (void)state;
    struct mr_job jobs[2 + 10];
    atomic_store(&is_released, false);
    returned = 0;
    plant_all();
    for (size_t i = 0; i < MR_ARRAY_SIZE(jobs); i++) {
        jobs[i] =
            (struct mr_job){.work = work_until_released, .done = on_returned, .loop = rig_loop, .lane = MR_LANE_BULK};
        assert_int_equal(mr_offload_submit(offload, &jobs[i]), MR_OK);
    }
    while (mr_offload_depth(offload, MR_LANE_BULK) != 10)
        usleep(1000);
    start_scrub(FAST, NEVER / 2);
    for (int i = 0; i < 10; i++)
        rig_turn();
    assert_int_equal(mr_offload_depth(offload, MR_LANE_BULK), 10);
    assert_int_equal(walks(), 0);
    atomic_store(&is_released, true);
    rig_turn_until(walks() == 1 && returned == MR_ARRAY_SIZE(jobs));
    stop_scrub();
    assert_int_equal(found_in_all(), 0);
    assert_total(6, PLANTED_BYTES);
}

static unsigned open_files(void)
{
    unsigned count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

/* After each number of turns, until the walk is over before it is stopped. What is taken over is not read once more. */
static void it_stops_at_any_moment_and_another_goes_on(void **state)
{
    (void)state;
    unsigned files = open_files(), most = 0;
    plant_all();
    for (unsigned rounds = 0; walks() < 3; rounds++) {
        start_scrub(FAST, 1);
        for (unsigned turn = 0; turn < rounds && walks() < 3; turn++)
            rig_turn();
        most = MR_MAX(most, rounds);
        stop_scrub();
        assert_int_equal(open_files(), files);
        assert_int_equal(mr_budget_used(&rig.memory), 0);
    }
    assert_true(most > 5);
    assert_int_equal(found_in_all(), 0);
    assert_total(6, PLANTED_BYTES);
}

static void a_slow_walk_stops_at_once(void **state)
{
    (void)state;
    plant_all();
    start_scrub(1, 0); /* its first wait is of hours */
    rig_turn_until(atomic_load(&rig.numbers->scrub_bytes) > 0);
    rig_rest();
    uint64_t read = atomic_load(&rig.numbers->scrub_bytes);
    assert_true(read <= MR_SCRUB_CHUNK_MAX);
    assert_int_equal(mr_budget_used(&rig.memory), 0);
    stop_scrub();
    assert_int_equal(atomic_load(&rig.numbers->scrub_bytes), read);
}

static void the_next_walk_comes_after_a_pause(void **state)
{
    (void)state;
    plant_all();
    start_scrub(FAST, 1);
    rig_turn_until(walks() == 3);
    stop_scrub();
    atomic_store(&rig.home->shared->scrub_due, mr_clock_now() + NEVER / 4);
    uint64_t read = atomic_load(&rig.numbers->scrub_bytes);
    start_scrub(FAST, 1); /* of a process that replaces a dead one */
    assert_int_equal(mr_loop_requests(rig_loop), 0);
    uv_run(mr_loop_uv(rig_loop), UV_RUN_NOWAIT);
    assert_int_equal(mr_loop_requests(rig_loop), 0);
    stop_scrub();
    assert_int_equal(atomic_load(&rig.numbers->scrub_bytes), read);
    assert_int_equal(walks(), 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_whole_is_no_finding_and_is_counted),
        TEST(an_empty_store_has_no_objects),
        TEST(names_of_others_are_left_alone),
        TEST(a_directory_with_many_names_is_counted),
        TEST(it_works_where_the_loop_computes),
        TEST(a_flipped_byte_is_found),
        TEST(a_segment_of_another_length_is_found),
        TEST(a_meta_that_is_none_is_found),
        TEST(an_object_without_a_segment_is_set_aside),
        TEST(an_object_that_cannot_be_set_aside_stays),
        TEST(the_lines_of_a_walk_are_bounded),
        TEST(an_old_segment_without_an_object_is_removed),
        TEST(a_segment_of_something_under_way_is_kept),
        TEST(a_segment_whose_meta_is_damaged_or_set_aside_is_kept),
        TEST(a_commit_at_any_moment_of_the_walk_keeps_its_segment),
        TEST(what_is_locked_is_looked_at_later),
        TEST(uploads_and_deletes_are_no_findings_and_are_counted),
        TEST(a_disk_that_fails_costs_nothing),
        TEST(what_is_set_aside_is_never_lost),
        TEST(it_waits_while_memory_is_short),
        TEST(it_leaves_the_lane_to_requests),
        TEST(it_stops_at_any_moment_and_another_goes_on),
        TEST(a_slow_walk_stops_at_once),
        TEST(the_next_walk_comes_after_a_pause),
    };
    rig_be_quiet();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
