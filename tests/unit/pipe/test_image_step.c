#include "pipe/image_step.h"

#include "media/images.h"
#include "rig.h"

static const enum mr_offload_kind kinds[] = {MR_OFFLOAD_WORKERS, MR_OFFLOAD_NONE};

static struct bench {
    struct rig *rig;
    struct mr_image_step *step;
    struct mr_image_step_config config;
    _Atomic uint64_t failed, stopped, refused;
    unsigned wholes;
    size_t whole_len;
} bench;

static void open_bench_on(struct rig *rig, struct bytes image, const char *query)
{
    memset(&bench, 0, sizeof(bench));
    bench.rig = rig;
    unsigned char *input = malloc(image.len + 1);
    memcpy(input, image.at, image.len);
    rig->input = input;
    rig->input_len = image.len;
    rig->push_max = 20000;
    rig_output(rig, 4 * MR_MIB);
    bench.config = (struct mr_image_step_config){.loop = rig->loop,
                                                 .offload = rig->offload,
                                                 .budget = &rig->budget,
                                                 .limits = &generous,
                                                 .body_memory = MR_MIB,
                                                 .in = &rig->in,
                                                 .length = UINT64_MAX,
                                                 .ops = ops_of(query),
                                                 .failed = &bench.failed,
                                                 .stopped = &bench.stopped,
                                                 .refused = &bench.refused,
                                                 .hold = rig_hold,
                                                 .release = rig_release,
                                                 .context = rig};
}

static void start_bench(void)
{
    struct mr_fault fault;
    assert_int_equal(mr_image_step_create(&bench.step, &bench.config, &fault), MR_OK);
    rig_attach(bench.rig, mr_image_step_out(bench.step));
    mr_image_step_attach(bench.step);
    rig_attach_sender(bench.rig);
}

static void leave_bench(struct rig *rig)
{
    struct mr_fault fault;
    if (bench.step == NULL)
        return;
    mr_fault_set(&fault, MR_EGONE, NULL);
    mr_stream_cancel(rig->out, &fault);
    if (bench.step != NULL)
        mr_image_step_destroy(&bench.step);
}

static void close_bench(void)
{
    leave_bench(bench.rig);
    rig_close(bench.rig);
}

static struct bytes photo(void)
{
    return encode(noise(300, 200, 3), ".jpg");
}

static void image_comes_out_in_parts_also_to_a_receiver_that_pauses(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 12; seed++) {
        struct bytes image = photo();
        open_bench_on(rig_open(seed, kinds[seed % 2]), image, "fm=png");
        bench.rig->pause_percent = seed / 2 % 3 * 45;
        bench.config.body_memory = seed % 3 == 0 ? 1000 : MR_MIB; /* in a file, in memory */
        bench.config.length = seed / 3 % 2 == 0 ? image.len : UINT64_MAX;
        start_bench();
        rig_run(bench.rig);
        assert_int_equal(bench.rig->ends, 1);
        assert_int_equal(bench.rig->held, 0);
        assert_true(bench.rig->output_len > 64 * MR_KIB && bench.rig->pushes > 1);
        assert_memory_equal(bench.rig->output, "\x89PNG", 4);
        close_bench();
    }
}

static void on_whole(void *context, const struct mr_image_result *result, uint64_t charged)
{
    struct rig *rig = context;
    struct mr_image_result mine = *result;
    bench.wholes++;
    bench.whole_len = result->len;
    assert_true(charged <= result->len && mr_budget_used(&rig->budget) >= charged);
    mr_image_result_free(&mine);
    mr_budget_give_back(&rig->budget, charged);
    mr_image_step_destroy(&bench.step);
}

static void whole_result_is_handed_over_with_its_part_of_the_budget(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        open_bench_on(rig_open(1, kinds[i]), photo(), "w=100");
        bench.config.whole = on_whole;
        start_bench();
        while (bench.wholes == 0)
            rig_step(bench.rig);
        assert_true(bench.whole_len > 0);
        assert_int_equal(bench.rig->ends + bench.rig->aborts + bench.rig->pushes, 0);
        close_bench();
    }
}

