#include "stats/snapshot.h"
#include "base/clock.h"
#include "base/counter.h"
#include "base/macros.h"

/* ---- the loops ---- */

static void keep_larger(struct mr_exemplar_value *kept, const struct mr_exemplar *exemplar)
{
    struct mr_exemplar_value value;
    if (mr_exemplar_read(exemplar, &value) && value.value > kept->value)
        *kept = value;
}

static void keep_later(struct mr_exemplar_value *kept, const struct mr_exemplar *exemplar)
{
    struct mr_exemplar_value value;
    if (mr_exemplar_read(exemplar, &value) && value.wall > kept->wall)
        *kept = value;
}

enum mr_label mr_snapshot_next_blocked(const struct mr_snapshot *snapshot, enum mr_label label)
{
    while (label < MR_LABEL_COUNT && snapshot->blocked[label].count == 0)
        label++;
    return label;
}

enum mr_label mr_snapshot_last_blocked(const struct mr_snapshot *snapshot)
{
    const struct mr_snapshot_blocked *blocked = snapshot->blocked;
    enum mr_label last = MR_LABEL_COUNT;
    for (enum mr_label label = 0; label < MR_LABEL_COUNT; label++) {
        if (blocked[label].last.value > 0 &&
            (last == MR_LABEL_COUNT || blocked[label].last.wall > blocked[last].last.wall))
            last = label;
    }
    return last;
}

static void add_blocked(struct mr_snapshot *out, const struct mr_loop_stats *stats)
{
    for (enum mr_label label = 0; label < MR_LABEL_COUNT; label++) {
        const struct mr_loop_blocked *from = &stats->blocked[label];
        struct mr_snapshot_blocked *to = &out->blocked[label];
        uint64_t count = mr_counter_read(&from->count);
        if (count == 0)
            continue;
        to->count += count;
        to->ns += mr_counter_read(&from->ns);
        keep_larger(&to->worst, &from->worst);
        keep_later(&to->last, &from->last);
    }
}

static void add_loop(struct mr_snapshot *out, const struct mr_loop_stats *stats)
{
    mr_histogram_read(&stats->lag, &out->lag);
    mr_histogram_read(&stats->busy, &out->busy);
    out->iterations += mr_counter_read(&stats->iterations);
    out->deliveries += mr_counter_read(&stats->deliveries);
    add_blocked(out, stats);
    uint64_t longest = mr_counter_read(&stats->longest_ns);
    if (longest > out->longest_ns) {
        out->longest_ns = longest;
        out->longest_label = mr_label_text(atomic_load_explicit(&stats->longest_label, memory_order_relaxed));
    }
}

/* ---- jobs ---- */

/* Of two times the earlier; 0 is none. */
static uint64_t older_of(uint64_t one, uint64_t other)
{
    if (one == 0 || other == 0)
        return MR_MAX(one, other);
    return MR_MIN(one, other);
}

static void add_variants(struct mr_snapshot_variants *out, const struct mr_variant_numbers *numbers)
{
    for (int way = 0; way < MR_VARIANT_WAYS; way++)
        mr_histogram_read(&numbers->time[way], &out->time[way]);
    out->fallbacks += mr_counter_read(&numbers->fallbacks);
}

static void add_jobs(struct mr_snapshot *out, const struct mr_offload_stats *stats, const struct mr_pipe_numbers *jobs)
{
    uint64_t stopped = mr_counter_read(&jobs->stopped);
    for (enum mr_lane lane = 0; lane < MR_LANE_COUNT; lane++)
        mr_histogram_read(&stats->queue_wait[lane], &out->queue_wait[lane]);
    for (enum mr_stage_id id = 0; id < MR_STAGE_COUNT; id++)
        mr_histogram_read(&jobs->run_time[id], &out->run_time[id]);
    out->jobs_done += mr_counter_read(&stats->succeeded); /* no difference of two counters: that could step back */
    out->jobs_refused += mr_counter_read(&jobs->refused);
    out->jobs_expired += mr_counter_read(&stats->expired);
    out->jobs_cancelled += mr_counter_read(&stats->cancelled) + mr_counter_read(&stats->shut_down) + stopped;
    out->jobs_failed += mr_counter_read(&jobs->failed);
}

/* Until `now`; 0 also where there is nothing that began. */
static uint64_t age_of(uint64_t began_at, uint64_t now)
{
    return began_at != 0 && now > began_at ? now - began_at : 0;
}

