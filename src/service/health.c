#include "service/health.h"
#include "http/problem.h"
#include <libdeflate.h>
#include <llhttp.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

/* Below this share of the memory budget the server is no place for new work. */
#define BUDGET_RESERVE 16

static void respond_text(struct mr_request *request, const char *type, const char *text)
{
    mr_respond(request, 200, type, NULL, text, strlen(text), NULL, NULL);
}

void mr_healthz_start(struct mr_request *request)
{
    static const char text[] = "ok\n";
    mr_respond(request, 200, "text/plain; charset=utf-8", NULL, text, sizeof(text) - 1, NULL, NULL);
}

int mr_health_check(struct mr_service *service, struct mr_loop *loop, struct mr_fault *fault)
{
    const struct mr_budget *memory = service->memory;
    uint64_t used = mr_budget_used(memory);
    if (atomic_load_explicit(&service->http.draining, memory_order_relaxed))
        return mr_fault_set(fault, MR_ESHUTDOWN, NULL);
    uint32_t retry_after = 1;
    int err = mr_offload_admit(service->offload, loop, MR_LANE_INTERACTIVE, &retry_after);
    if (err != 0)
        mr_fault_set(fault, err, NULL);
    else if (memory->limit != 0 && memory->limit - used < memory->limit / BUDGET_RESERVE)
        err = mr_fault_limit(fault, MR_EBUDGET, "memory-budget", memory->limit, used);
    if (err != 0)
        fault->retry_after_s = retry_after;
    return err;
}

void mr_readyz_start(struct mr_request *request)
{
    struct mr_fault fault;
    if (mr_health_check(mr_service_of(request), request->loop, &fault) != 0)
        mr_respond_problem(request, &fault);
    else
        respond_text(request, "text/plain; charset=utf-8", "ready\n");
}

void mr_version_start(struct mr_request *request)
{
    respond_text(request, "application/json", mr_service_of(request)->version_json);
}

void mr_stages_start(struct mr_request *request)
{
    respond_text(request, "application/json", mr_service_of(request)->stages_json);
}

void mr_root_start(struct mr_request *request)
{
    respond_text(request, "text/plain; charset=utf-8",
                 "Millrace " MILLRACE_VERSION ", a media service\n"
                 "\n"
                 "POST /pipe/image?w=300  an image in the body, the resized one back\n"
                 "POST /pipe/gzip, gunzip, zstd, unzstd, encrypt, decrypt, or several: /pipe/image/gzip\n"
                 "GET  /pipe              stages and their parameters (JSON)\n"
                 "GET  /version           versions and image formats (JSON)\n"
                 "GET  /healthz           is it alive?\n"
                 "GET  /readyz            does it take new work?\n"
                 "GET  /metrics           numbers (Prometheus)\n"
                 "GET  /events            the same live, once a second (server-sent events)\n");
}

/* ---- JSON, written once at start ---- */

static void write_string(FILE *out, const char *text)
{
    struct mr_arena arena;
    mr_arena_init(&arena);
    struct mr_slice escaped = mr_json_escape(mr_slice_of(text), &arena);
    fprintf(out, "\"%.*s\"", MR_SLICE_ARG(escaped));
    mr_arena_reset(&arena);
}

static void write_member(FILE *out, const char *name, const char *text)
{
    fprintf(out, ",\"%s\":", name);
    write_string(out, text);
}

/* Space-separated words as an array. */
static void write_words(FILE *out, const char *name, const char *words)
{
    struct mr_slice rest = mr_slice_of(words);
    const char *comma = "";
    fprintf(out, "\"%s\":[", name);
    while (rest.at != NULL) {
        struct mr_slice word = mr_slice_cut(&rest, ' ');
        if (word.len > 0)
            fprintf(out, "%s\"%.*s\"", comma, MR_SLICE_ARG(word));
        comma = ",";
    }
    fputc(']', out);
}

static int finish(FILE *out, char **text)
{
    if (fclose(out) == 0)
        return MR_OK;
    free(*text);
    *text = NULL;
    return MR_EMEMORY;
}

