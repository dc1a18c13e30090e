/* icc_make.h -- private to the image stage: a colour profile for what a container says of colours in numbers. */
#ifndef MR_MEDIA_ICC_MAKE_H
#define MR_MEDIA_ICC_MAKE_H

#include "media/scan/identify.h"

/* Do the numbers say something that sRGB is not, by more than is seen? */
bool mr_icc_is_needed(const struct mr_image_colours *colours);

/* A profile (ICC.1, version 2) of a matrix and one curve, or for grey of the curve alone, that takes such colours to
 * those of a screen. PQ and HLG are made for screens that are brighter: they are brought down as Chromium does it, by
 * Reinhard's curve from 1000 cd/m2, with white paper at 203 cd/m2 (ITU-R BT.2408). */
enum { MR_ICC_MADE_MAX = 9 * 1024 };
/* Bytes that were written; 0: the primaries span no colours. Pure; any thread. */
size_t mr_icc_make(uint8_t out[MR_ICC_MADE_MAX], const struct mr_image_colours *colours, bool is_grey);

#endif
