/* image_negotiation.h -- auto=format: which formats an image may be sent in. Pure; any thread. */
#ifndef MR_ROUTES_IMAGE_NEGOTIATION_H
#define MR_ROUTES_IMAGE_NEGOTIATION_H

#include "http/head.h"
#include "media/image/image.h"

#define MR_IMAGE_ALL_FORMATS UINT32_MAX

/* Accept becomes bits of what auto=format may pick: AVIF and WebP where it names them, and JPEG, PNG and GIF always. So
 * there are four sets of formats, however clients word it, and caches need not keep more. `allowed`: bits of the
 * formats that this server may send. If they are none of the client's, all of them may be picked, as a client that is
 * sent what it did not ask for can do more with it than with a refusal (RFC 9110, section 12.5.1). False: the response
 * does not depend on Accept, and ops are as they were. */
bool mr_image_negotiate(struct mr_image_ops *ops, const struct mr_head *head, uint32_t allowed);

#endif
