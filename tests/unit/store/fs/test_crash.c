/* A process that writes, changes and deletes is killed at a random moment; then everything that it acknowledged is
 * there. Whoever has a store is a child process, so that the test has no threads of its own. */
#include "rig.h"
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ROUNDS 5 /* what a round finds needs no sanitizer */
#else
#define ROUNDS 20
#endif
#define PLACES  400 /* objects of a round */
#define AT_ONCE 12
#define LARGEST (200 * MR_KIB)

/* Of one object: what was begun and what was acknowledged, by a process that may die at any moment. */
struct record {
    char id[MR_ULID_LEN + 1];
    uint64_t size;
    _Atomic bool is_written, delete_begun, is_deleted;
    _Atomic uint64_t changes_begun, rev;
};

static struct {
    struct record records[PLACES];
    _Atomic unsigned count;
    _Atomic unsigned acknowledged;
} * seen;

static uint32_t random_state;

static uint32_t random_below(uint32_t bound)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)(random_state >> 8) * bound) >> 24);
}

/* ---- what a process does ---- */

struct activity {
    struct upload upload;
    struct record *record;
    uint64_t sent;
    bool is_running;
    bool gives_up; /* leaves in its midst */
};

static struct activity activities[AT_ONCE];

static void on_record_committed(void *context, const struct mr_fault *fault, const struct mr_object *object)
{
    struct activity *activity = context;
    assert_null(fault);
    atomic_store(&activity->record->rev, object->rev);
    atomic_store(&activity->record->is_written, true);
    atomic_fetch_add(&seen->acknowledged, 1);
    mr_store_writer_destroy(&activity->upload.writer);
    activity->is_running = false;
}

static bool begin_upload(struct activity *activity)
{
    unsigned place = atomic_load(&seen->count);
    if (place == PLACES)
        return false;
    struct record *record = &seen->records[place];
    *activity = (struct activity){.record = record, .is_running = true, .gives_up = random_below(8) == 0};
    record->size = random_below(3) == 0 ? random_below(LARGEST) : random_below(3000);
    assert_int_equal(upload_open(&activity->upload, record->size), MR_OK);
    memcpy(record->id, activity->upload.id, sizeof(record->id));
    atomic_store(&seen->count, place + 1);
    return true;
}

static void finish_upload(struct activity *activity)
{
    struct mr_object object;
    mr_object_init(&object);
    mr_store_writer_commit(activity->upload.writer, &object, on_record_committed, activity);
    mr_object_free(&object);
}

/* A part of it, as far as the store takes it. */
static void go_on(struct activity *activity)
{
    struct upload *upload = &activity->upload;
    unsigned char bytes[8000];
    if (upload->is_complete) {
        upload->is_complete = false;
        finish_upload(activity);
        return;
    }
    if (upload->is_paused || upload->stream.state == MR_STREAM_CLOSED)
        return;
    if (activity->gives_up && activity->sent * 2 > activity->record->size) {
        mr_store_writer_destroy(&upload->writer);
        activity->is_running = false;
        return;
    }
    size_t part = (size_t)MR_MIN(activity->record->size - activity->sent, sizeof(bytes));
    uint64_t seed = (uint64_t)(activity->record - seen->records);
    rig_fill(bytes, seed, activity->sent, part);
    activity->sent += part;
    if (part == 0)
        mr_stream_end(&upload->stream);
    else
        upload->is_paused = mr_stream_push(&upload->stream, bytes, part) == MR_FLOW_PAUSE;
}

static void on_record_changed(void *context, const struct mr_fault *fault, const struct mr_object *object)
{
    struct record *record = context;
    if (fault != NULL) /* it was deleted meanwhile */
        assert_int_equal(fault->error, MR_ENOTFOUND);
    else if (object->rev > atomic_load(&record->rev))
        atomic_store(&record->rev, object->rev);
    atomic_fetch_add(&seen->acknowledged, 1);
}

static void on_record_deleted(void *context, const struct mr_fault *fault, const struct mr_object *object)
{
    struct record *record = context;
    (void)object;
    if (fault == NULL)
        atomic_store(&record->is_deleted, true);
    atomic_fetch_add(&seen->acknowledged, 1);
}

static int apply_tick(struct mr_object *object, void *context, struct mr_fault *fault)
{
    char name[32];
    (void)context;
    snprintf(name, sizeof(name), "rev %llu", (unsigned long long)object->rev + 1);
    return mr_object_set_name(object, mr_slice_of(name), fault);
}

