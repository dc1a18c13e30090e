#include "pipe/image_job.h"

#include "media/images.h"
#include "rig.h"

static const enum mr_offload_kind kinds[] = {MR_OFFLOAD_WORKERS, MR_OFFLOAD_NONE};

static struct bench {
    struct rig *rig;
    struct mr_image_job image;
    struct bytes bytes;
    _Atomic uint64_t failed, stopped;
    unsigned dones;
    _Atomic unsigned maps, drops;
    enum mr_error map_error;
} bench;

static void on_done(struct mr_image_job *image)
{
    assert_ptr_equal(image, &bench.image);
    bench.dones++;
}

static int map(void *owner, struct mr_slice *bytes, struct mr_fault *fault)
{
    struct bench *own = owner;
    own->maps++;
    *bytes = (struct mr_slice){(const char *)own->bytes.at, own->bytes.len};
    return own->map_error == MR_OK ? MR_OK : mr_fault_set(fault, own->map_error, NULL);
}

static void drop(void *owner)
{
    ((struct bench *)owner)->drops++;
}

static void open_bench(enum mr_offload_kind kind, struct bytes bytes, const char *query)
{
    memset(&bench, 0, sizeof(bench));
    bench.rig = rig_open(1, kind);
    bench.bytes = bytes;
    bench.image = (struct mr_image_job){.loop = bench.rig->loop,
                                        .offload = bench.rig->offload,
                                        .budget = &bench.rig->budget,
                                        .limits = &generous,
                                        .ops = ops_of(query),
                                        .failed = &bench.failed,
                                        .stopped = &bench.stopped,
                                        .done = on_done};
    mr_image_job_init(&bench.image);
}

static int submit(bool is_mapped)
{
    struct mr_fault fault;
    struct mr_image_source source = {.map = is_mapped ? map : NULL, .drop = drop, .owner = &bench};
    if (!is_mapped)
        source.bytes = (struct mr_slice){(const char *)bench.bytes.at, bench.bytes.len};
    return mr_image_job_submit(&bench.image, &source, &fault);
}

static void run_job(void)
{
    while (bench.dones == 0)
        uv_run(mr_loop_uv(bench.rig->loop), UV_RUN_ONCE);
    assert_int_equal(bench.dones, 1);
    assert_false(bench.image.is_running);
}

static void close_bench(void)
{
    mr_image_job_clear(&bench.image);
    assert_int_equal(mr_budget_used(&bench.rig->budget), 0);
    rig_close(bench.rig);
}

static void bytes_in_memory_or_behind_a_map_become_an_image(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        bool is_mapped = i / 2 == 1;
        open_bench(kinds[i % 2], encode(quadrants(80, 40, 3), ".png"), "w=20&fm=jpg");
        assert_int_equal(submit(is_mapped), MR_OK);
        assert_true(bench.image.is_running);
        assert_true(bench.image.scan.is_whole == !is_mapped);
        assert_int_equal(bench.image.job.lane, is_mapped ? MR_LANE_HEAVY : MR_LANE_INTERACTIVE);
        assert_true((bench.image.job.expected_ns == 0) == is_mapped); /* nothing is known of it yet */
        run_job();
        assert_int_equal(bench.image.err, MR_OK);
        assert_int_equal(bench.image.result.width, 20);
        assert_int_equal(bench.maps, is_mapped);
        assert_int_equal(bench.drops, 1);
        close_bench();
    }
}

static void result_is_taken_with_its_part_of_the_budget(void **state)
{
    (void)state;
    struct mr_image_result result;
    open_bench(MR_OFFLOAD_WORKERS, encode(quadrants(80, 40, 3), ".png"), "fm=png");
    assert_int_equal(submit(false), MR_OK);
    run_job();
    uint64_t charged = mr_image_job_take(&bench.image, &result);
    assert_int_equal(charged, result.len);
    mr_image_job_clear(&bench.image);
    assert_int_equal(mr_budget_used(&bench.rig->budget), charged);
    mr_budget_give_back(&bench.rig->budget, charged);
    mr_image_result_free(&result);
    close_bench();
}

/* The container that the loop has seen the whole of is not scanned again: bytes that became another image do not fit.
 */
static void scan_is_handed_on(void **state)
{
    (void)state;
    open_bench(MR_OFFLOAD_NONE, encode(quadrants(80, 40, 3), ".png"), "fm=png");
    struct bytes other = encode(quadrants(40, 80, 3), ".png");
    assert_int_equal(submit(false), MR_OK);
    bench.image.source.bytes = (struct mr_slice){(const char *)other.at, other.len};
    run_job();
    assert_int_equal(bench.image.err, MR_EDAMAGED);
    assert_string_equal(bench.image.fault.detail, "The container and the image in it do not fit each other.");
    assert_int_equal(bench.failed, 1);
    close_bench();
}

static void what_is_no_image_is_refused_before_it_is_submitted(void **state)
{
    (void)state;
    open_bench(MR_OFFLOAD_WORKERS, (struct bytes){.at = (unsigned char *)(uintptr_t) "hello, world", .len = 12}, "");
    assert_int_equal(submit(false), MR_ENOTIMAGE);
    assert_false(bench.image.is_running);
    assert_int_equal(bench.drops, 0);
    close_bench();
}

static void map_that_fails_is_the_fault(void **state)
{
    (void)state;
    open_bench(MR_OFFLOAD_WORKERS, encode(quadrants(80, 40, 3), ".png"), "");
    bench.map_error = MR_EIO;
    assert_int_equal(submit(true), MR_OK);
    run_job();
    assert_int_equal(bench.image.err, MR_EIO);
    assert_int_equal(bench.image.fault.error, MR_EIO);
    assert_int_equal(bench.drops, 1);
    close_bench();
}

static void job_that_did_not_run_leaves_the_bytes_to_the_owner(void **state)
{
    (void)state;
    open_bench(MR_OFFLOAD_NONE, encode(quadrants(80, 40, 3), ".png"), "");
    assert_int_equal(submit(false), MR_OK);
    mr_image_job_cancel(&bench.image);
    run_job();
    assert_int_equal(bench.image.err, MR_ESHUTDOWN);
    assert_int_equal(bench.drops, 0);
    close_bench();
}

#define JOB_TEST(test) cmocka_unit_test_teardown(test, images_end_test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOB_TEST(bytes_in_memory_or_behind_a_map_become_an_image),
        JOB_TEST(result_is_taken_with_its_part_of_the_budget),
        JOB_TEST(scan_is_handed_on),
        JOB_TEST(what_is_no_image_is_refused_before_it_is_submitted),
        JOB_TEST(map_that_fails_is_the_fault),
        JOB_TEST(job_that_did_not_run_leaves_the_bytes_to_the_owner),
    };
    return cmocka_run_group_tests(tests, images_setup, images_teardown);
}
