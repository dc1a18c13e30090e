#include "routes/openapi.h"
#include "keys/rights.h"
#include "routes/document.h"
#include "routes/openapi_parts.h"
#include "routes/pipe.h"
#include "routes/routes.h"
#include <stdio.h>

#define PATH            "/openapi.yaml"
#define PATH_SIZE       128
#define METHOD_SIZE     16
#define HERE            "http://127.0.0.1:8080" /* in examples, unless there is a public URL: the first --listen */
#define TYPES_SIZE      1024
#define EXAMPLE_SIZE    1024
#define ERROR_LISTS_MAX 6

static const char media_type[] = "application/yaml";

/* Rows that stand together and match the same paths, however their parameters are called: a path of OpenAPI. */
struct path {
    const struct mr_route *first;
    size_t count;
    const char *pattern; /* of the last one, whose name of the parameter counts */
};

/* An operation: a route with one of its methods, and, where the path consists of stages, for one stage. */
struct operation {
    const struct mr_app *app;
    const struct path *path;
    const struct mr_route *route;
    enum mr_method method;
    enum mr_stage_id stage; /* MR_STAGE_COUNT: none in particular */
};

static bool has_keys(const struct mr_app *app)
{
    return app->http->authorizer.find != NULL;
}

/* Of one stage, its own; else those of all. */
static bool is_of_one_stage(const struct operation *operation)
{
    return operation->stage != MR_STAGE_COUNT;
}

/* What the operation needs and the server has not: MR_ENOSTORE, MR_ENOLAB; then nothing comes but that. MR_OK: it has
 * all. */
static enum mr_error missing(const struct operation *operation)
{
    const struct mr_route_about *about = operation->route->about;
    if (about->needs_store && operation->app->store == NULL)
        return MR_ENOSTORE;
    return about->needs_lab && operation->app->lab == NULL ? MR_ENOLAB : MR_OK;
}

static bool is_missing(const struct operation *operation)
{
    return missing(operation) != MR_OK;
}

/* Ranges are for GET alone (RFC 9110, section 14.2). */
static bool is_of_ranges(int status)
{
    return status == 206 || status == 416;
}

static bool is_meant(const struct operation *operation, int status)
{
    bool is_unknown_stage = status == 404 && is_of_one_stage(operation);
    return !is_unknown_stage && !(operation->method == MR_METHOD_HEAD && is_of_ranges(status));
}

static bool takes_field(const struct operation *operation, struct mr_slice name)
{
    bool is_range = mr_slice_is(name, "Range") || mr_slice_is(name, "If-Range");
    return mr_openapi_takes_field(name, operation->app) && !(is_range && operation->method == MR_METHOD_HEAD);
}

/* ---- what an operation is called ---- */

/* Letters of ASCII, which methods and patterns consist of. */
static char to_lower(char c)
{
    if (c >= 'A' && c <= 'Z')
        c = (char)(c - 'A' + 'a');
    return c;
}

static char to_upper(char c)
{
    if (c >= 'a' && c <= 'z')
        c = (char)(c - 'a' + 'A');
    return c;
}

static void write_method(char *out, size_t size, enum mr_method method)
{
    size_t len = 0;
    for (const char *at = mr_method_name(method); *at != '\0' && len + 1 < size; at++)
        out[len++] = to_lower(*at);
    out[len] = '\0';
}

/* "postFilesId" */
static void write_operation_id(struct mr_json *json, const char *method, const char *path)
{
    char id[PATH_SIZE + METHOD_SIZE], word[PATH_SIZE] = "";
    size_t len = (size_t)snprintf(id, sizeof(id), "%s", method), word_len = 0;
    bool is_slash_last = path[strlen(path) - 1] == '/';
    for (const char *at = path; *at != '\0'; at++) {
        bool is_letter = to_upper(*at) != to_lower(*at);
        bool is_first = at == path || to_upper(at[-1]) == to_lower(at[-1]);
        if (is_letter && is_first)
            word[word_len++] = to_upper(*at);
        else if (is_letter)
            word[word_len++] = *at;
        MR_ASSERT(word_len < sizeof(word));
    }
    snprintf(id + len, sizeof(id) - len, "%.*s%s", (int)word_len, word, is_slash_last ? "Slash" : "");
    mr_json_text(json, "operationId", id);
}

/* ---- keys ---- */

/* --read decides which clients may. */
static bool is_read(const struct mr_route_about *about)
{
    return about->is_file || about->is_image;
}

