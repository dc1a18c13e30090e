/* avif_save.h -- private to the image stage: AVIF, written by libheif without libvips between, which leaves its encoder
 * four threads. Here it has the job's own alone: parallelism comes from jobs and not from inside one.
 *
 * On the run's thread. */
#ifndef MR_MEDIA_AVIF_SAVE_H
#define MR_MEDIA_AVIF_SAVE_H

#include "media/image/image_run.h"

struct mr_avif_settings {
    int quality; /* 1..100, on libheif's scale */
    int effort;  /* 0..9, as libvips counts it */
    bool lossless;
    bool halves_colours; /* 4:2:0, else 4:4:4 */
};

/* Write run->image (sRGB, 8 bits, 3 or 4 channels), with the metadata that it still has. It is read once, from top to
 * bottom. MR_OK, or the run's fault is filled. */
int mr_avif_save(struct mr_run *run, VipsTarget *target, const struct mr_avif_settings *settings);

#endif
