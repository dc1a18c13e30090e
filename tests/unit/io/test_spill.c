#include "io/spill.h"

#include "faults.h"
#include "pipe/rig.h"
#include <signal.h>
#include <sys/resource.h>

#define PUSH     (64 * MR_KIB)
#define PIECE    (256 * MR_KIB) /* that the spill writes at a time */
#define HOLDS    (3 * PIECE)    /* bytes in its memory, about */
#define FILE_MAX (8 * MR_MIB)   /* in its file */
#define FOREVER  100

static struct {
    struct rig *rig;
    struct mr_spill *spill;
    struct mr_budget disk;
    bool is_needed, holds;
} bench;

static bool on_is_needed(void *context)
{
    (void)context;
    return bench.is_needed;
}

/* A spill between both sides of a rig, with `len` bytes to come. */
static struct rig *open_bench(uint32_t seed, size_t len, uint64_t max, uint64_t budget)
{
    struct mr_fault fault;
    struct rig *rig =
        rig_open_with(seed, (struct mr_offload_config){.kind = MR_OFFLOAD_NONE, .queue_depth = 4}, budget);
    bench.rig = rig;
    bench.is_needed = true;
    mr_budget_init(&bench.disk, 0);
    rig->push_max = PUSH / 2; /* and as much again after a pause: a read's worth (stream.h, rule 3) */
    rig->pushes_rest = seed % 2 == 0;
    rig_input(rig, len);
    rig_output(rig, len);
    const struct mr_spill_config config = {.loop = rig->loop,
                                           .budget = &rig->budget,
                                           .disk = &bench.disk,
                                           .in = &rig->in,
                                           .max = max,
                                           .holds = bench.holds,
                                           .is_needed = on_is_needed};
    assert_int_equal(mr_spill_create(&bench.spill, &config, &fault), MR_OK);
    rig_attach(rig, mr_spill_out(bench.spill));
    mr_spill_attach(bench.spill);
    return rig;
}

static void close_bench(void)
{
    struct mr_fault fault;
    mr_fault_set(&fault, MR_EGONE, NULL);
    mr_stream_cancel(bench.rig->out, &fault);
    mr_spill_destroy(&bench.spill);
    while (uv_loop_alive(mr_loop_uv(bench.rig->loop)) && mr_budget_used(&bench.rig->budget) > 0)
        rig_turn(bench.rig); /* the pool closes the file */
    rig_close(bench.rig);
    assert_int_equal(mr_budget_used(&bench.disk), 0);
}

static void assert_output(void)
{
    const struct rig *rig = bench.rig;
    assert_int_equal(rig->aborts + rig->cancels, 0);
    assert_int_equal(rig->ends, 1);
    assert_int_equal(rig->output_len, rig->input_len);
    assert_memory_equal(rig->output, rig->input, rig->input_len);
}

/* Until so much was sent and not received, or there is no more to send. */
static void send_until_stored(struct rig *rig, size_t len)
{
    while (rig->sent - rig->output_len < len && !rig->ended) {
        assert_false(rig_is_over(rig));
        rig_send(rig, 1);
        rig_turn(rig);
    }
}

/* For longer than the spill's patience. */
static void turn_for_a_while(struct rig *rig)
{
    for (uint64_t from = mr_clock_now(); mr_clock_now() < from + MR_SPILL_AFTER_NS + 100 * MR_NS_PER_MS;) {
        rig_send(rig, 4);
        rig_turn(rig);
    }
}

static void bytes_only_pass_through_as_long_as_they_are_taken(void **state)
{
    (void)state;
    struct rig *rig = open_bench(1, 4 * MR_MIB, FILE_MAX, 1); /* with no memory to store anything */
    rig->pause_percent = 50;
    rig_attach_sender(rig);
    rig_run(rig);
    assert_output();
    close_bench();
}

