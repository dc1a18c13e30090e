/* DESIGN: each format's encoder. Metadata was dropped from the image itself (image_metadata.c) and is not left to the
 * encoders alone. */
#include "media/image/avif_save.h"
#include "media/image/effort.h"
#include "media/image/image_io.h"
#include "media/image/image_run.h"
#include "media/image/quality.h"
#include "media/image/webp_strip.h"

#include "base/assert.h"

/* libvips keeps what EXIF's block and its own fields for it say the same: of all metadata, it writes what is left. */
static int save_by_libvips(struct mr_run *run, VipsTarget *target, const struct mr_avif_settings *settings)
{
    return vips_heifsave_target(run->image, target, "compression", VIPS_FOREIGN_HEIF_COMPRESSION_AV1, "Q",
                                settings->quality, "bitdepth", 8, "lossless", settings->lossless, "subsample_mode",
                                settings->halves_colours ? VIPS_FOREIGN_SUBSAMPLE_ON : VIPS_FOREIGN_SUBSAMPLE_OFF,
                                "effort", settings->effort, NULL);
}

static int save_avif(struct mr_run *run, VipsTarget *target, int quality, int effort)
{
    const struct mr_avif_settings settings = {.quality = quality,
                                              .effort = effort,
                                              .lossless = run->ops->lossless,
                                              .halves_colours = run->halves_colours && !run->ops->lossless};
    bool keeps_all = !run->ops->strip && run->ops->gps;
    return keeps_all ? save_by_libvips(run, target, &settings) : mr_avif_save(run, target, &settings);
}

/* A still is played once, which takes no bytes to say. */
static int save_gif(struct mr_run *run, VipsTarget *target, int effort, gboolean strip)
{
    if (run->plan.frames == 1)
        vips_image_set_int(run->image, "loop", 1);
    return vips_gifsave_target(run->image, target, "effort", effort, "strip", strip, NULL);
}

static int call_saver(struct mr_run *run, VipsTarget *target)
{
    const struct mr_image_ops *ops = run->ops;
    VipsImage *image = run->image;
    uint64_t pixels = (uint64_t)image->Xsize * (uint64_t)image->Ysize / run->plan.frames;
    int quality = mr_quality_level(run->plan.format, ops->quality);
    gboolean strip = ops->strip && !run->keeps_profile; /* all else was dropped */
    int level = mr_effort_level(run->plan.format, ops, pixels);
    gboolean interlace = mr_image_ops_interlaces(ops);
    VipsForeignSubsample subsample = run->halves_colours ? VIPS_FOREIGN_SUBSAMPLE_ON : VIPS_FOREIGN_SUBSAMPLE_OFF;
    switch (run->plan.format) {
    case MR_IMAGE_JPEG:
        return vips_jpegsave_target(image, target, "Q", quality, "optimize_coding", TRUE, "interlace", interlace,
                                    "subsample_mode", subsample, "strip", strip, NULL);
    case MR_IMAGE_PNG:
        return vips_pngsave_target(image, target, "compression", level, "interlace", interlace, "palette",
                                   run->plan.palette, "effort", mr_effort_palette_level(ops), "strip", strip, NULL);
    case MR_IMAGE_WEBP:
        return vips_webpsave_target(image, target, "Q", quality, "lossless", ops->lossless, "effort", level, "strip",
                                    strip, NULL);
    case MR_IMAGE_AVIF:
        return save_avif(run, target, quality, level);
    case MR_IMAGE_JXL:
        return vips_jxlsave_target(image, target, "Q", quality, "lossless", ops->lossless, "effort", level, "strip",
                                   strip, NULL);
    case MR_IMAGE_GIF:
        return save_gif(run, target, level, strip);
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
    if (run->plan.format == MR_IMAGE_WEBP && run->ops->strip && !run->keeps_profile)
        *len = mr_webp_strip(*bytes, *len);
    return MR_OK;
}
