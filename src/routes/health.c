#include "routes/health.h"
#include "app/app.h"
#include "base/json.h"
#include "routes/about.h"
#include "routes/document.h"
#include "routes/openapi.h"
#include <libdeflate.h>
#include <llhttp.h>
#include <sodium.h>
#include <stdio.h>
#include <zlib.h>
#include <zstd.h>

struct health {
    struct mr_document version, stages;
};

static void respond_text(struct mr_request *request, const char *text, struct mr_fields *fields)
{
    mr_respond(request, 200, "text/plain; charset=utf-8", fields, text, strlen(text), NULL, NULL);
}

/* 200 as long as the loop turns. */
static void start_healthz(struct mr_request *request)
{
    respond_text(request, "ok\n", NULL);
}

int mr_health_check(const struct mr_app *app, struct mr_loop *loop, struct mr_fault *fault)
{
    MR_ON_LOOP(loop);
    const struct mr_budget *memory = app->memory;
    uint64_t used = mr_budget_used(memory);
    if (atomic_load_explicit(&app->http->draining, memory_order_relaxed))
        return mr_fault_set(fault, MR_ESHUTDOWN, NULL);
    uint32_t retry_after = 1;
    int err = mr_offload_admit(app->offload, loop, MR_LANE_INTERACTIVE, &retry_after);
    if (err != 0)
        mr_fault_set(fault, err, NULL);
    else if (!mr_budget_is_open(memory))
        err = mr_fault_limit(fault, MR_EBUDGET, "memory-budget", memory->limit, used);
    if (err != 0)
        fault->retry_after_s = retry_after;
    return err;
}

/* 200, or 503 with the reason: on the way out, the queue is full, the memory budget is used up. */
static void start_readyz(struct mr_request *request)
{
    struct mr_fault fault;
    if (mr_health_check(mr_app_of(request), request->loop, &fault) != 0)
        mr_respond_problem(request, &fault);
    else
        respond_text(request, "ready\n", NULL);
}

static const struct health *texts_of(const struct mr_request *request)
{
    return mr_app_state(mr_app_of(request), &mr_health_resource);
}

/* Versions of the server and its libraries, image formats, how it computes: JSON. */
static void start_version(struct mr_request *request)
{
    mr_document_respond(&texts_of(request)->version, request, NULL);
}

/* The stages of /pipe with their parameters: JSON. */
static void start_stages(struct mr_request *request)
{
    struct mr_fields fields = mr_openapi_link(request);
    mr_document_respond(&texts_of(request)->stages, request, &fields);
}

/* ---- what is told of the routes ---- */

static const struct mr_about_schema parameter_schema = {
    .name = "StageParameter",
    .members = (const struct mr_about_member[]){{"name", "string", "in the query", false},
                                                {"type", "string",
                                                 "boolean, integer, number, size, time, choice or text", false},
                                                {"min", "number", NULL, true},
                                                {"max", "number", NULL, true},
                                                {"unit", "string", NULL, true},
                                                {"choices", "string[]", NULL, true},
                                                {"text", "string", "what it does", true},
                                                {.name = NULL}},
};
static const struct mr_about_schema stage_schema = {
    .name = "Stage",
    .members = (const struct mr_about_member[]){{"name", "string", "in a path", false},
                                                {"kind", "string", "chunked, sequential or whole-body", false},
                                                {"text", "string", "what it does", false},
                                                {"parameters", "StageParameter[]", NULL, false},
                                                {.name = NULL}},
};
static const struct mr_about_schema stages_schema = {
    .name = "StageList",
    .members = (const struct mr_about_member[]){{"stages", "Stage[]", NULL, false}, {.name = NULL}},
};
static const struct mr_about_schema formats_schema = {
    .name = "ImageFormats",
    .members = (const struct mr_about_member[]){{"reads", "string[]", NULL, false},
                                                {"writes", "string[]", NULL, false},
                                                {.name = NULL}},
};
static const struct mr_about_schema version_schema = {
    .name = "Version",
    .members = (const struct mr_about_member[]){{"name", "string", NULL, false},
                                                {"version", "string", "of the server", false},
                                                {"libvips", "string", NULL, false},
                                                {"libuv", "string", NULL, false},
                                                {"libsodium", "string", NULL, false},
                                                {"zlib", "string", NULL, false},
                                                {"libdeflate", "string", NULL, false},
                                                {"zstd", "string", NULL, false},
                                                {"llhttp", "string", NULL, false},
                                                {"image", "ImageFormats", NULL, false},
                                                {"offload", "string", "where jobs run, as --offload says it", false},
                                                {"workers", "integer", "threads that compute, of each process", false},
                                                {"loops", "integer", "event loops of each process", false},
                                                {"processes", "integer", NULL, false},
                                                {.name = NULL}},
};

