#include "routes/openapi_parts.h"
#include "http/problem.h"
#include "http/status.h"
#include "routes/files.h"
#include "routes/health.h"
#include "routes/images.h"
#include "routes/lab.h"
#include <stdio.h>

#define TEXT_MAX 4096 /* of the sentences of all problems of one status */

/* ---- references ---- */

void mr_openapi_ref(struct mr_json *json, const char *name, const char *kind, const char *of)
{
    char target[128];
    int len = snprintf(target, sizeof(target), "#/components/%s/%s", kind, of);
    MR_ASSERT(len > 0 && (size_t)len < sizeof(target));
    mr_json_open_line(json, name, '{');
    mr_json_text(json, "$ref", target);
    mr_json_close(json);
}

/* ---- parameters ---- */

static void write_bounds(struct mr_json *json, const struct mr_param_spec *spec)
{
    mr_json_number(json, "minimum", spec->min);
    if (spec->max > 0 || spec->min < 0)
        mr_json_number(json, "maximum", spec->max);
}

static void write_enum(struct mr_json *json, const char *const *choices)
{
    mr_json_open_line(json, "enum", '[');
    for (size_t i = 0; choices[i] != NULL; i++)
        mr_json_text(json, NULL, choices[i]);
    mr_json_close(json);
}

static void write_value_schema(struct mr_json *json, const struct mr_param_spec *spec)
{
    static const char *const types[] = {
        [MR_PARAM_BOOL] = "boolean", [MR_PARAM_INT] = "integer", [MR_PARAM_NUMBER] = "number",
        [MR_PARAM_SIZE] = "string",  [MR_PARAM_TIME] = "string", [MR_PARAM_CHOICE] = "string",
        [MR_PARAM_TEXT] = "string",
    };
    mr_json_text(json, "type", types[spec->type]);
    if (spec->type == MR_PARAM_INT || spec->type == MR_PARAM_NUMBER)
        write_bounds(json, spec);
    if (spec->type == MR_PARAM_TEXT && spec->max > 0)
        mr_json_number(json, "maxLength", spec->max);
    if (spec->type == MR_PARAM_CHOICE)
        write_enum(json, spec->choices);
}

void mr_openapi_param_schema(struct mr_json *json, const struct mr_param_spec *spec)
{
    mr_json_open(json, "schema", '{');
    if (mr_stage_is_repeatable(mr_slice_of(spec->name))) {
        mr_json_text(json, "type", "array");
        mr_json_open(json, "items", '{');
        write_value_schema(json, spec);
        mr_json_close(json);
    } else {
        write_value_schema(json, spec);
    }
    mr_json_close(json);
}

void mr_openapi_param_name(char out[MR_OPENAPI_PARAM_NAME_SIZE], const struct mr_stage_about *stage,
                           const struct mr_param_spec *spec)
{
    int len = snprintf(out, MR_OPENAPI_PARAM_NAME_SIZE, "%s.%s", stage->name, spec->name);
    MR_ASSERT(len > 0 && len < MR_OPENAPI_PARAM_NAME_SIZE);
}

static void write_stage_params(struct mr_json *json, const struct mr_stage_about *stage)
{
    char name[MR_OPENAPI_PARAM_NAME_SIZE];
    for (const struct mr_param_spec *spec = stage->params; spec->name != NULL; spec++) {
        mr_openapi_param_name(name, stage, spec);
        mr_json_open(json, name, '{');
        mr_json_text(json, "name", spec->name);
        mr_json_text(json, "in", "query");
        mr_json_text(json, "description", spec->text);
        if (spec->unit != NULL)
            mr_json_text(json, "x-unit", spec->unit);
        mr_openapi_param_schema(json, spec);
        mr_json_close(json);
    }
}

/* Those of all stages, of which a request has some: an object whose members stand in the query each for itself. */
static void write_all_params(struct mr_json *json)
{
    mr_json_open(json, "stages", '{');
    mr_json_text(json, "name", "stages");
    mr_json_text(json, "in", "query");
    mr_json_text(json, "description", "parameters of the stages, each by its own name");
    mr_json_text(json, "style", "form");
    mr_json_bool(json, "explode", true);
    mr_openapi_ref(json, "schema", "schemas", "StageParameters");
    mr_json_close(json);
}

