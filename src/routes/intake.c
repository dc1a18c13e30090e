/* DESIGN.
 *
 *      FLOWING ----> TAKEN ----> COMMITTING ----> OVER
 *         |            |              |             ^
 *         +------------+--------------+-------------+      failed or destroyed
 *
 * Between the pipeline and the writer the intake sees the bytes pass: it is the receiver of the one and the sender of
 * the other. What is announced as short, and goes through no stage, has no pipeline: a job and its way back would cost
 * more than all else. The store's thread that writes it takes its digest before. A commit that has begun cannot be
 * taken back: it holds the request until it comes back, and the intake is freed then. Else it is freed when the
 * outermost call on it has returned (guard.h), as its stream asks. */
#include "routes/intake.h"
#include "app/app.h"
#include "base/assert.h"
#include "base/guard.h"
#include "base/magic.h"
#include "http/disposition.h"
#include "media/digest/sha256.h"
#include "media/type.h"
#include "routes/file_common.h"
#include "routes/pipe_request.h"
#include <stdlib.h>

#define INTAKE_MAGIC 0x696e746bu /* "intk" */

enum intake_state { FLOWING, TAKEN, COMMITTING, OVER };

struct mr_intake {
    uint32_t magic;
    enum intake_state state;
    struct mr_guard guard;
    bool is_committing; /* the store will call back */
    struct mr_request *request;
    const struct mr_intake_events *events;
    void *context;
    struct mr_digest content;
    bool has_stages, is_short;
    struct mr_pipeline *pipeline; /* NULL: a short file, or it is over */
    struct mr_stream *out;        /* of the pipeline, or a short file's own: we are its receiver */
    struct mr_stream stored;      /* into the writer: we are its sender */
    struct mr_store_writer *writer;
    struct mr_object object;
    mr_store_committed *committed;
    void *committed_context;
    size_t first_len;
    char first[MR_MEDIA_TYPE_BYTES];
};

/* The begin and the end of whatever is called from outside. */
static struct mr_intake *intake_enter(void *context)
{
    struct mr_intake *intake = mr_from_context(context, struct mr_intake, INTAKE_MAGIC);
    MR_ON_LOOP(intake->request->loop);
    mr_guard_enter(&intake->guard);
    return intake;
}

static void intake_leave(struct mr_intake *intake)
{
    if (!mr_guard_leave(&intake->guard) || intake->is_committing)
        return;
    intake->magic = 0;
    free(intake);
}

static void intake_close(struct mr_intake *intake)
{
    struct mr_fault gone;
    intake->state = OVER;
    mr_fault_set(&gone, MR_EGONE, NULL);
    if (intake->out != NULL && mr_stream_is_open(intake->out))
        mr_stream_cancel(intake->out, &gone);
    intake->out = NULL;
    mr_pipeline_destroy(&intake->pipeline);
    mr_store_writer_destroy(&intake->writer);
    mr_object_free(&intake->object);
}

static void intake_fail(struct mr_intake *intake, const struct mr_fault *why)
{
    struct mr_fault fault = *why;
    intake_close(intake);
    intake->events->failed(intake->context, &fault);
}

/* ---- what passes from the pipeline to the writer ---- */

static void keep_first(struct mr_intake *intake, const void *bytes, size_t len)
{
    size_t more = MR_MIN(len, sizeof(intake->first) - intake->first_len);
    memcpy(intake->first + intake->first_len, bytes, more);
    intake->first_len += more;
}

static enum mr_flow on_bytes(void *context, const void *bytes, size_t len)
{
    struct mr_intake *intake = intake_enter(context);
    keep_first(intake, bytes, len);
    enum mr_flow flow = mr_stream_push(&intake->stored, bytes, len);
    intake_leave(intake);
    return flow;
}

static enum mr_flow on_bytes_ref(void *context, const void *bytes, size_t len, void (*release)(void *owner),
                                 void *owner)
{
    struct mr_intake *intake = intake_enter(context);
    keep_first(intake, bytes, len);
    enum mr_flow flow = mr_stream_push_ref(&intake->stored, bytes, len, release, owner);
    intake_leave(intake);
    return flow;
}

static void on_bytes_end(void *context)
{
    struct mr_intake *intake = intake_enter(context);
    mr_stream_end(&intake->stored);
    intake_leave(intake);
}

static void on_bytes_abort(void *context, const struct mr_fault *why)
{
    struct mr_intake *intake = intake_enter(context);
    mr_stream_abort(&intake->stored, why);
    intake_leave(intake);
}

static const struct mr_stream_receiver bytes_receiver = {
    .push = on_bytes, .end = on_bytes_end, .abort = on_bytes_abort, .push_ref = on_bytes_ref};

