/* DESIGN: steps that move pixels. All sizes were decided in plan.c, but for those that only the pixels tell: what trim
 * leaves, and the corners of a free rotation. */
#include "media/image/image_resize.h"
#include "media/image/image_run.h"

#include "base/macros.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int extract(struct mr_run *run, VipsRect area)
{
    if (area.left == 0 && area.top == 0 && area.width == run->image->Xsize && area.height == run->image->Ysize)
        return MR_OK;
    VipsImage *next = NULL;
    int failed = vips_extract_area(run->image, &next, area.left, area.top, area.width, area.height, NULL);
    return mr_run_step(run, failed, next);
}

/* EXIF's eight orientations are a turn, then perhaps a mirroring. */
static const struct {
    VipsAngle angle;
    bool mirrored;
} turns[] = {
    [0] = {VIPS_ANGLE_D0, false},   [1] = {VIPS_ANGLE_D0, false},  [2] = {VIPS_ANGLE_D0, true},
    [3] = {VIPS_ANGLE_D180, false}, [4] = {VIPS_ANGLE_D180, true}, [5] = {VIPS_ANGLE_D90, true},
    [6] = {VIPS_ANGLE_D90, false},  [7] = {VIPS_ANGLE_D270, true}, [8] = {VIPS_ANGLE_D270, false},
};

int mr_run_turn_upright(struct mr_run *run)
{
    uint8_t orientation = run->plan.orientation;
    if (orientation <= 1 || orientation > 8)
        return MR_OK;
    VipsImage *next = NULL;
    int err = turns[orientation].angle == VIPS_ANGLE_D0 ? MR_OK : mr_run_to_memory(run);
    if (err == MR_OK && turns[orientation].angle != VIPS_ANGLE_D0) {
        int failed = vips_rot(run->image, &next, turns[orientation].angle, NULL);
        err = mr_run_step(run, failed, next);
    }
    if (err == MR_OK && turns[orientation].mirrored) {
        int failed = vips_flip(run->image, &next, VIPS_DIRECTION_HORIZONTAL, NULL);
        err = mr_run_step(run, failed, next);
    }
    return err;
}

/* What is cut away. Colours count by their alpha: what cannot be seen is no colour. */
struct border {
    uint8_t colour[4];
    int bands, difference;
    bool has_alpha;
};

/* A channel as it weighs in the picture. */
static int level_of(const struct border *border, const uint8_t *pixel, int band)
{
    bool is_colour = border->has_alpha && band < border->bands - 1;
    return is_colour ? (pixel[band] * pixel[border->bands - 1] + 127) / 255 : pixel[band];
}

static bool pixel_differs(const struct border *border, const uint8_t *pixel)
{
    for (int band = 0; band < border->bands; band++)
        if (abs(level_of(border, pixel, band) - level_of(border, border->colour, band)) > border->difference)
            return true;
    return false;
}

static bool row_differs(const struct border *border, const uint8_t *row, int width)
{
    for (int x = 0; x < width; x++)
        if (pixel_differs(border, row + (ptrdiff_t)x * border->bands))
            return true;
    return false;
}

/* Columns are looked at a row at a time, as they lie in memory: *left only shrinks, *right only grows. */
static void widen(const struct border *border, const uint8_t *row, int width, int *left, int *right)
{
    for (int x = 0; x < *left; x++)
        if (pixel_differs(border, row + (ptrdiff_t)x * border->bands))
            *left = x;
    for (int x = width - 1; x > *right; x--)
        if (pixel_differs(border, row + (ptrdiff_t)x * border->bands))
            *right = x;
}

/* A colour of sRGB in the channels of an image that may not be in it: near enough for a border. */
static void write_channels(uint8_t out[4], const VipsImage *image, const struct mr_image_colour *colour)
{
    uint8_t grey = (uint8_t)lround(0.2126 * colour->red + 0.7152 * colour->green + 0.0722 * colour->blue);
    const uint8_t greys[4] = {grey, colour->alpha},
                  colours[4] = {colour->red, colour->green, colour->blue, colour->alpha};
    const uint8_t inks[4] = {255 - colour->red, 255 - colour->green, 255 - colour->blue, 0};
    memcpy(out, image->Bands < 3 ? greys : image->Type == VIPS_INTERPRETATION_CMYK ? inks : colours, 4);
}

