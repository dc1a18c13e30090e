#include "transform_bench.h"

#include "base/counter.h"
#include "loop/timer.h"

/* ---- bytes ---- */

static const size_t edges[] = {0,
                               1,
                               PIECE - 1,
                               PIECE,
                               PIECE + 1,
                               2 * PIECE - 1,
                               2 * PIECE,
                               2 * PIECE + 1,
                               WINDOW *PIECE - 1,
                               WINDOW *PIECE,
                               WINDOW *PIECE + 1,
                               3 * WINDOW *PIECE + 17};

static void run_at_random(uint32_t seed, enum mr_offload_kind offload, enum mr_stage_kind kind, size_t len)
{
    open_bench(seed, offload, kind);
    choose_at_random();
    if (kind == MR_STAGE_SEQUENTIAL) {
        bench.fake.expand = 1 + rig_random(bench.rig, 5);
        bench.fake.grain = 1 + rig_random(bench.rig, PIECE);
    } else if (rig_random(bench.rig, 2) == 0) {
        bench.fake.sizes.whole_max = 2500;
        bench.fake.sizes.whole_out_max = 2600;
    }
    start_bench(len);
    rig_run(bench.rig);
    assert_output();
    close_bench();
}

static void bytes_come_out_equal_and_in_order(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 120; seed++) {
        size_t len = seed < 72 ? edges[seed / 2 % MR_ARRAY_SIZE(edges)] : seed * 7919u % 20000;
        run_at_random(seed, kinds[seed % 3], MR_STAGE_PARALLEL, len);
        run_at_random(seed, kinds[seed % 3], MR_STAGE_SEQUENTIAL, len);
    }
}

/* The stage goes on meanwhile, in other memory, and the memory is within the budget until it is back. */
static void receiver_may_keep_results_for_as_long_as_it_likes(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        open_bench(1, kinds[i % 2], i < 2 ? MR_STAGE_PARALLEL : MR_STAGE_SEQUENTIAL);
        struct rig *rig = bench.rig;
        rig->keeps = rig->keeps_long = true;
        rig->pause_percent = 20;
        start_bench(20 * (size_t)PIECE);
        rig_run(rig);
        assert_output();
        assert_true(rig->kept_count > 0);
        size_t kept = 0;
        for (unsigned j = 0; j < rig->kept_count; j++)
            kept += rig->kept[j].len;
        leave_bench(rig);
        rig_drain(rig);
        assert_true(mr_budget_used(&rig->budget) >= kept);
        rig_give_back_all(rig);
        assert_int_equal(mr_budget_used(&rig->budget), 0);
        close_bench();
    }
}

static void empty_input_is_one_empty_last_piece(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        open_bench(1, kinds[i % 2], i < 2 ? MR_STAGE_PARALLEL : MR_STAGE_SEQUENTIAL);
        start_bench(0);
        rig_run(bench.rig);
        assert_output();
        assert_int_equal(bench.fake.works, 1);
        close_bench();
    }
}

static void short_input_is_one_whole_piece_whose_length_is_known_at_the_first_push(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, PIECE, PIECE + 1, 2999, 3000, 3001, 9000};
    for (size_t i = 0; i < 4 * MR_ARRAY_SIZE(lengths); i++) {
        size_t len = lengths[i / 4];
        open_bench((uint32_t)i, kinds[i % 2], MR_STAGE_PARALLEL);
        bench.fake.sizes.whole_max = 3000;
        bench.fake.sizes.whole_out_max = 3000;
        bench.config.length = i % 4 < 2 ? 0 : MR_TRANSFORM_UNKNOWN;
        start_bench(len);
        while (!rig_is_over(bench.rig))
            rig_step(bench.rig);
        assert_output();
        assert_int_equal(bench.fake.wholes, len <= 3000 ? 1 : 0);
        if (len <= 3000)
            assert_int_equal(bench.fake.works, 1);
        assert_true(mr_transform_out_length(bench.transform) == (len <= 3000 ? len : MR_TRANSFORM_UNKNOWN));
        close_bench();
    }
}

