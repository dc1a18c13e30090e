/* DESIGN: libvips never guesses what the bytes are: the loader of the format that our own scan found is called by name,
 * and all others are blocked (image_setup.c). A GIF is decoded by code of our own. */
#include "media/image/gif_decode.h"
#include "media/image/icc.h"
#include "media/image/icc_make.h"
#include "media/image/image_io.h"
#include "media/image/image_run.h"
#include "media/image/png_strip.h"
#include "media/image/tiff_jpeg.h"

#include "base/assert.h"
#include <stdlib.h>
#include <string.h>

/* TRUNCATED is the level that lets a decoder stop at the end of the input instead of painting grey; a higher one would
 * refuse what is harmless. */
#define COMMON "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_TRUNCATED, NULL

/* WebP wants the whole input at once: reading it through a source would copy it and stop nothing. libheif ends the
 * process when a read fails (an assert in 1.15). */
static int load_from_buffer(struct mr_run *run)
{
    void *bytes = (void *)run->input.at; /* not written to: libvips' prototype lacks the const */
    size_t len = run->input.len;
    int page = run->ops->frame > 0 ? run->ops->frame - 1 : 0;
    int pages = (int)run->plan.frames;
    switch (run->scan.info.format) {
    case MR_IMAGE_WEBP:
        return vips_webpload_buffer(bytes, len, &run->image, "scale", run->plan.scale, "page", page, "n", pages,
                                    COMMON);
    case MR_IMAGE_HEIF:
    case MR_IMAGE_AVIF:
        return vips_heifload_buffer(bytes, len, &run->image, COMMON);
    default:
        MR_UNREACHABLE();
    }
}

static int load_from_source(struct mr_run *run, VipsSource *source)
{
    int page = run->ops->frame > 0 ? run->ops->frame - 1 : 0;
    switch (run->scan.info.format) {
    case MR_IMAGE_JPEG:
        return vips_jpegload_source(source, &run->image, "shrink", (int)run->plan.shrink, COMMON);
    case MR_IMAGE_PNG:
        return vips_pngload_source(source, &run->image, COMMON);
    case MR_IMAGE_TIFF:
        return vips_tiffload_source(source, &run->image, "page", page, COMMON);
    default:
        MR_UNREACHABLE();
    }
}

static bool is_run_stopped(void *run)
{
    return mr_run_is_stopped(run);
}

/* The canvases are the pixels of a libvips image that lies in memory. */
static int decode_gif(struct mr_run *run, VipsImage *image)
{
    const struct mr_image_info *info = &run->scan.info;
    const uint32_t frames = run->plan.frames;
    struct mr_gif_wanted wanted = {.width = info->width,
                                   .height = info->height,
                                   .bands = info->bands,
                                   .first = run->ops->frame > 0 ? (uint32_t)run->ops->frame - 1 : 0,
                                   .count = frames,
                                   .pixels_max = run->limits->pixels,
                                   .is_stopped = is_run_stopped,
                                   .context = run};
    vips_image_init_fields(image, (int)info->width, (int)(info->height * frames), info->bands, VIPS_FORMAT_UCHAR,
                           VIPS_CODING_NONE, VIPS_INTERPRETATION_sRGB, 1, 1);
    int *delays = calloc(frames, sizeof(*delays));
    if (delays == NULL || vips_image_write_prepare(image) != 0) {
        free(delays);
        return mr_fault_set(run->fault, MR_EMEMORY, NULL);
    }
    int plays = 1;
    int err = mr_gif_decode(image->data, delays, &plays, &wanted, run->input, run->fault);
    vips_image_set_array_int(image, "delay", delays, (int)frames);
    vips_image_set_int(image, "loop", plays);
    if (frames > 1)
        vips_image_set_int(image, VIPS_META_PAGE_HEIGHT, (int)info->height);
    free(delays);
    return err == MR_ECANCELLED ? mr_run_fail(run) : err;
}

static int load_gif(struct mr_run *run)
{
    run->image = vips_image_new_memory();
    run->in_memory = true;
    return decode_gif(run, run->image);
}

