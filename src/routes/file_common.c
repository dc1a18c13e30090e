#include "routes/file_common.h"
#include "base/macros.h"
#include <stdlib.h>
#include <time.h>

struct mr_store *mr_file_store(struct mr_request *request)
{
    struct mr_store *store = mr_app_of(request)->store;
    struct mr_fault fault;
    if (store == NULL) {
        mr_fault_set(&fault, MR_ENOSTORE, "Start the server with --data DIR, and it keeps files there.");
        mr_respond_problem(request, &fault);
    }
    return store;
}

const struct mr_param_spec mr_file_no_params[] = {{.name = NULL}};

const struct mr_param_spec mr_file_through_params[] = {
    {.name = "through", .type = MR_PARAM_TEXT, .text = MR_FILE_THROUGH_TEXT},
    {.name = NULL},
};

int mr_file_check_query(const struct mr_request *request, const struct mr_param_spec *params, struct mr_fault *fault)
{
    const struct mr_query *query = &request->query;
    int err = mr_query_check_once(query, NULL, fault);
    for (unsigned i = 0; i < query->count && err == MR_OK; i++)
        if (mr_param_find(params, query->pairs[i].name) == NULL)
            err = mr_fault_set(fault, MR_EPARAM, "\"%.*s\" is not a parameter of this address.",
                               MR_SLICE_ARG(mr_param_sent_name(query->pairs[i].name)));
    return err;
}

void mr_file_write_json(struct mr_json *json, const struct mr_object *object)
{
    char url[sizeof("/files/") + MR_ULID_LEN], image[sizeof("/images/") + MR_ULID_LEN];
    snprintf(url, sizeof(url), "/files/%s", object->id);
    snprintf(image, sizeof(image), "/images/%s", object->id);
    mr_object_json(object, json);
    mr_json_text(json, "url", url);
    mr_json_text(json, "image", object->is_image ? image : NULL);
}

bool mr_file_json_begin(struct mr_file_json *out, struct mr_request *request)
{
    struct mr_fault fault;
    *out = (struct mr_file_json){.text = NULL};
    out->file = open_memstream(&out->text, &out->len);
    if (out->file == NULL) {
        mr_fault_set(&fault, MR_EMEMORY, NULL);
        mr_respond_problem(request, &fault);
        return false;
    }
    mr_json_begin(&out->json, out->file);
    return true;
}

void mr_file_json_respond(struct mr_file_json *out, struct mr_request *request, int status, struct mr_fields *fields)
{
    struct mr_fault fault;
    fputc('\n', out->file);
    if (fclose(out->file) == 0) {
        mr_respond(request, status, "application/json", fields, out->text, out->len, free, out->text);
        return;
    }
    free(out->text);
    mr_fault_set(&fault, MR_EMEMORY, NULL);
    mr_respond_problem(request, &fault);
}

void mr_file_respond(struct mr_request *request, int status, const struct mr_object *object, struct mr_fields *fields)
{
    struct mr_file_json out;
    if (!mr_file_json_begin(&out, request))
        return;
    mr_json_open(&out.json, NULL, '{');
    mr_file_write_json(&out.json, object);
    mr_json_close(&out.json);
    mr_file_json_respond(&out, request, status, fields);
}

int64_t mr_file_second(int64_t ms)
{
    return MR_MIN(ms / 1000, (int64_t)time(NULL));
}
