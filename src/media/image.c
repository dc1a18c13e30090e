/* DESIGN: a run is a row of steps over one libvips pipeline: open, flatten, resize, turn upright, crop, convert to
 * sRGB, encode. libvips is lazy: the steps describe, the encoder (or a step that needs random access to pixels) pulls,
 * strip by strip. Sizes were decided before (plan.c), and what the bytes are was decided by our own scan
 * (image_scan.c): libvips never guesses, each format's loader is called by name and all others are blocked. */
#include "media/image.h"
#include "media/image_resize.h"
#include "media/image_setup.h"
#include "media/plan.h"
#include "media/scan.h"
#include "media/webp_strip.h"

#include "base/assert.h"
#include "base/macros.h"

#include <string.h>
#include <vips/vips.h>

struct run {
    const struct mr_image_ops *ops;
    const struct mr_cancel *cancel;
    struct mr_fault *fault;
    struct mr_view input;
    struct mr_scan scan;
    struct mr_plan plan;
    VipsImage *image;      /* the end of the pipeline so far; owned */
    enum mr_error stopped; /* why the pipeline was killed, or MR_OK */
    bool in_memory;        /* image's pixels are computed and can be read in any order */
};

/* The next step's image takes the place of the last one's, which the pipeline itself keeps alive. */
static void advance(struct run *run, VipsImage *next)
{
    g_object_unref(run->image);
    run->image = next;
}

/* A step failed. libvips has one error buffer for all threads, so its text may be another job's: it is dropped unread.
 * What goes wrong after our own scan was content is the compressed data, or the pipeline was killed by on_progress. */
static int fail(struct run *run)
{
    vips_error_clear();
    if (run->stopped != MR_OK)
        return mr_fault_set(run->fault, run->stopped, "%s", "");
    return mr_fault_set(run->fault, MR_EDAMAGED, "The compressed data cannot be decoded.");
}

static int check_cancel(struct run *run)
{
    enum mr_error err = run->cancel == NULL ? MR_OK : mr_cancel_check(run->cancel);
    return err == MR_OK ? MR_OK : mr_fault_set(run->fault, err, "%s", "");
}

/* Called by libvips on the job's own thread after each strip. A killed image fails the next request for its pixels. */
static void on_progress(VipsImage *image, VipsProgress *progress, void *data)
{
    (void)progress;
    struct run *run = data;
    if (run->stopped == MR_OK)
        run->stopped = mr_cancel_check(run->cancel);
    if (run->stopped != MR_OK)
        vips_image_set_kill(image, TRUE);
}

/* Everything that is computed from run->image from here on looks at the cancel mark. */
static void watch(struct run *run)
{
    if (run->cancel == NULL)
        return;
    g_signal_connect(run->image, "eval", G_CALLBACK(on_progress), run);
    vips_image_set_progress(run->image, TRUE);
}

/* Compute the pixels now, for steps that read them in another order than from top to bottom. */
static int to_memory(struct run *run)
{
    if (run->in_memory)
        return MR_OK;
    VipsImage *next = vips_image_copy_memory(run->image);
    if (next == NULL)
        return fail(run);
    advance(run, next);
    run->in_memory = true;
    watch(run);
    return MR_OK;
}

/* The decoder of the scanned format, and only the first frame. TRUNCATED is the level that lets a decoder stop at the
 * end of the input instead of painting grey; a higher one makes libvips' PNG loader ignore checksums (8.14). */
static int call_loader(struct run *run)
{
    void *bytes = (void *)run->input.at; /* not written to: libvips' prototype lacks the const */
    size_t len = run->input.len;
    switch (run->scan.info.format) {
    case MR_IMAGE_JPEG:
        return vips_jpegload_buffer(bytes, len, &run->image, "shrink", (int)run->plan.shrink, "access",
                                    VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_TRUNCATED, NULL);
    case MR_IMAGE_PNG:
        return vips_pngload_buffer(bytes, len, &run->image, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on",
                                   VIPS_FAIL_ON_TRUNCATED, NULL);
    case MR_IMAGE_WEBP:
        return vips_webpload_buffer(bytes, len, &run->image, "scale", run->plan.scale, "access", VIPS_ACCESS_SEQUENTIAL,
                                    "fail_on", VIPS_FAIL_ON_TRUNCATED, NULL);
    case MR_IMAGE_GIF:
        return vips_gifload_buffer(bytes, len, &run->image, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on",
                                   VIPS_FAIL_ON_TRUNCATED, NULL);
    case MR_IMAGE_TIFF:
        return vips_tiffload_buffer(bytes, len, &run->image, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on",
                                    VIPS_FAIL_ON_TRUNCATED, NULL);
    default:
        MR_UNREACHABLE();
    }
}

/* Is `loaded` what is left of `stored` pixels, decoded at 1/shrink? Decoders round either way. */
static bool is_shrunk(int loaded, uint32_t stored, uint32_t shrink)
{
    uint64_t back = (uint64_t)loaded * shrink;
    return loaded > 0 && back + shrink > stored && back < (uint64_t)stored + shrink;
}

