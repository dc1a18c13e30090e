/* DESIGN: what a run holds at its peak is the sum of what its decoder, its strips of rows and its encoder hold. The
 * numbers were measured as growth of the resident set, one process an image (libvips 8.14.1, 2 and 11 megapixels), and
 * rounded up. */
#include "media/image.h"
#include "media/plan.h"

#include "base/macros.h"

enum {
    BASE = 2 << 20,    /* tables, lookups and the small buffers of every library */
    ROWS = 700,        /* of 8-bit channels, in the strips of all steps together */
    ROWS_ALPHA = 3000, /* the same where colours are multiplied by alpha, in floats */
};

/* Bytes that decoding holds, beside the strips, for each pixel as decoded. */
static uint64_t decoder_bytes(const struct mr_image_info *info)
{
    uint64_t sample = info->bits > 8 ? 2 : 1;
    switch (info->format) {
    case MR_IMAGE_JPEG:
        return 0; /* a progressive one's coefficients are counted apart: shrinking does not make them fewer */
    case MR_IMAGE_PNG:
        return info->whole ? info->bands * sample : 0;
    case MR_IMAGE_WEBP:
        return 8;
    case MR_IMAGE_GIF:
        return 6;
    case MR_IMAGE_TIFF:
        return info->bands * sample; /* one strip may be the whole image */
    default:
        return 8;
    }
}

/* Bytes that encoding holds for each pixel, its output included. */
static uint64_t encoder_bytes(enum mr_image_format format, const struct mr_image_ops *ops, uint64_t bands)
{
    switch (format) {
    case MR_IMAGE_JPEG:
        return ops->quality >= 90 ? 8 : 5; /* coefficients, for optimal coding; from 90 on colours are not subsampled */
    case MR_IMAGE_PNG:
        return bands + bands / 2 + 1;
    default:
        return 8;
    }
}

uint64_t mr_image_memory(const struct mr_image_info *info, const struct mr_image_ops *ops)
{
    const struct mr_image_limits none = {.pixels = UINT64_MAX, .frames = UINT32_MAX};
    struct mr_plan plan;
    if (info->width == 0 || info->height == 0 || mr_plan_make(&plan, ops, info, &none, NULL) != MR_OK)
        return BASE; /* it will be refused */
    uint64_t bands = MR_MAX(info->bands, 3);
    uint64_t stored = (uint64_t)info->width * info->height;
    uint64_t decoded = stored / ((uint64_t)plan.shrink * plan.shrink);
    if (plan.scale < 1)
        decoded = (uint64_t)((double)stored * plan.scale * plan.scale);
    uint64_t resized = (uint64_t)plan.width * plan.height;
    uint64_t out = (uint64_t)plan.out_width * plan.out_height;

    uint64_t bytes = BASE + decoded * decoder_bytes(info);
    if (info->format == MR_IMAGE_JPEG && info->whole)
        bytes += stored * 2 * info->bands;
    uint64_t width = (uint64_t)(info->width * plan.scale / plan.shrink) + 1;
    bytes += MR_MIN(info->alpha ? ROWS_ALPHA : ROWS, info->height) * bands * width;
    if (info->orientation != 1 || ops->crop == MR_IMAGE_CROP_ENTROPY || ops->crop == MR_IMAGE_CROP_ATTENTION)
        bytes += resized * bands;
    return bytes + out * encoder_bytes(plan.format, ops, bands);
}
