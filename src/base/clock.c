#include "base/clock.h"
#include "base/assert.h"
#include "base/macros.h"
#include "base/number.h"
#include <string.h>
#include <time.h>

static uint64_t read_clock(clockid_t clock)
{
    struct timespec time;
    MR_ASSERT(clock_gettime(clock, &time) == 0);
    return (uint64_t)time.tv_sec * MR_NS_PER_S + (uint64_t)time.tv_nsec;
}

uint64_t mr_clock_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t mr_clock_wall(void)
{
    return read_clock(CLOCK_REALTIME);
}

#define SECONDS_PER_DAY 86400
#define YEAR_0          (-62167219200) /* 0000-01-01T00:00:00Z */
#define YEAR_9999_END   253402300799   /* 9999-12-31T23:59:59Z */

struct civil {
    int year, month, day; /* month and day count from 1 */
    int weekday;          /* 0: Sunday */
    int hour, minute, second;
};

/* The proleptic Gregorian calendar in UTC, without gmtime()'s lock. Years begin in March here, so that the leap day is
 * the last of its year and a month's first day is a linear function of its number; an era is 400 years. */
static struct civil civil_of(int64_t seconds)
{
    /* Four digits are all that a year has; who asks for more asks for a damaged file time. */
    seconds = MR_MAX(YEAR_0, MR_MIN(seconds, YEAR_9999_END));
    int64_t days = seconds / SECONDS_PER_DAY, second_of_day = seconds % SECONDS_PER_DAY;
    if (second_of_day < 0) {
        second_of_day += SECONDS_PER_DAY;
        days--;
    }

    int64_t since_march_0 = days + 719468 + 146097; /* from 1 March of the year -400, so that it is never negative */
    int64_t era = since_march_0 / 146097;
    int64_t day_of_era = since_march_0 % 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;

    return (struct civil){
        .year = (int)(year_of_era + 400 * (era - 1) + (month <= 2)),
        .month = (int)month,
        .day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1),
        .weekday = (int)((days + 4 + 1400000) % 7), /* day 0 was a Thursday; the sevens keep it positive */
        .hour = (int)(second_of_day / 3600),
        .minute = (int)(second_of_day / 60 % 60),
        .second = (int)(second_of_day % 60),
    };
}

/* Both texts are made for each request: printf would be the dearest part of them. */
static void put_digits(char *out, int value, unsigned digits)
{
    MR_ASSERT(value >= 0 && value <= 9999);
    mr_number_write_padded(out, (uint64_t)value, digits);
}

/* 08:49:37 */
static void put_time(char *out, const struct civil *c)
{
    put_digits(out, c->hour, 2);
    put_digits(out + 3, c->minute, 2);
    put_digits(out + 6, c->second, 2);
}

void mr_clock_http_date(char out[30], int64_t seconds)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct civil c = civil_of(seconds);
    memcpy(out, "Sun, 06 Nov 1994 08:49:37 GMT", 30);
    memcpy(out, days[c.weekday], 3);
    put_digits(out + 5, c.day, 2);
    memcpy(out + 8, months[c.month - 1], 3);
    put_digits(out + 12, c.year, 4);
    put_time(out + 17, &c);
}

void mr_clock_iso_date(char out[25], uint64_t wall)
{
    struct civil c = civil_of((int64_t)(wall / MR_NS_PER_S));
    memcpy(out, "1994-11-06T08:49:37.000Z", 25);
    put_digits(out, c.year, 4);
    put_digits(out + 5, c.month, 2);
    put_digits(out + 8, c.day, 2);
    put_time(out + 11, &c);
    put_digits(out + 20, (int)(wall % MR_NS_PER_S / MR_NS_PER_MS), 3);
}
