/* DESIGN. The intended send times are a function of the schedule, so the line of requests that wait for a connection is
 * not stored: `arrivals` is the cursor that the pacer moves, `sends` the one that sending moves, and what lies between
 * them waits. Lateness is recorded where an arrival is noticed, latency where an answer is complete; both from the
 * intended time, which is what keeps a stalled server, and a stalled generator, from hiding (no coordinated omission).
 *
 * On demand, a waiting request has at most one connection opened for its sake. It does not wait for that very one: the
 * oldest in line takes whichever is free first, as in the connection pools of HTTP clients.
 *
 * The pacer is a timerfd (nanoseconds, no timer slack, where the loop's own timers have milliseconds). It is armed for
 * the next due time; arming clears what has expired, so it is never read. */
#include "bench/load/load_stream.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/macros.h"
#include "bench/load/client.h"
#include "bench/load/schedule.h"
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define OPENING_MAX 64  /* connections being opened at once before the run: stays below a listen backlog */
#define RETRY_MS    100 /* before a connection that carried no answer is tried again */

enum phase { PHASE_OPENING, PHASE_OPEN, PHASE_RUNNING, PHASE_ENDED, PHASE_SETTLED, PHASE_CLOSING };

struct mr_load_stream {
    struct mr_load_stream_config config;
    struct mr_client_setup setup;
    struct mr_client *clients;
    unsigned open_count;                     /* not CLOSED */
    unsigned connecting_count;               /* of these: CONNECTING, or closed again before they were connected */
    unsigned started_count, ready_count;     /* while they are opened before the run */
    struct mr_client *free_head, *free_tail; /* first in, first out: all connections carry the load */
    struct mr_client *closed_head;           /* open loop, on demand: those that can be opened */

    struct mr_schedule arrivals, sends;
    uint64_t from, until;            /* monotonic ns: the window that counts is [from, until) */
    uint64_t busy_from, idle_before; /* when it really began, and the loop's idle time then */
    unsigned in_flight;              /* requests with a connection of their own: sent, or waiting for it to open */
    enum phase phase;

    uv_poll_t pacer;
    int pacer_fd;
    uv_timer_t mark; /* the next moment of the plan: the window begins, it ends, the grace ends */
    uv_timer_t retry;
    unsigned handles_open;

    const struct mr_load_stream_events *events;
    void *context;
    struct mr_load_result *result;
};

static bool is_closed_loop(const struct mr_load_stream *stream)
{
    return stream->config.rate == 0;
}

static bool is_on_demand(const struct mr_load_stream *stream)
{
    return stream->config.connect == MR_LOAD_CONNECT_ON_DEMAND;
}

/* Its requests come from one line, and connections are opened for it as it grows. */
static bool is_pooled(const struct mr_load_stream *stream)
{
    return is_on_demand(stream) && !is_closed_loop(stream);
}

static uint64_t waiting(const struct mr_load_stream *stream)
{
    return mr_schedule_distance(&stream->arrivals, &stream->sends);
}

static bool arrivals_are_over(const struct mr_load_stream *stream)
{
    return is_closed_loop(stream) || mr_schedule_due(&stream->arrivals) >= stream->until;
}

static void settle_if_done(struct mr_load_stream *stream)
{
    if (stream->phase != PHASE_ENDED || stream->in_flight > 0 || !arrivals_are_over(stream) || waiting(stream) > 0)
        return;
    stream->phase = PHASE_SETTLED;
    stream->events->settled(stream->context);
}

/* ---- Numbers ---- */

static bool is_counted(const struct mr_load_stream *stream, uint64_t intended_at)
{
    return intended_at >= stream->from && intended_at < stream->until;
}

static void count_latency(struct mr_load_stream *stream, uint64_t intended_at, uint64_t latency)
{
    mr_histogram_record(&stream->result->latency, latency);
    mr_timeline_record(&stream->result->timeline, intended_at - stream->from, latency);
}

static void count_error(struct mr_load_stream *stream, uint64_t intended_at, enum mr_load_error error)
{
    stream->result->errors[error]++;
    mr_timeline_record_error(&stream->result->timeline, intended_at - stream->from);
}

