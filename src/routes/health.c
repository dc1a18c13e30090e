#include "routes/health.h"
#include "app/app.h"
#include "base/json.h"
#include <libdeflate.h>
#include <llhttp.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

/* Texts that never change while the server runs. */
struct health {
    char *version_json, *stages_json; /* owned */
};

static void respond_text(struct mr_request *request, const char *type, const char *text)
{
    mr_respond(request, 200, type, NULL, text, strlen(text), NULL, NULL);
}

/* 200 as long as the loop turns. */
static void start_healthz(struct mr_request *request)
{
    static const char text[] = "ok\n";
    mr_respond(request, 200, "text/plain; charset=utf-8", NULL, text, sizeof(text) - 1, NULL, NULL);
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
        respond_text(request, "text/plain; charset=utf-8", "ready\n");
}

static const struct health *texts_of(const struct mr_request *request)
{
    return mr_app_state(mr_app_of(request), &mr_health_resource);
}

/* Versions of the server and its libraries, image formats, how it computes: JSON. */
static void start_version(struct mr_request *request)
{
    respond_text(request, "application/json", texts_of(request)->version_json);
}

/* The stages of /pipe with their parameters: JSON. */
static void start_stages(struct mr_request *request)
{
    respond_text(request, "application/json", texts_of(request)->stages_json);
}

/* Where to find what: text. */
static void start_root(struct mr_request *request)
{
    respond_text(request, "text/plain; charset=utf-8",
                 "Millrace " MILLRACE_VERSION ", a media service\n"
                 "\n"
                 "POST /pipe/image?w=300  an image in the body, the resized one back\n"
                 "POST /pipe/gzip, gunzip, zstd, unzstd, encrypt, decrypt, or several: /pipe/image/gzip\n"
                 "PUT  /files/NAME        keep the body; GET /files lists, GET /files/ID reads (with --data)\n"
                 "GET  /pipe              stages and their parameters (JSON)\n"
                 "GET  /version           versions and image formats (JSON)\n"
                 "GET  /healthz           is it alive?\n"
                 "GET  /readyz            does it take new work?\n"
                 "GET  /metrics           numbers (Prometheus)\n"
                 "GET  /events            the same live, once a second (server-sent events)\n");
}

static const struct mr_route routes[] = {
    {.method = MR_METHOD_GET, .pattern = "/pipe", .start = start_stages},
    {.method = MR_METHOD_GET, .pattern = "/healthz", .is_open = true, .site = MR_SITE_LINK, .start = start_healthz},
    {.method = MR_METHOD_GET, .pattern = "/readyz", .is_open = true, .site = MR_SITE_LINK, .start = start_readyz},
    {.method = MR_METHOD_GET, .pattern = "/version", .site = MR_SITE_LINK, .start = start_version},
    {.method = MR_METHOD_GET, .pattern = "/", .is_open = true, .site = MR_SITE_LINK, .start = start_root},
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

static int finish_json(FILE *out, char **text)
{
    fputc('\n', out);
    if (fclose(out) == 0)
        return MR_OK;
    free(*text);
    *text = NULL;
    return MR_EMEMORY;
}

static int write_version(char **out, const struct mr_app *app)
{
    size_t len;
    char llhttp[32];
    snprintf(llhttp, sizeof(llhttp), "%d.%d.%d", LLHTTP_VERSION_MAJOR, LLHTTP_VERSION_MINOR, LLHTTP_VERSION_PATCH);
    FILE *file = open_memstream(out, &len);
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
    return finish_json(file, out);
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

static int write_stages(char **out)
{
    size_t len;
    FILE *file = open_memstream(out, &len);
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
    return finish_json(file, out);
}

/* ---- the resource ---- */

static void close_texts(void *state)
{
    struct health *health = state;
    free(health->version_json);
    free(health->stages_json);
}

static int open_texts(void *state, const struct mr_app *app)
{
    struct health *health = state;
    int err = write_version(&health->version_json, app);
    if (err == MR_OK)
        err = write_stages(&health->stages_json);
    if (err != MR_OK)
        close_texts(health);
    return err;
}

const struct mr_resource mr_health_resource = {
    .routes = routes, .size = sizeof(struct health), .open = open_texts, .close = close_texts};
