/* protocol.h -- between a request and the protocol that carries it. Handlers do not include it: request.h is theirs.
 *
 * A protocol creates the requests that it reads, feeds their bodies (request->body, as request.c is attached to it) and
 * has them served (dispatch.h). What a request wants of it stands in one table, so that messages know no protocol:
 * HTTP/1.1 is http1/, another one would be its sibling. */
#ifndef MR_HTTP_PROTOCOL_H
#define MR_HTTP_PROTOCOL_H

#include "http/request.h"

/* All are called while request->protocol is set, and on its loop. The protocol may find itself called from inside its
 * own calls of the request and its streams: it notes what it is told, and goes on later. */
struct mr_protocol_calls {
    /* Something of the request moved: its body was taken, resumed or cancelled, its response was begun or ended. */
    void (*moved)(struct mr_request *request);
    /* The handler has taken the body: a client that waits to be told so is told. */
    void (*want_body)(struct mr_request *request);
    /* The head of the response: request->status, request->response_length, then field by field. The protocol adds what
     * frames the body and keeps or closes the connection. */
    void (*begin_head)(struct mr_request *request);
    void (*put_field)(struct mr_request *request, const char *name, struct mr_slice value);
    void (*end_head)(struct mr_request *request);
    /* Bytes of the body, copied when release is NULL, else used in place and released once they are sent or dropped.
     * PAUSE: enough for now; the protocol resumes request->response. Not of a response without a body. */
    enum mr_flow (*put_body)(struct mr_request *request, const void *bytes, size_t len, void (*release)(void *context),
                             void *context);
    /* The same of bytes that lie in a file, on a connection that takes_files. */
    enum mr_flow (*put_file)(struct mr_request *request, struct mr_file_span span, mr_file_span_release *release,
                             void *owner);
    /* The response is complete, with request->trailers. */
    void (*end_response)(struct mr_request *request);
    /* Cut: the peer must not take what it got for a whole response. */
    void (*abort)(struct mr_request *request);
};

/* Part of the protocol's own struct of a connection (or stream). */
struct mr_protocol {
    const struct mr_protocol_calls *calls;
    struct mr_peer peer; /* of the connection */
    bool is_public;      /* it came to a listener that other machines can reach */
    bool takes_files;    /* its transport sends parts of files */
};

/* A request for the head in `bytes` (copied). Never NULL. Counted as in flight until it is freed. began_at: its first
 * byte; 0: now. */
struct mr_request *mr_request_create(struct mr_protocol *protocol, struct mr_http *http, struct mr_loop *loop,
                                     struct mr_slice bytes, uint64_t began_at);
/* Give the request its identity, once its head has been scanned: client, id and trace context, of which a trusted proxy
 * may tell. */
void mr_request_identify(struct mr_request *request);
/* The loop's callback that runs works for this request from here on: see mr_loop_note(). */
void mr_request_note(const struct mr_request *request);
/* Move a half: forward only. */
void mr_request_move(struct mr_request *request, enum mr_request_half next);
void mr_response_move(struct mr_request *request, enum mr_response_half next);
/* The protocol is done with the request: it is logged, and freed now or when its last hold is released. */
void mr_request_detach(struct mr_request *request);
/* The client left, or the connection was cut: tell the handler and detach. why: for the log and the streams. */
void mr_request_abandon(struct mr_request *request, const struct mr_fault *why);
/* Has its response a body at all? Not that of HEAD, nor of some statuses. */
bool mr_response_has_body(const struct mr_request *request);
/* The largest body, of the server or of the route where that is less; 0: none. */
uint64_t mr_request_body_max(const struct mr_request *request);

#endif