/* ---- fields ---- */

struct field {
    const char *name, *text;
};

static const struct field request_fields[] = {
    {"Age-Identity", "an identity of age (AGE-SECRET-KEY-1...) to decrypt with"},
    {"Age-Passphrase", "a passphrase to encrypt to or to decrypt with"},
    {"Content-Digest", "sha-256=:BASE64: of the body, which is compared (RFC 9530)"},
    {"If-Match", "tags, of which the current one must be one: else 412"},
    {"If-Modified-Since", "304 unless it was changed since then"},
    {"If-None-Match", "304 if the current tag is one of these"},
    {"If-Range", "the range counts only if this is the current tag or date"},
    {"If-Unmodified-Since", "412 if it was changed since then"},
    {"Prefer",
     "respond=after-body: the response begins when the request was read; respond=streaming: while its body comes"},
    {"Range", "one range of bytes: bytes=0-99. Of several the response is all"},
    {"Repr-Digest", "the same as Content-Digest"},
    {"Want-Repr-Digest", "sha-256=1: the response has its digest, a streamed one in a trailer (TE: trailers)"},
    {NULL, NULL},
};

static const struct field response_fields[] = {
    {"Accept-Ranges", "bytes"},
    {"Allow", "the methods of this address"},
    {"Cache-Status", "whether it was kept: hit, or fwd=miss (RFC 9211)"},
    {"Content-Disposition", "inline or attachment, and the file's name"},
    {"Content-Encoding", "gzip, for clients that take it"},
    {"Content-Range", "which bytes of how many these are"},
    {"Content-Security-Policy", "nothing in the file runs"},
    {"ETag", "changes with what it is the tag of"},
    {"Last-Modified", "when it was changed"},
    {"Link", "related addresses (RFC 8288)"},
    {"Location", "where it is, or where to go on"},
    {"Preference-Applied", "what of Prefer was followed"},
    {"Repr-Digest", "sha-256=:BASE64: of the file or the response (RFC 9530)"},
    {"Retry-After", "seconds until another try makes sense"},
    {"Server-Timing", "milliseconds of receiving, waiting and working; of a streamed response a trailer"},
    {"Vary", "the fields of the request that the response depends on"},
    {"WWW-Authenticate", "Bearer"},
    {NULL, NULL},
};

bool mr_openapi_takes_field(struct mr_slice name, const struct mr_app *app)
{
    return app->allow_request_identity || !mr_slice_is(name, "Age-Identity");
}

static void write_request_fields(struct mr_json *json, const struct mr_app *app)
{
    char name[64];
    for (const struct field *field = request_fields; field->name != NULL; field++) {
        if (!mr_openapi_takes_field(mr_slice_of(field->name), app))
            continue;
        snprintf(name, sizeof(name), "field.%s", field->name);
        mr_json_open(json, name, '{');
        mr_json_text(json, "name", field->name);
        mr_json_text(json, "in", "header");
        mr_json_text(json, "description", field->text);
        mr_json_raw(json, "schema", MR_SLICE("{\"type\": \"string\"}"));
        mr_json_close(json);
    }
}

static void write_response_fields(struct mr_json *json)
{
    mr_json_open(json, "headers", '{');
    for (const struct field *field = response_fields; field->name != NULL; field++) {
        mr_json_open(json, field->name, '{');
        mr_json_text(json, "description", field->text);
        mr_json_raw(json, "schema", MR_SLICE("{\"type\": \"string\"}"));
        mr_json_close(json);
    }
    mr_json_close(json);
}

static void write_all_parameters(struct mr_json *json, const struct mr_app *app)
{
    mr_json_open(json, "parameters", '{');
    write_all_params(json);
    for (enum mr_stage_id id = 0; id < MR_STAGE_COUNT; id++) {
        const struct mr_stage_about stage = mr_stage_about(id);
        write_stage_params(json, &stage);
    }
    write_request_fields(json, app);
    mr_json_close(json);
}

/* ---- problems ---- */

#define EACH_ERROR(code, value, kind, text) code,
static const enum mr_error all_errors[] = {MR_ERRORS(EACH_ERROR) MR_OK};
#undef EACH_ERROR

