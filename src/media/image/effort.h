/* effort.h -- private to the image stage: how hard an encoder tries, and the largest image that it may be given for it.
 * Pure; any thread. */
#ifndef MR_MEDIA_EFFORT_H
#define MR_MEDIA_EFFORT_H

#include "media/image/image.h"

/* The parameter `effort` (0..9) on the encoder's own scale, for a frame of so many pixels: where it is not given, this
 * stage's choice, which is less for large ones. 0 for a format that has none. */
int mr_effort_level(enum mr_image_format format, const struct mr_image_ops *ops, uint64_t pixels);
/* The same of the search for the palette of a PNG, which is that of a GIF. */
int mr_effort_palette_level(const struct mr_image_ops *ops);

/* Pixels of a frame beyond which the encoder could compute for more than about half a minute without looking at the
 * cancel mark; UINT64_MAX where it does look. `limit` becomes the name of that limit. */
uint64_t mr_effort_pixels_max(enum mr_image_format format, const struct mr_image_ops *ops, bool alpha,
                              const char **limit);

#endif
