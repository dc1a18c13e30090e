/* pipe.h -- POST /pipe/{stage}/{stage}...?w=300&level=6: a body in, what the stages make of it out.
 *
 * Stages, parameters and the chance of being served are looked at before the body is read. What the client is told when
 * something is wrong is in the table of errors (base/error.h); once bytes of a response were sent, a failure aborts it.
 * Secrets come in header fields: Age-Passphrase, and Age-Identity where --allow-request-identity says so. */
#ifndef MR_ROUTES_PIPE_H
#define MR_ROUTES_PIPE_H

#include "app/resource.h"

extern const struct mr_resource mr_pipe_resource;

#endif
