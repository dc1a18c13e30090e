/* loop_options.h -- what a program can be told of its loops: --loops, --lag-warn. */
#ifndef MR_LOOP_LOOP_OPTIONS_H
#define MR_LOOP_LOOP_OPTIONS_H

#include "base/option_tables.h"

#define MR_LOOPS_ASKED      64 /* by --loops, of all processes together: a listener has a socket for each */
#define MR_WORKERS_PER_LOOP 8  /* that one loop feeds with time left for others; see docs/operation.md, Sizing */

struct mr_loop_settings {
    int64_t loops;     /* of each process; 0: not given */
    uint64_t lag_warn; /* ns that a callback may hold its loop before it is logged; 0: any time */
};

extern const struct mr_option mr_loop_options[];     /* --loops */
extern const struct mr_option mr_loop_lag_options[]; /* --lag-warn */

#endif
