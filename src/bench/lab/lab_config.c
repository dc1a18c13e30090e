#include "bench/lab/lab_config.h"
#include "bench/lab/lab_result.h"

#define FIELD(name) .offset = offsetof(struct mr_lab_config, name)

static const struct mr_option options[] = {
    {{"out", MR_PARAM_TEXT, .text = "directory for report.html, report.json and the histograms"},
     "DIR",
     "millrace-lab",
     FIELD(out),
     false},
    {{"models", MR_PARAM_TEXT,
      .text = "only these; repeatable (inline none threads libuv workers cluster-none cluster-workers)"},
     "NAME",
     NULL,
     FIELD(models),
     true},
    {{"peer", MR_PARAM_TEXT, .text = "another server, which runs already, in the same table (see above); repeatable"},
     "'NAME=URL PATHS'",
     NULL,
     FIELD(peers),
     true},
    {{"rounds", MR_PARAM_INT, .min = 1, .max = MR_LAB_ROUNDS_MAX, .text = "how often each model's turn comes"},
     "N",
     "5",
     FIELD(rounds),
     false},
    {{"heavy", MR_PARAM_TIME, .text = "how long the heavy load lasts in a round"}, "TIME", "7s", FIELD(heavy), false},
    {{"quick", MR_PARAM_BOOL, .text = "one short round each: a look, no verdict"}, NULL, NULL, FIELD(quick), false},
    {{"photo", MR_PARAM_TEXT, .text = "a JPEG file to resize (default: one of 2 megapixels, made here)"},
     "FILE",
     NULL,
     FIELD(photo),
     false},
    {{"server", MR_PARAM_TEXT, .text = "the millrace to measure (default: the one beside this program)"},
     "FILE",
     NULL,
     FIELD(server),
     false},
    {.spec = {.name = NULL}},
};

const struct mr_options_program mr_lab_config_program = {
    .name = "millrace-bench lab",
    .env_prefix = "MILLRACE_LAB",
    .usage =
        "usage: millrace-bench lab [options]\n"
        "\n"
        "Put the same mixed load on each concurrency model in turn: 1,000 light requests a second, and beside them\n"
        "16 connections that resize, compress and encrypt as fast as they are served. About six minutes; --quick\n"
        "takes half of one.\n"
        "\n"
        "A peer is asked for what its PATHS name, and for no other kind of work:\n"
        "\n"
        "  --peer 'mine=http://127.0.0.1:3000 light=/healthz image=/resize?w=300 gzip=/gzip encrypt=/encrypt'\n"
        "\n"
        "light is a GET. The others are a POST with the body and nothing else: of a JPEG, which must come back 300 "
        "pixels\n"
        "wide, and of 1 MiB, which must come back as gzip, or encrypted. Each is checked once in a round. Without "
        "PATHS\n"
        "they are Millrace's: /version, /pipe/image?w=300, /pipe/gzip, /pipe/encrypt?recipient=...\n",
    .options = options,
};
