/* file_list.h -- GET /files: the objects by time, a page at a time. */
#ifndef MR_ROUTES_FILE_LIST_H
#define MR_ROUTES_FILE_LIST_H

#include "base/param.h"
#include "http/request.h"

/* Handler of a route. */
void mr_file_list_start(struct mr_request *request);

extern const struct mr_param_spec mr_file_list_params[];

#endif
