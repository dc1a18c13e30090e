#include "routes/download.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/magic.h"
#include "http/conditional.h"
#include "http/digest_fields.h"
#include "http/policy.h"
#include "http/range.h"
#include "keys/rights.h"
#include "media/type.h"
#include "pipe/stages.h"
#include "routes/file_common.h"
#include "routes/pipe.h"
#include "routes/read_access.h"

/* Nothing in a stored file runs, whatever a browser takes it for; pictures, sounds and films play. */
#define CONTENT_POLICY "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox"

struct download {
    struct mr_read_access access;
    bool is_through;
    struct mr_store_reader *reader; /* while it is opened */
    struct mr_pipe *pipe;           /* once it goes through stages; NULL: it does not, or not yet */
};

static struct mr_slice file_cache_control(struct mr_request *request)
{
    const struct download *download = request->handler_data;
    if (download->access.expires == 0)
        return mr_slice_of(mr_app_of(request)->file_cache_control);
    return mr_read_access_cache_control(&download->access, false, mr_clock_wall() / MR_NS_PER_S, &request->arena);
}

static struct mr_fields describe_file(struct mr_request *request, const struct mr_object *object,
                                      struct mr_slice cache_control)
{
    struct mr_fields fields;
    mr_fields_init(&fields, &request->arena);
    mr_fields_set(&fields, "Cache-Control", cache_control);
    mr_fields_etag(&fields, mr_slice_of(object->id), false);
    mr_fields_last_modified(&fields, mr_file_second(object->created_ms));
    mr_fields_set_text(&fields, "Accept-Ranges", "bytes");
    mr_fields_content_disposition(&fields, !mr_media_type_is_inline(mr_slice_of(object->type)),
                                  mr_slice_of(object->name));
    mr_fields_set_text(&fields, "Content-Security-Policy", CONTENT_POLICY);
    if (object->has_sha256)
        mr_digest_set_field(&fields, "Repr-Digest", object->sha256);
    return fields;
}

static enum mr_condition evaluate_file(const struct mr_request *request, const struct mr_object *object)
{
    const struct mr_validators current = {
        .etag = mr_slice_of(object->id), .has_date = true, .last_modified = mr_file_second(object->created_ms)};
    return mr_conditional_evaluate(&request->head, &current);
}

static void release_reader(void *context)
{
    struct mr_store_reader *reader = context;
    mr_store_reader_close(&reader);
}

static void refuse_download(struct mr_request *request, enum mr_error error, struct mr_fields *fields)
{
    struct mr_fault fault;
    mr_fault_set(&fault, error, NULL);
    if (fields != NULL)
        mr_respond_problem_fields(request, &fault, fields);
    else
        mr_respond_problem(request, &fault);
}

/* The bytes are there already: no file is touched. */
static void respond_inline(struct mr_request *request, struct mr_store_reader *reader, int status,
                           const struct mr_range *range, struct mr_fields *fields, struct mr_slice payload)
{
    const char *type = mr_store_reader_object(reader)->type;
    mr_respond(request, status, type, fields, payload.at + range->first, range->len, release_reader,
               mr_store_reader_share(reader));
}

/* A fault of reading cuts the response: the stream is aborted. */
static void respond_stream(struct mr_request *request, struct mr_store_reader *reader, int status,
                           const struct mr_range *range, struct mr_fields *fields)
{
    struct mr_fault fault;
    const char *type = mr_store_reader_object(reader)->type;
    struct mr_stream *response = mr_respond_stream(request, status, type, fields, range->len, NULL, NULL);
    if (mr_store_read(reader, range->first, range->len, response, &fault) != MR_OK)
        mr_stream_abort(response, &fault);
}

static void respond_bytes(struct mr_request *request, struct mr_store_reader *reader, const struct mr_range *range,
                          struct mr_fields *fields)
{
    int status = range->kind == MR_RANGE_PART ? 206 : 200;
    struct mr_slice payload;
    mr_range_set_field(fields, range);
    if (request->head.method == MR_METHOD_HEAD) /* nothing is read */
        mr_respond(request, status, mr_store_reader_object(reader)->type, fields, NULL, range->len, NULL, NULL);
    else if (mr_store_reader_bytes(reader, &payload))
        respond_inline(request, reader, status, range, fields, payload);
    else
        respond_stream(request, reader, status, range, fields);
}

