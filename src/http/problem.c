#include "http/problem.h"
#include "base/assert.h"
#include "base/json.h"
#include <stdlib.h>

static void write_problem(FILE *file, const struct mr_fault *fault)
{
    struct mr_json json;
    mr_json_begin(&json, file);
    mr_json_open(&json, NULL, '{');
    char type[64];
    snprintf(type, sizeof(type), "urn:millrace:problem:%s", mr_error_type(fault->error));
    mr_json_text(&json, "type", type);
    mr_json_text(&json, "title", mr_error_text(fault->error));
    mr_json_integer(&json, "status", (uint64_t)mr_error_status(fault->error));
    if (fault->detail[0] != '\0')
        mr_json_text(&json, "detail", fault->detail);
    if (fault->limit_name != NULL) {
        mr_json_open(&json, "limit", '{');
        mr_json_text(&json, "name", fault->limit_name);
        mr_json_integer(&json, "value", fault->limit);
        mr_json_close(&json);
        mr_json_integer(&json, "value", fault->value);
    }
    mr_json_close(&json);
}

struct mr_slice mr_problem_json(const struct mr_fault *fault, struct mr_arena *arena)
{
    char *text = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&text, &len);
    MR_ASSERT(file != NULL); /* as the arena: a bounded text */
    write_problem(file, fault);
    int failed = fclose(file);
    MR_ASSERT(failed == 0);
    struct mr_slice copy = {.at = mr_arena_copy(arena, (struct mr_slice){.at = text, .len = len}), .len = len};
    free(text);
    return copy;
}
