/* DESIGN. What the plan will make of a size is asked of the plan itself. It grows with each side, so the largest side
 * that still fits is found by halving, for every angle in the same way. */
#include "base/macros.h"
#include "media/image/plan.h"

enum { SIDE_MAX_GIVEN = 65535 }; /* of w and h */

struct bound {
    const struct mr_image_ops *ops; /* rot and pad */
    uint64_t width, height;
};

/* What becomes of w x h. Where pad leaves nothing of it, it is as if a pixel were left. */
static void output_of(uint64_t *final_width, uint64_t *final_height, const struct mr_image_ops *ops, uint64_t width,
                      uint64_t height)
{
    uint64_t room_x = mr_plan_room(ops, width, true), room_y = mr_plan_room(ops, height, false);
    mr_plan_final_size(final_width, final_height, ops, MR_MAX(room_x, 1), MR_MAX(room_y, 1));
}

static bool is_within(const struct bound *bound, uint64_t width, uint64_t height)
{
    uint64_t final_width, final_height;
    output_of(&final_width, &final_height, bound->ops, width, height);
    return final_width <= bound->width && final_height <= bound->height;
}

static int refuse_size(const struct bound *bound, uint64_t width, uint64_t height, struct mr_fault *fault)
{
    uint64_t final_width, final_height;
    output_of(&final_width, &final_height, bound->ops, width, height);
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
    uint64_t length = mr_plan_asked_side(side, dpr, 0), beside = other != 0 ? other : length;
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

/* Is each side of the output of one side of w x h? Turned squarely it is, and where corners are zoomed away. */
static bool sides_are_apart(const struct mr_image_ops *ops)
{
    return mr_plan_is_turned_squarely(ops) || ops->rotation_type == MR_IMAGE_ROT_STRAIGHTEN;
}

/* Neither side is given. */
static int bound_whole(struct mr_image_ops *ops, const struct bound *bound, struct mr_fault *fault)
{
    uint64_t other = sides_are_apart(ops) ? 1 : 0;
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
    uint64_t width = mr_plan_asked_side(ops->width, ops->dpr, 0), height = mr_plan_asked_side(ops->height, ops->dpr, 0);
    bool is_width = width == 0;
    int32_t side = longest_side(bound, ops->dpr, is_width, is_width ? height : width);
    if (side == 0)
        return refuse_size(bound, MR_MAX(width, 1), MR_MAX(height, 1), fault);
    *(is_width ? &ops->width : &ops->height) = side;
    if (ops->fit != MR_IMAGE_FIT_MAX)
        ops->fit = MR_IMAGE_FIT_CLIP;
    return MR_OK;
}

static void bound_side(int32_t *most, int32_t side)
{
    *most = *most == 0 ? side : MR_MIN(*most, side);
}

/* What only the image tells: parts of it, the proportions of ar, sides that are bounded already. The sides that are
 * given in pixels must fit, and the bound is as if max-w and max-h, which are the output's, said so. */
static int bound_open(struct mr_image_ops *ops, const struct bound *bound, struct mr_fault *fault)
{
    const bool swaps = mr_plan_swaps_sides(ops);
    uint64_t asked_width = ops->width < 1 ? 1 : mr_plan_asked_side(ops->width, ops->dpr, 0);
    uint64_t asked_height = ops->height < 1 ? 1 : mr_plan_asked_side(ops->height, ops->dpr, 0);
    uint64_t other = sides_are_apart(ops) ? 1 : 0;
    int32_t width = longest_side(bound, 1, true, other), height = longest_side(bound, 1, false, other);
    asked_width = MR_MAX(asked_width, (uint64_t)(swaps ? ops->min_height : ops->min_width));
    asked_height = MR_MAX(asked_height, (uint64_t)(swaps ? ops->min_width : ops->min_height));
    if (other == 0)
        asked_width = asked_height = MR_MAX(asked_width, asked_height);
    if (width == 0 || height == 0 || asked_width > (uint64_t)width || asked_height > (uint64_t)height)
        return refuse_size(bound, asked_width, asked_height, fault);
    bound_side(&ops->max_width, swaps ? height : width);
    bound_side(&ops->max_height, swaps ? width : height);
    return MR_OK;
}

int mr_image_ops_bound(struct mr_image_ops *ops, uint32_t width, uint32_t height, struct mr_fault *fault)
{
    const struct bound bound = {.ops = ops, .width = width, .height = height};
    bool has_part = (ops->width > 0 && ops->width < 1) || (ops->height > 0 && ops->height < 1);
    if (has_part || mr_plan_is_bounded(ops) || mr_plan_has_ratio(ops))
        return bound_open(ops, &bound, fault);
    if (ops->width == 0 && ops->height == 0)
        return bound_whole(ops, &bound, fault);
    if (ops->width == 0 || ops->height == 0)
        return bound_other(ops, &bound, fault);
    uint64_t asked_width = mr_plan_asked_side(ops->width, ops->dpr, 0);
    uint64_t asked_height = mr_plan_asked_side(ops->height, ops->dpr, 0);
    return is_within(&bound, asked_width, asked_height) ? MR_OK : refuse_size(&bound, asked_width, asked_height, fault);
}
