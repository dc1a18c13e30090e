/* date.h -- reading HTTP dates (RFC 9110, section 5.6.7). mr_clock_http_date() (base/clock.h) writes them.
 * Pure functions; any thread. */
#ifndef MR_HTTP_DATE_H
#define MR_HTTP_DATE_H

#include "base/slice.h"
#include <stdint.h>

/* One of the three forms:
 *      Sun, 06 Nov 1994 08:49:37 GMT       IMF-fixdate
 *      Sunday, 06-Nov-94 08:49:37 GMT      RFC 850; a year more than 50 years after `now` is of the century before
 *      Sun Nov  6 08:49:37 1994            asctime()
 * Seconds since 1970 in *out; false: it is none of them, or no day of the calendar. The name of the day need not be
 * that of the date. */
bool mr_date_parse(struct mr_slice text, int64_t now, int64_t *out);

#endif
