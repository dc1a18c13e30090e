/* What arrives: the cursor over it, what waits in `pending`, and what is dropped once no further request is read. */
#include "base/assert.h"
#include "http/http1/internal.h"
#include <stdlib.h>
#include <string.h>

/* Bytes dropped beyond those that were announced: the end of the input shows behind them. */
#define LINGER_SPARE (64 * MR_KIB)

static void add_to_pending(struct mr_connection *self, const void *bytes, size_t len)
{
    if (self->pending_size - self->pending_len < len) {
        size_t size = MR_MAX(self->pending_len + len, 2 * self->pending_size);
        char *grown = realloc(self->pending, size);
        MR_ASSERT(grown != NULL);
        self->pending = grown;
        self->pending_size = size;
    }
    memcpy(self->pending + self->pending_len, bytes, len);
    self->pending_len += len;
}

void mr_input_open(struct mr_connection *self, const void *bytes, size_t len)
{
    if (self->pending_len > 0) {
        if (bytes != NULL && len > 0)
            add_to_pending(self, bytes, len);
        self->input = (struct mr_slice){self->pending, self->pending_len};
    } else {
        self->input = (struct mr_slice){bytes, len};
    }
}

void mr_input_keep(struct mr_connection *self)
{
    if (self->input.len == 0) {
        free(self->pending);
        self->pending = NULL;
        self->pending_len = self->pending_size = 0;
        return;
    }
    if (self->input.at >= self->pending && self->input.at < self->pending + self->pending_len) {
        memmove(self->pending, self->input.at, self->input.len);
    } else {
        MR_ASSERT(self->pending_len == 0);
        char *grown = realloc(self->pending, self->input.len);
        MR_ASSERT(grown != NULL);
        self->pending = grown;
        self->pending_size = self->input.len;
        memcpy(self->pending, self->input.at, self->input.len);
    }
    self->pending_len = self->input.len;
}

size_t mr_input_unconsumed(const struct mr_connection *self)
{
    return self->entered ? self->input.len : self->pending_len;
}

/* Bytes that the client may still send: of a body whose length it announced the rest, else what a body may have. */
static uint64_t announced(const struct mr_connection *self)
{
    const struct mr_request *request = self->request;
    uint64_t max = self->http->limits.body_max;
    if (request != NULL && request->request_half == MR_REQUEST_DONE)
        return 0;
    if (request != NULL && request->head.has_length)
        return request->head.content_length - MR_MIN(request->body_bytes, request->head.content_length);
    return max == 0 ? UINT64_MAX - LINGER_SPARE : max;
}

void mr_input_stop(struct mr_connection *self)
{
    self->closing = true;
    self->linger = true;
    self->linger_left = announced(self) + LINGER_SPARE;
    self->input = (struct mr_slice){NULL, 0};
}

bool mr_input_is_owed(const struct mr_connection *self)
{
    return self->linger && self->linger_left > LINGER_SPARE;
}

void *mr_connection_space(struct mr_connection *self, size_t *len)
{
    MR_ON_LOOP(self->loop);
    struct mr_request *request = self->request;
    *len = SIZE_MAX;
    if (self->closing) {
        *len = (size_t)MR_MIN(self->linger_left, (uint64_t)SIZE_MAX);
        return NULL;
    }
    if (request == NULL || !mr_body_is_read(request)) {
        if (request != NULL || self->pending_len > 0)
            *len = self->http->limits.head_max - self->pending_len;
        return NULL;
    }
    if (!request->head.has_length || !mr_body_is_wanted(request) || self->pending_len > 0)
        return NULL;
    /* Never past this body's end: what follows is not the receiver's. */
    uint64_t left = request->head.content_length - request->body_bytes;
    size_t size = 1;
    void *space = mr_stream_space(&request->body, &size);
    if (space != NULL)
        *len = (size_t)MR_MIN(left, (uint64_t)size);
    return space;
}

void mr_input_drop(struct mr_connection *self, size_t len)
{
    uint64_t now = mr_loop_now(self->loop);
    self->linger_left -= MR_MIN((uint64_t)len, self->linger_left);
    self->progress++;
    if (!mr_connection_has_said_all(self))
        return;
    if (self->linger_until == 0)
        self->linger_until = now + MR_LINGER_NS;
    else if (now >= self->linger_until)
        self->finished = true;
}

bool mr_connection_wants_read(const struct mr_connection *self)
{
    MR_ON_LOOP(self->loop);
    const struct mr_request *request = self->request;
    if (self->eof || self->finished)
        return false;
    if (self->closing)
        return self->linger && self->linger_left > 0;
    if (request != NULL && request->request_half == MR_REQUEST_BODY && !mr_body_waits(request))
        return request->body.state != MR_STREAM_PAUSED;
    return self->pending_len < self->http->limits.head_max;
}
