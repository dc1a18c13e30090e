#include "media/image/plan.h"

#include "base/assert.h"
#include "base/macros.h"
#include "media/image/effort.h"
#include "media/image/image_setup.h"

#include <math.h>
#include <string.h>

enum {
    LOOKED_AT_MAX = 64,          /* times what is shown */
    COLOURED_MAX = 4000000,      /* px of an output whose colours are looked at */
    RESIZED_SIDE_MAX = 10000000, /* px: libvips' bound. A cut of it may well be small enough to be written */
    ASKED_SIDE_MAX = 65535,
    PHOTO_RATIO_MAX = 8 /* of the decoded image to the output: above it a box filter is to go first */
};

struct size {
    uint64_t width, height;
};

/* value * by / over, to nearest, at least 1. The sides are below 2^17, so nothing overflows. */
static uint64_t scaled(uint64_t value, uint64_t by, uint64_t over)
{
    return MR_MAX((value * by + over / 2) / over, 1);
}

uint64_t mr_plan_asked_side(double side, double dpr, uint64_t whole)
{
    double px = side < 1 ? side * (double)whole : side;
    return side == 0 ? 0 : (uint64_t)MR_MIN(MR_MAX(lround(px * dpr), 1), ASKED_SIDE_MAX);
}

bool mr_plan_is_bounded(const struct mr_image_ops *ops)
{
    return ops->min_width != 0 || ops->min_height != 0 || ops->max_width != 0 || ops->max_height != 0;
}

bool mr_plan_has_ratio(const struct mr_image_ops *ops)
{
    bool has_two_sides = ops->fit != MR_IMAGE_FIT_CLIP && ops->fit != MR_IMAGE_FIT_MAX;
    return ops->ratio != 0 && has_two_sides && (ops->width == 0 || ops->height == 0);
}

bool mr_plan_is_turned_squarely(const struct mr_image_ops *ops)
{
    return fmod(ops->rotation, 90) == 0;
}

bool mr_plan_swaps_sides(const struct mr_image_ops *ops)
{
    return fmod(ops->rotation, 180) == 90;
}

uint32_t mr_plan_pad(const struct mr_image_ops *ops, int side)
{
    return (uint32_t)(ops->pads[side] < 0 ? ops->pad : ops->pads[side]);
}

static struct size pads_of(const struct mr_image_ops *ops)
{
    return (struct size){(uint64_t)mr_plan_pad(ops, MR_IMAGE_LEFT) + mr_plan_pad(ops, MR_IMAGE_RIGHT),
                         (uint64_t)mr_plan_pad(ops, MR_IMAGE_TOP) + mr_plan_pad(ops, MR_IMAGE_BOTTOM)};
}

uint64_t mr_plan_room(const struct mr_image_ops *ops, uint64_t side, bool is_width)
{
    struct size pads = pads_of(ops);
    bool is_across = is_width != mr_plan_swaps_sides(ops); /* room is added when the image is turned */
    uint64_t taken = is_across ? pads.width : pads.height;
    return side <= taken ? 0 : side - taken;
}

/* The size with the proportions of `in` that lies inside `box`, or covers it. One side of the box may be 0: then it
 * follows from the other. */
static struct size fitted(struct size in, struct size box, bool cover)
{
    if (box.width == 0 && box.height == 0)
        return in;
    bool width_is_tighter = box.width * in.height <= box.height * in.width;
    bool by_width = box.height == 0 || (box.width != 0 && width_is_tighter != cover);
    return by_width ? (struct size){box.width, scaled(in.height, box.width, in.width)}
                    : (struct size){scaled(in.width, box.height, in.height), box.height};
}

static bool is_larger(struct size a, struct size b)
{
    return a.width > b.width || a.height > b.height;
}