static uint64_t jobs_in(enum mr_lane lane)
{
    return mr_counter_read(&mr_offload_stats(bench.rig->offload, 0)->submitted[lane].jobs);
}

/* Images and whole bodies hold no stream up before its first piece. */
static void stage_is_opened_in_the_lane_of_its_pieces_and_a_heavy_one_in_its_own(void **state)
{
    (void)state;
    for (int heavy = 0; heavy < 2; heavy++) {
        open_bench(1, MR_OFFLOAD_WORKERS, MR_STAGE_PARALLEL);
        make_whole_stage(10, 7, 5);
        bench.fake.sizes.open_is_heavy = heavy == 1;
        start_bench(3 * (size_t)PIECE);
        rig_run(bench.rig);
        assert_output();
        assert_int_equal(jobs_in(MR_LANE_INTERACTIVE), 0);
        assert_true(jobs_in(MR_LANE_BULK) >= 3);
        assert_int_equal(jobs_in(MR_LANE_BULK) + jobs_in(MR_LANE_HEAVY), bench.fake.opens_seen + bench.fake.works);
        assert_int_equal(jobs_in(MR_LANE_HEAVY), heavy == 1 ? bench.fake.opens_seen : 0);
        close_bench();
    }
}

static void announced_length_counts_what_open_and_finish_add(void **state)
{
    (void)state;
    open_bench(1, MR_OFFLOAD_WORKERS, MR_STAGE_PARALLEL);
    bench.fake.sizes.whole_max = 3000;
    bench.fake.sizes.whole_out_max = 3000;
    make_whole_stage(10, 7, 5);
    start_bench(2000);
    rig_run(bench.rig);
    assert_output();
    assert_int_equal(bench.fake.wholes, 1);
    assert_int_equal(mr_transform_out_length(bench.transform), 7 + 2000 + 5);
    close_bench();
}

static void pieces_that_come_back_early_wait_for_those_before_them(void **state)
{
    (void)state;
    open_bench(1, MR_OFFLOAD_WORKERS, MR_STAGE_PARALLEL);
    sem_init(&bench.fake.is_blocked, 0, 0);
    sem_init(&bench.fake.go, 0, 0);
    bench.fake.blocks_at = 0;
    start_bench(3 * WINDOW * PIECE);
    while (bench.fake.done_work < WINDOW - 2)
        rig_step(bench.rig);
    assert_int_equal(bench.rig->pushes, 0);
    sem_post(&bench.fake.go);
    rig_run(bench.rig);
    assert_output();
    close_bench();
    sem_destroy(&bench.fake.is_blocked);
    sem_destroy(&bench.fake.go);
}

static void sequential_stage_that_is_done_with_a_piece_is_given_the_next(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 20; seed++) {
        open_bench(seed, kinds[seed % 3], MR_STAGE_SEQUENTIAL);
        bench.fake.says_done = true;
        start_bench(10 * PIECE);
        rig_run(bench.rig);
        assert_output();
        close_bench();
    }
}

static void space_is_never_less_than_was_wanted(void **state)
{
    (void)state;
    open_bench(1, MR_OFFLOAD_NONE, MR_STAGE_PARALLEL);
    start_bench(10 * PIECE);
    bench.rig->push_max = 1;
    rig_send(bench.rig, PIECE - 10);
    for (size_t wanted = 1; wanted < PIECE; wanted++) {
        size_t len = wanted;
        void *space = mr_stream_space(&bench.rig->in, &len);
        assert_true(space == NULL ? wanted > 10 : len == 10);
    }
    bench.rig->push_max = 999;
    rig_run(bench.rig);
    assert_output();
    close_bench();
}

