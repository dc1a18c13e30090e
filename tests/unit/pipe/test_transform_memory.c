/* What of the memory budget a stage at work has taken, and what happens where there is not enough. */
#include "transform_bench.h"

static void budget_that_is_too_small_for_one_piece_is_a_fault(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        struct mr_offload_config config = {.kind = kinds[i % 2], .queue_depth = 64};
        open_bench_on(rig_open_with(1, config, BACKLOG + PIECE + (i < 4 ? 500 : 1500)),
                      i / 2 % 2 == 0 ? MR_STAGE_PARALLEL : MR_STAGE_SEQUENTIAL);
        start_bench(20 * (size_t)PIECE);
        if (i / 2 % 2 == 0) /* slots need no piece of backlog */
            assert_true(mr_budget_try_take(&bench.rig->budget, PIECE));
        rig_run(bench.rig);
        assert_failed(MR_EBUDGET);
        assert_string_equal(bench.rig->abort_fault.limit_name, "memory-budget");
        assert_true(bench.rig->abort_fault.retry_after_s >= 1);
        assert_int_equal(bench.refused, 1);
        if (i / 2 % 2 == 0)
            mr_budget_give_back(&bench.rig->budget, PIECE);
        close_bench();
    }
}

static void what_comes_after_a_pause_is_in_the_budget_from_the_beginning(void **state)
{
    (void)state;
    struct mr_fault fault;
    struct mr_offload_config config = {.kind = MR_OFFLOAD_NONE, .queue_depth = 64};
    for (int kind = MR_STAGE_PARALLEL; kind <= MR_STAGE_SEQUENTIAL; kind++) {
        open_bench_on(rig_open_with(1, config, BACKLOG - 1), (enum mr_stage_kind)kind);
        fill_config();
        assert_int_equal(mr_transform_create(&bench.transform, &bench.config, &fault), MR_EBUDGET);
        assert_true(fault.retry_after_s >= 1);
        assert_int_equal(bench.refused, 1);
        close_bench();
    }
}

static void budget_for_less_than_the_window_is_enough(void **state)
{
    (void)state;
    const size_t slot = HISTORY + PIECE + PIECE + 100;
    for (uint32_t seed = 0; seed < 60; seed++) {
        struct mr_offload_config config = {.kind = kinds[seed % 2], .queue_depth = 64};
        uint64_t budget = BACKLOG + slot * (1 + seed / 2 % 4) + seed * 20;
        open_bench_on(rig_open_with(seed, config, budget), MR_STAGE_PARALLEL);
        choose_at_random();
        bench.config.window = WINDOW;
        bench.config.ops = &fake_ops[MR_STAGE_PARALLEL][0][1];
        bench.fake.header = bench.fake.preface = 0;
        bench.fake.trailer = 50;
        start_bench(20 * (size_t)PIECE + seed % 3 - 1);
        rig_run(bench.rig);
        assert_output();
        close_bench();
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
    const size_t slot = HISTORY + PIECE + PIECE + 100;
    for (uint32_t seed = 0; seed < 10; seed++) {
        struct mr_offload_config config = {.kind = MR_OFFLOAD_WORKERS, .queue_depth = 64};
        open_bench_on(rig_open_with(seed, config, BACKLOG + WINDOW * slot), MR_STAGE_PARALLEL);
        struct rig *rig = bench.rig;
        assert_true(mr_budget_try_take(&rig->budget, (WINDOW - 2) * slot)); /* somebody else has it */
        rig->uses_space = seed % 2 == 0;
        start_bench(60 * (size_t)PIECE);
        rig->keeps_open = true;
        size_t before = fill_window(rig);
        assert_true(before < 4 * PIECE);
        mr_budget_give_back(&rig->budget, (WINDOW - 2) * slot);
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
        close_bench();
    }
}

static void take_the_rest(struct rig *rig)
{
    assert_true(mr_budget_try_take(&rig->budget, rig->budget.limit - mr_budget_used(&rig->budget)));
}

/* Once bytes may have been sent. */
static void stream_that_is_under_way_waits_for_memory(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        bool is_patient = i < 2;
        struct mr_offload_config config = {.kind = kinds[i % 2], .queue_depth = 64};
        open_bench_on(rig_open_with(1, config, 1000000), MR_STAGE_PARALLEL);
        struct rig *rig = bench.rig;
        bench.fake.sizes.work_memory = 10000;
        bench.config.patience_ns = is_patient ? 0 : 50 * MR_NS_PER_MS;
        start_bench(30 * (size_t)PIECE);
        rig->pause_percent = 100;
        rig_settle(rig);
        uint64_t used = mr_budget_used(&rig->budget);
        take_the_rest(rig);
        rig->pause_percent = 0;
        rig_resume(rig);
        for (uint64_t from = mr_clock_now(); mr_clock_now() < from + 30 * MR_NS_PER_MS;)
            rig_step(rig);
        if (is_patient) {
            assert_false(rig_is_over(rig));
            mr_budget_give_back(&rig->budget, rig->budget.limit - used);
        }
        rig_run(rig);
        if (is_patient) {
            assert_output();
        } else {
            assert_failed(MR_EBUDGET);
            mr_budget_give_back(&rig->budget, rig->budget.limit - used);
        }
        close_bench();
    }
}

static void sequential_stage_that_is_under_way_needs_no_more_memory(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 40; seed++) {
        struct mr_offload_config config = {.kind = kinds[seed % 2], .queue_depth = 64};
        open_bench_on(rig_open_with(seed, config, 1000000), MR_STAGE_SEQUENTIAL);
        struct rig *rig = bench.rig;
        rig->push_max = 1 + seed * 50;
        rig->moment = AT_PUSH;
        rig->happens = take_the_rest;
        bench.fake.sizes.work_memory = 10000;
        start_bench(30 * (size_t)PIECE);
        rig_run(rig);
        assert_output();
        mr_transform_destroy(&bench.transform);
        mr_budget_give_back(&rig->budget, mr_budget_used(&rig->budget));
        close_bench();
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
    const size_t slot = HISTORY + PIECE + PIECE + 100;
    struct mr_offload_config config = {.kind = MR_OFFLOAD_WORKERS, .queue_depth = 64};
    open_bench_on(rig_open_with(1, config, BACKLOG + PIECE + 4 * slot), MR_STAGE_PARALLEL);
    make_whole_stage(3000, 10, 0);
    start_bench(20 * (size_t)PIECE);
    bench.rig->keeps_open = true;
    rig_settle(bench.rig);
    bench.rig->keeps_open = false;
    assert_true((mr_budget_used(&bench.rig->budget) - BACKLOG - PIECE) % slot == 0);
    rig_run(bench.rig);
    assert_output();
    close_bench();
}
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(budget_that_is_too_small_for_one_piece_is_a_fault),
        cmocka_unit_test(what_comes_after_a_pause_is_in_the_budget_from_the_beginning),
        cmocka_unit_test(budget_for_less_than_the_window_is_enough),
        cmocka_unit_test(window_that_had_no_memory_grows_when_there_is_some),
        cmocka_unit_test(stream_that_is_under_way_waits_for_memory),
        cmocka_unit_test(sequential_stage_that_is_under_way_needs_no_more_memory),
        cmocka_unit_test(memory_of_work_is_in_the_budget_while_jobs_run),
        cmocka_unit_test(what_open_held_is_given_back_for_the_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