static void count_answer(struct mr_load_stream *stream, const struct mr_client *client, int status)
{
    struct mr_load_result *result = stream->result;
    result->by_status[MR_MIN(status, MR_LOAD_STATUS_MAX - 1)]++;
    result->bytes_received += client->received;
    if (stream->config.expected_status != 0 && status != stream->config.expected_status) {
        count_error(stream, client->intended_at, MR_LOAD_STATUS);
        return;
    }
    uint64_t latency = mr_clock_now() - client->intended_at;
    bool waited_for_connecting = client->answers == 1 && client->intended_at < client->connected_at;
    result->answered++;
    count_latency(stream, client->intended_at, latency);
    mr_histogram_record(waited_for_connecting ? &result->latency_new : &result->latency_open, latency);
}

static void count_unanswered(struct mr_load_stream *stream, uint64_t intended_at, uint64_t now)
{
    if (!is_counted(stream, intended_at))
        return;
    stream->result->unanswered++;
    count_latency(stream, intended_at, now - intended_at);
}

/* ---- Connections: free, closed, opened ---- */

static void put_free(struct mr_load_stream *stream, struct mr_client *client)
{
    if (client->in_free_list)
        return; /* it was closed and opened again while it stood there */
    client->in_free_list = true;
    client->next_free = NULL;
    if (stream->free_head == NULL)
        stream->free_head = client;
    else
        stream->free_tail->next_free = client;
    stream->free_tail = client;
}

/* NULL when none is free. Connections that were closed while they stood in the list leave it here. */
static struct mr_client *take_free(struct mr_load_stream *stream)
{
    while (stream->free_head != NULL) {
        struct mr_client *client = stream->free_head;
        stream->free_head = client->next_free;
        client->in_free_list = false;
        if (client->state == MR_CLIENT_FREE)
            return client;
    }
    return NULL;
}

static void put_closed(struct mr_load_stream *stream, struct mr_client *client)
{
    client->next_closed = stream->closed_head;
    stream->closed_head = client;
}

static void open_client(struct mr_load_stream *stream, struct mr_client *client)
{
    stream->open_count++;
    stream->connecting_count++;
    if (stream->phase != PHASE_OPENING)
        stream->result->connects++;
    client->opened_at = mr_clock_now();
    client->connected_at = 0;
    mr_client_open(client);
}

static void note_connected(struct mr_load_stream *stream, struct mr_client *client)
{
    stream->connecting_count--;
    client->connected_at = mr_clock_now();
    mr_histogram_record(&stream->result->connecting, client->connected_at - client->opened_at);
}

static bool is_retry_pending(const struct mr_load_stream *stream)
{
    return uv_is_active((const uv_handle_t *)&stream->retry);
}

/* One for each request that waits. None while a retry is pending: the server refuses. */
static void open_for_waiting(struct mr_load_stream *stream)
{
    while (stream->closed_head != NULL && waiting(stream) > stream->connecting_count && !is_retry_pending(stream)) {
        struct mr_client *client = stream->closed_head;
        stream->closed_head = client->next_closed;
        open_client(stream, client);
    }
}

/* ---- Sending ---- */

static void send_request(struct mr_load_stream *stream, struct mr_client *client)
{
    const struct mr_wire *wire = stream->config.wire;
    client->has_waiting_request = false;
    if (is_counted(stream, client->intended_at))
        stream->result->bytes_sent += wire->head_len + wire->body_len;
    mr_client_send(client);
}

static void send_waiting(struct mr_load_stream *stream)
{
    struct mr_client *client;
    while (waiting(stream) > 0 && (client = take_free(stream)) != NULL) {
        client->intended_at = mr_schedule_due(&stream->sends);
        mr_schedule_advance(&stream->sends);
        stream->in_flight++;
        send_request(stream, client);
    }
    open_for_waiting(stream);
}

/* when: monotonic ns; 0 disarms. */
static void arm_pacer(struct mr_load_stream *stream, uint64_t when)
{
    const struct itimerspec spec = {
        .it_value = {.tv_sec = (time_t)(when / MR_NS_PER_S), .tv_nsec = (long)(when % MR_NS_PER_S)}};
    MR_ASSERT(timerfd_settime(stream->pacer_fd, TFD_TIMER_ABSTIME, &spec, NULL) == 0);
}

