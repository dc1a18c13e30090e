/* dispatch.h -- from a head to the handler of its route. */
#ifndef MR_HTTP_DISPATCH_H
#define MR_HTTP_DISPATCH_H

struct mr_request;

/* The head of the request has arrived and its framing is sound: find its route and start its handler, or refuse it. */
void mr_dispatch(struct mr_request *request);

#endif