static void read_runners(struct mr_snapshot *out, const struct mr_segment *segment)
{
    uint64_t oldest = 0;
    for (unsigned i = 0; i < mr_segment_runners(segment); i++) {
        uint64_t since = mr_counter_read(&mr_segment_runner(segment, i)->running_since);
        out->workers_busy += since != 0;
        oldest = older_of(oldest, since);
    }
    out->longest_running_ns = age_of(oldest, out->at);
}

static void read_queue(struct mr_snapshot *out, const struct mr_segment *segment)
{
    for (enum mr_lane lane = 0; lane < MR_LANE_COUNT; lane++) {
        struct mr_offload_waiting waiting = {.jobs = 0};
        for (unsigned i = 0; i < mr_segment_loops(segment); i++)
            mr_offload_add_waiting(&waiting, &mr_segment_loop(segment, i)->offload, lane);
        out->queue[lane] = (struct mr_snapshot_lane){
            .jobs = waiting.jobs, .work_ns = waiting.work_ns, .oldest_ns = age_of(waiting.oldest_at, out->at)};
    }
}

/* ---- HTTP ---- */

static void add_http(struct mr_snapshot *out, const struct mr_http_counters *counters)
{
    out->connections += mr_counter_read(&counters->connections);
    out->connections_accepted += mr_counter_read(&counters->connections_accepted);
    out->connections_refused += mr_counter_read(&counters->connections_refused);
    out->connections_dropped += mr_counter_read(&counters->connections_dropped);
    out->requests_in_flight += mr_counter_read(&counters->requests_in_flight);
    out->request_bytes += mr_counter_read(&counters->request_bytes);
    out->response_bytes += mr_counter_read(&counters->response_bytes);
    out->timeouts += mr_counter_read(&counters->timeouts);
    out->wrong_keys += mr_counter_read(&counters->wrong_keys);
    for (int i = 0; i < MR_ERROR_COUNT; i++)
        out->refusals[i] += mr_counter_read(&counters->refusals[i]);
}

enum mr_error mr_snapshot_next_refusal(enum mr_error error)
{
    for (int next = 1 - (int)error; next < MR_ERROR_COUNT; next++) {
        if (mr_error_kind((enum mr_error) - next) != MR_ERROR_OF_INPUT)
            return (enum mr_error) - next;
    }
    return MR_OK;
}

static void add_route(struct mr_snapshot_route *out, const struct mr_http_route_counter *counter)
{
    uint64_t count = 0;
    for (enum mr_status_index at = 0; at < MR_STATUS_COUNT; at++) {
        uint64_t requests = mr_counter_read(&counter->by_status[at]);
        out->by_status[at] += requests;
        count += requests;
    }
    out->count += count;
    if (count == 0)
        return; /* with many loops and routes, reading empty histograms would be most of the work */
    mr_histogram_read(&counter->duration, &out->duration);
    keep_larger(&out->slowest, &counter->slowest);
}

unsigned mr_snapshot_read_route(struct mr_snapshot_route *out, const struct mr_snapshot_source *source, unsigned route)
{
    const struct mr_http *http = source->http;
    const char *pattern = route < http->route_count ? http->routes[route].pattern : NULL;
    memset(out, 0, sizeof(*out));
    out->pattern = pattern != NULL ? pattern : "none";
    do {
        for (unsigned i = 0; i < mr_segment_loops(source->segment); i++)
            add_route(out, &mr_segment_loop(source->segment, i)->http.routes[route]);
        route++;
    } while (route < http->route_count && strcmp(http->routes[route].pattern, out->pattern) == 0);
    return route <= http->route_count ? route : 0;
}

/* ---- all of it ---- */

static void add_store(struct mr_snapshot_store *out, const struct mr_store_numbers *numbers)
{
    for (unsigned i = 0; i < MR_STORE_COMMITTERS; i++) {
        struct mr_histogram_view group = {.count = 0};
        mr_histogram_read(&numbers->committers[i].commit_ns, &out->commit);
        mr_histogram_read(&numbers->committers[i].group, &group);
        out->groups += group.count;
    }
    out->objects_written += mr_counter_read(&numbers->objects_written);
    out->bytes_written += mr_counter_read(&numbers->bytes_written);
    out->changed += mr_counter_read(&numbers->changed);
    out->deleted += mr_counter_read(&numbers->deleted);
    out->failed += mr_counter_read(&numbers->failed);
    out->debris_removed += mr_counter_read(&numbers->debris_removed);
    out->damaged += mr_counter_read(&numbers->damaged);
    for (int i = 0; i < MR_STORE_FINDINGS; i++)
        out->findings[i] += mr_counter_read(&numbers->findings[i]);
    out->scrub_bytes += mr_counter_read(&numbers->scrub_bytes);
    out->scrub_walks += mr_counter_read(&numbers->scrub_walks);
    out->scrub_ended = MR_MAX(out->scrub_ended, mr_counter_read(&numbers->scrub_ended));
    out->uploads_open += mr_counter_read(&numbers->uploads_open);
    out->reserved_bytes += mr_counter_read(&numbers->reserved_bytes);
    uint64_t asked_at = mr_counter_read(&numbers->room_asked_at);
    if (asked_at <= out->room_asked_at) /* it is one file system */
        return;
    out->room_asked_at = asked_at;
    out->free_bytes = mr_counter_read(&numbers->free_bytes);
    out->min_free_bytes = mr_counter_read(&numbers->min_free_bytes);
}