/* The next request of the schedule is due: it goes to the line, and on if a connection is free. */
static void admit_arrival(struct mr_load_stream *stream, uint64_t now)
{
    uint64_t intended_at = mr_schedule_due(&stream->arrivals);
    mr_schedule_advance(&stream->arrivals);
    send_waiting(stream);
    if (!is_counted(stream, intended_at))
        return;
    mr_histogram_record(&stream->result->lateness, now - intended_at);
    stream->result->requests++;
    stream->result->queued += waiting(stream) > 0;
}

static void admit_due_arrivals(struct mr_load_stream *stream)
{
    while (!arrivals_are_over(stream)) {
        uint64_t now = mr_clock_now(), due = mr_schedule_due(&stream->arrivals); /* now: again, as sending takes time */
        if (now < due) {
            arm_pacer(stream, due);
            return;
        }
        admit_arrival(stream, now);
    }
    arm_pacer(stream, 0);
}

/* Closed loop: a connection that carries nothing, FREE or CLOSED, gets its next request. */
static void send_next_of_closed_loop(struct mr_load_stream *stream, struct mr_client *client)
{
    uint64_t now = mr_clock_now();
    if (now >= stream->until)
        return;
    stream->result->requests += is_counted(stream, now);
    client->intended_at = now;
    stream->in_flight++;
    if (client->state == MR_CLIENT_FREE) {
        send_request(stream, client);
    } else {
        client->has_waiting_request = true;
        open_client(stream, client);
    }
}

static void start_closed_loop(struct mr_load_stream *stream)
{
    arm_pacer(stream, 0);
    for (unsigned i = 0; i < stream->config.connections; i++) {
        enum mr_client_state state = stream->clients[i].state;
        if (state == MR_CLIENT_FREE || (state == MR_CLIENT_CLOSED && is_on_demand(stream)))
            send_next_of_closed_loop(stream, &stream->clients[i]);
    }
}

static void on_pacer(uv_poll_t *pacer, int status, int events)
{
    struct mr_load_stream *stream = pacer->data;
    MR_ASSERT(status == 0 && (events & UV_READABLE));
    if (is_closed_loop(stream))
        start_closed_loop(stream);
    else
        admit_due_arrivals(stream);
    settle_if_done(stream);
}

/* ---- Events of the connections ---- */

static void open_next_before_run(struct mr_load_stream *stream)
{
    if (stream->started_count < stream->config.connections)
        open_client(stream, &stream->clients[stream->started_count++]);
}

static void on_ready_before_run(struct mr_load_stream *stream, struct mr_client *client)
{
    put_free(stream, client);
    open_next_before_run(stream);
    if (++stream->ready_count < stream->config.connections)
        return;
    stream->phase = PHASE_OPEN;
    stream->events->opened(stream->context);
}

static void on_ready(struct mr_client *client)
{
    struct mr_load_stream *stream = client->owner;
    if (client->connected_at == 0)
        note_connected(stream, client);
    if (stream->phase == PHASE_OPENING) {
        on_ready_before_run(stream, client);
    } else if (client->has_waiting_request) {
        send_request(stream, client);
    } else if (is_closed_loop(stream) && stream->phase == PHASE_RUNNING) {
        send_next_of_closed_loop(stream, client);
    } else {
        put_free(stream, client);
        send_waiting(stream);
    }
    settle_if_done(stream);
}

static void on_answered(struct mr_client *client, int status)
{
    struct mr_load_stream *stream = client->owner;
    if (stream->phase > PHASE_ENDED)
        return; /* it was given up, and counted so */
    stream->in_flight--;
    if (is_counted(stream, client->intended_at))
        count_answer(stream, client, status);
}

static enum mr_load_error error_of(int uv_error)
{
    switch (uv_error) {
    case UV_EOF:
    case UV_ECONNRESET:
    case UV_EPIPE:
        return MR_LOAD_CLOSED;
    case UV_EPROTO:
        return MR_LOAD_PROTOCOL;
    default:
        return MR_LOAD_OTHER;
    }
}

static void on_failed(struct mr_client *client, int error)
{
    struct mr_load_stream *stream = client->owner;
    if (stream->phase > PHASE_ENDED)
        return;
    stream->in_flight--;
    if (is_counted(stream, client->intended_at))
        count_error(stream, client->intended_at, error_of(error));
}