static void on_stored_resume(void *context)
{
    struct mr_intake *intake = intake_enter(context);
    if (intake->state == FLOWING)
        mr_stream_resume(intake->out);
    intake_leave(intake);
}

static void on_stored_cancel(void *context, const struct mr_fault *why)
{
    struct mr_intake *intake = intake_enter(context);
    if (intake->state == FLOWING)
        mr_stream_cancel(intake->out, why);
    intake_leave(intake);
}

static const struct mr_stream_sender stored_sender = {.resume = on_stored_resume, .cancel = on_stored_cancel};

/* ---- what is said of the file ---- */

/* What curl sends with --data-binary unless it is told otherwise: it says nothing of the file. */
static bool is_declared(struct mr_slice type)
{
    struct mr_slice rest = type, essence = mr_slice_trim(mr_slice_cut(&rest, ';'));
    return essence.len > 0 && !mr_slice_is_nocase(essence, "application/x-www-form-urlencoded") &&
           !mr_slice_is_nocase(essence, "application/octet-stream");
}

/* The bytes decide. That they are text says little: then, and where they say nothing, the declared type counts, which
 * is kept in object->type already. */
static int judge_type(struct mr_intake *intake, struct mr_fault *fault)
{
    const char *judged = mr_media_type_of(intake->first, intake->first_len);
    bool is_text = judged != NULL && strncmp(judged, "text/plain", 10) == 0;
    bool has_declared = !intake->has_stages && is_declared(mr_slice_of(intake->object.type));
    intake->object.is_image =
        judged != NULL && strncmp(judged, "image/", 6) == 0 && strcmp(judged, "image/svg+xml") != 0;
    if (judged == NULL || (is_text && has_declared))
        return MR_OK;
    return mr_object_set_type(&intake->object, mr_slice_of(judged), fault);
}

static int keep_digest(struct mr_object *object, const uint8_t *kept, const uint8_t *came,
                       const struct mr_digest *content, struct mr_fault *fault)
{
    memcpy(object->sha256, kept, MR_SHA256_LEN);
    object->has_sha256 = true;
    if (!content->is_given || memcmp(came, content->sha256, MR_SHA256_LEN) == 0)
        return MR_OK;
    return mr_fault_set(fault, MR_EDIGEST, NULL);
}

static int compare_digest(struct mr_intake *intake, struct mr_fault *fault)
{
    if (intake->is_short)
        return MR_OK; /* finish_short() does it */
    const uint8_t *kept = mr_pipeline_sha256(intake->pipeline);
    const uint8_t *came = intake->has_stages ? mr_pipeline_sha256_in(intake->pipeline) : kept;
    MR_ASSERT(kept != NULL);
    return keep_digest(&intake->object, kept, came, &intake->content, fault);
}

/* On a thread of the store, while the commit keeps the intake. */
static int finish_short(struct mr_object *object, struct mr_slice payload, void *context, struct mr_fault *fault)
{
    const struct mr_intake *intake = context;
    uint8_t sha256[MR_SHA256_LEN];
    mr_sha256(sha256, payload.at, payload.len);
    return keep_digest(object, sha256, sha256, &intake->content, fault);
}

static void on_all_stored(void *context)
{
    struct mr_intake *intake = intake_enter(context);
    struct mr_fault fault;
    int err = compare_digest(intake, &fault);
    if (err == MR_OK)
        err = judge_type(intake, &fault);
    if (err == MR_OK) {
        intake->state = TAKEN;
        mr_pipeline_destroy(&intake->pipeline);
        intake->out = NULL;
        intake->events->taken(intake->context);
    } else {
        intake_fail(intake, &fault);
    }
    intake_leave(intake);
}

static void on_intake_failed(void *context, const struct mr_fault *why)
{
    struct mr_intake *intake = intake_enter(context);
    intake_fail(intake, why);
    intake_leave(intake);
}

static const struct mr_store_writer_events writer_events = {
    .complete = on_all_stored, .failed = on_intake_failed, .aborted = on_intake_failed};

/* ---- from create to destroy ---- */

static void hold_request(void *context)
{
    mr_request_hold(context);
}

static void release_request(void *context)
{
    mr_request_release(context);
}