/* w x h where ar says one of them, or both: then as much of the image as it can be. */
static struct size with_ratio(struct size box, double ratio, struct size in)
{
    if (box.width == 0 && box.height == 0) {
        box.width = (uint64_t)MR_MAX(lround(MR_MIN((double)in.width, (double)in.height * ratio)), 1);
        box.height = (uint64_t)MR_MAX(lround(MR_MIN((double)in.height, (double)in.width / ratio)), 1);
    } else if (box.width == 0) {
        box.width = (uint64_t)MR_MIN(MR_MAX(lround((double)box.height * ratio), 1), ASKED_SIDE_MAX);
    } else {
        box.height = (uint64_t)MR_MIN(MR_MAX(lround((double)box.width / ratio), 1), ASKED_SIDE_MAX);
    }
    return box;
}

static uint64_t bounded(uint64_t side, uint64_t least, uint64_t most)
{
    side = MR_MAX(side, least);
    return most == 0 ? side : MR_MIN(side, most);
}

/* What two sides of the output are for the image before it is turned, without the room at the sides. 0: not given. */
static struct size before_turn(const struct mr_image_ops *ops, int32_t width, int32_t height)
{
    bool swaps = mr_plan_swaps_sides(ops);
    return (struct size){mr_plan_room(ops, (uint64_t)(swaps ? height : width), true),
                         mr_plan_room(ops, (uint64_t)(swaps ? width : height), false)};
}

/* min-w and its like: each side by itself, but with ar both together where they are too long. */
static struct size box_within(struct size box, const struct mr_image_ops *ops, struct size in)
{
    struct size most = before_turn(ops, ops->max_width, ops->max_height);
    struct size least = before_turn(ops, ops->min_width, ops->min_height);
    if (box.width == 0 || box.height == 0)
        box = fitted(in, box, false);
    bool is_too_long = (most.width != 0 && box.width > most.width) || (most.height != 0 && box.height > most.height);
    if (mr_plan_has_ratio(ops) && is_too_long)
        box = fitted(box, most, false);
    return (struct size){bounded(box.width, least.width, most.width), bounded(box.height, least.height, most.height)};
}

/* Along one side, as it is before the image is turned: of two the one that takes more. */
static int refuse_pad(const struct mr_image_ops *ops, bool is_width, struct mr_fault *fault)
{
    static const char *const names[] = {[MR_IMAGE_LEFT] = "pad-left",
                                        [MR_IMAGE_RIGHT] = "pad-right",
                                        [MR_IMAGE_TOP] = "pad-top",
                                        [MR_IMAGE_BOTTOM] = "pad-bottom"};
    bool is_across = is_width != mr_plan_swaps_sides(ops);
    int side = is_across ? MR_IMAGE_LEFT : MR_IMAGE_TOP, other = is_across ? MR_IMAGE_RIGHT : MR_IMAGE_BOTTOM;
    if (mr_plan_pad(ops, other) > mr_plan_pad(ops, side))
        side = other;
    return mr_fault_set(fault, MR_EPARAM, "%s leaves no room for the image.",
                        ops->pads[side] < 0 ? "pad" : names[side]);
}

static int check_pads(const struct mr_image_ops *ops, struct size box, struct size room, struct mr_fault *fault)
{
    struct size most = before_turn(ops, ops->max_width, ops->max_height);
    bool swaps = mr_plan_swaps_sides(ops);
    bool is_bounded_across = (swaps ? ops->max_height : ops->max_width) != 0;
    bool is_bounded_along = (swaps ? ops->max_width : ops->max_height) != 0;
    if ((box.width != 0 && room.width == 0) || (is_bounded_across && most.width == 0))
        return refuse_pad(ops, true, fault);
    if ((box.height != 0 && room.height == 0) || (is_bounded_along && most.height == 0))
        return refuse_pad(ops, false, fault);
    return MR_OK;
}

