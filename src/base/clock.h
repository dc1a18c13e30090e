/* clock.h -- time. Everything inside is monotonic nanoseconds; the wall clock is for what people and HTTP read.
 * Any thread may call these. */
#ifndef MR_BASE_CLOCK_H
#define MR_BASE_CLOCK_H

#include <stdint.h>

#define MR_NS_PER_US 1000ull
#define MR_NS_PER_MS 1000000ull
#define MR_NS_PER_S  1000000000ull

/* Monotonic time in nanoseconds (CLOCK_MONOTONIC). Never goes backwards, starts anywhere. */
uint64_t mr_clock_now(void);
/* Wall-clock time in nanoseconds since 1970 (CLOCK_REALTIME): for log lines, Date, and what is said to
 * expire. */
uint64_t mr_clock_wall(void);

/* Nanoseconds as seconds, for what people read. */
static inline double mr_clock_seconds(uint64_t ns)
{
    return (double)ns / (double)MR_NS_PER_S;
}

/* The same in milliseconds, as Server-Timing has them. */
static inline double mr_clock_milliseconds(uint64_t ns)
{
    return (double)ns / (double)MR_NS_PER_MS;
}

/* Write the IMF-fixdate of `seconds` since 1970 ("Sun, 06 Nov 1994 08:49:37 GMT", RFC 9110 section 5.6.7) and a NUL.
 * out must hold 30 bytes. Does not look at the locale. Years below 0 and above 9999 become these. */
void mr_clock_http_date(char out[30], int64_t seconds);
/* Write `wall` (as mr_clock_wall() gives it) as "2026-01-02T03:04:05.678Z" (RFC 3339, milliseconds, UTC) and a NUL.
 * out must hold 25 bytes. */
void mr_clock_iso_date(char out[25], uint64_t wall);

#endif