static void what_is_not_taken_for_a_while_is_stored_and_comes_out_in_order(void **state)
{
    (void)state;
    static const size_t lengths[] = {1, PIECE - 1, PIECE, PIECE + 1, 3 * MR_MIB + 5};
    for (uint32_t seed = 0; seed < MR_ARRAY_SIZE(lengths); seed++) {
        struct rig *rig = open_bench(seed, PUSH + lengths[seed], FILE_MAX, 0);
        rig->pause_percent = FOREVER;
        rig_attach_sender(rig);
        while (!rig->ended) { /* all of it was sent, and next to nothing taken */
            rig_send(rig, 4);
            rig_turn(rig);
        }
        assert_true(rig->output_len <= PUSH);
        rig->pause_percent = 30;
        rig_resume(rig);
        rig_run(rig);
        assert_output();
        close_bench();
    }
}

static void receiver_that_comes_and_goes_loses_nothing(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 3; seed++) {
        struct rig *rig = open_bench(seed, 12 * MR_MIB, 16 * MR_MIB, 0); /* the file is never full */
        rig_attach_sender(rig);
        for (unsigned round = 0; round < 3 && !rig_is_over(rig); round++) {
            rig->pause_percent = FOREVER;
            send_until_stored(rig, 1 + rig_random(rig, 2 * MR_MIB));
            rig->pause_percent = 20;
            rig_resume(rig);
            for (unsigned i = rig_random(rig, 200); i > 0 && !rig_is_over(rig); i--)
                rig_step(rig);
        }
        rig_run(rig);
        assert_output();
        close_bench();
    }
}

/* The piece that is filled begins to leave, and then must go to the file after all. */
static void piece_that_has_left_in_part_is_stored_without_that_part(void **state)
{
    (void)state;
    struct rig *rig = open_bench(2, 4 * MR_MIB, FILE_MAX, 0);
    rig->pause_percent = FOREVER;
    rig_attach_sender(rig);
    send_until_stored(rig, PUSH + 100 * MR_KIB);
    size_t before = rig->output_len;
    rig_resume(rig); /* for one push, of less than is there */
    assert_in_range(rig->output_len - before, 1, PUSH);
    send_until_stored(rig, 2 * MR_MIB);
    rig->pause_percent = 0;
    rig_resume(rig);
    rig_run(rig);
    assert_output();
    close_bench();
}

static void full_file_pauses_the_sender_until_there_is_room(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 2; seed++) { /* one pushes on after the pause, as it may */
        struct rig *rig = open_bench(seed, 16 * MR_MIB, 2 * MR_MIB, 0);
        rig->pause_percent = FOREVER;
        rig_attach_sender(rig);
        send_until_stored(rig, 2 * MR_MIB - PIECE);
        rig_settle(rig);
        turn_for_a_while(rig);
        assert_true(rig->paused);
        assert_in_range(rig->sent, 2 * MR_MIB - PIECE, 2 * MR_MIB + HOLDS);
        rig->pause_percent = 10;
        rig_resume(rig);
        rig_run(rig);
        assert_output();
        close_bench();
    }
}

static void nothing_is_stored_when_it_is_not_needed_or_there_is_no_memory(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct rig *rig = open_bench(1, 4 * MR_MIB, i == 0 ? 0 : FILE_MAX, i == 1 ? 1000 : 0);
        bench.is_needed = i != 2;
        rig->pause_percent = FOREVER;
        rig_attach_sender(rig);
        turn_for_a_while(rig);
        assert_true(rig->paused);
        assert_int_equal(rig->sent, rig->output_len);
        assert_int_equal(mr_budget_used(&rig->budget), 0);
        rig->pause_percent = 0;
        rig_resume(rig);
        rig_run(rig);
        assert_output();
        close_bench();
    }
}

