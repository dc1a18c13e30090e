#include "bench/load/load.h"
#include "base/assert.h"
#include "bench/load/hgrm.h"
#include "bench/load/load_arguments.h"
#include "bench/load/load_report.h"
#include "bench/load/load_run.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

/* One run. Arrays with an element a stream. */
struct load {
    const struct mr_load_arguments *arguments;
    struct mr_target targets[MR_LOAD_STREAMS_MAX];
    struct mr_wire wires[MR_LOAD_STREAMS_MAX];
    struct mr_load_stream_config configs[MR_LOAD_STREAMS_MAX];
    struct mr_load_result results[MR_LOAD_STREAMS_MAX];
    struct mr_load_report reports[MR_LOAD_STREAMS_MAX];
    bool said_open;
};

static int complain(const struct mr_fault *fault)
{
    fprintf(stderr, "millrace-bench load: %s\n", fault->detail);
    return fault->error == MR_EPARAM ? 2 : 1;
}

/* ---- Before ---- */

static const char *method_of(const struct mr_load_stream_arguments *stream)
{
    if (stream->method != NULL)
        return stream->method;
    return stream->body != NULL ? "POST" : "GET";
}

static int prepare_stream(struct load *load, unsigned i, struct mr_fault *fault)
{
    const struct mr_load_stream_arguments *stream = &load->arguments->streams[i];
    struct mr_target *target = &load->targets[i];
    if (mr_target_parse(target, stream->url, fault) != MR_OK || mr_target_resolve(target, fault) != MR_OK ||
        mr_wire_build(&load->wires[i], target, method_of(stream), stream->headers.values, stream->headers.count,
                      stream->body, fault) != MR_OK)
        return (int)fault->error;
    load->configs[i] = (struct mr_load_stream_config){
        .target = target,
        .wire = &load->wires[i],
        .rate = stream->rate,
        .arrivals = (enum mr_load_arrivals)stream->arrivals,
        .seed = (uint64_t)stream->seed,
        .connections = (unsigned)stream->connections,
        .connect = (enum mr_load_connect)stream->connect,
        .expected_status = (int)stream->expect_status,
        .start = stream->start,
        .warmup = stream->warmup,
        .duration = stream->duration,
        .grace = load->arguments->streams[0].run.grace,
        .slot = load->arguments->streams[0].run.slot,
    };
    load->reports[i] = (struct mr_load_report){
        .name = stream->name,
        .method = method_of(stream),
        .url = stream->url,
        .config = &load->configs[i],
        .result = &load->results[i],
        .lateness_max = load->arguments->streams[0].run.lateness_max,
    };
    return MR_OK;
}

static int prepare(struct load *load, struct mr_fault *fault)
{
    int error = MR_OK;
    for (unsigned i = 0; i < load->arguments->count && error == MR_OK; i++)
        error = prepare_stream(load, i, fault);
    return error;
}

/* ---- Meanwhile ---- */

static bool on_tick(void *context, const struct mr_load_progress *progress)
{
    struct load *load = context;
    if (progress->is_open && !load->said_open)
        fputs("connections are open, the run begins\n", stderr);
    load->said_open = progress->is_open;
    return true;
}

/* ---- Afterwards ---- */

static int write_hgrm(const char *path, const struct mr_histogram *histogram, struct mr_fault *fault)
{
    struct mr_histogram_view view = {0};
    mr_histogram_read(histogram, &view);
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return mr_fault_set(fault, MR_EIO, "cannot write %s: %s", path, strerror(errno));
    mr_hgrm_write(file, &view);
    bool is_bad = ferror(file) != 0;
    is_bad |= fclose(file) != 0;
    return is_bad ? mr_fault_set(fault, MR_EIO, "cannot write %s", path) : MR_OK;
}

/* One stream: the file. Several: a file each, in that directory. */
static int write_hgrms(const struct load *load, struct mr_fault *fault)
{
    const char *path = load->arguments->streams[0].run.hgrm;
    if (path == NULL)
        return MR_OK;
    if (load->arguments->count == 1)
        return write_hgrm(path, &load->results[0].latency, fault);
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        return mr_fault_set(fault, MR_EIO, "cannot make %s: %s", path, strerror(errno));
    int error = MR_OK;
    for (unsigned i = 0; i < load->arguments->count && error == MR_OK; i++) {
        char file[4096];
        snprintf(file, sizeof(file), "%s/%s.hgrm", path, load->arguments->streams[i].name);
        error = write_hgrm(file, &load->results[i].latency, fault);
    }
    return error;
}

static void release(struct load *load)
{
    for (unsigned i = 0; i < load->arguments->count; i++) {
        mr_wire_free(&load->wires[i]);
        mr_load_result_free(&load->results[i]);
    }
    free(load);
}

static int measure(const struct mr_load_arguments *arguments)
{
    struct mr_fault fault;
    struct load *load = calloc(1, sizeof(*load));
    MR_ASSERT(load != NULL);
    load->arguments = arguments;
    const struct mr_load_watch watch = {.tick = on_tick, .context = load};

    int status = 0;
    if (prepare(load, &fault) != MR_OK ||
        mr_load_run(load->configs, arguments->count, &watch, load->results, &fault) != MR_OK ||
        write_hgrms(load, &fault) != MR_OK)
        status = complain(&fault);
    else if (arguments->streams[0].run.json)
        mr_load_report_json(load->reports, arguments->count, stdout);
    else
        mr_load_report_table(load->reports, arguments->count, stdout);
    release(load);
    return status;
}

int mr_load_main(int argc, char *const *argv, char *const *environment)
{
    struct mr_load_arguments arguments = {0};
    enum mr_options_result result = mr_load_arguments_read(&arguments, argc, argv, environment, stderr);
    int status = mr_options_answer(result, "millrace-bench", mr_load_arguments_help);
    if (status == MR_OPTIONS_GO_ON)
        status = measure(&arguments);
    mr_load_arguments_free(&arguments);
    return status;
}
