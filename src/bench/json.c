#include "bench/json.h"
#include "base/arena.h"
#include "http/problem.h"
#include <math.h>

void mr_json_write_string(FILE *out, const char *text)
{
    struct mr_arena arena;
    mr_arena_init(&arena);
    struct mr_slice escaped = mr_json_escape(mr_slice_of(text), &arena);
    fprintf(out, "\"%.*s\"", MR_SLICE_ARG(escaped));
    mr_arena_reset(&arena);
}

void mr_json_write_number(FILE *out, double number)
{
    if (isfinite(number))
        fprintf(out, "%.12g", number);
    else
        fputs("null", out);
}