static int decode_input(struct mr_run *run)
{
    enum mr_image_format format = run->scan.info.format;
    struct mr_tiff_jpegs jpegs;
    if (format == MR_IMAGE_GIF)
        return load_gif(run);
    if (format == MR_IMAGE_TIFF && mr_tiff_find_jpegs(&jpegs, run->input, run->ops->frame))
        return mr_tiff_load_jpegs(run, &jpegs);
    if (format != MR_IMAGE_JPEG && format != MR_IMAGE_PNG && format != MR_IMAGE_TIFF)
        return load_from_buffer(run) != 0 ? mr_run_fail(run) : MR_OK;
    VipsSource *source = mr_image_source_create(run);
    int failed = source == NULL || load_from_source(run, source) != 0;
    if (source != NULL)
        g_object_unref(source); /* the image keeps it */
    return failed ? mr_run_fail(run) : MR_OK;
}

/* Is `loaded` what is left of `stored` pixels, decoded at 1/shrink? Decoders round either way. */
static bool is_shrunk(int loaded, uint64_t stored, uint32_t shrink)
{
    uint64_t back = (uint64_t)loaded * shrink;
    return loaded > 0 && back + shrink > stored && back < stored + shrink;
}

/* Limits were checked, and sizes planned, for what the scan saw: a decoder that sees something else gets no further. */
static bool is_as_scanned(const struct mr_run *run)
{
    const struct mr_image_info *info = &run->scan.info;
    const VipsImage *image = run->image;
    if (image->Bands < 1 || image->Bands > 4 ||
        (image->BandFmt != VIPS_FORMAT_UCHAR && image->BandFmt != VIPS_FORMAT_USHORT))
        return false;
    if (info->format == MR_IMAGE_WEBP && run->plan.scale < 1)
        return (uint32_t)image->Xsize <= info->width && (uint32_t)image->Ysize <= info->height;
    return is_shrunk(image->Xsize, info->width, run->plan.shrink) &&
           is_shrunk(image->Ysize, (uint64_t)info->height * run->plan.frames, run->plan.shrink);
}

/* What a HEIF's properties cut from its image (clap) is known when it is open. It can only be less: plan again. */
static int plan_as_opened(struct mr_run *run)
{
    struct mr_image_info *info = &run->scan.info;
    bool is_heif = info->format == MR_IMAGE_HEIF || info->format == MR_IMAGE_AVIF;
    uint32_t width = (uint32_t)run->image->Xsize, height = (uint32_t)run->image->Ysize;
    if (!is_heif || (width == info->width && height == info->height))
        return MR_OK;
    if ((uint64_t)width * height > (uint64_t)info->width * info->height)
        return mr_fault_set(run->fault, MR_EDAMAGED, "The container and the image in it do not fit each other.");
    info->width = width;
    info->height = height;
    return mr_plan_make(&run->plan, run->ops, info, run->limits, run->fault);
}

/* A profile that would hold the job counts as none, here for all steps that convert colours. */
static int drop_costly_profile(struct mr_run *run)
{
    const void *profile;
    size_t len;
    if (vips_image_get_typeof(run->image, VIPS_META_ICC_NAME) == 0 ||
        vips_image_get_blob(run->image, VIPS_META_ICC_NAME, &profile, &len) != 0 ||
        mr_icc_is_cheap((struct mr_view){.at = profile, .len = len}))
        return MR_OK;
    return mr_run_drop_profile(run);
}

/* Of pixels that are RGB, a profile that is for RGB and can be read. */
static void look_at_profile(struct mr_run *run)
{
    const void *profile;
    size_t len;
    bool is_rgb = run->image->Type == VIPS_INTERPRETATION_sRGB || run->image->Type == VIPS_INTERPRETATION_RGB16;
    bool is_gif = run->plan.format == MR_IMAGE_GIF || mr_plan_picks(&run->plan, run->ops) == MR_IMAGE_BIT(MR_IMAGE_GIF);
    if (run->ops->icc != MR_IMAGE_ICC_KEEP || is_gif || !is_rgb ||
        vips_image_get_typeof(run->image, VIPS_META_ICC_NAME) == 0 ||
        vips_image_get_blob(run->image, VIPS_META_ICC_NAME, &profile, &len) != 0 || len < 20)
        return;
    run->keeps_profile = memcmp((const uint8_t *)profile + 16, "RGB ", 4) == 0 &&
                         vips_icc_is_compatible_profile(run->image, profile, len);
    vips_error_clear();
}

