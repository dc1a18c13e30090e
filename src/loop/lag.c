/* DESIGN. The timerfd is armed with an absolute first tick and an interval, so the ticks' due times are known exactly
 * and a late tick does not move the next. The kernel counts the ticks that went by; the callback is late by the first
 * of them. libuv's own timers would not do: they are good to a millisecond, which is what is to be measured. */
#include "base/counter.h"
#include "base/log.h"
#include "loop/loop_internal.h"

#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

static struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / MR_NS_PER_S), .tv_nsec = (long)(ns % MR_NS_PER_S)};
}

/* Ticks from `due` on, or none at all for 0. */
static void set_ticks(struct mr_lag_probe *probe, uint64_t due)
{
    struct itimerspec ticks = {.it_value = timespec_of(due)};

    if (due != 0)
        ticks.it_interval = timespec_of(MR_LAG_INTERVAL_NS);
    int err = timerfd_settime(probe->fd, TFD_TIMER_ABSTIME, &ticks, NULL);
    MR_ASSERT(err == 0);
    probe->due = due;
    probe->armed = due != 0;
}

void mr_lag_arm(struct mr_loop *loop)
{
    struct mr_lag_probe *probe = &loop->probe;

    probe->seen = true;
    if (!probe->armed && !probe->off)
        set_ticks(probe, mr_clock_now() + MR_LAG_INTERVAL_NS);
}

static void on_tick(uv_poll_t *handle, int status, int events)
{
    struct mr_loop *loop = mr_container_of(handle, struct mr_loop, probe.handle);
    struct mr_lag_probe *probe = &loop->probe;
    uint64_t ticks, now = mr_clock_now();

    (void)status;
    (void)events;
    if (read(probe->fd, &ticks, sizeof(ticks)) != (ssize_t)sizeof(ticks))
        return; /* EAGAIN: it was armed again since poll returned */
    if (!probe->seen) {
        set_ticks(probe, 0);
        return;
    }
    /* The first tick is late by now - due, each one it swallowed by an interval less. */
    mr_histogram_record_missed(&loop->stats->lag, now - probe->due, MR_LAG_INTERVAL_NS);
    probe->due += ticks * MR_LAG_INTERVAL_NS;
    probe->seen = loop->requests > loop->resting;
}

static void log_blocked(const struct mr_loop *loop, uint64_t busy, uint64_t held_back)
{
    const struct mr_blocked *blocked = &loop->blocked;
    struct mr_log_line line;

    mr_log_begin(&line, MR_LOG_WARN, "the loop was blocked");
    mr_log_text(&line, "label", mr_label_text(blocked->label));
    mr_log_seconds(&line, "busy", busy);
    mr_log_seconds(&line, "callback", blocked->longest_ns);
    if (blocked->whose.id[0] != '\0') {
        mr_log_text(&line, "id", blocked->whose.id);
        mr_log_int(&line, "bytes", (int64_t)blocked->whose.bytes);
    }
    mr_log_int(&line, "loop", loop->index);
    if (held_back > 0)
        mr_log_int(&line, "held_back", (int64_t)held_back);
    mr_log_end(&line);
}

static void keep_example(struct mr_loop_blocked *counter, const struct mr_loop_note *whose, uint64_t busy)
{
    struct mr_exemplar_value value = {.value = busy, .wall = mr_clock_wall()};
    _Static_assert(sizeof(value.request_id) == sizeof(whose->id), "an id is an id");

    memcpy(value.request_id, whose->id, sizeof(value.request_id));
    mr_exemplar_set(&counter->last, &value);
    if (whose->id[0] != '\0')
        mr_exemplar_offer(&counter->worst, &value);
}

/* The iteration was busy for too long. */
static void report_blocked(struct mr_loop *loop, uint64_t busy, uint64_t now)
{
    struct mr_loop_blocked *counter = &loop->stats->blocked[loop->blocked.label];
    uint64_t held_back;

    mr_counter_add(&counter->count, 1);
    mr_counter_add(&counter->ns, busy);
    keep_example(counter, &loop->blocked.whose, busy);
    if (mr_blocked_may_log(&loop->blocked, now, &held_back))
        log_blocked(loop, busy, held_back);
}

void mr_lag_iteration(struct mr_loop *loop)
{
    mr_counter_add(&loop->stats->iterations, 1);
    if (!mr_blocked_has_worked(&loop->blocked))
        return;
    uint64_t now = mr_clock_now(), busy = mr_blocked_finish(&loop->blocked, now);
    mr_histogram_record(&loop->stats->busy, busy);
    if (loop->warn_ns != 0 && busy > loop->warn_ns)
        report_blocked(loop, busy, now);
    mr_blocked_reset(&loop->blocked);
}

int mr_lag_open(struct mr_loop *loop)
{
    struct mr_lag_probe *probe = &loop->probe;

    probe->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (probe->fd < 0)
        return MR_EIO;
    if (uv_poll_init(&loop->uv, &probe->handle, probe->fd) != 0) {
        close(probe->fd);
        return MR_EIO;
    }
    uv_poll_start(&probe->handle, UV_READABLE, on_tick);
    uv_unref((uv_handle_t *)&probe->handle);
    return 0;
}

static void on_probe_closed(uv_handle_t *handle)
{
    struct mr_lag_probe *probe = mr_container_of(handle, struct mr_lag_probe, handle);
    close(probe->fd);
}

void mr_lag_close(struct mr_loop *loop)
{
    uv_close((uv_handle_t *)&loop->probe.handle, on_probe_closed);
}
