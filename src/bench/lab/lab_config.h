/* lab_config.h -- the command line of `millrace-bench lab`. For start-up; one thread. */
#ifndef MR_BENCH_LAB_CONFIG_H
#define MR_BENCH_LAB_CONFIG_H

#include "base/options.h"

struct mr_lab_config {
    char *out;            /* directory of the report */
    char *photo, *server; /* NULL: one of our own making, the millrace beside this program */
    struct mr_option_list models, peers;
    int64_t rounds;
    uint64_t heavy; /* ns: how long the heavy load lasts in each round */
    bool quick;
};

extern const struct mr_options_program mr_lab_config_program;

#endif
