/* download.h -- GET and HEAD of /files/ID: conditions, one range, what a browser may show. */
#ifndef MR_ROUTES_DOWNLOAD_H
#define MR_ROUTES_DOWNLOAD_H

#include "http/request.h"

/* Handlers of a route with the path parameter "id". */
void mr_download_start(struct mr_request *request);
void mr_download_on_disconnect(struct mr_request *request);

#endif
