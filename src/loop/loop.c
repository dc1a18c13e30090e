/* DESIGN. One iteration of libuv calls us in this order:
 *
 *      timers (timer.c) | hurry | finish: end of an iteration | poll: sockets, wake, lag probe | deliver
 *
 * Completions are handed out in one place, after poll: DELIVERIES_AT_LEAST a turn, and more of those that were there
 * while they take no longer than DELIVERY_NS (a turn costs a system call); `wake` only ends the wait.
 * While some are left, `hurry` (an idle handle) keeps poll from waiting, so sockets are looked at between two batches.
 * So does it when the loop posts to itself: it is awake, and only must not fall asleep. Whenever the inbox is not
 * empty, either `hurry` is active or a write to the eventfd was made or is about to be made. As every turn looks into
 * the inbox, a thread that is stopped between its post and its wake-up delays the others' completions only as long as
 * the loop has nothing else to wake up for.
 *
 * Waking is one write of another thread to an eventfd, and not uv_async_send(): that one writes and then marks its
 * handle as idle again, and in libuv 1.44 the loop spins on sched_yield() until it has. A worker runs below the loop's
 * priority, so the write itself puts the loop in its place, and the loop then waits for a thread that others may keep
 * from running
 * (`script/bench lag` on two busy cores: loop lag p90 2.05 ms with uv_async_send, 0.10 ms with the eventfd). */
#include "loop/loop_internal.h"

#include "base/counter.h"
#include "base/log.h"
#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DELIVERIES_AT_LEAST 8
#define DELIVERY_NS         (200 * MR_NS_PER_US)
#define SLICE_NS            (100 * MR_NS_PER_US)

static _Thread_local const struct mr_loop *current_loop;

static void wake(struct mr_loop *loop)
{
    const uint64_t one = 1;

    /* It fails only if the counter is full, and then the loop is as good as awake. */
    ssize_t written = write(loop->wake_fd, &one, sizeof(one));
    (void)written;
}

static void on_wake(uv_poll_t *handle, int status, int events)
{
    struct mr_loop *loop = mr_container_of(handle, struct mr_loop, wake);
    uint64_t count;

    (void)status;
    (void)events;
    ssize_t got = read(loop->wake_fd, &count, sizeof(count)); /* takes all wake-ups so far */
    (void)got;
    if (atomic_load_explicit(&loop->stopping, memory_order_relaxed))
        uv_stop(&loop->uv);
}

static int open_wake(struct mr_loop *loop)
{
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->wake_fd < 0)
        return MR_EIO;
    if (uv_poll_init(&loop->uv, &loop->wake, loop->wake_fd) != 0) {
        close(loop->wake_fd);
        return MR_EIO;
    }
    int err = uv_poll_start(&loop->wake, UV_READABLE, on_wake);
    MR_ASSERT(err == 0);
    return 0;
}

static void close_wake(struct mr_loop *loop)
{
    uv_close((uv_handle_t *)&loop->wake, NULL);
    close(loop->wake_fd);
}

static void on_hurry(uv_idle_t *handle)
{
    (void)handle; /* it is active: that is all it does */
}

static void on_deliver(uv_check_t *handle)
{
    struct mr_loop *loop = mr_container_of(handle, struct mr_loop, deliver);
    if (!uv_is_active((uv_handle_t *)&loop->hurry) && mr_inbox_is_empty(&loop->inbox))
        return;

    bool more;
    uint64_t started = mr_loop_enter(loop);
    do /* not what is posted meanwhile: that is for a later turn */
        mr_counter_add(&loop->stats->deliveries, mr_inbox_drain(&loop->inbox, DELIVERIES_AT_LEAST, &more));
    while (loop->inbox.taken != NULL && mr_clock_now() - started < DELIVERY_NS);
    mr_loop_leave(loop, MR_LABEL_COMPLETIONS, started);

    if (more)
        uv_idle_start(&loop->hurry, on_hurry);
    else
        uv_idle_stop(&loop->hurry);
}

static void on_finish(uv_prepare_t *handle)
{
    mr_lag_iteration(mr_container_of(handle, struct mr_loop, finish));
}

/* Handles that watch each iteration; unreferenced, as they are no reason to go on running. */
static void open_watchers(struct mr_loop *loop)
{
    uv_check_init(&loop->uv, &loop->deliver);
    uv_idle_init(&loop->uv, &loop->hurry);
    uv_prepare_init(&loop->uv, &loop->finish);
    uv_check_start(&loop->deliver, on_deliver);
    uv_prepare_start(&loop->finish, on_finish);
    uv_unref((uv_handle_t *)&loop->deliver);
    uv_unref((uv_handle_t *)&loop->finish);
}

