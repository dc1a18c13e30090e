/* protocol.h -- the requests of a connection, as the protocol that carries them sees them.
 *
 * Handlers do not include it: request.h is theirs. */
#ifndef MR_HTTP_PROTOCOL_H
#define MR_HTTP_PROTOCOL_H

#include "http/request.h"

/* A request for the head in `bytes` (copied). Never NULL. Counted as in flight until it is freed. */
struct mr_request *mr_request_create(struct mr_connection *connection, struct mr_slice bytes);
/* Give the request its identity, once its head has been scanned: trace context. */
void mr_request_identify(struct mr_request *request);
/* The loop's callback that runs works for this request from here on: see mr_loop_note(). */
void mr_request_note(const struct mr_request *request);
/* Move a half: forward only. */
void mr_request_move(struct mr_request *request, enum mr_request_half next);
void mr_response_move(struct mr_request *request, enum mr_response_half next);
/* The connection is done with the request: it is logged, and freed now or when its last hold is released. */
void mr_request_detach(struct mr_request *request);
/* The client left, or the connection was cut: tell the handler and detach. why: for the log and the streams. */
void mr_request_abandon(struct mr_request *request, const struct mr_fault *why);
/* The largest body, of the server or of the route where that is less; 0: none. */
uint64_t mr_request_body_max(const struct mr_request *request);

#endif
