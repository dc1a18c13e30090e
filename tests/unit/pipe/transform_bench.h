/* transform_bench.h -- a fake stage (fake_stage.h) at work between the two sides of a rig (rig.h). */
#ifndef MR_TESTS_TRANSFORM_BENCH_H
#define MR_TESTS_TRANSFORM_BENCH_H

#include "fake_stage.h"
#include "pipe/transform.h"

#define PIECE   1000
#define HISTORY 300
#define WINDOW  6
#define SLOT    (HISTORY + PIECE + PIECE + 100) /* bytes that a piece in flight is charged */
#define BUDGET  ((size_t)2560000)               /* a 32nd of it is for what comes after a pause */

static const enum mr_offload_kind kinds[] = {MR_OFFLOAD_WORKERS, MR_OFFLOAD_NONE, MR_OFFLOAD_INLINE};

/* A stage at work between the two sides of a rig. */
struct bench {
    struct rig *rig;
    struct fake fake;
    struct mr_transform *transform;
    struct mr_transform_config config;
    _Atomic uint64_t failed, refused;
};
static struct bench bench;

static inline void open_bench_on(struct rig *rig, enum mr_stage_kind kind)
{
    memset(&bench, 0, sizeof(bench));
    bench.rig = rig;
    fake_init(&bench.fake);
    bench.fake.sizes = (struct mr_stage_sizes){.piece = PIECE, .out_max = PIECE + 100};
    if (kind == MR_STAGE_PARALLEL)
        bench.fake.sizes.history = HISTORY;
    bench.config = (struct mr_transform_config){.window = WINDOW,
                                                .ops = &fake_ops[kind][0][0],
                                                .length = MR_TRANSFORM_UNKNOWN,
                                                .failed = &bench.failed,
                                                .refused = &bench.refused};
}

static inline void open_bench(uint32_t seed, enum mr_offload_kind offload, enum mr_stage_kind kind)
{
    open_bench_on(rig_open(seed, offload), kind);
}

/* Before start_bench(): the stage has an open() and a finish(), too. */
static inline void make_whole_stage(size_t header, size_t preface, size_t trailer)
{
    bench.fake.header = header;
    bench.fake.preface = preface;
    bench.fake.trailer = trailer;
    bench.config.ops = &fake_ops[bench.config.ops->kind][1][1];
}

static inline void fill_config(void)
{
    struct rig *rig = bench.rig;
    bench.config.loop = rig->loop;
    bench.config.offload = rig->offload;
    bench.config.budget = &rig->budget;
    bench.config.in = &rig->in;
    bench.config.stage = &bench.fake;
    bench.config.hold = rig_hold;
    bench.config.release = rig_release;
    bench.config.context = rig;
}

/* An input of `len` bytes behind the header. */
static inline void start_bench(size_t len)
{
    struct rig *rig = bench.rig;
    struct mr_fault fault;
    fill_config();
    rig_input(rig, bench.fake.header + len);
    bench.fake.input = rig->input;
    bench.fake.input_len = rig->input_len;
    rig_output(rig, bench.fake.preface + len * bench.fake.expand + bench.fake.trailer);
    if (bench.config.length != MR_TRANSFORM_UNKNOWN)
        bench.config.length = rig->input_len;
    assert_int_equal(mr_transform_create(&bench.transform, &bench.config, &fault), MR_OK);
    rig_attach(rig, mr_transform_out(bench.transform));
    mr_transform_attach(bench.transform);
    rig_attach_sender(rig);
}

/* At any time, from anywhere. Both streams are closed first. */
static inline void leave_bench(struct rig *rig)
{
    struct mr_fault fault;
    if (bench.transform == NULL)
        return;
    mr_fault_set(&fault, MR_EGONE, NULL);
    mr_stream_cancel(rig->out, &fault);
    if (bench.transform != NULL) /* it may happen again in there */
        mr_transform_destroy(&bench.transform);
}

static inline void close_bench(void)
{
    leave_bench(bench.rig);
    rig_close(bench.rig);
    assert_int_equal(bench.fake.destroys, 1);
    assert_int_equal(bench.fake.running, 0);
}

static inline void assert_output(void)
{
    const struct rig *rig = bench.rig;
    size_t len;
    unsigned char *expected = fake_expected(&bench.fake, &len);
    assert_int_equal(rig->aborts, 0);
    assert_int_equal(rig->ends, 1);
    assert_int_equal(rig->cancels, 0);
    assert_int_equal(rig->held, 0);
    assert_int_equal(rig->output_len, len);
    assert_memory_equal(rig->output, expected, len);
    assert_int_equal(bench.fake.lasts, 1);
    free(expected);
}

static inline void assert_failed(enum mr_error error)
{
    const struct rig *rig = bench.rig;
    assert_int_equal(rig->ends, 0);
    assert_int_equal(rig->aborts, 1);
    assert_int_equal(rig->abort_fault.error, error);
    assert_int_equal(rig->cancels, rig->ended || rig->aborted_in ? 0 : 1);
    if (rig->cancels > 0)
        assert_int_equal(rig->cancel_fault.error, error);
}

/* Sizes, pauses and what the stage adds; before start_bench(). */
static inline void choose_at_random(void)
{
    struct rig *rig = bench.rig;
    static const size_t push_sizes[] = {50, 300, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 20 * PIECE};
    rig->push_max = push_sizes[rig_random(rig, MR_ARRAY_SIZE(push_sizes))];
    rig->uses_space = rig_random(rig, 2) == 0;
    rig->pushes_rest = rig_random(rig, 2) == 0;
    rig->pause_percent = rig_random(rig, 3) * 40;
    rig->keeps = rig_random(rig, 2) == 0;
    bench.fake.yields = rig_random(rig, 3) * 2;
    bench.config.window = 2 + rig_random(rig, WINDOW);
    if (rig_random(rig, 2) == 0)
        bench.config.length = 0; /* announced */
    if (rig_random(rig, 2) == 0)
        make_whole_stage(rig_random(rig, 2) * rig_random(rig, 3 * PIECE), rig_random(rig, 100), rig_random(rig, 100));
}

#endif
