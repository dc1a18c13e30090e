#include "routes/file_info.h"
#include "base/magic.h"
#include "http/conditional.h"
#include "io/collect.h"
#include "routes/file_common.h"

#define INFO_MAGIC 0x696e666fu /* "info" */

/* A request that looks at an object, or collects a patch and applies it. */
struct info {
    uint32_t magic;
    struct mr_request *request;
    struct mr_store *store;
    struct mr_store_reader *reader;   /* while it is opened */
    struct mr_collect *collect;       /* of the patch */
    void (*go_on)(struct info *info); /* with the object that is open */
    uint64_t rev;                     /* that it must have when it is changed; 0: any */
    bool is_changing;                 /* the store reads the patch */
};

static struct info *info_of(void *context)
{
    return mr_from_context(context, struct info, INFO_MAGIC);
}

static struct mr_slice wanted_id(const struct mr_request *request)
{
    return request->match.params[0].value;
}

static void info_close(struct info *info)
{
    mr_store_reader_close(&info->reader);
    mr_collect_destroy(&info->collect);
}

/* The request may be freed by its response. */
static void info_refuse(struct info *info, const struct mr_fault *why)
{
    struct mr_fault fault = *why;
    info_close(info);
    mr_respond_problem(info->request, &fault);
}

/* "ID.REV": a change makes another one of it. */
static struct mr_slice tag_of(struct mr_request *request, const struct mr_object *object)
{
    return mr_arena_printf(&request->arena, "%s.%llu", object->id, (unsigned long long)object->rev);
}

static struct mr_fields validators_of(struct mr_request *request, const struct mr_object *object)
{
    struct mr_fields fields;
    mr_fields_init(&fields, &request->arena);
    mr_fields_etag(&fields, tag_of(request, object), false);
    mr_fields_last_modified(&fields, mr_file_second(object->changed_ms));
    return fields;
}

static void respond_with(struct mr_request *request, const struct mr_object *object)
{
    struct mr_fields fields = validators_of(request, object);
    mr_file_respond(request, 200, object, &fields);
}

static enum mr_condition evaluate_info(struct mr_request *request, const struct mr_object *object)
{
    const struct mr_validators current = {
        .etag = tag_of(request, object), .has_date = true, .last_modified = mr_file_second(object->changed_ms)};
    return mr_conditional_evaluate(&request->head, &current);
}

static bool is_conditional(const struct mr_head *head)
{
    return mr_head_find(head, "if-match").at != NULL || mr_head_find(head, "if-none-match").at != NULL ||
           mr_head_find(head, "if-unmodified-since").at != NULL;
}

/* ---- opening ---- */

static void on_info_opened(void *context, const struct mr_fault *why)
{
    struct info *info = info_of(context);
    struct mr_fault fault;
    if (why != NULL) {
        info_refuse(info, why);
        return;
    }
    const struct mr_object *object = mr_store_reader_object(info->reader);
    enum mr_condition condition = evaluate_info(info->request, object);
    if (condition == MR_CONDITION_FAILED) {
        mr_fault_set(&fault, MR_EPRECONDITION, NULL);
        info_refuse(info, &fault);
    } else if (condition == MR_CONDITION_NOT_MODIFIED) {
        struct mr_fields fields = validators_of(info->request, object);
        info_close(info);
        mr_respond(info->request, 304, NULL, &fields, NULL, 0, NULL, NULL);
    } else {
        info->rev = is_conditional(&info->request->head) ? object->rev : 0;
        info->go_on(info);
    }
}

/* Refused, or go_on() is called with the object, perhaps before this returns. */
static struct info *open_info(struct mr_request *request, void (*go_on)(struct info *info))
{
    struct mr_store *store = mr_file_store(request);
    struct mr_fault fault;
    if (store == NULL)
        return NULL;
    struct info *info = mr_arena_zalloc(&request->arena, sizeof(*info));
    *info = (struct info){.magic = INFO_MAGIC, .request = request, .store = store, .go_on = go_on};
    request->handler_data = info;
    if (mr_query_check_known(&request->query, mr_param_none, &fault) == MR_OK)
        return info;
    info_refuse(info, &fault);
    return NULL;
}

static void start_info(struct mr_request *request, void (*go_on)(struct info *info))
{
    struct info *info = open_info(request, go_on);
    if (info != NULL)
        mr_store_describe(&info->reader, info->store, request->loop, wanted_id(request), on_info_opened, info);
}

void mr_file_info_on_disconnect(struct mr_request *request)
{
    struct info *info = request->handler_data;
    if (info != NULL && !info_of(info)->is_changing)
        info_close(info);
}

