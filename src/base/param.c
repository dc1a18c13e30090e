#include "base/param.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/macros.h"
#include "base/number.h"
#include <stdarg.h>
#include <stdio.h>

#define SENT_NAME_MAX 32 /* octets, as no parameter of ours is longer */

/* A word behind a number and what it multiplies by. */
struct unit {
    const char *word;
    uint64_t factor;
};

static const struct unit size_units[] = {
    {"", 1},         {"B", 1},      {"k", MR_KIB},   {"KiB", MR_KIB}, {"m", MR_MIB},
    {"MiB", MR_MIB}, {"g", MR_GIB}, {"GiB", MR_GIB}, {NULL, 0},
};

static const struct unit time_units[] = {
    {"", MR_NS_PER_S},         {"s", MR_NS_PER_S}, {"ms", MR_NS_PER_MS}, {"us", MR_NS_PER_US}, {"m", 60 * MR_NS_PER_S},
    {"h", 3600 * MR_NS_PER_S}, {NULL, 0},
};

static bool cut_digits(struct mr_slice *text, int64_t *out)
{
    uint64_t value;
    if (!mr_number_cut(text, INT64_MAX, &value))
        return false;
    *out = (int64_t)value;
    return true;
}

static bool cut_minus(struct mr_slice *text)
{
    bool negative = text->len > 0 && text->at[0] == '-';
    text->at += negative;
    text->len -= negative;
    return negative;
}

static bool parse_bool(struct mr_slice text, bool *out)
{
    static const char *const yes[] = {"", "1", "true", "yes", "on"};
    static const char *const no[] = {"0", "false", "no", "off"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(yes); i++) {
        if (mr_slice_is(text, yes[i])) {
            *out = true;
            return true;
        }
    }
    for (size_t i = 0; i < MR_ARRAY_SIZE(no); i++) {
        if (mr_slice_is(text, no[i])) {
            *out = false;
            return true;
        }
    }
    return false;
}

static bool parse_integer(struct mr_slice text, int64_t *out)
{
    bool negative = cut_minus(&text);
    int64_t magnitude;
    if (!cut_digits(&text, &magnitude) || text.len > 0)
        return false;
    *out = negative ? -magnitude : magnitude;
    return true;
}

/* "-12.5", ".5" and "3", but no exponent, "nan" or "inf"; not strtod(), which knows those and heeds the locale. 17
 * digits say all that a double holds: further ones of the fraction are passed over. */
static bool parse_number(struct mr_slice text, double *out)
{
    bool negative = cut_minus(&text);
    uint64_t digits = 0;
    double divisor = 1;
    size_t count = 0;
    bool in_fraction = false;
    for (; text.len > 0; text.at++, text.len--) {
        if (text.at[0] == '.' && !in_fraction) {
            in_fraction = true;
            continue;
        }
        if (!mr_number_is_digit(text.at[0]))
            return false;
        count++;
        if (digits >= 10000000000000000) {
            if (!in_fraction)
                return false;
            continue;
        }
        digits = digits * 10 + (uint64_t)(text.at[0] - '0');
        divisor = in_fraction ? divisor * 10 : divisor;
    }
    if (count == 0)
        return false;
    *out = (negative ? -1.0 : 1.0) * ((double)digits / divisor);
    return true;
}

static bool parse_with_unit(struct mr_slice text, const struct unit *units, int64_t *out)
{
    int64_t count;
    if (!cut_digits(&text, &count))
        return false;
    for (; units->word != NULL; units++) {
        if (mr_slice_is_nocase(text, units->word))
            return !__builtin_mul_overflow(count, units->factor, out);
    }
    return false;
}

static bool parse_choice(struct mr_slice text, const char *const *choices, int64_t *out)
{
    for (int64_t i = 0; choices[i] != NULL; i++) {
        if (mr_slice_is(text, choices[i])) {
            *out = i;
            return true;
        }
    }
    return false;
}

static bool parse_form(const struct mr_param_spec *spec, struct mr_slice text, struct mr_param_value *out)
{
    switch (spec->type) {
    case MR_PARAM_BOOL:
        return parse_bool(text, &out->flag);
    case MR_PARAM_INT:
        return parse_integer(text, &out->integer);
    case MR_PARAM_NUMBER:
        return parse_number(text, &out->number);
    case MR_PARAM_SIZE:
        return parse_with_unit(text, size_units, &out->integer);
    case MR_PARAM_TIME:
        return parse_with_unit(text, time_units, &out->integer);
    case MR_PARAM_CHOICE:
        return parse_choice(text, spec->choices, &out->integer);
    case MR_PARAM_TEXT:
        out->text = text;
        return true;
    }
    MR_UNREACHABLE();
}

/* What is compared with min and max, in their unit. */
static double measure(const struct mr_param_spec *spec, const struct mr_param_value *value)
{
    switch (spec->type) {
    case MR_PARAM_INT:
    case MR_PARAM_SIZE:
        return (double)value->integer;
    case MR_PARAM_TIME:
        return (double)value->integer / (double)MR_NS_PER_S;
    case MR_PARAM_NUMBER:
        return value->number;
    case MR_PARAM_TEXT:
        return (double)value->text.len;
    case MR_PARAM_BOOL:
    case MR_PARAM_CHOICE:
        return spec->min;
    }
    MR_UNREACHABLE();
}

static bool has_max(const struct mr_param_spec *spec)
{
    return spec->max > 0 || spec->min < 0;
}

