/* pipe_request.h -- the pipeline that a request asks for: stages by their names, their parameters from the query, keys
 * from the head. Shared by the routes that send bytes through stages. On the request's loop. */
#ifndef MR_ROUTES_PIPE_REQUEST_H
#define MR_ROUTES_PIPE_REQUEST_H

#include "http/request.h"
#include "pipe/pipeline.h"

struct mr_pipe_request {
    struct mr_request *request;
    struct mr_slice stages;                   /* with slashes between; .at NULL: none */
    const struct mr_param_spec *route_params; /* in the query, the route's own; NULL: none */
    bool may_be_empty;
    void (*hold)(void *context); /* these as in struct mr_pipeline_config */
    void (*release)(void *context);
    void (*whole)(void *context, const struct mr_image_result *result, uint64_t charged);
    void *context;
};

/* Create the pipeline and set and check its parameters. MR_OK, or MR_ENOTFOUND, MR_EPARAM, MR_EMEMORY; then *out may be
 * set and is to be destroyed in any case. */
int mr_pipe_request_pipeline(struct mr_pipeline **out, const struct mr_pipe_request *wanted, struct mr_fault *fault);

/* Bytes of the body, or MR_PIPELINE_UNKNOWN. */
static inline uint64_t mr_pipe_request_length(const struct mr_request *request)
{
    return request->head.chunked ? MR_PIPELINE_UNKNOWN : request->head.content_length;
}

#endif
