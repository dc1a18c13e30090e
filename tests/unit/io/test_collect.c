#include "io/collect.h"

#include "base/macros.h"
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "faults.h"

#define MEMORY_MAX (256 * MR_KIB)
#define READ_SIZE  (64 * MR_KIB)

/* A collector on a loop, with the sender that feeds it and the owner that hears of it. */
struct bench {
    struct mr_loop *loop;
    struct mr_stream stream;
    struct mr_budget budget, disk;
    struct mr_collect *collect;
    char *body; /* what is sent */
    size_t len, sent;
    unsigned pauses;
    bool cancelled;
    /* heard */
    unsigned firsts, completes, faileds, aborteds;
    size_t first_len;
    int refuse_with; /* what first() answers */
    bool keep;       /* do not destroy the collector when it has failed */
    struct mr_fault fault;
};

static int on_first(void *context, struct mr_slice bytes, struct mr_fault *fault)
{
    struct bench *bench = context;
    bench->firsts++;
    bench->first_len = bytes.len;
    if (bytes.len > 0)
        assert_memory_equal(bytes.at, bench->body, bytes.len);
    return bench->refuse_with == 0 ? MR_OK : mr_fault_set(fault, (enum mr_error)bench->refuse_with, "no");
}

static void on_complete(void *context)
{
    ((struct bench *)context)->completes++;
}

static void on_failed(void *context, const struct mr_fault *why)
{
    struct bench *bench = context;
    bench->faileds++;
    bench->fault = *why;
    assert_true(mr_stream_is_closed(&bench->stream));
    mr_collect_destroy(&bench->collect);
}

static void on_aborted(void *context, const struct mr_fault *why)
{
    struct bench *bench = context;
    (void)why;
    bench->aborteds++;
    mr_collect_destroy(&bench->collect);
}

static const struct mr_collect_events events = {
    .first = on_first, .complete = on_complete, .failed = on_failed, .aborted = on_aborted};

/* Send reads until the receiver pauses, then the rest of a read in small pieces: as far as a sender may go. */
static void send_some(struct bench *bench)
{
    while (bench->sent < bench->len && !mr_stream_is_closed(&bench->stream)) {
        size_t len = MR_MIN(READ_SIZE, bench->len - bench->sent);
        enum mr_flow flow = mr_stream_push(&bench->stream, bench->body + bench->sent, len);
        bench->sent += len;
        if (flow == MR_FLOW_MORE)
            continue;
        if (bench->cancelled)
            return;
        bench->pauses++;
        for (size_t rest = READ_SIZE; rest > 0 && bench->sent < bench->len; rest -= READ_SIZE / 4) {
            size_t part = MR_MIN(READ_SIZE / 4, bench->len - bench->sent);
            mr_stream_push(&bench->stream, bench->body + bench->sent, part);
            bench->sent += part;
        }
        return;
    }
    mr_stream_end(&bench->stream);
}

static void on_resume(void *context)
{
    send_some(context);
}

static void on_cancel(void *context, const struct mr_fault *why)
{
    struct bench *bench = context;
    assert_true(why->error < 0);
    bench->cancelled = true;
}

static const struct mr_stream_sender sender = {.resume = on_resume, .cancel = on_cancel};

static struct bench *open_bench(size_t len, uint64_t budget)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    assert_int_equal(mr_loop_create(&bench->loop, 0), MR_OK);
    mr_budget_init(&bench->budget, budget);
    mr_budget_init(&bench->disk, 0);
    bench->len = len;
    bench->body = malloc(len + 1);
    for (size_t i = 0; i < len; i++)
        bench->body[i] = (char)(i * 2654435761u >> 13);
    return bench;
}

static int create(struct bench *bench, uint64_t announced)
{
    return mr_collect_create(&bench->collect,
                             &(struct mr_collect_config){.loop = bench->loop,
                                                         .stream = &bench->stream,
                                                         .budget = &bench->budget,
                                                         .disk = &bench->disk,
                                                         .memory_max = MEMORY_MAX,
                                                         .length = announced,
                                                         .events = &events,
                                                         .context = bench},
                             &bench->fault);
}

