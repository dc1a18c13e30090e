#include "stats/saturation.h"
#include "base/macros.h"
#include "http/problem.h"
#include <stdarg.h>
#include <stdio.h>

/* One text that is made of others. */
struct words {
    char text[32];
};

static MR_PRINTF(3, 4) bool say(struct mr_saturation *out, const char *reason, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(out->text, sizeof(out->text), format, arguments);
    va_end(arguments);
    out->reason = reason;
    return true;
}

static bool is_above(uint64_t used, uint64_t of, unsigned percent)
{
    return of != 0 && (double)used > (double)of * percent / 100;
}

/* ---- amounts ---- */

/* "1 job", "412 jobs" */
static struct words count_text(uint64_t count, const char *one, const char *many)
{
    struct words out;
    snprintf(out.text, sizeof(out.text), "%llu %s", (unsigned long long)count, count == 1 ? one : many);
    return out;
}

static struct words bytes_text(uint64_t bytes)
{
    struct words out;
    if (bytes >= MR_GIB)
        snprintf(out.text, sizeof(out.text), "%.1f GiB", (double)bytes / MR_GIB);
    else
        snprintf(out.text, sizeof(out.text), "%.1f MiB", (double)bytes / MR_MIB);
    return out;
}

static struct words seconds_text(uint64_t ns)
{
    struct words out;
    snprintf(out.text, sizeof(out.text), "%.1f s", mr_clock_seconds(ns));
    return out;
}

/* ---- reasons ---- */

static bool drains(struct mr_saturation *out, const struct mr_snapshot *now, const struct mr_snapshot *before)
{
    (void)before;
    return now->is_draining &&
           say(out, mr_problem_type(MR_ESHUTDOWN), "Takes no new work because the server is shutting down.");
}

static bool lacks_space(struct mr_saturation *out, const struct mr_snapshot *now, const struct mr_snapshot *before)
{
    const struct mr_snapshot_store *store = &now->store;
    uint64_t left = store->free_bytes - MR_MIN(store->reserved_bytes, store->free_bytes);
    bool is_known = store->room_asked_at != 0 && now->at < store->room_asked_at + MR_SATURATION_ROOM_NS;
    (void)before;
    return is_known && left < store->min_free_bytes &&
           say(out, mr_problem_type(MR_ENOSPACE),
               "Saturated because %s of the disk are left for files, and --min-free keeps %s free.",
               bytes_text(left).text, bytes_text(store->min_free_bytes).text);
}

static bool lacks_connections(struct mr_saturation *out, const struct mr_snapshot *now,
                              const struct mr_snapshot *before)
{
    (void)before;
    return now->connections_max != 0 && now->connections >= now->connections_max &&
           say(out, mr_problem_type(MR_ECONNECTIONS), "Saturated because all %llu connections are open.",
               (unsigned long long)now->connections_max);
}

static bool lacks_memory(struct mr_saturation *out, const struct mr_snapshot *now, const struct mr_snapshot *before)
{
    (void)before;
    return is_above(now->memory_used, now->memory_limit, MR_SATURATION_PERCENT) &&
           say(out, mr_problem_type(MR_EBUDGET), "Saturated because %s of the memory budget of %s are taken.",
               bytes_text(now->memory_used).text, bytes_text(now->memory_limit).text);
}

static bool lacks_disk(struct mr_saturation *out, const struct mr_snapshot *now, const struct mr_snapshot *before)
{
    (void)before;
    return is_above(now->disk_used, now->disk_limit, MR_SATURATION_PERCENT) &&
           say(out, mr_problem_type(MR_EDISK), "Saturated because %s of the disk budget of %s are taken.",
               bytes_text(now->disk_used).text, bytes_text(now->disk_limit).text);
}

static bool say_lane(struct mr_saturation *out, enum mr_error error, const struct mr_snapshot *now, enum mr_lane lane)
{
    const struct mr_snapshot_lane *queue = &now->queue[lane];
    return say(out, mr_problem_type(error), "Saturated because %s in the %s lane, %s of work for %s.",
               count_text(queue->jobs, "job waits", "jobs wait").text, mr_lane_name(lane),
               seconds_text(queue->work_ns).text, count_text(now->workers, "worker", "workers").text);
}

