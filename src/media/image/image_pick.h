/* image_pick.h -- private to the image stage: which format auto=format takes for a picture. Pure; any thread. */
#ifndef MR_MEDIA_IMAGE_PICK_H
#define MR_MEDIA_IMAGE_PICK_H

#include "media/image/image.h"

/* What the pixels of a picture are like. */
struct mr_image_sight {
    uint32_t width, height;
    bool is_transparent; /* some pixel lets something through */
    bool is_flat;        /* a drawing: smaller without loss than with it */
};

/* Counted per pixel: is it of one colour with the one to its left? */
struct mr_image_flatness {
    uint64_t same, pixels;
};

/* One of ops' picks that can be written here and holds the picture; UNKNOWN: there is none. It has no loss where the
 * picture is flat or ops say `lossless`, if there is such a format. */
enum mr_image_format mr_image_pick(const struct mr_image_ops *ops, const struct mr_image_sight *sight);

/* Look at a row of `width` pixels with `bands` channels of 8 bits. */
void mr_image_flatness_add(struct mr_image_flatness *flatness, const uint8_t *row, size_t width, size_t bands);
bool mr_image_flatness_is_flat(const struct mr_image_flatness *flatness);

#endif
