/* lab_svg.h -- the plots of the lab's report, drawn as inline SVG for the style sheet of lab_style.c.
 *
 * Latencies have logarithmic axes: a model that is a hundred times slower is then two steps away and not off the page.
 * A model has the same colour (class "m0", "m1", ...) in every plot, and ours have theirs in every report. */
#ifndef MR_BENCH_LAB_SVG_H
#define MR_BENCH_LAB_SVG_H

#include "bench/lab/lab_figures.h"
#include <stdio.h>

/* The number of a model's colour class. */
unsigned mr_lab_svg_colour(const struct mr_lab_figures *figures, unsigned model);

/* Latency of light requests under load by percentile, all models. width: of the plot in pixels; names stand beside
 * the lines where there is room (from MR_LAB_SVG_WIDE on), else the page needs a legend. */
#define MR_LAB_SVG_WIDE   720
#define MR_LAB_SVG_NARROW 330
void mr_lab_svg_percentiles(FILE *out, const struct mr_lab_figures *figures, double width);

/* One model: median and slowest light request of each slot, all rounds together, with the heavy load's time shaded. */
void mr_lab_svg_timeline(FILE *out, const struct mr_lab_figures *figures, unsigned model);

/* One model: how its loop's lag is distributed, all rounds together. */
void mr_lab_svg_lag(FILE *out, const struct mr_lab_figures *figures, unsigned model);
bool mr_lab_svg_has_lag(const struct mr_lab_figures *figures, unsigned model);

/* One heavy stream: a bar a model from 0 on, with the spread of its rounds. */
void mr_lab_svg_bars(FILE *out, const struct mr_lab_figures *figures, enum mr_lab_stream stream);

#endif
