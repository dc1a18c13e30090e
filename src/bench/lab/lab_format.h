/* lab_format.h -- numbers as the report writes them: three digits, the same in words, tables and plots. */
#ifndef MR_BENCH_LAB_FORMAT_H
#define MR_BENCH_LAB_FORMAT_H

#include "bench/lab/lab_figures.h"

/* A number as text, passed by value so that several stand in one printf: `mr_lab_duration(x).text`. */
struct mr_lab_text {
    char text[32];
};

/* Each writes "-" for NaN. */
struct mr_lab_text mr_lab_number(double number);    /* "0.851", "1.24", "344", "1,240" */
struct mr_lab_text mr_lab_duration(double seconds); /* "0.851 ms", "344 ms", "1.24 s" */
/* As the figure's column has it: ms, MiB, % of the best. */
struct mr_lab_text mr_lab_cell(enum mr_lab_unit unit, double value);
/* "1.18-1.31" with an en dash, "" when there are no two rounds or they do not differ as written. */
struct mr_lab_text mr_lab_range(enum mr_lab_unit unit, const struct mr_lab_figure *figure);

#endif
