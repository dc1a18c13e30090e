/* intake.h -- one file on its way into the store: a stream goes through the stages that the request asks for, its
 * SHA-256 is taken off the loop, its type is judged by its first bytes, and a writer of the store keeps it.
 *
 *      in ---> stages, SHA-256 (pipe/pipeline.h) ---> first bytes ---> writer (store/store.h)
 *      in, announced as short, without stages -------> first bytes ---> writer, SHA-256
 *
 *      create    refused for want of a right stage, of a parameter, of room
 *      start     bytes flow
 *      taken()   all of it came, the digests that the client sent agree; or failed()
 *      commit    it is kept; then committed(); without it nothing is kept. A short one's digest is compared here
 *      destroy   at any time
 *
 * Everything here is called on the request's loop. While a job or a commit refers to the request, it is held. */
#ifndef MR_ROUTES_INTAKE_H
#define MR_ROUTES_INTAKE_H

#include "http/digest_fields.h"
#include "http/request.h"
#include "store/object.h"
#include "store/store.h"

struct mr_intake;

struct mr_intake_events {
    /* To commit or to destroy, which may be done inside. */
    void (*taken)(void *context);
    /* A stage, the sender, the store or a digest has failed. Nothing is kept; it may be destroyed inside. */
    void (*failed)(void *context, const struct mr_fault *fault);
};

struct mr_intake_config {
    struct mr_request *request;               /* borrowed, as all here */
    struct mr_slice stages;                   /* with slashes between; .at NULL: none */
    const struct mr_param_spec *route_params; /* in the query, which the stages are not asked about */
    struct mr_slice name;                     /* of the file, as sent; empty: none */
    struct mr_slice type;                     /* as declared; empty: none. Taken where the bytes say nothing */
    struct mr_digest content;                 /* that the bytes of `in` must have */
    struct mr_stream *in;
    uint64_t length; /* of `in`, or MR_STORE_UNKNOWN */
    const struct mr_intake_events *events;
    void *context;
};

/* MR_OK, or the fault of what refuses it. */
int mr_intake_create(struct mr_intake **out, const struct mr_intake_config *config, struct mr_fault *fault);
/* Become the receiver of `in`. */
void mr_intake_start(struct mr_intake *intake);
/* Inside taken() or after it, once. committed() comes in a later turn, unless the intake was destroyed; the store goes
 * on then. */
void mr_intake_commit(struct mr_intake *intake, mr_store_committed *committed, void *context);
/* Clears *intake; NULL has no effect. `in` is cancelled if it is open. */
void mr_intake_destroy(struct mr_intake **intake);

#endif
