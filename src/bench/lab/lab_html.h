/* lab_html.h -- report.html: the lab's result on one page that needs nothing else: no network, no script, no other
 * file. Cells of tables and marks of plots carry data-model, data-figure and data-value (as in report.json), so that
 * a program can read them, too. */
#ifndef MR_BENCH_LAB_HTML_H
#define MR_BENCH_LAB_HTML_H

#include "bench/lab/lab_words.h"
#include <stdio.h>

void mr_lab_html_write(FILE *out, const struct mr_lab_figures *figures, const struct mr_lab_words *words);

/* The page's style sheet. Colours are after Okabe and Ito, whose palette people who see few colours tell apart, made
 * darker or lighter for their ground; lines differ in their dashes as well. */
extern const char mr_lab_style[];

#endif
