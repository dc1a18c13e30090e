/* DESIGN: what a run holds at its peak is the sum of what its decoder, its strips of rows and its encoder hold. The
 * numbers were measured as growth of the resident set, one process an image (libvips 8.14.1, 2 and 11 megapixels), and
 * rounded up. */
#include "media/image/image.h"
#include "media/image/plan.h"

#include "base/macros.h"

enum {
    PHOTO_BASE = 512 << 10,
    PHOTO_BLOCKS = 32, /* px that coefficients are rounded up to: four blocks of 8 in each direction */
    PHOTO_GROWN = 5,   /* of noise, each pixel's part of the output while its block is made longer */
    PHOTO_ROWS = 64,   /* and beside them, for each of the resizer's ratio: */
    PHOTO_TAPS = 24,   /* colours may be decoded at twice the size that they are wanted at */
    BASE = 2 << 20,    /* tables, lookups and the small buffers of every library */
    ROWS = 700,        /* of 8-bit channels, in the strips of all steps together */
    ROWS_ALPHA = 3000, /* the same where colours are multiplied by alpha, in floats */
    RESIZED_ROWS = 80, /* of what the resizer gives, which may be wider than what it gets */
    RESIZED_ROWS_ALPHA = 320,
    RESIZER_RATIO_MAX = 8 /* above it another filter goes first (image_resize.c) */
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
        return 10;
    case MR_IMAGE_GIF:
        return 8; /* a canvas, and what is under a frame that is to be restored */
    case MR_IMAGE_TIFF:
        return info->bands * sample; /* one strip may be the whole image */
    default:
        return 8;
    }
}

/* Bytes that encoding holds for each pixel, its output included. */
static uint64_t encoder_bytes(enum mr_image_format format, uint64_t bands, bool halves_colours, bool palette)
{
    switch (format) {
    case MR_IMAGE_JPEG:
        return halves_colours ? 5 : 8; /* coefficients, for optimal coding */
    case MR_IMAGE_PNG:
        if (palette)
            return 32; /* as GIF */
        return bands + bands / 2 + 1;
    case MR_IMAGE_WEBP:
        return 10;
    case MR_IMAGE_GIF:
        return 32; /* its quantiser works in floats */
    case MR_IMAGE_TIFF:
        return bands + 1;
    case MR_IMAGE_AVIF:
        return 40;
    case MR_IMAGE_JXL:
        return 100; /* floats of all steps at once */
    default:
        return 8;
    }
}

/* The same of the format that needs most, where one is yet to be picked. GIF, which needs much, is picked only where
 * all others are forbidden. */
static uint64_t planned_encoder_bytes(const struct mr_plan *plan, const struct mr_image_ops *ops, uint64_t bands,
                                      bool looks_at_colours)
{
    uint32_t picks = mr_plan_picks(plan, ops);
    bool halves_colours = !mr_image_ops_wants_full_chroma(ops) && !looks_at_colours;
    uint64_t most = picks == 0 ? encoder_bytes(plan->format, bands, halves_colours, plan->palette) : 0;
    if (picks != MR_IMAGE_BIT(MR_IMAGE_GIF))
        picks &= ~MR_IMAGE_BIT(MR_IMAGE_GIF);
    for (unsigned format = MR_IMAGE_JPEG; format < MR_IMAGE_FORMAT_COUNT; format++)
        if (picks & MR_IMAGE_BIT(format))
            most = MR_MAX(most, encoder_bytes((enum mr_image_format)format, bands, halves_colours, plan->palette));
    return most;
}

struct part {
    uint64_t width, height;
};

/* What is computed of the resized image, before it is turned upright: all of it where its pixels tell what is cut. */
static struct part resized_part(const struct mr_plan *plan)
{
    if (plan->crop.crop == MR_IMAGE_CROP_ENTROPY || plan->crop.crop == MR_IMAGE_CROP_ATTENTION)
        return (struct part){plan->load_width, plan->load_height};
    bool swaps = plan->orientation >= 5 && !plan->cut_first;
    return swaps ? (struct part){plan->out_height, plan->out_width} : (struct part){plan->out_width, plan->out_height};
}

/* Bytes of the resizer's weights for one direction (resample.h). */
static uint64_t axis_bytes(uint64_t in, uint64_t resized, uint64_t shown)
{
    uint64_t ratio = MR_MIN(MR_MAX((in + resized - 1) / resized, 1), RESIZER_RATIO_MAX);
    return shown * (sizeof(uint32_t) + sizeof(int16_t) * (6 * ratio + 2));
}

static uint64_t resizer_bytes(const struct mr_plan *plan, const struct mr_image_info *info, uint64_t bands)
{
    struct part part = resized_part(plan);
    uint64_t rows = info->alpha ? MR_MIN(RESIZED_ROWS_ALPHA, 12 * part.height) : MR_MIN(RESIZED_ROWS, 3 * part.height);
    uint64_t side = MR_MAX(info->width, info->height); /* of either, however it is turned and shrunk */
    return rows * bands * part.width + axis_bytes(side, plan->load_width, part.width) +
           axis_bytes(side, plan->load_height, part.height);
}