/* What each request may meet, whatever its route is. */
static const enum mr_error general_errors[] = {
    MR_EREQUEST,    MR_EPARAM,   MR_EHOST,   MR_EORIGIN,      MR_ENOTFOUND, MR_EMETHOD,   MR_ETIMEOUT,
    MR_ELENGTH,     MR_EBODY,    MR_ETARGET, MR_ECODING,      MR_EEXPECT,   MR_EHEAD,     MR_ETRANSFER,
    MR_EHTTPMETHOD, MR_EVERSION, MR_EMEMORY, MR_ECONNECTIONS, MR_ESHUTDOWN, MR_EINTERNAL, MR_OK,
};

static bool lists_error(const enum mr_error *errors, enum mr_error wanted)
{
    for (size_t i = 0; errors != NULL && errors[i] != MR_OK; i++)
        if (errors[i] == wanted)
            return true;
    return false;
}

static bool is_in_any(const enum mr_error *const *lists, size_t count, enum mr_error wanted)
{
    for (size_t i = 0; i < count; i++)
        if (lists_error(lists[i], wanted))
            return true;
    return false;
}

bool mr_openapi_problem_types(char *out, size_t size, int status, const enum mr_error *const *lists, size_t count)
{
    size_t len = 0;
    for (const enum mr_error *error = all_errors; *error != MR_OK; error++) {
        if (mr_problem_status(*error) != status || !is_in_any(lists, count, *error))
            continue;
        len += (size_t)snprintf(out + len, size - len, "%s%s", len > 0 ? ", " : "", mr_problem_type(*error));
        MR_ASSERT(len < size);
    }
    return len > 0;
}

static void write_problem_content(struct mr_json *json)
{
    mr_json_open(json, "content", '{');
    mr_json_open(json, "application/problem+json", '{');
    mr_openapi_ref(json, "schema", "schemas", "Problem");
    mr_json_close(json);
    mr_json_close(json);
}

/* "type: Sentence." of each of that status. The length of all that is written. */
static size_t describe_status(char *out, size_t size, size_t len, const enum mr_error *errors, int status,
                              const char *prefix)
{
    for (const enum mr_error *error = errors; *error != MR_OK; error++) {
        if (mr_problem_status(*error) != status)
            continue;
        len += (size_t)snprintf(out + len, size - len, "%s%s%s: %s", len > 0 ? " " : "", prefix,
                                mr_problem_type(*error), mr_error_text(*error));
        MR_ASSERT(len < size);
    }
    return len;
}

static void describe_general(char *out, size_t size)
{
    size_t len = 0;
    for (int status = 400; status < 600; status++) {
        char prefix[8];
        snprintf(prefix, sizeof(prefix), "%d ", status);
        len = describe_status(out, size, len, general_errors, status, prefix);
    }
}

static void write_problem_fields(struct mr_json *json, int status)
{
    const char *field = status == 401   ? "WWW-Authenticate"
                        : status == 405 ? "Allow"
                        : status == 416 ? "Content-Range"
                        : status == 503 ? "Retry-After"
                                        : NULL;
    if (field == NULL)
        return;
    mr_json_open(json, "headers", '{');
    mr_openapi_ref(json, field, "headers", field);
    mr_json_close(json);
}

static void write_problem_response(struct mr_json *json, const char *name, int status, const char *text)
{
    mr_json_open(json, name, '{');
    mr_json_text(json, "description", text);
    write_problem_fields(json, status);
    write_problem_content(json);
    mr_json_close(json);
}

static void write_problem_responses(struct mr_json *json)
{
    char text[TEXT_MAX], name[8];
    mr_json_open(json, "responses", '{');
    describe_general(text, sizeof(text));
    write_problem_response(json, "default", 0, text);
    for (int status = 400; status < 600; status++) {
        if (describe_status(text, sizeof(text), 0, all_errors, status, "") == 0)
            continue;
        snprintf(name, sizeof(name), "%d", status);
        write_problem_response(json, name, status, text);
    }
    mr_json_close(json);
}