/* Also where a piece begins: nothing has to be copied, however the bytes come. */
static void there_is_a_place_for_the_next_bytes_as_long_as_the_window_is_not_full(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 40; seed++) {
        open_bench(seed, MR_OFFLOAD_WORKERS, MR_STAGE_PARALLEL);
        start_bench(WINDOW * PIECE);
        struct rig *rig = bench.rig;
        rig->uses_space = true;
        rig->push_max = 1 + seed * 100;
        while (rig->sent < rig->input_len) {
            size_t len = 1;
            assert_non_null(mr_stream_space(&rig->in, &len));
            rig_push(rig, rig->push_max);
        }
        rig_run(rig);
        assert_output();
        close_bench();
    }
}

/* ---- back-pressure ---- */

static void receiver_that_does_not_resume_pauses_the_sender_and_memory_is_bounded(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        enum mr_stage_kind kind = i < 2 ? MR_STAGE_PARALLEL : MR_STAGE_SEQUENTIAL;
        open_bench(3, kinds[i % 2], kind);
        make_whole_stage(0, 50, 50);
        start_bench(200 * PIECE);
        bench.rig->pause_percent = 100;
        rig_settle(bench.rig);
        assert_true(bench.rig->paused);
        assert_int_equal(bench.rig->pushes, 1);
        assert_true(bench.rig->sent < (WINDOW + 8) * (size_t)PIECE);
        assert_true(mr_budget_used(&bench.rig->budget) < 128 * MR_KIB + WINDOW * 3 * PIECE + 10000);
        bench.rig->pause_percent = 20;
        rig_resume(bench.rig);
        rig_run(bench.rig);
        assert_output();
        close_bench();
    }
}

static void nothing_moves_before_there_is_a_receiver(void **state)
{
    (void)state;
    struct mr_fault fault;
    open_bench(3, MR_OFFLOAD_WORKERS, MR_STAGE_PARALLEL);
    struct rig *rig = bench.rig;
    rig_input(rig, 100 * (size_t)PIECE);
    rig_output(rig, rig->input_len);
    bench.fake.input = rig->input;
    bench.fake.input_len = rig->input_len;
    struct mr_transform_config config = bench.config;
    config.loop = rig->loop;
    config.offload = rig->offload;
    config.budget = &rig->budget;
    config.in = &rig->in;
    config.stage = &bench.fake;
    config.hold = rig_hold;
    config.release = rig_release;
    config.context = rig;
    assert_int_equal(mr_transform_create(&bench.transform, &config, &fault), MR_OK);
    mr_transform_attach(bench.transform);
    rig_attach_sender(rig);
    rig_settle(rig);
    assert_true(rig->paused);
    rig_attach(rig, mr_transform_out(bench.transform));
    rig_run(rig);
    assert_output();
    close_bench();
}

/* ---- errors ---- */

static void error_anywhere_cancels_the_sender_and_aborts_the_receiver_once(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 160; seed++) {
        enum mr_stage_kind kind = seed / 2 % 2 == 0 ? MR_STAGE_PARALLEL : MR_STAGE_SEQUENTIAL;
        open_bench(seed, kinds[seed % 3], kind);
        choose_at_random();
        make_whole_stage(seed % 3 * 100, 30, 30);
        unsigned place = seed / 4 % 4;
        bench.fake.fails_open = place == 0;
        bench.fake.fails_work = place == 1 ? seed / 16 : NOWHERE;
        bench.fake.fails_join = place == 2 && kind == MR_STAGE_PARALLEL ? seed / 16 : NOWHERE;
        bench.fake.fails_finish = place == 3 || (place == 2 && kind == MR_STAGE_SEQUENTIAL);
        start_bench(15 * (size_t)PIECE);
        rig_run(bench.rig);
        assert_failed(MR_ECORRUPT);
        for (int i = 0; i < 20; i++) /* nothing after */
            rig_step(bench.rig);
        assert_failed(MR_ECORRUPT);
        assert_int_equal(bench.failed > 0, bench.fake.fails_open || bench.fake.fails_work != NOWHERE);
        close_bench();
    }
}

