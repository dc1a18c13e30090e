#include "routes/file_list.h"
#include "base/magic.h"
#include "base/number.h"
#include "routes/file_common.h"

#define LIMIT_DEFAULT 100

static const char *const list_params[] = {"limit", "after", "order", NULL};

static int read_limit(struct mr_store_list *list, const struct mr_query *query, struct mr_fault *fault)
{
    static const struct mr_param_spec spec = {
        .name = "limit", .type = MR_PARAM_INT, .min = 1, .max = MR_STORE_LIST_MAX};
    struct mr_slice text = mr_query_find(query, "limit");
    struct mr_param_value value = {.integer = LIMIT_DEFAULT};
    int err = text.at != NULL ? mr_param_parse(&spec, text, &value, fault) : MR_OK;
    list->limit = (size_t)value.integer;
    return err;
}

static int read_list_query(struct mr_store_list *list, struct mr_request *request, struct mr_fault *fault)
{
    const struct mr_query *query = &request->query;
    struct mr_slice order = mr_query_find(query, "order"), after = mr_query_find(query, "after");
    int err = mr_file_check_query(request, list_params, fault);
    if (err == MR_OK)
        err = read_limit(list, query, fault);
    if (err != MR_OK)
        return err;
    list->oldest_first = mr_slice_is(order, "old");
    if (order.at != NULL && !list->oldest_first && !mr_slice_is(order, "new"))
        return mr_fault_set(fault, MR_EPARAM, "\"order\" is \"new\" or \"old\".");
    list->after = after;
    if (after.at != NULL && !mr_ulid_is_valid(after))
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
