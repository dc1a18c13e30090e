#include "http/date.h"
#include "base/macros.h"
#include "base/number.h"

#define SECONDS_PER_YEAR 31556952 /* the mean of the Gregorian calendar */

struct date {
    int64_t year, month, day; /* month: 0 to 11 */
    int64_t hour, minute, second;
    bool is_short_year; /* two digits */
};

/* ---- reading ---- */

static bool cut_literal(struct mr_slice *text, const char *literal)
{
    size_t len = strlen(literal);
    if (text->len < len || memcmp(text->at, literal, len) != 0)
        return false;
    text->at += len;
    text->len -= len;
    return true;
}

/* One of the names; its index, or -1. No name begins with another one. */
static int cut_name(struct mr_slice *text, const char *const *names, int count)
{
    for (int i = 0; i < count; i++)
        if (cut_literal(text, names[i]))
            return i;
    return -1;
}

static bool cut_date_digits(struct mr_slice *text, size_t count, int64_t max, int64_t *out)
{
    uint64_t value;
    if (text->len < count || !mr_number_parse((struct mr_slice){text->at, count}, (uint64_t)max, &value))
        return false;
    *out = (int64_t)value;
    text->at += count;
    text->len -= count;
    return true;
}

static bool cut_month(struct mr_slice *text, int64_t *out)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    *out = cut_name(text, months, MR_ARRAY_SIZE(months));
    return *out >= 0;
}

/* A second of 60 is a leap second (RFC 9110 has it in its grammar). */
static bool cut_time(struct mr_slice *text, struct date *out)
{
    return cut_date_digits(text, 2, 23, &out->hour) && cut_literal(text, ":") &&
           cut_date_digits(text, 2, 59, &out->minute) && cut_literal(text, ":") &&
           cut_date_digits(text, 2, 60, &out->second);
}

static bool read_fixdate(struct mr_slice text, struct date *out)
{
    return cut_literal(&text, ", ") && cut_date_digits(&text, 2, 31, &out->day) && cut_literal(&text, " ") &&
           cut_month(&text, &out->month) && cut_literal(&text, " ") && cut_date_digits(&text, 4, 9999, &out->year) &&
           cut_literal(&text, " ") && cut_time(&text, out) && mr_slice_is(text, " GMT");
}

static bool read_rfc850(struct mr_slice text, struct date *out)
{
    out->is_short_year = true;
    return cut_literal(&text, ", ") && cut_date_digits(&text, 2, 31, &out->day) && cut_literal(&text, "-") &&
           cut_month(&text, &out->month) && cut_literal(&text, "-") && cut_date_digits(&text, 2, 99, &out->year) &&
           cut_literal(&text, " ") && cut_time(&text, out) && mr_slice_is(text, " GMT");
}

static bool read_asctime(struct mr_slice text, struct date *out)
{
    return cut_literal(&text, " ") && cut_month(&text, &out->month) && cut_literal(&text, " ") &&
           cut_date_digits(&text, cut_literal(&text, " ") ? 1 : 2, 31, &out->day) && cut_literal(&text, " ") &&
           cut_time(&text, out) && cut_literal(&text, " ") && cut_date_digits(&text, 4, 9999, &out->year) &&
           text.len == 0;
}

static bool read_date(struct mr_slice text, struct date *out)
{
    static const char *const longer[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
    static const char *const names[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    if (cut_name(&text, longer, MR_ARRAY_SIZE(longer)) >= 0)
        return read_rfc850(text, out);
    if (cut_name(&text, names, MR_ARRAY_SIZE(names)) < 0)
        return false;
    return text.len > 0 && text.at[0] == ',' ? read_fixdate(text, out) : read_asctime(text, out);
}

/* ---- the calendar ---- */

static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static bool is_day_of_month(const struct date *date)
{
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap_day = date->month == 1 && date->day == 29 && is_leap(date->year);
    return date->day >= 1 && (date->day <= days[date->month] || is_leap_day);
}

/* Days before a year since the year 0, which was a leap year. */
static int64_t days_before(int64_t year)
{
    return year * 365 + (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
}

static int64_t seconds_of(const struct date *date)
{
    static const int16_t days_before_month[12] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t day = days_before(date->year) - days_before(1970) + days_before_month[date->month] + date->day - 1;
    if (date->month > 1 && is_leap(date->year))
        day++;
    return ((day * 24 + date->hour) * 60 + date->minute) * 60 + date->second;
}

/* The last year with these two digits that is not more than 50 years ahead. */
static void choose_century(struct date *date, int64_t now)
{
    date->year += (1970 + now / SECONDS_PER_YEAR) / 100 * 100 + 100;
    while (seconds_of(date) - now > 50 * (int64_t)SECONDS_PER_YEAR)
        date->year -= 100;
}

bool mr_date_parse(struct mr_slice text, int64_t now, int64_t *out)
{
    struct date date = {.year = 0};
    if (!read_date(text, &date))
        return false;
    if (date.is_short_year)
        choose_century(&date, now);
    if (!is_day_of_month(&date))
        return false;
    *out = seconds_of(&date);
    return true;
}
