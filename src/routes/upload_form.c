/* DESIGN.
 *
 *      READING ----> COMMITTING ----> OVER
 *         |              |             ^
 *         |              v             |
 *         |           UNDOING ---------+      a commit failed: those that succeeded are deleted
 *         +----------------------------+      refused, or the client left
 *
 * The parts are read one after the other: the parser is fed only when all of the part before has been taken, so that a
 * form of many files holds no more memory than one of a few. What came of the body meanwhile waits in `pending`. */
#include "routes/upload_form.h"
#include "base/assert.h"
#include "base/guard.h"
#include "base/magic.h"
#include "http/multipart.h"
#include "http/negotiation.h"
#include "routes/file_common.h"
#include "routes/intake.h"
#include "routes/json_response.h"
#include <stdlib.h>

#define FORM_MAGIC      0x666f726du /* "form" */
#define FORM_FILE_MAGIC 0x66666c65u /* "ffle" */

#define FIELDS_MAX      256
#define FIELD_BYTES_MAX (256 * MR_KIB) /* of all fields' values together */

const struct mr_param_spec mr_upload_form_params[] = {
    {.name = "through", .type = MR_PARAM_TEXT, .text = MR_FILE_THROUGH_TEXT},
    {.name = "next",
     .type = MR_PARAM_TEXT,
     .text = "of a form: the path to which a browser (Accept: text/html) is sent on"},
    {.name = NULL},
};

enum form_state { READING, COMMITTING, UNDOING, OVER };

struct form;

struct form_file {
    uint32_t magic;
    struct form *form;
    struct form_file *next;
    struct mr_slice field; /* of the form, in the request's arena */
    struct mr_intake *intake;
    bool is_taken, is_kept;
    struct mr_object object; /* when it is kept */
};

struct form_field {
    struct form_field *next;
    struct mr_slice name;
    struct mr_slice value;
    char *bytes; /* owned: the value */
    size_t size;
};

struct form {
    uint32_t magic;
    enum form_state state;
    struct mr_guard guard;
    struct mr_request *request;
    struct mr_multipart multipart;
    struct mr_buf pending;
    bool has_body_ended;
    struct form_file *files, **files_end, *current; /* current: its part is read, or not all of it is taken yet */
    struct form_field *fields, **fields_end, *field;
    unsigned field_count;
    size_t field_bytes;
    struct mr_stream part; /* of the current file: we are its sender */
    bool is_part_paused;
    unsigned under_way; /* commits, or deletions */
    struct mr_fault fault;
};

static struct form *form_enter(void *context)
{
    struct form *form = mr_from_context(context, struct form, FORM_MAGIC);
    MR_ON_LOOP(form->request->loop);
    mr_guard_enter(&form->guard);
    return form;
}

static void form_leave(struct form *form)
{
    if (!mr_guard_leave(&form->guard))
        return;
    for (struct form_file *file = form->files; file != NULL; file = file->next)
        mr_object_free(&file->object);
    for (struct form_field *field = form->fields; field != NULL; field = field->next)
        free(field->bytes);
    mr_multipart_free(&form->multipart);
    mr_buf_reset(&form->pending);
    form->magic = 0;
    free(form);
}

/* Nothing more comes of it. The request may be freed by its response, which is therefore the last. */
static void form_close(struct form *form)
{
    form->state = OVER;
    form->request->handler_data = NULL;
    for (struct form_file *file = form->files; file != NULL; file = file->next)
        mr_intake_destroy(&file->intake);
    mr_guard_destroy(&form->guard);
}

static void form_refuse(struct form *form, const struct mr_fault *why)
{
    struct mr_fault fault = *why;
    struct mr_request *request = form->request;
    if (mr_stream_is_open(&request->body))
        mr_stream_cancel(&request->body, &fault);
    form_close(form);
    mr_respond_problem(request, &fault);
}

/* ---- the response ---- */

/* Where a browser's form goes on: `next` is a path of this server, and no other address. */
static struct mr_slice page_after_form(const struct form *form)
{
    struct mr_slice next = mr_query_find(&form->request->query, "next");
    bool is_local = next.len > 0 && next.at[0] == '/' && (next.len == 1 || (next.at[1] != '/' && next.at[1] != '\\'));
    return is_local ? next : MR_SLICE("/");
}

static bool is_browsers(const struct form *form)
{
    return mr_negotiation_names(&form->request->head, "text/html");
}

