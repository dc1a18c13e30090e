#include "loop/loop_options.h"

// clang-format off
const struct mr_option mr_loop_options[] = {
    MR_OPTION_ROW(mr_loop_settings, "loops",    INT, 1, MR_LOOPS_ASKED, "N", NULL, loops, "event loops per process (1 for 8 workers that the cores run at a time)"),
    MR_OPTION_END,
};

const struct mr_option mr_loop_lag_options[] = {
    MR_OPTION_ROW(mr_loop_settings, "lag-warn", TIME, 0, 60, "TIME", "10ms", lag_warn, "log who holds a loop for longer; 0: never"),
    MR_OPTION_END,
};
// clang-format on