static void write_problem_types(struct mr_json *json)
{
    char type[64];
    mr_json_open(json, "type", '{');
    mr_json_open(json, "enum", '[');
    for (const enum mr_error *error = all_errors; *error != MR_OK; error++) {
        snprintf(type, sizeof(type), "urn:millrace:problem:%s", mr_problem_type(*error));
        mr_json_text(json, NULL, type);
    }
    mr_json_close(json);
    mr_json_close(json);
}

/* ---- schemas ---- */

/* "File" or "string" */
static void write_single_type(struct mr_json *json, const char *type)
{
    char of[64];
    snprintf(of, sizeof(of), "#/components/schemas/%s", type);
    if (type[0] >= 'A' && type[0] <= 'Z') {
        mr_json_text(json, "$ref", of);
    } else if (strcmp(type, "date-time") == 0) {
        mr_json_text(json, "type", "string");
        mr_json_text(json, "format", type);
    } else {
        mr_json_text(json, "type", type);
    }
}

static bool cut_end(char *type, const char *end)
{
    size_t len = strlen(type), end_len = strlen(end);
    if (len < end_len || strcmp(type + len - end_len, end) != 0)
        return false;
    type[len - end_len] = '\0';
    return true;
}

static void write_type(struct mr_json *json, const char *words)
{
    char type[32];
    snprintf(type, sizeof(type), "%s", words);
    bool may_be_null = cut_end(type, "?"), is_array = cut_end(type, "[]");
    if (may_be_null) {
        mr_json_open(json, "anyOf", '[');
        mr_json_open_line(json, NULL, '{');
        mr_json_text(json, "type", "null");
        mr_json_close(json);
        mr_json_open_line(json, NULL, '{');
    }
    if (is_array) {
        mr_json_text(json, "type", "array");
        mr_json_open_line(json, "items", '{');
    }
    write_single_type(json, type);
    for (unsigned i = 0; i < (is_array ? 1u : 0u) + (may_be_null ? 2u : 0u); i++)
        mr_json_close(json);
}

static void write_properties(struct mr_json *json, const struct mr_about_member *members)
{
    mr_json_open(json, "properties", '{');
    for (const struct mr_about_member *member = members; member->name != NULL; member++) {
        mr_json_open(json, member->name, '{');
        if (member->text != NULL)
            mr_json_text(json, "description", member->text);
        write_type(json, member->type);
        mr_json_close(json);
    }
    mr_json_close(json);
}

static void write_required(struct mr_json *json, const struct mr_about_member *members)
{
    const struct mr_about_member *member = members;
    while (member->name != NULL && member->is_optional)
        member++;
    if (member->name == NULL)
        return;
    mr_json_open_line(json, "required", '[');
    for (; member->name != NULL; member++)
        if (!member->is_optional)
            mr_json_text(json, NULL, member->name);
    mr_json_close(json);
}

static void write_schema(struct mr_json *json, const struct mr_about_schema *schema)
{
    mr_json_open(json, schema->name, '{');
    mr_json_text(json, "type", "object");
    if (schema->base != NULL) {
        mr_json_open(json, "allOf", '[');
        mr_openapi_ref(json, NULL, "schemas", schema->base);
        mr_json_close(json);
    }
    write_required(json, schema->members);
    write_properties(json, schema->members);
    mr_json_close(json);
}

/* http/problem.c writes it. */
static void write_problem_schema(struct mr_json *json)
{
    mr_json_open(json, "Problem", '{');
    mr_json_text(json, "type", "object");
    mr_json_text(json, "description",
                 "RFC 9457. If a limit was hit, `limit` has its name and value, and `value` is what hit it.");
    mr_json_raw(json, "required", MR_SLICE("[\"type\", \"title\", \"status\"]"));
    mr_json_open(json, "properties", '{');
    write_problem_types(json);
    mr_json_raw(json, "title", MR_SLICE("{\"type\": \"string\"}"));
    mr_json_raw(json, "status", MR_SLICE("{\"type\": \"integer\"}"));
    mr_json_raw(json, "detail", MR_SLICE("{\"type\": \"string\"}"));
    mr_json_open(json, "limit", '{');
    mr_json_text(json, "type", "object");
    mr_json_raw(json, "required", MR_SLICE("[\"name\", \"value\"]"));
    mr_json_open(json, "properties", '{');
    mr_json_raw(json, "name", MR_SLICE("{\"type\": \"string\"}"));
    mr_json_raw(json, "value", MR_SLICE("{\"type\": \"integer\"}"));
    mr_json_close(json);
    mr_json_close(json);
    mr_json_raw(json, "value", MR_SLICE("{\"type\": \"integer\"}"));
    mr_json_close(json);
    mr_json_close(json);
}

