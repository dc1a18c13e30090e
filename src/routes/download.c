#include "routes/download.h"
#include "base/assert.h"
#include "http/conditional.h"
#include "http/digest_fields.h"
#include "http/range.h"
#include "media/type.h"
#include "routes/file_common.h"

/* Nothing in a stored file runs, whatever a browser takes it for; pictures, sounds and films play. */
#define CONTENT_POLICY "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox"

static const char *const download_params[] = {NULL};

static int64_t seconds_of(const struct mr_object *object)
{
    return object->created_ms / 1000;
}

static struct mr_fields describe(struct mr_request *request, const struct mr_object *object)
{
    struct mr_fields fields;
    mr_fields_init(&fields, &request->arena);
    mr_fields_etag(&fields, mr_slice_of(object->id), false);
    mr_fields_last_modified(&fields, seconds_of(object));
    mr_fields_set_text(&fields, "Accept-Ranges", "bytes");
    mr_fields_content_disposition(&fields, !mr_media_type_is_inline(mr_slice_of(object->type)),
                                  mr_slice_of(object->name));
    mr_fields_set_text(&fields, "Content-Security-Policy", CONTENT_POLICY);
    if (object->has_sha256)
        mr_digest_set_field(&fields, "Repr-Digest", object->sha256);
    return fields;
}

static enum mr_condition evaluate(const struct mr_request *request, const struct mr_object *object)
{
    const struct mr_validators current = {
        .etag = mr_slice_of(object->id), .has_date = true, .last_modified = seconds_of(object)};
    return mr_conditional_evaluate(&request->head, &current);
}

static void release_reader(void *context)
{
    struct mr_store_reader *reader = context;
    mr_store_reader_close(&reader);
}

static void refuse(struct mr_request *request, enum mr_error error, struct mr_fields *fields)
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
    if (mr_store_reader_bytes(reader, &payload))
        respond_inline(request, reader, status, range, fields, payload);
    else
        respond_stream(request, reader, status, range, fields);
}

static void respond_object(struct mr_request *request, struct mr_store_reader *reader)
{
    const struct mr_object *object = mr_store_reader_object(reader);
    struct mr_fields fields = describe(request, object);
    enum mr_condition condition = evaluate(request, object);
    struct mr_range range = mr_range_select(&request->head, object->size);
    if (condition == MR_CONDITION_IGNORE_RANGE)
        range = mr_range_whole(object->size);
    if (condition == MR_CONDITION_NOT_MODIFIED)
        mr_respond(request, 304, NULL, &fields, NULL, 0, NULL, NULL);
    else if (condition == MR_CONDITION_FAILED)
        refuse(request, MR_EPRECONDITION, NULL);
    else if (range.kind == MR_RANGE_UNSATISFIABLE) {
        struct mr_fields unsatisfied;
        mr_fields_init(&unsatisfied, &request->arena);
        mr_range_set_field(&unsatisfied, &range);
        refuse(request, MR_ERANGE, &unsatisfied);
    } else
        respond_bytes(request, reader, &range, &fields);
}

struct download {
    struct mr_store_reader *reader;
};

/* Perhaps from inside mr_store_open(). The request may be freed when it has its response. */
static void on_opened(void *context, const struct mr_fault *fault)
{
    struct mr_request *request = context;
    struct download *download = request->handler_data;
    struct mr_store_reader *reader = download->reader;
    download->reader = NULL;
    if (fault != NULL)
        mr_respond_problem(request, fault);
    else
        respond_object(request, reader);
    mr_store_reader_close(&reader);
}

void mr_download_start(struct mr_request *request)
{
    struct mr_store *store = mr_file_store(request);
    struct mr_fault fault;
    if (store == NULL)
        return;
    if (mr_file_check_query(request, download_params, &fault) != MR_OK) {
        mr_respond_problem(request, &fault);
        return;
    }
    struct download *download = mr_arena_zalloc(&request->arena, sizeof(*download));
    request->handler_data = download;
    mr_store_open(&download->reader, store, request->loop, request->match.params[0].value, on_opened, request);
}

void mr_download_on_disconnect(struct mr_request *request)
{
    struct download *download = request->handler_data;
    if (download != NULL)
        mr_store_reader_close(&download->reader);
}
