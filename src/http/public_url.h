/* public_url.h -- --public-url: where clients reach this server, behind whatever proxy. For start-up. */
#ifndef MR_HTTP_PUBLIC_URL_H
#define MR_HTTP_PUBLIC_URL_H

#include "base/error.h"
#include "base/slice.h"

struct mr_public_url {      /* .text.at NULL: there is none. All are parts of the text that was parsed */
    struct mr_slice text;   /* "https://media.example/store", without a slash at its end */
    struct mr_slice origin; /* "https://media.example": as browsers write it, without the scheme's own port */
    struct mr_slice host;   /* "media.example"; of an IPv6 literal what stands in its brackets */
};

/* http or https, a host, perhaps a port and a path; no user, no query, no fragment. text is borrowed. MR_OK, or
 * MR_EPARAM: the fault's detail says why. */
int mr_public_url_parse(struct mr_public_url *out, const char *text, struct mr_fault *fault);

#endif