/* How many of these stages have a parameter of that name? */
static unsigned count_with(enum mr_stage_id from, enum mr_stage_id end, const char *name)
{
    unsigned count = 0;
    for (enum mr_stage_id id = from; id < end; id++)
        count += mr_param_find(mr_stage_about(id).params, mr_slice_of(name)) != NULL;
    return count;
}

static void refer_to_schema(struct mr_json *json, const char *name, enum mr_stage_id id,
                            const struct mr_param_spec *spec)
{
    char of[MR_OPENAPI_PARAM_NAME_SIZE], target[MR_OPENAPI_PARAM_NAME_SIZE + sizeof("/schema")];
    const struct mr_stage_about stage = mr_stage_about(id);
    mr_openapi_param_name(of, &stage, spec);
    snprintf(target, sizeof(target), "%s/schema", of);
    mr_openapi_ref(json, name, "parameters", target);
}

/* A name may be that of parameters of several stages. */
static void write_any_param(struct mr_json *json, enum mr_stage_id first, const struct mr_param_spec *wanted)
{
    if (count_with(first, MR_STAGE_COUNT, wanted->name) == 1) {
        refer_to_schema(json, wanted->name, first, wanted);
        return;
    }
    mr_json_open(json, wanted->name, '{');
    mr_json_open(json, "anyOf", '[');
    for (enum mr_stage_id id = first; id < MR_STAGE_COUNT; id++)
        if (count_with(id, id + 1, wanted->name) == 1)
            refer_to_schema(json, NULL, id, wanted);
    mr_json_close(json);
    mr_json_close(json);
}

static void write_all_params_schema(struct mr_json *json)
{
    mr_json_open(json, "StageParameters", '{');
    mr_json_text(json, "type", "object");
    mr_json_open(json, "properties", '{');
    for (enum mr_stage_id id = 0; id < MR_STAGE_COUNT; id++) {
        const struct mr_stage_about stage = mr_stage_about(id);
        for (const struct mr_param_spec *spec = stage.params; spec->name != NULL; spec++)
            if (count_with(0, id, spec->name) == 0)
                write_any_param(json, id, spec);
    }
    mr_json_close(json);
    mr_json_close(json);
}

static void write_schemas(struct mr_json *json)
{
    mr_json_open(json, "schemas", '{');
    for (size_t i = 0; mr_file_schemas[i] != NULL; i++)
        write_schema(json, mr_file_schemas[i]);
    for (size_t i = 0; mr_image_schemas[i] != NULL; i++)
        write_schema(json, mr_image_schemas[i]);
    for (size_t i = 0; mr_health_schemas[i] != NULL; i++)
        write_schema(json, mr_health_schemas[i]);
    for (size_t i = 0; mr_lab_schemas[i] != NULL; i++)
        write_schema(json, mr_lab_schemas[i]);
    write_all_params_schema(json);
    write_problem_schema(json);
    mr_json_close(json);
}

static void write_key_scheme(struct mr_json *json)
{
    mr_json_open(json, "securitySchemes", '{');
    mr_json_open(json, "key", '{');
    mr_json_text(json, "type", "http");
    mr_json_text(json, "scheme", "bearer");
    mr_json_text(json, "description", "An API key of this server, with the rights that are named at each operation.");
    mr_json_close(json);
    mr_json_close(json);
}

void mr_openapi_components(struct mr_json *json, const struct mr_app *app)
{
    mr_json_open(json, "components", '{');
    if (app->http->authorizer.find != NULL)
        write_key_scheme(json);
    write_schemas(json);
    write_all_parameters(json, app);
    write_response_fields(json);
    write_problem_responses(json);
    mr_json_close(json);
}
