#include "bench/load/load_arguments.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/macros.h"
#include "bench/load/load_stream.h"
#include <ctype.h>
#include <stdlib.h>

static const char *const arrivals[] = {[MR_LOAD_CONSTANT] = "constant", [MR_LOAD_POISSON] = "poisson", NULL};
static const char *const connects[] = {
    [MR_LOAD_CONNECT_BEFORE] = "before", [MR_LOAD_CONNECT_ON_DEMAND] = "on-demand", NULL};

#define FIELD(name) .offset = offsetof(struct mr_load_stream_arguments, name)

/* Options of the run come first: later streams know the rest of the table only. What has no default here has one in
 * prepare(). */
#define RUN_OPTIONS 5
static const struct mr_option options[] = {
    {{"grace", MR_PARAM_TIME, .text = "wait so long at the end for answers still due"},
     "TIME",
     "10s",
     FIELD(run.grace),
     false},
    {{"max-lateness", MR_PARAM_TIME, .text = "a stream is invalid when 1 % is sent later than this"},
     "TIME",
     "10ms",
     FIELD(run.lateness_max),
     false},
    {{"slot", MR_PARAM_TIME, .text = "slots of the timeline in JSON, wider in a long run; 0: none"},
     "TIME",
     "100ms",
     FIELD(run.slot),
     false},
    {{"hgrm", MR_PARAM_TEXT, .text = "write latencies as HdrHistogram's text; several streams: NAME.hgrm in PATH"},
     "PATH",
     NULL,
     FIELD(run.hgrm),
     false},
    {{"json", MR_PARAM_BOOL, .text = "write the result as JSON"}, NULL, NULL, FIELD(run.json), false},
    /* RUN_OPTIONS */
    {{"name", MR_PARAM_TEXT, .max = 64, .text = "what the stream is called [its number]"},
     "NAME",
     NULL,
     FIELD(name),
     false},
    {{"rate", MR_PARAM_NUMBER, .max = 10e6, .unit = "/s", .text = "requests to send in a second; 0: closed loop"},
     "N",
     "100",
     FIELD(rate),
     false},
    {{"arrivals", MR_PARAM_CHOICE, .choices = arrivals, .text = "constant, or poisson: as from many clients"},
     "HOW",
     "constant",
     FIELD(arrivals),
     false},
    {{"seed", MR_PARAM_INT, .max = 1e15, .text = "of poisson arrivals [the stream's number]"},
     "N",
     NULL,
     FIELD(seed),
     false},
    {{"connections", MR_PARAM_INT, .min = 1, .max = 1e6, .text = "connections, at most"},
     "N",
     "16",
     FIELD(connections),
     false},
    {{"connect", MR_PARAM_CHOICE, .choices = connects, .text = "before the run, or on-demand: when none is free"},
     "WHEN",
     "before",
     FIELD(connect),
     false},
    {{"start", MR_PARAM_TIME, .text = "count from so long after the first stream on"},
     "TIME",
     "0s",
     FIELD(start),
     false},
    {{"warmup", MR_PARAM_TIME, .text = "send for so long before counting [1s, or as the first stream]"},
     "TIME",
     NULL,
     FIELD(warmup),
     false},
    {{"duration", MR_PARAM_TIME, .text = "how long to count [10s, or as the first stream]"},
     "TIME",
     NULL,
     FIELD(duration),
     false},
    {{"method", MR_PARAM_TEXT, .text = "the request's method [GET, with a body POST]"},
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
    {{"expect-status", MR_PARAM_INT, .min = 200, .max = 599, .text = "count an answer with another one as an error"},
     "STATUS",
     NULL,
     FIELD(expect_status),
     false},
    {.spec = {.name = NULL}},
};

static const struct mr_option url = {{"url", MR_PARAM_TEXT, .text = "where to send"}, "URL", NULL, FIELD(url), false};

static const struct mr_options_program program = {
    .name = "millrace-bench load",
    .env_prefix = "MILLRACE_BENCH",
    .usage =
        "usage: millrace-bench load URL [OPTION...] [+ URL [OPTION...]]...\n"
        "\n"
        "Send HTTP/1.1 requests to URL at a given rate and report how long the answers took, from the moment each\n"
        "request was meant to leave (so that a stalled server cannot hide), and how late the generator itself was.\n"
        "URL: http://HOST[:PORT][/TARGET] or unix:PATH[:/TARGET]; {n} in a target is a number of each request's own\n"
        "\n"
        "Behind a \"+\" stands another stream that runs beside, with options of its own:\n"
        "  millrace-bench load --rate=200 --duration=30s http://127.0.0.1:8080/healthz + \\\n"
        "      --rate=0 --start=10s --duration=10s --body=photo.jpg 'http://127.0.0.1:8080/pipe/image?w=300'\n"
        "The options down to --json are the whole run's and stand with the first stream, as what the environment and\n"
        "the file say does.\n",
    .options = options,
    .operand = &url,
};

/* What a stream has that names nothing, where the table cannot say it. */
static void prepare(struct mr_load_arguments *arguments, unsigned i)
{
    struct mr_load_stream_arguments *stream = &arguments->streams[i];
    stream->seed = i + 1;
    stream->warmup = MR_NS_PER_S;
    stream->duration = 10 * MR_NS_PER_S;
    if (i > 0) {
        stream->warmup = arguments->streams[0].warmup;
        stream->duration = arguments->streams[0].duration;
    }
}

static bool is_file_name(const char *name)
{
    for (const char *at = name; *at != '\0'; at++) {
        if (!isalnum((unsigned char)*at) && strchr("-_.", *at) == NULL)
            return false;
    }
    return name[0] != '.';
}

/* Give the stream its number as name if it has none. False: complained. */
static bool check_name(struct mr_load_arguments *arguments, unsigned i, FILE *complaints)
{
    char **name = &arguments->streams[i].name;
    if (*name == NULL) {
        char number[16];
        snprintf(number, sizeof(number), "%u", i + 1);
        *name = strdup(number);
        MR_ASSERT(*name != NULL);
    }
    bool is_good = is_file_name(*name);
    if (!is_good)
        fprintf(complaints, "%s: --name: letters, digits, \"-\", \"_\" and \".\" (not in front)\n", program.name);
    for (unsigned other = 0; is_good && other < i; other++) {
        is_good = strcmp(arguments->streams[other].name, *name) != 0;
        if (!is_good)
            fprintf(complaints, "%s: two streams are called %s\n", program.name, *name);
    }
    return is_good;
}

static enum mr_options_result read_stream(struct mr_load_arguments *out, int argc, char *const *argv,
                                          char *const *environment, FILE *complaints)
{
    static char *const nothing[] = {NULL};
    unsigned i = out->count;
    struct mr_options_program stream_program = program;
    char name[64];
    snprintf(name, sizeof(name), "%s: stream %u", program.name, i + 1);
    if (i > 0) {
        stream_program.name = name;
        stream_program.options = options + RUN_OPTIONS;
        environment = nothing;
    }
    prepare(out, i);
    out->count++;
    enum mr_options_result result =
        mr_options_parse(&stream_program, &out->streams[i], argc, argv, environment, complaints);
    if (result != MR_OPTIONS_RUN && result != MR_OPTIONS_CHECK)
        return result;
    if (out->streams[i].url == NULL) {
        fprintf(complaints, "%s: the URL is missing; see millrace-bench load --help\n", stream_program.name);
        return MR_OPTIONS_WRONG;
    }
    return check_name(out, i, complaints) ? result : MR_OPTIONS_WRONG;
}

/* How many words stand in front of the next "+" or the end; the first one is not looked at. */
static int group_length(char *const *words)
{
    int count = 1;
    while (words[count] != NULL && strcmp(words[count], "+") != 0)
        count++;
    return count;
}

enum mr_options_result mr_load_arguments_read(struct mr_load_arguments *out, int argc, char *const *argv,
                                              char *const *environment, FILE *complaints)
{
    enum mr_options_result result = MR_OPTIONS_RUN;
    char **words = calloc((size_t)argc + 1, sizeof(*words)); /* a copy, in which each group ends with NULL */
    MR_ASSERT(words != NULL);
    memcpy(words, argv, (size_t)argc * sizeof(*words));
    for (int at = 0; at < argc && result == MR_OPTIONS_RUN;) {
        int count = group_length(words + at);
        words[at + count] = NULL;
        if (out->count == MR_LOAD_STREAMS_MAX) {
            fprintf(complaints, "%s: more than %d streams\n", program.name, MR_LOAD_STREAMS_MAX);
            result = MR_OPTIONS_WRONG;
        } else {
            result = read_stream(out, count, words + at, environment, complaints);
        }
        at += count;
    }
    free(words);
    return result;
}

void mr_load_arguments_free(struct mr_load_arguments *arguments)
{
    for (unsigned i = 0; i < arguments->count; i++)
        mr_options_free(&program, &arguments->streams[i]);
    arguments->count = 0;
}

void mr_load_arguments_help(FILE *out)
{
    mr_options_help(&program, out);
}
