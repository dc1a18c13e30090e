/* DESIGN: what leaves the stage. Metadata is dropped from the image itself and is not left to the encoders alone. */
#include "media/effort.h"
#include "media/image_io.h"
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

static int call_saver(struct mr_run *run, VipsTarget *target)
{
    const struct mr_image_ops *ops = run->ops;
    VipsImage *image = run->image;
    int quality = ops->quality;
    gboolean strip = ops->strip;
    int level = mr_effort_level(run->plan.format, ops);
    switch (run->plan.format) {
    case MR_IMAGE_JPEG:
        return vips_jpegsave_target(image, target, "Q", quality, "optimize_coding", TRUE, "interlace", ops->interlace,
                                    "strip", strip, NULL);
    case MR_IMAGE_PNG:
        return vips_pngsave_target(image, target, "compression", level, "interlace", ops->interlace, "strip", strip,
                                   NULL);
    case MR_IMAGE_WEBP:
        return vips_webpsave_target(image, target, "Q", quality, "lossless", ops->lossless, "effort", level, "strip",
                                    strip, NULL);
    case MR_IMAGE_AVIF: /* lossless alone would still halve the colours' resolution */
        return vips_heifsave_target(image, target, "compression", VIPS_FOREIGN_HEIF_COMPRESSION_AV1, "Q", quality,
                                    "bitdepth", 8, "lossless", ops->lossless, "subsample_mode",
                                    ops->lossless ? VIPS_FOREIGN_SUBSAMPLE_OFF : VIPS_FOREIGN_SUBSAMPLE_AUTO, "effort",
                                    level, "strip", strip, NULL);
    case MR_IMAGE_GIF:
        return vips_gifsave_target(image, target, "effort", level, "strip", strip, NULL);
    case MR_IMAGE_TIFF:
        return vips_tiffsave_target(image, target, "compression", VIPS_FOREIGN_TIFF_COMPRESSION_DEFLATE, "predictor",
                                    VIPS_FOREIGN_TIFF_PREDICTOR_HORIZONTAL, "strip", strip, NULL);
    default:
        MR_UNREACHABLE();
    }
}

int mr_run_encode(struct mr_run *run, void **bytes, size_t *len)
{
    VipsTarget *target = mr_image_target_create(run);
    int failed = target == NULL || call_saver(run, target) != 0;
    if (!failed)
        *bytes = mr_image_target_take(target, len);
    VIPS_UNREF(target);
    if (failed)
        return mr_run_fail(run);
    if (run->plan.format == MR_IMAGE_WEBP && run->ops->strip)
        *len = mr_webp_strip(*bytes, *len);
    return MR_OK;
}
