/* DESIGN. A request of a pipe, on its loop:
 *
 *      start ----> WORKING ----> STREAMING ----> OVER
 *        |            |                           ^
 *        +------------+---------------------------+      refused, all sent at once, or the client left
 *
 * While WORKING nothing was sent: a fault is a problem document. A response whose length is known, or that ends within
 * mr_pipeline_held_back() bytes, is sent with its length; of a longer one those bytes begin a stream. From then on a
 * fault cuts it. What is held back is in the memory budget; where that has no room the stream begins earlier.
 *
 * The pipeline has the jobs and the memory; the pipe lives in the request's arena, and a job holds the request. */
#include "routes/pipe.h"
#include "app/app.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/counter.h"
#include "base/magic.h"
#include "http/digest_fields.h"
#include "http/prefer.h"
#include "io/spill.h"
#include "keys/rights.h"
#include "pipe/pipeline.h"
#include "routes/pipe_request.h"
#include <stdio.h>
#include <stdlib.h>

#define TIMING_SIZE 600

#define PIPE_MAGIC 0x70697065u /* "pipe" */
#define HELD_MAGIC 0x68656c64u /* "held" */
#define SENT_MAGIC 0x73656e74u /* "sent" */

enum pipe_state { WORKING, STREAMING, OVER };

struct held { /* the first bytes of a response */
    uint32_t magic;
    struct mr_budget *budget;
    size_t len;
    char bytes[];
};

struct mr_pipe {
    uint32_t magic;
    struct mr_request *request;
    const struct mr_app *app;
    struct mr_pipe_source source;
    struct mr_stream stored; /* from the source, if there is one, to the pipeline */
    enum pipe_state state;
    bool after_body;              /* the response begins when the whole request was read */
    bool prefers;                 /* the client asked for the mode that it gets */
    bool wants_digest;            /* and can be told it */
    struct mr_pipeline *pipeline; /* NULL: not made, or given back */
    struct mr_spill *spill;       /* behind it; NULL: the response is an image, sent from where it lies */
    struct mr_stream *out;        /* of the spill or the pipeline: we are its receiver */
    struct mr_stream *response;   /* STREAMING: we are its sender */
    struct held *held;            /* owned; NULL: none */
};

static void release_held(void *context)
{
    struct held *held = mr_from_context(context, struct held, HELD_MAGIC);
    mr_budget_give_back(held->budget, held->len);
    free(held);
}

static struct mr_pipe *pipe_of(void *context)
{
    return mr_from_context(context, struct mr_pipe, PIPE_MAGIC);
}

/* The pipe may be freed when a function that responds returns, because a request ends with its response. */
static void pipe_finish(struct mr_pipe *pipe)
{
    pipe->state = OVER;
    mr_pipeline_destroy(&pipe->pipeline);
    mr_spill_destroy(&pipe->spill);
    if (pipe->held != NULL)
        release_held(pipe->held);
    pipe->held = NULL;
}

static void pipe_refuse(struct mr_pipe *pipe, const struct mr_fault *why)
{
    struct mr_request *request = pipe->request;
    struct mr_fault fault = *why;
    pipe_finish(pipe);
    mr_respond_problem(request, &fault);
}

/* ---- times ---- */

static double milliseconds(uint64_t from, uint64_t to)
{
    return to > from ? mr_clock_milliseconds(to - from) : 0;
}

/* What the stages did, between receiving and the total. */
static void describe_work(const struct mr_pipe *pipe, char *out, size_t size)
{
    const struct mr_job *job = mr_pipeline_image_job(pipe->pipeline);
    if (job == NULL)
        mr_pipeline_timing(pipe->pipeline, out, size);
    else
        snprintf(out, size, "wait;dur=%.3f, work;dur=%.3f", milliseconds(job->submitted_at, job->started_at),
                 milliseconds(job->started_at, job->finished_at));
}

static struct mr_slice server_timing(const struct mr_pipe *pipe)
{
    const struct mr_request *request = pipe->request;
    char work[TIMING_SIZE];
    describe_work(pipe, work, sizeof(work));
    return mr_arena_printf(&pipe->request->arena, "recv;dur=%.3f, %s, total;dur=%.3f",
                           milliseconds(request->began_at, request->body_done_at), work,
                           milliseconds(request->began_at, mr_loop_now(request->loop)));
}

/* What every response of a pipe has. */
static struct mr_fields common_fields(const struct mr_pipe *pipe)
{
    struct mr_fields fields = pipe->source.fields;
    if (pipe->prefers)
        mr_fields_set_text(&fields, "Preference-Applied",
                           pipe->after_body ? "respond=after-body" : "respond=streaming");
    return fields;
}

