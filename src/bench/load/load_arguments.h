/* load_arguments.h -- the command line of `millrace-bench load`: streams, each a group of words, with a lone "+"
 * between them. In a group the URL and its options stand in any order. */
#ifndef MR_BENCH_LOAD_ARGUMENTS_H
#define MR_BENCH_LOAD_ARGUMENTS_H

#include "base/options.h"

#define MR_LOAD_STREAMS_MAX 16

struct mr_load_stream_arguments {
    char *url, *name, *method, *body; /* method, body: NULL when not given */
    double rate;
    int arrivals, connect; /* enum mr_load_arrivals, enum mr_load_connect */
    int64_t seed, connections, expect_status;
    uint64_t start, warmup, duration; /* ns */
    struct mr_option_list headers;
    struct {                                /* of the whole run: filled in the first stream's only */
        uint64_t grace, lateness_max, slot; /* ns */
        char *hgrm;                         /* NULL when not given */
        bool json;
    } run;
};

struct mr_load_arguments {
    unsigned count;
    struct mr_load_stream_arguments streams[MR_LOAD_STREAMS_MAX];
};

/* Fill *out (zeroed by the caller). RUN: each stream has a URL (not taken apart yet) and a name of its own that can be
 * a file's. WRONG: a line that says what was written to `complaints`. Free it in either case. */
enum mr_options_result mr_load_arguments_read(struct mr_load_arguments *out, int argc, char *const *argv,
                                              char *const *environment, FILE *complaints);
void mr_load_arguments_free(struct mr_load_arguments *arguments);
/* Write --help. */
void mr_load_arguments_help(FILE *out);

#endif