static int open_handles(struct mr_loop *loop)
{
    int err = open_wake(loop);
    if (err != 0)
        return err;
    err = mr_lag_open(loop);
    if (err != 0) {
        close_wake(loop);
        uv_run(&loop->uv, UV_RUN_DEFAULT);
        return err;
    }
    open_watchers(loop);
    mr_timers_open(loop);
    return 0;
}

int mr_loop_create(struct mr_loop **out, unsigned index)
{
    struct mr_loop *loop = aligned_alloc(MR_CACHE_LINE, sizeof(*loop));
    if (loop == NULL)
        return MR_EMEMORY;
    memset(loop, 0, sizeof(*loop));
    loop->index = index;
    loop->stats = &loop->own_stats;
    loop->now = mr_clock_now();
    mr_inbox_init(&loop->inbox);

    int err = MR_EIO;
    if (uv_loop_init(&loop->uv) != 0)
        goto fail_init;
    err = open_handles(loop);
    if (err != 0)
        goto fail_open;
    *out = loop;
    return 0;

fail_open:
    uv_loop_close(&loop->uv);
fail_init:
    free(loop);
    return err;
}

void mr_loop_destroy(struct mr_loop **out)
{
    struct mr_loop *loop = *out;

    MR_ASSERT(!atomic_load_explicit(&loop->running, memory_order_acquire));
    while (loop->operations > 0)
        uv_run(&loop->uv, UV_RUN_ONCE);
    while (atomic_load_explicit(&loop->leaving, memory_order_acquire) > 0)
        sched_yield(); /* for an instant: the post is done, and perhaps not the wake-up */
    MR_ASSERT(mr_inbox_is_empty(&loop->inbox) && loop->inbox.taken == NULL); /* a completion would be lost */
    mr_timers_close(loop);
    mr_lag_close(loop);
    uv_close((uv_handle_t *)&loop->finish, NULL);
    uv_close((uv_handle_t *)&loop->hurry, NULL);
    uv_close((uv_handle_t *)&loop->deliver, NULL);
    close_wake(loop);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    int err = uv_loop_close(&loop->uv);
    MR_ASSERT(err == 0); /* otherwise somebody else's handle is still open */
    free(loop);
    *out = NULL;
}

/* Ask the kernel for short turns of the calling thread on its core. Linux (EEVDF, 6.12 or newer) lets whoever runs have
 * his slice before a thread that wakes up, which the tick makes up to 4 ms long, except when the other's slice is
 * shorter. Needs no privilege and gives no more time in all; where it is not known, nothing changes; where it is
 * forbidden (by a seccomp filter), the log says it. Threads that the loop starts do not inherit it. docs/queue.md has
 * the measurement. */
static void ask_for_short_slices(void)
{
    struct { /* struct sched_attr as of its first version (sched_setattr(2)), which glibc 2.36 does not declare */
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } attr = {.size = sizeof(attr), .flags = SCHED_FLAG_RESET_ON_FORK, .runtime = SLICE_NS};

    if (sched_getscheduler(0) != SCHED_OTHER)
        return; /* somebody chose another policy for the process */
    attr.nice = getpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid));
    if (syscall(SYS_sched_setattr, 0, &attr, 0) != 0 && errno == EPERM)
        mr_log(MR_LOG_WARN, "the loop cannot ask for short turns on its core (sched_setattr): %s", strerror(errno));
}

static void become(struct mr_loop *loop, bool with_probe)
{
    MR_ASSERT(current_loop == NULL);
    current_loop = loop;
    atomic_store_explicit(&loop->running, true, memory_order_relaxed);
    loop->probe.off = !with_probe;
    loop->now = mr_clock_now();
    uv_update_time(&loop->uv);
    mr_blocked_reset(&loop->blocked);
}

void mr_loop_run(struct mr_loop *loop)
{
    ask_for_short_slices();
    become(loop, true);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    mr_loop_release(loop);
}

void mr_loop_adopt(struct mr_loop *loop)
{
    MR_ASSERT(!atomic_load_explicit(&loop->running, memory_order_acquire)); /* pairs with release below */
    become(loop, false);
}

void mr_loop_release(struct mr_loop *loop)
{
    MR_ASSERT(current_loop == loop);
    /* Release: whoever sees the loop ended (destroy, adopt) sees all it did. */
    atomic_store_explicit(&loop->running, false, memory_order_release);
    current_loop = NULL;
}

void mr_loop_turn(struct mr_loop *loop)
{
    MR_ON_LOOP(loop);
    mr_blocked_reset(&loop->blocked); /* what its thread did before is not the loop's time */
    uv_run(&loop->uv, UV_RUN_NOWAIT);
}

int mr_loop_fd(struct mr_loop *loop)
{
    return uv_backend_fd(&loop->uv);
}

int mr_loop_wait_ms(struct mr_loop *loop)
{
    uv_update_time(&loop->uv); /* from which libuv counts */
    return uv_backend_timeout(&loop->uv);
}

