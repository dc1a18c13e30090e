#include "routes/lab.h"
#include "app/app.h"
#include "base/clock.h"
#include "base/json.h"
#include "keys/rights.h"
#include "routes/about.h"
#include "routes/json_response.h"
#include "routes/self_load.h"

struct lab {
    struct mr_self_load *load; /* NULL: there is no lab */
};

struct lab_seat { /* of one loop */
    const struct mr_app *app;
    struct mr_loop *loop;
};

/* ---- parameters ---- */

enum { SWITCH_KIND, SWITCH_SECONDS, SWITCH_PARAMS };
static const struct mr_param_spec switch_params[] = {
    [SWITCH_KIND] = {.name = "kind",
                     .type = MR_PARAM_CHOICE,
                     .choices = mr_offload_names,
                     .text = "where the jobs of the load run; needed"},
    [SWITCH_SECONDS] = {.name = "seconds",
                        .type = MR_PARAM_NUMBER,
                        .min = 0.1,
                        .max = MR_SELF_SECONDS_MAX,
                        .unit = "s",
                        .text = "until they run on workers again; 60 without it"},
    [SWITCH_PARAMS] = {.name = NULL},
};

enum { LOAD_KIND, LOAD_RATE, LOAD_SECONDS, LOAD_PARAMS };
static const struct mr_param_spec load_params[] = {
    [LOAD_KIND] = {.name = "kind",
                   .type = MR_PARAM_CHOICE,
                   .choices = mr_self_kind_names,
                   .text = "what a job does: resize a photograph; compress, or encrypt, 1 MiB; needed"},
    [LOAD_RATE] = {.name = "rate",
                   .type = MR_PARAM_INT,
                   .min = 1,
                   .max = MR_SELF_RATE_MAX,
                   .text = "jobs a second; 20 without it"},
    [LOAD_SECONDS] = {.name = "seconds",
                      .type = MR_PARAM_NUMBER,
                      .min = 0.1,
                      .max = MR_SELF_SECONDS_MAX,
                      .unit = "s",
                      .text = "how long; 20 without it"},
    [LOAD_PARAMS] = {.name = NULL},
};

/* The value of `kind`, which is needed. */
static int read_needed_kind(int64_t *out, const struct mr_query *query, const struct mr_param_spec *params,
                            struct mr_fault *fault)
{
    struct mr_param_value kind = {.integer = -1};
    int err = mr_query_check_known(query, params, fault);
    if (err == MR_OK)
        err = mr_query_read(query, &params[0], &kind, fault);
    *out = kind.integer;
    if (err == MR_OK && kind.integer < 0)
        return mr_fault_set(fault, MR_EPARAM, "\"kind\" is needed.");
    return err;
}

static int read_seconds(uint64_t *out_ns, const struct mr_query *query, const struct mr_param_spec *spec, double preset,
                        struct mr_fault *fault)
{
    struct mr_param_value seconds = {.number = preset};
    int err = mr_query_read(query, spec, &seconds, fault);
    *out_ns = (uint64_t)(seconds.number * (double)MR_NS_PER_S);
    return err;
}

/* ---- how it stands ---- */

static void write_names(struct mr_json *json, const char *name, const char *const *names)
{
    mr_json_open(json, name, '[');
    for (size_t i = 0; names[i] != NULL; i++)
        mr_json_text(json, NULL, names[i]);
    mr_json_close(json);
}

static void lab_seconds(struct mr_json *json, const char *name, uint64_t ns)
{
    mr_json_decimal(json, name, mr_clock_seconds(ns), 6);
}

static void write_lab_load(struct mr_json *json, const struct mr_self_report *report)
{
    mr_json_open(json, "load", '{');
    mr_json_text(json, "kind", mr_self_kind_names[report->order.kind]);
    mr_json_integer(json, "rate", report->order.rate);
    mr_json_number(json, "seconds", mr_clock_seconds(report->order.duration_ns));
    lab_seconds(json, "left", report->left_ns);
    mr_json_integer(json, "submitted", report->submitted);
    mr_json_integer(json, "done", report->done);
    mr_json_integer(json, "refused", report->refused);
    mr_json_integer(json, "expired", report->expired);
    mr_json_integer(json, "in_flight", report->in_flight);
    lab_seconds(json, "run_mean", report->done > 0 ? report->run_ns / report->done : 0);
    mr_json_close(json);
}

static void respond_lab(struct mr_request *request, struct mr_self_load *load)
{
    struct mr_self_report report;
    struct mr_json_response out;
    mr_self_load_read(load, &report);
    if (!mr_json_response_begin(&out, request))
        return;
    mr_json_open(&out.json, NULL, '{');
    write_names(&out.json, "offloads", mr_offload_names);
    mr_json_text(&out.json, "offload", mr_offload_name(report.offload));
    if (report.offload_left_ns > 0)
        lab_seconds(&out.json, "offload_left", report.offload_left_ns);
    else
        mr_json_text(&out.json, "offload_left", NULL);
    write_names(&out.json, "kinds", mr_self_kind_names);
    if (report.has_load)
        write_lab_load(&out.json, &report);
    else
        mr_json_text(&out.json, "load", NULL);
    mr_json_close(&out.json);
    mr_json_response_end(&out, request, 200, NULL);
}