/* For a response whose work is all done. */
static struct mr_fields final_fields(const struct mr_pipe *pipe)
{
    struct mr_fields fields = common_fields(pipe);
    const uint8_t *sha256 = mr_pipeline_sha256(pipe->pipeline);
    mr_fields_set(&fields, "Server-Timing", server_timing(pipe));
    if (sha256 != NULL)
        mr_digest_set_field(&fields, "Repr-Digest", sha256);
    return fields;
}

/* ---- an image, from where it lies ---- */

struct sent { /* a result on its way to the client; the request may end before it */
    uint32_t magic;
    struct mr_image_result result;
    struct mr_budget *budget;
    uint64_t charged;
};

static void release_sent(void *context)
{
    struct sent *sent = mr_from_context(context, struct sent, SENT_MAGIC);
    mr_image_result_free(&sent->result);
    mr_budget_give_back(sent->budget, sent->charged);
    free(sent);
}

/* The result's bytes stay in the budget until they were sent: a slow reader holds them. */
static void on_whole(void *context, const struct mr_image_result *result, uint64_t charged)
{
    struct mr_pipe *pipe = pipe_of(context);
    struct mr_request *request = pipe->request;
    struct sent *sent = malloc(sizeof(*sent));
    MR_ASSERT(sent != NULL);
    *sent = (struct sent){.magic = SENT_MAGIC, .result = *result, .budget = pipe->app->memory, .charged = charged};
    struct mr_fields fields = final_fields(pipe);
    pipe_finish(pipe);
    mr_respond(request, 200, mr_image_media_type(result->format), &fields, result->bytes, result->len, release_sent,
               sent);
}

/* ---- all other responses ---- */

static void on_response_resume(void *context)
{
    struct mr_pipe *pipe = pipe_of(context);
    if (pipe->state == STREAMING)
        mr_stream_resume(pipe->out);
}

static void on_response_cancel(void *context, const struct mr_fault *why)
{
    struct mr_pipe *pipe = pipe_of(context);
    if (pipe->state != STREAMING)
        return;
    mr_stream_cancel(pipe->out, why);
    pipe_finish(pipe);
}

static const struct mr_stream_sender response_sender = {.resume = on_response_resume, .cancel = on_response_cancel};

/* Of a response that is chunked. */
static bool takes_trailers(const struct mr_head *head)
{
    return head->te_trailers && head->minor > 0;
}

static void begin_response(struct mr_pipe *pipe, uint64_t length)
{
    struct mr_request *request = pipe->request;
    struct mr_fields fields = length != MR_PIPELINE_UNKNOWN ? final_fields(pipe) : common_fields(pipe);
    if (length == MR_PIPELINE_UNKNOWN && takes_trailers(&request->head))
        mr_fields_set_text(&fields, "Trailer", pipe->wants_digest ? "Server-Timing, Repr-Digest" : "Server-Timing");
    pipe->state = STREAMING;
    pipe->response = mr_respond_stream(request, 200, mr_pipeline_media_type(pipe->pipeline), &fields, length,
                                       &response_sender, pipe);
}

/* False: it would be too much. */
static bool buffer_response(struct mr_pipe *pipe, const void *bytes, size_t len)
{
    size_t max = mr_pipeline_held_back(pipe->pipeline);
    struct held *held = pipe->held;
    if (len > max - (held != NULL ? held->len : 0) || !mr_budget_try_take(pipe->app->memory, len))
        return false;
    if (held == NULL) {
        held = pipe->held = malloc(sizeof(*held) + max); /* the pages that are not filled cost nothing */
        MR_ASSERT(held != NULL);
        *held = (struct held){.magic = HELD_MAGIC, .budget = pipe->app->memory};
    }
    memcpy(held->bytes + held->len, bytes, len);
    held->len += len;
    return true;
}

/* The first bytes do not fit into what is held back, or their number is known: the response begins with them. */
static void begin_stream(struct mr_pipe *pipe, uint64_t length)
{
    begin_response(pipe, length);
    struct held *held = pipe->held;
    pipe->held = NULL;
    if (held != NULL)
        mr_stream_push_ref(pipe->response, held->bytes, held->len, release_held, held);
}

/* Is it time to send? False: the bytes were held back. */
static bool is_sending_now(struct mr_pipe *pipe, const void *bytes, size_t len)
{
    if (pipe->state == STREAMING)
        return true;
    uint64_t length = mr_pipeline_out_length(pipe->pipeline);
    if (length == MR_PIPELINE_UNKNOWN && buffer_response(pipe, bytes, len))
        return false;
    begin_stream(pipe, length);
    return true;
}

static enum mr_flow on_out_push(void *context, const void *bytes, size_t len)
{
    struct mr_pipe *pipe = pipe_of(context);
    return is_sending_now(pipe, bytes, len) ? mr_stream_push(pipe->response, bytes, len) : MR_FLOW_MORE;
}

