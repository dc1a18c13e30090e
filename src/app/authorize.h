/* authorize.h -- the keys of a ring (keys/key_ring.h) for HTTP, which knows neither keys nor rights
 * (http/authorizer.h). A row of a route says `.rights = MR_RIGHT_UPLOAD` or `.is_open = true`; a handler that needs
 * more than its row says calls mr_request_authorize(). */
#ifndef MR_APP_AUTHORIZE_H
#define MR_APP_AUTHORIZE_H

#include "http/http.h"
#include "keys/key_ring.h"

/* Each request for a route that is not open must have a key of the ring from now on. Before the loops run; both are
 * borrowed. */
void mr_app_authorize_by(struct mr_http *http, struct mr_key_ring *ring);

#endif
