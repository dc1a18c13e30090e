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
    struct mr_events_group *group;
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
        mr_counter_add(&listening->group->events->numbers->dropped, 1);
    else
        listening->is_paused = mr_stream_push(listening->response, text, len) == MR_FLOW_PAUSE;
}

/* ---- once an interval ---- */

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

static void push_to_all(struct mr_events_group *group, const char *json, size_t json_len)
{
    size_t len;
    char *text = make_event(group->now, json, json_len, &len);
    for (struct mr_listening *at = group->first; at != NULL && text != NULL; at = at->next)
        push_event(at, text, len);
    free(text);
}

static void on_events_tick(struct mr_timer *timer)
{
    struct mr_events_group *group = mr_container_of(timer, struct mr_events_group, tick);
    size_t len;
    mr_live_read(group->now, group->events->source, MR_EVENTS_PATTERN);
    char *json = mr_live_json(group->now, group->before, &len);
    if (json != NULL)
        push_to_all(group, json, len);
    free(json);
    struct mr_live *read = group->now;
    group->now = group->before;
    group->before = read;
    mr_timer_set(&group->ticks, &group->tick);
}

static int begin_ticks(struct mr_events_group *group)
{
    struct mr_events *events = group->events;
    uint64_t steps = (uint64_t)(group - events->groups) + 1;
    struct mr_live *now = malloc(sizeof(*now)), *before = malloc(sizeof(*before));
    if (now == NULL || before == NULL) {
        free(now);
        free(before);
        return MR_EMEMORY;
    }
    group->now = now;
    group->before = before;
    mr_live_read(before, events->source, MR_EVENTS_PATTERN);
    mr_timer_list_open(&group->ticks, events->loop, steps * MR_EVENTS_STEP_NS, on_events_tick);
    mr_timer_set(&group->ticks, &group->tick);
    return MR_OK;
}

static void end_ticks(struct mr_events_group *group)
{
    mr_timer_clear(&group->tick);
    mr_timer_list_close(&group->ticks);
    free(group->now);
    free(group->before);
    group->now = group->before = NULL;
}

/* ---- coming and going ---- */

static const struct mr_param_spec events_params[] = {
    {.name = "interval",
     .type = MR_PARAM_NUMBER,
     .min = 0.1,
     .max = 1,
     .unit = "s",
     .text = "between two events, in steps of 0.1; 1 without it"},
    {.name = NULL},
};

/* The group that the request asks for. */
static int find_group(struct mr_events_group **out, struct mr_events *events, const struct mr_request *request,
                      struct mr_fault *fault)
{
    struct mr_param_value interval = {.number = 1};
    int err = mr_query_check_known(&request->query, events_params, fault);
    if (err == MR_OK)
        err = mr_query_read(&request->query, &events_params[0], &interval, fault);
    if (err == MR_OK)
        *out = &events->groups[(size_t)(interval.number * MR_EVENTS_GROUPS + 0.5) - 1];
    return err;
}

static int admit_listener(struct mr_events_group *group, struct mr_fault *fault)
{
    struct mr_events *events = group->events;
    uint64_t listeners = mr_counter_read(&events->numbers->listeners);
    if (events->is_closed)
        return mr_fault_set(fault, MR_ESHUTDOWN, NULL);
    if (listeners >= MR_EVENTS_LISTENERS_MAX)
        return mr_fault_limit(fault, MR_ELISTENERS, "listeners", MR_EVENTS_LISTENERS_MAX, listeners + 1);
    if (group->first == NULL && begin_ticks(group) != MR_OK)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    return MR_OK;
}

/* listening: NULL for a HEAD, whose response has no body. */
static struct mr_stream *respond(struct mr_request *request, struct mr_listening *listening)
{
    struct mr_fields fields;
    mr_fields_init(&fields, &request->arena);
    mr_fields_set_text(&fields, "X-Accel-Buffering", "no"); /* for nginx */
    return mr_respond_stream(request, 200, media_type, &fields, UINT64_MAX, &listener_sender, listening);
}

static void add_listener(struct mr_events_group *group, struct mr_request *request)
{
    struct mr_listening *listening = mr_arena_zalloc(&request->arena, sizeof(*listening));
    listening->magic = LISTENING_MAGIC;
    listening->request = request;
    listening->group = group;
    listening->next = group->first;
    if (group->first != NULL)
        group->first->prev = listening;
    group->first = listening;
    mr_counter_add(&group->events->numbers->listeners, 1);
    request->handler_data = listening;
    mr_request_hold(request); /* until remove_listener() */
    mr_loop_request_rest(request->loop);
    listening->response = respond(request, listening);
    push_event(listening, retry, sizeof(retry) - 1);
}

static void remove_listener(struct mr_listening *listening)
{
    struct mr_events_group *group = listening->group;
    *(listening->prev != NULL ? &listening->prev->next : &group->first) = listening->next;
    if (listening->next != NULL)
        listening->next->prev = listening->prev;
    listening->request->handler_data = NULL;
    mr_counter_subtract(&group->events->numbers->listeners, 1);
    if (group->first == NULL)
        end_ticks(group);
    mr_loop_request_wake(listening->request->loop);
    mr_request_release(listening->request);
}

static void start_events(struct mr_request *request)
{
    struct mr_events *events = mr_app_loop_state(mr_app_of(request), &mr_events_resource, request->loop);
    struct mr_events_group *group;
    struct mr_fault fault;
    bool is_head = request->head.method == MR_METHOD_HEAD;
    int err = find_group(&group, events, request, &fault);
    if (err == MR_OK && !is_head)
        err = admit_listener(group, &fault);
    if (err != MR_OK)
        mr_respond_problem(request, &fault);
    else if (is_head)
        mr_stream_end(respond(request, NULL));
    else
        add_listener(group, request);
}

static void on_listener_gone(struct mr_request *request)
{
    if (request->handler_data != NULL) /* else the shutdown has removed it */
        remove_listener(listening_of(request->handler_data));
}

static const struct mr_route_about about_events = {
    .group = "server",
    .text = "Live figures, once a second or more often: each event holds one JSON document",
    .query = events_params,
    .responses =
        (const struct mr_about_response[]){{200, "events, until the client leaves", {media_type, {NULL}}, NULL},
                                           {.status = 0}},
    .errors = {MR_ABOUT_ERRORS(MR_EPARAM, MR_ESHUTDOWN, MR_ELISTENERS, MR_EMEMORY)},
    .examples =
        (const struct mr_about_example[]){
            {.text = "for three seconds", .options = "-N --max-time 3", .target = MR_EVENTS_PATTERN, .status = 200},
            {.text = "ten times in a second",
             .options = "-N --max-time 1",
             .target = MR_EVENTS_PATTERN "?interval=0.1",
             .status = 200},
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
    events->loop = app->loops[loop];
    for (size_t i = 0; i < MR_EVENTS_GROUPS; i++)
        events->groups[i].events = events;
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
    for (size_t i = 0; i < MR_EVENTS_GROUPS; i++)
        while (events->groups[i].first != NULL)
            end_stream(events->groups[i].first);
}

static void close_events(void *state)
{
    const struct mr_events *events = state;
    for (size_t i = 0; i < MR_EVENTS_GROUPS; i++)
        MR_ASSERT(events->groups[i].first == NULL);
}

const struct mr_resource mr_events_resource = {
    .routes = routes,
    .loop_size = sizeof(struct mr_events),
    .open_loop = open_events,
    .drain_loop = drain_events,
    .close_loop = close_events,
};
