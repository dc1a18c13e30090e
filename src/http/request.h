/* request.h -- one HTTP request and its response, as a handler sees them.
 *
 * A request has two halves, each a small state machine: the request half (head, body, done) and the response half
 * (nothing yet, head, body, done). Between them stands its work. It ends when both halves are done and nothing holds
 * it.
 *
 *      request half    HEAD ----> BODY ----> DONE                    forward only
 *      response half   NONE ----> HEAD ----> BODY ----> DONE         forward only
 *      work            ADMITTING <----> SUBMITTED ----> ABANDONED    the last: the client left
 *
 * What a handler does, in the order it may do it:
 *
 *      start()                look at head, params and query; respond, refuse, or take the body and go on when it came;
 *                             or do so in a later turn: until then the body waits, see mr_request_take_body
 *      mr_request_hold        before a job that refers to the request is submitted: its work is now SUBMITTED
 *      mr_request_release     in the job's done(): the request may now be freed if the client has left
 *      mr_respond...          exactly once
 *      on_disconnect()                 the client left: cancel the jobs; no response can be sent any more
 *
 * A request belongs to its loop; everything here is called on the loop's thread only. Memory of a request comes from
 * its arena. After the response a request lives until the handler returns to the loop, or for as long as it is held. */
#ifndef MR_HTTP_REQUEST_H
#define MR_HTTP_REQUEST_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/stream.h"
#include "http/fields.h"
#include "http/forwarded.h"
#include "http/head.h"
#include "http/query.h"
#include "http/router.h"
#include "loop/loop.h"

struct mr_http;
struct mr_protocol;

enum mr_request_half { MR_REQUEST_HEAD, MR_REQUEST_BODY, MR_REQUEST_DONE };
enum mr_response_half { MR_RESPONSE_NONE, MR_RESPONSE_HEAD, MR_RESPONSE_BODY, MR_RESPONSE_DONE };
enum mr_work { MR_WORK_ADMITTING, MR_WORK_SUBMITTED, MR_WORK_ABANDONED };

#define MR_REQUEST_ID_LEN  16 /* of our own */
#define MR_REQUEST_ID_MAX  64 /* of a trusted proxy's */
#define MR_TRACEPARENT_LEN 55

#define MR_REQUEST_MAGIC 0x72657175u /* "requ" */

struct mr_request {
    /* Read-only for handlers. */
    struct mr_head head;
    struct mr_route_match match;
    struct mr_query query;          /* decoded; malformed queries were refused before start() */
    char id[MR_REQUEST_ID_MAX + 1]; /* a trusted proxy's X-Request-Id, or ours: hexadecimal, unique in the process; also
                                       the X-Request-Id of the response */
    char traceparent[MR_TRACEPARENT_LEN + 1]; /* the client's valid one, or "" (W3C Trace Context) */
    struct mr_client client;                  /* that sent it, as far as trusted proxies tell (forwarded.h) */
    const char *key_name; /* of the API key that it was sent with, in the arena; NULL: none was looked up */
    uint32_t key_rights;  /* bits, as those of its route */
    struct mr_loop *loop; /* borrowed */
    struct mr_http *http; /* borrowed: what the server serves with */
    struct mr_arena arena;
    uint64_t began_at;      /* monotonic ns: first byte of the head */
    uint64_t body_began_at; /* body taken, or response begun: the client may send it from then on */
    uint64_t body_done_at;  /* body complete */
    uint64_t body_bytes;    /* received so far */
    enum mr_request_half request_half;
    enum mr_response_half response_half;
    enum mr_work work;

    struct mr_stream body; /* connection -> handler: for the receiver's resume and cancel */
    void *handler_data;    /* the handler's own; allocate it from the arena */