/* A file that each client may read needs one when it is sent through stages. */
static bool may_need_key(const struct operation *operation)
{
    const struct mr_route *route = operation->route;
    return has_keys(operation->app) && (!route->is_open || is_read(route->about));
}

/* One of several ways to be let in. */
static void write_key(struct mr_json *json, const struct operation *operation, uint32_t rights)
{
    const char *const *words = operation->app->http->authorizer.right_names;
    mr_json_open(json, NULL, '{');
    mr_json_open(json, "key", '[');
    for (unsigned bit = 0; words[bit] != NULL; bit++)
        if (rights & 1u << bit)
            mr_json_text(json, NULL, words[bit]);
    mr_json_close(json);
    mr_json_close(json);
}

static void write_file_keys(struct mr_json *json, const struct operation *operation)
{
    const struct mr_app *app = operation->app;
    uint32_t rights = app->read != MR_APP_READ_PUBLIC ? MR_RIGHT_READ : 0;
    if (rights != 0 || operation->route->about->is_image) /* the address of an image may have to be signed, always */
        write_key(json, operation, MR_RIGHT_READ);
    if (app->read != MR_APP_READ_KEY || app->signing != NULL) {
        mr_json_open(json, NULL, '{'); /* no key at all; the address may have to be signed */
        mr_json_close(json);
    }
    if (operation->route->about->has_stage_params)
        write_key(json, operation, rights | MR_RIGHT_PIPE); /* for `through` */
}

static void write_security(struct mr_json *json, const struct operation *operation)
{
    const struct mr_route *route = operation->route;
    if (!has_keys(operation->app))
        return;
    mr_json_open_line(json, "security", '[');
    if (is_read(route->about))
        write_file_keys(json, operation);
    else if (!route->is_open)
        write_key(json, operation, route->rights);
    mr_json_close(json);
}

/* ---- what is sent ---- */

static void write_param(struct mr_json *json, const struct mr_param_spec *spec, const char *in)
{
    mr_json_open(json, NULL, '{');
    mr_json_text(json, "name", spec->name);
    mr_json_text(json, "in", in);
    mr_json_text(json, "description", spec->text);
    if (strcmp(in, "path") == 0)
        mr_json_bool(json, "required", true);
    mr_openapi_param_schema(json, spec);
    mr_json_close(json);
}

static void write_stage_param_refs(struct mr_json *json, const struct operation *operation)
{
    char name[MR_OPENAPI_PARAM_NAME_SIZE];
    if (!is_of_one_stage(operation)) {
        mr_openapi_ref(json, NULL, "parameters", "stages");
        return;
    }
    const struct mr_stage_about stage = mr_stage_about(operation->stage);
    for (const struct mr_param_spec *spec = stage.params; spec->name != NULL; spec++) {
        mr_openapi_param_name(name, &stage, spec);
        mr_openapi_ref(json, NULL, "parameters", name);
    }
}

static bool is_listed(const char *names, struct mr_slice name)
{
    struct mr_slice rest = mr_slice_of(names != NULL ? names : "");
    while (rest.at != NULL)
        if (mr_slice_equal(mr_slice_cut(&rest, ' '), name))
            return true;
    return false;
}

/* Is it one of a stage before this one? */
static bool was_listed(enum mr_stage_id id, struct mr_slice name)
{
    for (enum mr_stage_id before = 0; before < id; before++)
        if (is_listed(mr_pipe_about_stages[before].fields, name))
            return true;
    return false;
}

/* names: NULL: none. id: of the stage whose they are; 0: none's. */
static void write_field_refs(struct mr_json *json, const struct operation *operation, const char *names,
                             enum mr_stage_id id)
{
    struct mr_slice rest = mr_slice_of(names != NULL ? names : "");
    while (rest.at != NULL) {
        char of[64];
        struct mr_slice name = mr_slice_cut(&rest, ' ');
        if (name.len == 0 || was_listed(id, name) || !takes_field(operation, name))
            continue;
        snprintf(of, sizeof(of), "field.%.*s", MR_SLICE_ARG(name));
        mr_openapi_ref(json, NULL, "parameters", of);
    }
}

static void write_stage_fields(struct mr_json *json, const struct operation *operation)
{
    if (is_of_one_stage(operation)) {
        write_field_refs(json, operation, mr_pipe_about_stages[operation->stage].fields, 0);
        return;
    }
    for (enum mr_stage_id id = 0; id < MR_STAGE_COUNT; id++)
        write_field_refs(json, operation, mr_pipe_about_stages[id].fields, id);
}

