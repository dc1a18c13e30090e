#include "bench/lab/lab_format.h"
#include "base/macros.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define EN_DASH "\xe2\x80\x93"

/* "1234567" becomes "1,234,567". */
static void separate_thousands(struct mr_lab_text *out, const char *digits)
{
    size_t len = strlen(digits), at = 0;
    for (size_t i = 0; i < len && at + 2 < sizeof(out->text); i++) {
        if (i > 0 && (len - i) % 3 == 0)
            out->text[at++] = ',';
        out->text[at++] = digits[i];
    }
    out->text[at] = '\0';
}

struct mr_lab_text mr_lab_number(double number)
{
    struct mr_lab_text out = {"-"};
    char digits[24];
    if (isnan(number))
        return out;
    if (number == 0)
        snprintf(out.text, sizeof(out.text), "0");
    else if (number >= 1e15) /* no figure of ours is: the text must still have an end */
        snprintf(out.text, sizeof(out.text), "%.2e", number);
    else if (number >= 999.5) {
        snprintf(digits, sizeof(digits), "%.0f", number);
        separate_thousands(&out, digits);
    } else
        snprintf(out.text, sizeof(out.text), "%.*f",
                 number >= 99.95    ? 0
                 : number >= 9.995  ? 1
                 : number >= 0.9995 ? 2
                                    : 3,
                 number);
    return out;
}

static struct mr_lab_text with_unit(double number, const char *unit)
{
    struct mr_lab_text out = mr_lab_number(number);
    size_t len = strlen(out.text);
    snprintf(out.text + len, sizeof(out.text) - len, " %s", unit);
    return out;
}

struct mr_lab_text mr_lab_duration(double seconds)
{
    if (isnan(seconds))
        return mr_lab_number(seconds);
    return seconds < 0.9995 ? with_unit(seconds * 1e3, "ms") : with_unit(seconds, "s");
}

static struct mr_lab_text with_percent(double share)
{
    struct mr_lab_text out;
    snprintf(out.text, sizeof(out.text), "%.0f %%", share * 100);
    return out;
}

static struct mr_lab_text whole(double number)
{
    struct mr_lab_text out;
    if (isnan(number) || number >= 999.5)
        return mr_lab_number(number);
    snprintf(out.text, sizeof(out.text), "%.0f", number);
    return out;
}

struct mr_lab_text mr_lab_cell(enum mr_lab_unit unit, double value)
{
    switch (unit) {
    case MR_LAB_UNIT_TIME:
        return mr_lab_number(value * 1e3);
    case MR_LAB_UNIT_BYTES:
        return mr_lab_number(value / (double)MR_MIB);
    case MR_LAB_UNIT_SHARE:
        return isnan(value) ? mr_lab_number(value) : with_percent(value);
    case MR_LAB_UNIT_COUNT:
        return whole(value);
    case MR_LAB_UNIT_PLAIN:
        break;
    }
    return mr_lab_number(value);
}

struct mr_lab_text mr_lab_range(enum mr_lab_unit unit, const struct mr_lab_figure *figure)
{
    struct mr_lab_text low = mr_lab_cell(unit, figure->lowest), high = mr_lab_cell(unit, figure->highest), out = {""};
    if (figure->count > 1 && strcmp(low.text, high.text) != 0)
        snprintf(out.text, sizeof(out.text), "%.*s" EN_DASH "%.13s", (int)MR_MIN(strcspn(low.text, " "), 13), low.text,
                 high.text);
    return out;
}
