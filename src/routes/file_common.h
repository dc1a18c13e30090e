/* file_common.h -- what the handlers of /files share. On the request's loop. */
#ifndef MR_ROUTES_FILE_COMMON_H
#define MR_ROUTES_FILE_COMMON_H

#include "app/app.h"
#include "base/json.h"
#include "base/param.h"
#include "http/request.h"
#include "store/object.h"
#include "store/store.h"

/* The store. NULL: there is none, and the request was refused. */
struct mr_store *mr_file_store(struct mr_request *request);

/* The parameters of a route that sends bytes through stages. */
extern const struct mr_param_spec mr_file_through_params[];
#define MR_FILE_THROUGH_TEXT "stages with slashes between them, whose parameters stand beside this one: gzip/encrypt"

/* Write an object as responses show it, with its addresses. signing: signs that of its image, and its own where files
 * are signed (signature.h); NULL: they are plain. Any thread. */
void mr_file_write_json(struct mr_json *json, const struct mr_object *object, const struct mr_signing *signing);
/* Respond with that JSON. fields: further ones, or NULL. */
void mr_file_respond(struct mr_request *request, int status, const struct mr_object *object, struct mr_fields *fields);

/* A time of an object as Last-Modified: where a clock was ahead, not later than now (RFC 9110, section 8.8.2.1). */
int64_t mr_file_second(int64_t ms);

#endif