static void write_files(const struct form *form, struct mr_json *json)
{
    mr_json_open(json, "files", '[');
    for (const struct form_file *file = form->files; file != NULL; file = file->next) {
        mr_json_open(json, NULL, '{');
        mr_file_write_json(json, &file->object, mr_app_of(form->request)->signing);
        mr_json_slice(json, "field", file->field);
        mr_json_close(json);
    }
    mr_json_close(json);
}

/* Is there one of that name before it? */
static bool is_repeated(const struct form *form, const struct form_field *field)
{
    const struct form_field *before = form->fields;
    while (before != field && !mr_slice_equal(before->name, field->name))
        before = before->next;
    return before != field;
}

static bool has_another(const struct form_field *field)
{
    const struct form_field *other = field->next;
    while (other != NULL && !mr_slice_equal(other->name, field->name))
        other = other->next;
    return other != NULL;
}

/* A name that occurs more than once has an array of values. */
static void write_fields(const struct form *form, struct mr_json *json)
{
    mr_json_open(json, "fields", '{');
    for (const struct form_field *field = form->fields; field != NULL; field = field->next) {
        if (is_repeated(form, field))
            continue;
        mr_json_name(json, field->name);
        if (!has_another(field)) {
            mr_json_slice(json, NULL, field->value);
            continue;
        }
        mr_json_open(json, NULL, '[');
        for (const struct form_field *same = field; same != NULL; same = same->next)
            if (mr_slice_equal(same->name, field->name))
                mr_json_slice(json, NULL, same->value);
        mr_json_close(json);
    }
    mr_json_close(json);
}

static void respond_with_page(struct form *form)
{
    struct mr_request *request = form->request;
    struct mr_fields fields;
    mr_fields_init(&fields, &request->arena);
    mr_fields_location(&fields, request->http->public_url.text, page_after_form(form));
    form_close(form);
    mr_respond(request, 303, NULL, &fields, NULL, 0, NULL, NULL);
}

static void respond_with_json(struct form *form)
{
    struct mr_request *request = form->request;
    struct mr_json_response out;
    bool has_memory = mr_json_response_begin(&out, request);
    if (has_memory) {
        mr_json_open(&out.json, NULL, '{');
        write_files(form, &out.json);
        write_fields(form, &out.json);
        mr_json_close(&out.json);
    }
    form_close(form);
    if (has_memory)
        mr_json_response_end(&out, request, 201, NULL);
}

/* ---- keeping all of them, or none ---- */

static void on_undone(void *context, const struct mr_fault *fault, const struct mr_object *object)
{
    struct form *form = form_enter(context);
    struct mr_request *request = form->request;
    (void)fault; /* what is left lies in the store and is listed: there is no better */
    (void)object;
    if (--form->under_way == 0)
        form_refuse(form, &form->fault);
    form_leave(form);
    mr_request_release(request);
}

static void undo(struct form *form)
{
    struct mr_store *store = mr_app_of(form->request)->store;
    form->state = UNDOING;
    for (struct form_file *file = form->files; file != NULL; file = file->next) {
        if (!file->is_kept)
            continue;
        form->under_way++;
        mr_request_hold(form->request);
        mr_store_delete(store, form->request->loop, mr_slice_of(file->object.id), on_undone, form);
    }
    if (form->under_way == 0)
        form_refuse(form, &form->fault);
}

static void end_commits(struct form *form)
{
    if (form->fault.error != MR_OK)
        undo(form);
    else if (is_browsers(form))
        respond_with_page(form);
    else
        respond_with_json(form);
}

static void on_file_committed(void *context, const struct mr_fault *fault, const struct mr_object *object)
{
    struct form_file *file = mr_from_context(context, struct form_file, FORM_FILE_MAGIC);
    struct form *form = form_enter(file->form);
    file->is_kept = fault == NULL;
    if (fault != NULL)
        form->fault = *fault;
    else if (mr_object_copy(&file->object, object) != MR_OK)
        mr_fault_set(&form->fault, MR_EMEMORY, NULL);
    if (--form->under_way == 0)
        end_commits(form);
    form_leave(form);
}

static void commit_all(struct form *form)
{
    struct mr_fault fault;
    if (form->files == NULL) {
        mr_fault_set(&fault, MR_EMULTIPART, "There is no file in the form: a file's part has a filename.");
        form_refuse(form, &fault);
        return;
    }
    form->state = COMMITTING;
    for (struct form_file *file = form->files; file != NULL; file = file->next) {
        form->under_way++;
        mr_intake_commit(file->intake, on_file_committed, file);
    }
}

/* ---- parts ---- */

static void form_continue(struct form *form);