/* What the image is fitted into: a side of it that nothing says is 0. Room at the sides lies within w x h. */
static int box_of(struct size *out, const struct mr_image_ops *ops, struct size in, struct mr_fault *fault)
{
    struct size box = {mr_plan_asked_side(ops->width, ops->dpr, in.width),
                       mr_plan_asked_side(ops->height, ops->dpr, in.height)};
    if (mr_plan_has_ratio(ops))
        box = with_ratio(box, ops->ratio, in);
    struct size room = {mr_plan_room(ops, box.width, true), mr_plan_room(ops, box.height, false)};
    int err = check_pads(ops, box, room, fault);
    if (err == MR_OK)
        *out = mr_plan_is_bounded(ops) ? box_within(room, ops, in) : room;
    return err;
}

/* Sizes of the resized image, of its cut, and of the canvas that the cut is laid on. */
static void plan_sizes(struct mr_plan *plan, const struct mr_image_ops *ops, struct size in, struct size box)
{
    bool both = box.width != 0 && box.height != 0;
    bool cover = both && (ops->fit == MR_IMAGE_FIT_CROP || ops->fit == MR_IMAGE_FIT_MIN);
    struct size resized = fitted(in, box, cover);
    if (both && ops->fit == MR_IMAGE_FIT_SCALE)
        resized = box;
    bool keeps_small = ops->fit == MR_IMAGE_FIT_MAX || (both && ops->fit == MR_IMAGE_FIT_FILLMAX);
    if (keeps_small && is_larger(resized, in))
        resized = in;
    if (cover && ops->fit == MR_IMAGE_FIT_MIN && is_larger(resized, in)) {
        box.width = MR_MIN(scaled(box.width, in.width, resized.width), in.width);
        box.height = MR_MIN(scaled(box.height, in.height, resized.height), in.height);
        resized = in;
    }
    struct size cut = cover ? box : resized;
    bool extended =
        both && (ops->fit == MR_IMAGE_FIT_FILL || ops->fit == MR_IMAGE_FIT_FILLMAX || ops->fit == MR_IMAGE_FIT_CLAMP);
    struct size canvas = extended ? box : cut;
    plan->width = (uint32_t)resized.width;
    plan->height = (uint32_t)resized.height;
    plan->out_width = (uint32_t)cut.width;
    plan->out_height = (uint32_t)cut.height;
    plan->canvas_width = (uint32_t)canvas.width;
    plan->canvas_height = (uint32_t)canvas.height;
}

void mr_plan_final_size(uint64_t *final_width, uint64_t *final_height, const struct mr_image_ops *ops, uint64_t width,
                        uint64_t height)
{
    double angle = ops->rotation * M_PI / 180;
    double across = fabs(cos(angle)), along = fabs(sin(angle));
    struct size pads = pads_of(ops);
    if (mr_plan_is_turned_squarely(ops) || ops->rotation_type == MR_IMAGE_ROT_PIVOT) {
        uint64_t spare = mr_plan_is_turned_squarely(ops) ? 0 : 2; /* for how libvips rounds */
        *final_width = (uint64_t)lround((double)width * across + (double)height * along) + spare;
        *final_height = (uint64_t)lround((double)width * along + (double)height * across) + spare;
    } else {
        *final_width = width;
        *final_height = height;
    }
    *final_width += pads.width;
    *final_height += pads.height;
}

/* Is it an animation, from which no frame was chosen? */
static bool moves(const struct mr_image_ops *ops, const struct mr_image_info *info)
{
    return (info->format == MR_IMAGE_GIF || info->format == MR_IMAGE_WEBP) && info->frames > 1 && ops->frame == 0;
}

/* auto=format, as far as it is known before a pixel is. An animation is never made a picture: UNKNOWN, then. */
static enum mr_image_format picked_format(const struct mr_image_ops *ops, const struct mr_image_info *info)
{
    uint32_t picks = mr_image_ops_picks(ops);
    if (!moves(ops, info))
        return MR_IMAGE_PNG;
    if (picks & MR_IMAGE_BIT(MR_IMAGE_WEBP))
        return MR_IMAGE_WEBP;
    return picks & MR_IMAGE_BIT(MR_IMAGE_GIF) ? MR_IMAGE_GIF : MR_IMAGE_UNKNOWN;
}

