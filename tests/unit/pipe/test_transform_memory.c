/* What of the memory budget a stage at work has taken, and what happens where there is not enough. */
#include "transform_bench.h"

/* Others have all but `left` bytes of what a stream with something under way may take; or of everything. */
static void leave(struct rig *rig, uint64_t left, bool of_all)
{
    uint64_t bound = rig->budget.limit - (of_all ? 0 : rig->budget.limit / 32), used = mr_budget_used(&rig->budget);
    assert_true(used + left <= bound);
    assert_true(mr_budget_try_take(&rig->budget, bound - left - used));
}

static void open_bench_with(uint32_t seed, enum mr_stage_kind kind, uint64_t left)
{
    struct mr_offload_config config = {.kind = kinds[seed % 2], .queue_depth = 64};
    open_bench_on(rig_open_with(seed, config, BUDGET), kind);
    leave(bench.rig, left, false);
}

static void close_bench_and_give_back(void)
{
    if (bench.transform != NULL)
        mr_transform_destroy(&bench.transform);
    while (bench.rig->held > 0)
        uv_run(mr_loop_uv(bench.rig->loop), UV_RUN_ONCE);
    rig_give_back_all(bench.rig);
    mr_budget_give_back(&bench.rig->budget, mr_budget_used(&bench.rig->budget));
    close_bench();
}

static void budget_that_is_too_small_for_one_piece_is_a_fault(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 8; i++) {
        open_bench_with(i, i / 4 == 0 ? MR_STAGE_PARALLEL : MR_STAGE_SEQUENTIAL, 0);
        leave(bench.rig, i / 2 % 2 == 0 ? 500 : SLOT - 1000, true);
        start_bench(20 * (size_t)PIECE);
        rig_run(bench.rig);
        assert_failed(MR_EBUDGET);
        assert_string_equal(bench.rig->abort_fault.limit_name, "memory-budget");
        assert_true(bench.rig->abort_fault.retry_after_s >= 1);
        assert_int_equal(bench.refused, 1);
        close_bench_and_give_back();
    }
}

static void stream_is_charged_for_what_came(void **state)
{
    (void)state;
    for (int kind = MR_STAGE_PARALLEL; kind <= MR_STAGE_SEQUENTIAL; kind++) {
        open_bench(1, MR_OFFLOAD_NONE, (enum mr_stage_kind)kind);
        struct rig *rig = bench.rig;
        bench.fake.sizes = (struct mr_stage_sizes){.piece = MR_MIB, .out_max = 2 * MR_MIB, .work_memory = 0};
        rig->keeps_open = true;
        start_bench(10 * (size_t)MR_MIB);
        assert_int_equal(mr_budget_used(&rig->budget), 0);
        rig->push_max = 100;
        rig_send(rig, 1);
        assert_in_range(mr_budget_used(&rig->budget), 1, 8192 + (kind == MR_STAGE_PARALLEL ? 0 : 2 * MR_MIB));
        rig_settle(rig); /* all came: half of it is in flight at most, or none of a stage that keeps up */
        rig->push_max = 65536;
        rig_settle(rig);
        assert_int_equal(rig->sent, rig->input_len);
        rig->keeps_open = false;
        rig_run(rig);
        assert_output();
        close_bench();
    }
}

static void memory_that_is_free_is_given_back_where_it_is_tight(void **state)
{
    (void)state;
    for (int kind = MR_STAGE_PARALLEL; kind <= MR_STAGE_SEQUENTIAL; kind++) {
        open_bench_with(1, (enum mr_stage_kind)kind, 100 * SLOT);
        struct rig *rig = bench.rig;
        uint64_t before = mr_budget_used(&rig->budget);
        rig->keeps_open = true;
        start_bench(60 * (size_t)PIECE + 1);
        rig_settle(rig);
        assert_in_range(mr_budget_used(&rig->budget), before, before + 2 * SLOT);
        rig->keeps_open = false;
        rig_run(rig);
        assert_output();
        close_bench_and_give_back();
    }
}

static void budget_for_less_than_the_window_is_enough(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 60; seed++) {
        open_bench_with(seed, MR_STAGE_PARALLEL, SLOT * (1 + seed / 2 % 4) + seed * 20);
        choose_at_random();
        bench.config.window = WINDOW;
        bench.config.ops = &fake_ops[MR_STAGE_PARALLEL][0][1];
        bench.fake.header = bench.fake.preface = 0;
        bench.fake.trailer = 50;
        start_bench(20 * (size_t)PIECE + seed % 3 - 1);
        rig_run(bench.rig);
        assert_output();
        close_bench_and_give_back();
    }
}

/* Sends until nothing moves, with a receiver that takes nothing: all that the window holds. */
static size_t fill_window(struct rig *rig)
{
    rig->pause_percent = 100;
    rig_settle(rig);
    return rig->sent - rig->output_len;
}

static void window_that_had_no_memory_grows_when_there_is_some(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 10; seed++) {
        open_bench_with(2 * seed, MR_STAGE_PARALLEL, SLOT);
        struct rig *rig = bench.rig;
        rig->uses_space = seed % 2 == 0;
        start_bench(60 * (size_t)PIECE);
        rig->keeps_open = true;
        size_t before = fill_window(rig);
        assert_true(before < 5 * PIECE);
        mr_budget_give_back(&rig->budget, WINDOW * SLOT);
        rig->pause_percent = 0;
        rig_resume(rig);
        while (rig->output_len < 20 * (size_t)PIECE)
            rig_step(rig);
        assert_true(fill_window(rig) > (WINDOW - 1) * (size_t)PIECE);
        rig->keeps_open = false;
        rig->pause_percent = 0;
        rig_resume(rig);
        rig_run(rig);
        assert_output();
        close_bench_and_give_back();
    }
}

