#include "bench/lab/lab_round.h"
#include "base/clock.h"
#include "base/macros.h"
#include "bench/lab/lab_exchange.h"
#include "bench/lab/lab_lag.h"
#include "bench/lab/lab_request.h"
#include "bench/load/load_report.h"
#include "bench/load/load_run.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOT_NS      (100 * MR_NS_PER_MS)
#define GRACE_NS     (10 * MR_NS_PER_S)
#define LATENESS_MAX (10 * MR_NS_PER_MS)

/* One round at work. Arrays have an element a stream; those that are not asked for are left out of `configs`. */
struct round {
    struct mr_lab_round *out;
    const struct mr_lab_plan *plan;
    const struct mr_lab_peer *peer; /* NULL: the server is ours */
    struct mr_lab_server server;    /* pid 0: it is not ours */
    bool *skips;
    char urls[MR_LAB_STREAM_COUNT][512];
    struct mr_target targets[MR_LAB_STREAM_COUNT];
    struct mr_wire wires[MR_LAB_STREAM_COUNT];
    unsigned count;
    enum mr_lab_stream which[MR_LAB_STREAM_COUNT]; /* of each config */
    struct mr_load_stream_config configs[MR_LAB_STREAM_COUNT];
    double cpu_before;
    bool has_cpu_before, has_cpu_after;
};

/* ---- before ---- */

/* The file with that body, or NULL for none. */
static const char *file_of(const struct round *round, const char *body, char *out, size_t size)
{
    if (body == NULL)
        return NULL;
    if (strcmp(body, "photo") == 0)
        snprintf(out, size, "%s", round->plan->photo);
    else
        snprintf(out, size, "%s/data.bin", round->plan->directory);
    return out;
}

/* "": the server is not asked for that. */
static const char *path_of(const struct round *round, enum mr_lab_stream stream)
{
    return round->peer != NULL ? round->peer->paths[stream] : mr_lab_request_of(stream)->path;
}

static int prepare(struct round *round, enum mr_lab_stream stream, struct mr_fault *fault)
{
    const struct mr_lab_request *request = mr_lab_request_of(stream);
    const char *base = round->peer != NULL ? round->peer->url : round->server.url;
    char file[4096], *url = round->urls[stream];
    snprintf(url, sizeof(round->urls[stream]), "%s%s", base, path_of(round, stream));
    struct mr_target *target = &round->targets[stream];
    if (mr_target_parse(target, url, fault) != MR_OK || mr_target_resolve(target, fault) != MR_OK)
        return (int)fault->error;
    return mr_wire_build(&round->wires[stream], target, request->method, NULL, 0,
                         file_of(round, request->body, file, sizeof(file)), fault);
}

/* Ask once: is it served, and is it the right thing? */
static int check(struct round *round, enum mr_lab_stream stream, struct mr_fault *fault)
{
    const char *method = mr_lab_request_of(stream)->method;
    const struct mr_target *target = &round->targets[stream];
    const struct mr_slice sent = {.at = round->wires[stream].body, .len = round->wires[stream].body_len};
    struct mr_lab_answer answer;
    struct mr_fault why;
    char path[512], what[128];
    snprintf(path, sizeof(path), "%.*s", MR_SLICE_ARG(target->path));
    snprintf(what, sizeof(what), "%s: %s %.80s", mr_lab_stream_name(stream), method, path);
    if (mr_lab_exchange(target, method, path, sent, &answer, &why) != MR_OK)
        return mr_fault_set(fault, MR_EIO, "%s: %s", what, why.detail);
    int err = MR_OK;
    if (answer.status != 200)
        err = mr_fault_set(fault, MR_EIO, "%s was answered with %d", what, answer.status);
    else if (mr_lab_request_check(stream, round->peer == NULL, sent, answer.body, &why) != MR_OK)
        err = mr_fault_set(fault, MR_EIO, "%s: %s", what, why.detail);
    free(answer.bytes);
    return err;
}

static void add_config(struct round *round, enum mr_lab_stream stream)
{
    const struct mr_lab_result *load = round->plan->load;
    bool is_heavy = mr_lab_stream_is_heavy(stream);
    round->which[round->count] = stream;
    round->configs[round->count++] = (struct mr_load_stream_config){
        .target = &round->targets[stream],
        .wire = &round->wires[stream],
        .rate = stream == MR_LAB_LIGHT   ? load->light_rate
                : stream == MR_LAB_FRESH ? load->fresh_rate
                                         : 0,
        .arrivals = stream == MR_LAB_FRESH ? MR_LOAD_POISSON : MR_LOAD_CONSTANT,
        .seed = 1,
        .connections = load->connections[stream],
        .connect = stream == MR_LAB_FRESH ? MR_LOAD_CONNECT_ON_DEMAND : MR_LOAD_CONNECT_BEFORE,
        .expected_status = 200,
        .start = is_heavy ? load->heavy_from_ns : 0,
        .warmup = is_heavy ? 0 : round->plan->warmup_ns,
        .duration = is_heavy ? load->heavy_until_ns - load->heavy_from_ns : load->round_ns,
        .grace = GRACE_NS,
        .slot = SLOT_NS,
    };
}

/* Where the paths are Millrace's, a peer may lack some. */
static bool may_lack(const struct round *round, enum mr_lab_stream stream)
{
    return round->peer != NULL && !round->peer->has_own_paths && mr_lab_stream_is_heavy(stream);
}

