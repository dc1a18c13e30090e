/* Any bytes as a photograph: a run of its own way ends with a JPEG of the size that was planned, or with a fault that
 * says why; and where the other way refuses the file, so does this one. */
#include "base/assert.h"
#include "media/image/image.h"
#include "media/scan/scan.h"

static int run(struct mr_image_result *out, const uint8_t *data, size_t size, const struct mr_image_scan *known)
{
    static const struct mr_image_limits limits = {.pixels = 100000, .frames = 1};
    struct mr_image_ops ops;
    struct mr_fault fault = {0};
    mr_image_ops_init(&ops);
    ops.width = 9;
    int err = mr_image_run_scanned(out, &ops, data, size, known, &limits, NULL, &fault);
    MR_ASSERT(err == MR_OK || err == (int)fault.error);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool is_set_up;
    static const struct mr_image_limits limits = {.pixels = 100000, .frames = 1};
    struct mr_scan scan;
    struct mr_view file = {.at = data, .len = size};
    if (!is_set_up)
        MR_ASSERT(mr_image_setup() == MR_OK);
    is_set_up = true;
    if (mr_scan_image(&scan, file, 0, &limits, NULL) != MR_OK || !scan.info.plain)
        return 0;
    struct mr_image_scan known = {
        .info = scan.info, .mending = scan.mending, .warnings = scan.warnings, .is_whole = true};
    struct mr_image_result own, other;
    int err = run(&own, data, size, &known);
    known.info.plain = false;
    /* Where harmless warnings are expected the other way counts them, and one that is none may be among them. */
    MR_ASSERT(run(&other, data, size, &known) == err || scan.warnings > 0);
    MR_ASSERT(err != MR_OK || (own.width == other.width && own.height == other.height && own.len > 0));
    mr_image_result_free(&own);
    mr_image_result_free(&other);
    return 0;
}