    /* Private to http/. */
    uint32_t magic;               /* MR_REQUEST_MAGIC */
    struct mr_protocol *protocol; /* borrowed; NULL once the protocol is done with the request */
    struct mr_slice bytes;        /* the head, in the arena */
    unsigned holds;
    unsigned allowed; /* methods of the path, when this one is not among them */
    int status;
    uint64_t body_paused_at, body_paused_ns; /* the handler held the body back: since when, and how long before */
    uint64_t response_bytes;                 /* of the body, given to the connection so far; at last, sent */
    uint64_t response_length;                /* announced; UINT64_MAX: not known */
    struct mr_fields trailers;
    struct mr_stream response; /* handler -> connection */
    bool body_taken;
    bool is_any_site;    /* pages of any site may see the response */
    const char *outcome; /* what went wrong, for the access log: static text; NULL: nothing */
};

/* Raw value of a path parameter's name, percent-decoded; .at NULL when malformed or absent. */
struct mr_slice mr_request_param(struct mr_request *request, const char *name);

/* Read the body into `receiver` (stream.h; NULL: it is attached to request->body already). Once, before any response,
 * from start() or in a later turn; not of a request that is gone. The receiver gets end() at once when there is no
 * body; its abort() comes when the client fails in mid-body.
 *
 * Until the handler takes the body or responds, the body waits: none of it is lost, no more of it is read than came
 * with the head or fits a head's room (--max-head), and a client that expects 100-continue is not told to send it. The
 * client is not to blame for that time, so no timeout ends it: the handler sees to it that it decides. After a
 * response, what was not taken is dropped. */
void mr_request_take_body(struct mr_request *request, const struct mr_stream_receiver *receiver, void *context);

/* May the API key that the request was sent with do this, too? For what depends on more than the route. rights: bits,
 * as those of a route; all of them are needed; 0: any key will do. MR_OK, also where the server has no keys;
 * MR_EUNAUTHORIZED, MR_EFORBIDDEN; MR_EREQUEST: it has more than one Authorization field. */
int mr_request_authorize(struct mr_request *request, uint32_t rights, struct mr_fault *fault);

/* A job now refers to the request / has come back. */
void mr_request_hold(struct mr_request *request);
void mr_request_release(struct mr_request *request);
/* Has the client gone (or the request been cut)? After that only mr_request_release makes sense. */
bool mr_request_is_gone(const struct mr_request *request);

/* ---- The response. Exactly one of mr_respond, mr_respond_problem, mr_respond_stream. Adds Date,
 * Content-Length or chunked, Connection, X-Request-Id, X-Content-Type-Options: nosniff, the route's Cache-Control
 * (no-store without a route and in refusals, but for GET and HEAD), CORS fields where they are due. A HEAD request gets
 * the head only, and so does a status without a body (204, 205, 304). status: a final one of status.h; another asserts.
 * ---- */

/* A whole response. fields: further ones (fields.h), or NULL; none of those that are named above but Cache-Control,
 * which then is the handler's, and Vary. The body is copied when release is NULL, else used in place and released once
 * it was sent or dropped. */
void mr_respond(struct mr_request *request, int status, const char *content_type, struct mr_fields *fields,
                const void *body, size_t len, void (*release)(void *context), void *context);
/* The fault as problem+json, with its status, Retry-After, Allow (405: from the match). */
void mr_respond_problem(struct mr_request *request, const struct mr_fault *fault);
/* The same with further fields, which 416 needs (Content-Range). */
void mr_respond_problem_fields(struct mr_request *request, const struct mr_fault *fault, struct mr_fields *fields);
/* 405 of a handler: the address is there and has these methods (bits, as mr_router_match() gives them). */
void mr_respond_method(struct mr_request *request, unsigned allowed);
/* A streamed response: the head now, then bytes through the stream returned, whose sender is the handler, or, where
 * `sender` is NULL, what attaches itself to it. length: the
 * body's size in bytes, or UINT64_MAX: chunked (HTTP/1.0: ended by closing). abort() on the stream cuts the connection:
 * never a clean end. */
struct mr_stream *mr_respond_stream(struct mr_request *request, int status, const char *content_type,
                                    struct mr_fields *fields, uint64_t length, const struct mr_stream_sender *sender,
                                    void *context);
/* A trailer field of a streamed response, before end(); ignored unless the client sent TE: trailers and the response is
 * chunked. */
void mr_respond_trailer(struct mr_request *request, const char *name, struct mr_slice value);

#endif
