/* image_run.h -- private to the image stage: one run, and the steps that it is made of. Each step takes the end of the
 * pipeline, run->image, puts its own in its place, and returns MR_OK or fills the run's fault. */
#ifndef MR_MEDIA_IMAGE_RUN_H
#define MR_MEDIA_IMAGE_RUN_H

#include "base/cancel.h"
#include "media/image/image.h"
#include "media/image/plan.h"
#include "media/scan/scan.h"
#include <vips/vips.h>

/* libvips reads and writes for a run on threads of its own, one at a time, and is through with them when it returns.
 * Its locks order all that, which ThreadSanitizer cannot see: each of those calls takes the run over from the one
 * before and hands it on, and so does the job when libvips has returned. */
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#define MR_RUN_TAKE_OVER(run) __tsan_acquire(run)
#define MR_RUN_HAND_ON(run)   __tsan_release(run)
#else
#define MR_RUN_TAKE_OVER(run) (void)(run)
#define MR_RUN_HAND_ON(run)   (void)(run)
#endif

struct mr_run {
    const struct mr_image_ops *ops;
    const struct mr_image_limits *limits;
    const struct mr_cancel *cancel;
    struct mr_fault *fault;
    struct mr_view input;
    void *input_owned, *input_mended; /* the memory of an input that had to be changed, or NULL */
    struct mr_scan scan;
    struct mr_plan plan;
    VipsImage *image;           /* the end of the pipeline so far; owned */
    atomic_int stopped;         /* why the run is to stop, or MR_OK. libvips may read on a thread of its own */
    bool keeps_profile;         /* icc=keep, and there is one that can be kept */
    bool is_srgb;               /* converted before all else */
    bool halves_colours;        /* of JPEG and AVIF: 4:2:0 */
    bool is_resampled;          /* pixels were mixed: resized, blurred, turned by any angle */
    bool in_memory;             /* image's pixels are computed and can be read in any order */
    VipsRect trim;              /* what `trim` leaves; width 0: not known yet */
    struct mr_image_ops picked; /* ops with what auto=format has made of them */
};

/* The next step's image takes the place of the last one's, which the pipeline itself keeps alive. */
void mr_run_advance(struct mr_run *run, VipsImage *next);
/* A call of libvips failed: why, as the fault. */
int mr_run_fail(struct mr_run *run);
/* Finish a call of libvips that gave `next`, or failed. */
int mr_run_step(struct mr_run *run, int failed, VipsImage *next);
/* Compute the pixels now, for steps that read them in another order than from top to bottom. */
int mr_run_to_memory(struct mr_run *run);
/* Is the run to stop? Once it is, it stays so. On any thread of the run. */
bool mr_run_is_stopped(struct mr_run *run);
/* Everything that is computed from run->image from here on looks at the cancel mark. */
void mr_run_watch(struct mr_run *run);
/* Go on as if the image had no colour profile. */
int mr_run_drop_profile(struct mr_run *run);

/* Reserve, beside what the plan needs, `len` bytes of the input that are copied. */
int mr_run_charge_copy(const struct mr_run *run, size_t len); /* image_load.c */
int mr_run_open(struct mr_run *run);
int mr_run_cut_first(struct mr_run *run); /* image_geometry.c */
int mr_run_resize(struct mr_run *run);
int mr_run_turn_upright(struct mr_run *run);
int mr_run_crop(struct mr_run *run);
int mr_run_extend(struct mr_run *run);
int mr_run_flip(struct mr_run *run);
int mr_run_rotate(struct mr_run *run);
int mr_run_pad(struct mr_run *run);
int mr_run_border(struct mr_run *run);
int mr_run_to_8_bits(struct mr_run *run); /* image_adjust.c */
int mr_run_to_srgb(struct mr_run *run);
int mr_run_flatten_white(struct mr_run *run);
int mr_run_flatten(struct mr_run *run);
int mr_run_lay_on_white(struct mr_run *run); /* and on no bg */
int mr_run_tone(struct mr_run *run);
int mr_run_mono(struct mr_run *run);
int mr_run_blur(struct mr_run *run);
int mr_run_sharpen(struct mr_run *run);
int mr_run_unsharp(struct mr_run *run);
/* A Gaussian of sigma px; NULL when libvips fails. `in` is read twice, and not from top to bottom. */
VipsImage *mr_run_blurred(VipsImage *in, double sigma);
/* What shows where white lies behind it. */
struct mr_image_colour mr_run_over_white(struct mr_image_colour colour);
int mr_run_drop_metadata(struct mr_run *run);                     /* image_metadata.c */
int mr_run_pick(struct mr_run *run);                              /* image_pick.c */
int mr_run_choose_chroma(struct mr_run *run);                     /* image_chroma.c, when the format is known */
int mr_run_encode(struct mr_run *run, void **bytes, size_t *len); /* image_encode.c */

#endif