/* An image's rows, in any order, some at a time: behind a turn all of them together would be a second copy of it. */
struct rows {
    VipsImage *image;
    VipsRegion *region;
    VipsRect ready; /* height 0: none is */
};

enum { ROWS_READY = 16 };

/* NULL when libvips fails. */
static const uint8_t *fetch_row(struct rows *rows, int y)
{
    VipsRect wanted = {0, y / ROWS_READY * ROWS_READY, rows->image->Xsize, ROWS_READY};
    if (y < rows->ready.top || y >= rows->ready.top + rows->ready.height) {
        if (vips_region_prepare(rows->region, &wanted))
            return NULL;
        rows->ready = rows->region->valid;
    }
    return rows->region->data + (ptrdiff_t)(y - rows->region->valid.top) * rows->region->bpl;
}

/* Whether there is one that could be there. `first` is the top left pixel. */
static bool choose_border(struct border *out, const struct mr_image_ops *ops, VipsImage *image, const uint8_t *first)
{
    static const struct mr_image_colour none = {.given = true};
    bool by_alpha = ops->trim == MR_IMAGE_TRIM_ALPHA, by_colour = ops->trim == MR_IMAGE_TRIM_COLOUR;
    *out = (struct border){
        .bands = image->Bands, .difference = ops->trim_difference, .has_alpha = vips_image_hasalpha(image)};
    if (ops->trim == MR_IMAGE_TRIM_COLOUR_UNLESS_ALPHA) {
        by_alpha = out->has_alpha;
        by_colour = !out->has_alpha;
    }
    memcpy(out->colour, first, (size_t)image->Bands);
    if (by_alpha || (by_colour && ops->trim_colour.given))
        write_channels(out->colour, image, by_alpha ? &none : &ops->trim_colour);
    return out->has_alpha || !by_alpha;
}

/* What is left of the image; all of it where it is nothing but border. 0, or -1 when libvips fails. */
static int find_inside(VipsRect *out, const struct border *border, struct rows *rows)
{
    int width = rows->image->Xsize, height = rows->image->Ysize;
    int top = 0, bottom = height, left = width, right = -1;
    const uint8_t *row = fetch_row(rows, 0);
    while (row != NULL && !row_differs(border, row, width) && ++top < height)
        row = fetch_row(rows, top);
    row = row == NULL ? NULL : fetch_row(rows, height - 1);
    while (row != NULL && bottom > top && !row_differs(border, row, width))
        if (--bottom > top)
            row = fetch_row(rows, bottom - 1);
    for (int y = top; row != NULL && y < bottom; y++) {
        row = fetch_row(rows, y);
        if (row != NULL)
            widen(border, row, width, &left, &right);
    }
    *out = top == bottom ? (VipsRect){0, 0, width, height} : (VipsRect){left, top, right + 1 - left, bottom - top};
    return row == NULL ? -1 : 0;
}

/* Of an animation the first frame decides. */
static int find_trim(struct mr_run *run)
{
    int err = run->trim.width != 0 ? MR_OK : mr_run_to_memory(run);
    if (err != MR_OK || run->trim.width != 0)
        return err;
    VipsImage *image = run->image;
    struct rows rows = {.image = image, .region = vips_region_new(image)};
    const uint8_t *first = rows.region == NULL ? NULL : fetch_row(&rows, 0);
    struct border border;
    VipsRect trim = {0, 0, image->Xsize, image->Ysize};
    bool failed =
        first == NULL || (choose_border(&border, run->ops, image, first) && find_inside(&trim, &border, &rows) != 0);
    VIPS_UNREF(rows.region);
    if (failed)
        return mr_run_fail(run);
    run->trim = trim;
    return MR_OK;
}

/* rect and trim: what is left is the image that the rest is planned for. */
int mr_run_cut_first(struct mr_run *run)
{
    const struct mr_image_ops *ops = run->ops;
    if (!run->plan.cut_first)
        return MR_OK;
    int err = mr_run_turn_upright(run);
    struct mr_plan_area area;
    bool has_rect =
        ops->rect_width != 0 && mr_plan_rect(&area, ops, (uint64_t)run->image->Xsize, (uint64_t)run->image->Ysize);
    if (err == MR_OK && has_rect) /* it is: the plan has refused what lies outside */
        err = extract(run, (VipsRect){(int)area.left, (int)area.top, (int)area.width, (int)area.height});
    if (err == MR_OK && ops->trim) {
        err = find_trim(run);
        if (err == MR_OK)
            err = extract(run, run->trim);
    }
    if (err != MR_OK)
        return err;
    return mr_plan_after_cut(&run->plan, ops, &run->scan.info, (uint32_t)run->image->Xsize, (uint32_t)run->image->Ysize,
                             run->limits, run->fault);
}