static void error_in_a_whole_piece_aborts(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        open_bench(1, kinds[i % 2], MR_STAGE_PARALLEL);
        make_whole_stage(10, 10, 10);
        bench.fake.sizes.whole_max = bench.fake.sizes.whole_out_max = 3000;
        bench.fake.fails_work = i / 2 == 0 ? 0 : NOWHERE;
        bench.fake.fails_join = i / 2 == 1 ? 0 : NOWHERE;
        bench.fake.fails_finish = i / 2 == 2;
        start_bench(1500);
        rig_run(bench.rig);
        assert_failed(MR_ECORRUPT);
        close_bench();
    }
}

static void input_that_ends_inside_the_header_is_corrupt(void **state)
{
    (void)state;
    open_bench(1, MR_OFFLOAD_WORKERS, MR_STAGE_SEQUENTIAL);
    make_whole_stage(0, 10, 10);
    start_bench(50);
    bench.fake.header = 100;
    rig_run(bench.rig);
    assert_failed(MR_ECORRUPT);
    close_bench();
}

/* It cannot be waited for: there is no room for the input that would come. */
static void stage_that_wants_more_than_there_is_room_for_fails(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        open_bench(1, kinds[i % 2], MR_STAGE_SEQUENTIAL);
        if (i < 2)
            bench.fake.grain = 3 * PIECE;
        else
            make_whole_stage(300000, 0, 0);
        start_bench(10000);
        for (int turn = 0; turn < 20000 && !rig_is_over(bench.rig); turn++)
            rig_step(bench.rig);
        assert_failed(MR_ECORRUPT);
        close_bench();
    }
}

static void abort_of_the_sender_is_passed_on(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 40; seed++) {
        open_bench(seed, kinds[seed % 3], seed / 2 % 2 == 0 ? MR_STAGE_PARALLEL : MR_STAGE_SEQUENTIAL);
        choose_at_random();
        start_bench(100 * (size_t)PIECE);
        for (uint32_t i = 0; i < seed; i++)
            rig_step(bench.rig);
        if (!bench.rig->ended) {
            rig_abort(bench.rig, MR_EGONE);
            assert_failed(MR_EGONE);
        }
        close_bench();
    }
}

/* ---- the way out ---- */

static void cancel_out(struct rig *rig)
{
    struct mr_fault fault;
    mr_fault_set(&fault, MR_EGONE, NULL);
    mr_stream_cancel(rig->out, &fault);
}

static void abort_in(struct rig *rig)
{
    rig_abort(rig, MR_EGONE);
}

static void close_offload(struct rig *rig)
{
    mr_offload_close(rig->offload);
}

static void stream_can_be_left_from_inside_every_callback(void **state)
{
    (void)state;
    static void (*const acts[])(struct rig *) = {leave_bench, cancel_out, abort_in, close_offload};
    for (uint32_t seed = 0; seed < 400; seed++) {
        open_bench(seed, kinds[seed % 3], seed / 2 % 2 == 0 ? MR_STAGE_PARALLEL : MR_STAGE_SEQUENTIAL);
        struct rig *rig = bench.rig;
        choose_at_random();
        rig->happens = acts[rig_random(rig, MR_ARRAY_SIZE(acts))];
        rig->moment = (enum moment)(1 + rig_random(rig, MOMENTS - 1));
        rig->skip = rig_random(rig, 4);
        if (rig->happens == abort_in && (rig->moment == AT_PUSH || rig->moment == AT_HOLD))
            rig->happens = cancel_out; /* a sender does not abort in its own push */
        if (rig->moment == AT_END || rig->moment == AT_ABORT || rig->moment == AT_CANCEL)
            rig->skip = 0;
        if (rig->moment == AT_ABORT || rig->moment == AT_CANCEL)
            bench.fake.fails_work = rig_random(rig, 4);
        start_bench(20 * (size_t)PIECE);
        for (int turn = 0; turn < 3000 && !rig->happened && !rig_is_over(rig); turn++)
            rig_step(rig);
        close_bench();
    }
}