static void change_or_delete(void)
{
    unsigned count = atomic_load(&seen->count);
    if (count == 0)
        return;
    struct record *record = &seen->records[random_below(count)];
    if (!atomic_load(&record->is_written) || atomic_load(&record->delete_begun))
        return;
    if (random_below(4) == 0) {
        atomic_store(&record->delete_begun, true);
        mr_store_delete(rig.store, rig_loop, mr_slice_of(record->id), on_record_deleted, record);
        return;
    }
    atomic_fetch_add(&record->changes_begun, 1);
    mr_store_change(
        rig.store, rig_loop,
        &(struct mr_store_change){
            .id = mr_slice_of(record->id), .apply = apply_tick, .done = on_record_changed, .context = record});
}

/* Until it is killed. */
_Noreturn static void serve(void)
{
    rig_open_loop();
    rig_start();
    for (;;) {
        for (size_t i = 0; i < AT_ONCE; i++) {
            if (activities[i].is_running)
                go_on(&activities[i]);
            else
                begin_upload(&activities[i]);
        }
        if (random_below(3) == 0)
            change_or_delete();
        uv_run(mr_loop_uv(rig_loop), UV_RUN_NOWAIT);
    }
}

/* ---- what must be there ---- */

static void check_object(const struct record *record, uint64_t seed)
{
    struct download download;
    char name[32];
    uint64_t rev = atomic_load(&record->rev), changes = atomic_load(&record->changes_begun);
    bool is_written = atomic_load(&record->is_written), delete_begun = atomic_load(&record->delete_begun);
    int err = download_open(&download, record->id);
    if (err != MR_OK) {
        assert_int_equal(err, MR_ENOTFOUND);
        assert_true(!is_written || delete_begun);
        return;
    }
    assert_false(atomic_load(&record->is_deleted));
    const struct mr_object *object = mr_store_reader_object(download.reader);
    assert_int_equal(object->size, record->size);
    if (is_written)
        assert_true(object->rev >= rev && object->rev <= 1 + changes);
    snprintf(name, sizeof(name), "rev %llu", (unsigned long long)object->rev);
    assert_string_equal(object->name, object->rev == 1 ? "" : name);
    assert_int_equal(download_read(&download, seed, 0, record->size), MR_OK);
    download_close(&download);
}

/* Each file beside a meta belongs to an object: it has a segment exactly if it is not short. */
static void check_no_debris(void)
{
    assert_int_equal(rig_debris(), 0);
    assert_int_equal(rig_count("objects -type f ! -name '*.meta' ! -name '*.1'"), 0);
    assert_int_equal(rig_count("objects -name '*.1' | sed 's/1$/meta/' | while read f; do test -e $f || echo $f; done"),
                     0);
}

static void check_all(void)
{
    rig_open_loop();
    rig_start();
    for (unsigned i = 0; i < atomic_load(&seen->count); i++)
        check_object(&seen->records[i], i);
    check_no_debris();
    rig_stop();
    rig_close_loop();
}

/* ---- processes ---- */

static pid_t start(void (*what)(void))
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);    /* a test that fails leaves none behind: it would hold the test's output */
        setenv("CMOCKA_TEST_ABORT", "1", 1); /* an assertion must not go on with the tests here */
        what();
        _exit(0);
    }
    return pid;
}

static void wait_for_acknowledged(unsigned count)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    while (atomic_load(&seen->acknowledged) < count)
        nanosleep(&pause, NULL);
}