static bool is_cut_by_content(const struct mr_plan *plan)
{
    bool is_cut = plan->out_width != plan->width || plan->out_height != plan->height;
    return is_cut && (plan->crop.crop == MR_IMAGE_CROP_ENTROPY || plan->crop.crop == MR_IMAGE_CROP_ATTENTION);
}

/* What is shown of the resized image, which is not yet turned upright: all of it where its pixels are to tell. */
static VipsRect shown_part(const struct mr_plan *plan)
{
    int width = (int)plan->load_width, height = (int)plan->load_height;
    VipsRect cut = {(int)plan->crop_left, (int)plan->crop_top, (int)plan->out_width, (int)plan->out_height};
    if (is_cut_by_content(plan))
        return (VipsRect){0, 0, width, height};
    if (plan->cut_first || plan->orientation > 8)
        return cut;
    if (turns[plan->orientation].mirrored)
        cut.left = (int)plan->width - cut.left - cut.width;
    switch (turns[plan->orientation].angle) {
    case VIPS_ANGLE_D90:
        return (VipsRect){cut.top, height - cut.left - cut.width, cut.height, cut.width};
    case VIPS_ANGLE_D180:
        return (VipsRect){width - cut.left - cut.width, height - cut.top - cut.height, cut.width, cut.height};
    case VIPS_ANGLE_D270:
        return (VipsRect){width - cut.top - cut.height, cut.left, cut.height, cut.width};
    default:
        return cut;
    }
}

/* A cut whose place is known is made here: of a thin image that is enlarged, the rest may be many times what is shown.
 */
int mr_run_resize(struct mr_run *run)
{
    const struct mr_plan *plan = &run->plan;
    int width = (int)plan->load_width;
    int height = (int)plan->load_height;
    VipsRect part = shown_part(plan);
    if (run->image->Xsize == width && run->image->Ysize == height)
        return extract(run, part);
    double span_x = run->image->Xsize;
    double span_y = run->image->Ysize;
    if (plan->shrink > 1) { /* the decoder has dropped what did not fill a whole pixel */
        span_x = (double)run->scan.info.width / plan->shrink;
        span_y = (double)run->scan.info.height / plan->shrink;
    }
    VipsImage *next = (run->ops->linear ? mr_image_resize_part_linear
                                        : mr_image_resize_part)(run->image, span_x, span_y, width, height, part);
    run->in_memory = false;
    run->is_resampled = true;
    return mr_run_step(run, next == NULL, next);
}

/* A cut whose place the pixels of the resized image tell. */
int mr_run_crop(struct mr_run *run)
{
    const struct mr_plan *plan = &run->plan;
    if (!is_cut_by_content(plan))
        return MR_OK;
    int err = mr_run_to_memory(run);
    if (err != MR_OK)
        return err;
    VipsImage *next = NULL;
    VipsInteresting interesting =
        plan->crop.crop == MR_IMAGE_CROP_ENTROPY ? VIPS_INTERESTING_ENTROPY : VIPS_INTERESTING_ATTENTION;
    int failed = vips_smartcrop(run->image, &next, (int)plan->out_width, (int)plan->out_height, "interesting",
                                interesting, NULL);
    return mr_run_step(run, failed, next);
}

/* ---- what is around the image ---- */

/* The colour of filled areas: one that is given, else nothing at all, or white where there is no transparency. A bg
 * that lets something through is laid behind all of it later, and nothing is filled in here. */
static struct mr_image_colour fill_colour(const struct mr_run *run)
{
    const struct mr_image_colour *background = &run->ops->background;
    bool holds_alpha = mr_plan_has_alpha(run->plan.format) || vips_image_hasalpha(run->image);
    if (background->given && (background->alpha == 255 || !holds_alpha))
        return *background;
    const uint8_t level = holds_alpha ? 0 : 255;
    return (struct mr_image_colour){.given = true, .red = level, .green = level, .blue = level, .alpha = level};
}