static void window_is_bounded_by_its_memory_but_for_four_pieces(void **state)
{
    (void)state;
    open_bench(1, MR_OFFLOAD_WORKERS, MR_STAGE_PARALLEL);
    struct rig *rig = bench.rig;
    bench.config.window_memory = 1;
    start_bench(60 * (size_t)PIECE);
    size_t held = fill_window(rig);
    assert_in_range(held, 3 * PIECE, 4 * PIECE + 2 * rig->push_max); /* and what came after the pause */
    rig->pause_percent = 0;
    rig_resume(rig);
    rig_run(rig);
    assert_output();
    close_bench();
}

/* Once bytes may have been sent. */
static void stream_that_is_under_way_waits_for_memory(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 8; i++) {
        bool is_patient = i / 2 % 2 == 0;
        open_bench_with(i, i / 4 == 0 ? MR_STAGE_PARALLEL : MR_STAGE_SEQUENTIAL, 1000000);
        struct rig *rig = bench.rig;
        bench.fake.sizes.work_memory = 100000;
        bench.config.patience_ns = is_patient ? 0 : 50 * MR_NS_PER_MS;
        start_bench(30 * (size_t)PIECE);
        rig->pause_percent = 100;
        rig_settle(rig);
        assert_true(rig->output_len > 0);
        uint64_t used = mr_budget_used(&rig->budget);
        leave(rig, 0, false);
        uint64_t taken = mr_budget_used(&rig->budget) - used;
        rig->pause_percent = 0;
        rig_resume(rig);
        for (uint64_t from = mr_clock_now(); mr_clock_now() < from + 30 * MR_NS_PER_MS && !rig_is_over(rig);)
            rig_step(rig);
        bool is_starved = !rig_is_over(rig);
        assert_true(is_starved || !is_patient || i / 4 == 1);
        if (is_patient)
            mr_budget_give_back(&rig->budget, taken);
        rig_run(rig);
        if (rig->ends > 0)
            assert_output();
        else
            assert_failed(MR_EBUDGET);
        assert_true(rig->ends > 0 || !is_patient);
        close_bench_and_give_back();
    }
}

/* What a sender has read already cannot wait. */
static void stream_fails_when_there_is_no_memory_for_what_came(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        open_bench_with(i, i / 2 == 0 ? MR_STAGE_PARALLEL : MR_STAGE_SEQUENTIAL, 100000);
        struct rig *rig = bench.rig;
        start_bench(60 * (size_t)PIECE);
        rig->pause_percent = 100;
        rig_settle(rig);
        assert_true(mr_budget_try_take(&rig->budget, rig->budget.limit - mr_budget_used(&rig->budget)));
        rig->pause_percent = 0;
        rig_resume(rig);
        rig_run(rig);
        if (rig->ends == 0)
            assert_failed(MR_EBUDGET);
        close_bench_and_give_back();
    }
}

static void memory_of_work_is_in_the_budget_while_jobs_run(void **state)
{
    (void)state;
    for (int kind = MR_STAGE_PARALLEL; kind <= MR_STAGE_SEQUENTIAL; kind++) {
        open_bench(1, MR_OFFLOAD_WORKERS, (enum mr_stage_kind)kind);
        sem_init(&bench.fake.is_blocked, 0, 0);
        sem_init(&bench.fake.go, 0, 0);
        bench.fake.blocks_at = 0;
        bench.fake.sizes.work_memory = 1000000;
        bench.rig->keeps_open = true;
        start_bench(PIECE + 1);
        rig_send(bench.rig, 1000);
        sem_wait(&bench.fake.is_blocked);
        assert_in_range(mr_budget_used(&bench.rig->budget), 1000000, 1999999);
        sem_post(&bench.fake.go);
        rig_settle(bench.rig);
        uint64_t used = mr_budget_used(&bench.rig->budget);
        assert_true(kind == MR_STAGE_PARALLEL ? used < 1000000 : used >= 1000000); /* a SEQUENTIAL one keeps it */
        bench.rig->keeps_open = false;
        rig_run(bench.rig);
        assert_output();
        close_bench();
        sem_destroy(&bench.fake.is_blocked);
        sem_destroy(&bench.fake.go);
    }
}

static void what_open_held_is_given_back_for_the_pieces(void **state)
{
    (void)state;
    open_bench(1, MR_OFFLOAD_WORKERS, MR_STAGE_PARALLEL);
    make_whole_stage(3000, 10, 0);
    start_bench(20 * (size_t)PIECE);
    bench.rig->keeps_open = true;
    rig_settle(bench.rig);
    bench.rig->keeps_open = false;
    assert_in_range(mr_budget_used(&bench.rig->budget), 1, WINDOW * SLOT);
    rig_run(bench.rig);
    assert_output();
    close_bench();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(budget_that_is_too_small_for_one_piece_is_a_fault),
        cmocka_unit_test(stream_is_charged_for_what_came),
        cmocka_unit_test(memory_that_is_free_is_given_back_where_it_is_tight),
        cmocka_unit_test(budget_for_less_than_the_window_is_enough),
        cmocka_unit_test(window_that_had_no_memory_grows_when_there_is_some),
        cmocka_unit_test(window_is_bounded_by_its_memory_but_for_four_pieces),
        cmocka_unit_test(stream_that_is_under_way_waits_for_memory),
        cmocka_unit_test(stream_fails_when_there_is_no_memory_for_what_came),
        cmocka_unit_test(memory_of_work_is_in_the_budget_while_jobs_run),
        cmocka_unit_test(what_open_held_is_given_back_for_the_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