static void respond_described(struct mr_request *request, struct mr_store_reader *reader, struct mr_fields *fields,
                              bool has_ranges)
{
    const struct mr_object *object = mr_store_reader_object(reader);
    enum mr_condition condition = evaluate_file(request, object);
    struct mr_range range = mr_range_select(&request->head, object->size);
    if (!has_ranges || condition == MR_CONDITION_IGNORE_RANGE)
        range = mr_range_whole(object->size);
    if (condition == MR_CONDITION_NOT_MODIFIED)
        mr_respond(request, 304, NULL, fields, NULL, 0, NULL, NULL);
    else if (condition == MR_CONDITION_FAILED)
        refuse_download(request, MR_EPRECONDITION, NULL);
    else if (range.kind == MR_RANGE_UNSATISFIABLE) {
        struct mr_fields unsatisfied;
        mr_fields_init(&unsatisfied, &request->arena);
        mr_range_set_field(&unsatisfied, &range);
        refuse_download(request, MR_ERANGE, &unsatisfied);
    } else
        respond_bytes(request, reader, &range, fields);
}

static void respond_object(struct mr_request *request, struct mr_store_reader *reader)
{
    struct mr_fields fields = describe_file(request, mr_store_reader_object(reader), file_cache_control(request));
    respond_described(request, reader, &fields, true);
}

void mr_download_respond_instead(struct mr_request *request, struct mr_store_reader *reader,
                                 struct mr_slice cache_control, const char *cache_status, bool varies)
{
    struct mr_fields fields = describe_file(request, mr_store_reader_object(reader), cache_control);
    if (varies)
        mr_fields_vary(&fields, "Accept");
    mr_fields_set_text(&fields, "Cache-Status", cache_status);
    mr_fields_set_text(&fields, "Accept-Ranges", "none");
    respond_described(request, reader, &fields, false);
}

/* ---- through stages ---- */

static int begin_reading(void *context, struct mr_stream *in, struct mr_fault *fault)
{
    struct mr_store_reader *reader = context;
    return mr_store_read(reader, 0, mr_store_reader_object(reader)->size, in, fault);
}

/* What comes out is another thing than the file: it has no tag, no ranges, and is for no cache. */
static struct mr_pipe *respond_through(struct mr_request *request, struct mr_store_reader *reader)
{
    const struct mr_object *object = mr_store_reader_object(reader);
    struct mr_slice stages = mr_query_find(&request->query, "through");
    struct mr_fields fields;
    mr_fields_init(&fields, &request->arena);
    mr_fields_set_text(&fields, "Cache-Control", "no-store");
    mr_fields_set_text(&fields, "Content-Security-Policy", CONTENT_POLICY);
    mr_fields_content_disposition(&fields, true, mr_stage_rename(mr_slice_of(object->name), stages, &request->arena));
    const struct mr_pipe_source source = {
        .stages = stages,
        .route_params = mr_file_through_params,
        .fields = fields,
        .length = object->size,
        .begin = begin_reading,
        .context = reader,
    };
    return mr_pipe_start(request, &source);
}

/* ---- the request ---- */

/* Perhaps from inside mr_store_open(). */
static void on_file_opened(void *context, const struct mr_fault *fault)
{
    struct mr_request *request = mr_from_context(context, struct mr_request, MR_REQUEST_MAGIC);
    struct download *download = request->handler_data;
    struct mr_store_reader *reader = download->reader;
    download->reader = NULL;
    if (fault != NULL)
        mr_respond_problem(request, fault);
    else if (download->is_through)
        download->pipe = respond_through(request, reader);
    else
        respond_object(request, reader);
    mr_store_reader_close(&reader);
}

static int check_download(struct download *download, struct mr_request *request, struct mr_fault *fault)
{
    int err = MR_OK;
    if (mr_app_of(request)->read != MR_APP_READ_PUBLIC || mr_read_access_is_signed(request))
        err = mr_read_access_check(&download->access, request, false, fault);
    if (err == MR_OK && !download->is_through)
        return mr_query_check_known(&request->query, mr_read_access_params, fault);
    if (err == MR_OK)
        err = mr_request_authorize(request, MR_RIGHT_PIPE, fault);
    return err == MR_OK ? mr_policy_require_same_site(request, fault) : err;
}

void mr_download_start(struct mr_request *request)
{
    struct mr_store *store = mr_file_store(request);
    struct mr_fault fault;
    if (store == NULL)
        return;
    struct download *download = mr_arena_zalloc(&request->arena, sizeof(*download));
    download->is_through = mr_query_find(&request->query, "through").at != NULL;
    if (check_download(download, request, &fault) != MR_OK) {
        mr_respond_problem(request, &fault);
        return;
    }
    request->handler_data = download;
    mr_store_open(&download->reader, store, request->loop, request->match.params[0].value, on_file_opened, request);
}

void mr_download_on_disconnect(struct mr_request *request)
{
    struct download *download = request->handler_data;
    if (download == NULL)
        return;
    mr_store_reader_close(&download->reader);
    if (download->pipe != NULL)
        mr_pipe_leave(download->pipe);
}
