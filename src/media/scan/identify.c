/* DESIGN: which format, then that format's scanner, then the limits: everything that is decided about an input before a
 * library that decodes it is called. */
#include "media/scan/scan.h"

#include "base/assert.h"
#include "base/macros.h"

#include <string.h>

enum {
    SCAN_BUDGET_SCANS = 16, /* an image of the largest size may have this many scans; a smaller one more */
    GLANCE_STEPS = 4096,    /* 5 to 30 ns each, 150 where nothing is in a cache; a JPEG of 256 KiB takes as many */
};

const char *mr_image_media_type(enum mr_image_format format)
{
    static const char *const types[MR_IMAGE_FORMAT_COUNT] = {
        [MR_IMAGE_UNKNOWN] = "application/octet-stream",
        [MR_IMAGE_JPEG] = "image/jpeg",
        [MR_IMAGE_PNG] = "image/png",
        [MR_IMAGE_WEBP] = "image/webp",
        [MR_IMAGE_GIF] = "image/gif",
        [MR_IMAGE_TIFF] = "image/tiff",
        [MR_IMAGE_HEIF] = "image/heif",
        [MR_IMAGE_AVIF] = "image/avif",
        [MR_IMAGE_JXL] = "image/jxl",
    };
    return types[format < MR_IMAGE_FORMAT_COUNT ? format : MR_IMAGE_UNKNOWN];
}

const char *mr_image_extension(enum mr_image_format format)
{
    static const char *const extensions[MR_IMAGE_FORMAT_COUNT] = {
        [MR_IMAGE_UNKNOWN] = "bin", [MR_IMAGE_JPEG] = "jpg",  [MR_IMAGE_PNG] = "png",
        [MR_IMAGE_WEBP] = "webp",   [MR_IMAGE_GIF] = "gif",   [MR_IMAGE_TIFF] = "tiff",
        [MR_IMAGE_HEIF] = "heif",   [MR_IMAGE_AVIF] = "avif", [MR_IMAGE_JXL] = "jxl",
    };
    return extensions[format < MR_IMAGE_FORMAT_COUNT ? format : MR_IMAGE_UNKNOWN];
}

static bool starts_with(struct mr_view file, size_t offset, const char *magic, size_t len)
{
    return mr_view_has(file, offset, len) && memcmp(file.at + offset, magic, len) == 0;
}

/* The brands of a file of boxes (ISO/IEC 14496-12, 4.3): the major one, and behind a version those it is compatible
 * with.
 */
static enum mr_image_format sniff_brands(struct mr_view file)
{
    static const char heif[][5] = {"heic", "heix", "heim", "heis", "mif1"};
    size_t end = MR_MIN(mr_view_has(file, 0, 4) ? mr_read_be32(file.at) : 0, MR_MIN(file.len, (size_t)256));
    enum mr_image_format format = MR_IMAGE_UNKNOWN;
    for (size_t at = 8; at + 4 <= end; at += at == 8 ? 8 : 4) {
        if (memcmp(file.at + at, "avif", 4) == 0)
            return MR_IMAGE_AVIF;
        for (size_t i = 0; i < MR_ARRAY_SIZE(heif); i++)
            if (memcmp(file.at + at, heif[i], 4) == 0)
                format = MR_IMAGE_HEIF;
    }
    return format;
}

enum mr_image_format mr_image_sniff(const void *bytes, size_t len)
{
    struct mr_view file = {.at = bytes, .len = len};
    if (starts_with(file, 0, "\xFF\xD8\xFF", 3))
        return MR_IMAGE_JPEG;
    if (starts_with(file, 0, "\x89PNG\r\n\x1a\n", 8))
        return MR_IMAGE_PNG;
    if (starts_with(file, 0, "RIFF", 4) && starts_with(file, 8, "WEBP", 4))
        return MR_IMAGE_WEBP;
    if (starts_with(file, 0, "GIF87a", 6) || starts_with(file, 0, "GIF89a", 6))
        return MR_IMAGE_GIF;
    if (starts_with(file, 0, "II*\0", 4) || starts_with(file, 0, "MM\0*", 4) ||
        starts_with(file, 0, "II+\0\x08\0\0\0", 8) || starts_with(file, 0, "MM\0+\0\x08\0\0", 8))
        return MR_IMAGE_TIFF;
    if (starts_with(file, 4, "ftyp", 4))
        return sniff_brands(file);
    return MR_IMAGE_UNKNOWN;
}

