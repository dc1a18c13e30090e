/* DESIGN: auto=format is decided when a picture's pixels are there and before they are encoded: only they tell whether
 * its transparency is used, and whether it is a drawing. A photograph that came without transparency is not looked at,
 * and flows into its encoder strip by strip like all others. */
#include "media/image/image_pick.h"
#include "media/image/image_run.h"
#include "media/image/image_setup.h"

#include "base/macros.h"

#include <string.h>

/* ---- which one ---- */

static bool is_candidate(enum mr_image_format format, const struct mr_image_ops *ops,
                         const struct mr_image_sight *sight)
{
    return mr_image_ops_picks(ops) & MR_IMAGE_BIT(format) && mr_image_can_write(format) &&
           mr_plan_fits(format, ops, sight->width, sight->height, sight->is_transparent);
}

enum mr_image_format mr_image_pick(const struct mr_image_ops *ops, const struct mr_image_sight *sight)
{
    static const enum mr_image_format photo[] = {MR_IMAGE_AVIF, MR_IMAGE_WEBP, MR_IMAGE_JPEG, MR_IMAGE_PNG};
    static const enum mr_image_format drawing[] = {MR_IMAGE_WEBP, MR_IMAGE_PNG, MR_IMAGE_AVIF, MR_IMAGE_JPEG};
    const enum mr_image_format *order = sight->is_flat || ops->lossless ? drawing : photo;
    for (size_t i = 0; i < MR_ARRAY_SIZE(photo); i++) {
        bool loses_alpha = sight->is_transparent && !mr_plan_has_alpha(order[i]);
        if (!loses_alpha && is_candidate(order[i], ops, sight))
            return order[i];
    }
    /* What is left where formats are forbidden. */
    static const enum mr_image_format rest[] = {MR_IMAGE_JPEG, MR_IMAGE_GIF, MR_IMAGE_TIFF, MR_IMAGE_JXL};
    for (size_t i = 0; i < MR_ARRAY_SIZE(rest); i++)
        if (is_candidate(rest[i], ops, sight))
            return rest[i];
    return MR_IMAGE_UNKNOWN;
}

/* ---- what it is like ---- */

/* Measured on 24 PNG and GIF (screenshots, diagrams, icons, scans, photographs) at their own size, lossless WebP
 * against that of q=80: of 15 with 66 % or more 12 were smaller (0.2 to 0.96 times) and 3, icons with shades, larger
 * (1.3 to 1.7 times); 9 with 55 % or less were larger (2 to 25 times). When they were resized, all were larger: edges
 * are soft. */
enum { FLAT_PERCENT = 60 };

void mr_image_flatness_add(struct mr_image_flatness *flatness, const uint8_t *row, size_t width, size_t bands)
{
    for (size_t x = 1; x < width; x++)
        flatness->same += memcmp(row + x * bands, row + (x - 1) * bands, bands) == 0;
    flatness->pixels += width;
}

bool mr_image_flatness_is_flat(const struct mr_image_flatness *flatness)
{
    return flatness->same * 100 >= flatness->pixels * FLAT_PERCENT;
}

static bool row_is_opaque(const uint8_t *row, size_t width, size_t bands)
{
    for (size_t x = 0; x < width; x++)
        if (row[x * bands + bands - 1] != 255)
            return false;
    return true;
}

/* Drawings that were kept as JPEG have noise around their lines, and are none any more; so are those with soft edges.
 */
static bool may_be_drawing(const struct mr_run *run)
{
    enum mr_image_format format = run->scan.info.format;
    return !run->is_resampled && (format == MR_IMAGE_PNG || format == MR_IMAGE_GIF || format == MR_IMAGE_TIFF);
}

static int look(struct mr_run *run, struct mr_image_sight *sight)
{
    bool has_alpha = vips_image_hasalpha(run->image), may_be_flat = may_be_drawing(run);
    if (!has_alpha && !may_be_flat)
        return MR_OK;
    run->in_memory = false; /* its steps may be yet to come */
    int err = mr_run_to_memory(run);
    if (err != MR_OK)
        return err;
    const VipsImage *image = run->image;
    size_t width = (size_t)image->Xsize, bands = (size_t)image->Bands;
    struct mr_image_flatness flatness = {.same = 0};
    for (size_t y = 0; y < (size_t)image->Ysize; y++) {
        const uint8_t *row = image->data + y * width * bands;
        if (mr_run_is_stopped(run))
            return mr_run_fail(run);
        sight->is_transparent = sight->is_transparent || (has_alpha && !row_is_opaque(row, width, bands));
        if (may_be_flat)
            mr_image_flatness_add(&flatness, row, width, bands);
    }
    sight->is_flat = may_be_flat && mr_image_flatness_is_flat(&flatness);
    return MR_OK;
}

/* ---- the step ---- */

/* Transparency that is not used, or has no place in the format. */
static int drop_alpha(struct mr_run *run, const struct mr_image_sight *sight)
{
    VipsImage *next = NULL;
    if (!vips_image_hasalpha(run->image) || (sight->is_transparent && mr_plan_has_alpha(run->plan.format)))
        return MR_OK;
    if (sight->is_transparent)
        return mr_run_lay_on_white(run);
    int failed = vips_extract_band(run->image, &next, 0, "n", run->image->Bands - 1, NULL);
    return mr_run_step(run, failed, next);
}

static int refuse_pick(struct mr_run *run, const struct mr_image_sight *sight)
{
    uint32_t side = MR_MAX(sight->width, sight->height), most = 0;
    for (enum mr_image_format format = MR_IMAGE_UNKNOWN + 1; format < MR_IMAGE_FORMAT_COUNT; format++)
        if (mr_image_ops_picks(run->ops) & MR_IMAGE_BIT(format) && mr_image_can_write(format))
            most = MR_MAX(most, mr_plan_side_max(format));
    if (side > most)
        return mr_fault_limit(run->fault, MR_EDIMENSION, "image-side", most, side);
    return mr_fault_set(run->fault, MR_EDIMENSION, "The formats that may be picked hold no image of this size.");
}

int mr_run_pick(struct mr_run *run)
{
    if (mr_image_ops_picks(run->ops) == 0)
        return MR_OK;
    struct mr_image_sight sight = {.width = (uint32_t)run->image->Xsize,
                                   .height = (uint32_t)run->image->Ysize / run->plan.frames};
    int err = look(run, &sight);
    if (err != MR_OK)
        return err;
    if (mr_plan_picks(&run->plan, run->ops) != 0)
        run->plan.format = mr_image_pick(run->ops, &sight);
    if (run->plan.format == MR_IMAGE_UNKNOWN)
        return refuse_pick(run, &sight);
    run->picked = *run->ops;
    run->picked.lossless = run->ops->lossless || (sight.is_flat && run->plan.format == MR_IMAGE_WEBP);
    run->ops = &run->picked;
    return drop_alpha(run, &sight);
}
