#include "media/image/image_options.h"

// clang-format off
const struct mr_option mr_image_options[] = {
    MR_OPTION_ROW(mr_image_settings, "max-pixels", INT, 1, 1e10, "N", "100000000", max_pixels, "pixels of an image, in and out, all frames"),
    MR_OPTION_ROW(mr_image_settings, "max-frames", INT, 1, 100000, "N", "500", max_frames,     "frames of an animation that are decoded"),
    MR_OPTION_END,
};
// clang-format on