static int scan_container(struct mr_scan *out, struct mr_view file, int32_t page, struct mr_fault *fault)
{
    switch (out->info.format) {
    case MR_IMAGE_JPEG:
        return mr_scan_jpeg(out, file, fault);
    case MR_IMAGE_PNG:
        return mr_scan_png(out, file, fault);
    case MR_IMAGE_WEBP:
        return mr_scan_webp(out, file, fault);
    case MR_IMAGE_GIF:
        return mr_scan_gif(out, file, fault);
    case MR_IMAGE_TIFF:
        return mr_scan_tiff(out, file, page, fault);
    case MR_IMAGE_HEIF:
    case MR_IMAGE_AVIF:
        return mr_scan_heif(out, file, fault);
    default:
        return mr_fault_set(fault, MR_ENOTIMAGE, "Its bytes are of no format that is read here.");
    }
}

/* The size is checked before anything else is said about the file: a bomb is refused as one even when it is also cut.
 */
static int check_limits(const struct mr_scan *scan, const struct mr_image_limits *limits, struct mr_fault *fault)
{
    const struct mr_image_info *info = &scan->info;
    uint64_t pixels = MR_MAX((uint64_t)info->width * info->height, scan->pixels_max);
    uint32_t side = MR_MAX(info->width, info->height);
    if (pixels > limits->pixels)
        return mr_fault_limit(fault, MR_EPIXELS, "max-pixels", limits->pixels, pixels);
    if (side > MR_IMAGE_SIDE_MAX)
        return mr_fault_limit(fault, MR_EPIXELS, "image-side", MR_IMAGE_SIDE_MAX, side);
    if (info->scans != 0 && pixels > limits->pixels * SCAN_BUDGET_SCANS / info->scans)
        return mr_fault_set(fault, MR_ETIME, "It has %u scans, too many for an image of its size.", info->scans);
    return MR_OK;
}

/* At most steps_max steps. A scan that took more is MR_EDAMAGED, with out->steps > steps_max. */
static int scan_within(struct mr_scan *out, uint64_t steps_max, struct mr_view file, int32_t page,
                       const struct mr_image_limits *limits, struct mr_fault *fault)
{
    MR_ASSERT(file.at != NULL || file.len == 0);
    memset(out, 0, sizeof(*out));
    out->steps_max = steps_max;
    out->info.format = mr_image_sniff(file.at, file.len);
    out->info.len = file.len;
    out->info.frames = 1;
    out->info.orientation = 1;
    struct mr_fault scan_fault = {0};
    int err = scan_container(out, file, page, &scan_fault);
    int over = err == MR_ENOTIMAGE ? MR_OK : check_limits(out, limits, fault);
    if (over != MR_OK)
        return over;
    if (out->steps > out->steps_max)
        return mr_fault_set(fault, MR_EDAMAGED, "It has too many parts for its size.");
    if (err != MR_OK && fault != NULL)
        *fault = scan_fault;
    return err;
}

int mr_scan_image(struct mr_scan *out, struct mr_view file, int32_t page, const struct mr_image_limits *limits,
                  struct mr_fault *fault)
{
    return scan_within(out, mr_scan_steps_max(file.len), file, page, limits, fault);
}

int mr_image_identify(struct mr_image_info *out, const void *bytes, size_t len, const struct mr_image_limits *limits,
                      struct mr_fault *fault)
{
    struct mr_scan scan;
    int err = mr_scan_image(&scan, (struct mr_view){.at = bytes, .len = len}, 0, limits, fault);
    *out = scan.info;
    return err;
}

int mr_image_glance(struct mr_image_scan *out, int32_t page, const void *bytes, size_t len,
                    const struct mr_image_limits *limits, struct mr_fault *fault)
{
    struct mr_scan scan;
    struct mr_view file = {.at = bytes, .len = len};
    int err = scan_within(&scan, MR_MIN((uint64_t)GLANCE_STEPS, mr_scan_steps_max(len)), file, page, limits, fault);
    bool is_decided = scan.steps <= GLANCE_STEPS;
    *out = (struct mr_image_scan){
        .info = scan.info, .mending = scan.mending, .warnings = scan.warnings, .page = page, .is_whole = is_decided};
    return is_decided || err != MR_EDAMAGED ? err : MR_OK;
}