/* Pixels of the images that some steps keep as a whole, to read them in their own order. */
static uint64_t copies(const struct mr_image_ops *ops, const struct mr_plan *plan, bool looks_at_colours,
                       uint64_t decoded, uint64_t resized, uint64_t out)
{
    uint64_t pixels = 0;
    bool is_random = plan->orientation != 1 || plan->crop.crop == MR_IMAGE_CROP_ENTROPY ||
                     plan->crop.crop == MR_IMAGE_CROP_ATTENTION;
    if (plan->cut_first)
        pixels += decoded;
    if (is_random)
        pixels += resized;
    if (ops->blur > 0 || ops->sharpness > 0 || ops->unsharp != 0 || ops->rotation > 0 || ops->flip != 0 ||
        ops->fit == MR_IMAGE_FIT_CLAMP)
        pixels += 2 * out;
    if (ops->background.given && ops->background.alpha < 255)
        pixels += out;
    if (ops->fill == MR_IMAGE_FILL_BLUR)
        pixels += 4 * out;
    if (mr_image_ops_picks(ops) != 0 || looks_at_colours) /* they are looked at before they are encoded */
        pixels += plan->frames * out;
    return pixels;
}

static uint64_t round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

/* Of a JPEG whose scans come one after the other: of whole blocks of blocks. */
static uint64_t coefficient_bytes(const struct mr_image_info *info)
{
    return round_up(info->width, PHOTO_BLOCKS) * round_up(info->height, PHOTO_BLOCKS) * 2 * info->bands;
}

/* Of a photograph's own way: the window of decoded rows, the output's planes, of a turned image twice, and the encoder.
 */
static uint64_t photo_memory(const struct mr_plan *plan, const struct mr_image_ops *ops,
                             const struct mr_image_info *info)
{
    uint64_t out = (uint64_t)plan->out_width * plan->out_height, bands = info->bands;
    uint64_t width = info->width / plan->shrink + 1, height = info->height / plan->shrink + 1;
    uint64_t rows = PHOTO_ROWS + PHOTO_TAPS * (height / plan->load_height + 1);
    uint64_t bytes = PHOTO_BASE + bands * rows * width + axis_bytes(2 * width, plan->load_width, plan->out_width) +
                     axis_bytes(2 * height, plan->load_height, plan->out_height);
    if (info->whole)
        bytes += coefficient_bytes(info);
    uint64_t planes = plan->orientation >= 5 ? 2 * bands : bands;
    uint64_t grown = mr_image_ops_wants_full_chroma(ops) ? PHOTO_GROWN : 0;
    bool looks_at_colours = mr_plan_looks_at_colours(plan, ops, info);
    return bytes + out * (planes + grown + planned_encoder_bytes(plan, ops, bands, looks_at_colours));
}

uint64_t mr_plan_memory(const struct mr_plan *plan, const struct mr_image_ops *ops, const struct mr_image_info *info)
{
    if (plan->is_photo)
        return photo_memory(plan, ops, info);
    uint64_t bands = MR_MAX(info->bands, 3);
    uint64_t stored = (uint64_t)info->width * info->height;
    uint64_t decoded = stored / ((uint64_t)plan->shrink * plan->shrink);
    if (plan->scale < 1)
        decoded = (uint64_t)((double)stored * plan->scale * plan->scale);
    struct part part = resized_part(plan);
    uint64_t resized = part.width * part.height;
    uint64_t out = MR_MAX(plan->final_width * plan->final_height, (uint64_t)plan->out_width * plan->out_height);

    uint64_t bytes = BASE + decoded * decoder_bytes(info);
    if (info->format == MR_IMAGE_JPEG && info->whole)
        bytes += coefficient_bytes(info);
    uint64_t width = (uint64_t)(info->width * plan->scale / plan->shrink) + 1;
    bytes += MR_MIN(info->alpha || ops->linear ? ROWS_ALPHA : ROWS, 2 * (uint64_t)info->height) * bands * width;
    bytes += resizer_bytes(plan, info, bands);
    if (plan->frames > 1) /* the whole strip, before and after */
        bytes += plan->frames * (stored + out) * 4;
    if (!info->alpha && mr_plan_adds_alpha(plan, ops))
        bands++;
    bool looks_at_colours = mr_plan_looks_at_colours(plan, ops, info);
    bytes += copies(ops, plan, looks_at_colours, decoded, resized, out) * bands;
    return bytes + plan->frames * out * planned_encoder_bytes(plan, ops, bands, looks_at_colours);
}

uint64_t mr_image_memory(const struct mr_image_info *info, const struct mr_image_ops *ops)
{
    const struct mr_image_limits none = {.pixels = UINT64_MAX, .frames = UINT32_MAX};
    struct mr_plan plan;
    if (info->width == 0 || info->height == 0 || mr_plan_make(&plan, ops, info, &none, NULL) != MR_OK)
        return BASE; /* it will be refused */
    return mr_plan_memory(&plan, ops, info);
}