static void on_file_taken(void *context)
{
    struct form_file *file = mr_from_context(context, struct form_file, FORM_FILE_MAGIC);
    struct form *form = form_enter(file->form);
    file->is_taken = true;
    if (form->state == READING)
        form_continue(form);
    form_leave(form);
}

static void on_file_failed(void *context, const struct mr_fault *why)
{
    struct form_file *file = mr_from_context(context, struct form_file, FORM_FILE_MAGIC);
    struct form *form = form_enter(file->form);
    if (form->state == READING)
        form_refuse(form, why);
    form_leave(form);
}

static const struct mr_intake_events file_events = {.taken = on_file_taken, .failed = on_file_failed};

static void on_part_resume(void *context)
{
    struct form *form = form_enter(context);
    form->is_part_paused = false;
    if (form->state == READING)
        form_continue(form);
    form_leave(form);
}

/* on_file_failed() tells why. */
static void on_part_cancel(void *context, const struct mr_fault *why)
{
    (void)context;
    (void)why;
}

static const struct mr_stream_sender part_sender = {.resume = on_part_resume, .cancel = on_part_cancel};

static struct mr_slice copy_slice(struct form *form, struct mr_slice text)
{
    return (struct mr_slice){.at = mr_arena_copy(&form->request->arena, text), .len = text.len};
}

static int begin_form_file(struct form *form, const struct mr_multipart_part *part)
{
    struct mr_request *request = form->request;
    struct form_file *file = mr_arena_zalloc(&request->arena, sizeof(*file));
    *file = (struct form_file){.magic = FORM_FILE_MAGIC, .form = form, .field = copy_slice(form, part->name)};
    const struct mr_intake_config config = {
        .request = request,
        .stages = mr_query_find(&request->query, "through"),
        .route_params = mr_upload_form_params,
        .name = part->filename,
        .type = part->type.at != NULL ? part->type : MR_SLICE(""),
        .in = &form->part,
        .length = MR_STORE_UNKNOWN,
        .events = &file_events,
        .context = file,
    };
    mr_stream_init(&form->part);
    int err = mr_intake_create(&file->intake, &config, &form->fault);
    if (err != MR_OK)
        return err;
    *form->files_end = form->current = file;
    form->files_end = &file->next;
    form->is_part_paused = false;
    mr_intake_start(file->intake);
    mr_stream_attach_sender(&form->part, &part_sender, form);
    return form->state == READING ? MR_OK : MR_ECANCELLED;
}

static int begin_form_field(struct form *form, const struct mr_multipart_part *part)
{
    if (++form->field_count > FIELDS_MAX)
        return mr_fault_limit(&form->fault, MR_EPARTS, "form-fields", FIELDS_MAX, form->field_count);
    struct form_field *field = mr_arena_zalloc(&form->request->arena, sizeof(*field));
    field->name = copy_slice(form, part->name);
    *form->fields_end = form->field = field;
    form->fields_end = &field->next;
    return MR_OK;
}

/* A browser sends an empty file where none was chosen. */
static int on_part_begin(void *context, const struct mr_multipart_part *part)
{
    struct form *form = context;
    form->current = NULL;
    if (part->filename.at == NULL)
        return begin_form_field(form, part);
    return part->filename.len > 0 ? begin_form_file(form, part) : MR_OK;
}

static int add_to_field(struct form *form, struct mr_slice bytes)
{
    struct form_field *field = form->field;
    form->field_bytes += bytes.len;
    if (form->field_bytes > FIELD_BYTES_MAX)
        return mr_fault_limit(&form->fault, MR_EBODY, "form-field-bytes", FIELD_BYTES_MAX, form->field_bytes);
    if (field->size - field->value.len < bytes.len) {
        size_t size = 2 * field->size + bytes.len;
        char *grown = realloc(field->bytes, size);
        if (grown == NULL)
            return mr_fault_set(&form->fault, MR_EMEMORY, NULL);
        field->bytes = grown;
        field->size = size;
    }
    memcpy(field->bytes + field->value.len, bytes.at, bytes.len);
    field->value = (struct mr_slice){.at = field->bytes, .len = field->value.len + bytes.len};
    return MR_OK;
}

static int on_part_data(void *context, struct mr_slice bytes)
{
    struct form *form = context;
    if (form->field != NULL)
        return add_to_field(form, bytes);
    if (form->current == NULL)
        return MR_OK;
    if (mr_stream_push(&form->part, bytes.at, bytes.len) == MR_FLOW_PAUSE)
        form->is_part_paused = form->part.state == MR_STREAM_PAUSED;
    return form->state == READING ? MR_OK : MR_ECANCELLED;
}

