/* image_io.h -- private to the image stage: the bytes that libvips reads and writes, through a source and a target that
 * fail as soon as the run is to stop. A codec that works for a long time between two strips of pixels, such as libpng
 * in compressed data behind the last row, is stopped by its next read or write. */
#ifndef MR_MEDIA_IMAGE_IO_H
#define MR_MEDIA_IMAGE_IO_H

#include "media/image/image_run.h"

/* A source over run->input, or NULL. The caller unrefs it; `run` must outlive all images that were loaded from it. */
VipsSource *mr_image_source_create(struct mr_run *run);
/* A target that collects the output in memory, or NULL. The caller unrefs it. */
VipsTarget *mr_image_target_create(struct mr_run *run);
/* The bytes that a saver wrote, which become the caller's: g_free. */
void *mr_image_target_take(VipsTarget *target, size_t *len);

#endif