/* What the container says of colours becomes a profile, for those steps. */
static int make_profile(struct mr_run *run)
{
    const struct mr_image_colours *colours = &run->scan.info.colours;
    uint8_t profile[MR_ICC_MADE_MAX];
    if (vips_image_get_typeof(run->image, VIPS_META_ICC_NAME) != 0 || !mr_icc_is_needed(colours))
        return MR_OK;
    size_t len = mr_icc_make(profile, colours, run->image->Bands < 3);
    if (len == 0)
        return MR_OK;
    VipsImage *next = NULL;
    int failed = vips_copy(run->image, &next, NULL); /* its header is ours to change */
    int err = mr_run_step(run, failed, next);
    if (err == MR_OK)
        vips_image_set_blob_copy(run->image, VIPS_META_ICC_NAME, profile, len);
    return err;
}

int mr_run_charge_copy(const struct mr_run *run, size_t len)
{
    const struct mr_image_limits *limits = run->limits;
    uint64_t needed = mr_plan_memory(&run->plan, run->ops, &run->scan.info) + len;
    return limits->reserve == NULL ? MR_OK : limits->reserve(limits->context, needed, run->fault);
}

/* The decoder gets what the file should have been: from the source (image_io.c), or where it wants all of the input at
 * once, in a copy. */
static int mend_input(struct mr_run *run)
{
    const struct mr_image_mending *mending = &run->scan.mending;
    if (mending->tail == NULL)
        return MR_OK;
    if (run->scan.info.format != MR_IMAGE_WEBP) {
        run->input.len = mending->len;
        return MR_OK;
    }
    int err = mr_run_charge_copy(run, mending->len + mending->tail_len);
    if (err != MR_OK)
        return err;
    uint8_t *bytes = malloc(mending->len + mending->tail_len);
    if (bytes == NULL)
        return mr_fault_set(run->fault, MR_EMEMORY, NULL);
    memcpy(bytes, run->input.at, mending->len);
    memcpy(bytes + mending->len, mending->tail, mending->tail_len);
    size_t size = mending->len + mending->tail_len - mending->size_at - 4;
    for (size_t i = 0; mending->size_at != 0 && i < 4; i++)
        bytes[mending->size_at + i] = (uint8_t)(size >> (8 * i));
    run->input = (struct mr_view){.at = bytes, .len = mending->len + mending->tail_len};
    run->input_mended = bytes;
    return MR_OK;
}

int mr_run_open(struct mr_run *run)
{
    int err = mend_input(run);
    if (err != MR_OK)
        return err;
    struct mr_view file = run->input;
    if (run->scan.info.format == MR_IMAGE_PNG && !mr_png_sums_are_right(file))
        return mr_fault_set(run->fault, MR_EDAMAGED, "PNG: a checksum is wrong.");
    if (run->scan.info.format == MR_IMAGE_PNG && mr_png_without_texts(&run->input, &run->input_owned, file) != MR_OK)
        return mr_fault_set(run->fault, MR_EMEMORY, NULL);
    err = decode_input(run);
    if (err == MR_OK)
        err = drop_costly_profile(run);
    if (err == MR_OK) {
        look_at_profile(run);
        err = make_profile(run);
    }
    if (err != MR_OK)
        return err;
    mr_run_watch(run);
    err = plan_as_opened(run);
    if (err != MR_OK)
        return err;
    if (!is_as_scanned(run))
        return mr_fault_set(run->fault, MR_EDAMAGED, "The container and the image in it do not fit each other.");
    return MR_OK;
}