static enum mr_image_format allowed_format(const struct mr_image_ops *ops, enum mr_image_format format)
{
    return ops->formats == 0 || (ops->formats & MR_IMAGE_BIT(format)) != 0 ? format : ops->fallback;
}

static enum mr_image_format output_format(const struct mr_image_ops *ops, const struct mr_image_info *info)
{
    if (ops->format != MR_IMAGE_UNKNOWN)
        return ops->format;
    if (mr_image_ops_picks(ops) != 0)
        return picked_format(ops, info);
    /* Browsers show no TIFF; HEVC is read but not written, and there may be no encoder for AVIF. */
    if (info->format != MR_IMAGE_TIFF && info->format != MR_IMAGE_HEIF && mr_image_can_write(info->format))
        return allowed_format(ops, info->format);
    return allowed_format(ops, info->alpha ? MR_IMAGE_PNG : MR_IMAGE_JPEG);
}

enum mr_image_format mr_image_default_format(const char *type)
{
    struct mr_image_ops ops;
    struct mr_image_info info = {.format = MR_IMAGE_JPEG};
    mr_image_ops_init(&ops);
    while (info.format < MR_IMAGE_FORMAT_COUNT && strcmp(type, mr_image_media_type(info.format)) != 0)
        info.format++;
    if (info.format == MR_IMAGE_FORMAT_COUNT)
        return MR_IMAGE_UNKNOWN;
    enum mr_image_format opaque = output_format(&ops, &info);
    info.alpha = true;
    return output_format(&ops, &info) == opaque ? opaque : MR_IMAGE_UNKNOWN;
}

uint32_t mr_plan_side_max(enum mr_image_format format)
{
    switch (format) {
    case MR_IMAGE_JPEG:
        return 65500; /* libjpeg's own bound, a little under the format's */
    case MR_IMAGE_WEBP:
        return 16383;
    case MR_IMAGE_AVIF:
        return 16384;
    default:
        return 65535;
    }
}

bool mr_plan_fits(enum mr_image_format format, const struct mr_image_ops *ops, uint64_t width, uint64_t height,
                  bool alpha)
{
    const char *limit;
    return MR_MAX(width, height) <= mr_plan_side_max(format) &&
           width * height <= mr_effort_pixels_max(format, ops, alpha, &limit);
}

bool mr_plan_looks_at_colours(const struct mr_plan *plan, const struct mr_image_ops *ops,
                              const struct mr_image_info *info)
{
    static const uint32_t halved = MR_IMAGE_BIT(MR_IMAGE_JPEG) | MR_IMAGE_BIT(MR_IMAGE_AVIF);
    uint32_t picks = mr_plan_picks(plan, ops), formats = picks != 0 ? picks : MR_IMAGE_BIT(plan->format);
    bool is_open = ops->chroma == MR_IMAGE_CHROMA_AUTO && !mr_image_ops_wants_full_chroma(ops);
    return is_open && (formats & halved) != 0 && info->bands >= 3 && !info->halves_colours &&
           plan->final_width * plan->final_height <= COLOURED_MAX;
}

bool mr_plan_adds_alpha(const struct mr_plan *plan, const struct mr_image_ops *ops)
{
    bool is_larger = plan->final_width != plan->out_width || plan->final_height != plan->out_height;
    return mr_plan_has_alpha(plan->format) && (is_larger || (ops->border > 0 && ops->border_colour.alpha < 255));
}

/* What an encoder that nothing stops may be given, frame by frame. */
static int check_effort(const struct mr_plan *plan, const struct mr_image_ops *ops, bool alpha, struct mr_fault *fault)
{
    uint64_t pixels = MR_MAX(plan->final_width * plan->final_height, (uint64_t)plan->out_width * plan->out_height);
    const char *limit = NULL;
    uint64_t most = mr_effort_pixels_max(plan->format, ops, alpha || mr_plan_adds_alpha(plan, ops), &limit);
    return pixels <= most ? MR_OK : mr_fault_limit(fault, MR_EPIXELS, limit, most, pixels);
}

