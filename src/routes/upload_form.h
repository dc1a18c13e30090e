/* upload_form.h -- a form (multipart/form-data) sent to /files: each file in it becomes an object, all of them or none.
 * The response tells the fields too; a browser's plain form is sent on to a page instead (303). */
#ifndef MR_ROUTES_UPLOAD_FORM_H
#define MR_ROUTES_UPLOAD_FORM_H

#include "base/param.h"
#include "http/request.h"

/* The request has a form as its body, and there is a store. */
void mr_upload_form_start(struct mr_request *request);
void mr_upload_form_on_disconnect(struct mr_request *request);

/* What may stand in its query. */
extern const struct mr_param_spec mr_upload_form_params[];

#endif