/* Before an area is filled: alpha if its colour needs it. The colour as libvips takes it, for the image's channels. */
static int prepare_fill(struct mr_run *run, struct mr_image_colour fill, VipsArrayDouble **colour)
{
    if (fill.alpha < 255 && !vips_image_hasalpha(run->image) && mr_plan_has_alpha(run->plan.format)) {
        VipsImage *next = NULL;
        int failed = vips_addalpha(run->image, &next, NULL);
        int err = mr_run_step(run, failed, next);
        if (err != MR_OK)
            return err;
        failed = vips_cast_uchar(run->image, &next, NULL);
        err = mr_run_step(run, failed, next);
        if (err != MR_OK)
            return err;
    }
    if (!vips_image_hasalpha(run->image))
        fill = mr_run_over_white(fill);
    const double channels[] = {fill.red, fill.green, fill.blue, fill.alpha};
    *colour = vips_array_double_new(channels, run->image->Bands);
    return MR_OK;
}

/* The image on a canvas of that size; fill: of the rest, or NULL: the pixels at the image's edge. */
static int embed(struct mr_run *run, VipsRect place, const struct mr_image_colour *fill)
{
    VipsArrayDouble *colour = NULL;
    int err = fill != NULL ? prepare_fill(run, *fill, &colour) : MR_OK;
    if (err != MR_OK)
        return err;
    if (colour == NULL)
        colour = vips_array_double_newv(1, 0.0);
    VipsImage *next = NULL;
    int failed = vips_embed(run->image, &next, place.left, place.top, place.width, place.height, "extend",
                            fill != NULL ? VIPS_EXTEND_BACKGROUND : VIPS_EXTEND_COPY, "background", colour, NULL);
    vips_area_unref(VIPS_AREA(colour));
    return mr_run_step(run, failed, next);
}

/* As much of the image as covers the canvas, blurred. It is cut before it is enlarged: of a thin image that would be
 * many times the canvas. */
static VipsImage *cover(VipsImage *image, int width, int height)
{
    double zoom = MR_MAX((double)width / image->Xsize, (double)height / image->Ysize);
    int wide = MR_MIN(MR_MAX((int)lround(width / zoom), 1), image->Xsize);
    int high = MR_MIN(MR_MAX((int)lround(height / zoom), 1), image->Ysize);
    VipsImage *cut = NULL, *large = NULL, *out = NULL;
    if (vips_extract_area(image, &cut, (image->Xsize - wide) / 2, (image->Ysize - high) / 2, wide, high, NULL) == 0)
        large = mr_image_resize(cut, wide, high, width, height);
    if (large != NULL)
        out = mr_run_blurred(large, MR_MAX(width, height) / 20.0);
    VIPS_UNREF(large);
    VIPS_UNREF(cut);
    return out;
}

static int lay_on_cover(struct mr_run *run, VipsRect place)
{
    VipsImage *next = NULL;
    int err = mr_run_to_memory(run);
    if (err != MR_OK)
        return err;
    VipsImage *under = cover(run->image, place.width, place.height);
    int failed = under == NULL || vips_insert(under, run->image, &next, place.left, place.top, NULL);
    VIPS_UNREF(under);
    run->in_memory = false;
    run->is_resampled = true;
    return mr_run_step(run, failed, next);
}

int mr_run_extend(struct mr_run *run)
{
    int width = (int)run->plan.canvas_width;
    int height = (int)run->plan.canvas_height;
    if (width == run->image->Xsize && height == run->image->Ysize)
        return MR_OK;
    VipsRect place = {(width - run->image->Xsize) / 2, (height - run->image->Ysize) / 2, width, height};
    if (run->ops->fit == MR_IMAGE_FIT_CLAMP) {
        int err = mr_run_to_memory(run);
        return err != MR_OK ? err : embed(run, place, NULL);
    }
    if (run->ops->fill == MR_IMAGE_FILL_BLUR)
        return lay_on_cover(run, place);
    struct mr_image_colour fill = run->ops->fill_colour.given ? run->ops->fill_colour : fill_colour(run);
    return embed(run, place, &fill);
}