static int check_size(const struct mr_plan *plan, const struct mr_image_limits *limits, struct mr_fault *fault)
{
    /* Each side is below 2^33, and frames come last: nothing overflows before it is refused. */
    uint64_t longest =
        MR_MAX((uint64_t)MR_MAX(plan->width, plan->height), MR_MAX(plan->final_width, plan->final_height));
    uint64_t pixels = MR_MAX((uint64_t)plan->width * plan->height, (uint64_t)plan->canvas_width * plan->canvas_height);
    if (longest <= RESIZED_SIDE_MAX)
        pixels = MR_MAX(pixels, plan->final_width * plan->final_height);
    if (pixels > limits->pixels / plan->frames)
        return mr_fault_limit(fault, MR_EPIXELS, "max-pixels", limits->pixels, pixels * plan->frames);
    longest = MR_MAX(longest, plan->final_height * plan->frames); /* frames are one tall strip in libvips */
    if (longest > RESIZED_SIDE_MAX)
        return mr_fault_limit(fault, MR_EPIXELS, "image-side", RESIZED_SIDE_MAX, longest);
    uint64_t side = MR_MAX(plan->final_width, plan->final_height);
    if (side > mr_plan_side_max(plan->format))
        return mr_fault_limit(fault, MR_EDIMENSION, "image-side", mr_plan_side_max(plan->format), side);
    return MR_OK;
}

/* The place of the cut along one axis: at its start, its end, around a point, or in the middle. */
static uint32_t cut_at(uint32_t whole, uint32_t part, bool at_start, bool at_end, double focus)
{
    uint32_t spare = whole - part;
    if (at_start || at_end)
        return at_end ? spare : 0;
    double left = floor(whole * focus - part / 2.0);
    return (uint32_t)MR_MIN(MR_MAX(left, 0), (double)spare);
}

/* Frames that are cut by content, each for itself, would jump about; and of a thin image that is enlarged far more
 * would be looked at than is shown. */
static bool can_look(const struct mr_plan *plan)
{
    uint64_t shown = (uint64_t)plan->out_width * plan->out_height;
    return plan->frames == 1 && (uint64_t)plan->width * plan->height <= LOOKED_AT_MAX * shown;
}

/* A focal point that stands alone is the middle where it is not given. */
static struct mr_image_crop_way possible_crop(const struct mr_plan *plan, const struct mr_image_ops *ops)
{
    for (int i = 0; i < MR_IMAGE_CROPS; i++) {
        enum mr_image_crop crop = ops->crops[i].crop;
        bool by_content = crop == MR_IMAGE_CROP_ENTROPY || crop == MR_IMAGE_CROP_ATTENTION;
        if (by_content ? can_look(plan) : crop != MR_IMAGE_CROP_FOCALPOINT || ops->has_focus)
            return ops->crops[i];
    }
    return (struct mr_image_crop_way){.crop = MR_IMAGE_CROP_CENTRE};
}

static void place_crop(struct mr_plan *plan, const struct mr_image_ops *ops)
{
    plan->crop = possible_crop(plan, ops);
    uint32_t edges = plan->crop.crop == MR_IMAGE_CROP_EDGES ? plan->crop.edges : 0;
    bool by_focus = plan->crop.crop == MR_IMAGE_CROP_FOCALPOINT;
    plan->crop_left = cut_at(plan->width, plan->out_width, edges & MR_IMAGE_EDGE_LEFT, edges & MR_IMAGE_EDGE_RIGHT,
                             by_focus ? ops->focus_x : 0.5);
    plan->crop_top = cut_at(plan->height, plan->out_height, edges & MR_IMAGE_EDGE_TOP, edges & MR_IMAGE_EDGE_BOTTOM,
                            by_focus ? ops->focus_y : 0.5);
}