static void end_of_either_side_is_passed_on_and_what_is_stored_dropped(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct mr_fault fault;
        struct rig *rig = open_bench(1, 4 * MR_MIB, FILE_MAX, 0);
        rig->pause_percent = FOREVER;
        rig_attach_sender(rig);
        send_until_stored(rig, i / 2 == 0 ? MR_MIB : PIECE); /* also while the pool writes */
        if (i % 2 == 0) {
            rig_abort(rig, MR_ECORRUPT);
            assert_int_equal(rig->aborts, 1);
            assert_int_equal(rig->abort_fault.error, MR_ECORRUPT);
        } else {
            mr_fault_set(&fault, MR_EGONE, NULL);
            mr_stream_cancel(rig->out, &fault);
            assert_int_equal(rig->cancels, 1);
        }
        close_bench();
    }
}

/* With no disk budget it waits, as with a full file; when there is some again it notices by itself. */
static void sender_waits_for_the_disk_budget(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 2; seed++) {
        struct rig *rig = open_bench(seed, 4 * MR_MIB, FILE_MAX, 0);
        mr_budget_init(&bench.disk, FILE_MAX);
        assert_true(mr_budget_try_take(&bench.disk, FILE_MAX - MR_MIB)); /* another's */
        rig->pause_percent = FOREVER;
        rig_attach_sender(rig);
        send_until_stored(rig, PIECE);
        turn_for_a_while(rig);
        assert_true(rig->paused && !rig_is_over(rig));
        assert_true(rig->sent < 2 * MR_MIB);
        assert_true(mr_budget_used(&bench.disk) <= FILE_MAX);
        mr_budget_give_back(&bench.disk, FILE_MAX - MR_MIB);
        while (!rig->ended) {
            rig_send(rig, 4);
            rig_turn(rig);
        }
        rig->pause_percent = 0;
        rig_resume(rig);
        rig_run(rig);
        assert_output();
        close_bench();
    }
}

static void nothing_is_stored_without_disk_budget(void **state)
{
    (void)state;
    struct rig *rig = open_bench(1, MR_MIB, FILE_MAX, 0);
    mr_budget_init(&bench.disk, 1000);
    rig->pause_percent = FOREVER;
    rig_attach_sender(rig);
    turn_for_a_while(rig);
    assert_true(rig->paused && !rig_is_over(rig));
    rig->pause_percent = 0;
    rig_resume(rig);
    rig_run(rig);
    assert_output();
    close_bench();
}

static void full_disk_is_named(void **state)
{
    (void)state;
    struct rig *rig = open_bench(1, 4 * MR_MIB, FILE_MAX, 0);
    faults_begin();
    faults.error_number = ENOSPC;
    atomic_store(&faults.after, 2);
    rig->pause_percent = FOREVER;
    rig_attach_sender(rig);
    while (!rig_is_over(rig)) {
        rig_send(rig, 4);
        rig_turn(rig);
    }
    assert_int_equal(rig->abort_fault.error, MR_ENOSPACE);
    assert_non_null(strstr(rig->abort_fault.detail, "(ENOSPC)"));
    close_bench();
    faults_end();
}

static void file_that_cannot_be_written_ends_both_sides(void **state)
{
    (void)state;
    struct rlimit before;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    for (int i = 0; i < 2; i++) {
        struct rig *rig = open_bench(1, 4 * MR_MIB, FILE_MAX, 0);
        rig->pause_percent = FOREVER;
        rig_attach_sender(rig);
        if (i == 0) /* the second piece is written in part, and then not at all */
            setrlimit(RLIMIT_FSIZE, &(struct rlimit){.rlim_cur = PIECE + 1000, .rlim_max = before.rlim_max});
        else
            setenv("TMPDIR", "/nonexistent/directory", 1);
        for (uint64_t from = mr_clock_now(); !rig_is_over(rig) && mr_clock_now() < from + 30 * MR_NS_PER_S;) {
            rig_send(rig, 4);
            rig_turn(rig);
        }
        setrlimit(RLIMIT_FSIZE, &before);
        unsetenv("TMPDIR");
        assert_int_equal(rig->aborts, 1);
        assert_int_equal(rig->abort_fault.error, MR_EIO);
        assert_int_equal(rig->cancels, 1);
        close_bench();
    }
}

