/* image_words.h -- private to the image stage: parameters that are lists or colours, read and written as text. */
#ifndef MR_MEDIA_IMAGE_WORDS_H
#define MR_MEDIA_IMAGE_WORDS_H

#include "media/image/image.h"

enum { MR_IMAGE_WORDS_MAX = 64 }; /* bytes that each text fits in, NUL included */

/* A length or place as it is kept and written: to six digits. What is below 1, a part of the image, stays below it. */
double mr_image_round_length(double value);

/* MR_OK, or MR_EPARAM with the fault filled. */
int mr_image_read_ratio(struct mr_image_ops *ops, struct mr_slice text, struct mr_fault *fault);
int mr_image_read_crop(struct mr_image_ops *ops, struct mr_slice text, struct mr_fault *fault);
int mr_image_read_rect(struct mr_image_ops *ops, struct mr_slice text, struct mr_fault *fault);
int mr_image_read_auto(struct mr_image_ops *ops, struct mr_slice text, struct mr_fault *fault);
int mr_image_read_border(struct mr_image_ops *ops, struct mr_slice text, struct mr_fault *fault);
int mr_image_read_colour(struct mr_image_colour *out, const char *name, struct mr_slice text, struct mr_fault *fault);

/* Write into `out` and return it, or a text of its own; NULL: nothing is asked for. */
const char *mr_image_write_ratio(char out[MR_IMAGE_WORDS_MAX], const struct mr_image_ops *ops);
const char *mr_image_write_crop(char out[MR_IMAGE_WORDS_MAX], const struct mr_image_ops *ops);
const char *mr_image_write_rect(char out[MR_IMAGE_WORDS_MAX], const struct mr_image_ops *ops);
const char *mr_image_write_border(char out[MR_IMAGE_WORDS_MAX], const struct mr_image_ops *ops);
const char *mr_image_write_auto(char out[MR_IMAGE_WORDS_MAX], const struct mr_image_ops *ops);
const char *mr_image_write_colour(char out[MR_IMAGE_WORDS_MAX], const struct mr_image_colour *colour);

#endif
