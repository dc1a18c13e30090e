/* pipe.h -- POST /pipe/image?w=...: a body in, the image out.
 *
 * The parameters and the chance of being served are looked at before the body is read; the body is refused as soon as
 * its first bytes are not those of an image; the work is one job on a worker; its result is sent from where it lies.
 * What the client is told is in the table of errors (base/error.h). */
#ifndef MR_SERVICE_PIPE_H
#define MR_SERVICE_PIPE_H

#include "http/request.h"

void mr_pipe_image_start(struct mr_request *request);
void mr_pipe_image_gone(struct mr_request *request);

#endif