static void what_is_held_comes_out_when_it_is_no_longer_needed(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, PIECE - 1, PIECE + 1, 3 * MR_MIB + 5};
    bench.holds = true;
    for (uint32_t seed = 0; seed < 2 * MR_ARRAY_SIZE(lengths); seed++) {
        struct rig *rig = open_bench(seed, lengths[seed / 2], FILE_MAX, 0);
        rig_attach_sender(rig);
        if (seed % 2 == 0) { /* some of it comes later, else it ends before the client does */
            send_until_stored(rig, lengths[seed / 2] / 2);
            assert_int_equal(rig->output_len, 0);
            bench.is_needed = false;
        }
        rig_run(rig);
        assert_output();
        close_bench();
    }
    bench.holds = false;
}

static void run_until_refused(struct rig *rig, enum mr_error error)
{
    rig_attach_sender(rig);
    while (!rig_is_over(rig)) {
        rig_send(rig, 4);
        rig_turn(rig);
    }
    assert_int_equal(rig->output_len, 0);
    assert_int_equal(rig->abort_fault.error, error);
    assert_int_equal(rig->cancels, 1);
}

static void more_than_may_be_held_is_refused_with_both_numbers(void **state)
{
    (void)state;
    static const uint64_t max[] = {0, 1000, 2 * MR_MIB};
    bench.holds = true;
    for (uint32_t seed = 0; seed < 2 * MR_ARRAY_SIZE(max); seed++) {
        struct rig *rig = open_bench(seed, 8 * MR_MIB, max[seed / 2], 0);
        run_until_refused(rig, MR_ESPILL);
        assert_string_equal(rig->abort_fault.limit_name, "max-spill");
        assert_int_equal(rig->abort_fault.limit, max[seed / 2]);
        assert_in_range(rig->abort_fault.value, max[seed / 2] + 1, max[seed / 2] + HOLDS);
        close_bench();
    }
    bench.holds = false;
}

static void what_cannot_be_held_is_refused(void **state)
{
    (void)state;
    bench.holds = true;
    struct rig *rig = open_bench(1, 4 * MR_MIB, FILE_MAX, 1000);
    run_until_refused(rig, MR_EBUDGET);
    close_bench();
    rig = open_bench(1, 4 * MR_MIB, FILE_MAX, 0);
    mr_budget_init(&bench.disk, MR_MIB);
    run_until_refused(rig, MR_EDISK);
    close_bench();
    bench.holds = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_only_pass_through_as_long_as_they_are_taken),
        cmocka_unit_test(what_is_not_taken_for_a_while_is_stored_and_comes_out_in_order),
        cmocka_unit_test(receiver_that_comes_and_goes_loses_nothing),
        cmocka_unit_test(piece_that_has_left_in_part_is_stored_without_that_part),
        cmocka_unit_test(full_file_pauses_the_sender_until_there_is_room),
        cmocka_unit_test(nothing_is_stored_when_it_is_not_needed_or_there_is_no_memory),
        cmocka_unit_test(end_of_either_side_is_passed_on_and_what_is_stored_dropped),
        cmocka_unit_test(sender_waits_for_the_disk_budget),
        cmocka_unit_test(nothing_is_stored_without_disk_budget),
        cmocka_unit_test(full_disk_is_named),
        cmocka_unit_test(what_is_held_comes_out_when_it_is_no_longer_needed),
        cmocka_unit_test(more_than_may_be_held_is_refused_with_both_numbers),
        cmocka_unit_test(what_cannot_be_held_is_refused),
        cmocka_unit_test(file_that_cannot_be_written_ends_both_sides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