/* Bring a closed connection of a stream that is not pooled back to use. */
static void revive(struct mr_load_stream *stream, struct mr_client *client)
{
    if (stream->phase > PHASE_ENDED)
        return;
    if (client->has_waiting_request || !is_on_demand(stream))
        open_client(stream, client);
    else if (stream->phase == PHASE_RUNNING)
        send_next_of_closed_loop(stream, client);
}

static void on_retry(uv_timer_t *timer)
{
    struct mr_load_stream *stream = timer->data;
    open_for_waiting(stream);
    for (unsigned i = 0; !is_pooled(stream) && i < stream->config.connections; i++) {
        if (stream->clients[i].state == MR_CLIENT_CLOSED)
            revive(stream, &stream->clients[i]);
    }
}

static void tell_closed_if_done(struct mr_load_stream *stream)
{
    if (stream->phase == PHASE_CLOSING && stream->open_count == 0 && stream->handles_open == 0)
        stream->events->closed(stream->context);
}

static void on_lost(struct mr_load_stream *stream, struct mr_client *client)
{
    if (is_pooled(stream))
        put_closed(stream, client);
    if (client->answers == 0) { /* refused, or closed before it was of use: trying again at once would be a storm */
        stream->result->connect_failures++;
        if (!is_retry_pending(stream))
            uv_timer_start(&stream->retry, on_retry, RETRY_MS, 0);
    } else if (is_pooled(stream)) {
        open_for_waiting(stream);
    } else {
        revive(stream, client);
    }
}

static void on_closed(struct mr_client *client, int error)
{
    struct mr_load_stream *stream = client->owner;
    stream->open_count--;
    if (client->connected_at == 0)
        stream->connecting_count--;
    if (stream->phase == PHASE_CLOSING)
        tell_closed_if_done(stream);
    else if (stream->phase == PHASE_OPENING)
        stream->events->refused(stream->context, error);
    else
        on_lost(stream, client);
    settle_if_done(stream);
}

static const struct mr_client_events client_events = {
    .ready = on_ready, .answered = on_answered, .failed = on_failed, .closed = on_closed};

/* ---- The plan ---- */

/* The loop's own timers are good to a millisecond, which is enough for marks; sending has a clock of its own. They
 * count from a time without its fraction: one millisecond more, so that no mark comes early. */
static void set_mark(struct mr_load_stream *stream, uv_timer_cb on_mark, uint64_t when)
{
    uint64_t now = mr_clock_now();
    uv_update_time(stream->setup.loop);
    uv_timer_start(&stream->mark, on_mark, when > now ? (when - now + MR_NS_PER_MS - 1) / MR_NS_PER_MS + 1 : 0, 0);
}

static void give_up_what_is_due(struct mr_load_stream *stream)
{
    uint64_t now = mr_clock_now();
    for (unsigned i = 0; i < stream->config.connections; i++) {
        struct mr_client *client = &stream->clients[i];
        if ((client->state == MR_CLIENT_BUSY && !client->answer_complete) || client->has_waiting_request)
            count_unanswered(stream, client->intended_at, now);
        client->has_waiting_request = false;
    }
    for (; waiting(stream) > 0; mr_schedule_advance(&stream->sends))
        count_unanswered(stream, mr_schedule_due(&stream->sends), now);
}

static void on_grace_over(uv_timer_t *mark)
{
    struct mr_load_stream *stream = mark->data;
    if (stream->phase != PHASE_ENDED)
        return;
    give_up_what_is_due(stream);
    stream->phase = PHASE_SETTLED;
    stream->events->settled(stream->context);
}

static void note_busy(struct mr_load_stream *stream)
{
    uint64_t idle = uv_metrics_idle_time(stream->setup.loop) - stream->idle_before;
    uint64_t elapsed = mr_clock_now() - stream->busy_from;
    if (stream->result->began_at != 0 && elapsed > 0)
        stream->result->busy = 1 - (double)idle / (double)elapsed;
}

static void on_window_over(uv_timer_t *mark)
{
    struct mr_load_stream *stream = mark->data;
    note_busy(stream);
    stream->phase = PHASE_ENDED;
    set_mark(stream, on_grace_over, stream->until + stream->config.grace);
    settle_if_done(stream);
}

