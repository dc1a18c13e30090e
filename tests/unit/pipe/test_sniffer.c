#include "pipe/sniffer.h"

#include "fake_stage.h"

#define PIECE 1000
#define FIRST 64 /* bytes that are looked at */

static const enum mr_offload_kind kinds[] = {MR_OFFLOAD_WORKERS, MR_OFFLOAD_NONE};

static struct bench {
    struct rig *rig;
    struct fake fake; /* of the stage in between */
    struct mr_stage_ops ops;
    struct mr_sniffer *sniffer;
    const struct mr_stage_ops *answer; /* of sniff() */
    unsigned sniffs;
    size_t seen;
    bool fails_create;
} bench;

static const struct mr_stage_ops *sniff(const unsigned char *bytes, size_t len)
{
    assert_int_equal(bench.sniffs++, 0);
    assert_memory_equal(bytes, bench.rig->input, len);
    bench.seen = len;
    return bench.answer;
}

static int create_fake(void **out, const struct mr_stage_env *env, struct mr_fault *fault)
{
    assert_ptr_equal(env->budget, &bench.rig->budget);
    *out = &bench.fake;
    return bench.fails_create ? mr_fault_set(fault, MR_EMEMORY, NULL) : MR_OK;
}

static void open_bench(uint32_t seed, enum mr_offload_kind offload, bool between)
{
    memset(&bench, 0, sizeof(bench));
    bench.rig = rig_open(seed, offload);
    fake_init(&bench.fake);
    bench.fake.sizes = (struct mr_stage_sizes){.piece = PIECE, .out_max = PIECE + 100};
    bench.ops = fake_ops[seed % 2 == 0 ? MR_STAGE_SEQUENTIAL : MR_STAGE_PARALLEL][0][1];
    bench.ops.create = create_fake;
    bench.answer = between ? &bench.ops : NULL;
    bench.rig->push_max = seed % 3 == 0 ? 10 : 700;
    bench.rig->pause_percent = seed % 4 * 20;
    bench.rig->pushes_rest = seed % 2 == 0;
    bench.rig->uses_space = seed % 3 == 0;
}

static void start_bench(size_t len)
{
    struct rig *rig = bench.rig;
    struct mr_fault fault;
    rig_input(rig, len);
    rig_output(rig, len + 100);
    bench.fake.input = rig->input;
    bench.fake.input_len = len;
    bench.fake.trailer = 9;
    const struct mr_transform_config config = {.loop = rig->loop,
                                               .offload = rig->offload,
                                               .budget = &rig->budget,
                                               .window = 4,
                                               .length = MR_TRANSFORM_UNKNOWN,
                                               .hold = rig_hold,
                                               .release = rig_release,
                                               .context = rig};
    assert_int_equal(mr_sniffer_create(&bench.sniffer, &config, sniff, &rig->in, &fault), MR_OK);
    rig_attach(rig, mr_sniffer_out(bench.sniffer));
    mr_sniffer_attach(bench.sniffer);
    rig_attach_sender(rig);
}

static void leave_bench(struct rig *rig)
{
    struct mr_fault fault;
    if (bench.sniffer == NULL)
        return;
    mr_fault_set(&fault, MR_EGONE, NULL);
    mr_stream_cancel(rig->out, &fault);
    if (bench.sniffer != NULL)
        mr_sniffer_destroy(&bench.sniffer);
}

static void close_bench(void)
{
    bool was_between = bench.sniffs > 0 && bench.answer != NULL && !bench.fails_create;
    leave_bench(bench.rig);
    rig_close(bench.rig);
    assert_int_equal(bench.fake.destroys, was_between);
}

static void assert_output(bool between)
{
    const struct rig *rig = bench.rig;
    size_t len = rig->input_len;
    unsigned char *expected = between ? fake_expected(&bench.fake, &len) : NULL;
    assert_int_equal(rig->ends, 1);
    assert_int_equal(rig->output_len, len);
    assert_memory_equal(rig->output, between ? expected : rig->input, len);
    assert_int_equal(bench.sniffs, 1);
    assert_int_equal(bench.seen, MR_MIN(rig->input_len, (size_t)FIRST));
    free(expected);
}

