#include "http/problem.h"
#include "base/assert.h"
#include "base/json.h"
#include <stdlib.h>

static const struct {
    int status;
    const char *type;
} rows[] = {
    [-MR_OK] = {200, "ok"},
    [-MR_EBUSY] = {503, "queue-full"},
    [-MR_EBACKLOG] = {503, "backlog"},
    [-MR_EEXPIRED] = {503, "expired"},
    [-MR_EBUDGET] = {503, "memory-budget"},
    [-MR_ESHUTDOWN] = {503, "shutting-down"},
    [-MR_ECONNECTIONS] = {503, "too-many-connections"},
    [-MR_ECANCELLED] = {503, "cancelled"},
    [-MR_ETIME] = {422, "too-expensive"},
    [-MR_ENOTIMAGE] = {415, "unsupported-format"},
    [-MR_EDAMAGED] = {422, "damaged-image"},
    [-MR_EPIXELS] = {413, "too-many-pixels"},
    [-MR_EFRAMES] = {413, "too-many-frames"},
    [-MR_EDIMENSION] = {400, "dimension"},
    [-MR_EPARAM] = {400, "bad-parameter"},
    [-MR_EREQUEST] = {400, "malformed-request"},
    [-MR_EHOST] = {403, "host-not-allowed"},
    [-MR_EORIGIN] = {403, "origin-not-allowed"},
    [-MR_ENOTFOUND] = {404, "not-found"},
    [-MR_EMETHOD] = {405, "method-not-allowed"},
    [-MR_ETIMEOUT] = {408, "request-timeout"},
    [-MR_ELENGTH] = {411, "length-required"},
    [-MR_EBODY] = {413, "body-too-large"},
    [-MR_ETARGET] = {414, "target-too-long"},
    [-MR_ECODING] = {415, "unsupported-coding"},
    [-MR_EEXPECT] = {417, "expectation-failed"},
    [-MR_EHEAD] = {431, "head-too-large"},
    [-MR_EMEMORY] = {503, "out-of-memory"},
    [-MR_EIO] = {500, "io"},
    [-MR_EINTERNAL] = {500, "internal"},
    [-MR_ETRANSFER] = {501, "unsupported-transfer"},
    [-MR_EHTTPMETHOD] = {501, "unknown-method"},
    [-MR_EVERSION] = {505, "http-version"},
    [-MR_EGONE] = {400, "client-gone"},
    [-MR_EFORMAT] = {415, "wrong-format"},
    [-MR_ECORRUPT] = {422, "corrupt-input"},
    [-MR_EEXPANSION] = {413, "expansion"},
    [-MR_ENOKEY] = {422, "no-matching-key"},
    [-MR_EKEYWORK] = {422, "work-factor"},
    [-MR_ELISTENERS] = {503, "too-many-listeners"},
    [-MR_ENOSPACE] = {507, "no-space"},
    [-MR_EDISK] = {507, "disk-budget"},
    [-MR_EFILES] = {503, "too-many-files"},
    [-MR_ESPILL] = {507, "spill"},
    [-MR_ERANGE] = {416, "range-not-satisfiable"},
    [-MR_EPRECONDITION] = {412, "precondition-failed"},
    [-MR_EDIGEST] = {400, "digest-mismatch"},
    [-MR_EMULTIPART] = {400, "multipart"},
    [-MR_EPARTS] = {413, "too-many-parts"},
    [-MR_ENOSTORE] = {404, "no-data-directory"},
    [-MR_EUNAUTHORIZED] = {401, "unauthorized"},
    [-MR_EFORBIDDEN] = {403, "forbidden"},
    [-MR_EWRITE] = {507, "disk-failed"},
    [-MR_ESIGNATURE] = {403, "signature"},
    [-MR_ESIGEXPIRED] = {403, "signature-expired"},
    [-MR_ENOLAB] = {404, "no-lab"},
    [-MR_ENOTLOCAL] = {403, "not-local"},
};

_Static_assert(MR_ARRAY_SIZE(rows) == MR_ERROR_COUNT, "each error has a row");

int mr_problem_status(enum mr_error error)
{
    size_t index = (size_t)-error;
    MR_ASSERT(index < MR_ARRAY_SIZE(rows));
    MR_ASSERT(rows[index].type != NULL);
    return rows[index].status;
}

const char *mr_problem_type(enum mr_error error)
{
    size_t index = (size_t)-error;
    MR_ASSERT(index < MR_ARRAY_SIZE(rows));
    MR_ASSERT(rows[index].type != NULL);
    return rows[index].type;
}

static void write_problem(FILE *file, const struct mr_fault *fault)
{
    struct mr_json json;
    mr_json_begin(&json, file);
    mr_json_open(&json, NULL, '{');
    char type[64];
    snprintf(type, sizeof(type), "urn:millrace:problem:%s", mr_problem_type(fault->error));
    mr_json_text(&json, "type", type);
    mr_json_text(&json, "title", mr_error_text(fault->error));
    mr_json_integer(&json, "status", (uint64_t)mr_problem_status(fault->error));
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
