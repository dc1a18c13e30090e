/* DESIGN. What the plan will make of a size is asked of the plan itself. It grows with each side, so the largest side
 * that still fits is found by halving, for every angle in the same way. */
#include "base/macros.h"
#include "media/image/plan.h"

enum { SIDE_MAX_GIVEN = 65535 }; /* of w and h */

struct bound {
    const struct mr_image_ops *ops; /* rot and pad */
    uint64_t width, height;
};

static bool is_within(const struct bound *bound, uint64_t width, uint64_t height)
{
    uint64_t final_width, final_height;
    mr_plan_final_size(&final_width, &final_height, bound->ops, width, height);
    return final_width <= bound->width && final_height <= bound->height;
}

static int refuse_size(const struct bound *bound, uint64_t width, uint64_t height, struct mr_fault *fault)
{
    uint64_t final_width, final_height;
    mr_plan_final_size(&final_width, &final_height, bound->ops, width, height);
    bool is_wide = final_width > bound->width;
    uint64_t limit = is_wide ? bound->width : bound->height, value = is_wide ? final_width : final_height;
    int err = mr_fault_set(fault, MR_EPARAM, "The image would be %llu px %s, and --max-size allows %llux%llu.",
                           (unsigned long long)value, is_wide ? "wide" : "high", (unsigned long long)bound->width,
                           (unsigned long long)bound->height);
    if (fault != NULL) {
        fault->limit_name = "max-size";
        fault->limit = limit;
        fault->value = value;
    }
    return err;
}

/* Of the sides of a box: what stands for `side`, when `other` (px; 0: as long as it) is the other one. */
static bool fits_side(const struct bound *bound, int32_t side, double dpr, bool is_width, uint64_t other)
{
    uint64_t length = mr_plan_asked_side(side, dpr), beside = other != 0 ? other : length;
    return is_within(bound, is_width ? length : beside, is_width ? beside : length);
}

/* The longest side that fits; 0: none does. */
static int32_t longest_side(const struct bound *bound, double dpr, bool is_width, uint64_t other)
{
    int32_t fits = 0, too_long = SIDE_MAX_GIVEN + 1;
    while (too_long - fits > 1) {
        int32_t middle = (fits + too_long) / 2;
        if (fits_side(bound, middle, dpr, is_width, other))
            fits = middle;
        else
            too_long = middle;
    }
    return fits;
}

/* Neither side is given. A right angle leaves each of them to itself. */
static int bound_whole(struct mr_image_ops *ops, const struct bound *bound, struct mr_fault *fault)
{
    bool is_right = ops->rotation == 0 || ops->rotation == 90 || ops->rotation == 180 || ops->rotation == 270;
    uint64_t other = is_right ? 1 : 0;
    int32_t width = longest_side(bound, 1, true, other), height = longest_side(bound, 1, false, other);
    if (width == 0 || height == 0)
        return refuse_size(bound, 1, 1, fault);
    ops->width = width;
    ops->height = height;
    ops->dpr = 1;
    ops->fit = MR_IMAGE_FIT_MAX;
    return MR_OK;
}

/* With one side given every fit is as clip, but for max. */
static int bound_other(struct mr_image_ops *ops, const struct bound *bound, struct mr_fault *fault)
{
    uint64_t width = mr_plan_asked_side(ops->width, ops->dpr), height = mr_plan_asked_side(ops->height, ops->dpr);
    bool is_width = width == 0;
    int32_t side = longest_side(bound, ops->dpr, is_width, is_width ? height : width);
    if (side == 0)
        return refuse_size(bound, MR_MAX(width, 1), MR_MAX(height, 1), fault);
    *(is_width ? &ops->width : &ops->height) = side;
    if (ops->fit != MR_IMAGE_FIT_MAX)
        ops->fit = MR_IMAGE_FIT_CLIP;
    return MR_OK;
}

int mr_image_ops_bound(struct mr_image_ops *ops, uint32_t width, uint32_t height, struct mr_fault *fault)
{
    const struct bound bound = {.ops = ops, .width = width, .height = height};
    if (ops->width == 0 && ops->height == 0)
        return bound_whole(ops, &bound, fault);
    if (ops->width == 0 || ops->height == 0)
        return bound_other(ops, &bound, fault);
    uint64_t asked_width = mr_plan_asked_side(ops->width, ops->dpr);
    uint64_t asked_height = mr_plan_asked_side(ops->height, ops->dpr);
    return is_within(&bound, asked_width, asked_height) ? MR_OK : refuse_size(&bound, asked_width, asked_height, fault);
}
