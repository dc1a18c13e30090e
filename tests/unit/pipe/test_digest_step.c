#include "pipe/digest_step.h"

#include "media/digest/sha256.h"
#include "rig.h"

static const enum mr_offload_kind kinds[] = {MR_OFFLOAD_WORKERS, MR_OFFLOAD_NONE, MR_OFFLOAD_INLINE, MR_OFFLOAD_LIBUV};

static struct bench {
    struct rig *rig;
    struct mr_digest_step *step;
    _Atomic uint64_t failed, refused;
} bench;

static void open_bench_on(struct rig *rig, size_t len)
{
    bench.rig = rig;
    bench.failed = bench.refused = 0;
    const struct mr_digest_step_config config = {
        .loop = rig->loop,
        .offload = rig->offload,
        .budget = &rig->budget,
        .failed = &bench.failed,
        .refused = &bench.refused,
        .in = &rig->in,
        .hold = rig_hold,
        .release = rig_release,
        .context = rig,
    };
    struct mr_fault fault;
    rig_input(rig, len);
    rig_output(rig, len);
    rig->push_max = 64 * MR_KIB;
    assert_int_equal(mr_digest_step_create(&bench.step, &config, &fault), MR_OK);
}

static void open_bench(uint32_t seed, size_t len)
{
    open_bench_on(rig_open(seed, kinds[seed % 4]), len);
    struct rig *rig = bench.rig;
    rig->pause_percent = seed / 3 % 2 * 30;
    rig->pushes_rest = seed % 2 == 0;
    rig->uses_space = seed / 2 % 2 == 0;
    rig->keeps = seed / 4 % 2 == 0;
}

static void start_bench(void)
{
    rig_attach(bench.rig, mr_digest_step_out(bench.step));
    mr_digest_step_attach(bench.step);
    rig_attach_sender(bench.rig);
}

static void close_bench(void)
{
    mr_digest_step_destroy(&bench.step);
    rig_turn(bench.rig); /* a turn that was posted */
    rig_close(bench.rig);
}

static void assert_passed(void)
{
    const struct rig *rig = bench.rig;
    uint8_t expected[MR_SHA256_LEN];
    assert_int_equal(rig->ends, 1);
    assert_int_equal(rig->output_len, rig->input_len);
    assert_memory_equal(rig->output, rig->input, rig->input_len);
    mr_sha256(expected, rig->input, rig->input_len);
    assert_memory_equal(mr_digest_step_sha256(bench.step), expected, MR_SHA256_LEN);
}

static void bytes_pass_as_they_are_and_have_their_digest(void **state)
{
    static const size_t lengths[] = {0,     1,      1000,   16 * MR_KIB - 1, 16 * MR_KIB, 16 * MR_KIB + 1,
                                     70000, 100000, MR_MIB, 3 * MR_MIB + 7};
    (void)state;
    for (uint32_t seed = 0; seed < 24; seed++)
        for (size_t i = 0; i < MR_ARRAY_SIZE(lengths); i++) {
            open_bench(seed, lengths[i]);
            if (seed % 5 == 0)
                bench.rig->push_max = MR_MIN(1 + lengths[i] / 10, (size_t)5000);
            start_bench();
            assert_null(mr_digest_step_sha256(bench.step));
            rig_run(bench.rig);
            assert_passed();
            close_bench();
        }
}

static void all_that_may_come_after_a_pause_has_its_place(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 12; seed++) {
        open_bench(seed, 2 * MR_MIB);
        struct rig *rig = bench.rig;
        rig->pause_percent = 100;
        rig->pushes_rest = true;
        rig->push_max = seed < 6 ? 64 * MR_KIB : 3000; /* then larger ones, while the blocks are small */
        start_bench();
        rig_settle(rig);
        assert_true(rig->paused && rig->sent < rig->input_len);
        rig->push_max = 64 * MR_KIB;
        rig->pause_percent = 50;
        rig_run(rig);
        assert_passed();
        close_bench();
    }
}

static void fast_stream_is_lent(void **state)
{
    (void)state;
    open_bench_on(rig_open(1, MR_OFFLOAD_WORKERS), 4 * MR_MIB);
    struct rig *rig = bench.rig;
    rig->keeps = rig->keeps_long = rig->uses_space = true;
    start_bench();
    rig_settle(rig);
    assert_int_equal(rig->kept_count, RIG_KEPT_MAX);
    assert_passed();
    close_bench(); /* what is lent outlives it */
}