static void kill_child(pid_t pid)
{
    int status;
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status))
        fail_msg("it ended by itself, with %d", WEXITSTATUS(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void assert_child_is_well(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void what_was_acknowledged_survives_a_kill(void **state)
{
    (void)state;
    const char *rounds = getenv("MILLRACE_CRASH_ROUNDS");
    int count = rounds != NULL ? atoi(rounds) : ROUNDS;
    for (int round = 0; round < count; round++) {
        random_state = (uint32_t)round * 7919u + (uint32_t)time(NULL);
        print_message("round %d, seed %u\n", round, random_state);
        rig_open_place("/tmp");
        memset(seen, 0, sizeof(*seen));
        pid_t server = start(serve);
        wait_for_acknowledged(1 + random_below(150));
        const struct timespec pause = {.tv_nsec = (long)random_below(3000000)};
        nanosleep(&pause, NULL);
        kill_child(server);
        assert_child_is_well(start(check_all));
        rig_close_place();
    }
}

/* ---- several processes ---- */

#define CHANGES 60

static void on_change_counted(void *context, const struct mr_fault *fault, const struct mr_object *object)
{
    unsigned *left = context;
    assert_null(fault);
    assert_non_null(object);
    (*left)--;
    atomic_fetch_add(&seen->acknowledged, 1);
}

/* Some at a time, of the one object that there is. */
static void change_the_one(unsigned process)
{
    unsigned left = CHANGES, begun = 0;
    rig_open_loop();
    rig_start_with(process);
    while (left > 0) {
        while (begun < CHANGES && begun - (CHANGES - left) < 5) {
            begun++;
            mr_store_change(rig.store, rig_loop,
                            &(struct mr_store_change){.id = mr_slice_of(seen->records[0].id),
                                                      .apply = apply_tick,
                                                      .done = on_change_counted,
                                                      .context = &left});
        }
        uv_run(mr_loop_uv(rig_loop), UV_RUN_ONCE);
    }
    rig_rest();
    mr_store_destroy(&rig.store);
    rig_close_loop();
}

static void be_first(void)
{
    change_the_one(0);
}

static void be_second(void)
{
    change_the_one(1);
}

static void put_the_one(void)
{
    rig_open_loop();
    rig_start();
    assert_int_equal(rig_put(seen->records[0].id, 0, 100000, ""), MR_OK);
    rig_stop();
    rig_close_loop();
}

static void check_the_one(void)
{
    struct download download;
    rig_open_loop();
    rig_start();
    assert_int_equal(download_open(&download, seen->records[0].id), MR_OK);
    assert_int_equal(mr_store_reader_object(download.reader)->rev, 1 + 2 * CHANGES);
    download_close(&download);
    check_no_debris();
    rig_stop();
    rig_close_loop();
}

static void two_processes_change_one_object_and_lose_nothing(void **state)
{
    (void)state;
    rig_open_place("/tmp");
    memset(seen, 0, sizeof(*seen));
    assert_child_is_well(start(put_the_one));
    assert_int_equal(rig_open_home(), MR_OK); /* as the supervisor does, before it forks */
    pid_t first = start(be_first), second = start(be_second);
    assert_child_is_well(first);
    assert_child_is_well(second);
    mr_store_home_close(&rig.home);
    assert_int_equal(atomic_load(&seen->acknowledged), 2 * CHANGES);
    assert_child_is_well(start(check_the_one));
    rig_close_place();
}

/* Long uploads, none of which ends. */
_Noreturn static void upload_for_ever(unsigned process)
{
    static struct upload uploads[3];
    rig_open_loop();
    rig_start_with(process);
    for (size_t i = 0; i < MR_ARRAY_SIZE(uploads); i++) {
        assert_int_equal(upload_open(&uploads[i], MR_STORE_UNKNOWN), MR_OK);
        upload_push(&uploads[i], i, 0, 200000, false);
    }
    atomic_fetch_add(&seen->acknowledged, 1);
    for (;;)
        rig_turn();
}

static void upload_as_first(void)
{
    upload_for_ever(0);
}

static void upload_as_second(void)
{
    upload_for_ever(1);
}

/* The files of uploads are made on the pool, some time after the bytes came. */
static void wait_for_files(const char *names, unsigned count)
{
    while (rig_count(names) < count)
        usleep(10000);
    assert_int_equal(rig_count(names), count);
}

static void a_new_process_sweeps_only_what_the_dead_one_left(void **state)
{
    (void)state;
    rig_open_place("/tmp");
    memset(seen, 0, sizeof(*seen));
    assert_int_equal(rig_open_home(), MR_OK);
    pid_t first = start(upload_as_first), second = start(upload_as_second);
    wait_for_acknowledged(2);
    wait_for_files("uploads -name '*.1.p0'", 3);
    wait_for_files("uploads -name '*.1.p1'", 3);
    char one[128], command[256];
    snprintf(command, sizeof(command), "ls %s/uploads/*.1.p1 | head -1", rig.data);
    FILE *list = popen(command, "r");
    assert_int_equal(fscanf(list, "%127s", one), 1);
    pclose(list);
    kill_child(second);
    second = start(upload_as_second);
    wait_for_acknowledged(3);
    wait_for_files("uploads -name '*.1.p0'", 3);
    wait_for_files("uploads -name '*.1.p1'", 3); /* its own new ones */
    assert_int_equal(access(one, F_OK), -1);
    assert_int_equal(atomic_load(&rig.numbers->debris_removed), 3);
    kill_child(first);
    kill_child(second);
    mr_store_home_close(&rig.home);
    assert_child_is_well(start(check_all));
    rig_close_place();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_acknowledged_survives_a_kill),
        cmocka_unit_test(two_processes_change_one_object_and_lose_nothing),
        cmocka_unit_test(a_new_process_sweeps_only_what_the_dead_one_left),
    };
    seen = rig_map(sizeof(*seen));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
