#include "bench/load.h"
#include "base/clock.h"
#include "base/macros.h"
#include "base/options.h"
#include "bench/load_report.h"
#include "bench/load_run.h"
#include <stdlib.h>

struct load_config {
    double rate;
    int64_t connections;
    uint64_t warmup, duration, grace, lateness_max;
    char *method, *body;
    struct mr_option_list headers;
    bool json;
};

#define FIELD(name) .offset = offsetof(struct load_config, name)

static const struct mr_option options[] = {
    {{"rate", MR_PARAM_NUMBER, .max = 10e6, .unit = "/s", .text = "requests to send in a second; 0: closed loop"},
     "N",
     "100",
     FIELD(rate),
     false},
    {{"connections", MR_PARAM_INT, .min = 1, .max = 1e6, .text = "connections, all opened before the run"},
     "N",
     "16",
     FIELD(connections),
     false},
    {{"duration", MR_PARAM_TIME, .text = "how long to measure"}, "TIME", "10s", FIELD(duration), false},
    {{"warmup", MR_PARAM_TIME, .text = "send for so long before measuring"}, "TIME", "1s", FIELD(warmup), false},
    {{"grace", MR_PARAM_TIME, .text = "wait so long at the end for answers still due"},
     "TIME",
     "10s",
     FIELD(grace),
     false},
    {{"method", MR_PARAM_TEXT, .text = "the request's method (default: GET, with a body POST)"},
     "NAME",
     NULL,
     FIELD(method),
     false},
    {{"header", MR_PARAM_TEXT, .text = "a further header line; repeatable"},
     "\"NAME: VALUE\"",
     NULL,
     FIELD(headers),
     true},
    {{"body", MR_PARAM_TEXT, .text = "send this file with every request"}, "FILE", NULL, FIELD(body), false},
    {{"max-lateness", MR_PARAM_TIME, .text = "the run is invalid when 1 % is sent later than this"},
     "TIME",
     "10ms",
     FIELD(lateness_max),
     false},
    {{"json", MR_PARAM_BOOL, .text = "write the result as JSON"}, NULL, NULL, FIELD(json), false},
    {{0}, NULL, NULL, 0, false},
};

static const struct mr_options_program program = {
    .name = "millrace-bench load",
    .env_prefix = "MILLRACE_BENCH",
    .usage =
        "usage: millrace-bench load URL [options]\n"
        "\n"
        "Send HTTP/1.1 requests to URL at a constant rate and report how long the answers took, from the moment each\n"
        "request was meant to leave (so that a stalled server cannot hide), and how late the generator itself was.\n"
        "URL: http://HOST[:PORT][/TARGET] or unix:PATH[:/TARGET]\n",
    .options = options,
};

static int complain(const struct mr_fault *fault)
{
    fprintf(stderr, "millrace-bench load: %s\n", fault->detail);
    return fault->error == MR_EPARAM ? 2 : 1;
}

static int measure(const struct load_config *config, const char *url)
{
    struct mr_fault fault;
    struct mr_target target;
    struct mr_wire wire = {0};
    struct mr_load_result *result = calloc(1, sizeof(*result));
    const char *method = config->method != NULL ? config->method : config->body != NULL ? "POST" : "GET";
    const struct mr_load_stream_config stream = {
        .target = &target, .wire = &wire, .rate = config->rate, .connections = (unsigned)config->connections};
    const struct mr_load_times times = {.warmup = config->warmup, .duration = config->duration, .grace = config->grace};
    const struct mr_load_report report = {.method = method,
                                          .url = url,
                                          .rate = config->rate,
                                          .connections = stream.connections,
                                          .warmup = config->warmup,
                                          .duration = config->duration,
                                          .lateness_max = config->lateness_max,
                                          .result = result};

    int status = 0;
    if (mr_target_parse(&target, url, &fault) != MR_OK || mr_target_resolve(&target, &fault) != MR_OK ||
        mr_wire_build(&wire, &target, method, config->headers.values, config->headers.count, config->body, &fault) !=
            MR_OK ||
        mr_load_run(&stream, 1, &times, stderr, result, &fault) != MR_OK)
        status = complain(&fault);
    else if (config->json)
        mr_load_report_json(&report, stdout);
    else
        mr_load_report_table(&report, stdout);
    mr_wire_free(&wire);
    free(result);
    return status;
}

int mr_load_main(int argc, char *const *argv, char *const *environment)
{
    /* The URL stands first; what follows are options, so that a further stream can follow them one day. */
    bool has_url = argc > 1 && argv[1][0] != '-';
    struct load_config config = {0};
    int status = 2;
    switch (mr_options_parse(&program, &config, argc - has_url, argv + has_url, environment, stderr)) {
    case MR_OPTIONS_HELP:
        mr_options_help(&program, stdout);
        status = 0;
        break;
    case MR_OPTIONS_VERSION:
        puts("millrace-bench " MILLRACE_VERSION);
        status = 0;
        break;
    case MR_OPTIONS_CHECK:
        status = 0;
        break;
    case MR_OPTIONS_WRONG:
        break;
    case MR_OPTIONS_RUN:
        if (has_url)
            status = measure(&config, argv[1]);
        else
            fputs("millrace-bench load: the URL is missing; see millrace-bench load --help\n", stderr);
        break;
    }
    mr_options_free(&program, &config);
    return status;
}
