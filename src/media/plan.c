#include "media/plan.h"

#include "base/assert.h"
#include "base/macros.h"

/* value * by / over, to nearest, at least 1. The sides are below 2^17, so nothing overflows. */
static uint64_t scaled(uint64_t value, uint64_t by, uint64_t over)
{
    return MR_MAX((value * by + over / 2) / over, 1);
}

struct size {
    uint64_t width, height;
};

/* The size that holds to the proportions of `in`, and fills w x h (crop) or lies inside it (clip, max). One of w and h
 * may be 0: then it follows from the other. */
static struct size fitted(struct size in, const struct mr_image_ops *ops)
{
    uint64_t w = (uint64_t)ops->width;
    uint64_t h = (uint64_t)ops->height;
    if (w == 0 && h == 0)
        return in;
    bool width_is_tighter = w * in.height <= h * in.width;
    bool fill = ops->fit == MR_IMAGE_FIT_CROP && w != 0 && h != 0;
    bool by_width = h == 0 || (w != 0 && width_is_tighter != fill);
    struct size out =
        by_width ? (struct size){w, scaled(in.height, w, in.width)} : (struct size){scaled(in.width, h, in.height), h};
    if (ops->fit == MR_IMAGE_FIT_MAX && (out.width > in.width || out.height > in.height))
        return in;
    return out;
}

static enum mr_image_format output_format(const struct mr_image_ops *ops, const struct mr_image_info *info)
{
    if (ops->format != MR_IMAGE_UNKNOWN)
        return ops->format;
    if (info->format == MR_IMAGE_JPEG || info->format == MR_IMAGE_PNG || info->format == MR_IMAGE_WEBP)
        return info->format;
    return info->alpha ? MR_IMAGE_PNG : MR_IMAGE_JPEG;
}

static uint32_t side_max(enum mr_image_format format)
{
    switch (format) {
    case MR_IMAGE_JPEG:
        return 65500; /* libjpeg's own bound, a little under the format's */
    case MR_IMAGE_WEBP:
        return 16383;
    default:
        return 65535;
    }
}

enum { RESIZED_SIDE_MAX = 10000000 }; /* px: libvips' bound. A cut of it may well be small enough to be written */

static int check_size(struct size resized, const struct mr_plan *plan, const struct mr_image_limits *limits,
                      struct mr_fault *fault)
{
    /* Each factor is below 2^34: the limit of the sides comes first, so that the product holds. */
    uint64_t pixels = resized.width * resized.height;
    if (pixels > limits->pixels)
        return mr_fault_limit(fault, MR_EPIXELS, "max-pixels", limits->pixels, pixels);
    uint64_t longest = MR_MAX(resized.width, resized.height);
    if (longest > RESIZED_SIDE_MAX)
        return mr_fault_limit(fault, MR_EPIXELS, "image-side", RESIZED_SIDE_MAX, longest);
    uint32_t side = MR_MAX(plan->out_width, plan->out_height);
    if (side > side_max(plan->format))
        return mr_fault_limit(fault, MR_EDIMENSION, "image-side", side_max(plan->format), side);
    return MR_OK;
}

/* The place of the cut along one axis: at its start, its end, or in the middle. */
static uint32_t cut_at(uint32_t spare, bool at_start, bool at_end)
{
    return at_start ? 0 : at_end ? spare : spare / 2;
}

static void place_crop(struct mr_plan *plan, const struct mr_image_ops *ops)
{
    uint32_t edges = ops->crop == MR_IMAGE_CROP_EDGES ? ops->edges : 0;
    plan->crop_left = cut_at(plan->width - plan->out_width, edges & MR_IMAGE_EDGE_LEFT, edges & MR_IMAGE_EDGE_RIGHT);
    plan->crop_top = cut_at(plan->height - plan->out_height, edges & MR_IMAGE_EDGE_TOP, edges & MR_IMAGE_EDGE_BOTTOM);
}

/* The last power of two that still leaves both sides at or above the target. The decoder then skips most of its work,
 * and what is left for the resizer is a factor below two. */
static uint32_t jpeg_shrink(const struct mr_image_info *info, const struct mr_plan *plan)
{
    uint32_t shrink = 8;
    while (shrink > 1 && (info->width / shrink < plan->load_width || info->height / shrink < plan->load_height))
        shrink /= 2;
    return shrink;
}

int mr_plan_make(struct mr_plan *out, const struct mr_image_ops *ops, const struct mr_image_info *info,
                 const struct mr_image_limits *limits, struct mr_fault *fault)
{
    MR_ASSERT(info->width > 0 && info->height > 0);
    bool swaps = mr_plan_swaps(info);
    struct size upright = {swaps ? info->height : info->width, swaps ? info->width : info->height};
    struct size resized = fitted(upright, ops);
    bool cut = ops->fit == MR_IMAGE_FIT_CROP && ops->width != 0 && ops->height != 0;
    *out = (struct mr_plan){
        .format = output_format(ops, info),
        .width = (uint32_t)resized.width,
        .height = (uint32_t)resized.height,
        .out_width = (uint32_t)(cut ? (uint64_t)ops->width : resized.width),
        .out_height = (uint32_t)(cut ? (uint64_t)ops->height : resized.height),
        .shrink = 1,
        .scale = 1,
    };
    out->load_width = swaps ? out->height : out->width;
    out->load_height = swaps ? out->width : out->height;
    int err = check_size(resized, out, limits, fault);
    if (err != MR_OK)
        return err;
    place_crop(out, ops);
    if (info->format == MR_IMAGE_JPEG)
        out->shrink = jpeg_shrink(info, out);
    if (info->format == MR_IMAGE_WEBP)
        out->scale =
            MR_MIN(1.0, MR_MAX((double)out->load_width / info->width, (double)out->load_height / info->height));
    return MR_OK;
}