static bool is_queue_full(struct mr_saturation *out, const struct mr_snapshot *now, const struct mr_snapshot *before)
{
    (void)before;
    for (enum mr_lane lane = 0; lane < MR_LANE_COUNT; lane++) {
        if (is_above(now->queue[lane].jobs, now->queue_capacity, MR_SATURATION_PERCENT))
            return say_lane(out, MR_EBUSY, now, lane);
    }
    return false;
}

/* What a new job would wait: until those of its lane and of those before it have run. */
static bool waits_too_long(struct mr_saturation *out, const struct mr_snapshot *now, const struct mr_snapshot *before)
{
    uint64_t work_ns = 0;
    (void)before;
    for (enum mr_lane lane = 0; lane < MR_LANE_COUNT; lane++) {
        const struct mr_snapshot_lane *queue = &now->queue[lane];
        work_ns += queue->work_ns;
        if (queue->jobs == 0)
            continue;
        if (is_above(work_ns / MR_MAX(now->workers, 1), now->job_deadline_ns, MR_SATURATION_WAIT_PERCENT))
            return say_lane(out, MR_EBACKLOG, now, lane);
        if (is_above(queue->oldest_ns, now->job_deadline_ns, MR_SATURATION_WAIT_PERCENT))
            return say(out, mr_problem_type(MR_EBACKLOG),
                       "Saturated because a job in the %s lane has waited %s of the %s that it may.",
                       mr_lane_name(lane), seconds_text(queue->oldest_ns).text,
                       seconds_text(now->job_deadline_ns).text);
    }
    return false;
}

/* An iteration counts when it ends, so that more than the time between the readings may have been recorded. */
static bool are_loops_busy(struct mr_saturation *out, const struct mr_snapshot *now, const struct mr_snapshot *before)
{
    uint64_t interval_ns = now->at - before->at, busy_ns = now->busy.sum - before->busy.sum;
    if (!is_above(busy_ns, interval_ns * now->loops, MR_SATURATION_PERCENT))
        return false;
    double percent = 100 * (double)busy_ns / ((double)interval_ns * now->loops);
    return say(out, "loop-busy", "Saturated because the event %s %.0f %% of the last %s.",
               now->loops == 1 ? "loop was busy" : "loops were busy", MR_MIN(percent, 100),
               seconds_text(interval_ns).text);
}

static bool has_refused(struct mr_saturation *out, const struct mr_snapshot *now, const struct mr_snapshot *before)
{
    uint64_t all = 0, most = 0;
    enum mr_error reason = MR_OK;
    for (enum mr_error error = MR_OK; (error = mr_snapshot_next_refusal(error)) != MR_OK;) {
        uint64_t count = now->refusals[-error] - before->refusals[-error];
        if (mr_error_kind(error) != MR_ERROR_OF_LOAD) /* that the program or its disk fails is no want of room */
            continue;
        all += count;
        reason = count > most ? error : reason;
        most = MR_MAX(most, count);
    }
    return reason != MR_OK && say(out, mr_problem_type(reason), "Saturated because %s refused in the last %s: %s",
                                  count_text(all, "request was", "requests were").text,
                                  seconds_text(now->at - before->at).text, mr_error_text(reason));
}

void mr_saturation_find(struct mr_saturation *out, const struct mr_snapshot *now, const struct mr_snapshot *before)
{
    static bool (*const reasons[])(struct mr_saturation *, const struct mr_snapshot *, const struct mr_snapshot *) = {
        drains,        lacks_space,    lacks_connections, lacks_memory, lacks_disk,
        is_queue_full, waits_too_long, are_loops_busy,    has_refused,
    };
    *out = (struct mr_saturation){.reason = NULL};
    for (size_t i = 0; i < MR_ARRAY_SIZE(reasons); i++) {
        if (reasons[i](out, now, before))
            return;
    }
}
