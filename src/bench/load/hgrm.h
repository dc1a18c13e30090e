/* hgrm.h -- a histogram as text, as HdrHistogram's outputPercentileDistribution writes it (five steps for each halving
 * of the distance to 100 %; values in milliseconds): what its plotter and other tools read from .hgrm files. Any
 * thread. */
#ifndef MR_BENCH_HGRM_H
#define MR_BENCH_HGRM_H

#include "base/histogram.h"
#include <stdio.h>

/* view: of nanoseconds. The mean is exact; the standard deviation takes each value for the middle of its cell. */
void mr_hgrm_write(FILE *out, const struct mr_histogram_view *view);

#endif