int mr_health_version_json(char **out, const struct mr_service *service)
{
    size_t len;
    char llhttp[32];
    snprintf(llhttp, sizeof(llhttp), "%d.%d.%d", LLHTTP_VERSION_MAJOR, LLHTTP_VERSION_MINOR, LLHTTP_VERSION_PATCH);
    FILE *file = open_memstream(out, &len);
    if (file == NULL)
        return MR_EMEMORY;
    fprintf(file, "{\"name\":\"millrace\"");
    write_member(file, "version", MILLRACE_VERSION);
    write_member(file, "libvips", mr_image_library_version());
    write_member(file, "libuv", uv_version_string());
    write_member(file, "libsodium", sodium_version_string());
    write_member(file, "zlib", zlibVersion());
    write_member(file, "libdeflate", LIBDEFLATE_VERSION_STRING);
    write_member(file, "zstd", ZSTD_versionString());
    write_member(file, "llhttp", llhttp);
    fprintf(file, ",\"image\":{");
    write_words(file, "reads", mr_image_readable());
    fputc(',', file);
    write_words(file, "writes", mr_image_writable());
    fputc('}', file);
    write_member(file, "offload", mr_offload_name(mr_offload_kind(service->offload)));
    fprintf(file, ",\"workers\":%u,\"loops\":%u,\"processes\":%u}\n", mr_offload_workers(service->offload),
            service->loop_count, mr_segment_processes(service->segment));
    return finish(file, out);
}

static void write_range(FILE *out, const struct mr_param_spec *spec)
{
    bool is_number = spec->type == MR_PARAM_INT || spec->type == MR_PARAM_NUMBER || spec->type == MR_PARAM_SIZE ||
                     spec->type == MR_PARAM_TIME;
    if (is_number)
        fprintf(out, ",\"min\":%.15g", spec->min);
    if (is_number && (spec->max > 0 || spec->min < 0))
        fprintf(out, ",\"max\":%.15g", spec->max);
    if (spec->unit != NULL)
        write_member(out, "unit", spec->unit);
}

static void write_choices(FILE *out, const char *const *choices)
{
    fprintf(out, ",\"choices\":[");
    for (size_t i = 0; choices[i] != NULL; i++) {
        if (i > 0)
            fputc(',', out);
        write_string(out, choices[i]);
    }
    fputc(']', out);
}

static void write_parameter(FILE *out, const struct mr_param_spec *spec)
{
    static const char *const types[] = {
        [MR_PARAM_BOOL] = "boolean", [MR_PARAM_INT] = "integer", [MR_PARAM_NUMBER] = "number",
        [MR_PARAM_SIZE] = "size",    [MR_PARAM_TIME] = "time",   [MR_PARAM_CHOICE] = "choice",
        [MR_PARAM_TEXT] = "text",
    };
    fprintf(out, "{\"name\":");
    write_string(out, spec->name);
    write_member(out, "type", types[spec->type]);
    write_range(out, spec);
    if (spec->choices != NULL)
        write_choices(out, spec->choices);
    if (spec->text != NULL)
        write_member(out, "text", spec->text);
    fputc('}', out);
}

static void write_stage(FILE *out, const struct mr_stage_about *stage)
{
    fprintf(out, "{\"name\":");
    write_string(out, stage->name);
    write_member(out, "kind", stage->kind);
    write_member(out, "text", stage->text);
    fprintf(out, ",\"parameters\":[");
    for (const struct mr_param_spec *spec = stage->params; spec->name != NULL; spec++) {
        if (spec != stage->params)
            fputc(',', out);
        write_parameter(out, spec);
    }
    fprintf(out, "]}");
}

int mr_health_stages_json(char **out)
{
    size_t len;
    FILE *file = open_memstream(out, &len);
    if (file == NULL)
        return MR_EMEMORY;
    fprintf(file, "{\"stages\":[");
    for (enum mr_stage_id id = 0; id < MR_STAGE_COUNT; id++) {
        const struct mr_stage_about stage = mr_stage_about(id);
        if (id > 0)
            fputc(',', file);
        write_stage(file, &stage);
    }
    fprintf(file, "]}\n");
    return finish(file, out);
}