const struct mr_about_schema *const mr_health_schemas[] = {&parameter_schema, &stage_schema,   &stages_schema,
                                                           &formats_schema,   &version_schema, NULL};

#define PLAIN_TEXT "text/plain; charset=utf-8"
#define EXAMPLE(about, path)                                \
    .examples = (const struct mr_about_example[])           \
    {                                                       \
        {.text = (about), .target = (path), .status = 200}, \
        {                                                   \
            .text = NULL                                    \
        }                                                   \
    }

static const struct mr_route_about about_stages = {
    .group = "pipe",
    .text = "Stages and their parameters",
    .fields = "If-None-Match",
    .responses =
        (const struct mr_about_response[]){{200, "all stages", {"application/json", {&stages_schema}}, "ETag Link"},
                                           {304, "the client has it", {.types = NULL}, "ETag"},
                                           {.status = 0}},
    .errors = {MR_ABOUT_ERRORS(MR_EPRECONDITION)},
    EXAMPLE("what can be asked for", "/pipe"),
};

static const struct mr_route_about about_healthz = {
    .group = "server",
    .text = "Is the server alive?",
    .responses = (const struct mr_about_response[]){{200, "its loops turn", {PLAIN_TEXT, {NULL}}, NULL}, {.status = 0}},
    EXAMPLE("for a liveness probe", "/healthz"),
};

static const struct mr_route_about about_readyz = {
    .group = "server",
    .text = "Does the server take new work?",
    .responses = (const struct mr_about_response[]){{200, "it does", {PLAIN_TEXT, {NULL}}, NULL}, {.status = 0}},
    .errors = {MR_ABOUT_ERRORS(MR_ESHUTDOWN, MR_EBUSY, MR_EBACKLOG, MR_EBUDGET)},
    EXAMPLE("for a readiness probe", "/readyz"),
};

static const struct mr_route_about about_version = {
    .group = "server",
    .text = "Versions of the server and its libraries, and the image formats that it reads and writes",
    .fields = "If-None-Match",
    .responses =
        (const struct mr_about_response[]){{200, "what runs here", {"application/json", {&version_schema}}, "ETag"},
                                           {304, "the client has it", {.types = NULL}, "ETag"},
                                           {.status = 0}},
    .errors = {MR_ABOUT_ERRORS(MR_EPRECONDITION)},
    EXAMPLE("what runs here", "/version"),
};

static const struct mr_route routes[] = {
    {.method = MR_METHOD_GET,
     .pattern = "/pipe",
     .cache_control = "no-cache",
     .start = start_stages,
     .about = &about_stages},
    {.method = MR_METHOD_GET,
     .pattern = "/healthz",
     .is_open = true,
     .site = MR_SITE_LINK,
     .start = start_healthz,
     .about = &about_healthz},
    {.method = MR_METHOD_GET,
     .pattern = "/readyz",
     .is_open = true,
     .site = MR_SITE_LINK,
     .start = start_readyz,
     .about = &about_readyz},
    {.method = MR_METHOD_GET,
     .pattern = "/version",
     .site = MR_SITE_LINK,
     .cache_control = "no-cache",
     .start = start_version,
     .about = &about_version},
    {.pattern = NULL},
};

/* ---- JSON, written once at start ---- */

/* Space-separated words as an array. */
static void write_word_array(struct mr_json *json, const char *name, const char *words)
{
    struct mr_slice rest = mr_slice_of(words);
    mr_json_open(json, name, '[');
    while (rest.at != NULL) {
        struct mr_slice word = mr_slice_cut(&rest, ' ');
        if (word.len > 0)
            mr_json_slice(json, NULL, word);
    }
    mr_json_close(json);
}

