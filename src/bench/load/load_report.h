/* load_report.h -- what the streams of a run measured, as a table for people and as JSON for programs.
 *
 * A percentile with fewer than 10 samples above it is noise with a name: it stands as "-" in the table and as null in
 * JSON. Times are seconds in JSON. */
#ifndef MR_BENCH_LOAD_REPORT_H
#define MR_BENCH_LOAD_REPORT_H

#include "bench/load/load_stream.h"
#include <stdio.h>

struct mr_load_report { /* one stream; all borrowed */
    const char *name, *method, *url;
    const struct mr_load_stream_config *config;
    const struct mr_load_result *result;
    uint64_t lateness_max; /* ns */
};

/* Why the stream says more about the generator than about the server, as a sentence; NULL when it is valid. Open loop:
 * it sent 1 % of the requests later than lateness_max, or half of them later than a tenth of that. Closed loop: it had
 * no time left to wait (busy above 95 %). */
const char *mr_load_report_invalid(const struct mr_load_report *report);

void mr_load_report_table(const struct mr_load_report *reports, unsigned count, FILE *out);
void mr_load_report_json(const struct mr_load_report *reports, unsigned count, FILE *out);

#endif