static bool has_parameters(const struct mr_route_about *about)
{
    return about->path != NULL || about->query != NULL || about->has_stage_params || about->fields != NULL;
}

/* Do all methods of the path have the same parameters? Then they stand once, in front of them. */
static bool are_shared(const struct path *path)
{
    size_t i = 1;
    while (i < path->count && path->first[i].about == path->first[0].about)
        i++;
    return i == path->count;
}

static void write_query_params(struct mr_json *json, const struct mr_param_spec *spec)
{
    for (; spec != NULL && spec->name != NULL; spec++)
        write_param(json, spec, "query");
}

static void write_operation_params(struct mr_json *json, const struct operation *operation)
{
    const struct mr_route_about *about = operation->route->about;
    if (!has_parameters(about))
        return;
    mr_json_open(json, "parameters", '[');
    if (about->path != NULL && !is_of_one_stage(operation)) {
        struct mr_param_spec spec = *about->path;
        spec.name = operation->path->first[operation->path->count - 1].about->path->name;
        write_param(json, &spec, "path");
    }
    write_query_params(json, about->query);
    write_query_params(json, about->more_query);
    if (about->has_stage_params) {
        write_stage_param_refs(json, operation);
        write_stage_fields(json, operation);
    }
    write_field_refs(json, operation, about->fields, 0);
    mr_json_close(json);
}

/* What the content is: one schema, or one of two; or bytes, of which no more than `max` are taken. */
static void write_content_schema(struct mr_json *json, const struct mr_about_content *content, uint64_t max)
{
    if (content->schemas[0] == NULL && max == 0)
        return;
    if (content->schemas[0] != NULL && content->schemas[1] == NULL) {
        mr_openapi_ref(json, "schema", "schemas", content->schemas[0]->name);
        return;
    }
    mr_json_open(json, "schema", '{');
    if (content->schemas[0] == NULL)
        mr_json_integer(json, "maxLength", max);
    for (size_t i = 0; i < 2 && content->schemas[0] != NULL; i++) {
        if (i == 0)
            mr_json_open(json, "anyOf", '[');
        mr_openapi_ref(json, NULL, "schemas", content->schemas[i]->name);
    }
    if (content->schemas[0] != NULL)
        mr_json_close(json);
    mr_json_close(json);
}

static void write_content(struct mr_json *json, const struct mr_about_content *content, uint64_t max)
{
    struct mr_slice types = mr_slice_of(content->types);
    while (types.at != NULL) {
        mr_json_name(json, mr_slice_trim(mr_slice_cut(&types, ',')));
        mr_json_open(json, NULL, '{');
        write_content_schema(json, content, max);
        mr_json_close(json);
    }
}

static void write_body(struct mr_json *json, const struct operation *operation)
{
    const struct mr_about_content *bodies = operation->route->about->bodies;
    uint64_t max = mr_http_body_max(&operation->app->http->limits, operation->route);
    char text[80] = "as many bytes as come";
    if (bodies == NULL)
        return;
    if (max > 0)
        snprintf(text, sizeof(text), "at most %llu bytes", (unsigned long long)max);
    mr_json_open(json, "requestBody", '{');
    mr_json_text(json, "description", text);
    mr_json_bool(json, "required", true);
    mr_json_open(json, "content", '{');
    for (; bodies->types != NULL; bodies++)
        write_content(json, bodies, max);
    mr_json_close(json);
    mr_json_close(json);
}

/* ---- what comes back ---- */

static const char *operation_cache_control(const struct operation *operation)
{
    const struct mr_route_about *about = operation->route->about;
    if (about->is_image)
        return operation->app->image_cache_control;
    return about->is_file ? operation->app->file_cache_control : operation->route->cache_control;
}

static void write_headers(struct mr_json *json, const struct operation *operation, const char *fields)
{
    const char *cache_control = operation_cache_control(operation);
    struct mr_slice names = mr_slice_of(fields != NULL ? fields : "");
    mr_json_open(json, "headers", '{');
    if (cache_control != NULL) {
        mr_json_open(json, "Cache-Control", '{');
        mr_json_open_line(json, "schema", '{');
        mr_json_text(json, is_read(operation->route->about) ? "example" : "const", cache_control);
        mr_json_close(json);
        mr_json_close(json);
    }
    while (names.at != NULL) {
        char name[64];
        struct mr_slice field = mr_slice_cut(&names, ' ');
        snprintf(name, sizeof(name), "%.*s", MR_SLICE_ARG(field));
        if (field.len > 0)
            mr_openapi_ref(json, name, "headers", name);
    }
    mr_json_close(json);
}

