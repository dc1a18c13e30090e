/* routes.h -- all resources of the server, for mr_app_open(). */
#ifndef MR_ROUTES_ROUTES_H
#define MR_ROUTES_ROUTES_H

#include "app/resource.h"

extern const struct mr_resource *const mr_routes[]; /* up to a NULL */

#endif
