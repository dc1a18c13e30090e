/* DESIGN: the time of a run is the sum of what its decoder, its steps and its encoder take for a pixel, by the sizes of
 * its plan. The numbers are nanoseconds on one core of 2023 for photographs (libvips 8.14); `script/bench cost`
 * compares them with runs. */
#include "media/image/effort.h"
#include "media/image/image.h"
#include "media/image/plan.h"

#include "base/macros.h"

enum {
    BASE_NS = 500000, /* of each run */
    SCAN_NS = 2,      /* the rest is for a pixel. Each scan of a progressive JPEG */
    DEEP_NS = 20,     /* 16 bits */
    ALPHA_NS = 15,    /* colours are multiplied by alpha, and divided by it */
    RESIZE_NS = 3,
    LINEAR_NS = 40, /* light instead of tones */
    TRIM_NS = 15,
    LOOK_NS = 40,     /* where to crop */
    CHROMA_NS = 4,    /* whether colours have edges */
    JPEG_BYTE_NS = 8, /* each byte beyond half a one for a pixel: noise, and scans that a glance did not come to */

    PHOTO_BASE_NS = 200000,
    PHOTO_READ_NS = 2, /* whose colours have half the resolution, or which has none */
    PHOTO_READ_FULL_NS = 4,
    PHOTO_SCAN_NS = 1,
    PHOTO_WRITE_NS = 8, /* each pixel of the output */
    PHOTO_WRITE_PASSES_NS = 13,
    PHOTO_LOOK_NS = 3, /* colours resampled at full resolution, looked at and halved */
};

/* Each stored pixel, decoded at full size, and at reduced size where the format can. */
static const struct {
    uint8_t whole, reduced;
} read_ns[MR_IMAGE_FORMAT_COUNT] = {
    [MR_IMAGE_UNKNOWN] = {20, 20}, [MR_IMAGE_JPEG] = {8, 2},   [MR_IMAGE_PNG] = {20, 20},  [MR_IMAGE_WEBP] = {50, 22},
    [MR_IMAGE_GIF] = {12, 12},     [MR_IMAGE_TIFF] = {14, 14}, [MR_IMAGE_HEIF] = {60, 60}, [MR_IMAGE_AVIF] = {60, 60},
};

/* Each pixel of the output, by the encoder's own scale of effort. */
static const uint32_t png_ns[] = {0, 30, 32, 40, 45, 60, 85, 100, 110, 120};
static const uint32_t webp_ns[] = {40, 45, 60, 70, 80, 95, 150};
static const uint32_t webp_alpha_ns[] = {100, 100, 100, 150, 150, 200, 1500};
static const uint32_t webp_lossless_ns[] = {300, 400, 500, 600, 700, 750, 800};
static const uint32_t palette_ns[] = {0, 700, 750, 800, 900, 1050, 1250, 1500, 1900, 2600, 3500};
static const uint32_t jxl_ns[] = {0, 0, 0, 150, 150, 220, 280, 350};
static const uint32_t jxl_lossless_ns[] = {0, 0, 0, 300, 1100, 1200, 1400, 1900};
static const uint32_t avif_ns[] = {340, 430, 500, 1000, 2400, 2600, 6000};

static uint64_t encoder_ns(enum mr_image_format format, const struct mr_image_ops *ops, uint64_t pixels, bool alpha,
                           bool palette)
{
    int level = mr_effort_level(format, ops, pixels);
    switch (format) {
    case MR_IMAGE_JPEG:
        return mr_image_ops_interlaces(ops) ? 20 : 12;
    case MR_IMAGE_PNG:
        return png_ns[level] + (palette ? palette_ns[mr_effort_palette_level(ops)] : 0);
    case MR_IMAGE_WEBP:
        return (ops->lossless ? webp_lossless_ns : webp_ns)[level] + (alpha ? webp_alpha_ns[level] : 0);
    case MR_IMAGE_GIF:
        return palette_ns[level];
    case MR_IMAGE_TIFF:
        return 200;
    case MR_IMAGE_AVIF:
        return avif_ns[level];
    case MR_IMAGE_JXL:
        return (ops->lossless ? jxl_lossless_ns : jxl_ns)[level];
    default:
        return 20;
    }
}

/* auto=format: what a photograph would become. */
static enum mr_image_format likely_format(const struct mr_plan *plan, const struct mr_image_ops *ops)
{
    uint32_t picks = mr_plan_picks(plan, ops);
    if (picks & MR_IMAGE_BIT(MR_IMAGE_AVIF))
        return MR_IMAGE_AVIF;
    if (picks & MR_IMAGE_BIT(MR_IMAGE_WEBP))
        return MR_IMAGE_WEBP;
    if (picks & MR_IMAGE_BIT(MR_IMAGE_JPEG))
        return MR_IMAGE_JPEG;
    return plan->format;
}

