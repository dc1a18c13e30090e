#include "routes/upload.h"
#include "base/magic.h"
#include "http/multipart.h"
#include "routes/file_common.h"
#include "routes/intake.h"
#include "routes/pipe_request.h"
#include "routes/upload_form.h"

#define UPLOAD_MAGIC 0x75706c64u /* "upld" */

struct upload {
    uint32_t magic;
    struct mr_request *request;
    struct mr_intake *intake; /* NULL: it is over */
};

static struct upload *upload_of(void *context)
{
    return mr_from_context(context, struct upload, UPLOAD_MAGIC);
}

static void upload_refuse(struct upload *upload, const struct mr_fault *why)
{
    struct mr_fault fault = *why;
    mr_intake_destroy(&upload->intake);
    mr_respond_problem(upload->request, &fault);
}

static void on_upload_committed(void *context, const struct mr_fault *fault, const struct mr_object *object)
{
    struct upload *upload = upload_of(context);
    struct mr_request *request = upload->request;
    if (fault != NULL) {
        upload_refuse(upload, fault);
        return;
    }
    struct mr_fields fields;
    mr_fields_init(&fields, &request->arena);
    mr_fields_location(&fields, request->http->public_url.text,
                       mr_arena_printf(&request->arena, "/files/%s", object->id));
    mr_digest_set_field(&fields, "Repr-Digest", object->sha256);
    mr_file_respond(request, 201, object, &fields);
    mr_intake_destroy(&upload->intake);
}

static void on_upload_taken(void *context)
{
    mr_intake_commit(upload_of(context)->intake, on_upload_committed, context);
}

static void on_upload_failed(void *context, const struct mr_fault *why)
{
    upload_refuse(upload_of(context), why);
}

static const struct mr_intake_events intake_events = {.taken = on_upload_taken, .failed = on_upload_failed};

/* Content and representation are the same here, as there is no content coding: what is said of both must agree. */
static int read_digests(struct mr_digest *out, const struct mr_head *head, struct mr_fault *fault)
{
    struct mr_digest repr = {.is_given = false};
    int err = mr_digest_read(head, "Content-Digest", out, fault);
    if (err == MR_OK)
        err = mr_digest_read(head, "Repr-Digest", &repr, fault);
    if (err != MR_OK || !repr.is_given)
        return err;
    if (out->is_given && memcmp(out->sha256, repr.sha256, sizeof(repr.sha256)) != 0)
        return mr_fault_set(fault, MR_EDIGEST, "Content-Digest and Repr-Digest differ.");
    *out = repr;
    return MR_OK;
}

/* The last segment of the path, as curl -T appends it. */
static int read_name(struct mr_slice *out, struct mr_request *request, struct mr_fault *fault)
{
    *out = (struct mr_slice){.at = "", .len = 0};
    if (request->match.param_count == 0 || mr_percent_decode(out, request->match.params[0].value, &request->arena))
        return MR_OK;
    return mr_fault_set(fault, MR_EREQUEST, "The name in the path cannot be read: it is UTF-8, percent-encoded.");
}

static int create_upload(struct upload *upload, struct mr_fault *fault)
{
    struct mr_request *request = upload->request;
    struct mr_intake_config config = {
        .request = request,
        .stages = mr_query_find(&request->query, "through"),
        .route_params = mr_file_through_params,
        .type = mr_head_find(&request->head, "content-type"),
        .in = &request->body,
        .length = mr_pipe_request_length(request),
        .events = &intake_events,
        .context = upload,
    };
    int err = read_digests(&config.content, &request->head, fault);
    if (err == MR_OK)
        err = read_name(&config.name, request, fault);
    return err == MR_OK ? mr_intake_create(&upload->intake, &config, fault) : err;
}

static void start_raw(struct mr_request *request)
{
    struct upload *upload = mr_arena_zalloc(&request->arena, sizeof(*upload));
    struct mr_fault fault;
    upload->magic = UPLOAD_MAGIC;
    upload->request = request;
    request->handler_data = upload;
    if (create_upload(upload, &fault) != MR_OK) {
        upload_refuse(upload, &fault);
        return;
    }
    mr_intake_start(upload->intake);
    mr_request_take_body(request, NULL, NULL);
}

/* An object is never written over: what looks like an ID is no name. */
static bool names_an_object(const struct mr_request *request)
{
    return request->match.param_count > 0 && mr_ulid_is_valid(request->match.params[0].value);
}

void mr_upload_start(struct mr_request *request)
{
    struct mr_fault fault;
    if (names_an_object(request)) {
        mr_respond_method(request, 1u << MR_METHOD_GET | 1u << MR_METHOD_DELETE);
        return;
    }
    if (mr_file_store(request) == NULL)
        return;
    if (mr_head_is_repeated(&request->head, "content-type")) { /* a form, or none? */
        mr_fault_set(&fault, MR_EREQUEST, "Content-Type is given more than once.");
        mr_respond_problem(request, &fault);
    } else if (mr_multipart_is_form(mr_head_find(&request->head, "content-type"))) {
        mr_upload_form_start(request);
    } else {
        start_raw(request);
    }
}

void mr_upload_on_disconnect(struct mr_request *request)
{
    if (mr_multipart_is_form(mr_head_find(&request->head, "content-type")))
        mr_upload_form_on_disconnect(request);
    else if (request->handler_data != NULL)
        mr_intake_destroy(&upload_of(request->handler_data)->intake);
}
