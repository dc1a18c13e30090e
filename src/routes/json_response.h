/* json_response.h -- a response of JSON, written into memory first.
 *
 *      struct mr_json_response out;
 *      if (!mr_json_response_begin(&out, request))
 *          return;
 *      mr_json_open(&out.json, NULL, '{');
 *      ...
 *      mr_json_response_end(&out, request, 200, NULL);
 *
 * On the request's loop. */
#ifndef MR_ROUTES_JSON_RESPONSE_H
#define MR_ROUTES_JSON_RESPONSE_H

#include "base/json.h"
#include "http/request.h"
#include <stdio.h>

struct mr_json_response {
    struct mr_json json;
    FILE *file; /* private, as the next */
    char *text;
    size_t len;
};

/* False: there is no memory, and the request was refused. */
bool mr_json_response_begin(struct mr_json_response *out, struct mr_request *request);
/* End the text with a newline and respond with it. fields: further ones, or NULL. */
void mr_json_response_end(struct mr_json_response *out, struct mr_request *request, int status,
                          struct mr_fields *fields);

#endif