/* That of the last stage, where it is known. */
static struct mr_about_content content_of(const struct operation *operation, const struct mr_about_response *response)
{
    struct mr_about_content content = response->content;
    if (is_of_one_stage(operation) && content.types != NULL) {
        const struct mr_stage_ops *ops = mr_stage_about(operation->stage).ops;
        content.types = ops != NULL ? ops->media_type : "image/*";
    }
    return content;
}

static void write_response(struct mr_json *json, const struct operation *operation,
                           const struct mr_about_response *response)
{
    char status[8];
    snprintf(status, sizeof(status), "%d", response->status);
    const struct mr_about_content content = content_of(operation, response);
    mr_json_open(json, status, '{');
    mr_json_text(json, "description", response->text);
    write_headers(json, operation, response->fields);
    if (content.types != NULL && operation->method != MR_METHOD_HEAD) {
        mr_json_open(json, "content", '{');
        write_content(json, &content, 0);
        mr_json_close(json);
    }
    mr_json_close(json);
}

static void write_problem_ref(struct mr_json *json, int status, const char *types)
{
    char name[8], of[64];
    snprintf(name, sizeof(name), "%d", status);
    snprintf(of, sizeof(of), "#/components/responses/%d", status);
    mr_json_open_line(json, name, '{');
    mr_json_text(json, "$ref", of);
    mr_json_text(json, "description", types);
    mr_json_close(json);
}

static void write_problem_refs(struct mr_json *json, const struct operation *operation)
{
    static const enum mr_error of_keys[] = {MR_EUNAUTHORIZED, MR_EFORBIDDEN, MR_OK};
    const enum mr_error of_missing[] = {missing(operation), MR_OK};
    const struct mr_route_about *about = operation->route->about;
    const enum mr_error *lists[ERROR_LISTS_MAX + MR_STAGE_COUNT];
    size_t count = 0;
    char types[TYPES_SIZE];
    if (may_need_key(operation))
        lists[count++] = of_keys;
    if (is_missing(operation))
        lists[count++] = of_missing;
    for (size_t i = 0; i < MR_ARRAY_SIZE(about->errors) && !is_missing(operation); i++)
        lists[count++] = about->errors[i];
    for (enum mr_stage_id id = 0; id < MR_STAGE_COUNT && about->has_stage_params && !is_missing(operation); id++)
        if (!is_of_one_stage(operation) || id == operation->stage)
            lists[count++] = mr_pipe_about_stages[id].errors;
    for (int status = 400; status < 600; status++)
        if (is_meant(operation, status) && mr_openapi_problem_types(types, sizeof(types), status, lists, count))
            write_problem_ref(json, status, types);
    mr_openapi_ref(json, "default", "responses", "default");
}

static void write_responses(struct mr_json *json, const struct operation *operation)
{
    const struct mr_about_response *response = operation->route->about->responses;
    mr_json_open(json, "responses", '{');
    for (; response->status != 0 && !is_missing(operation); response++)
        if (is_meant(operation, response->status))
            write_response(json, operation, response);
    write_problem_refs(json, operation);
    mr_json_close(json);
}

/* ---- examples ---- */

static const char *method_option(enum mr_method method, bool has_file)
{
    switch (method) {
    case MR_METHOD_HEAD:
        return " -I";
    case MR_METHOD_DELETE:
        return " -X DELETE";
    case MR_METHOD_PATCH:
        return " -X PATCH";
    case MR_METHOD_POST:
        return has_file ? " --data-binary @" : "";
    case MR_METHOD_PUT:
        return has_file ? " -T " : " -X PUT";
    default:
        return "";
    }
}

static void write_example(struct mr_json *json, const struct operation *operation,
                          const struct mr_about_example *example)
{
    char text[EXAMPLE_SIZE], label[160];
    bool has_output = example->output != NULL && operation->method != MR_METHOD_HEAD;
    struct mr_slice base = operation->app->http->public_url.text;
    if (base.at == NULL)
        base = MR_SLICE(HERE);
    const char *quote = strpbrk(example->target, "?&") != NULL ? "'" : "";
    int len = snprintf(text, sizeof(text), "curl%s%s%s%s%s %s%.*s%s%s%s%s",
                       may_need_key(operation) ? " -H \"Authorization: Bearer $KEY\"" : "",
                       example->options != NULL ? " " : "", example->options != NULL ? example->options : "",
                       method_option(operation->method, example->file != NULL),
                       example->file != NULL ? example->file : "", quote, MR_SLICE_ARG(base), example->target, quote,
                       has_output ? " -o " : "", has_output ? example->output : "");
    MR_ASSERT(len > 0 && (size_t)len < sizeof(text));
    snprintf(label, sizeof(label), "%s (%d)", example->text, example->status);
    mr_json_open(json, NULL, '{');
    mr_json_text(json, "lang", "Shell");
    mr_json_text(json, "label", label);
    mr_json_verbatim(json, "source", text);
    mr_json_close(json);
}