static enum mr_flow on_out_push_ref(void *context, const void *bytes, size_t len, void (*release)(void *owner),
                                    void *owner)
{
    struct mr_pipe *pipe = pipe_of(context);
    if (is_sending_now(pipe, bytes, len))
        return mr_stream_push_ref(pipe->response, bytes, len, release, owner);
    release(owner);
    return MR_FLOW_MORE;
}

static void respond_buffered(struct mr_pipe *pipe)
{
    struct mr_request *request = pipe->request;
    struct mr_fields fields = final_fields(pipe);
    const char *type = mr_pipeline_media_type(pipe->pipeline);
    struct held *held = pipe->held;
    pipe->held = NULL;
    pipe_finish(pipe);
    if (held != NULL)
        mr_respond(request, 200, type, &fields, held->bytes, held->len, release_held, held);
    else
        mr_respond(request, 200, type, &fields, NULL, 0, NULL, NULL);
}

static void add_trailers(struct mr_pipe *pipe)
{
    struct mr_fields fields = final_fields(pipe);
    mr_respond_trailer(pipe->request, "Server-Timing", mr_fields_find(&fields, "Server-Timing"));
    if (pipe->wants_digest)
        mr_respond_trailer(pipe->request, "Repr-Digest", mr_fields_find(&fields, "Repr-Digest"));
}

static void on_out_end(void *context)
{
    struct mr_pipe *pipe = pipe_of(context);
    if (pipe->state == WORKING) {
        respond_buffered(pipe);
        return;
    }
    struct mr_stream *response = pipe->response;
    add_trailers(pipe);
    pipe_finish(pipe);
    mr_stream_end(response);
}

static void on_out_abort(void *context, const struct mr_fault *why)
{
    struct mr_pipe *pipe = pipe_of(context);
    struct mr_fault fault = *why;
    if (pipe->state == WORKING) {
        pipe_refuse(pipe, &fault);
        return;
    }
    struct mr_stream *response = pipe->response;
    pipe_finish(pipe);
    mr_stream_abort(response, &fault);
}

static const struct mr_stream_receiver out_receiver = {
    .push = on_out_push, .end = on_out_end, .abort = on_out_abort, .push_ref = on_out_push_ref};

/* ---- the request ---- */

static void pipe_hold(void *context)
{
    mr_request_hold(pipe_of(context)->request);
}

static void pipe_release(void *context)
{
    mr_request_release(pipe_of(context)->request);
}

static int create_pipe_pipeline(struct mr_pipe *pipe, struct mr_fault *fault)
{
    const struct mr_pipe_request wanted = {
        .request = pipe->request,
        .stages = pipe->source.stages,
        .route_params = pipe->source.route_params,
        .hold = pipe_hold,
        .release = pipe_release,
        .whole = on_whole,
        .context = pipe,
    };
    return mr_pipe_request_pipeline(&pipe->pipeline, &wanted, fault);
}

static bool is_sending(void *context)
{
    return pipe_of(context)->request->request_half == MR_REQUEST_BODY;
}

static int open_spill(struct mr_pipe *pipe, struct mr_fault *fault)
{
    const struct mr_spill_config config = {
        .loop = pipe->request->loop,
        .budget = pipe->app->memory,
        .disk = pipe->app->disk,
        .in = pipe->out,
        .max = pipe->app->pipe->max_spill,
        .holds = pipe->after_body,
        .is_needed = is_sending,
        .context = pipe,
    };
    int err = mr_spill_create(&pipe->spill, &config, fault);
    if (err == MR_OK)
        pipe->out = mr_spill_out(pipe->spill);
    return err;
}

/* That of a stream is known at its end, and told to clients that take trailers. A field that is malformed asks for
 * nothing (RFC 8941, section 4.2). */
static void choose_digest(struct mr_pipe *pipe)
{
    const struct mr_head *head = &pipe->request->head;
    struct mr_fault fault;
    bool is_wanted;
    if (mr_digest_read_want(head, "Want-Repr-Digest", &is_wanted, &fault) != MR_OK || !is_wanted)
        return;
    pipe->wants_digest = takes_trailers(head) || !mr_pipeline_streams(pipe->pipeline);
    if (pipe->wants_digest)
        mr_pipeline_want_sha256(pipe->pipeline);
}

/* Is there room now for jobs and for the body that was announced? Asked before the client is told to send it. */
static int open_pipeline(struct mr_pipe *pipe, struct mr_fault *fault)
{
    struct mr_request *request = pipe->request;
    choose_digest(pipe);
    struct mr_stream *in = pipe->source.begin != NULL ? &pipe->stored : &request->body;
    int err = mr_pipeline_open(pipe->pipeline, in, pipe->source.length, fault);
    if (err != MR_OK)
        return err;
    pipe->out = mr_pipeline_out(pipe->pipeline);
    return mr_pipeline_image_job(pipe->pipeline) == NULL ? open_spill(pipe, fault) : MR_OK;
}