/* ---- GET ---- */

static void show_info(struct info *info)
{
    struct mr_store_reader *reader = info->reader;
    info->reader = NULL;
    respond_with(info->request, mr_store_reader_object(reader));
    mr_store_reader_close(&reader);
}

void mr_file_info_start(struct mr_request *request)
{
    start_info(request, show_info);
}

/* ---- DELETE ---- */

static void on_deleted(void *context, const struct mr_fault *fault, const struct mr_object *object)
{
    struct mr_request *request = mr_from_context(context, struct mr_request, MR_REQUEST_MAGIC);
    (void)object;
    if (fault != NULL)
        mr_respond_problem(request, fault);
    else
        mr_respond(request, 204, NULL, NULL, NULL, 0, NULL, NULL);
    mr_request_release(request);
}

void mr_file_delete_start(struct mr_request *request)
{
    struct mr_store *store = mr_file_store(request);
    struct mr_fault fault;
    if (store == NULL)
        return;
    if (mr_query_check_known(&request->query, mr_param_none, &fault) != MR_OK) {
        mr_respond_problem(request, &fault);
        return;
    }
    mr_request_hold(request);
    mr_store_delete(store, request->loop, wanted_id(request), on_deleted, request);
}

/* ---- PATCH ---- */

static void on_info_changed(void *context, const struct mr_fault *fault, const struct mr_object *object)
{
    struct info *info = info_of(context);
    struct mr_request *request = info->request;
    info_close(info);
    if (fault != NULL)
        mr_respond_problem(request, fault);
    else
        respond_with(request, object);
    mr_request_release(request);
}

/* On a thread of the store: reading JSON may take a while. */
static int apply_patch(struct mr_object *object, void *context, struct mr_fault *fault)
{
    const struct info *info = context;
    struct mr_slice patch;
    int err = mr_collect_map(info->collect, &patch);
    return err == MR_OK ? mr_object_patch(object, patch, fault) : mr_fault_set(fault, err, NULL);
}

static void change_it(struct info *info)
{
    struct mr_request *request = info->request;
    const struct mr_store_change change = {
        .id = wanted_id(request), .rev = info->rev, .apply = apply_patch, .done = on_info_changed, .context = info};
    mr_store_reader_close(&info->reader);
    info->is_changing = true;
    mr_request_hold(request);
    mr_store_change(info->store, request->loop, &change);
}

static int on_patch_first(void *context, struct mr_slice bytes, struct mr_fault *fault)
{
    (void)context;
    (void)bytes;
    (void)fault;
    return MR_OK;
}

static void on_patch_complete(void *context)
{
    struct info *info = info_of(context);
    if (is_conditional(&info->request->head))
        mr_store_describe(&info->reader, info->store, info->request->loop, wanted_id(info->request), on_info_opened,
                          info);
    else
        change_it(info);
}

static void on_patch_failed(void *context, const struct mr_fault *why)
{
    info_refuse(info_of(context), why);
}

static const struct mr_collect_events patch_events = {
    .first = on_patch_first, .complete = on_patch_complete, .failed = on_patch_failed, .aborted = on_patch_failed};

/* RFC 5789, section 3.1: another type is 415. */
static int check_patch_type(struct mr_request *request, struct mr_fault *fault)
{
    struct mr_slice rest = mr_head_find(&request->head, "content-type");
    if (mr_slice_is_nocase(mr_slice_trim(mr_slice_cut(&rest, ';')), "application/merge-patch+json"))
        return MR_OK;
    return mr_fault_set(fault, MR_EFORMAT, "A change is sent as application/merge-patch+json (RFC 7396).");
}

static int collect_patch(struct info *info, struct mr_fault *fault)
{
    struct mr_request *request = info->request;
    const struct mr_app *app = mr_app_of(request);
    const struct mr_collect_config config = {
        .loop = request->loop,
        .stream = &request->body,
        .budget = app->memory,
        .disk = app->disk,
        .memory_max = MR_OBJECT_PATCH_MAX,
        .length = request->head.chunked ? MR_COLLECT_UNKNOWN : request->head.content_length,
        .events = &patch_events,
        .context = info,
    };
    int err = check_patch_type(request, fault);
    return err == MR_OK ? mr_collect_create(&info->collect, &config, fault) : err;
}

void mr_file_patch_start(struct mr_request *request)
{
    struct info *info = open_info(request, change_it);
    struct mr_fault fault;
    if (info == NULL)
        return;
    if (collect_patch(info, &fault) == MR_OK)
        mr_request_take_body(request, &mr_collect_receiver, info->collect);
    else
        info_refuse(info, &fault);
}
