/* DESIGN: libvips hands the encoders of AVIF, WebP, JPEG XL and GIF a whole frame and waits. Nothing stops them before
 * they are through with it, so their time is bounded by the number of pixels that they get. The costs are CPU time on
 * one core of 2023 for noise at q=100, which is the worst content that was found; photographs take a third of it or
 * less. */
#include "media/image/effort.h"

#include "base/assert.h"
#include "base/macros.h"

enum { UNSTOPPABLE_MS = 36000 };

/* Of the encoder's scale: its ends, and where nothing is given, what is chosen, and the least for a large frame. */
static const struct {
    int lowest, highest, chosen, chosen_least;
} scales[MR_IMAGE_FORMAT_COUNT] = {[MR_IMAGE_PNG] = {1, 9, 6, 6},
                                   [MR_IMAGE_WEBP] = {0, 6, 4, 4},
                                   [MR_IMAGE_AVIF] = {0, 6, 4, 2},
                                   [MR_IMAGE_GIF] = {1, 10, 4, 4},
                                   [MR_IMAGE_JXL] = {3, 7, 7, 7}};

/* Milliseconds of CPU time for a megapixel, by level. */
static const uint32_t avif_costs[] = {1500, 1900, 2200, 4400, 10500, 11500, 22000};
static const uint32_t webp_costs[] = {900, 900, 900, 900, 900, 900, 1000};
static const uint32_t webp_alpha_costs[] = {900, 900, 900, 900, 900, 900, 6300};
static const uint32_t jxl_costs[] = {0, 0, 0, 300, 300, 400, 450, 600};
static const uint32_t jxl_lossless_costs[] = {0, 0, 0, 500, 2000, 2100, 2300, 3600};
static const uint32_t gif_costs[] = {0 /* no such level */, 710, 1100, 1450, 1750, 2150, 2500, 2850, 3400, 3900, 4450};

static uint64_t pixels_in_time(uint32_t ms_a_megapixel)
{
    return (uint64_t)UNSTOPPABLE_MS * 1000000 / ms_a_megapixel;
}

int mr_effort_level(enum mr_image_format format, const struct mr_image_ops *ops, uint64_t pixels)
{
    int lowest = scales[format].lowest, highest = scales[format].highest, level = scales[format].chosen;
    if (ops->effort >= 0)
        return lowest + (ops->effort * (highest - lowest) + 4) / 9;
    while (level > scales[format].chosen_least && pixels > pixels_in_time(avif_costs[level]))
        level--;
    return level;
}

int mr_effort_palette_level(const struct mr_image_ops *ops)
{
    return mr_effort_level(MR_IMAGE_GIF, ops, 0);
}

uint64_t mr_effort_pixels_max(enum mr_image_format format, const struct mr_image_ops *ops, bool alpha,
                              const char **limit)
{
    const uint32_t *costs;
    switch (format) {
    case MR_IMAGE_AVIF:
        *limit = "avif-pixels";
        costs = avif_costs;
        break;
    case MR_IMAGE_WEBP:
        *limit = "webp-pixels";
        costs = alpha ? webp_alpha_costs : webp_costs;
        break;
    case MR_IMAGE_PNG:
        if (mr_image_ops_palette(ops) != MR_IMAGE_PALETTE_YES)
            return UINT64_MAX; /* one that is there by itself is only made in time (plan.c) */
        format = MR_IMAGE_GIF; /* the same search */
        *limit = "png-pixels";
        costs = gif_costs;
        break;
    case MR_IMAGE_JXL:
        *limit = "jxl-pixels";
        costs = ops->lossless ? jxl_lossless_costs : jxl_costs;
        break;
    case MR_IMAGE_GIF:
        *limit = "gif-pixels";
        costs = gif_costs;
        break;
    default:
        return UINT64_MAX;
    }
    return pixels_in_time(costs[mr_effort_level(format, ops, UINT64_MAX)]);
}