static void on_window_begins(uv_timer_t *mark)
{
    struct mr_load_stream *stream = mark->data;
    stream->result->began_at = stream->from;
    stream->busy_from = mr_clock_now();
    stream->idle_before = uv_metrics_idle_time(stream->setup.loop);
    set_mark(stream, on_window_over, stream->until);
}

/* ---- Steps ---- */

static void create_clients(struct mr_load_stream *stream)
{
    unsigned count = stream->config.connections;
    stream->clients = calloc(count, sizeof(*stream->clients));
    MR_ASSERT(stream->clients != NULL);
    for (unsigned i = count; i-- > 0;) {
        mr_client_init(&stream->clients[i], &stream->setup);
        stream->clients[i].owner = stream;
        if (is_pooled(stream))
            put_closed(stream, &stream->clients[i]);
    }
}

static void create_timers(struct mr_load_stream *stream)
{
    uv_loop_t *loop = stream->setup.loop;
    stream->pacer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    MR_ASSERT(stream->pacer_fd >= 0);
    MR_ASSERT(uv_poll_init(loop, &stream->pacer, stream->pacer_fd) == 0);
    MR_ASSERT(uv_timer_init(loop, &stream->mark) == 0);
    MR_ASSERT(uv_timer_init(loop, &stream->retry) == 0);
    stream->handles_open = 3;
    stream->pacer.data = stream->mark.data = stream->retry.data = stream;
}

struct mr_load_stream *mr_load_stream_create(uv_loop_t *loop, const struct mr_load_stream_config *config,
                                             const struct mr_load_stream_events *events, void *context,
                                             struct mr_load_result *result)
{
    MR_ASSERT(config->connections > 0 && config->rate >= 0);
    struct mr_load_stream *stream = calloc(1, sizeof(*stream));
    MR_ASSERT(stream != NULL);
    stream->config = *config;
    stream->events = events;
    stream->context = context;
    stream->result = result;
    stream->setup.loop = loop;
    stream->setup.target = config->target;
    stream->setup.wire = config->wire;
    stream->setup.events = &client_events;
    mr_timeline_init(&result->timeline, config->duration, config->slot);
    create_clients(stream);
    create_timers(stream);
    return stream;
}

void mr_load_stream_open(struct mr_load_stream *stream)
{
    if (is_on_demand(stream)) {
        stream->phase = PHASE_OPEN;
        stream->events->opened(stream->context);
        return;
    }
    stream->phase = PHASE_OPENING;
    for (unsigned i = 0; i < OPENING_MAX; i++)
        open_next_before_run(stream);
}

void mr_load_stream_start(struct mr_load_stream *stream, uint64_t zero)
{
    MR_ASSERT(stream->phase == PHASE_OPEN);
    const struct mr_load_stream_config *config = &stream->config;
    stream->phase = PHASE_RUNNING;
    stream->from = zero + config->start;
    stream->until = stream->from + config->duration;
    uint64_t send_from = stream->from - config->warmup;
    if (!is_closed_loop(stream))
        stream->arrivals = stream->sends = config->arrivals == MR_LOAD_POISSON
                                               ? mr_schedule_poisson(send_from, config->rate, config->seed)
                                               : mr_schedule_constant(send_from, config->rate);
    set_mark(stream, on_window_begins, stream->from);
    MR_ASSERT(uv_poll_start(&stream->pacer, UV_READABLE, on_pacer) == 0);
    arm_pacer(stream, send_from);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct mr_load_stream *stream = handle->data;
    stream->handles_open--;
    tell_closed_if_done(stream);
}

void mr_load_stream_close(struct mr_load_stream *stream)
{
    if (stream->phase == PHASE_RUNNING)
        note_busy(stream);
    if (stream->phase == PHASE_RUNNING || stream->phase == PHASE_ENDED)
        give_up_what_is_due(stream);
    stream->phase = PHASE_CLOSING;
    uv_close((uv_handle_t *)&stream->pacer, on_handle_closed);
    uv_close((uv_handle_t *)&stream->mark, on_handle_closed);
    uv_close((uv_handle_t *)&stream->retry, on_handle_closed);
    for (unsigned i = 0; i < stream->config.connections; i++)
        mr_client_close(&stream->clients[i]);
}

void mr_load_stream_destroy(struct mr_load_stream **stream)
{
    close((*stream)->pacer_fd);
    free((*stream)->clients);
    free(*stream);
    *stream = NULL;
}