/* ---- which clients may ask ---- */

/* A proxy that is not trusted may write what it wants, and its clients may be anywhere. One that says nothing of itself
 * looks like a client of this machine (docs/operation.md). */
static bool is_of_this_machine(const struct mr_request *request)
{
    static const char *const of_proxies[] = {"forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto",
                                             "via",       "x-real-ip"};
    bool is_forwarded = false;
    for (size_t i = 0; i < MR_ARRAY_SIZE(of_proxies); i++)
        is_forwarded = is_forwarded || mr_head_find(&request->head, of_proxies[i]).at != NULL;
    return mr_peer_is_local(&request->client.peer) && (!is_forwarded || request->client.is_behind_trusted);
}

static int check_client(const struct mr_request *request, struct mr_fault *fault)
{
    if (request->http->authorizer.find != NULL || is_of_this_machine(request))
        return MR_OK; /* keys: the route has asked for the right */
    return mr_fault_set(fault, MR_ENOTLOCAL, "Others need API keys (--api-keys), and one with the right admin.");
}

/* The lab, or NULL: there is none for this request, and it was refused. */
static struct mr_self_load *find_lab(struct mr_request *request)
{
    const struct lab *lab = mr_app_state(mr_app_of(request), &mr_lab_resource);
    struct mr_fault fault;
    int err = lab->load != NULL ? check_client(request, &fault)
                                : mr_fault_set(&fault, MR_ENOLAB, "Start the server with --lab.");
    if (err == MR_OK)
        return lab->load;
    mr_respond_problem(request, &fault);
    return NULL;
}

static int check_serving(const struct mr_request *request, struct mr_fault *fault)
{
    bool is_draining = atomic_load_explicit(&request->http->draining, memory_order_relaxed);
    return is_draining ? mr_fault_set(fault, MR_ESHUTDOWN, NULL) : MR_OK;
}

/* ---- the routes ---- */

static void end_request(struct mr_request *request, struct mr_self_load *load, int err, const struct mr_fault *fault)
{
    if (err == MR_OK)
        respond_lab(request, load);
    else
        mr_respond_problem(request, fault);
}

static void start_lab(struct mr_request *request)
{
    struct mr_self_load *load = find_lab(request);
    struct mr_fault fault;
    if (load != NULL)
        end_request(request, load, mr_query_check_known(&request->query, mr_param_none, &fault), &fault);
}

static void start_switch(struct mr_request *request)
{
    struct mr_self_load *load = find_lab(request);
    struct mr_fault fault;
    uint64_t duration_ns;
    int64_t kind;
    if (load == NULL)
        return;
    int err = read_needed_kind(&kind, &request->query, switch_params, &fault);
    if (err == MR_OK)
        err = read_seconds(&duration_ns, &request->query, &switch_params[SWITCH_SECONDS], MR_SELF_SECONDS_MAX, &fault);
    if (err == MR_OK)
        mr_self_load_switch(load, (enum mr_offload_kind)kind, duration_ns);
    end_request(request, load, err, &fault);
}

static int read_order(struct mr_self_order *out, const struct mr_query *query, struct mr_fault *fault)
{
    struct mr_param_value rate = {.integer = 20};
    int64_t kind;
    int err = read_needed_kind(&kind, query, load_params, fault);
    if (err == MR_OK)
        err = mr_query_read(query, &load_params[LOAD_RATE], &rate, fault);
    if (err == MR_OK)
        err = read_seconds(&out->duration_ns, query, &load_params[LOAD_SECONDS], 20, fault);
    out->kind = (enum mr_self_kind)kind;
    out->rate = (uint32_t)rate.integer;
    return err;
}

static void start_load(struct mr_request *request)
{
    struct mr_self_load *load = find_lab(request);
    struct mr_self_order order;
    struct mr_fault fault;
    if (load == NULL)
        return;
    int err = read_order(&order, &request->query, &fault);
    if (err == MR_OK)
        err = check_serving(request, &fault);
    if (err == MR_OK)
        mr_self_load_begin(load, &order);
    end_request(request, load, err, &fault);
}

static void start_load_end(struct mr_request *request)
{
    struct mr_self_load *load = find_lab(request);
    struct mr_fault fault;
    if (load == NULL)
        return;
    int err = mr_query_check_known(&request->query, mr_param_none, &fault);
    if (err == MR_OK)
        mr_self_load_end(load);
    end_request(request, load, err, &fault);
}

/* ---- what is told of the routes ---- */

