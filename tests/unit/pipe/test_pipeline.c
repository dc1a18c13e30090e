#include "pipe/pipeline.h"

#include "media/images.h"
#include "rig.h"

#define IDENTITY  "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"
#define RECIPIENT "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"

static const enum mr_offload_kind kinds[] = {MR_OFFLOAD_WORKERS, MR_OFFLOAD_NONE, MR_OFFLOAD_INLINE};

static struct bench {
    struct rig *rig;
    struct mr_pipeline *pipeline;
    struct mr_pipe_numbers numbers;
    struct mr_fault fault;
} bench;

static void open_bench(uint32_t seed, enum mr_offload_kind kind)
{
    memset(&bench, 0, sizeof(bench));
    bench.rig = rig_open(seed, kind);
    bench.rig->push_max = 64 * MR_KIB;
    bench.rig->pause_percent = seed % 3 * 20;
    bench.rig->pushes_rest = true;
}

static int create(const char *stages, const char *identity)
{
    struct rig *rig = bench.rig;
    const struct mr_pipeline_config config = {
        .loop = rig->loop,
        .offload = rig->offload,
        .budget = &rig->budget,
        .image_limits = &generous,
        .body_memory = MR_MIB,
        .env = {.budget = &rig->budget,
                .identity = {identity, identity != NULL ? strlen(identity) : 0},
                .expansion_bytes = MR_GIB},
        .numbers = &bench.numbers,
        .hold = rig_hold,
        .release = rig_release,
        .context = rig,
    };
    return mr_pipeline_create(&bench.pipeline, &config, mr_slice_of(stages), &bench.fault);
}

static int set(const char *query)
{
    int err = MR_OK;
    for (struct mr_slice rest = mr_slice_of(query); err == MR_OK && rest.at != NULL && rest.len > 0;) {
        struct mr_slice value = mr_slice_cut(&rest, '&'), name = mr_slice_cut(&value, '=');
        err = mr_pipeline_set(bench.pipeline, name, value, &bench.fault);
    }
    return err == MR_OK ? mr_pipeline_check(bench.pipeline, &bench.fault) : err;
}

static void start_bench(const char *stages, const char *query, const char *identity)
{
    if (create(stages, identity) != MR_OK || set(query) != MR_OK ||
        mr_pipeline_open(bench.pipeline, &bench.rig->in, MR_PIPELINE_UNKNOWN, &bench.fault) != MR_OK)
        fail_msg("%s?%s: %s", stages, query, bench.fault.detail);
    rig_attach(bench.rig, mr_pipeline_out(bench.pipeline));
    mr_pipeline_start(bench.pipeline);
    rig_attach_sender(bench.rig);
}

static void leave_bench(struct rig *rig)
{
    struct mr_fault fault;
    if (bench.pipeline == NULL)
        return;
    mr_fault_set(&fault, MR_EGONE, NULL);
    mr_stream_cancel(rig->out, &fault);
    mr_pipeline_destroy(&bench.pipeline);
}

static void close_bench(void)
{
    mr_pipeline_destroy(&bench.pipeline);
    rig_close(bench.rig);
}

static int refusal_of(const char *stages, const char *query)
{
    open_bench(1, MR_OFFLOAD_NONE);
    int err = create(stages, NULL);
    if (err == MR_OK)
        err = set(query);
    else
        assert_null(bench.pipeline);
    if (err != MR_OK)
        assert_int_equal(bench.fault.error, err);
    close_bench();
    return err;
}

static void what_cannot_be_a_pipe_is_refused(void **state)
{
    (void)state;
    static const char *const no_stage[] = {"",     "/",     "gzip/", "/gzip",  "gzip//zstd",
                                           "Gzip", "gzip ", "armor", "dearmor"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(no_stage); i++)
        assert_int_equal(refusal_of(no_stage[i], ""), MR_ENOTFOUND);
    assert_int_equal(refusal_of("gzip/gzip", ""), MR_EPARAM);
    assert_int_equal(refusal_of("image/gzip/image", ""), MR_EPARAM);
    assert_int_equal(refusal_of("encrypt", ""), MR_EPARAM); /* to whom? */
    assert_int_equal(refusal_of("gzip", "level=10"), MR_EPARAM);
    assert_int_equal(refusal_of("gzip", "w=100"), MR_EPARAM);
    assert_int_equal(refusal_of("gzip/zstd", "=1"), MR_EPARAM);
    assert_int_equal(refusal_of("image/gzip", "w=100&level=3"), MR_OK);
}

static void pipe_of_no_stages_is_refused(void **state)
{
    (void)state;
    open_bench(1, MR_OFFLOAD_NONE);
    assert_int_equal(create(NULL, NULL), MR_ENOTFOUND);
    close_bench();
}

/* gzip takes 1 to 9, zstd more: what one of them refuses is refused. */
static void parameter_is_set_for_every_stage_that_has_it(void **state)
{
    (void)state;
    assert_int_equal(refusal_of("gzip/zstd", "level=9"), MR_OK);
    assert_int_equal(refusal_of("zstd", "level=12"), MR_OK);
    assert_int_equal(refusal_of("gzip/zstd", "level=12"), MR_EPARAM);
    assert_int_equal(refusal_of("zstd/gzip", "level=12"), MR_EPARAM);
}

static unsigned char *bytes_of(size_t len)
{
    unsigned char *bytes = malloc(len + 1);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (unsigned char)(i % 7 == 0 ? i >> 9 : i * 2654435761u >> 27);
    return bytes;
}

