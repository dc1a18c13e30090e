/* lab.h -- GET /lab, PUT /lab/offload, PUT and DELETE /lab/load: the switch and the load of --lab (self_load.h), for a
 * page that shows what an offload is for. Each responds with how the lab stands. Without keys only clients of this
 * machine may ask, and no proxy may stand between that is not trusted; with keys the right admin is needed. */
#ifndef MR_ROUTES_LAB_H
#define MR_ROUTES_LAB_H

#include "app/resource.h"

struct mr_about_schema;

extern const struct mr_resource mr_lab_resource;
extern const struct mr_about_schema *const mr_lab_schemas[]; /* of its bodies; ends with NULL */

#endif