static void what_is_no_image_ends_both_sides(void **state)
{
    (void)state;
    struct bytes text = copy_of("this is no image, and never was one: it is a text of more than sixty-four bytes", 78);
    for (int i = 0; i < 4; i++) {
        open_bench_on(rig_open(1, kinds[i % 2]), text, "w=100");
        bench.rig->moment = AT_ABORT;
        bench.rig->happens = i < 2 ? leave_bench : NULL;
        bench.rig->keeps_open = true;
        start_bench();
        rig_run(bench.rig);
        assert_int_equal(bench.rig->abort_fault.error, MR_ENOTIMAGE);
        assert_int_equal(bench.rig->cancels, 1);
        assert_int_equal(bench.rig->holds, 0);
        close_bench();
    }
}

static void damaged_image_is_a_failed_job(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct bytes image = photo();
        image = copy_of(image.at, image.len);
        memset(image.at + 700, 0, image.len - 700);
        open_bench_on(rig_open(1, kinds[i]), image, "fm=png");
        start_bench();
        rig_run(bench.rig);
        assert_int_equal(bench.rig->aborts, 1);
        assert_int_equal(bench.rig->ends, 0);
        assert_int_equal(bench.rig->held, 0);
        close_bench();
    }
}

static void budget_that_is_too_small_is_a_fault(void **state)
{
    (void)state;
    struct mr_offload_config config = {.kind = MR_OFFLOAD_WORKERS, .queue_depth = 16};
    struct bytes image = photo();
    open_bench_on(rig_open_with(1, config, image.len + 10000), image, "fm=png");
    bench.config.length = image.len;
    start_bench();
    rig_run(bench.rig);
    assert_true(bench.rig->abort_fault.error == MR_EPIXELS || bench.rig->abort_fault.error == MR_EBUDGET);
    assert_int_equal(bench.rig->holds, 0);
    close_bench();
}

static void cancel_out(struct rig *rig)
{
    struct mr_fault fault;
    mr_fault_set(&fault, MR_EGONE, NULL);
    mr_stream_cancel(rig->out, &fault);
}

static void close_offload(struct rig *rig)
{
    mr_offload_close(rig->offload);
}

static void step_can_be_left_from_inside_every_callback(void **state)
{
    (void)state;
    static void (*const acts[])(struct rig *) = {leave_bench, cancel_out, close_offload};
    for (uint32_t seed = 0; seed < 2 * (MOMENTS - 1) * MR_ARRAY_SIZE(acts); seed++) {
        open_bench_on(rig_open(seed, kinds[seed % 2]), photo(), "fm=png");
        bench.rig->happens = acts[seed / 2 % MR_ARRAY_SIZE(acts)];
        bench.rig->moment = (enum moment)(1 + seed / 2 / MR_ARRAY_SIZE(acts));
        start_bench();
        for (int turn = 0; turn < 200000 && !bench.rig->happened && !rig_is_over(bench.rig); turn++)
            rig_step(bench.rig);
        close_bench();
    }
}

static void step_can_be_left_in_every_turn(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 24; seed++) {
        open_bench_on(rig_open(seed, kinds[seed % 2]), photo(), "fm=png");
        start_bench();
        for (uint32_t i = 0; i < seed / 2; i++)
            rig_step(bench.rig);
        leave_bench(bench.rig);
        close_bench();
    }
}

static void shutdown_is_told(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        open_bench_on(rig_open(1, kinds[i]), photo(), "fm=png");
        start_bench();
        mr_offload_close(bench.rig->offload);
        rig_run(bench.rig);
        assert_int_equal(bench.rig->abort_fault.error, MR_ESHUTDOWN);
        assert_int_equal(bench.rig->held, 0);
        close_bench();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(image_comes_out_in_parts_also_to_a_receiver_that_pauses, images_end_test),
        cmocka_unit_test_teardown(whole_result_is_handed_over_with_its_part_of_the_budget, images_end_test),
        cmocka_unit_test_teardown(what_is_no_image_ends_both_sides, images_end_test),
        cmocka_unit_test_teardown(damaged_image_is_a_failed_job, images_end_test),
        cmocka_unit_test_teardown(budget_that_is_too_small_is_a_fault, images_end_test),
        cmocka_unit_test_teardown(step_can_be_left_from_inside_every_callback, images_end_test),
        cmocka_unit_test_teardown(step_can_be_left_in_every_turn, images_end_test),
        cmocka_unit_test_teardown(shutdown_is_told, images_end_test),
    };
    return cmocka_run_group_tests(tests, images_setup, images_teardown);
}