static void slow_stream_keeps_no_memory(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 24; seed++) {
        open_bench(seed, MR_MIB);
        struct rig *rig = bench.rig;
        rig->pause_percent = 0;
        rig->keeps_open = true;
        rig->keeps_long = rig->keeps; /* what was lent comes back when all has been passed on */
        rig->push_max = seed % 3 == 0 ? 1000 : 10000;
        start_bench();
        for (int i = 0; i < 5; i++) {
            uint64_t sent = rig->sent;
            rig_send(rig, 1);
            assert_true(mr_budget_used(&rig->budget) >= rig->sent - sent);
            while (rig->output_len < rig->sent)
                uv_run(mr_loop_uv(rig->loop), UV_RUN_ONCE);
            rig_give_back_all(rig);
            assert_int_equal(mr_budget_used(&rig->budget), 0);
        }
        rig->keeps_open = false;
        rig->push_max = 64 * MR_KIB;
        rig_run(rig);
        assert_passed();
        close_bench();
    }
}

static void abort_and_cancel_are_passed_on(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 24; seed++) {
        open_bench(seed, 2 * MR_MIB);
        struct rig *rig = bench.rig;
        struct mr_fault gone;
        bool is_abort = seed % 2 == 0;
        rig->keeps_open = true;
        start_bench();
        for (uint32_t i = 0; i < seed / 2; i++)
            rig_step(rig);
        mr_fault_set(&gone, MR_EGONE, NULL);
        if (is_abort)
            rig_abort(rig, MR_EGONE);
        else
            mr_stream_cancel(rig->out, &gone);
        rig_drain(rig);
        assert_int_equal(rig->aborts, is_abort);
        assert_int_equal(rig->cancels, !is_abort);
        assert_null(mr_digest_step_sha256(bench.step));
        close_bench();
    }
}

static void destroy_step(struct rig *rig)
{
    struct mr_fault gone;
    mr_fault_set(&gone, MR_EGONE, NULL);
    mr_stream_cancel(rig->out, &gone);
    rig_abort(rig, MR_EGONE);
    mr_digest_step_destroy(&bench.step);
}

static void step_may_be_destroyed_in_any_callback(void **state)
{
    (void)state;
    for (int moment = AT_PUSH; moment < MOMENTS; moment++)
        for (uint32_t seed = 0; seed < 12; seed++) {
            open_bench(seed, MR_MIB);
            struct rig *rig = bench.rig;
            rig->moment = (enum moment)moment;
            rig->skip = seed / 3;
            rig->happens = destroy_step;
            start_bench();
            while (!rig_is_over(rig) && !rig->happened)
                rig_step(rig);
            close_bench();
        }
}

static void stream_without_memory_is_refused(void **state)
{
    (void)state;
    struct mr_offload_config config = {.kind = MR_OFFLOAD_WORKERS, .queue_depth = 64};
    open_bench_on(rig_open_with(1, config, MR_MIB), MR_MIB);
    struct rig *rig = bench.rig;
    assert_true(mr_budget_try_take(&rig->budget, MR_MIB - 8 * MR_KIB));
    start_bench();
    rig_run(rig);
    assert_int_equal(rig->abort_fault.error, MR_EBUDGET);
    assert_int_equal(rig->cancels, 1);
    assert_int_equal(bench.refused, 1);
    mr_budget_give_back(&rig->budget, MR_MIB - 8 * MR_KIB);
    close_bench();
}

static void busy_workers_are_waited_for(void **state)
{
    (void)state;
    open_bench_on(rig_open(1, MR_OFFLOAD_WORKERS), MR_MIB);
    struct rig *rig = bench.rig;
    rig_hold_workers(rig);
    start_bench();
    while (!rig->paused)
        rig_send(rig, 1);
    rig_turn(rig);
    assert_int_equal(rig->output_len, 0);
    rig_free_workers(rig);
    rig_run(rig);
    assert_passed();
    close_bench();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_pass_as_they_are_and_have_their_digest),
        cmocka_unit_test(all_that_may_come_after_a_pause_has_its_place),
        cmocka_unit_test(fast_stream_is_lent),
        cmocka_unit_test(slow_stream_keeps_no_memory),
        cmocka_unit_test(abort_and_cancel_are_passed_on),
        cmocka_unit_test(step_may_be_destroyed_in_any_callback),
        cmocka_unit_test(stream_without_memory_is_refused),
        cmocka_unit_test(busy_workers_are_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