static void run_there_and_back(uint32_t seed, const char *stages, const char *query, size_t len)
{
    open_bench(seed, kinds[seed % 3]);
    bench.rig->input = bytes_of(len);
    bench.rig->input_len = len;
    rig_output(bench.rig, len);
    start_bench(stages, query, IDENTITY);
    rig_run(bench.rig);
    if (bench.rig->aborts > 0)
        fail_msg("%s: %s", stages, bench.rig->abort_fault.detail);
    assert_int_equal(bench.rig->output_len, len);
    assert_memory_equal(bench.rig->output, bench.rig->input, len);
    close_bench();
}

static void what_goes_there_and_back_is_the_same(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 100000, MR_MIB, MR_MIB + 1, 5 * MR_MIB + 7};
    for (uint32_t i = 0; i < MR_ARRAY_SIZE(lengths); i++) {
        run_there_and_back(i, "gzip/gunzip", "level=1", lengths[i]);
        run_there_and_back(i + 1, "zstd/unzstd", "level=1", lengths[i]);
        run_there_and_back(i + 2, "encrypt/decrypt", "recipient=" RECIPIENT, lengths[i]);
        run_there_and_back(i + 3, "encrypt/decrypt", "armor=1&recipient=" RECIPIENT, lengths[i]);
        run_there_and_back(i + 4, "gzip/zstd/encrypt/decrypt/unzstd/gunzip", "level=1&armor=1&recipient=" RECIPIENT,
                           lengths[i]);
    }
}

static void armor_is_put_around_an_encrypted_file_and_type_and_times_are_told(void **state)
{
    (void)state;
    char timing[600], small[10];
    open_bench(0, MR_OFFLOAD_WORKERS);
    rig_input(bench.rig, 1000);
    rig_output(bench.rig, 10000);
    start_bench("gzip/encrypt", "armor=1&recipient=" RECIPIENT, NULL);
    rig_run(bench.rig);
    assert_int_equal(bench.rig->ends, 1);
    assert_memory_equal(bench.rig->output, "-----BEGIN AGE", 14);
    int len = mr_pipeline_timing(bench.pipeline, timing, sizeof(timing));
    assert_int_equal(len, strlen(timing));
    assert_memory_equal(timing, "gzip;dur=", 9);
    assert_non_null(strstr(timing, ", encrypt;dur="));
    assert_int_equal(mr_pipeline_timing(bench.pipeline, small, sizeof(small)), len);
    assert_int_equal(strlen(small), sizeof(small) - 1);
    assert_non_null(mr_pipeline_media_type(bench.pipeline));
    assert_null(mr_pipeline_image_job(bench.pipeline));
    close_bench();
}

static void image_may_stand_in_the_middle(void **state)
{
    (void)state;
    struct bytes image = encode(noise(200, 100, 3), ".png");
    for (uint32_t seed = 0; seed < 4; seed++) {
        open_bench(seed, kinds[seed % 3]);
        unsigned char *input = malloc(image.len);
        memcpy(input, image.at, image.len);
        bench.rig->input = input;
        bench.rig->input_len = image.len;
        rig_output(bench.rig, 4 * MR_MIB);
        start_bench("gzip/gunzip/image/zstd/unzstd", "fm=jpg", NULL);
        rig_run(bench.rig);
        assert_int_equal(bench.rig->ends, 1);
        assert_memory_equal(bench.rig->output, "\xff\xd8\xff", 3);
        close_bench();
    }
}

static void failure_in_any_stage_reaches_both_ends(void **state)
{
    (void)state;
    static const char *const stages[] = {"gunzip", "unzstd/gzip", "gzip/gunzip/decrypt", "zstd/unzstd/image/gzip"};
    for (uint32_t seed = 0; seed < 4 * MR_ARRAY_SIZE(stages); seed++) {
        open_bench(seed, kinds[seed % 3]);
        rig_input(bench.rig, 3 * MR_MIB);
        rig_output(bench.rig, 8 * MR_MIB);
        bench.rig->keeps_open = true;
        bench.rig->moment = AT_ABORT;
        bench.rig->happens = seed % 2 == 0 ? leave_bench : NULL;
        start_bench(stages[seed / 4], "", IDENTITY);
        rig_run(bench.rig);
        assert_int_equal(bench.rig->aborts, 1);
        assert_int_equal(bench.rig->ends, 0);
        assert_int_equal(bench.rig->cancels, 1);
        close_bench();
    }
}

static void pipe_can_be_left_from_inside_every_callback(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 40; seed++) {
        open_bench(seed, kinds[seed % 3]);
        struct rig *rig = bench.rig;
        rig_input(rig, MR_MIB + seed * 1000);
        rig_output(rig, 8 * MR_MIB);
        rig->moment = (enum moment)(1 + seed % (MOMENTS - 1));
        rig->skip = seed / 6;
        rig->happens = leave_bench;
        start_bench("gzip/encrypt/decrypt/gunzip", "armor=1&recipient=" RECIPIENT, IDENTITY);
        while (!rig->happened && !rig_is_over(rig))
            rig_step(rig);
        leave_bench(rig);
        close_bench();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_a_pipe_is_refused),
        cmocka_unit_test(pipe_of_no_stages_is_refused),
        cmocka_unit_test(parameter_is_set_for_every_stage_that_has_it),
        cmocka_unit_test(what_goes_there_and_back_is_the_same),
        cmocka_unit_test(armor_is_put_around_an_encrypted_file_and_type_and_times_are_told),
        cmocka_unit_test_teardown(image_may_stand_in_the_middle, images_end_test),
        cmocka_unit_test(failure_in_any_stage_reaches_both_ends),
        cmocka_unit_test(pipe_can_be_left_from_inside_every_callback),
    };
    return cmocka_run_group_tests(tests, images_setup, images_teardown);
}