static bool is_levelled(const struct mr_image_ops *ops)
{
    return ops->exposure != 0 || ops->brightness != 0 || ops->contrast != 0 || ops->gamma != 0 ||
           ops->highlights != 0 || ops->shadows != 0 || ops->invert;
}

/* All steps between the resize and the encoder, for each pixel of the output. */
static uint64_t steps_ns(const struct mr_image_ops *ops)
{
    uint64_t ns = 0;
    if (is_levelled(ops))
        ns += 5;
    if (ops->saturation != 0 || ops->hue != 0 || ops->sepia > 0 || ops->mono.given)
        ns += 20;
    if (ops->vibrance != 0)
        ns += 40;
    if (ops->blur > 0)
        ns += 60;
    if (ops->sharpness > 0 || ops->unsharp != 0)
        ns += 60;
    if (ops->rotation > 0)
        ns += mr_plan_is_turned_squarely(ops) ? 5 : 40;
    if (ops->flip != 0 || ops->fit == MR_IMAGE_FIT_CLAMP)
        ns += 10;
    if (ops->fill == MR_IMAGE_FILL_BLUR)
        ns += 60;
    return ns;
}

static uint64_t reading_ns(const struct mr_image_info *info, bool is_reduced)
{
    uint64_t scans = info->scans > 1 ? info->scans : 0;
    return (is_reduced ? read_ns[info->format].reduced : read_ns[info->format].whole) + scans * SCAN_NS;
}

static uint64_t decoded_ns(const struct mr_image_info *info, const struct mr_image_ops *ops)
{
    uint64_t ns = RESIZE_NS;
    if (info->alpha)
        ns += ALPHA_NS;
    if (info->bits > 8)
        ns += DEEP_NS;
    if (ops->linear)
        ns += LINEAR_NS;
    if (ops->trim != MR_IMAGE_TRIM_NONE)
        ns += TRIM_NS;
    return ns;
}

static bool is_looked_at(const struct mr_plan *plan)
{
    return plan->crop.crop == MR_IMAGE_CROP_ENTROPY || plan->crop.crop == MR_IMAGE_CROP_ATTENTION;
}

static uint64_t dense_ns(const struct mr_image_info *info)
{
    uint64_t usual = (uint64_t)info->width * info->height / 2;
    return info->format == MR_IMAGE_JPEG && info->len > usual ? (info->len - usual) * JPEG_BYTE_NS : 0;
}

/* A photograph's own way (image_photo.c). */
static uint64_t photo_ns(const struct mr_plan *plan, const struct mr_image_ops *ops, const struct mr_image_info *info)
{
    uint64_t scans = info->scans > 1 ? info->scans : 0;
    uint64_t read = info->bands == 1 || info->halves_colours ? PHOTO_READ_NS : PHOTO_READ_FULL_NS;
    uint64_t written = mr_image_ops_interlaces(ops) ? PHOTO_WRITE_PASSES_NS : PHOTO_WRITE_NS;
    if (mr_image_ops_wants_full_chroma(ops))
        written *= 2;
    if (mr_plan_looks_at_colours(plan, ops, info))
        written += PHOTO_LOOK_NS;
    return PHOTO_BASE_NS + dense_ns(info) + (uint64_t)info->width * info->height * (read + scans * PHOTO_SCAN_NS) +
           (uint64_t)plan->out_width * plan->out_height * written;
}

uint64_t mr_image_cost_ns(const struct mr_image_info *info, const struct mr_image_ops *ops)
{
    const struct mr_image_limits none = {.pixels = UINT64_MAX, .frames = UINT32_MAX};
    struct mr_plan plan;
    if (info->width == 0 || info->height == 0)
        return 0;
    if (mr_plan_make(&plan, ops, info, &none, NULL) != MR_OK)
        return BASE_NS; /* it will be refused */
    if (plan.is_photo)
        return photo_ns(&plan, ops, info);
    uint64_t stored = (uint64_t)info->width * info->height * plan.frames, decoded = stored;
    if (plan.scale < 1)
        decoded = (uint64_t)((double)stored * plan.scale * plan.scale);
    decoded /= (uint64_t)plan.shrink * plan.shrink;
    uint64_t resized = (uint64_t)plan.width * plan.height * plan.frames;
    uint64_t out = MR_MAX(plan.final_width * plan.final_height * plan.frames, resized);
    bool alpha = info->alpha || mr_plan_adds_alpha(&plan, ops);
    return BASE_NS + dense_ns(info) + stored * reading_ns(info, decoded < stored) + decoded * decoded_ns(info, ops) +
           resized * (is_looked_at(&plan) ? LOOK_NS : 0) +
           out * (steps_ns(ops) + encoder_ns(likely_format(&plan, ops), ops, out / plan.frames, alpha, plan.palette)) +
           out * (mr_plan_looks_at_colours(&plan, ops, info) ? CHROMA_NS : 0);
}