/* The jobs may outlive the intake, but not the request that they hold. */
static int create_intake_pipeline(struct mr_intake *intake, const struct mr_intake_config *config,
                                  struct mr_fault *fault)
{
    const struct mr_pipe_request wanted = {
        .request = config->request,
        .stages = config->stages,
        .route_params = config->route_params,
        .may_be_empty = true,
        .hold = hold_request,
        .release = release_request,
        .context = config->request,
    };
    int err = mr_pipe_request_pipeline(&intake->pipeline, &wanted, fault);
    if (err == MR_OK)
        mr_pipeline_want_sha256(intake->pipeline);
    if (err == MR_OK && intake->has_stages && config->content.is_given)
        mr_pipeline_want_sha256_in(intake->pipeline);
    if (err == MR_OK)
        err = mr_pipeline_open(intake->pipeline, config->in, config->length, fault);
    if (err == MR_OK)
        intake->out = mr_pipeline_out(intake->pipeline);
    return err;
}

/* A type that cannot be one is as good as none. */
static int describe_upload(struct mr_intake *intake, const struct mr_intake_config *config, struct mr_fault *fault)
{
    char name[MR_DISPOSITION_NAME_MAX];
    size_t len = mr_disposition_clean_name(name, config->name);
    struct mr_slice type = intake->has_stages ? mr_slice_of(mr_pipeline_media_type(intake->pipeline)) : config->type;
    int err = mr_object_set_name(&intake->object, (struct mr_slice){name, len}, fault);
    if (err == MR_OK && is_declared(type) && mr_object_set_type(&intake->object, type, fault) == MR_EMEMORY)
        err = MR_EMEMORY;
    return err;
}

static int open_intake(struct mr_intake *intake, const struct mr_intake_config *config, struct mr_fault *fault)
{
    const struct mr_app *app = mr_app_of(config->request);
    uint64_t length = intake->has_stages ? MR_STORE_UNKNOWN : config->length;
    if (mr_object_init(&intake->object) != MR_OK)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    int err = MR_OK;
    if (!intake->is_short)
        err = create_intake_pipeline(intake, config, fault);
    else
        err = mr_query_check_known(&config->request->query, config->route_params, fault);
    if (intake->is_short)
        intake->out = config->in;
    if (err == MR_OK)
        err = describe_upload(intake, config, fault);
    if (err == MR_OK)
        err = mr_store_writer_create(&intake->writer, app->store, config->request->loop, length, &writer_events, intake,
                                     fault);
    if (err == MR_OK && intake->is_short)
        mr_store_writer_finish_by(intake->writer, finish_short);
    return err;
}

int mr_intake_create(struct mr_intake **out, const struct mr_intake_config *config, struct mr_fault *fault)
{
    struct mr_intake *intake = calloc(1, sizeof(*intake));
    if (intake == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    intake->magic = INTAKE_MAGIC;
    intake->request = config->request;
    intake->events = config->events;
    intake->context = config->context;
    intake->content = config->content;
    intake->has_stages = config->stages.at != NULL;
    intake->is_short = !intake->has_stages && config->length <= MR_STORE_INLINE_MAX;
    mr_stream_init(&intake->stored);
    int err = open_intake(intake, config, fault);
    if (err != MR_OK)
        mr_intake_destroy(&intake);
    *out = intake;
    return err;
}

void mr_intake_start(struct mr_intake *intake)
{
    intake_enter(intake);
    mr_stream_attach_sender(&intake->stored, &stored_sender, intake);
    mr_store_writer_attach(intake->writer, &intake->stored);
    if (intake->state == FLOWING) {
        mr_stream_attach_receiver(intake->out, &bytes_receiver, intake);
        if (intake->pipeline != NULL)
            mr_pipeline_start(intake->pipeline);
    }
    intake_leave(intake);
}

static void on_intake_committed(void *context, const struct mr_fault *fault, const struct mr_object *object)
{
    struct mr_intake *intake = intake_enter(context);
    struct mr_request *request = intake->request;
    intake->is_committing = false;
    if (intake->state == COMMITTING) {
        intake->state = OVER;
        intake->committed(intake->committed_context, fault, object);
    }
    intake_leave(intake);
    mr_request_release(request);
}

void mr_intake_commit(struct mr_intake *intake, mr_store_committed *committed, void *context)
{
    intake_enter(intake);
    MR_ASSERT(intake->state == TAKEN);
    intake->state = COMMITTING;
    intake->is_committing = true;
    intake->committed = committed;
    intake->committed_context = context;
    mr_request_hold(intake->request);
    mr_store_writer_commit(intake->writer, &intake->object, on_intake_committed, intake);
    intake_leave(intake);
}

void mr_intake_destroy(struct mr_intake **out)
{
    struct mr_intake *intake = *out;
    *out = NULL;
    if (intake == NULL)
        return;
    intake_enter(intake);
    mr_guard_destroy(&intake->guard);
    intake_close(intake);
    intake_leave(intake);
}