/* Does a side that is decoded at 1/shrink leave the resizer enough? What it brings down by a few per cent becomes soft.
 * Careful leaves a factor of two at least. */
static bool leaves_enough(uint32_t side, uint32_t target, uint32_t shrink, int32_t care)
{
    uint32_t least = care == MR_IMAGE_SHRINK_CAREFUL ? 2 * shrink : shrink + 1;
    return side >= (uint64_t)least * target;
}

/* The decoder skips most of its work: the largest power of two that leaves enough. */
static uint32_t jpeg_shrink(const struct mr_image_info *info, const struct mr_plan *plan, int32_t care)
{
    uint32_t shrink = 8;
    while (shrink > 1 && !(leaves_enough(info->width, plan->load_width, shrink, care) &&
                           leaves_enough(info->height, plan->load_height, shrink, care)))
        shrink /= 2;
    return shrink;
}

static double webp_scale(const struct mr_image_info *info, const struct mr_plan *plan, int32_t care)
{
    double spare = care == MR_IMAGE_SHRINK_CAREFUL ? 2 : 1;
    double scale = MR_MAX((double)plan->load_width / info->width, (double)plan->load_height / info->height);
    return MR_MIN(1.0, spare * scale);
}

/* An animation stays one when nothing says otherwise and the output can hold it. */
static uint32_t frames_of(const struct mr_plan *plan, const struct mr_image_ops *ops, const struct mr_image_info *info)
{
    bool moves_out = plan->format == MR_IMAGE_GIF || plan->format == MR_IMAGE_WEBP;
    return moves(ops, info) && moves_out ? info->frames : 1;
}

/* An error with a text of its own and the numbers beside it. */
static int refuse(struct mr_fault *fault, enum mr_error error, const char *text, const char *limit_name, uint64_t limit,
                  uint64_t value)
{
    mr_fault_set(fault, error, "%s", text);
    if (fault != NULL) {
        fault->limit_name = limit_name;
        fault->limit = limit;
        fault->value = value;
    }
    return error;
}

/* libpng reads the default image of an animated PNG, and none of its frames. */
static uint32_t frames_readable(const struct mr_image_info *info)
{
    return info->format == MR_IMAGE_PNG ? 1 : info->frames;
}

/* A frame of an animation is drawn over those before it. Of all other formats one is decoded. */
static uint32_t frames_decoded(const struct mr_plan *plan, const struct mr_image_ops *ops,
                               const struct mr_image_info *info)
{
    bool is_drawn_over = info->format == MR_IMAGE_GIF || info->format == MR_IMAGE_WEBP;
    return is_drawn_over ? MR_MAX(plan->frames, (uint32_t)MR_MAX(ops->frame, 1)) : 1;
}

static int check_frames(const struct mr_plan *plan, const struct mr_image_ops *ops, const struct mr_image_info *info,
                        const struct mr_image_limits *limits, struct mr_fault *fault)
{
    static const char advice[] = "Too many frames would be decoded; frame=1 is a picture of the first.";
    uint64_t frames = frames_decoded(plan, ops, info), pixels = (uint64_t)info->width * info->height * frames;
    if (ops->frame > 0 && (uint32_t)ops->frame > frames_readable(info))
        return refuse(fault, MR_EPARAM,
                      ops->is_frame_a_page ? "page: the image has no such page, or none that is read."
                                           : "frame: the image has no such frame, or none that is read.",
                      "frames", frames_readable(info), (uint64_t)ops->frame);
    if (frames > limits->frames)
        return refuse(fault, MR_EFRAMES, advice, "max-frames", limits->frames, frames);
    if (frames > 1 && pixels > limits->pixels)
        return refuse(fault, MR_EPIXELS, advice, "max-pixels", limits->pixels, pixels);
    return MR_OK;
}

