/* Any bytes as a GIF: what the scan lets through is decoded to frames of the size that the scan has told, or is
 * damaged. Where it has told that all is opaque, three channels suffice: both ways give the same colours. */
#include "base/assert.h"
#include "media/image/gif_decode.h"

#include <stdlib.h>

static void check_same_colours(const uint8_t *rgba, const uint8_t *rgb, size_t pixels)
{
    for (size_t i = 0; i < pixels; i++)
        MR_ASSERT(rgba[4 * i + 3] == 255 && rgba[4 * i] == rgb[3 * i] && rgba[4 * i + 1] == rgb[3 * i + 1] &&
                  rgba[4 * i + 2] == rgb[3 * i + 2]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct mr_image_limits limits = {.pixels = 100000, .frames = 100};
    struct mr_view file = {.at = data, .len = size};
    struct mr_scan scan;
    if (mr_scan_image(&scan, file, 0, &limits, NULL) != MR_OK || scan.info.format != MR_IMAGE_GIF)
        return 0;
    const struct mr_image_info *info = &scan.info;
    size_t pixels = (size_t)info->width * info->height;
    uint32_t count = info->frames < 4 ? info->frames : 4;
    uint8_t *rgba = malloc(pixels * count * 4), *rgb = malloc(pixels * count * 3);
    MR_ASSERT(rgba != NULL && rgb != NULL);
    int delays[4], plays;
    struct mr_gif_wanted wanted = {
        .width = info->width, .height = info->height, .bands = 4, .first = info->frames - count, .count = count};
    int err = mr_gif_decode(rgba, delays, &plays, &wanted, file, NULL);
    MR_ASSERT(err == MR_OK || err == MR_EDAMAGED);
    if (!info->alpha) {
        wanted.bands = 3;
        MR_ASSERT(mr_gif_decode(rgb, delays, &plays, &wanted, file, NULL) == err);
        if (err == MR_OK)
            check_same_colours(rgba, rgb, pixels * count);
    }
    free(rgba);
    free(rgb);
    return 0;
}
