#include "routes/file_list.h"
#include "base/magic.h"
#include "routes/file_common.h"

#define LIMIT_DEFAULT 100

static const char *const order_words[] = {"new", "old", NULL};

enum { LIMIT, AFTER, ORDER, PARAM_COUNT };

const struct mr_param_spec mr_file_list_params[PARAM_COUNT + 1] = {
    [LIMIT] = {.name = "limit",
               .type = MR_PARAM_INT,
               .min = 1,
               .max = MR_STORE_LIST_MAX,
               .text = "files of a page; 100 without it"},
    [AFTER] = {.name = "after",
               .type = MR_PARAM_TEXT,
               .text = "where the page begins, as `next` of the one before says"},
    [ORDER] = {.name = "order",
               .type = MR_PARAM_CHOICE,
               .choices = order_words,
               .text = "new: newest first, as without it; old: oldest first"},
};

/* *value stays as it is if the parameter was not sent. */
static int read_list_param(struct mr_param_value *value, const struct mr_query *query, unsigned row,
                           struct mr_fault *fault)
{
    const struct mr_param_spec *spec = &mr_file_list_params[row];
    struct mr_slice text = mr_query_find(query, spec->name);
    return text.at != NULL ? mr_param_parse(spec, text, value, fault) : MR_OK;
}

static int read_list_query(struct mr_store_list *list, struct mr_request *request, struct mr_fault *fault)
{
    const struct mr_query *query = &request->query;
    struct mr_param_value limit = {.integer = LIMIT_DEFAULT}, order = {.integer = 0};
    int err = mr_file_check_query(request, mr_file_list_params, fault);
    if (err == MR_OK)
        err = read_list_param(&limit, query, LIMIT, fault);
    if (err == MR_OK)
        err = read_list_param(&order, query, ORDER, fault);
    if (err != MR_OK)
        return err;
    list->limit = (size_t)limit.integer;
    list->oldest_first = order.integer == 1;
    list->after = mr_query_find(query, "after");
    if (list->after.at != NULL && !mr_ulid_is_valid(list->after))
        return mr_fault_set(fault, MR_EPARAM, "\"after\" is not what a page of this list gave as its next.");
    return MR_OK;
}

/* The address of the page behind the object. */
static struct mr_slice page_after_list(struct mr_request *request, const char *id)
{
    struct mr_slice limit = mr_query_find(&request->query, "limit"), order = mr_query_find(&request->query, "order");
    return mr_arena_printf(&request->arena, "/files?after=%s%s%.*s%s%.*s", id, limit.at != NULL ? "&limit=" : "",
                           MR_SLICE_ARG(limit), order.at != NULL ? "&order=" : "", MR_SLICE_ARG(order));
}

static void respond_list(struct mr_request *request, const struct mr_object *objects, size_t count, bool has_more)
{
    struct mr_file_json out;
    struct mr_fields fields;
    mr_fields_init(&fields, &request->arena);
    if (!mr_file_json_begin(&out, request))
        return;
    mr_json_open(&out.json, NULL, '{');
    mr_json_open(&out.json, "files", '[');
    for (size_t i = 0; i < count; i++) {
        mr_json_open(&out.json, NULL, '{');
        mr_file_write_json(&out.json, &objects[i]);
        mr_json_close(&out.json);
    }
    mr_json_close(&out.json);
    struct mr_slice next = {.at = NULL, .len = 0};
    if (has_more && count > 0) {
        next = page_after_list(request, objects[count - 1].id);
        mr_fields_link(&fields, next, "next");
    }
    mr_json_text(&out.json, "next", next.at);
    mr_json_close(&out.json);
    mr_file_json_respond(&out, request, 200, &fields);
}

static void on_listed(void *context, const struct mr_fault *fault, const struct mr_object *objects, size_t count,
                      bool has_more)
{
    struct mr_request *request = mr_from_context(context, struct mr_request, MR_REQUEST_MAGIC);
    if (fault != NULL)
        mr_respond_problem(request, fault);
    else
        respond_list(request, objects, count, has_more);
    mr_request_release(request);
}

void mr_file_list_start(struct mr_request *request)
{
    struct mr_store *store = mr_file_store(request);
    struct mr_store_list list = {.done = on_listed, .context = request};
    struct mr_fault fault;
    if (store == NULL)
        return;
    if (read_list_query(&list, request, &fault) != MR_OK) {
        mr_respond_problem(request, &fault);
        return;
    }
    mr_request_hold(request);
    mr_store_list(store, request->loop, &list);
}