static uint64_t rect_place(double place, uint64_t whole, uint64_t part)
{
    uint64_t spare = whole > part ? whole - part : 0;
    if (place < 0)
        return place == MR_IMAGE_RECT_MIDDLE ? spare / 2 : spare;
    return (uint64_t)lround(place < 1 ? place * (double)whole : place);
}

bool mr_plan_rect(struct mr_plan_area *out, const struct mr_image_ops *ops, uint64_t width, uint64_t height)
{
    out->left = rect_place(ops->rect_left, width, (uint64_t)ops->rect_width);
    out->top = rect_place(ops->rect_top, height, (uint64_t)ops->rect_height);
    if (out->left >= width || out->top >= height)
        return false;
    out->width = MR_MIN((uint64_t)ops->rect_width, width - out->left);
    out->height = MR_MIN((uint64_t)ops->rect_height, height - out->top);
    return true;
}

static int cut_rect(struct size *size, const struct mr_image_ops *ops, struct mr_fault *fault)
{
    struct mr_plan_area area;
    if (!mr_plan_rect(&area, ops, size->width, size->height))
        return mr_fault_set(fault, MR_EPARAM, "rect lies outside of the image.");
    *size = (struct size){area.width, area.height};
    return MR_OK;
}

/* Are pixels mixed and moved by the resizer alone, and is no metadata kept? */
static bool asks_for_size_alone(const struct mr_image_ops *ops)
{
    bool is_levelled = ops->exposure != 0 || ops->brightness != 0 || ops->contrast != 0 || ops->gamma != 0 ||
                       ops->highlights != 0 || ops->shadows != 0 || ops->invert;
    bool is_coloured = ops->saturation != 0 || ops->hue != 0 || ops->sepia != 0 || ops->vibrance != 0 ||
                       ops->mono.given || ops->icc != MR_IMAGE_ICC_SRGB;
    bool is_filtered = ops->blur != 0 || ops->sharpness != 0 || ops->unsharp != 0;
    bool is_moved = ops->flip != MR_IMAGE_FLIP_NONE || ops->rotation != 0 || ops->border != 0;
    return ops->strip && !ops->linear && !is_levelled && !is_coloured && !is_filtered && !is_moved;
}

/* Whatever is not plain goes the way that all other formats go. */
static bool goes_as_photo(const struct mr_plan *plan, const struct mr_image_ops *ops, const struct mr_image_info *info)
{
    bool is_cut = plan->out_width != plan->width || plan->out_height != plan->height;
    bool by_content = plan->crop.crop == MR_IMAGE_CROP_ENTROPY || plan->crop.crop == MR_IMAGE_CROP_ATTENTION;
    bool is_extended = plan->final_width != plan->out_width || plan->final_height != plan->out_height;
    bool is_enlarged = plan->load_width > info->width || plan->load_height > info->height;
    uint64_t least_width = (uint64_t)PHOTO_RATIO_MAX * plan->shrink * plan->load_width;
    uint64_t least_height = (uint64_t)PHOTO_RATIO_MAX * plan->shrink * plan->load_height;
    bool is_far = info->width > least_width || info->height > least_height;
    return info->plain && plan->format == MR_IMAGE_JPEG && mr_plan_picks(plan, ops) == 0 && !plan->cut_first &&
           !(is_cut && by_content) && !is_extended && !is_enlarged && !is_far && asks_for_size_alone(ops);
}

/* Quantising takes time, and what was enlarged has more shades than before. */
static bool wants_palette(const struct mr_plan *plan, const struct mr_image_ops *ops, const struct mr_image_info *info,
                          struct size upright)
{
    int32_t palette = mr_image_ops_palette(ops);
    const char *limit;
    if (palette != MR_IMAGE_PALETTE_AUTO)
        return palette == MR_IMAGE_PALETTE_YES;
    bool is_enlarged = plan->width > upright.width || plan->height > upright.height;
    return info->palette && !ops->lossless && !is_enlarged &&
           plan->final_width * plan->final_height <= mr_effort_pixels_max(MR_IMAGE_GIF, ops, false, &limit);
}

