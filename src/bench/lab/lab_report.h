/* lab_report.h -- what the lab leaves behind: files for people and programs, and a table for the terminal. */
#ifndef MR_BENCH_LAB_REPORT_H
#define MR_BENCH_LAB_REPORT_H

#include "base/error.h"
#include "bench/lab/lab_result.h"
#include <stdio.h>

/* Write into `directory`, which exists: report.html (all in one file), report.json, and for each model
 * light-NAME.hgrm and fresh-NAME.hgrm (all rounds together, under load, in HdrHistogram's text format; characters of
 * a name that do not belong into one of a file become '_'). A file appears whole or not at all. MR_OK, or MR_EIO with a
 * fault: what was written until then stays. */
int mr_lab_report_write(const struct mr_lab_result *result, const char *directory, struct mr_fault *fault);

void mr_lab_report_table(const struct mr_lab_result *result, FILE *out);

#endif
