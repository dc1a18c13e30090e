/* DESIGN: encoders count quality each in its own way: at one number an AVIF has as many bytes as a JPEG, and a WebP
 * looks worse than either. So `q` is a JPEG's, whose numbers people know, and a table says which number of the others
 * looks alike. `script/bench quality` measures it: the mean SSIM of luminance over twelve photographs of 600 pixels
 * (libvips 8.14, libwebp 1.2.4, libaom 3.6, libjxl 0.7). */
#include "media/image/quality.h"

#include "base/assert.h"
#include "base/macros.h"

enum { STEPS = 10, STEP = 10 };

/* For q = 0, 10 ... 100; between them the numbers lie on straight lines. */
static const uint8_t webp_levels[STEPS + 1] = {1, 2, 17, 30, 41, 52, 60, 75, 83, 91, 100};
static const uint8_t avif_levels[STEPS + 1] = {1, 13, 26, 35, 40, 45, 49, 53, 58, 79, 100};
static const uint8_t jxl_levels[STEPS + 1] = {5, 5, 14, 20, 38, 52, 62, 70, 78, 88, 100}; /* below 5 libjxl has none */

static const uint8_t *const levels_of[MR_IMAGE_FORMAT_COUNT] = {
    [MR_IMAGE_WEBP] = webp_levels, [MR_IMAGE_AVIF] = avif_levels, [MR_IMAGE_JXL] = jxl_levels};

int32_t mr_quality_level(enum mr_image_format format, int32_t q)
{
    MR_ASSERT(q >= 0 && q <= STEPS * STEP);
    const uint8_t *levels = levels_of[format];
    if (levels == NULL)
        return q;
    int32_t from = MR_MIN(q / STEP, STEPS - 1), into = q - from * STEP;
    return MR_MAX((levels[from] * (STEP - into) + levels[from + 1] * into + STEP / 2) / STEP, 1);
}
