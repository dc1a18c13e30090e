/* images.h -- GET /images/ID?w=300&fm=webp: what the image stage makes of a stored file, kept and made once
 * (variants/variants.h); and GET /files/ID/image-url, which signs such an address (keys/signature.h). */
#ifndef MR_ROUTES_IMAGES_H
#define MR_ROUTES_IMAGES_H

#include "app/resource.h"
#include "routes/about.h"

extern const struct mr_resource mr_images_resource;

/* Of its responses; ends with NULL. */
extern const struct mr_about_schema *const mr_image_schemas[];

#endif