void mr_loop_stop(struct mr_loop *loop)
{
    /* Relaxed: the write and the read of the eventfd order it before the look in on_wake. */
    atomic_store_explicit(&loop->stopping, true, memory_order_relaxed);
    wake(loop);
}

uv_loop_t *mr_loop_uv(struct mr_loop *loop)
{
    return &loop->uv;
}

unsigned mr_loop_index(const struct mr_loop *loop)
{
    return loop->index;
}

bool mr_loop_is_current(const struct mr_loop *loop)
{
    return current_loop == loop || !atomic_load_explicit(&loop->running, memory_order_relaxed);
}

void mr_loop_post(struct mr_loop *loop, struct mr_inbox_node *node)
{
    if (!mr_inbox_post(&loop->inbox, node))
        return;
    if (current_loop == loop)
        uv_idle_start(&loop->hurry, on_hurry);
    else
        wake(loop);
}

uint64_t mr_loop_now(struct mr_loop *loop)
{
    /* libuv's own cached time is newer in a callback that nobody bracketed. */
    return MR_MAX(loop->now, uv_now(&loop->uv) * MR_NS_PER_MS);
}

uint64_t mr_loop_enter(struct mr_loop *loop)
{
    MR_ON_LOOP(loop);
    loop->now = mr_clock_now();
    mr_blocked_enter(&loop->blocked, loop->now);
    return loop->now;
}

void mr_loop_leave(struct mr_loop *loop, enum mr_label label, uint64_t started)
{
    loop->now = mr_clock_now();
    uint64_t length = loop->now - started;
    mr_blocked_leave(&loop->blocked, label, length, loop->now);
    if (length <= atomic_load_explicit(&loop->stats->longest_ns, memory_order_relaxed))
        return;
    atomic_store_explicit(&loop->stats->longest_ns, length, memory_order_relaxed);
    atomic_store_explicit(&loop->stats->longest_label, (uint32_t)label, memory_order_relaxed);
}

void mr_loop_note(struct mr_loop *loop, const struct mr_loop_note *note)
{
    MR_ON_LOOP(loop);
    mr_blocked_note(&loop->blocked, note);
}

const struct mr_loop_note *mr_loop_noted(const struct mr_loop *loop)
{
    return &loop->blocked.noted;
}

void mr_loop_set_warn(struct mr_loop *loop, uint64_t ns)
{
    MR_ON_LOOP(loop);
    loop->warn_ns = ns;
}

void mr_loop_request_begin(struct mr_loop *loop)
{
    MR_ON_LOOP(loop);
    loop->requests++;
    mr_lag_arm(loop);
}

void mr_loop_request_end(struct mr_loop *loop)
{
    MR_ON_LOOP(loop);
    MR_ASSERT(loop->requests > loop->resting);
    loop->requests--;
}

void mr_loop_request_rest(struct mr_loop *loop)
{
    MR_ON_LOOP(loop);
    MR_ASSERT(loop->resting < loop->requests);
    loop->resting++;
}

void mr_loop_request_wake(struct mr_loop *loop)
{
    MR_ON_LOOP(loop);
    MR_ASSERT(loop->resting > 0);
    loop->resting--;
}

unsigned mr_loop_requests(const struct mr_loop *loop)
{
    return loop->requests;
}

void mr_loop_operation_begin(struct mr_loop *loop)
{
    MR_ON_LOOP(loop);
    loop->operations++;
    /* Relaxed: what submits the operation orders it before the post. */
    atomic_fetch_add_explicit(&loop->leaving, 1, memory_order_relaxed);
}

void mr_loop_operation_post(struct mr_loop *loop, struct mr_inbox_node *node)
{
    mr_loop_post(loop, node);
    /* Release: pairs with the acquire in destroy. The loop is not touched any more. */
    atomic_fetch_sub_explicit(&loop->leaving, 1, memory_order_release);
}

void mr_loop_operation_end(struct mr_loop *loop)
{
    MR_ON_LOOP(loop);
    MR_ASSERT(loop->operations > 0);
    loop->operations--;
}

bool mr_loop_is_at_rest(struct mr_loop *loop)
{
    MR_ON_LOOP(loop);
    uv_unref((uv_handle_t *)&loop->wake); /* all that keeps a loop without work alive */
    bool is_alive = uv_loop_alive(&loop->uv) != 0;
    uv_ref((uv_handle_t *)&loop->wake);
    return loop->requests == 0 && loop->operations == 0 && !is_alive && mr_inbox_is_empty(&loop->inbox) &&
           loop->inbox.taken == NULL;
}

void mr_loop_count_in(struct mr_loop *loop, struct mr_loop_stats *stats)
{
    MR_ASSERT(!atomic_load_explicit(&loop->running, memory_order_relaxed));
    loop->stats = stats;
}

struct mr_loop_stats *mr_loop_stats(struct mr_loop *loop)
{
    return loop->stats;
}
