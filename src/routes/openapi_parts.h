/* openapi_parts.h -- pieces of the OpenAPI document that its paths refer to, and how they are referred to. Main thread,
 * at the start. */
#ifndef MR_ROUTES_OPENAPI_PARTS_H
#define MR_ROUTES_OPENAPI_PARTS_H

#include "app/app.h"
#include "base/json.h"
#include "pipe/stages.h"
#include "routes/about.h"

/* All of them: "components". */
void mr_openapi_components(struct mr_json *json, const struct mr_app *app);

/* A reference {"$ref": "#/components/KIND/NAME"} on one line. */
void mr_openapi_ref(struct mr_json *json, const char *name, const char *kind, const char *of);

/* The schema of a parameter's value: "schema". */
void mr_openapi_param_schema(struct mr_json *json, const struct mr_param_spec *spec);

/* How the parameter of a stage is called among the components. */
#define MR_OPENAPI_PARAM_NAME_SIZE 64
void mr_openapi_param_name(char out[MR_OPENAPI_PARAM_NAME_SIZE], const struct mr_stage_about *stage,
                           const struct mr_param_spec *spec);

/* Is the field of a request taken by this server? */
bool mr_openapi_takes_field(struct mr_slice name, const struct mr_app *app);

/* Write the types of the problems in these lists that have this status, with commas. False: there are none, and nothing
 * was written. lists: `count` of them, NULL among them. */
bool mr_openapi_problem_types(char *out, size_t size, int status, const enum mr_error *const *lists, size_t count);

#endif