int mr_run_pad(struct mr_run *run)
{
    int left = (int)mr_plan_pad(run->ops, MR_IMAGE_LEFT), right = (int)mr_plan_pad(run->ops, MR_IMAGE_RIGHT);
    int top = (int)mr_plan_pad(run->ops, MR_IMAGE_TOP), bottom = (int)mr_plan_pad(run->ops, MR_IMAGE_BOTTOM);
    if (left + right + top + bottom == 0)
        return MR_OK;
    struct mr_image_colour fill = fill_colour(run);
    return embed(run, (VipsRect){left, top, run->image->Xsize + left + right, run->image->Ysize + top + bottom}, &fill);
}

/* A pixel of the image stays, however wide it is. */
int mr_run_border(struct mr_run *run)
{
    int width = run->image->Xsize, height = run->image->Ysize;
    int x = MR_MIN(run->ops->border, (width - 1) / 2), y = MR_MIN(run->ops->border, (height - 1) / 2);
    if (x + y == 0)
        return MR_OK;
    int err = extract(run, (VipsRect){x, y, width - 2 * x, height - 2 * y});
    return err != MR_OK ? err : embed(run, (VipsRect){x, y, width, height}, &run->ops->border_colour);
}

int mr_run_flip(struct mr_run *run)
{
    VipsImage *next = NULL;
    int err = MR_OK;
    if (run->ops->flip & MR_IMAGE_FLIP_H) {
        int failed = vips_flip(run->image, &next, VIPS_DIRECTION_HORIZONTAL, NULL);
        err = mr_run_step(run, failed, next);
    }
    if (err == MR_OK && (run->ops->flip & MR_IMAGE_FLIP_V)) {
        err = mr_run_to_memory(run);
        if (err != MR_OK)
            return err;
        int failed = vips_flip(run->image, &next, VIPS_DIRECTION_VERTICAL, NULL);
        err = mr_run_step(run, failed, next);
    }
    return err;
}

/* Turned about its middle, and enlarged as far as it then covers its own size. */
static int straighten(struct mr_run *run)
{
    int width = run->image->Xsize, height = run->image->Ysize;
    double angle = run->ops->rotation * M_PI / 180, across = fabs(cos(angle)), along = fabs(sin(angle));
    double zoom = MR_MAX(across + along * height / width, across + along * width / height);
    double a = zoom * cos(angle), b = zoom * sin(angle), x = (width - 1) / 2.0, y = (height - 1) / 2.0;
    VipsArrayInt *area = vips_array_int_newv(4, 0, 0, width, height);
    VipsInterpolate *cubic = vips_interpolate_new("bicubic");
    VipsImage *next = NULL, *bytes = NULL;
    int failed = vips_affine(run->image, &next, a, b, -b, a, "interpolate", cubic, "oarea", area, "idx", -x, "idy", -y,
                             "odx", x, "ody", y, "extend", VIPS_EXTEND_COPY, NULL);
    vips_area_unref(VIPS_AREA(area));
    VIPS_UNREF(cubic);
    failed = failed || vips_cast_uchar(next, &bytes, NULL);
    VIPS_UNREF(next);
    run->is_resampled = true;
    return mr_run_step(run, failed, bytes);
}

/* Counter-clockwise; libvips turns clockwise. */
int mr_run_rotate(struct mr_run *run)
{
    double angle = run->ops->rotation;
    if (angle == 0)
        return MR_OK;
    VipsImage *next = NULL;
    int err = mr_run_to_memory(run);
    if (err != MR_OK)
        return err;
    if (mr_plan_is_turned_squarely(run->ops)) {
        VipsAngle turn = angle == 90 ? VIPS_ANGLE_D270 : angle == 180 ? VIPS_ANGLE_D180 : VIPS_ANGLE_D90;
        int failed = vips_rot(run->image, &next, turn, NULL);
        return mr_run_step(run, failed, next);
    }
    if (run->ops->rotation_type == MR_IMAGE_ROT_STRAIGHTEN)
        return straighten(run);
    VipsArrayDouble *colour = NULL;
    err = prepare_fill(run, fill_colour(run), &colour);
    if (err != MR_OK)
        return err;
    int failed = vips_rotate(run->image, &next, -angle, "background", colour, NULL);
    run->is_resampled = true;
    vips_area_unref(VIPS_AREA(colour));
    return mr_run_step(run, failed, next);
}
