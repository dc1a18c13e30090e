/* images.h -- GET /images/ID?w=300&fm=webp: what the image stage makes of a stored file, kept and made once
 * (variants/variants.h). */
#ifndef MR_ROUTES_IMAGES_H
#define MR_ROUTES_IMAGES_H

#include "app/resource.h"

extern const struct mr_resource mr_images_resource;

#endif
