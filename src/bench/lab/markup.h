/* markup.h -- text inside HTML and SVG. Names and addresses come from whoever ran the program: everything that is not
 * fixed text goes through here. */
#ifndef MR_BENCH_MARKUP_H
#define MR_BENCH_MARKUP_H

#include <stdio.h>

/* Escaped for element content and for attributes in either quote; control characters and what is not UTF-8 become
 * U+FFFD. */
void mr_markup_write(FILE *out, const char *text);

#endif
