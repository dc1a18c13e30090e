/* DESIGN: what leaves the stage. Metadata is dropped from the image itself and is not left to the encoders alone. */
#include "media/image_run.h"
#include "media/webp_strip.h"

#include "base/assert.h"
#include "base/macros.h"

#include <string.h>

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* Does a field stay when metadata is kept? Positions stand in EXIF's GPS directory (libvips calls it ifd3) and in XMP;
 * thumbnails show the image as it was, and old profiles do not describe the new pixels. */
static bool is_kept(const struct mr_image_ops *ops, const char *field)
{
    if (starts_with(field, "exif-ifd3-") || strcmp(field, VIPS_META_XMP_NAME) == 0)
        return ops->gps;
    if (strcmp(field, "jpeg-thumbnail-data") == 0 || starts_with(field, "exif-ifd1-") ||
        strcmp(field, VIPS_META_ORIENTATION) == 0 || strcmp(field, "exif-ifd0-Orientation") == 0)
        return false;
    return true;
}

/* Position, camera, thumbnail, profile. Timing of an animation is no metadata. */
int mr_run_drop_metadata(struct mr_run *run)
{
    VipsImage *next = NULL;
    int failed = vips_copy(run->image, &next, NULL); /* its header is ours to change */
    int err = mr_run_step(run, failed, next);
    if (err != MR_OK)
        return err;
    char **fields = vips_image_get_fields(run->image);
    for (char **field = fields; *field != NULL; field++) {
        bool moves =
            strcmp(*field, "delay") == 0 || strcmp(*field, "loop") == 0 || strcmp(*field, VIPS_META_PAGE_HEIGHT) == 0;
        if (run->plan.frames > 1 && moves)
            continue;
        if (run->ops->strip || moves || !is_kept(run->ops, *field))
            vips_image_remove(run->image, *field); /* those that are no metadata, such as the width, stay */
    }
    g_strfreev(fields);
    return MR_OK;
}

/* 0..9 spread over lowest..highest. */
static int effort_in(const struct mr_image_ops *ops, int lowest, int highest, int unset)
{
    return ops->effort < 0 ? unset : lowest + (ops->effort * (highest - lowest) + 4) / 9;
}

int mr_run_encode(struct mr_run *run, void **bytes, size_t *len)
{
    const struct mr_image_ops *ops = run->ops;
    VipsImage *image = run->image;
    int quality = ops->quality;
    gboolean strip = ops->strip;
    int failed = 0;
    switch (run->plan.format) {
    case MR_IMAGE_JPEG:
        failed = vips_jpegsave_buffer(image, bytes, len, "Q", quality, "optimize_coding", TRUE, "interlace",
                                      ops->interlace, "strip", strip, NULL);
        break;
    case MR_IMAGE_PNG:
        failed = vips_pngsave_buffer(image, bytes, len, "compression", effort_in(ops, 1, 9, 6), "interlace",
                                     ops->interlace, "strip", strip, NULL);
        break;
    case MR_IMAGE_WEBP:
        failed = vips_webpsave_buffer(image, bytes, len, "Q", quality, "lossless", ops->lossless, "effort",
                                      effort_in(ops, 0, 6, 4), "strip", strip, NULL);
        if (!failed && strip)
            *len = mr_webp_strip(*bytes, *len);
        break;
    case MR_IMAGE_AVIF: /* lossless alone would still halve the colours' resolution */
        failed = vips_heifsave_buffer(image, bytes, len, "compression", VIPS_FOREIGN_HEIF_COMPRESSION_AV1, "Q", quality,
                                      "bitdepth", 8, "lossless", ops->lossless, "subsample_mode",
                                      ops->lossless ? VIPS_FOREIGN_SUBSAMPLE_OFF : VIPS_FOREIGN_SUBSAMPLE_AUTO,
                                      "effort", effort_in(ops, 0, 6, 2), "strip", strip, NULL);
        break;
    case MR_IMAGE_GIF:
        failed = vips_gifsave_buffer(image, bytes, len, "effort", effort_in(ops, 1, 10, 4), "strip", strip, NULL);
        break;
    case MR_IMAGE_TIFF:
        failed = vips_tiffsave_buffer(image, bytes, len, "compression", VIPS_FOREIGN_TIFF_COMPRESSION_DEFLATE,
                                      "predictor", VIPS_FOREIGN_TIFF_PREDICTOR_HORIZONTAL, "strip", strip, NULL);
        break;
    default:
        MR_UNREACHABLE();
    }
    return failed ? mr_run_fail(run) : MR_OK;
}