static void stream_can_be_left_in_every_turn(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 200; seed++) {
        open_bench(seed, kinds[seed % 3], seed / 2 % 2 == 0 ? MR_STAGE_PARALLEL : MR_STAGE_SEQUENTIAL);
        choose_at_random();
        bench.fake.heeds_cancel = seed % 5 == 0;
        start_bench(20 * (size_t)PIECE);
        for (uint32_t i = 0; i < seed / 4; i++)
            rig_step(bench.rig);
        leave_bench(bench.rig);
        close_bench();
    }
}

static void jobs_that_run_when_the_stream_is_left_come_back_to_nobody(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        open_bench(1, MR_OFFLOAD_WORKERS, i == 0 ? MR_STAGE_PARALLEL : MR_STAGE_SEQUENTIAL);
        sem_init(&bench.fake.is_blocked, 0, 0);
        sem_init(&bench.fake.go, 0, 0);
        bench.fake.blocks_at = 0;
        bench.fake.heeds_cancel = true;
        start_bench(20 * (size_t)PIECE);
        rig_send(bench.rig, 1000);
        sem_wait(&bench.fake.is_blocked);
        leave_bench(bench.rig);
        assert_int_equal(bench.fake.destroys, 0);
        assert_int_equal(bench.rig->held, 1);
        sem_post(&bench.fake.go);
        rig_drain(bench.rig);
        assert_int_equal(bench.fake.destroys, 1);
        assert_int_equal(bench.failed, 0); /* nobody wanted it: that is no failure */
        close_bench();
        sem_destroy(&bench.fake.is_blocked);
        sem_destroy(&bench.fake.go);
    }
}

static void transform_that_was_never_attached_is_freed(void **state)
{
    (void)state;
    struct mr_fault fault;
    open_bench(1, MR_OFFLOAD_NONE, MR_STAGE_PARALLEL);
    bench.config.loop = bench.rig->loop;
    bench.config.offload = bench.rig->offload;
    bench.config.budget = &bench.rig->budget;
    bench.config.stage = &bench.fake;
    assert_int_equal(mr_transform_create(&bench.transform, &bench.config, &fault), MR_OK);
    mr_transform_destroy(&bench.transform);
    close_bench();
}

/* ---- the queue ---- */

static void full_queue_is_tried_again_until_there_is_room(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 24; seed++) {
        struct mr_offload_config config = {.kind = kinds[seed % 3], .queue_depth = 1};
        open_bench_on(rig_open_with(seed, config, 0), seed / 2 % 2 == 0 ? MR_STAGE_PARALLEL : MR_STAGE_SEQUENTIAL);
        choose_at_random();
        start_bench(20 * (size_t)PIECE);
        rig_run(bench.rig);
        assert_output();
        close_bench();
    }
}

/* Somebody else fills the queue: no job of the stream is there whose return would say that there is room. */
static void queue_that_others_fill_is_tried_again_by_the_clock(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct mr_offload_config config = {.kind = MR_OFFLOAD_WORKERS, .queue_depth = 1};
        open_bench_on(rig_open_with(1, config, 0), i % 2 == 0 ? MR_STAGE_PARALLEL : MR_STAGE_SEQUENTIAL);
        struct rig *rig = bench.rig;
        struct rig_holder filler = {.is_out = true};
        rig_hold_workers(rig);
        filler.running = &rig->running;
        filler.go = &rig->go;
        filler.job =
            (struct mr_job){.work = rig_hold_work, .done = rig_hold_done, .loop = rig->loop, .lane = MR_LANE_BULK};
        unsigned fillers = 0;
        assert_int_equal(mr_offload_submit(rig->offload, &filler.job), MR_OK);
        fillers++;
        start_bench(20 * (size_t)PIECE);
        rig_settle(rig);
        if (mr_offload_capacity(rig->offload) == 1)
            assert_int_equal(rig->holds, 0);
        if (i < 2) {
            sem_post(&rig->go);
            rig_free_workers(rig);
            while (filler.is_out)
                rig_turn(rig);
            rig_run(rig);
            assert_output();
        } else { /* the server ends while it waits */
            mr_offload_close(rig->offload);
            rig->moment = AT_ABORT;
            rig->happens = leave_bench;
            rig_run(rig);
            assert_failed(MR_ESHUTDOWN);
            sem_post(&rig->go);
            rig_free_workers(rig);
            while (filler.is_out)
                rig_turn(rig);
        }
        close_bench();
    }
}

