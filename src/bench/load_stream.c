/* DESIGN. The intended send times are a function of the schedule, so the line of requests that wait for a connection is
 * not stored: `arrivals` is the cursor that the pacer moves, `sends` the one that sending moves, and what lies between
 * them waits. Lateness is recorded where an arrival is noticed, latency where an answer is complete; both from the
 * intended time, which is what keeps a stalled server, and a stalled generator, from hiding (no coordinated omission).
 *
 * The pacer is a timerfd (nanoseconds, no timer slack, where the loop's own timers have milliseconds). It is armed for
 * the next due time; arming clears what has expired, so it is never read. */
#include "bench/load_stream.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/macros.h"
#include "bench/client.h"
#include "bench/schedule.h"
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define OPENING_MAX 64  /* connections being opened at once before the run: stays below a listen backlog */
#define RETRY_MS    100 /* before a connection that carried no answer is tried anew */

enum phase { PHASE_OPENING, PHASE_OPEN, PHASE_RUNNING, PHASE_ENDED, PHASE_SETTLED, PHASE_CLOSING };

struct mr_load_stream {
    struct mr_client_setup setup;
    struct mr_client *clients;
    unsigned client_count, open_count;       /* open_count: not CLOSED */
    unsigned started_count, ready_count;     /* while they are opened before the run */
    struct mr_client *free_head, *free_tail; /* first in, first out: all connections carry the load */

    double rate;
    struct mr_schedule arrivals, sends;
    struct mr_load_window window;
    unsigned in_flight;
    enum phase phase;

    uv_poll_t pacer;
    int pacer_fd;
    uv_timer_t retry;
    unsigned handles_open;

    const struct mr_load_stream_events *events;
    void *context;
    struct mr_load_result *result;
};

static bool is_counted(const struct mr_load_stream *stream, uint64_t intended_at)
{
    return intended_at >= stream->window.from && intended_at < stream->window.until;
}

static uint64_t waiting(const struct mr_load_stream *stream)
{
    return mr_schedule_distance(&stream->arrivals, &stream->sends);
}

static bool arrivals_are_over(const struct mr_load_stream *stream)
{
    return stream->rate == 0 || mr_schedule_due(&stream->arrivals) >= stream->window.until;
}

static void settle_if_done(struct mr_load_stream *stream)
{
    if (stream->phase != PHASE_ENDED || stream->in_flight > 0 || !arrivals_are_over(stream) || waiting(stream) > 0)
        return;
    stream->phase = PHASE_SETTLED;
    stream->events->settled(stream->context);
}

/* ---- Free connections ---- */

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

/* ---- Sending ---- */

static void send_request(struct mr_load_stream *stream, struct mr_client *client, uint64_t intended_at)
{
    const struct mr_wire *wire = stream->setup.wire;
    client->intended_at = intended_at;
    stream->in_flight++;
    if (is_counted(stream, intended_at))
        stream->result->bytes_sent += wire->head_len + wire->body_len;
    mr_client_send(client);
}

static void send_waiting(struct mr_load_stream *stream)
{
    while (waiting(stream) > 0) {
        struct mr_client *client = take_free(stream);
        if (client == NULL)
            return;
        uint64_t intended_at = mr_schedule_due(&stream->sends);
        mr_schedule_advance(&stream->sends);
        send_request(stream, client, intended_at);
    }
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
        uint64_t now = mr_clock_now(), due = mr_schedule_due(&stream->arrivals); /* now: anew, as sending takes time */
        if (now < due) {
            arm_pacer(stream, due);
            return;
        }
        admit_arrival(stream, now);
    }
    arm_pacer(stream, 0);
}

static void send_next_of_closed_loop(struct mr_load_stream *stream, struct mr_client *client)
{
    uint64_t now = mr_clock_now();
    if (now >= stream->window.until)
        return;
    stream->result->requests += is_counted(stream, now);
    send_request(stream, client, now);
}

static void start_closed_loop(struct mr_load_stream *stream)
{
    struct mr_client *client;
    arm_pacer(stream, 0);
    while ((client = take_free(stream)) != NULL)
        send_next_of_closed_loop(stream, client);
}

static void on_pacer(uv_poll_t *pacer, int status, int events)
{
    struct mr_load_stream *stream = pacer->data;
    MR_ASSERT(status == 0 && (events & UV_READABLE));
    if (stream->rate == 0)
        start_closed_loop(stream);
    else
        admit_due_arrivals(stream);
    settle_if_done(stream);
}

/* ---- Events of the connections ---- */

static void open_next(struct mr_load_stream *stream)
{
    if (stream->started_count == stream->client_count)
        return;
    stream->open_count++;
    mr_client_open(&stream->clients[stream->started_count++]);
}

static void on_opened_before_run(struct mr_load_stream *stream, struct mr_client *client)
{
    put_free(stream, client);
    open_next(stream);
    if (++stream->ready_count < stream->client_count)
        return;
    stream->phase = PHASE_OPEN;
    stream->events->opened(stream->context);
}