static void attach(struct bench *bench)
{
    mr_stream_attach_receiver(&bench->stream, &mr_collect_receiver, bench->collect);
    mr_stream_attach_sender(&bench->stream, &sender, bench);
}

static bool is_over(const struct bench *bench)
{
    return bench->completes + bench->faileds + bench->aborteds > 0;
}

static void collect_all(struct bench *bench, uint64_t announced)
{
    assert_int_equal(create(bench, announced), MR_OK);
    attach(bench);
    send_some(bench);
    while (!is_over(bench))
        uv_run(mr_loop_uv(bench->loop), UV_RUN_ONCE);
}

/* Nothing may be left when the loop has done what was under way. */
static void close_bench(struct bench *bench)
{
    mr_collect_destroy(&bench->collect);
    mr_loop_destroy(&bench->loop);
    assert_int_equal(mr_budget_used(&bench->budget), 0);
    assert_int_equal(mr_budget_used(&bench->disk), 0);
    free(bench->body);
    free(bench);
}

static void assert_collected(struct bench *bench)
{
    struct mr_slice bytes;
    assert_int_equal(bench->completes, 1);
    assert_int_equal(bench->firsts, 1);
    assert_int_equal(mr_collect_length(bench->collect), bench->len);
    assert_int_equal(mr_collect_map(bench->collect, &bytes), MR_OK);
    assert_int_equal(bytes.len, bench->len);
    if (bytes.len > 0)
        assert_memory_equal(bytes.at, bench->body, bench->len);
}

static void body_that_fits_stays_in_memory(void **state)
{
    (void)state;
    static const size_t lengths[] = {1, 63, 64, 65, READ_SIZE, READ_SIZE + 1, MEMORY_MAX - 1};
    for (size_t i = 0; i < 2 * MR_ARRAY_SIZE(lengths); i++) {
        size_t len = lengths[i / 2];
        struct bench *bench = open_bench(len, 2 * MEMORY_MAX);
        collect_all(bench, i % 2 == 0 ? len : MR_COLLECT_UNKNOWN);
        assert_collected(bench);
        assert_true(mr_collect_in_memory(bench->collect));
        assert_int_equal(bench->pauses, 0);
        assert_int_equal(bench->first_len, MR_MIN(len, (size_t)MR_COLLECT_FIRST));
        close_bench(bench);
    }
}

static void budget_is_taken_as_the_bytes_of_an_announced_body_come(void **state)
{
    (void)state;
    struct bench *bench = open_bench(MEMORY_MAX, 2 * MEMORY_MAX);
    assert_int_equal(create(bench, MEMORY_MAX), MR_OK);
    assert_int_equal(mr_budget_used(&bench->budget), 0);
    attach(bench);
    mr_stream_push(&bench->stream, bench->body, 100);
    assert_in_range(mr_budget_used(&bench->budget), 100, 16 * MR_KIB);
    close_bench(bench);
}

static void empty_body_is_complete_with_nothing_in_it(void **state)
{
    (void)state;
    struct bench *bench = open_bench(0, MEMORY_MAX);
    collect_all(bench, 0);
    assert_collected(bench);
    assert_int_equal(bench->first_len, 0);
    close_bench(bench);
}

static void bytes_read_into_the_given_space_are_not_copied(void **state)
{
    (void)state;
    struct bench *bench = open_bench(100000, MEMORY_MAX);
    assert_int_equal(create(bench, bench->len), MR_OK);
    attach(bench);
    size_t room = 1;
    char *space = mr_stream_space(&bench->stream, &room);
    assert_non_null(space);
    assert_int_equal(room, bench->len);
    memcpy(space, bench->body, 70000);
    assert_int_equal(mr_stream_push(&bench->stream, space, 70000), MR_FLOW_MORE);
    room = 1;
    assert_ptr_equal(mr_stream_space(&bench->stream, &room), space + 70000);
    assert_int_equal(room, 30000);
    memcpy(space + 70000, bench->body + 70000, 30000);
    mr_stream_push(&bench->stream, space + 70000, 30000);
    room = 1;
    assert_null(mr_stream_space(&bench->stream, &room)); /* it is full */
    mr_stream_end(&bench->stream);
    assert_collected(bench);
    struct mr_slice bytes;
    mr_collect_map(bench->collect, &bytes);
    assert_ptr_equal(bytes.at, space);
    close_bench(bench);
}

