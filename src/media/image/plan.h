/* plan.h -- private to the image stage: the arithmetic of a run, before any library is called. What is asked for and
 * what came in give the exact sizes of every step. Pure; any thread. */
#ifndef MR_MEDIA_PLAN_H
#define MR_MEDIA_PLAN_H

#include "media/image/image.h"

struct mr_plan {
    enum mr_image_format format;          /* of the output, never UNKNOWN; see mr_plan_picks */
    uint32_t frames;                      /* to be decoded and written: 1, or all of an animation */
    uint8_t orientation;                  /* 1..8: how the decoded image is to be turned */
    bool cut_first;                       /* rect, trim: turned upright and cut before it is resized */
    uint32_t load_width, load_height;     /* px to resize to: before it is turned upright, unless cut_first */
    uint32_t width, height;               /* the same, upright */
    uint32_t out_width, out_height;       /* after cropping: at most the two above */
    struct mr_image_crop_way crop;        /* of the list the one that is possible */
    uint32_t crop_left, crop_top;         /* where the output lies in the resized image (not: entropy, attention) */
    uint32_t canvas_width, canvas_height; /* after fill or clamp: at least the two above */
    uint64_t final_width, final_height;   /* after rot and pad; of angles other than 90, 180, 270 an upper bound */
    bool palette;                         /* of a PNG, if the output is one */
    uint32_t shrink;                      /* JPEG: decode at 1/1, 1/2, 1/4 or 1/8 */
    double scale;                         /* WebP: decode at this scale, at most 1 */
    bool is_photo;                        /* a plain JPEG made smaller, and nothing else: image_photo.c */
};

/* MR_OK; MR_EPIXELS when the output, or what it is cut from, would be larger than the limits; MR_EDIMENSION when a side
 * is more than the output format holds; MR_EPARAM when there is no such frame, or rect lies outside; or the error of
 * limits->reserve. */
int mr_plan_make(struct mr_plan *out, const struct mr_image_ops *ops, const struct mr_image_info *info,
                 const struct mr_image_limits *limits, struct mr_fault *fault);
/* The rest of `plan` once rect and trim have left width x height of the upright image: only the pixels tell what trim
 * leaves. All limits hold for the new sizes. Errors as above. */
int mr_plan_after_cut(struct mr_plan *plan, const struct mr_image_ops *ops, const struct mr_image_info *info,
                      uint32_t width, uint32_t height, const struct mr_image_limits *limits, struct mr_fault *fault);
/* Bytes of memory that a run of the plan holds at its peak (see mr_image_memory). */
uint64_t mr_plan_memory(const struct mr_plan *plan, const struct mr_image_ops *ops, const struct mr_image_info *info);

struct mr_plan_area {
    uint64_t left, top, width, height;
};
/* What rect leaves of an upright image of width x height, as far as it lies in it; false: nothing. */
bool mr_plan_rect(struct mr_plan_area *out, const struct mr_image_ops *ops, uint64_t width, uint64_t height);
/* w or h, times dpr, of an image with this side; 0 when it is not given. */
uint64_t mr_plan_asked_side(double side, double dpr, uint64_t whole);
/* Is min-w, min-h, max-w or max-h given? */
bool mr_plan_is_bounded(const struct mr_image_ops *ops);
/* Does ar say how long a side is? */
bool mr_plan_has_ratio(const struct mr_image_ops *ops);
/* Does rot leave the sides as they are, or exchange them? */
bool mr_plan_is_turned_squarely(const struct mr_image_ops *ops);
/* Does it exchange them? */
bool mr_plan_swaps_sides(const struct mr_image_ops *ops);
/* px of room at a side: MR_IMAGE_LEFT ... */
uint32_t mr_plan_pad(const struct mr_image_ops *ops, int side);
/* What is left of one side of w x h (px, or 0: not given) for the image, before it is turned; 0: nothing. */
uint64_t mr_plan_room(const struct mr_image_ops *ops, uint64_t side, bool is_width);
/* What rot and pad make of a canvas: with rot-type=pivot, of angles other than 90, 180, 270 an upper bound. */
void mr_plan_final_size(uint64_t *final_width, uint64_t *final_height, const struct mr_image_ops *ops, uint64_t width,
                        uint64_t height);
/* The formats of which one is picked when the pixels are there (image_pick.c), as bits; 0: plan->format is it. Until
 * then a picture is planned as PNG, which holds whatever there may be. */
static inline uint32_t mr_plan_picks(const struct mr_plan *plan, const struct mr_image_ops *ops)
{
    return plan->frames > 1 ? 0 : mr_image_ops_picks(ops);
}
/* The longest side that the format holds. */
uint32_t mr_plan_side_max(enum mr_image_format format);
/* Does the format hold a picture of that size, within the time that its encoder may take? */
bool mr_plan_fits(enum mr_image_format format, const struct mr_image_ops *ops, uint64_t width, uint64_t height,
                  bool alpha);

/* Do the output's pixels tell whether its colours need full resolution? They are held for it. */
bool mr_plan_looks_at_colours(const struct mr_plan *plan, const struct mr_image_ops *ops,
                              const struct mr_image_info *info);

/* May the output be transparent where the input was not: in areas that are added, or in the border? */
bool mr_plan_adds_alpha(const struct mr_plan *plan, const struct mr_image_ops *ops);

/* Can the format hold transparency? */
static inline bool mr_plan_has_alpha(enum mr_image_format format)
{
    return format != MR_IMAGE_JPEG;
}

#endif