/* A form would be taken for the file, with its boundaries and field names in it. */
static int check_media_type(const struct mr_head *head, struct mr_fault *fault)
{
    struct mr_slice rest = mr_head_find(head, "content-type");
    if (!mr_slice_is_nocase(mr_slice_trim(mr_slice_cut(&rest, ';')), "multipart/form-data"))
        return MR_OK;
    return mr_fault_set(fault, MR_EFORMAT,
                        "A pipe takes no form: send the file itself as the body, as curl -T FILE does.");
}

/* A proxy may stop sending the body once it has the head of a response (nginx does), and a client of HTTP/1.0 may not
 * read before it has sent all. */
static void choose_mode(struct mr_pipe *pipe)
{
    const struct mr_head *head = &pipe->request->head;
    struct mr_slice wanted = mr_prefer_find(head, "respond");
    bool wants_after = mr_slice_is_nocase(wanted, "after-body"),
         wants_streaming = mr_slice_is_nocase(wanted, "streaming");
    pipe->after_body = pipe->app->pipe->respond == MR_RESPOND_AFTER_BODY;
    if (wants_after || wants_streaming)
        pipe->after_body = wants_after;
    if (head->minor == 0)
        pipe->after_body = true;
    pipe->prefers = pipe->after_body ? wants_after : wants_streaming;
}

/* Bytes flow: from the request's body, or from the source. */
static void begin_input(struct mr_pipe *pipe)
{
    struct mr_fault fault;
    mr_stream_attach_receiver(pipe->out, &out_receiver, pipe);
    if (pipe->spill != NULL)
        mr_spill_attach(pipe->spill);
    mr_pipeline_start(pipe->pipeline);
    if (pipe->source.begin == NULL)
        mr_request_take_body(pipe->request, NULL, NULL);
    else if (pipe->source.begin(pipe->source.context, &pipe->stored, &fault) != MR_OK)
        pipe_refuse(pipe, &fault);
}

/* HEAD: what is known before anything is computed. Its length is not, nor is the format of an image. */
static void respond_head(struct mr_pipe *pipe)
{
    struct mr_fields fields = common_fields(pipe);
    bool streams = mr_pipeline_streams(pipe->pipeline);
    const char *type = streams ? mr_pipeline_media_type(pipe->pipeline) : NULL;
    struct mr_request *request = pipe->request;
    pipe_finish(pipe);
    mr_stream_end(mr_respond_stream(request, 200, type, &fields, MR_PIPELINE_UNKNOWN, &response_sender, pipe));
}

struct mr_pipe *mr_pipe_start(struct mr_request *request, const struct mr_pipe_source *source)
{
    struct mr_pipe *pipe = mr_arena_zalloc(&request->arena, sizeof(*pipe));
    struct mr_fault fault;
    pipe->magic = PIPE_MAGIC;
    pipe->request = request;
    pipe->app = mr_app_of(request);
    pipe->source = *source;
    choose_mode(pipe);
    int err = check_media_type(&request->head, &fault);
    if (err == MR_OK)
        err = create_pipe_pipeline(pipe, &fault);
    bool is_head = request->head.method == MR_METHOD_HEAD;
    if (err == MR_OK && !is_head)
        err = open_pipeline(pipe, &fault);
    if (err != MR_OK)
        pipe_refuse(pipe, &fault);
    else if (is_head)
        respond_head(pipe);
    else
        begin_input(pipe);
    return pipe;
}

static void start_pipe(struct mr_request *request)
{
    struct mr_pipe_source body = {
        .stages = request->match.params[0].value, /* raw: stages' names need no escapes */
        .length = mr_pipe_request_length(request),
    };
    mr_fields_init(&body.fields, &request->arena);
    request->handler_data = mr_pipe_start(request, &body);
}

void mr_pipe_leave(struct mr_pipe *pipe)
{
    struct mr_fault gone;
    if (pipe->state == OVER)
        return;
    mr_fault_set(&gone, MR_EGONE, NULL);
    mr_stream_cancel(pipe->out, &gone);
    pipe_finish(pipe);
}

static void on_pipe_gone(struct mr_request *request)
{
    mr_pipe_leave(pipe_of(request->handler_data));
}

#define PIPE_ROUTE                                                                                           \
    .pattern = "/pipe/{stages*}", .rights = MR_RIGHT_PIPE, .cache_control = "no-store", .start = start_pipe, \
    .on_disconnect = on_pipe_gone, .about = &mr_pipe_about

static const struct mr_route routes[] = {
    {PIPE_ROUTE, .method = MR_METHOD_POST},
    {PIPE_ROUTE, .method = MR_METHOD_PUT}, /* as curl -T sends it */
    {.pattern = NULL},
};

const struct mr_resource mr_pipe_resource = {.routes = routes};