static uint64_t for_fault(const struct mr_param_spec *spec, double measured)
{
    double value = spec->type == MR_PARAM_TIME ? measured * (double)MR_NS_PER_S : measured;
    return value <= 0 ? 0 : (uint64_t)(MR_MIN(value, (double)INT64_MAX) + 0.5);
}

int mr_param_parse(const struct mr_param_spec *spec, struct mr_slice text, struct mr_param_value *out,
                   struct mr_fault *fault)
{
    MR_ASSERT(spec->name != NULL);
    *out = (struct mr_param_value){0};
    bool formed = parse_form(spec, text, out);
    double measured = formed ? measure(spec, out) : 0;
    bool too_small = formed && measured < spec->min;
    bool too_large = formed && has_max(spec) && measured > spec->max;
    if (formed && !too_small && !too_large)
        return MR_OK;

    char allowed[160];
    mr_param_describe(spec, allowed, sizeof(allowed));
    mr_fault_set(fault, MR_EPARAM, "%s must be %s", spec->name, allowed);
    if (fault != NULL && (too_small || too_large)) {
        fault->limit_name = spec->name;
        fault->limit = for_fault(spec, too_small ? spec->min : spec->max);
        fault->value = for_fault(spec, measured);
    }
    return MR_EPARAM;
}

struct writer {
    char *at;
    size_t size, len;
};

static void write_text(struct writer *to, const char *format, ...) MR_PRINTF(2, 3);
static void write_text(struct writer *to, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(to->at + to->len, to->size - to->len, format, arguments);
    va_end(arguments);
    to->len = MR_MIN(to->len + (size_t)len, to->size - 1);
}

/* In the largest unit that says it exactly. */
static void write_bound(struct writer *to, const struct mr_param_spec *spec, double bound)
{
    if (spec->type == MR_PARAM_SIZE) {
        uint64_t bytes = (uint64_t)bound;
        const char *const words[] = {"", "KiB", "MiB", "GiB"};
        size_t unit = 0;
        for (; bytes > 0 && bytes % MR_KIB == 0 && unit + 1 < MR_ARRAY_SIZE(words); unit++)
            bytes /= MR_KIB;
        write_text(to, "%llu%s", (unsigned long long)bytes, words[unit]);
    } else if (spec->type == MR_PARAM_TIME && bound > 0 && bound < 1) {
        write_text(to, "%.15gms", bound * 1000);
    } else if (spec->type == MR_PARAM_TIME && bound >= 3600 && bound == (double)(uint64_t)(bound / 3600) * 3600) {
        write_text(to, "%.15gh", bound / 3600);
    } else {
        write_text(to, "%.15g%s", bound, spec->type == MR_PARAM_TIME ? "s" : "");
    }
}

static void write_range(struct writer *to, const struct mr_param_spec *spec)
{
    bool is_count = spec->type == MR_PARAM_INT || spec->type == MR_PARAM_NUMBER;
    if (has_max(spec)) {
        write_text(to, " from ");
        write_bound(to, spec, spec->min);
        write_text(to, " to ");
        write_bound(to, spec, spec->max);
    } else if (spec->min > 0 || is_count) {
        write_text(to, " of at least ");
        write_bound(to, spec, spec->min);
    }
    if (is_count && spec->unit != NULL)
        write_text(to, " %s", spec->unit);
}

static void write_choices(struct writer *to, const char *const *choices)
{
    for (size_t i = 0; choices[i] != NULL; i++)
        write_text(to, "%s%s", i == 0 ? "one of " : ", ", choices[i]);
}

void mr_param_describe(const struct mr_param_spec *spec, char *out, size_t size)
{
    static const char *const kinds[] = {
        [MR_PARAM_BOOL] = "true or false",
        [MR_PARAM_INT] = "an integer",
        [MR_PARAM_NUMBER] = "a number",
        [MR_PARAM_SIZE] = "a size such as 64KiB",
        [MR_PARAM_TIME] = "a time such as 5s or 500ms",
        [MR_PARAM_CHOICE] = "",
        [MR_PARAM_TEXT] = "text",
    };
    MR_ASSERT(size > 0);
    struct writer to = {.at = out, .size = size};
    write_text(&to, "%s", kinds[spec->type]);
    if (spec->type == MR_PARAM_CHOICE)
        write_choices(&to, spec->choices);
    else if (spec->type == MR_PARAM_TEXT && has_max(spec))
        write_text(&to, " of at most %.15g octets", spec->max);
    else if (spec->type != MR_PARAM_BOOL && spec->type != MR_PARAM_TEXT)
        write_range(&to, spec);
}

struct mr_slice mr_param_sent_name(struct mr_slice name)
{
    return name.len <= SENT_NAME_MAX ? name : MR_SLICE("*");
}

struct mr_slice mr_param_shown_name(struct mr_slice name)
{
    bool is_plain = name.len <= SENT_NAME_MAX;
    for (size_t i = 0; i < name.len && is_plain; i++) {
        char c = name.at[i];
        is_plain = (c >= 'a' && c <= 'z') || mr_number_is_digit(c) || c == '-' || c == '_' || c == '.';
    }
    return is_plain ? name : MR_SLICE("*");
}

const struct mr_param_spec mr_param_none[] = {{.name = NULL}};

const struct mr_param_spec *mr_param_find(const struct mr_param_spec *table, struct mr_slice name)
{
    for (; table->name != NULL; table++) {
        if (mr_slice_is(name, table->name))
            return table;
    }
    return NULL;
}