static void larger_body_goes_to_a_file_and_comes_back_whole(void **state)
{
    (void)state;
    static const size_t lengths[] = {MEMORY_MAX + 1, MR_MIB, 5 * MR_MIB + 12345};
    for (size_t i = 0; i < 2 * MR_ARRAY_SIZE(lengths); i++) {
        size_t len = lengths[i / 2];
        struct bench *bench = open_bench(len, 8 * MR_MIB);
        collect_all(bench, i % 2 == 0 ? len : MR_COLLECT_UNKNOWN);
        assert_collected(bench);
        assert_false(mr_collect_in_memory(bench->collect));
        assert_int_equal(mr_budget_used(&bench->budget), 0);
        close_bench(bench);
    }
}

static void memory_of_a_large_body_is_bounded(void **state)
{
    (void)state;
    struct bench *bench = open_bench(20 * MR_MIB, MR_MIB);
    collect_all(bench, bench->len);
    assert_collected(bench);
    assert_false(mr_collect_in_memory(bench->collect));
    close_bench(bench);
}

static void sender_is_paused_while_the_file_is_behind(void **state)
{
    (void)state;
    struct bench *bench = open_bench(20 * MR_MIB, 8 * MR_MIB);
    assert_int_equal(create(bench, bench->len), MR_OK);
    attach(bench);
    send_some(bench); /* no turn of the loop yet: the first write cannot have come back */
    assert_int_equal(bench->pauses, 1);
    assert_true(bench->sent < 3 * (MEMORY_MAX + READ_SIZE));
    while (!is_over(bench))
        uv_run(mr_loop_uv(bench->loop), UV_RUN_ONCE);
    assert_collected(bench);
    close_bench(bench);
}

static void nothing_is_left_in_the_temporary_directory(void **state)
{
    (void)state;
    char directory[] = "/tmp/mr-collect-XXXXXX";
    assert_non_null(mkdtemp(directory));
    setenv("TMPDIR", directory, 1);
    struct bench *bench = open_bench(3 * MR_MIB, 8 * MR_MIB);
    collect_all(bench, bench->len);
    assert_collected(bench);
    DIR *listing = opendir(directory);
    unsigned names = 0;
    for (const struct dirent *entry; (entry = readdir(listing)) != NULL;)
        names += entry->d_name[0] != '.';
    closedir(listing);
    assert_int_equal(names, 0);
    close_bench(bench);
    unsetenv("TMPDIR");
    rmdir(directory);
}

static void file_that_cannot_be_made_fails_the_body(void **state)
{
    (void)state;
    setenv("TMPDIR", "/nonexistent/directory", 1);
    struct bench *bench = open_bench(3 * MR_MIB, 8 * MR_MIB);
    collect_all(bench, bench->len);
    unsetenv("TMPDIR");
    assert_int_equal(bench->faileds, 1);
    assert_int_equal(bench->fault.error, MR_EIO);
    assert_true(bench->cancelled);
    close_bench(bench);
}

static void full_disk_fails_the_body_by_its_name(void **state)
{
    (void)state;
    static const struct {
        int number;
        enum mr_error error;
        const char *name;
    } cases[] = {{ENOSPC, MR_ENOSPACE, "(ENOSPC)"}, {EDQUOT, MR_ENOSPACE, "(EDQUOT)"}, {EIO, MR_EIO, "(EIO)"}};
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
        struct bench *bench = open_bench(2 * MR_MIB, 0);
        faults_begin();
        faults.error_number = cases[i].number;
        atomic_store(&faults.after, 2); /* it is opened, and a piece is written */
        collect_all(bench, bench->len);
        assert_int_equal(bench->faileds, 1);
        assert_int_equal(bench->fault.error, cases[i].error);
        assert_non_null(strstr(bench->fault.detail, "write: "));
        assert_non_null(strstr(bench->fault.detail, cases[i].name));
        close_bench(bench); /* which also closes the file */
        faults_end();
    }
}

