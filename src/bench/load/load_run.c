#include "bench/load/load_run.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/macros.h"
#include <stdlib.h>
#include <sys/resource.h>
#include <uv.h>

#define LEAD_NS (10 * MR_NS_PER_MS) /* from "connections are open" to the first request: time to arm everything */
#define TICK_MS 100

struct run {
    uv_loop_t loop;
    uv_timer_t tick;
    const struct mr_load_stream_config *configs;
    const struct mr_load_watch *watch;
    struct mr_load_stream **streams;
    unsigned count, opened, settled, closed;
    bool is_closing, is_cancelled;
    uint64_t zero; /* monotonic ns: the streams' windows are counted from here; 0: they do not run yet */
    int error;     /* of libuv: why the run could not begin */
};

/* ---- Ending ---- */

static void close_all(struct run *run)
{
    if (run->is_closing)
        return;
    run->is_closing = true;
    uv_close((uv_handle_t *)&run->tick, NULL);
    for (unsigned i = 0; i < run->count; i++)
        mr_load_stream_close(run->streams[i]);
}

static void on_stream_settled(void *context)
{
    struct run *run = context;
    if (++run->settled == run->count)
        close_all(run);
}

static void on_stream_refused(void *context, int error)
{
    struct run *run = context;
    run->error = error;
    close_all(run);
}

static void on_stream_closed(void *context)
{
    struct run *run = context;
    run->closed++;
}

/* ---- Who looks on ---- */

static void tell_progress(struct run *run)
{
    uint64_t now = mr_clock_now();
    struct mr_load_progress progress = {.is_open = run->zero != 0};
    if (progress.is_open && now > run->zero)
        progress.elapsed = now - run->zero;
    for (unsigned i = 0; i < run->count; i++) {
        uint64_t end = run->configs[i].start + run->configs[i].duration;
        progress.total = MR_MAX(progress.total, end);
    }
    if (run->watch == NULL || run->watch->tick(run->watch->context, &progress))
        return;
    run->is_cancelled = true;
    close_all(run);
}

static void on_tick(uv_timer_t *tick)
{
    tell_progress(tick->data);
}

/* ---- Beginning ---- */

static void start_all(struct run *run)
{
    uint64_t before_zero = 0; /* the longest warm-up of a stream that counts from the beginning */
    for (unsigned i = 0; i < run->count; i++) {
        const struct mr_load_stream_config *config = &run->configs[i];
        uint64_t lead = config->warmup > config->start ? config->warmup - config->start : 0;
        before_zero = MR_MAX(before_zero, lead);
    }
    run->zero = mr_clock_now() + LEAD_NS + before_zero;
    for (unsigned i = 0; i < run->count; i++)
        mr_load_stream_start(run->streams[i], run->zero);
}

static void on_stream_opened(void *context)
{
    struct run *run = context;
    if (++run->opened < run->count)
        return;
    start_all(run);
    tell_progress(run);
}

/* Ten thousand connections are a reasonable wish; the default limit of descriptors is often a thousand. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void create_streams(struct run *run, struct mr_load_result *results)
{
    static const struct mr_load_stream_events events = {.opened = on_stream_opened,
                                                        .refused = on_stream_refused,
                                                        .settled = on_stream_settled,
                                                        .closed = on_stream_closed};
    run->streams = calloc(run->count, sizeof(struct mr_load_stream *));
    MR_ASSERT(run->streams != NULL);
    for (unsigned i = 0; i < run->count; i++)
        run->streams[i] = mr_load_stream_create(&run->loop, &run->configs[i], &events, run, &results[i]);
}

static int outcome(const struct run *run, struct mr_fault *fault)
{
    if (run->error != 0)
        return mr_fault_set(fault, MR_EIO, "cannot connect: %s", uv_strerror(run->error));
    return run->is_cancelled ? mr_fault_set(fault, MR_ECANCELLED, "the run was cancelled") : MR_OK;
}

int mr_load_run(const struct mr_load_stream_config *configs, unsigned count, const struct mr_load_watch *watch,
                struct mr_load_result *results, struct mr_fault *fault)
{
    MR_ASSERT(count > 0);
    struct run run = {.configs = configs, .count = count, .watch = watch};
    raise_descriptor_limit();
    MR_ASSERT(uv_loop_init(&run.loop) == 0);
    MR_ASSERT(uv_loop_configure(&run.loop, UV_METRICS_IDLE_TIME) == 0);
    MR_ASSERT(uv_timer_init(&run.loop, &run.tick) == 0);
    run.tick.data = &run;
    uv_timer_start(&run.tick, on_tick, TICK_MS, TICK_MS);

    create_streams(&run, results);
    for (unsigned i = 0; i < count && !run.is_closing; i++)
        mr_load_stream_open(run.streams[i]);
    uv_run(&run.loop, UV_RUN_DEFAULT);

    MR_ASSERT(run.closed == count);
    for (unsigned i = 0; i < count; i++)
        mr_load_stream_destroy(&run.streams[i]);
    free(run.streams);
    MR_ASSERT(uv_loop_close(&run.loop) == 0);
    return outcome(&run, fault);
}
