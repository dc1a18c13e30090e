/* json.h -- JSON by hand: strings and numbers, so that every report writes them alike. */
#ifndef MR_BENCH_JSON_H
#define MR_BENCH_JSON_H

#include <stdio.h>

/* In quotes and escaped; what is not UTF-8 becomes U+FFFD. */
void mr_json_write_string(FILE *out, const char *text);
/* To twelve digits; NaN and infinity, which JSON has not, become null. */
void mr_json_write_number(FILE *out, double number);

#endif