static void write_examples(struct mr_json *json, const struct operation *operation)
{
    const struct mr_about_example *example = operation->route->about->examples;
    if (is_missing(operation))
        return;
    if (is_of_one_stage(operation))
        example = mr_pipe_about_stages[operation->stage].examples;
    mr_json_open(json, "x-codeSamples", '[');
    for (; example->text != NULL; example++)
        if (is_meant(operation, example->status))
            write_example(json, operation, example);
    mr_json_close(json);
}

/* ---- operations and paths ---- */

static void write_operation(struct mr_json *json, const struct operation *operation, const char *path)
{
    char method[METHOD_SIZE];
    const struct mr_route_about *about = operation->route->about;
    write_method(method, sizeof(method), operation->method);
    mr_json_open(json, method, '{');
    mr_json_open_line(json, "tags", '[');
    mr_json_text(json, NULL, about->group);
    mr_json_close(json);
    mr_json_text(json, "summary", is_of_one_stage(operation) ? mr_stage_about(operation->stage).text : about->text);
    write_operation_id(json, method, path);
    write_security(json, operation);
    if (!are_shared(operation->path))
        write_operation_params(json, operation);
    write_body(json, operation);
    write_responses(json, operation);
    write_examples(json, operation);
    mr_json_close(json);
}

static bool is_same_path(struct mr_slice a, struct mr_slice b)
{
    while (a.at != NULL && b.at != NULL) {
        struct mr_slice one = mr_slice_cut(&a, '/'), other = mr_slice_cut(&b, '/');
        bool are_parameters = one.len > 0 && other.len > 0 && one.at[0] == '{' && other.at[0] == '{';
        if (!are_parameters && !mr_slice_equal(one, other))
            return false;
    }
    return a.at == NULL && b.at == NULL;
}

static struct path path_at(const struct mr_route *first)
{
    struct path path = {.first = first, .count = 1};
    while (first[path.count].pattern != NULL &&
           is_same_path(mr_slice_of(first->pattern), mr_slice_of(first[path.count].pattern)))
        path.count++;
    path.pattern = first[path.count - 1].pattern;
    return path;
}

/* "/pipe/{stages*}" as "/pipe/{stages}", or, of one stage, as "/pipe/gzip". */
static void write_path_name(char *out, size_t size, const char *pattern, enum mr_stage_id stage)
{
    size_t len = 0;
    for (const char *at = pattern; *at != '\0' && (stage == MR_STAGE_COUNT || *at != '{'); at++) {
        MR_ASSERT(len + 1 < size);
        if (*at != '*')
            out[len++] = *at;
    }
    int more = snprintf(out + len, size - len, "%s", stage != MR_STAGE_COUNT ? mr_stage_about(stage).name : "");
    MR_ASSERT(more >= 0 && len + (size_t)more < size);
}

static void write_operation_path(struct mr_json *json, const struct mr_app *app, const struct path *path,
                                 enum mr_stage_id stage)
{
    char name[PATH_SIZE];
    write_path_name(name, sizeof(name), path->pattern, stage);
    mr_json_open(json, name, '{');
    if (are_shared(path)) {
        const struct operation first = {.app = app, .path = path, .route = path->first, .stage = stage};
        write_operation_params(json, &first);
    }
    for (size_t i = 0; i < path->count; i++) {
        struct operation operation = {
            .app = app, .path = path, .route = &path->first[i], .method = path->first[i].method, .stage = stage};
        write_operation(json, &operation, name);
        if (operation.method != MR_METHOD_GET)
            continue;
        operation.method = MR_METHOD_HEAD;
        write_operation(json, &operation, name);
    }
    mr_json_close(json);
}