static const struct mr_about_schema load_schema = {
    .name = "LabLoad",
    .members = (const struct mr_about_member[]){{"kind", "string", "image, gzip or encrypt", false},
                                                {"rate", "integer", "jobs a second", false},
                                                {"seconds", "number", "how long", false},
                                                {"left", "number", "seconds; 0: it is over", false},
                                                {"submitted", "integer", "jobs that were accepted", false},
                                                {"done", "integer", NULL, false},
                                                {"refused", "integer", "for want of room", false},
                                                {"expired", "integer", "waited for longer than --job-deadline", false},
                                                {"in_flight", "integer", "wait or run", false},
                                                {"run_mean", "number", "seconds that a job ran", false},
                                                {.name = NULL}},
};
static const struct mr_about_schema lab_schema = {
    .name = "Lab",
    .members =
        (const struct mr_about_member[]){{"offloads", "string[]", "what the switch knows", false},
                                         {"offload", "string", "where the next job of the load runs", false},
                                         {"offload_left", "number?", "seconds until that is workers again", false},
                                         {"kinds", "string[]", "of jobs", false},
                                         {"load", "LabLoad?", "the last one, until it is ended or replaced", false},
                                         {.name = NULL}},
};
const struct mr_about_schema *const mr_lab_schemas[] = {&load_schema, &lab_schema, NULL};

#define LAB_ABOUT                                                                         \
    .group = "server", .needs_lab = true, .responses = (const struct mr_about_response[]) \
    {                                                                                     \
        {200, "how the lab stands", {"application/json", {&lab_schema}}, NULL},           \
        {                                                                                 \
            .status = 0                                                                   \
        }                                                                                 \
    }

static const struct mr_route_about about_lab = {
    LAB_ABOUT,
    .text = "The lab: which offload takes the jobs of its load, and how that load goes on",
    .errors = {MR_ABOUT_ERRORS(MR_EPARAM, MR_ENOTLOCAL, MR_EMEMORY)},
    .examples =
        (const struct mr_about_example[]){{.text = "how it stands", .target = "/lab", .status = 200}, {.text = NULL}},
};
static const struct mr_route_about about_switch = {
    LAB_ABOUT,
    .text = "Choose where the jobs of the load run, for up to a minute",
    .query = switch_params,
    .errors = {MR_ABOUT_ERRORS(MR_EPARAM, MR_ENOTLOCAL, MR_EMEMORY)},
    .examples =
        (const struct mr_about_example[]){
            {.text = "on the loop, for a second", .target = "/lab/offload?kind=inline&seconds=1", .status = 200},
            {.text = NULL}},
};
static const struct mr_route_about about_load = {
    LAB_ABOUT,
    .text = "Have the server submit jobs to itself, instead of those that it submits now",
    .query = load_params,
    .errors = {MR_ABOUT_ERRORS(MR_EPARAM, MR_ENOTLOCAL, MR_ESHUTDOWN, MR_EMEMORY)},
    .examples = (const struct mr_about_example[]){{.text = "ten images a second, for a second",
                                                   .target = "/lab/load?kind=image&rate=10&seconds=1",
                                                   .status = 200},
                                                  {.text = NULL}},
};
static const struct mr_route_about about_load_end = {
    LAB_ABOUT,
    .text = "End the load",
    .errors = {MR_ABOUT_ERRORS(MR_EPARAM, MR_ENOTLOCAL, MR_ESHUTDOWN, MR_EMEMORY)},
    .examples =
        (const struct mr_about_example[]){{.text = "no more", .target = "/lab/load", .status = 200}, {.text = NULL}},
};

#define LAB_ROUTE .rights = MR_RIGHT_ADMIN, .cache_control = "no-store"

static const struct mr_route routes[] = {
    {LAB_ROUTE, .method = MR_METHOD_GET, .pattern = "/lab", .start = start_lab, .about = &about_lab},
    {LAB_ROUTE, .method = MR_METHOD_PUT, .pattern = "/lab/offload", .start = start_switch, .about = &about_switch},
    {LAB_ROUTE, .method = MR_METHOD_PUT, .pattern = "/lab/load", .start = start_load, .about = &about_load},
    {LAB_ROUTE, .method = MR_METHOD_DELETE, .pattern = "/lab/load", .start = start_load_end, .about = &about_load_end},
    {.pattern = NULL},
};

/* ---- the resource ---- */

static int open_lab(void *state, const struct mr_app *app)
{
    struct lab *lab = state;
    return app->lab != NULL ? mr_self_load_create(&lab->load, app) : MR_OK;
}

static void open_lab_loop(void *state, const struct mr_app *app, unsigned loop)
{
    *(struct lab_seat *)state = (struct lab_seat){.app = app, .loop = app->loops[loop]};
}

static void drain_lab_loop(void *state)
{
    const struct lab_seat *seat = state;
    const struct lab *lab = mr_app_state(seat->app, &mr_lab_resource);
    if (lab->load != NULL)
        mr_self_load_drain(lab->load, seat->loop);
}

static void close_lab(void *state)
{
    struct lab *lab = state;
    if (lab->load != NULL)
        mr_self_load_destroy(&lab->load);
}

const struct mr_resource mr_lab_resource = {
    .routes = routes,
    .size = sizeof(struct lab),
    .loop_size = sizeof(struct lab_seat),
    .open = open_lab,
    .open_loop = open_lab_loop,
    .drain_loop = drain_lab_loop,
    .close = close_lab,
};
