#include "routes/file_common.h"
#include "base/clock.h"
#include "base/macros.h"
#include "keys/signature.h"
#include "routes/json_response.h"
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

const struct mr_param_spec mr_file_through_params[] = {
    {.name = "through", .type = MR_PARAM_TEXT, .text = MR_FILE_THROUGH_TEXT},
    {.name = NULL},
};

/* The path of an object, signed where there is something to sign with. */
static void write_address(struct mr_json *json, const char *name, const char *folder, const struct mr_object *object,
                          const struct mr_signing *signing)
{
    char path[sizeof("/images/") + MR_ULID_LEN];
    struct mr_arena arena;
    struct mr_fault fault;
    snprintf(path, sizeof(path), "/%s/%s", folder, object->id);
    struct mr_slice url = mr_slice_of(path);
    const struct mr_signed_address address = {.path = url};
    mr_arena_init(&arena);
    if (signing != NULL &&
        mr_signing_sign(&url, signing, &address, mr_clock_wall() / MR_NS_PER_S, &arena, &fault) != MR_OK)
        url = address.path;
    mr_json_slice(json, name, url);
    mr_arena_reset(&arena);
}

void mr_file_write_json(struct mr_json *json, const struct mr_object *object, const struct mr_signing *signing)
{
    bool signs_files = signing != NULL && signing->signs_files;
    mr_object_json(object, json);
    write_address(json, "url", "files", object, signs_files ? signing : NULL);
    if (object->is_image)
        write_address(json, "image", "images", object, signing);
    else
        mr_json_text(json, "image", NULL);
}

void mr_file_respond(struct mr_request *request, int status, const struct mr_object *object, struct mr_fields *fields)
{
    struct mr_json_response out;
    if (!mr_json_response_begin(&out, request))
        return;
    mr_json_open(&out.json, NULL, '{');
    mr_file_write_json(&out.json, object, mr_app_of(request)->signing);
    mr_json_close(&out.json);
    mr_json_response_end(&out, request, status, fields);
}

int64_t mr_file_second(int64_t ms)
{
    return MR_MIN(ms / 1000, (int64_t)time(NULL));
}
