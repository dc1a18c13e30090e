#include "routes/events.h"
#include "app/app.h"
#include "base/assert.h"
#include "base/counter.h"
#include "base/magic.h"
#include "keys/rights.h"
#include "routes/about.h"
#include "stats/live.h"
#include <stdio.h>
#include <stdlib.h>

#define LISTENING_MAGIC 0x6c697374u /* "list" */

struct mr_listening {
    uint32_t magic;
    struct mr_request *request;
    struct mr_stream *response; /* we are its sender */
    struct mr_events *events;
    struct mr_listening *prev, *next;
    bool is_paused;
};

static const char media_type[] = "text/event-stream";
static const char retry[] = "retry: 2000\n\n";

/* ---- one listener ---- */

static struct mr_listening *listening_of(void *context)
{
    return mr_from_context(context, struct mr_listening, LISTENING_MAGIC);
}

static void on_listener_resume(void *context)
{
    listening_of(context)->is_paused = false;
}

static void on_listener_cancel(void *context, const struct mr_fault *why)
{
    (void)context; /* the client has left: the route's on_disconnect() comes next */
    (void)why;
}

static const struct mr_stream_sender listener_sender = {.resume = on_listener_resume, .cancel = on_listener_cancel};

static void push_event(struct mr_listening *listening, const char *text, size_t len)
{
    if (listening->is_paused)
        mr_counter_add(&listening->events->numbers->dropped, 1);
    else
        listening->is_paused = mr_stream_push(listening->response, text, len) == MR_FLOW_PAUSE;
}

/* ---- once a second ---- */

/* The event with `json` in it; owned by the caller (free). NULL: no memory. */
static char *make_event(const struct mr_live *now, const char *json, size_t json_len, size_t *len)
{
    size_t size = json_len + 64;
    char *text = malloc(size);
    if (text == NULL)
        return NULL;
    unsigned long long id = now->wall / MR_NS_PER_MS;
    *len = (size_t)snprintf(text, size, "id: %llu\ndata: %s\n\n", id, json);
    return text;
}

static void push_to_all(struct mr_events *events, const char *json, size_t json_len)
{
    size_t len;
    char *text = make_event(events->now, json, json_len, &len);
    for (struct mr_listening *at = events->first; at != NULL && text != NULL; at = at->next)
        push_event(at, text, len);
    free(text);
}

static void on_events_tick(struct mr_timer *timer)
{
    struct mr_events *events = mr_container_of(timer, struct mr_events, tick);
    size_t len;
    mr_live_read(events->now, events->source, MR_EVENTS_PATTERN);
    char *json = mr_live_json(events->now, events->before, &len);
    if (json != NULL)
        push_to_all(events, json, len);
    free(json);
    struct mr_live *read = events->now;
    events->now = events->before;
    events->before = read;
    mr_timer_set(&events->ticks, &events->tick);
}

static int begin_ticks(struct mr_events *events)
{
    events->now = malloc(sizeof(*events->now));
    events->before = malloc(sizeof(*events->before));
    if (events->now == NULL || events->before == NULL)
        return MR_EMEMORY;
    mr_live_read(events->before, events->source, MR_EVENTS_PATTERN);
    mr_timer_set(&events->ticks, &events->tick);
    return MR_OK;
}

static void end_ticks(struct mr_events *events)
{
    mr_timer_clear(&events->tick);
    free(events->now);
    free(events->before);
    events->now = events->before = NULL;
}

/* ---- coming and going ---- */

static int admit_listener(struct mr_events *events, struct mr_fault *fault)
{
    uint64_t listeners = mr_counter_read(&events->numbers->listeners);
    if (events->is_closed)
        return mr_fault_set(fault, MR_ESHUTDOWN, NULL);
    if (listeners >= MR_EVENTS_LISTENERS_MAX)
        return mr_fault_limit(fault, MR_ELISTENERS, "listeners", MR_EVENTS_LISTENERS_MAX, listeners + 1);
    if (listeners > 0 || begin_ticks(events) == MR_OK)
        return MR_OK;
    end_ticks(events);
    return mr_fault_set(fault, MR_EMEMORY, NULL);
}

/* listening: NULL for a HEAD, whose response has no body. */
static struct mr_stream *respond(struct mr_request *request, struct mr_listening *listening)
{
    struct mr_fields fields;
    mr_fields_init(&fields, &request->arena);
    mr_fields_set_text(&fields, "X-Accel-Buffering", "no"); /* for nginx */
    return mr_respond_stream(request, 200, media_type, &fields, UINT64_MAX, &listener_sender, listening);
}