static void bytes_pass_plain_or_through_the_stage_in_between(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, FIRST - 1, FIRST, FIRST + 1, PIECE, 20 * PIECE + 1};
    for (uint32_t seed = 0; seed < 24 * MR_ARRAY_SIZE(lengths); seed++) {
        bool between = seed / 2 % 2 == 0;
        open_bench(seed, kinds[seed / 4 % 2], between);
        start_bench(lengths[seed / 24]);
        rig_run(bench.rig);
        assert_output(between);
        close_bench();
    }
}

static void pause_reaches_the_sender(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 8; seed++) {
        bool between = seed / 2 % 2 == 0;
        open_bench(seed, kinds[seed / 4 % 2], between);
        start_bench(100 * (size_t)PIECE);
        bench.rig->pause_percent = 100;
        rig_settle(bench.rig);
        assert_true(bench.rig->paused && bench.rig->sent < 20 * (size_t)PIECE);
        bench.rig->pause_percent = 10;
        rig_resume(bench.rig);
        rig_run(bench.rig);
        assert_output(between);
        close_bench();
    }
}

static void stage_in_between_that_fails_ends_both_sides(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 48; seed++) {
        open_bench(seed, kinds[seed / 2 % 2], true);
        bench.fails_create = seed % 3 == 0;
        bench.fake.fails_work = seed % 3 == 1 ? seed / 12 : NOWHERE;
        bench.fake.fails_finish = seed % 3 == 2;
        bench.rig->happens = seed / 3 % 2 == 0 ? leave_bench : NULL;
        bench.rig->moment = AT_ABORT;
        start_bench(seed < 40 ? 10 * PIECE : 3);
        rig_run(bench.rig);
        if (seed % 3 != 1 || seed < 12) {
            assert_int_equal(bench.rig->aborts, 1);
            assert_int_equal(bench.rig->abort_fault.error, bench.fails_create ? MR_EMEMORY : MR_ECORRUPT);
            assert_int_equal(bench.rig->cancels, bench.rig->ended ? 0 : 1);
        }
        close_bench();
    }
}

static void cancel_out(struct rig *rig)
{
    struct mr_fault fault;
    mr_fault_set(&fault, MR_EGONE, NULL);
    mr_stream_cancel(rig->out, &fault);
}

static void stream_can_be_left_from_inside_every_callback(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 240; seed++) {
        open_bench(seed, kinds[seed / 2 % 2], seed / 4 % 3 != 0);
        struct rig *rig = bench.rig;
        rig->happens = rig_random(rig, 3) == 0 ? cancel_out : leave_bench;
        rig->moment = (enum moment)(1 + rig_random(rig, MOMENTS - 1));
        rig->skip = rig->moment == AT_PUSH || rig->moment == AT_HOLD ? rig_random(rig, 4) : 0;
        if (rig->moment == AT_ABORT || rig->moment == AT_CANCEL)
            bench.fake.fails_work = rig_random(rig, 4);
        start_bench(20 * (size_t)PIECE);
        for (int turn = 0; turn < 3000 && !rig->happened && !rig_is_over(rig); turn++)
            rig_step(rig);
        close_bench();
    }
}

static void abort_and_cancel_in_every_turn_are_passed_on(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 120; seed++) {
        open_bench(seed, kinds[seed / 2 % 2], seed / 4 % 3 != 0);
        struct rig *rig = bench.rig;
        start_bench(20 * (size_t)PIECE);
        for (uint32_t i = 0; i < seed / 12; i++)
            rig_step(rig);
        bool was_over = rig_is_over(rig), had_ended = rig->ended;
        if (seed % 5 < 2) {
            rig_abort(rig, MR_EGONE);
            assert_int_equal(rig->aborts, had_ended ? 0 : 1);
        } else if (seed % 5 < 4) {
            cancel_out(rig);
            assert_int_equal(rig->cancels, had_ended || was_over ? 0 : 1);
            assert_int_equal(rig->aborts, 0);
        }
        close_bench();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_pass_plain_or_through_the_stage_in_between),
        cmocka_unit_test(pause_reaches_the_sender),
        cmocka_unit_test(stage_in_between_that_fails_ends_both_sides),
        cmocka_unit_test(stream_can_be_left_from_inside_every_callback),
        cmocka_unit_test(abort_and_cancel_in_every_turn_are_passed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
