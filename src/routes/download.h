/* download.h -- GET and HEAD of /files/ID: conditions, one range, what a browser may show. */
#ifndef MR_ROUTES_DOWNLOAD_H
#define MR_ROUTES_DOWNLOAD_H

#include "http/request.h"
#include "store/store.h"

/* Handlers of a route with the path parameter "id". */
void mr_download_start(struct mr_request *request);
void mr_download_on_disconnect(struct mr_request *request);

/* Respond with all of an object in place of what was asked for: as GET of it does, with its conditions, but without
 * ranges, and with these fields. varies: with Accept. */
void mr_download_respond_instead(struct mr_request *request, struct mr_store_reader *reader,
                                 struct mr_slice cache_control, const char *cache_status, bool varies);

#endif
