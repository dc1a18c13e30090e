/* image_options.h -- what a program can be told of how large an image may be: --max-pixels, --max-frames. */
#ifndef MR_MEDIA_IMAGE_OPTIONS_H
#define MR_MEDIA_IMAGE_OPTIONS_H

#include "base/option_tables.h"

struct mr_image_settings {
    int64_t max_pixels; /* in and out, of all frames */
    int64_t max_frames;
};

extern const struct mr_option mr_image_options[];

#endif
