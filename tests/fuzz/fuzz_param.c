/* Any text as the value of each type of parameter: what is taken lies within its range, what is refused says why. The
 * first octet picks the row. */
#include "base/assert.h"
#include "base/macros.h"
#include "base/param.h"
#include <math.h>

static const char *const words[] = {"clip", "crop", "max", NULL};
static const struct mr_param_spec specs[] = {
    {.name = "flag", .type = MR_PARAM_BOOL},
    {.name = "int", .type = MR_PARAM_INT, .min = -100, .max = 8192, .unit = "px"},
    {.name = "number", .type = MR_PARAM_NUMBER, .min = -0.5, .max = 5},
    {.name = "any-number", .type = MR_PARAM_NUMBER, .min = -1e300, .max = 1e300},
    {.name = "size", .type = MR_PARAM_SIZE, .min = 1, .max = 1e12},
    {.name = "time", .type = MR_PARAM_TIME, .min = 0.001, .max = 3600},
    {.name = "choice", .type = MR_PARAM_CHOICE, .choices = words},
    {.name = "text", .type = MR_PARAM_TEXT, .max = 20},
    {.name = "any-size", .type = MR_PARAM_SIZE},
    {.name = "any-time", .type = MR_PARAM_TIME},
};

static double measured(const struct mr_param_spec *spec, const struct mr_param_value *value)
{
    switch (spec->type) {
    case MR_PARAM_NUMBER:
        return value->number;
    case MR_PARAM_TIME:
        return (double)value->integer / 1e9;
    case MR_PARAM_CHOICE:
        MR_ASSERT(value->integer >= 0 && words[value->integer] != NULL);
        return spec->min;
    case MR_PARAM_TEXT:
        return (double)value->text.len;
    default:
        return (double)value->integer;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const struct mr_param_spec *spec = &specs[data[0] % MR_ARRAY_SIZE(specs)];
    struct mr_slice text = {.at = (const char *)data + 1, .len = size - 1};
    struct mr_param_value value;
    struct mr_fault fault = {0};
    if (mr_param_parse(spec, text, &value, &fault) != MR_OK) {
        MR_ASSERT(fault.error == MR_EPARAM && fault.detail[0] != '\0');
        return 0;
    }
    double number = measured(spec, &value);
    MR_ASSERT(isfinite(number) && number >= spec->min);
    MR_ASSERT(spec->max <= 0 || number <= spec->max);
    return 0;
}
