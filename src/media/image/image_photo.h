/* image_photo.h -- private to the image stage: the photograph's own way, beside libvips. A plain JPEG that is made
 * smaller, and to which nothing else is done, becomes a JPEG (plan->is_photo says so). It is the same picture as the
 * other way makes, in half the time. On the run's thread; calls no libvips. */
#ifndef MR_MEDIA_IMAGE_PHOTO_H
#define MR_MEDIA_IMAGE_PHOTO_H

#include "media/image/image_run.h"

/* Decode run->input, resample and crop it as run->plan says, turn it upright and encode it. *bytes: g_free. Stops at
 * any row of blocks. MR_OK; or the fault filled: MR_EDAMAGED, MR_EMEMORY, MR_ECANCELLED, MR_ETIME. */
int mr_run_photo(struct mr_run *run, void **bytes, size_t *len);

#endif
