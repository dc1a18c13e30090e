/* pipe.h -- POST /pipe/{stage}/{stage}...?w=300&level=6: a body in, what the stages make of it out.
 *
 * Stages, parameters and the chance of being served are looked at before the body is read. What the client is told when
 * something is wrong is in the table of errors (base/error.h); once bytes of a response were sent, a failure aborts it.
 * Secrets come in header fields: Age-Passphrase, and Age-Identity where --allow-request-identity says so. */
#ifndef MR_ROUTES_PIPE_H
#define MR_ROUTES_PIPE_H

#include "app/resource.h"
#include "base/stream.h"
#include "http/request.h"
#include "routes/about.h"

extern const struct mr_resource mr_pipe_resource;

/* What a client may be told, whatever the stages are (about.h); up to MR_OK. */
extern const enum mr_error mr_pipe_errors[];
/* What is told of the route, and of each stage by enum mr_stage_id. */
extern const struct mr_route_about mr_pipe_about;
extern const struct mr_about_stage mr_pipe_about_stages[];

/* ---- for other routes that respond with what the stages make of bytes ---- */

struct mr_pipe;

/* Where the bytes come from, if it is not the request's body. */
struct mr_pipe_source {
    struct mr_slice stages;                   /* with slashes between */
    const struct mr_param_spec *route_params; /* in the query, the route's own; NULL: none */
    struct mr_fields fields;                  /* further ones of the response, on the request's arena */
    uint64_t length;                          /* of the bytes, or MR_PIPELINE_UNKNOWN */
    /* Become the sender of `in`. MR_OK, or a fault, and `in` is untouched. */
    int (*begin)(void *context, struct mr_stream *in, struct mr_fault *fault);
    void *context;
};

/* Respond, or refuse; the source is copied. The pipe lives as long as the request. HEAD: the stages and their
 * parameters are checked, and nothing is read or computed. */
struct mr_pipe *mr_pipe_start(struct mr_request *request, const struct mr_pipe_source *source);
/* The client went away. No effect if the response was complete. */
void mr_pipe_leave(struct mr_pipe *pipe);

#endif
