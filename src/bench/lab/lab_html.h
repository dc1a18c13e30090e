/* lab_html.h -- report.html: the lab's result on one page that needs nothing else: no network and no other file.
 *
 * assets/report.html is its template. Words and tables are written here, so that they are there without scripts; the
 * plots are drawn by assets/charts.js and report.js, which it holds, from the JSON of lab_json.h, which it holds, too.
 * Cells of tables and marks of plots carry data-model, data-figure and data-value (as in report.json), so that a
 * program can read them. */
#ifndef MR_BENCH_LAB_HTML_H
#define MR_BENCH_LAB_HTML_H

#include "bench/lab/lab_words.h"
#include <stdio.h>

void mr_lab_html_write(FILE *out, const struct mr_lab_figures *figures, const struct mr_lab_words *words);

#endif
