/* image_resize.h -- private to the image stage: resizing and blurring as steps of a libvips pipeline. */
#ifndef MR_MEDIA_IMAGE_RESIZE_H
#define MR_MEDIA_IMAGE_RESIZE_H

#include <vips/vips.h>

/* An image of width x height that shows what `in` (8 bits a channel, up to 4 channels) shows of span_x x span_y of its
 * own pixels: its size, or a fraction of a pixel more where a decoder that shrinks has dropped it. Lazy, and reads `in`
 * from top to bottom. Alpha is respected. NULL when libvips fails. */
VipsImage *mr_image_resize(VipsImage *in, double span_x, double span_y, int width, int height);
/* Of the same image a part alone: pixel for pixel what a cut of it would be, but nothing beside it is computed. */
VipsImage *mr_image_resize_part(VipsImage *in, double span_x, double span_y, int width, int height, VipsRect part);
/* The same of what 8-bit sRGB shows, in linear light: as it mixes in the eye. */
VipsImage *mr_image_resize_part_linear(VipsImage *in, double span_x, double span_y, int width, int height,
                                       VipsRect part);
/* The whole, each channel for itself: for colours that are weighed by their alpha, or have none. */
VipsImage *mr_image_resize_channels(VipsImage *in, double span_x, double span_y, int width, int height);
/* Each channel blurred by a Gaussian of so many px in both directions. */
VipsImage *mr_image_blur_channels(VipsImage *in, double sigma_x, double sigma_y);
/* Colours multiplied by alpha, and divided by it again, 8 bits a channel. NULL when libvips fails. */
VipsImage *mr_image_premultiply(VipsImage *in);
VipsImage *mr_image_unpremultiply(VipsImage *in);

#endif