static void file_is_taken_from_the_disk_budget_while_it_is_there(void **state)
{
    (void)state;
    struct bench *bench = open_bench(MR_MIB, 0);
    mr_budget_init(&bench->disk, MR_MIB);
    collect_all(bench, MR_COLLECT_UNKNOWN);
    assert_collected(bench);
    assert_int_equal(mr_budget_used(&bench->disk), MR_MIB);
    mr_collect_discard(bench->collect);
    assert_int_equal(mr_budget_used(&bench->disk), 0);
    close_bench(bench);
}

static void body_beyond_the_disk_budget_fails_with_both_numbers(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) { /* in the middle; at the end */
        uint64_t limit = i == 0 ? MR_MIB : 2 * MR_MIB - 1;
        struct bench *bench = open_bench(2 * MR_MIB, 0);
        mr_budget_init(&bench->disk, limit);
        collect_all(bench, i == 0 ? bench->len : MR_COLLECT_UNKNOWN);
        assert_int_equal(bench->faileds, 1);
        assert_int_equal(bench->fault.error, MR_EDISK);
        assert_string_equal(bench->fault.limit_name, "disk-budget");
        assert_int_equal(bench->fault.limit, limit);
        assert_in_range(bench->fault.value, limit + 1, 2 * MR_MIB);
        close_bench(bench);
    }
}

static void bytes_that_are_refused_end_the_body_at_once(void **state)
{
    (void)state;
    struct bench *bench = open_bench(200000, MEMORY_MAX);
    bench->refuse_with = MR_ENOTIMAGE;
    collect_all(bench, bench->len);
    assert_int_equal(bench->faileds, 1);
    assert_int_equal(bench->fault.error, MR_ENOTIMAGE);
    assert_true(bench->cancelled);
    assert_int_equal(bench->sent, READ_SIZE);
    assert_null(bench->collect);
    close_bench(bench);
}

static void short_body_is_shown_at_its_end(void **state)
{
    (void)state;
    struct bench *bench = open_bench(10, MEMORY_MAX);
    bench->refuse_with = MR_ENOTIMAGE;
    assert_int_equal(create(bench, bench->len), MR_OK);
    attach(bench);
    mr_stream_push(&bench->stream, bench->body, 10);
    assert_int_equal(bench->firsts, 0);
    mr_stream_end(&bench->stream);
    assert_int_equal(bench->firsts, 1);
    assert_int_equal(bench->faileds, 1);
    close_bench(bench);
}

static void announced_body_without_room_in_the_budget_is_refused_before_it_comes(void **state)
{
    (void)state;
    struct bench *bench = open_bench(MEMORY_MAX, MEMORY_MAX - 1);
    assert_int_equal(create(bench, bench->len), MR_EBUDGET);
    assert_int_equal(bench->fault.error, MR_EBUDGET);
    assert_string_equal(bench->fault.limit_name, "memory-budget");
    assert_null(bench->collect);
    assert_int_equal(mr_budget_used(&bench->budget), 0);
    close_bench(bench);
}

static void budget_that_fills_up_in_mid_body_fails_it(void **state)
{
    (void)state;
    struct bench *bench = open_bench(3 * MR_MIB, MEMORY_MAX + 2 * READ_SIZE);
    collect_all(bench, MR_COLLECT_UNKNOWN); /* the file's first piece does not fit beside the one being written */
    assert_int_equal(bench->faileds, 1);
    assert_int_equal(bench->fault.error, MR_EBUDGET);
    assert_true(bench->cancelled);
    close_bench(bench);
}

static void budget_of_an_unannounced_body_follows_its_bytes(void **state)
{
    (void)state;
    struct bench *bench = open_bench(MEMORY_MAX - 1, 4 * MR_MIB);
    assert_int_equal(create(bench, MR_COLLECT_UNKNOWN), MR_OK);
    attach(bench);
    assert_int_equal(mr_budget_used(&bench->budget), 0);
    mr_stream_push(&bench->stream, bench->body, 100);
    assert_in_range(mr_budget_used(&bench->budget), 100, 16 * MR_KIB);
    close_bench(bench);
}

