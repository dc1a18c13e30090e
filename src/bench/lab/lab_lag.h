/* lab_lag.h -- a server's own view of its loops, read from the text of its /metrics. Pure; any thread. */
#ifndef MR_BENCH_LAB_LAG_H
#define MR_BENCH_LAB_LAG_H

#include "bench/lab/lab_result.h"

/* metrics: Prometheus text, NUL-terminated. Fills *lag; is_known is false when there is no lag in it or no sample. */
void mr_lab_lag_read(struct mr_lab_lag *lag, const char *metrics);

#endif