/* All sizes behind decoder and first cuts, checked. `upright` is what is left to be resized. */
static int plan_rest(struct mr_plan *plan, const struct mr_image_ops *ops, const struct mr_image_info *info,
                     struct size upright, const struct mr_image_limits *limits, struct mr_fault *fault)
{
    bool swaps = plan->orientation >= 5 && !plan->cut_first;
    struct size box = {0, 0};
    int err = box_of(&box, ops, upright, fault);
    if (err != MR_OK)
        return err;
    plan_sizes(plan, ops, upright, box);
    mr_plan_final_size(&plan->final_width, &plan->final_height, ops, plan->canvas_width, plan->canvas_height);
    plan->palette = wants_palette(plan, ops, info, upright);
    plan->load_width = swaps ? plan->height : plan->width;
    plan->load_height = swaps ? plan->width : plan->height;
    err = check_size(plan, limits, fault);
    if (err == MR_OK)
        err = check_effort(plan, ops, info->alpha, fault);
    if (err != MR_OK)
        return err;
    place_crop(plan, ops);
    bool may_shrink = !plan->cut_first && !ops->linear;
    if (info->format == MR_IMAGE_JPEG && may_shrink)
        plan->shrink = jpeg_shrink(info, plan, ops->shrink);
    if (info->format == MR_IMAGE_WEBP && may_shrink && plan->frames == 1)
        plan->scale = webp_scale(info, plan, ops->shrink);
    plan->is_photo = goes_as_photo(plan, ops, info);
    return limits->reserve == NULL ? MR_OK : limits->reserve(limits->context, mr_plan_memory(plan, ops, info), fault);
}

int mr_plan_make(struct mr_plan *out, const struct mr_image_ops *ops, const struct mr_image_info *info,
                 const struct mr_image_limits *limits, struct mr_fault *fault)
{
    MR_ASSERT(info->width > 0 && info->height > 0);
    uint32_t longest = MR_MAX(info->width, info->height); /* of a scan that refused it, which is planned for its cost */
    if (longest > MR_IMAGE_SIDE_MAX)
        return mr_fault_limit(fault, MR_EPIXELS, "image-side", MR_IMAGE_SIDE_MAX, longest);
    *out = (struct mr_plan){.format = output_format(ops, info),
                            .orientation = ops->orient != 0 ? (uint8_t)ops->orient : info->orientation,
                            .cut_first = ops->rect_width != 0 || ops->trim,
                            .shrink = 1,
                            .scale = 1};
    if (out->format == MR_IMAGE_UNKNOWN)
        return mr_fault_set(fault, MR_ENOTIMAGE,
                            "None of the formats that may be picked holds an animation; frame=1 is a picture of it.");
    if (!mr_image_can_write(out->format))
        return mr_fault_set(fault, MR_ENOTIMAGE, "No encoder for %s is installed here.",
                            mr_image_media_type(out->format));
    out->frames = frames_of(out, ops, info);
    int err = check_frames(out, ops, info, limits, fault);
    if (err != MR_OK)
        return err;
    bool swaps = out->orientation >= 5;
    struct size upright = {swaps ? info->height : info->width, swaps ? info->width : info->height};
    err = ops->rect_width == 0 ? MR_OK : cut_rect(&upright, ops, fault);
    if (err != MR_OK)
        return err;
    return plan_rest(out, ops, info, upright, limits, fault);
}

int mr_plan_after_cut(struct mr_plan *plan, const struct mr_image_ops *ops, const struct mr_image_info *info,
                      uint32_t width, uint32_t height, const struct mr_image_limits *limits, struct mr_fault *fault)
{
    MR_ASSERT(plan->cut_first && width > 0 && height > 0);
    return plan_rest(plan, ops, info, (struct size){width, height}, limits, fault);
}
