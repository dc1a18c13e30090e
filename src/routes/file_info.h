/* file_info.h -- what is known of an object: GET and PATCH of /files/ID/info, and DELETE of /files/ID. */
#ifndef MR_ROUTES_FILE_INFO_H
#define MR_ROUTES_FILE_INFO_H

#include "http/request.h"

/* Handlers of routes with the path parameter "id". */
void mr_file_info_start(struct mr_request *request);
void mr_file_patch_start(struct mr_request *request);
void mr_file_delete_start(struct mr_request *request);
/* Of the first two. */
void mr_file_info_on_disconnect(struct mr_request *request);

#endif
