/* upload.h -- POST and PUT of /files: a raw body becomes one object, a form one for each of its files (upload_form.h).
 */
#ifndef MR_ROUTES_UPLOAD_H
#define MR_ROUTES_UPLOAD_H

#include "http/request.h"
#include "store/object.h"

/* Handlers of a route. The name of the file is the path parameter "name", if there is one. */
void mr_upload_start(struct mr_request *request);
void mr_upload_on_disconnect(struct mr_request *request);

#endif