static int prepare_all(struct round *round, struct mr_fault *fault)
{
    for (unsigned i = 0; i < MR_LAB_STREAM_COUNT; i++) /* also those behind one that fails */
        round->skips[i] |= path_of(round, (enum mr_lab_stream)i)[0] == '\0';
    for (unsigned i = 0; i < MR_LAB_STREAM_COUNT; i++) {
        enum mr_lab_stream stream = (enum mr_lab_stream)i;
        if (round->skips[stream])
            continue;
        int err = prepare(round, stream, fault);
        if (err == MR_OK)
            err = check(round, stream, fault);
        if (err == MR_OK)
            add_config(round, stream);
        else if (may_lack(round, stream))
            round->skips[stream] = true;
        else
            return err;
    }
    return MR_OK;
}

/* ---- meanwhile ---- */

static bool on_tick(void *context, const struct mr_load_progress *progress)
{
    struct round *round = context;
    const struct mr_lab_result *load = round->plan->load;
    if (*round->plan->cancelled)
        return false;
    if (round->server.pid == 0)
        return true;
    mr_lab_server_sample(&round->server, &round->out->usage);
    if (!round->has_cpu_before && progress->elapsed >= load->heavy_from_ns) {
        round->has_cpu_before = true;
        round->cpu_before = mr_lab_server_cpu(&round->server);
    }
    if (!round->has_cpu_after && progress->elapsed >= load->heavy_until_ns) {
        round->has_cpu_after = true;
        round->out->usage.cpu_seconds = mr_lab_server_cpu(&round->server) - round->cpu_before;
    }
    return true;
}

/* ---- afterwards ---- */

/* The first stream for which the generator was the bottleneck names the round's flaw. */
static void judge_generator(struct round *round)
{
    for (unsigned i = 0; i < round->count && round->out->invalid[0] == '\0'; i++) {
        const struct mr_load_report report = {.name = mr_lab_stream_name(round->which[i]),
                                              .method = mr_lab_request_of(round->which[i])->method,
                                              .url = round->urls[round->which[i]],
                                              .config = &round->configs[i],
                                              .result = &round->out->streams[round->which[i]],
                                              .lateness_max = LATENESS_MAX};
        const char *why = mr_load_report_invalid(&report);
        if (why != NULL)
            snprintf(round->out->invalid, sizeof(round->out->invalid), "%s: %s", report.name, why);
    }
}

/* Every answer was checked: one that was wrong, or did not come, is no throughput. */
static int judge_answers(struct round *round, struct mr_fault *fault)
{
    for (unsigned i = 0; i < round->count; i++) {
        const struct mr_load_result *result = &round->out->streams[round->which[i]];
        if (result->answered == 0)
            return mr_fault_set(fault, MR_EIO, "%s: no request was answered", mr_lab_stream_name(round->which[i]));
        for (unsigned kind = 0; kind < MR_LOAD_ERROR_COUNT; kind++)
            if (result->errors[kind] > 0)
                return mr_fault_set(fault, MR_EIO, "%s: %llu requests failed", mr_lab_stream_name(round->which[i]),
                                    (unsigned long long)result->errors[kind]);
    }
    return MR_OK;
}

static void read_lag(struct round *round)
{
    struct mr_lab_answer answer;
    struct mr_fault ignored;
    if (mr_lab_exchange(&round->targets[MR_LAB_LIGHT], "GET", "/metrics", (struct mr_slice){0}, &answer, &ignored) !=
        MR_OK)
        return;
    if (answer.status == 200)
        mr_lab_lag_read(&round->out->lag, answer.body.at);
    free(answer.bytes);
}

/* ---- all of it ---- */

static int load(struct round *round, struct mr_fault *fault)
{
    struct mr_load_result *results = calloc(MR_LAB_STREAM_COUNT, sizeof(*results));
    const struct mr_load_watch watch = {.tick = on_tick, .context = round};
    if (results == NULL)
        return mr_fault_set(fault, MR_EMEMORY, "no memory");
    int err = mr_load_run(round->configs, round->count, &watch, results, fault);
    for (unsigned i = 0; i < round->count; i++)
        round->out->streams[round->which[i]] = results[i]; /* the caller's now */
    free(results);
    if (err == MR_ECANCELLED)
        mr_fault_set(fault, err, "cancelled");
    return err;
}

static int measure(struct round *round, struct mr_fault *fault)
{
    int err = prepare_all(round, fault);
    if (err == MR_OK)
        err = load(round, fault);
    if (err != MR_OK)
        return err;
    judge_generator(round);
    if (round->peer == NULL)
        read_lag(round);
    return judge_answers(round, fault);
}

void mr_lab_round_run(struct mr_lab_round *out, const struct mr_lab_plan *plan, const struct mr_lab_subject *subject,
                      bool *skips)
{
    struct round *round = calloc(1, sizeof(*round));
    struct mr_fault fault = {0}, at_end = {0};
    char log[4096];
    if (round == NULL)
        return;
    *round = (struct round){.out = out, .plan = plan, .peer = subject->peer, .skips = skips};
    snprintf(log, sizeof(log), "%s/server.log", plan->directory);
    int err = round->peer != NULL ? MR_OK : mr_lab_server_start(&round->server, subject->words, log, &fault);
    if (err == MR_OK)
        err = measure(round, &fault);
    int ended = mr_lab_server_stop(&round->server, &out->usage, &at_end);
    out->is_measured = err == MR_OK;
    if (err != MR_OK || ended != MR_OK)
        snprintf(out->failure, sizeof(out->failure), "%s", err != MR_OK ? fault.detail : at_end.detail);
    for (unsigned i = 0; i < MR_LAB_STREAM_COUNT; i++)
        mr_wire_free(&round->wires[i]);
    free(round);
}
