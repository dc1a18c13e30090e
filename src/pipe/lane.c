#include "pipe/lane.h"
#include "base/macros.h"

/* Nanoseconds a pixel: decoding it (at reduced size where the format can) and encoding it, measured with libvips 8.14
 * on a photograph of 9 megapixels (writing GIF, TIFF, AVIF and lossless WebP: on two of 0.4 and 2). The slower
 * variant of TIFF counts, which is deflated. */
static const struct {
    uint64_t read, write;
} pixel_ns[MR_IMAGE_FORMAT_COUNT] = {
    [MR_IMAGE_UNKNOWN] = {20, 20}, [MR_IMAGE_JPEG] = {2, 9},    [MR_IMAGE_PNG] = {20, 85}, [MR_IMAGE_WEBP] = {22, 80},
    [MR_IMAGE_GIF] = {12, 900},    [MR_IMAGE_TIFF] = {14, 250}, [MR_IMAGE_HEIF] = {40, 0}, [MR_IMAGE_AVIF] = {40, 500},
};

#define LOSSLESS_WEBP_NS 800

/* Pixels of the output; what is cut away of a crop is counted, as it was resized too. */
static uint64_t pixels_out(const struct mr_image_info *info, const struct mr_image_ops *ops)
{
    uint64_t width = (uint64_t)ops->width, height = (uint64_t)ops->height;
    if (width == 0 && height == 0)
        return (uint64_t)info->width * info->height;
    if (width == 0)
        width = height * info->width / info->height;
    if (height == 0)
        height = width * info->height / info->width;
    return width * height;
}

/* auto=format: what a photograph would become. */
static enum mr_image_format format_out(const struct mr_image_info *info, const struct mr_image_ops *ops)
{
    uint32_t picks = mr_image_ops_picks(ops);
    if (picks & MR_IMAGE_BIT(MR_IMAGE_AVIF))
        return MR_IMAGE_AVIF;
    if (picks & MR_IMAGE_BIT(MR_IMAGE_WEBP))
        return MR_IMAGE_WEBP;
    return ops->format != MR_IMAGE_UNKNOWN ? ops->format : info->format;
}

static uint64_t write_ns(const struct mr_image_info *info, const struct mr_image_ops *ops)
{
    enum mr_image_format format = format_out(info, ops);
    return format == MR_IMAGE_WEBP && ops->lossless ? LOSSLESS_WEBP_NS : pixel_ns[format].write;
}

uint64_t mr_lane_expected_ns(const struct mr_image_info *info, const struct mr_image_ops *ops)
{
    if (info->width == 0 || info->height == 0)
        return 0;
    uint64_t read = pixel_ns[info->format].read + info->scans; /* each scan of a progressive JPEG takes about 1 ns */
    uint64_t in = (uint64_t)info->width * info->height * MR_MAX(info->frames, 1);
    return in * read + pixels_out(info, ops) * write_ns(info, ops);
}

enum mr_lane mr_lane_of_image(const struct mr_image_info *info, const struct mr_image_ops *ops)
{
    uint64_t expected = mr_lane_expected_ns(info, ops);
    return expected == 0 || expected > MR_HEAVY_NS ? MR_LANE_HEAVY : MR_LANE_INTERACTIVE;
}