static int write_version(struct mr_document *out, const struct mr_app *app)
{
    char llhttp[32];
    snprintf(llhttp, sizeof(llhttp), "%d.%d.%d", LLHTTP_VERSION_MAJOR, LLHTTP_VERSION_MINOR, LLHTTP_VERSION_PATCH);
    FILE *file = mr_document_begin(out, "application/json");
    if (file == NULL)
        return MR_EMEMORY;
    struct mr_json json;
    mr_json_begin(&json, file);
    mr_json_open(&json, NULL, '{');
    mr_json_text(&json, "name", "millrace");
    mr_json_text(&json, "version", MILLRACE_VERSION);
    mr_json_text(&json, "libvips", mr_image_library_version());
    mr_json_text(&json, "libuv", uv_version_string());
    mr_json_text(&json, "libsodium", sodium_version_string());
    mr_json_text(&json, "zlib", zlibVersion());
    mr_json_text(&json, "libdeflate", LIBDEFLATE_VERSION_STRING);
    mr_json_text(&json, "zstd", ZSTD_versionString());
    mr_json_text(&json, "llhttp", llhttp);
    mr_json_open(&json, "image", '{');
    write_word_array(&json, "reads", mr_image_readable());
    write_word_array(&json, "writes", mr_image_writable());
    mr_json_close(&json);
    mr_json_text(&json, "offload", mr_offload_name(mr_offload_kind(app->offload)));
    mr_json_integer(&json, "workers", mr_offload_workers(app->offload));
    mr_json_integer(&json, "loops", app->loop_count);
    mr_json_integer(&json, "processes", mr_segment_processes(app->stats.segment));
    mr_json_close(&json);
    fputc('\n', file);
    return mr_document_end(out, file);
}

static void write_param_range(struct mr_json *json, const struct mr_param_spec *spec)
{
    bool is_number = spec->type == MR_PARAM_INT || spec->type == MR_PARAM_NUMBER || spec->type == MR_PARAM_SIZE ||
                     spec->type == MR_PARAM_TIME;
    if (is_number)
        mr_json_number(json, "min", spec->min);
    if (is_number && (spec->max > 0 || spec->min < 0))
        mr_json_number(json, "max", spec->max);
    if (spec->unit != NULL)
        mr_json_text(json, "unit", spec->unit);
}

static void write_param_choices(struct mr_json *json, const char *const *choices)
{
    mr_json_open(json, "choices", '[');
    for (size_t i = 0; choices[i] != NULL; i++)
        mr_json_text(json, NULL, choices[i]);
    mr_json_close(json);
}

static void write_parameter(struct mr_json *json, const struct mr_param_spec *spec)
{
    static const char *const types[] = {
        [MR_PARAM_BOOL] = "boolean", [MR_PARAM_INT] = "integer", [MR_PARAM_NUMBER] = "number",
        [MR_PARAM_SIZE] = "size",    [MR_PARAM_TIME] = "time",   [MR_PARAM_CHOICE] = "choice",
        [MR_PARAM_TEXT] = "text",
    };
    mr_json_open(json, NULL, '{');
    mr_json_text(json, "name", spec->name);
    mr_json_text(json, "type", types[spec->type]);
    write_param_range(json, spec);
    if (spec->choices != NULL)
        write_param_choices(json, spec->choices);
    if (spec->text != NULL)
        mr_json_text(json, "text", spec->text);
    mr_json_close(json);
}

static void write_stage(struct mr_json *json, const struct mr_stage_about *stage)
{
    mr_json_open(json, NULL, '{');
    mr_json_text(json, "name", stage->name);
    mr_json_text(json, "kind", stage->kind);
    mr_json_text(json, "text", stage->text);
    mr_json_open(json, "parameters", '[');
    for (const struct mr_param_spec *spec = stage->params; spec->name != NULL; spec++)
        write_parameter(json, spec);
    mr_json_close(json);
    mr_json_close(json);
}

static int write_stages(struct mr_document *out)
{
    FILE *file = mr_document_begin(out, "application/json");
    if (file == NULL)
        return MR_EMEMORY;
    struct mr_json json;
    mr_json_begin(&json, file);
    mr_json_open(&json, NULL, '{');
    mr_json_open(&json, "stages", '[');
    for (enum mr_stage_id id = 0; id < MR_STAGE_COUNT; id++) {
        const struct mr_stage_about stage = mr_stage_about(id);
        write_stage(&json, &stage);
    }
    mr_json_close(&json);
    mr_json_close(&json);
    fputc('\n', file);
    return mr_document_end(out, file);
}

/* ---- the resource ---- */

static void close_texts(void *state)
{
    struct health *health = state;
    mr_document_free(&health->version);
    mr_document_free(&health->stages);
}

static int open_texts(void *state, const struct mr_app *app)
{
    struct health *health = state;
    int err = write_version(&health->version, app);
    if (err == MR_OK)
        err = write_stages(&health->stages);
    if (err != MR_OK)
        close_texts(health);
    return err;
}

const struct mr_resource mr_health_resource = {
    .routes = routes, .size = sizeof(struct health), .open = open_texts, .close = close_texts};