static enum mr_flow take_all(void *context, const void *bytes, size_t len)
{
    (void)context;
    (void)bytes;
    (void)len;
    return MR_FLOW_MORE;
}

static void heed_nothing(void *context)
{
    (void)context;
}

static void heed_no_fault(void *context, const struct mr_fault *why)
{
    (void)context;
    (void)why;
}

/* Every expiry on the loop looks at each list. */
static void streams_that_wait_for_the_clock_share_one_list_of_timers(void **state)
{
    static const struct mr_stream_receiver receiver = {.push = take_all, .end = heed_nothing, .abort = heed_no_fault};
    static const struct mr_stream_sender sender = {.resume = heed_nothing, .cancel = heed_no_fault};
    static struct mr_stream in[50];
    static struct fake fakes[MR_ARRAY_SIZE(in)];
    static const unsigned char bytes[4 * PIECE];
    struct mr_transform *transforms[MR_ARRAY_SIZE(in)];
    struct mr_fault fault;

    (void)state;
    memset(in, 0, sizeof(in));
    open_bench_on(rig_open_with(1, (struct mr_offload_config){.kind = MR_OFFLOAD_WORKERS, .queue_depth = 1}, 0),
                  MR_STAGE_PARALLEL);
    struct rig *rig = bench.rig;
    unsigned lists = mr_timer_list_count(rig->loop);
    rig_hold_workers(rig);
    fill_config();
    for (size_t i = 0; i < MR_ARRAY_SIZE(in); i++) {
        fakes[i] = bench.fake;
        bench.config.stage = &fakes[i];
        bench.config.in = &in[i];
        assert_int_equal(mr_transform_create(&transforms[i], &bench.config, &fault), MR_OK);
        mr_stream_attach_receiver(mr_transform_out(transforms[i]), &receiver, NULL);
        mr_transform_attach(transforms[i]);
        mr_stream_attach_sender(&in[i], &sender, NULL);
        mr_stream_push(&in[i], bytes, sizeof(bytes)); /* the queue has room for the first one's alone */
    }
    assert_true(mr_counter_read(&mr_offload_stats(rig->offload, 0)->refused) >= MR_ARRAY_SIZE(in) - 1);
    assert_int_equal(mr_timer_list_count(rig->loop), lists + 1);
    for (size_t i = 0; i < MR_ARRAY_SIZE(in); i++)
        mr_transform_destroy(&transforms[i]);
    assert_int_equal(mr_timer_list_count(rig->loop), lists + 1);
    rig_free_workers(rig);
    rig_close(rig);
    for (size_t i = 0; i < MR_ARRAY_SIZE(in); i++)
        assert_int_equal(fakes[i].destroys, 1);
}

static void piece_that_waited_too_long_is_tried_again(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct mr_offload_config config = {
            .kind = MR_OFFLOAD_WORKERS, .queue_depth = 64, .deadline_ns = 80 * MR_NS_PER_MS};
        open_bench_on(rig_open_with(1, config, 0), i == 0 ? MR_STAGE_PARALLEL : MR_STAGE_SEQUENTIAL);
        struct rig *rig = bench.rig;
        rig_hold_workers(rig);
        start_bench(20 * (size_t)PIECE);
        rig_send(rig, 1000);
        uint64_t from = mr_clock_now();
        while (mr_clock_now() < from + 90 * MR_NS_PER_MS)
            rig_turn(rig);
        rig_free_workers(rig);
        rig_run(rig);
        assert_true(mr_offload_stats(rig->offload, 0)->expired > 0);
        assert_output();
        close_bench();
    }
}

