#include "bench/load_run.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/macros.h"
#include <stdlib.h>
#include <sys/resource.h>
#include <uv.h>

#define LEAD_NS (10 * MR_NS_PER_MS) /* from "connections are open" to the first request: time to arm everything */

struct run {
    uv_loop_t loop;
    uv_timer_t mark; /* the next moment of the plan: window begins, window ends, grace ends */
    struct mr_load_times times;
    struct mr_load_window window;
    struct mr_load_stream **streams;
    unsigned count, opened, settled, closed;
    bool is_closing;
    uint64_t idle_before, began_at; /* of the window, as it really began */
    double busy;
    FILE *progress;
    int error; /* of libuv: why the run could not begin */
};

/* ---- Ending ---- */

static void close_all(struct run *run)
{
    if (run->is_closing)
        return;
    run->is_closing = true;
    uv_close((uv_handle_t *)&run->mark, NULL);
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

/* ---- The plan ---- */

/* The loop's own timers are good to a millisecond, which is enough for marks; sending has a clock of its own. */
static void set_mark(struct run *run, uv_timer_cb on_mark, uint64_t when)
{
    uint64_t now = mr_clock_now();
    uv_update_time(&run->loop);
    uv_timer_start(&run->mark, on_mark, when > now ? (when - now + MR_NS_PER_MS - 1) / MR_NS_PER_MS : 0, 0);
}

static void on_grace_over(uv_timer_t *mark)
{
    close_all(mark->data);
}

static void on_window_over(uv_timer_t *mark)
{
    struct run *run = mark->data;
    uint64_t now = mr_clock_now(), idle = uv_metrics_idle_time(&run->loop) - run->idle_before;
    run->busy = 1 - (double)idle / (double)(now - run->began_at);
    set_mark(run, on_grace_over, run->window.until + run->times.grace);
    for (unsigned i = 0; i < run->count; i++)
        mr_load_stream_end(run->streams[i]);
}

static void on_window_begins(uv_timer_t *mark)
{
    struct run *run = mark->data;
    run->began_at = mr_clock_now();
    run->idle_before = uv_metrics_idle_time(&run->loop);
    set_mark(run, on_window_over, run->window.until);
}

static void on_stream_opened(void *context)
{
    struct run *run = context;
    if (++run->opened < run->count)
        return;
    if (run->progress != NULL)
        fputs("connections are open, the run begins\n", run->progress);
    run->window.start = mr_clock_now() + LEAD_NS;
    run->window.from = run->window.start + run->times.warmup;
    run->window.until = run->window.from + run->times.duration;
    set_mark(run, on_window_begins, run->window.from);
    for (unsigned i = 0; i < run->count; i++)
        mr_load_stream_start(run->streams[i], &run->window);
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

int mr_load_run(const struct mr_load_stream_config *configs, unsigned count, const struct mr_load_times *times,
                FILE *progress, struct mr_load_result *results, struct mr_fault *fault)
{
    static const struct mr_load_stream_events events = {.opened = on_stream_opened,
                                                        .refused = on_stream_refused,
                                                        .settled = on_stream_settled,
                                                        .closed = on_stream_closed};
    struct run run = {.times = *times, .count = count, .progress = progress};
    raise_descriptor_limit();
    MR_ASSERT(uv_loop_init(&run.loop) == 0);
    MR_ASSERT(uv_loop_configure(&run.loop, UV_METRICS_IDLE_TIME) == 0);
    MR_ASSERT(uv_timer_init(&run.loop, &run.mark) == 0);
    run.mark.data = &run;

    run.streams = calloc(count, sizeof(struct mr_load_stream *));
    MR_ASSERT(run.streams != NULL);
    for (unsigned i = 0; i < count; i++)
        run.streams[i] = mr_load_stream_create(&run.loop, &configs[i], &events, &run, &results[i]);
    for (unsigned i = 0; i < count; i++)
        mr_load_stream_open(run.streams[i]);
    uv_run(&run.loop, UV_RUN_DEFAULT);

    MR_ASSERT(run.closed == count);
    for (unsigned i = 0; i < count; i++) {
        results[i].busy = run.busy;
        mr_load_stream_destroy(&run.streams[i]);
    }
    free(run.streams);
    MR_ASSERT(uv_loop_close(&run.loop) == 0);
    return run.error == 0 ? MR_OK : mr_fault_set(fault, MR_EIO, "cannot connect: %s", uv_strerror(run.error));
}