static void abort_of_the_sender_gives_everything_back(void **state)
{
    (void)state;
    static const size_t lengths[] = {1000, 10 * MR_MIB};
    for (size_t i = 0; i < MR_ARRAY_SIZE(lengths); i++) {
        struct bench *bench = open_bench(lengths[i], 8 * MR_MIB);
        struct mr_fault gone = {.error = MR_EGONE};
        assert_int_equal(create(bench, 2 * lengths[i]), MR_OK);
        attach(bench);
        while (bench->sent < bench->len && bench->pauses == 0) {
            size_t len = MR_MIN(READ_SIZE, bench->len - bench->sent);
            bench->pauses += mr_stream_push(&bench->stream, bench->body + bench->sent, len) == MR_FLOW_PAUSE;
            bench->sent += len;
        }
        mr_stream_abort(&bench->stream, &gone); /* with 10 MiB: a write is under way, another piece is full */
        assert_int_equal(bench->aborteds, 1);
        assert_null(bench->collect);
        close_bench(bench);
    }
}

static void destroyed_collector_is_freed_when_its_write_comes_back(void **state)
{
    (void)state;
    struct bench *bench = open_bench(10 * MR_MIB, 8 * MR_MIB);
    assert_int_equal(create(bench, bench->len), MR_OK);
    attach(bench);
    send_some(bench);
    assert_int_equal(bench->pauses, 1);
    assert_true(mr_budget_used(&bench->budget) > 0);
    mr_collect_destroy(&bench->collect);
    close_bench(bench);
}

static void destroyed_while_the_last_piece_is_written(void **state)
{
    (void)state;
    struct bench *bench = open_bench(MEMORY_MAX + 100, 8 * MR_MIB);
    assert_int_equal(create(bench, bench->len), MR_OK);
    attach(bench);
    send_some(bench);
    assert_int_equal(bench->completes, 0); /* flushing */
    mr_collect_destroy(&bench->collect);
    close_bench(bench);
}

static void discard_may_run_on_another_thread(void *context)
{
    struct mr_slice bytes;
    assert_int_equal(mr_collect_map(context, &bytes), MR_OK);
    mr_collect_discard(context);
}

static void discarded_body_gives_back_before_it_is_destroyed(void **state)
{
    (void)state;
    for (size_t len = 1000; len <= 3 * MR_MIB; len = 3 * MR_MIB + (len - 1000)) {
        struct bench *bench = open_bench(len, 8 * MR_MIB);
        uv_thread_t worker;
        collect_all(bench, len);
        uv_thread_create(&worker, discard_may_run_on_another_thread, bench->collect);
        uv_thread_join(&worker);
        assert_int_equal(mr_budget_used(&bench->budget), 0);
        close_bench(bench);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(body_that_fits_stays_in_memory),
        cmocka_unit_test(budget_is_taken_as_the_bytes_of_an_announced_body_come),
        cmocka_unit_test(empty_body_is_complete_with_nothing_in_it),
        cmocka_unit_test(bytes_read_into_the_given_space_are_not_copied),
        cmocka_unit_test(larger_body_goes_to_a_file_and_comes_back_whole),
        cmocka_unit_test(memory_of_a_large_body_is_bounded),
        cmocka_unit_test(sender_is_paused_while_the_file_is_behind),
        cmocka_unit_test(nothing_is_left_in_the_temporary_directory),
        cmocka_unit_test(file_that_cannot_be_made_fails_the_body),
        cmocka_unit_test(full_disk_fails_the_body_by_its_name),
        cmocka_unit_test(file_is_taken_from_the_disk_budget_while_it_is_there),
        cmocka_unit_test(body_beyond_the_disk_budget_fails_with_both_numbers),
        cmocka_unit_test(bytes_that_are_refused_end_the_body_at_once),
        cmocka_unit_test(short_body_is_shown_at_its_end),
        cmocka_unit_test(announced_body_without_room_in_the_budget_is_refused_before_it_comes),
        cmocka_unit_test(budget_that_fills_up_in_mid_body_fails_it),
        cmocka_unit_test(budget_of_an_unannounced_body_follows_its_bytes),
        cmocka_unit_test(abort_of_the_sender_gives_everything_back),
        cmocka_unit_test(destroyed_collector_is_freed_when_its_write_comes_back),
        cmocka_unit_test(destroyed_while_the_last_piece_is_written),
        cmocka_unit_test(discarded_body_gives_back_before_it_is_destroyed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
