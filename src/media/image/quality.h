/* quality.h -- private to the image stage: one scale of quality for all formats. Pure; any thread. */
#ifndef MR_MEDIA_QUALITY_H
#define MR_MEDIA_QUALITY_H

#include "media/scan/identify.h"

/* `q` is that of a JPEG: the number (1..100) with which this format's encoder makes a picture that looks like it. */
int32_t mr_quality_level(enum mr_image_format format, int32_t q);

#endif
