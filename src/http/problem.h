/* problem.h -- a fault as an application/problem+json document (RFC 9457).
 *
 *   {"type":"urn:millrace:problem:body-too-large","title":"The body is larger than this server accepts.","status":413,
 *    "detail":"...","limit":{"name":"max-body","value":1073741824},"value":2000000000}
 *
 * detail is there when the fault has one; limit and value when a limit was hit. Each error (base/error.h) has a status
 * and a type here. Pure; any thread. */
#ifndef MR_HTTP_PROBLEM_H
#define MR_HTTP_PROBLEM_H

#include "base/arena.h"
#include "base/error.h"

int mr_problem_status(enum mr_error error);       /* of the response; 200 for MR_OK */
const char *mr_problem_type(enum mr_error error); /* "queue-full": the NAME of urn:millrace:problem:NAME */

struct mr_slice mr_problem_json(const struct mr_fault *fault, struct mr_arena *arena);

#endif