static void on_ready(struct mr_client *client)
{
    struct mr_load_stream *stream = client->owner;
    if (stream->phase == PHASE_OPENING) {
        on_opened_before_run(stream, client);
    } else if (stream->rate == 0 && stream->phase == PHASE_RUNNING) {
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
    struct mr_load_result *result = stream->result;
    stream->in_flight--;
    if (!is_counted(stream, client->intended_at))
        return;
    mr_histogram_record(&result->latency, mr_clock_now() - client->intended_at);
    result->answered++;
    result->by_status[MR_MIN(status, MR_LOAD_STATUS_MAX - 1)]++;
    result->bytes_received += client->received;
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
    stream->in_flight--;
    if (is_counted(stream, client->intended_at))
        stream->result->errors[error_of(error)]++;
}

static void reopen(struct mr_load_stream *stream, struct mr_client *client)
{
    stream->open_count++;
    stream->result->reconnects++;
    mr_client_open(client);
}

static void on_retry(uv_timer_t *timer)
{
    struct mr_load_stream *stream = timer->data;
    for (unsigned i = 0; i < stream->client_count; i++) {
        if (stream->clients[i].state == MR_CLIENT_CLOSED)
            reopen(stream, &stream->clients[i]);
    }
}

static void tell_closed_if_done(struct mr_load_stream *stream)
{
    if (stream->phase == PHASE_CLOSING && stream->open_count == 0 && stream->handles_open == 0)
        stream->events->closed(stream->context);
}

static void on_closed(struct mr_client *client, int error)
{
    struct mr_load_stream *stream = client->owner;
    stream->open_count--;
    if (stream->phase == PHASE_CLOSING) {
        tell_closed_if_done(stream);
    } else if (stream->phase == PHASE_OPENING) {
        stream->events->refused(stream->context, error);
    } else if (client->answers > 0) {
        reopen(stream, client);
    } else { /* refused, or closed before it was of use: trying again at once would be a storm */
        stream->result->reconnect_failures++;
        if (!uv_is_active((uv_handle_t *)&stream->retry))
            uv_timer_start(&stream->retry, on_retry, RETRY_MS, 0);
    }
    settle_if_done(stream);
}

static const struct mr_client_events client_events = {
    .ready = on_ready, .answered = on_answered, .failed = on_failed, .closed = on_closed};

/* ---- Steps ---- */

struct mr_load_stream *mr_load_stream_create(uv_loop_t *loop, const struct mr_load_stream_config *config,
                                             const struct mr_load_stream_events *events, void *context,
                                             struct mr_load_result *result)
{
    MR_ASSERT(config->connections > 0 && config->rate >= 0);
    struct mr_load_stream *stream = calloc(1, sizeof(*stream));
    MR_ASSERT(stream != NULL);
    stream->setup.loop = loop;
    stream->setup.target = config->target;
    stream->setup.wire = config->wire;
    stream->setup.events = &client_events;
    stream->rate = config->rate;
    stream->events = events;
    stream->context = context;
    stream->result = result;

    stream->client_count = config->connections;
    stream->clients = calloc(stream->client_count, sizeof(*stream->clients));
    MR_ASSERT(stream->clients != NULL);
    for (unsigned i = 0; i < stream->client_count; i++) {
        mr_client_init(&stream->clients[i], &stream->setup);
        stream->clients[i].owner = stream;
    }

    stream->pacer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    MR_ASSERT(stream->pacer_fd >= 0);
    MR_ASSERT(uv_poll_init(loop, &stream->pacer, stream->pacer_fd) == 0);
    MR_ASSERT(uv_timer_init(loop, &stream->retry) == 0);
    stream->handles_open = 2;
    stream->pacer.data = stream->retry.data = stream;
    return stream;
}

void mr_load_stream_open(struct mr_load_stream *stream)
{
    stream->phase = PHASE_OPENING;
    for (unsigned i = 0; i < OPENING_MAX; i++)
        open_next(stream);
}

void mr_load_stream_start(struct mr_load_stream *stream, const struct mr_load_window *window)
{
    MR_ASSERT(stream->phase == PHASE_OPEN);
    stream->phase = PHASE_RUNNING;
    stream->window = *window;
    if (stream->rate > 0)
        stream->arrivals = stream->sends = mr_schedule_constant(window->start, stream->rate);
    MR_ASSERT(uv_poll_start(&stream->pacer, UV_READABLE, on_pacer) == 0);
    arm_pacer(stream, window->start);
}

void mr_load_stream_end(struct mr_load_stream *stream)
{
    MR_ASSERT(stream->phase == PHASE_RUNNING);
    stream->phase = PHASE_ENDED;
    settle_if_done(stream);
}

static void count_unanswered(struct mr_load_stream *stream, uint64_t intended_at, uint64_t now)
{
    if (!is_counted(stream, intended_at))
        return;
    mr_histogram_record(&stream->result->latency, now - intended_at);
    stream->result->unanswered++;
}

static void give_up_what_is_due(struct mr_load_stream *stream)
{
    uint64_t now = mr_clock_now();
    for (unsigned i = 0; i < stream->client_count; i++) {
        const struct mr_client *client = &stream->clients[i];
        if (client->state == MR_CLIENT_BUSY && !client->answer_complete)
            count_unanswered(stream, client->intended_at, now);
    }
    for (; stream->rate > 0 && waiting(stream) > 0; mr_schedule_advance(&stream->sends))
        count_unanswered(stream, mr_schedule_due(&stream->sends), now);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct mr_load_stream *stream = handle->data;
    stream->handles_open--;
    tell_closed_if_done(stream);
}

void mr_load_stream_close(struct mr_load_stream *stream)
{
    give_up_what_is_due(stream);
    stream->phase = PHASE_CLOSING;
    uv_close((uv_handle_t *)&stream->pacer, on_handle_closed);
    uv_close((uv_handle_t *)&stream->retry, on_handle_closed);
    for (unsigned i = 0; i < stream->client_count; i++)
        mr_client_close(&stream->clients[i]);
}

void mr_load_stream_destroy(struct mr_load_stream **stream)
{
    close((*stream)->pacer_fd);
    free((*stream)->clients);
    free(*stream);
    *stream = NULL;
}
