/* One request and its response on the connection: begun when its head is there, ended, refused, or failed. */
#include "base/assert.h"
#include "http/dispatch.h"
#include "http/http1/head_scan.h"
#include "http/http1/internal.h"
#include "http/problem.h"
#include <stdlib.h>

void mr_exchange_fail(struct mr_connection *self, const struct mr_fault *fault)
{
    struct mr_request *request = self->request;
    mr_input_stop(self);
    mr_request_move(request, MR_REQUEST_DONE);
    self->exchange->close_after = true;
    request->outcome = mr_problem_type(fault->error);
    if (mr_stream_is_open(&request->body))
        mr_stream_abort(&request->body, fault);
    if (request->response_half == MR_RESPONSE_NONE)
        mr_respond_problem(request, fault);
    else if (request->response_half != MR_RESPONSE_DONE)
        mr_connection_abort(self);
}

static struct mr_request *create_request(struct mr_connection *self, struct mr_slice head)
{
    self->request = mr_request_create(&self->protocol, self->http, self->loop, head, self->head_began_at);
    self->head_began_at = 0;
    /* What is left of the response before is sent with this one. */
    uint64_t send_began_at = self->exchange != NULL ? self->exchange->send_began_at : 0;
    if (self->exchange == NULL)
        self->exchange = malloc(sizeof(*self->exchange));
    MR_ASSERT(self->exchange != NULL);
    *self->exchange = (struct mr_exchange){.send_began_at = send_began_at};
    return self->request;
}

/* A response is complete and the rest of the body is neither wanted nor small. */
static void give_up_body(struct mr_connection *self)
{
    mr_input_stop(self);
    mr_request_move(self->request, MR_REQUEST_DONE);
    self->exchange->close_after = true;
}

void mr_exchange_refuse(struct mr_connection *self, const struct mr_fault *fault)
{
    if (self->request == NULL)
        create_request(self, (struct mr_slice){"", 0});
    mr_exchange_fail(self, fault);
}

static void begin_request(struct mr_connection *self, size_t head_len)
{
    struct mr_fault fault = {0};
    struct mr_slice bytes = {self->input.at, head_len};
    struct mr_request *request = create_request(self, bytes);
    mr_request_note(request);
    self->searched = 0;
    self->progress++;
    self->input = (struct mr_slice){bytes.at + head_len, self->input.len - head_len};

    int err = mr_head_scan(&request->head, request->bytes.at, head_len, &fault);
    if (err == MR_OK && request->head.method == MR_METHOD_OTHER)
        err = mr_fault_set(&fault, MR_EHTTPMETHOD, "%s", "");
    if (err == MR_OK && !mr_body_begin(self, bytes))
        err = mr_fault_set(&fault, MR_EREQUEST, "The head is ambiguous.");
    if (err != MR_OK) {
        mr_exchange_fail(self, &fault);
        return;
    }
    mr_request_identify(request);
    if (request->request_half == MR_REQUEST_DONE)
        request->body_done_at = request->body_began_at;
    mr_dispatch(request);
}

bool mr_exchange_begin(struct mr_connection *self)
{
    struct mr_fault fault = {0};
    size_t max = self->http->limits.head_max;
    if (self->input.len == 0) {
        self->closing |= self->eof;
        return false;
    }
    if (self->head_began_at == 0)
        self->head_began_at = mr_loop_now(self->loop);
    size_t head_len = mr_head_length(self->input.at, self->input.len, &self->searched);
    if (head_len != 0 && head_len <= max) {
        begin_request(self, head_len);
        return true;
    }
    if (mr_head_check_prefix(self->input.at, self->input.len, &fault) == MR_OK) {
        if (head_len != 0 || self->input.len >= max)
            mr_fault_limit(&fault, MR_EHEAD, "max-head", max, MR_MAX(head_len, self->input.len));
        else if (self->eof)
            mr_fault_set(&fault, MR_EGONE, "The client closed its side in the middle of a head.");
        else
            return false;
    }
    mr_exchange_refuse(self, &fault);
    return true;
}

bool mr_exchange_is_over(struct mr_connection *self)
{
    struct mr_request *request = self->request;
    if (request->response_half != MR_RESPONSE_DONE || mr_buf_is_high(&self->out))
        return false;
    if (request->request_half != MR_REQUEST_DONE && !mr_body_is_wanted(request) && !mr_body_can_drain(self))
        give_up_body(self);
    return request->request_half == MR_REQUEST_DONE;
}

void mr_exchange_end(struct mr_connection *self)
{
    struct mr_request *request = self->request;
    self->served++;
    self->progress++;
    if (atomic_load_explicit(&self->http->draining, memory_order_relaxed) && self->input.len == 0)
        self->exchange->close_after = true; /* also where the head went out before the drain, and could not say so */
    if (self->exchange->close_after && !self->closing) {
        self->closing = true;
        if (self->input.len > 0 || request->head.keep_alive) /* it may have sent more, which is not read */
            mr_input_stop(self);
    }
    self->request = NULL;
    mr_request_detach(request);
}

void mr_exchange_drop(struct mr_connection *self)
{
    if (self->request != NULL || self->out.len > 0)
        return;
    free(self->exchange);
    self->exchange = NULL;
}

/* The peer has closed its side and the body is not whole: it will never be. */
static int check_eof(const struct mr_connection *self, struct mr_fault *fault)
{
    const struct mr_request *request = self->request;
    if (!self->eof || self->input.len > 0 || request->request_half != MR_REQUEST_BODY || mr_body_waits(request))
        return MR_OK;
    return mr_fault_set(fault, MR_EGONE, "The client closed its side in the middle of the body.");
}

void mr_exchange_feed(struct mr_connection *self)
{
    struct mr_fault fault = {0};
    int err = mr_body_feed(self, &fault);
    if (err == MR_OK && !self->aborted)
        err = check_eof(self, &fault);
    if (err != MR_OK)
        mr_exchange_fail(self, &fault);
}
