/* DESIGN: a run is a row of steps over one libvips pipeline. libvips is lazy: the steps describe, the encoder (or a
 * step that needs random access to pixels) pulls, strip by strip. Sizes were decided before (plan.c), and what the
 * bytes are was decided by our own scan (scan/identify.c). The frames of an animation are decoded first, as one tall
 * strip, and each goes through the steps by itself. */
#include "media/image/image.h"
#include "media/image/image_photo.h"
#include "media/image/image_run.h"
#include "media/image/image_setup.h"

#include "base/assert.h"
#include "base/macros.h"

#include <stdlib.h>
#include <string.h>

void mr_run_advance(struct mr_run *run, VipsImage *next)
{
    MR_ASSERT(next != NULL);
    g_object_unref(run->image);
    run->image = next;
}

/* libvips has one error buffer for all threads, so its text may be another job's: it is dropped unread. What goes wrong
 * after our own scan was content is the compressed data, or the pipeline was killed by on_progress. */
int mr_run_fail(struct mr_run *run)
{
    vips_error_clear();
    int stopped = atomic_load_explicit(&run->stopped, memory_order_relaxed);
    if (stopped != MR_OK)
        return mr_fault_set(run->fault, stopped, NULL);
    mr_fault_set(run->fault, MR_EDAMAGED, "The compressed data cannot be decoded.");
    return MR_EDAMAGED;
}

int mr_run_step(struct mr_run *run, int failed, VipsImage *next)
{
    if (failed)
        return mr_run_fail(run);
    mr_run_advance(run, next);
    return MR_OK;
}

bool mr_run_is_stopped(struct mr_run *run)
{
    /* Relaxed: the mark carries no data. */
    if (atomic_load_explicit(&run->stopped, memory_order_relaxed) != MR_OK)
        return true;
    int err = run->cancel == NULL ? MR_OK : mr_cancel_check(run->cancel);
    if (err != MR_OK)
        atomic_store_explicit(&run->stopped, err, memory_order_relaxed);
    return err != MR_OK;
}

static int check_cancel(struct mr_run *run)
{
    return mr_run_is_stopped(run) ? mr_run_fail(run) : MR_OK;
}

/* Called by libvips on the job's own thread after each strip. A killed image fails the next request for its pixels. */
static void on_progress(VipsImage *image, VipsProgress *progress, void *data)
{
    (void)progress;
    if (mr_run_is_stopped(data))
        vips_image_set_kill(image, TRUE);
}

void mr_run_watch(struct mr_run *run)
{
    if (run->cancel == NULL)
        return;
    g_signal_connect(run->image, "eval", G_CALLBACK(on_progress), run);
    vips_image_set_progress(run->image, TRUE);
}

int mr_run_to_memory(struct mr_run *run)
{
    if (run->in_memory)
        return MR_OK;
    VipsImage *next = vips_image_copy_memory(run->image);
    if (next == NULL)
        return mr_run_fail(run);
    mr_run_advance(run, next);
    run->in_memory = true;
    mr_run_watch(run);
    return MR_OK;
}

/* What one picture goes through between decoder and encoder. */
static int run_picture(struct mr_run *run)
{
    int (*const steps[])(struct mr_run * run) = {
        check_cancel,    mr_run_to_8_bits, mr_run_cut_first, mr_run_flatten_white, mr_run_resize,
        NULL /* turn */, mr_run_crop,      mr_run_to_srgb,   mr_run_tone,          mr_run_mono,
        mr_run_blur,     mr_run_sharpen,   mr_run_unsharp,   mr_run_extend,        mr_run_flip,
        mr_run_rotate,   mr_run_pad,       mr_run_border,    mr_run_flatten,       mr_run_drop_metadata};
    for (size_t i = 0; i < MR_ARRAY_SIZE(steps); i++) {
        int (*step)(struct mr_run * run) = steps[i];
        if (step == NULL && run->plan.cut_first)
            continue;
        int err = step == NULL ? mr_run_turn_upright(run) : step(run);
        if (err != MR_OK)
            return err;
    }
    return MR_OK;
}

/* Frame `index` of the strip, through all steps, computed. */
static int run_frame(struct mr_run *run, VipsImage *strip, uint32_t index, VipsImage **out)
{
    int height = (int)run->scan.info.height;
    if (vips_extract_area(strip, &run->image, 0, (int)index * height, strip->Xsize, height, NULL)) {
        run->image = NULL;
        return mr_run_fail(run);
    }
    run->in_memory = true; /* the strip is */
    int err = run_picture(run);
    run->in_memory = false;
    if (err == MR_OK)
        err = mr_run_to_memory(run);
    if (err == MR_OK) {
        *out = run->image;
        run->image = NULL;
    }
    VIPS_UNREF(run->image);
    return err;
}

/* The frames as one strip again, with the timing of the first strip. */
static int join_frames(struct mr_run *run, VipsImage **frames, VipsImage *strip)
{
    VipsImage *joined = NULL;
    if (vips_arrayjoin(frames, &joined, (int)run->plan.frames, "across", 1, NULL) ||
        vips_copy(joined, &run->image, NULL)) {
        VIPS_UNREF(joined);
        run->image = NULL;
        return mr_run_fail(run);
    }
    g_object_unref(joined);
    vips_image_set_int(run->image, VIPS_META_PAGE_HEIGHT, frames[0]->Ysize);
    int *delays = NULL, count = 0, loop = 0;
    if (vips_image_get_typeof(strip, "delay") != 0 && vips_image_get_array_int(strip, "delay", &delays, &count) == 0)
        vips_image_set_array_int(run->image, "delay", delays, count);
    if (vips_image_get_typeof(strip, "loop") != 0 && vips_image_get_int(strip, "loop", &loop) == 0)
        vips_image_set_int(run->image, "loop", loop);
    mr_run_watch(run);
    return MR_OK;
}