static void read_oldest_upload(struct mr_snapshot *out, const struct mr_segment *segment)
{
    uint64_t oldest = 0;
    for (unsigned process = 0; process < mr_segment_processes(segment); process++) {
        const struct mr_store_numbers *numbers = &mr_segment_process(segment, process)->store;
        for (unsigned loop = 0; loop < MR_STORE_LOOPS_MAX; loop++)
            oldest = older_of(oldest, mr_counter_read(&numbers->oldest_upload_at[loop]));
    }
    out->store.oldest_upload_ns = age_of(oldest, out->at);
}

static void add_cache(struct mr_snapshot_variants *out, const struct mr_variant_cache_numbers *numbers)
{
    out->bytes += mr_counter_read(&numbers->bytes);
    out->images += mr_counter_read(&numbers->images);
    out->evicted += mr_counter_read(&numbers->evicted);
    out->disk_written += mr_counter_read(&numbers->disk_written);
    out->disk_evicted += mr_counter_read(&numbers->disk_evicted);
    out->disk_damaged += mr_counter_read(&numbers->disk_damaged);
    out->disk_failed += mr_counter_read(&numbers->disk_failed);
}

static void add_process(struct mr_snapshot *out, const struct mr_process_numbers *process)
{
    out->memory_limit += process->memory.limit;
    out->memory_used += mr_budget_used(&process->memory);
    out->disk_limit += process->disk.limit;
    out->disk_used += mr_budget_used(&process->disk);
    out->log_dropped += mr_counter_read(&process->log_dropped);
    add_store(&out->store, &process->store);
    add_cache(&out->variants, &process->variants);
}

void mr_snapshot_read(struct mr_snapshot *out, const struct mr_snapshot_source *source)
{
    const struct mr_segment *segment = source->segment;
    memset(out, 0, sizeof(*out));
    out->at = mr_clock_now();
    out->processes = MR_MAX(mr_segment_running(segment), 1u); /* we, at least */
    out->loops = out->processes * (mr_segment_loops(segment) / mr_segment_processes(segment));
    out->started_wall = mr_segment_started_wall(segment);
    out->restarts = mr_segment_restarts(segment);
    out->log_dropped = mr_counter_read(mr_segment_log_dropped(segment));
    out->longest_label = "none";
    out->is_draining = atomic_load_explicit(&source->http->draining, memory_order_relaxed);
    out->queue_capacity = (uint64_t)out->processes * source->queue_capacity;
    out->job_deadline_ns = source->job_deadline_ns;
    out->workers = (uint64_t)out->processes * source->workers;
    out->connections_max = (uint64_t)out->processes * source->http->limits.connections_max;
    for (unsigned i = 0; i < mr_segment_processes(segment); i++)
        add_process(out, mr_segment_process(segment, i));
    for (unsigned i = 0; i < mr_segment_loops(segment); i++) {
        const struct mr_loop_numbers *loop = mr_segment_loop(segment, i);
        add_loop(out, &loop->loop);
        add_jobs(out, &loop->offload, &loop->pipes);
        add_variants(&out->variants, &loop->variants);
        add_http(out, &loop->http);
        out->listeners += mr_counter_read(&loop->events.listeners);
        out->listener_drops += mr_counter_read(&loop->events.dropped);
    }
    out->has_store = source->store != NULL;
    read_oldest_upload(out, segment);
    if (source->store != NULL)
        out->store.has_totals = mr_store_totals(source->store, &out->store.totals);
    if (source->variants != NULL)
        mr_variant_index_totals(source->variants->index, &out->variants.disk);
    read_runners(out, segment);
    read_queue(out, segment);
}
