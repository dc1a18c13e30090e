/* lab_json.h -- report.json: all that the lab measured, for programs. Times are seconds, memory is bytes, rates are
 * answers a second; what is not known is null. */
#ifndef MR_BENCH_LAB_JSON_H
#define MR_BENCH_LAB_JSON_H

#include "bench/lab/lab_words.h"
#include <stdio.h>

void mr_lab_json_write(FILE *out, const struct mr_lab_figures *figures, const struct mr_lab_words *words);

#endif
