/* Any bytes as an image: what is accepted has a size, bounded numbers and lies within the limits, and its memory can be
 * estimated; what is refused says why. The work is in proportion to the bytes, and that of a glance constant. */
#include "base/assert.h"
#include "media/image/image.h"
#include "media/scan/scan.h"

/* What a glance decides is what the whole scan says. */
static void check_glance(const uint8_t *data, size_t size, const struct mr_image_limits *limits,
                         const struct mr_scan *whole, int err)
{
    struct mr_image_scan scan;
    struct mr_fault fault = {0};
    int glanced = mr_image_glance(&scan, 0, data, size, limits, &fault);
    if (scan.is_whole)
        MR_ASSERT(glanced == err && scan.info.width == whole->info.width && scan.info.height == whole->info.height);
    else
        MR_ASSERT(whole->steps > 4096 && glanced != MR_EDAMAGED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct mr_image_limits limits = {.pixels = 100000000, .frames = 100};
    struct mr_scan scan;
    struct mr_fault fault = {0};
    struct mr_image_ops ops;
    mr_image_ops_init(&ops);
    ops.width = 300;
    int err = mr_scan_image(&scan, (struct mr_view){.at = data, .len = size}, 0, &limits, &fault);
    struct mr_image_info info = scan.info;
    MR_ASSERT(err != MR_OK || scan.steps <= 4096 + size);
    check_glance(data, size, &limits, &scan, err);
    MR_ASSERT(info.format < MR_IMAGE_FORMAT_COUNT);
    MR_ASSERT(info.orientation >= 1 && info.orientation <= 8);
    MR_ASSERT(mr_image_memory(&info, &ops) > 0);
    if (err != MR_OK) {
        MR_ASSERT(fault.error == (enum mr_error)err);
        MR_ASSERT(err == MR_ENOTIMAGE || err == MR_EDAMAGED || err == MR_EPIXELS || err == MR_ETIME);
        return 0;
    }
    MR_ASSERT(info.format != MR_IMAGE_UNKNOWN);
    MR_ASSERT(info.width >= 1 && info.height >= 1 && info.width <= 65535 && info.height <= 65535);
    MR_ASSERT(info.frames >= 1);
    MR_ASSERT((uint64_t)info.width * info.height <= limits.pixels);
    MR_ASSERT(scan.mending.tail == NULL || (scan.mending.len <= size && scan.mending.tail_len > 0));
    MR_ASSERT(info.bands >= 1 && info.bands <= 4 && (info.bits == 8 || info.bits == 16));
    MR_ASSERT(info.scans >= 1 && info.scans <= 100);
    return 0;
}