static void shutdown_in_mid_stream_ends_it_with_that_fault(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 40; seed++) {
        open_bench(seed, kinds[seed % 3], seed / 2 % 2 == 0 ? MR_STAGE_PARALLEL : MR_STAGE_SEQUENTIAL);
        bench.rig->keeps_open = true;
        bench.fake.heeds_cancel = seed % 8 < 4;
        start_bench(60 * (size_t)PIECE);
        for (uint32_t i = 0; i < seed / 2; i++)
            rig_step(bench.rig);
        mr_offload_close(bench.rig->offload);
        bench.rig->keeps_open = false;
        rig_run(bench.rig);
        assert_failed(MR_ESHUTDOWN);
        assert_int_equal(bench.failed, 0);
        close_bench();
    }
}

static void running_piece_that_is_stopped_by_the_shutdown_says_so(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        open_bench(1, MR_OFFLOAD_WORKERS, i == 0 ? MR_STAGE_PARALLEL : MR_STAGE_SEQUENTIAL);
        sem_init(&bench.fake.is_blocked, 0, 0);
        sem_init(&bench.fake.go, 0, 0);
        bench.fake.blocks_at = 0;
        bench.fake.heeds_cancel = true;
        bench.rig->keeps_open = true;
        start_bench(PIECE + 1);
        rig_send(bench.rig, 1000);
        sem_wait(&bench.fake.is_blocked);
        mr_offload_close(bench.rig->offload);
        sem_post(&bench.fake.go);
        rig_run(bench.rig);
        assert_failed(MR_ESHUTDOWN);
        assert_int_equal(bench.failed, 0);
        close_bench();
        sem_destroy(&bench.fake.is_blocked);
        sem_destroy(&bench.fake.go);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_out_equal_and_in_order),
        cmocka_unit_test(receiver_may_keep_results_for_as_long_as_it_likes),
        cmocka_unit_test(empty_input_is_one_empty_last_piece),
        cmocka_unit_test(short_input_is_one_whole_piece_whose_length_is_known_at_the_first_push),
        cmocka_unit_test(stage_is_opened_in_the_lane_of_its_pieces_and_a_heavy_one_in_its_own),
        cmocka_unit_test(announced_length_counts_what_open_and_finish_add),
        cmocka_unit_test(pieces_that_come_back_early_wait_for_those_before_them),
        cmocka_unit_test(sequential_stage_that_is_done_with_a_piece_is_given_the_next),
        cmocka_unit_test(space_is_never_less_than_was_wanted),
        cmocka_unit_test(there_is_a_place_for_the_next_bytes_as_long_as_the_window_is_not_full),
        cmocka_unit_test(receiver_that_does_not_resume_pauses_the_sender_and_memory_is_bounded),
        cmocka_unit_test(nothing_moves_before_there_is_a_receiver),
        cmocka_unit_test(error_anywhere_cancels_the_sender_and_aborts_the_receiver_once),
        cmocka_unit_test(error_in_a_whole_piece_aborts),
        cmocka_unit_test(input_that_ends_inside_the_header_is_corrupt),
        cmocka_unit_test(stage_that_wants_more_than_there_is_room_for_fails),
        cmocka_unit_test(abort_of_the_sender_is_passed_on),
        cmocka_unit_test(stream_can_be_left_from_inside_every_callback),
        cmocka_unit_test(stream_can_be_left_in_every_turn),
        cmocka_unit_test(jobs_that_run_when_the_stream_is_left_come_back_to_nobody),
        cmocka_unit_test(transform_that_was_never_attached_is_freed),
        cmocka_unit_test(full_queue_is_tried_again_until_there_is_room),
        cmocka_unit_test(queue_that_others_fill_is_tried_again_by_the_clock),
        cmocka_unit_test(streams_that_wait_for_the_clock_share_one_list_of_timers),
        cmocka_unit_test(piece_that_waited_too_long_is_tried_again),
        cmocka_unit_test(shutdown_in_mid_stream_ends_it_with_that_fault),
        cmocka_unit_test(running_piece_that_is_stopped_by_the_shutdown_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