static int run_animation(struct mr_run *run)
{
    int err = mr_run_to_memory(run);
    if (err != MR_OK)
        return err;
    VipsImage *strip = run->image;
    run->image = NULL;
    const struct mr_plan plan = run->plan; /* cut_first makes another one of it, for each frame again */
    VipsImage **frames = calloc(plan.frames, sizeof(VipsImage *));
    if (frames == NULL) {
        g_object_unref(strip);
        return mr_fault_set(run->fault, MR_EMEMORY, NULL);
    }
    for (uint32_t i = 0; i < plan.frames && err == MR_OK; i++) {
        run->plan = plan;
        err = run_frame(run, strip, i, &frames[i]);
    }
    if (err == MR_OK)
        err = join_frames(run, frames, strip);
    for (uint32_t i = 0; i < plan.frames; i++)
        VIPS_UNREF(frames[i]);
    free(frames);
    g_object_unref(strip);
    return err;
}

/* Encoders write into blocks that they double. What is kept of an image, or waits for its client, is charged by its
 * length, so that its block must not be longer. */
static void fit_result(struct mr_image_result *out)
{
    void *fitting = g_try_realloc(out->bytes, out->len);
    if (fitting != NULL)
        out->bytes = fitting;
}

static int run_photo(struct mr_run *run, struct mr_image_result *out)
{
    out->format = run->plan.format;
    out->frames = 1;
    out->width = run->plan.out_width;
    out->height = run->plan.out_height;
    return mr_run_photo(run, &out->bytes, &out->len);
}

static int run_steps(struct mr_run *run, struct mr_image_result *out)
{
    int err = check_cancel(run);
    if (err == MR_OK && run->plan.is_photo)
        return run_photo(run, out);
    if (err == MR_OK)
        err = mr_run_open(run);
    if (err == MR_OK)
        err = run->plan.frames > 1 ? run_animation(run) : run_picture(run);
    if (err == MR_OK)
        err = mr_run_pick(run);
    if (err == MR_OK)
        err = mr_run_choose_chroma(run);
    if (err == MR_OK)
        err = check_cancel(run);
    if (err != MR_OK)
        return err;
    out->format = run->plan.format;
    out->frames = run->plan.frames;
    out->width = (uint32_t)vips_image_get_width(run->image);
    out->height = (uint32_t)vips_image_get_height(run->image) / run->plan.frames;
    return mr_run_encode(run, &out->bytes, &out->len);
}

static int scan(struct mr_run *run, const struct mr_image_scan *known)
{
    if (!known->is_whole || known->page != run->ops->frame)
        return mr_scan_image(&run->scan, run->input, run->ops->frame, run->limits, run->fault);
    run->scan.info = known->info;
    run->scan.mending = known->mending;
    run->scan.warnings = known->warnings;
    return MR_OK;
}

int mr_image_run(struct mr_image_result *out, const struct mr_image_ops *ops, const void *bytes, size_t len,
                 const struct mr_image_limits *limits, const struct mr_cancel *cancel, struct mr_fault *fault)
{
    const struct mr_image_scan nothing = {.is_whole = false};
    return mr_image_run_scanned(out, ops, bytes, len, &nothing, limits, cancel, fault);
}

int mr_image_run_scanned(struct mr_image_result *out, const struct mr_image_ops *ops, const void *bytes, size_t len,
                         const struct mr_image_scan *known, const struct mr_image_limits *limits,
                         const struct mr_cancel *cancel, struct mr_fault *fault)
{
    struct mr_run run = {
        .ops = ops, .limits = limits, .cancel = cancel, .fault = fault, .input = {.at = bytes, .len = len}};
    memset(out, 0, sizeof(*out));
    int err = mr_image_ops_check(ops, fault);
    if (err == MR_OK)
        err = scan(&run, known);
    if (err == MR_OK && !mr_image_can_read(run.scan.info.format))
        err = mr_fault_set(fault, MR_ENOTIMAGE, "No decoder for %s is installed here.",
                           mr_image_media_type(run.scan.info.format));
    if (err == MR_OK)
        err = mr_plan_make(&run.plan, ops, &run.scan.info, limits, fault);
    if (err != MR_OK)
        return err;

    (void)mr_image_take_jpeg_warnings();
    err = run_steps(&run, out);
    if (run.image != NULL)
        g_object_unref(run.image); /* the decoder ends here, and tells its warnings */
    MR_RUN_TAKE_OVER(&run);
    free(run.input_owned);
    free(run.input_mended);
    if (err == MR_OK && atomic_load_explicit(&run.stopped, memory_order_relaxed) != MR_OK)
        err = mr_run_fail(&run); /* a codec that passed over a read that failed */
    if (err == MR_OK && mr_image_take_jpeg_warnings() > run.scan.warnings)
        err = mr_fault_set(fault, MR_EDAMAGED, "The compressed data is corrupt.");
    if (err != MR_OK)
        mr_image_result_free(out);
    else
        fit_result(out);
    return err;
}

void mr_image_result_free(struct mr_image_result *result)
{
    g_free(result->bytes);
    result->bytes = NULL;
    result->len = 0;
}
