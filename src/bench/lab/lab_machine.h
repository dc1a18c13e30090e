/* lab_machine.h -- what the lab runs on, in words. */
#ifndef MR_BENCH_LAB_MACHINE_H
#define MR_BENCH_LAB_MACHINE_H

#include "bench/lab/lab_result.h"

/* Fill in machine, version, libraries and load_average. */
void mr_lab_machine_describe(struct mr_lab_result *result);

#endif