/* Limits were checked, and sizes planned, for what the scan saw: a decoder that sees something else gets no further. */
static bool is_as_scanned(const struct run *run)
{
    const struct mr_image_info *info = &run->scan.info;
    const VipsImage *image = run->image;
    if (image->Bands < 1 || image->Bands > 4 ||
        (image->BandFmt != VIPS_FORMAT_UCHAR && image->BandFmt != VIPS_FORMAT_USHORT))
        return false;
    if (info->format == MR_IMAGE_WEBP && run->plan.scale < 1)
        return (uint32_t)image->Xsize <= info->width && (uint32_t)image->Ysize <= info->height;
    return is_shrunk(image->Xsize, info->width, run->plan.shrink) &&
           is_shrunk(image->Ysize, info->height, run->plan.shrink);
}

static int open_input(struct run *run)
{
    if (call_loader(run) != 0)
        return fail(run);
    watch(run);
    if (!is_as_scanned(run))
        return mr_fault_set(run->fault, MR_EDAMAGED, "The container and the image in it do not fit each other.");
    return MR_OK;
}

/* The rest of the steps is for 8 bits a channel. */
static int to_8_bits(struct run *run)
{
    if (run->image->BandFmt == VIPS_FORMAT_UCHAR)
        return MR_OK;
    VipsInterpretation type = run->image->Type == VIPS_INTERPRETATION_GREY16  ? VIPS_INTERPRETATION_B_W
                              : run->image->Type == VIPS_INTERPRETATION_RGB16 ? VIPS_INTERPRETATION_sRGB
                                                                              : run->image->Type;
    VipsImage *next = NULL;
    if (vips_cast(run->image, &next, VIPS_FORMAT_UCHAR, "shift", TRUE, NULL))
        return fail(run);
    advance(run, next);
    if (vips_copy(run->image, &next, "interpretation", type, NULL))
        return fail(run);
    advance(run, next);
    return MR_OK;
}

/* JPEG has no alpha: what shines through is white. Before resizing, so that the resizer has a channel less. */
static int flatten(struct run *run)
{
    if (run->plan.format != MR_IMAGE_JPEG || !vips_image_hasalpha(run->image))
        return MR_OK;
    VipsArrayDouble *white = vips_array_double_newv(1, 255.0);
    VipsImage *next = NULL;
    int failed = vips_flatten(run->image, &next, "background", white, NULL);
    vips_area_unref(VIPS_AREA(white));
    if (failed)
        return fail(run);
    advance(run, next);
    return MR_OK;
}

static int resize(struct run *run)
{
    const struct mr_plan *plan = &run->plan;
    int width = (int)plan->load_width;
    int height = (int)plan->load_height;
    if (run->image->Xsize == width && run->image->Ysize == height)
        return MR_OK;
    double span_x = run->image->Xsize;
    double span_y = run->image->Ysize;
    if (plan->shrink > 1) { /* the decoder has dropped what did not fill a whole pixel */
        span_x = (double)run->scan.info.width / plan->shrink;
        span_y = (double)run->scan.info.height / plan->shrink;
    }
    VipsImage *next = mr_image_resize(run->image, span_x, span_y, width, height);
    if (next == NULL)
        return fail(run);
    advance(run, next);
    return MR_OK;
}

/* EXIF's eight orientations are a turn, then perhaps a mirroring. */
static int turn_upright(struct run *run)
{
    static const struct {
        VipsAngle angle;
        bool mirrored;
    } turns[] = {
        [1] = {VIPS_ANGLE_D0, false},  [2] = {VIPS_ANGLE_D0, true},    [3] = {VIPS_ANGLE_D180, false},
        [4] = {VIPS_ANGLE_D180, true}, [5] = {VIPS_ANGLE_D90, true},   [6] = {VIPS_ANGLE_D90, false},
        [7] = {VIPS_ANGLE_D270, true}, [8] = {VIPS_ANGLE_D270, false},
    };
    uint8_t orientation = run->scan.info.orientation;
    MR_ASSERT(orientation >= 1 && orientation <= 8);
    if (orientation == 1)
        return MR_OK;
    int err = to_memory(run);
    if (err != MR_OK)
        return err;
    VipsImage *next = NULL;
    if (turns[orientation].angle != VIPS_ANGLE_D0) {
        if (vips_rot(run->image, &next, turns[orientation].angle, NULL))
            return fail(run);
        advance(run, next);
    }
    if (turns[orientation].mirrored) {
        if (vips_flip(run->image, &next, VIPS_DIRECTION_HORIZONTAL, NULL))
            return fail(run);
        advance(run, next);
    }
    return MR_OK;
}