static int on_part_end(void *context)
{
    struct form *form = context;
    form->field = NULL;
    if (form->current == NULL)
        return MR_OK;
    form->is_part_paused = false;
    mr_stream_end(&form->part);
    if (form->state != READING)
        return MR_ECANCELLED;
    return form->current->is_taken ? MR_OK : MR_MULTIPART_PAUSE;
}

static const struct mr_multipart_receiver parts_receiver = {
    .begin = on_part_begin, .data = on_part_data, .end = on_part_end};

/* ---- the body ---- */

static bool is_waiting(const struct form *form)
{
    bool has_ended = form->current != NULL && mr_stream_is_closed(&form->part);
    return form->is_part_paused || (has_ended && !form->current->is_taken);
}

/* Returns how many bytes the parser took. It is over afterwards if they are refused. */
static size_t feed(struct form *form, struct mr_slice bytes)
{
    size_t consumed = 0;
    form->fault.error = MR_OK;
    int err = mr_multipart_feed(&form->multipart, bytes, &consumed, &form->fault);
    if (err < 0 && form->state == READING)
        form_refuse(form, &form->fault);
    return consumed;
}

static void end_body(struct form *form)
{
    if (mr_multipart_finish(&form->multipart, &form->fault) != MR_OK)
        form_refuse(form, &form->fault);
    else
        commit_all(form);
}

static void feed_pending(struct form *form)
{
    struct iovec run;
    while (form->state == READING && !is_waiting(form) && mr_buf_peek(&form->pending, &run, 1) > 0)
        mr_buf_consume(&form->pending, feed(form, (struct mr_slice){run.iov_base, run.iov_len}));
}

/* Go on with what waits, and then with what is to come. Not from inside the parser: it goes on by itself. */
static void form_continue(struct form *form)
{
    if (form->guard.entered > 1) /* feed() is on the stack, and its caller looks again */
        return;
    feed_pending(form);
    if (form->state != READING || is_waiting(form))
        return;
    if (form->has_body_ended)
        end_body(form);
    else
        mr_stream_resume(&form->request->body);
}

static enum mr_flow on_body_push(void *context, const void *bytes, size_t len)
{
    struct form *form = form_enter(context);
    size_t used = 0;
    if (form->pending.len == 0 && !is_waiting(form))
        used = feed(form, (struct mr_slice){bytes, len});
    enum mr_flow flow = MR_FLOW_PAUSE;
    if (form->state == READING && used < len)
        mr_buf_append(&form->pending, (const char *)bytes + used, len - used);
    if (form->state == READING) {
        feed_pending(form);
        if (form->state == READING && form->pending.len == 0 && !is_waiting(form))
            flow = MR_FLOW_MORE;
    }
    form_leave(form);
    return flow;
}

static void on_body_end(void *context)
{
    struct form *form = form_enter(context);
    form->has_body_ended = true;
    if (form->state == READING && form->pending.len == 0 && !is_waiting(form))
        end_body(form);
    form_leave(form);
}

static void on_body_abort(void *context, const struct mr_fault *why)
{
    struct form *form = form_enter(context);
    if (form->state == READING)
        form_refuse(form, why);
    form_leave(form);
}

static const struct mr_stream_receiver body_receiver = {
    .push = on_body_push, .end = on_body_end, .abort = on_body_abort};

/* ---- the request ---- */

void mr_upload_form_start(struct mr_request *request)
{
    struct mr_fault fault;
    struct form *form = calloc(1, sizeof(*form));
    if (form == NULL) {
        mr_fault_set(&fault, MR_EMEMORY, NULL);
        mr_respond_problem(request, &fault);
        return;
    }
    form->magic = FORM_MAGIC;
    form->request = request;
    form->files_end = &form->files;
    form->fields_end = &form->fields;
    mr_buf_init(&form->pending, 0, MR_STREAM_PUSH_MAX);
    request->handler_data = form;
    form_enter(form);
    int err = mr_multipart_init(&form->multipart, mr_head_find(&request->head, "content-type"),
                                MR_MULTIPART_PARTS_DEFAULT, &parts_receiver, form, &fault);
    if (err == MR_OK)
        mr_request_take_body(request, &body_receiver, form);
    else
        form_refuse(form, &fault);
    form_leave(form);
}

/* Commits that have begun go on to their end, as all of them or none are kept. */
void mr_upload_form_on_disconnect(struct mr_request *request)
{
    struct form *form = request->handler_data;
    if (form == NULL || form->state != READING)
        return;
    form_enter(form);
    form_close(form);
    form_leave(form);
}