static void write_paths_of(struct mr_json *json, const struct mr_app *app, const struct mr_route *route)
{
    while (route->pattern != NULL) {
        MR_ASSERT(route->about != NULL);
        const struct path path = path_at(route);
        for (enum mr_stage_id id = 0; id < MR_STAGE_COUNT && route->about->is_of_stages; id++)
            write_operation_path(json, app, &path, id);
        write_operation_path(json, app, &path, MR_STAGE_COUNT);
        route += path.count;
    }
}

static void write_info(struct mr_json *json)
{
    mr_json_open(json, "info", '{');
    mr_json_text(json, "title", "Millrace");
    mr_json_text(json, "version", MILLRACE_VERSION);
    mr_json_text(json, "summary", "A media service: images resized, files compressed, encrypted and kept");
    mr_json_text(json, "description",
                 "Each error is a problem document (RFC 9457). The requests in x-codeSamples can be sent as they are; "
                 "photo.jpg and letter.txt are files of your own, and " MR_ABOUT_ID
                 " stands for the id of a file that was uploaded.");
    mr_json_open(json, "license", '{');
    mr_json_text(json, "name", "MIT");
    mr_json_text(json, "identifier", "MIT");
    mr_json_close(json);
    mr_json_close(json);
}

static void write_server_url(struct mr_json *json, const struct mr_app *app)
{
    struct mr_slice url = app->http->public_url.text;
    mr_json_open(json, "servers", '[');
    mr_json_open(json, NULL, '{');
    mr_json_slice(json, "url", url.at != NULL ? url : MR_SLICE("/"));
    mr_json_close(json);
    mr_json_close(json);
}

static void write_tag(struct mr_json *json, const char *name, const char *text)
{
    mr_json_open(json, NULL, '{');
    mr_json_text(json, "name", name);
    mr_json_text(json, "description", text);
    mr_json_close(json);
}

static void write_tags(struct mr_json *json, const struct mr_app *app)
{
    mr_json_open(json, "tags", '[');
    write_tag(json, "pipe", "A body in, what the stages make of it out");
    write_tag(json, "files",
              app->store != NULL ? "Files that are kept"
                                 : "Files that are kept, on a server with --data: this one has none");
    write_tag(json, "server", "What the server says of itself");
    mr_json_close(json);
}

static void write_document(struct mr_json *json, const struct mr_app *app)
{
    mr_json_open(json, NULL, '{');
    mr_json_text(json, "openapi", "3.1.0");
    write_info(json);
    write_server_url(json, app);
    write_tags(json, app);
    mr_json_open(json, "paths", '{');
    for (size_t i = 0; mr_routes[i] != NULL; i++)
        write_paths_of(json, app, mr_routes[i]->routes);
    mr_json_close(json);
    mr_openapi_components(json, app);
    mr_json_close(json);
}

/* ---- the resource ---- */

static void start_openapi(struct mr_request *request)
{
    mr_document_respond(mr_app_state(mr_app_of(request), &mr_openapi_resource), request, NULL);
}

struct mr_fields mr_openapi_link(struct mr_request *request)
{
    struct mr_fields fields;
    mr_fields_init(&fields, &request->arena);
    mr_fields_link(&fields, MR_SLICE(PATH), "service-desc");
    return fields;
}

static int open_openapi(void *state, const struct mr_app *app)
{
    struct mr_document *document = state;
    struct mr_json json;
    FILE *file = mr_document_begin(document, media_type);
    if (file == NULL)
        return MR_EMEMORY;
    mr_json_begin_yaml(&json, file);
    write_document(&json, app);
    fputc('\n', file);
    return mr_document_end(document, file);
}

static void close_openapi(void *state)
{
    mr_document_free(state);
}

static const struct mr_route_about about_openapi = {
    .group = "server",
    .text = "This document",
    .fields = "If-None-Match",
    .responses = (const struct mr_about_response[]){{200, "all routes", {media_type, {NULL}}, "ETag"},
                                                    {304, "the client has it", {.types = NULL}, "ETag"},
                                                    {.status = 0}},
    .errors = {MR_ABOUT_ERRORS(MR_EPRECONDITION)},
    .examples = (const struct mr_about_example[]){{.text = "read it", .target = PATH, .status = 200}, {.text = NULL}},
};

static const struct mr_route routes[] = {
    {.method = MR_METHOD_GET,
     .pattern = PATH,
     .site = MR_SITE_LINK,
     .cache_control = "no-cache",
     .start = start_openapi,
     .about = &about_openapi},
    {.pattern = NULL},
};

const struct mr_resource mr_openapi_resource = {
    .routes = routes, .size = sizeof(struct mr_document), .open = open_openapi, .close = close_openapi};
