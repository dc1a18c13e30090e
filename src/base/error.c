#include "base/error.h"
#include "base/assert.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct row {
    const char *name, *text;
    enum mr_error_kind kind;
};

static const struct row rows[] = {[0] = {.name = "MR_OK", .text = "All went well.", .kind = MR_ERROR_OF_NONE},
#define MR_ERROR_ROW(code, value, whose, sentence) \
    [-(value)] = {.name = #code, .text = (sentence), .kind = MR_ERROR_OF_##whose},
                                  MR_ERRORS(MR_ERROR_ROW)
#undef MR_ERROR_ROW
};

static const struct row *row_of(enum mr_error error)
{
    MR_ASSERT(error <= 0);
    size_t index = (size_t)-error;
    MR_ASSERT(index < MR_ARRAY_SIZE(rows));
    MR_ASSERT(rows[index].name != NULL);
    return &rows[index];
}

const char *mr_error_name(enum mr_error error)
{
    return row_of(error)->name;
}

const char *mr_error_text(enum mr_error error)
{
    return row_of(error)->text;
}

enum mr_error_kind mr_error_kind(enum mr_error error)
{
    return row_of(error)->kind;
}

int mr_fault_set(struct mr_fault *fault, enum mr_error error, const char *detail_format, ...)
{
    MR_ASSERT(error < 0);
    if (fault == NULL)
        return error;
    *fault = (struct mr_fault){.error = error};
    if (detail_format == NULL)
        return error;
    va_list arguments;
    va_start(arguments, detail_format);
    vsnprintf(fault->detail, sizeof(fault->detail), detail_format, arguments);
    va_end(arguments);
    return error;
}

int mr_fault_limit(struct mr_fault *fault, enum mr_error error, const char *limit_name, uint64_t limit, uint64_t value)
{
    MR_ASSERT(error < 0);
    if (fault != NULL)
        *fault = (struct mr_fault){.error = error, .limit_name = limit_name, .limit = limit, .value = value};
    return error;
}