static int crop(struct run *run)
{
    const struct mr_plan *plan = &run->plan;
    int width = (int)plan->out_width;
    int height = (int)plan->out_height;
    if (plan->out_width == plan->width && plan->out_height == plan->height)
        return MR_OK;
    VipsImage *next = NULL;
    if (run->ops->crop == MR_IMAGE_CROP_CENTRE || run->ops->crop == MR_IMAGE_CROP_EDGES) {
        if (vips_extract_area(run->image, &next, (int)plan->crop_left, (int)plan->crop_top, width, height, NULL))
            return fail(run);
        advance(run, next);
        return MR_OK;
    }
    int err = to_memory(run);
    if (err != MR_OK)
        return err;
    VipsInteresting interesting =
        run->ops->crop == MR_IMAGE_CROP_ENTROPY ? VIPS_INTERESTING_ENTROPY : VIPS_INTERESTING_ATTENTION;
    if (vips_smartcrop(run->image, &next, width, height, "interesting", interesting, NULL))
        return fail(run);
    advance(run, next);
    return MR_OK;
}

/* Last, when there are fewest pixels. A profile that does not fit the image, or is none, counts for nothing: what then
 * shows is what viewers show that ignore profiles. */
static int to_srgb(struct run *run)
{
    VipsImage *next = NULL;
    if (vips_image_get_typeof(run->image, VIPS_META_ICC_NAME) != 0) {
        if (vips_icc_transform(run->image, &next, "srgb", "embedded", TRUE, "intent", VIPS_INTENT_PERCEPTUAL, "depth",
                               8, NULL) == 0)
            advance(run, next);
        else
            vips_error_clear();
    }
    if (run->image->Type != VIPS_INTERPRETATION_sRGB || run->image->BandFmt != VIPS_FORMAT_UCHAR) {
        if (vips_colourspace(run->image, &next, VIPS_INTERPRETATION_sRGB, NULL))
            return fail(run);
        advance(run, next);
    }
    return MR_OK;
}

/* Position, camera, thumbnail, profile: gone here, and not left to the encoders alone. */
static int drop_metadata(struct run *run)
{
    VipsImage *next = NULL;
    if (vips_copy(run->image, &next, NULL)) /* its header is ours to change */
        return fail(run);
    advance(run, next);
    char **fields = vips_image_get_fields(run->image);
    for (char **field = fields; *field != NULL; field++)
        vips_image_remove(run->image, *field); /* those that are no metadata, such as the width, stay */
    g_strfreev(fields);
    return MR_OK;
}

static int encode(struct run *run, void **bytes, size_t *len)
{
    int quality = run->ops->quality;
    int failed = 0;
    switch (run->plan.format) {
    case MR_IMAGE_JPEG:
        failed =
            vips_jpegsave_buffer(run->image, bytes, len, "Q", quality, "optimize_coding", TRUE, "strip", TRUE, NULL);
        break;
    case MR_IMAGE_PNG:
        failed = vips_pngsave_buffer(run->image, bytes, len, "compression", 6, "strip", TRUE, NULL);
        break;
    case MR_IMAGE_WEBP:
        failed = vips_webpsave_buffer(run->image, bytes, len, "Q", quality, "strip", TRUE, NULL);
        if (!failed)
            *len = mr_webp_strip(*bytes, *len);
        break;
    default:
        MR_UNREACHABLE();
    }
    return failed ? fail(run) : MR_OK;
}

static int run_steps(struct run *run, struct mr_image_result *out)
{
    int (*const steps[])(struct run *) = {check_cancel, open_input, to_8_bits, flatten,       resize,
                                          turn_upright, crop,       to_srgb,   drop_metadata, check_cancel};
    for (size_t i = 0; i < MR_ARRAY_SIZE(steps); i++) {
        int err = steps[i](run);
        if (err != MR_OK)
            return err;
    }
    out->format = run->plan.format;
    out->width = run->plan.out_width;
    out->height = run->plan.out_height;
    out->frames = 1;
    return encode(run, &out->bytes, &out->len);
}

int mr_image_run(struct mr_image_result *out, const struct mr_image_ops *ops, const void *bytes, size_t len,
                 const struct mr_image_limits *limits, const struct mr_cancel *cancel, struct mr_fault *fault)
{
    struct run run = {.ops = ops, .cancel = cancel, .fault = fault, .input = {.at = bytes, .len = len}};
    memset(out, 0, sizeof(*out));
    int err = mr_image_ops_check(ops, fault);
    if (err == MR_OK)
        err = mr_scan_image(&run.scan, run.input, limits, fault);
    if (err == MR_OK)
        err = mr_plan_make(&run.plan, ops, &run.scan.info, limits, fault);
    if (err != MR_OK)
        return err;

    (void)mr_image_take_jpeg_warnings();
    err = run_steps(&run, out);
    if (run.image != NULL)
        g_object_unref(run.image); /* the decoder ends here, and tells its warnings */
    /* libvips reads a JPEG's head twice, and so warns twice of stray bytes in it, which are harmless. */
    if (err == MR_OK && mr_image_take_jpeg_warnings() > 2 * (uint64_t)run.scan.strays)
        err = mr_fault_set(fault, MR_EDAMAGED, "The compressed data is corrupt.");
    if (err != MR_OK)
        mr_image_result_free(out);
    return err;
}

void mr_image_result_free(struct mr_image_result *result)
{
    g_free(result->bytes);
    result->bytes = NULL;
    result->len = 0;
}