static void add_listener(struct mr_events *events, struct mr_request *request)
{
    struct mr_listening *listening = mr_arena_zalloc(&request->arena, sizeof(*listening));
    listening->magic = LISTENING_MAGIC;
    listening->request = request;
    listening->events = events;
    listening->next = events->first;
    if (events->first != NULL)
        events->first->prev = listening;
    events->first = listening;
    mr_counter_add(&events->numbers->listeners, 1);
    request->handler_data = listening;
    mr_request_hold(request); /* until remove_listener() */
    mr_loop_request_rest(request->loop);
    listening->response = respond(request, listening);
    push_event(listening, retry, sizeof(retry) - 1);
}

static void remove_listener(struct mr_listening *listening)
{
    struct mr_events *events = listening->events;
    *(listening->prev != NULL ? &listening->prev->next : &events->first) = listening->next;
    if (listening->next != NULL)
        listening->next->prev = listening->prev;
    listening->request->handler_data = NULL;
    mr_counter_subtract(&events->numbers->listeners, 1);
    if (events->first == NULL)
        end_ticks(events);
    mr_loop_request_wake(listening->request->loop);
    mr_request_release(listening->request);
}

static void start_events(struct mr_request *request)
{
    struct mr_events *events = mr_app_loop_state(mr_app_of(request), &mr_events_resource, request->loop);
    struct mr_fault fault;
    if (request->head.method == MR_METHOD_HEAD)
        mr_stream_end(respond(request, NULL));
    else if (admit_listener(events, &fault) != MR_OK)
        mr_respond_problem(request, &fault);
    else
        add_listener(events, request);
}

static void on_listener_gone(struct mr_request *request)
{
    if (request->handler_data != NULL) /* else the shutdown has removed it */
        remove_listener(listening_of(request->handler_data));
}

static const struct mr_route_about about_events = {
    .group = "server",
    .text = "Live figures once a second: each event holds one JSON document",
    .responses =
        (const struct mr_about_response[]){{200, "events, until the client leaves", {media_type, {NULL}}, NULL},
                                           {.status = 0}},
    .errors = {MR_ABOUT_ERRORS(MR_ESHUTDOWN, MR_ELISTENERS, MR_EMEMORY)},
    .examples =
        (const struct mr_about_example[]){
            {.text = "for three seconds", .options = "-N --max-time 3", .target = MR_EVENTS_PATTERN, .status = 200},
            {.text = NULL}},
};

static const struct mr_route routes[] = {
    {
        .about = &about_events,
        .method = MR_METHOD_GET,
        .pattern = MR_EVENTS_PATTERN,
        .rights = MR_RIGHT_METRICS,
        .cache_control = "no-store",
        .start = start_events,
        .on_disconnect = on_listener_gone,
    },
    {.pattern = NULL},
};

/* ---- the life of them all ---- */

static void open_events(void *state, const struct mr_app *app, unsigned loop)
{
    struct mr_events *events = state;
    events->numbers = &app->numbers[loop].events;
    events->source = &app->stats;
    mr_timer_list_open(&events->ticks, app->loops[loop], MR_EVENTS_INTERVAL_NS, on_events_tick);
}

/* A paused client would not read the final event and would delay the shutdown, so abort it. */
static void end_stream(struct mr_listening *listening)
{
    struct mr_fault fault;
    mr_fault_set(&fault, MR_ESHUTDOWN, NULL);
    struct mr_stream *response = listening->response;
    bool is_paused = listening->is_paused;
    remove_listener(listening);
    if (is_paused)
        mr_stream_abort(response, &fault);
    else
        mr_stream_end(response);
}

static void drain_events(void *state)
{
    struct mr_events *events = state;
    events->is_closed = true;
    while (events->first != NULL)
        end_stream(events->first);
}

static void close_events(void *state)
{
    struct mr_events *events = state;
    MR_ASSERT(events->first == NULL);
    mr_timer_list_close(&events->ticks);
}

const struct mr_resource mr_events_resource = {
    .routes = routes,
    .loop_size = sizeof(struct mr_events),
    .open_loop = open_events,
    .drain_loop = drain_events,
    .close_loop = close_events,
};
