/* image.h -- the image stage: a pure function from (operations, bytes, limits, a cancel mark) to (bytes or a fault).
 *
 * No libvips type appears here and no HTTP: a URL dialect, the cache key and, later, a decoder process of its own all
 * use exactly this. The operations are a plain struct without pointers; two requests that mean the same have the same
 * canonical text.
 *
 * What every image goes through, in this order; a step that nothing asks for is left out:
 *
 *    1. recognised by its bytes; dimensions and frames checked against the limits before a pixel is decoded
 *    2. decoded, at reduced size where the format can (shrink-on-load); of an animation all frames when the output is
 *       GIF or WebP and no frame was chosen, else one
 *    3. turned upright by its EXIF orientation, or by `orient`
 *    4. cut by `rect`, then by `trim`
 *    5. resized and cropped: `w`, `h`, `dpr`, `fit`, `crop`
 *    6. converted to sRGB
 *    7. adjusted: `exp`, `bri`, `con`, `gam`, `high`, `shad`, `invert`, `sat`, `hue`, `sepia`, `vib`, `mono`, then
 * `blur`, `sharp`, `usm`
 *    8. extended to w x h (fit=fill, fillmax, clamp), mirrored by `flip`, turned by `rot`, framed by `pad`
 *    9. laid on `bg`, or on white where the output has no transparency
 *   10. all metadata dropped (GPS position, camera, thumbnails, profiles), but what strip=0 keeps
 *   11. encoded
 *
 *   setup, teardown   main, once
 *   thread_end        each worker, before it ends
 *   parse, canonical, memory, run   any thread
 */
#ifndef MR_MEDIA_IMAGE_H
#define MR_MEDIA_IMAGE_H

#include "base/cancel.h"
#include "base/error.h"
#include "base/param.h"
#include "base/slice.h"
#include "media/scan/identify.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Grows when the same operations give other bytes than before: part of what a kept image is known by. */
#define MR_IMAGE_STAGE_VERSION "4"

enum mr_image_fit {
    MR_IMAGE_FIT_CLIP,    /* inside w x h, proportions kept (the default) */
    MR_IMAGE_FIT_CROP,    /* exactly w x h, proportions kept, what is over is cut away (see crop) */
    MR_IMAGE_FIT_MAX,     /* as clip, never enlarged */
    MR_IMAGE_FIT_MIN,     /* as crop, never enlarged: the proportions of w x h */
    MR_IMAGE_FIT_SCALE,   /* exactly w x h, proportions not kept */
    MR_IMAGE_FIT_FILL,    /* as clip, then extended to w x h with bg */
    MR_IMAGE_FIT_CLAMP,   /* as clip, then extended to w x h with the pixels at its edge */
    MR_IMAGE_FIT_FILLMAX, /* as fill, but the image is never enlarged */
};
enum mr_image_crop {
    MR_IMAGE_CROP_CENTRE,
    MR_IMAGE_CROP_EDGES, /* by the edge bits below: top, left, top,left ... */
    MR_IMAGE_CROP_ENTROPY,
    MR_IMAGE_CROP_ATTENTION,
    MR_IMAGE_CROP_FOCALPOINT, /* around fp-x, fp-y */
};
/* By content a still is cut alone, and around a point where one is known: others stand in for them. */
enum { MR_IMAGE_CROPS = 3 };
struct mr_image_crop_way {
    enum mr_image_crop crop;
    uint32_t edges; /* with MR_IMAGE_CROP_EDGES */
};
enum { MR_IMAGE_EDGE_TOP = 1, MR_IMAGE_EDGE_BOTTOM = 2, MR_IMAGE_EDGE_LEFT = 4, MR_IMAGE_EDGE_RIGHT = 8 };
enum { MR_IMAGE_FLIP_NONE, MR_IMAGE_FLIP_H, MR_IMAGE_FLIP_V, MR_IMAGE_FLIP_BOTH };
/* The resolution of colours: half of that of brightness, full, or full where it shows. */
enum { MR_IMAGE_CHROMA_AUTO, MR_IMAGE_CHROMA_420, MR_IMAGE_CHROMA_444 };
enum { MR_IMAGE_QUALITY_FULL_CHROMA = 90 };                                     /* from it on it shows */
enum { MR_IMAGE_PALETTE_AUTO = -1, MR_IMAGE_PALETTE_NO, MR_IMAGE_PALETTE_YES }; /* AUTO: as the original has it */
enum { MR_IMAGE_ICC_SRGB, MR_IMAGE_ICC_KEEP };    /* the output is sRGB; or has the RGB profile of its original */
enum { MR_IMAGE_FILL_SOLID, MR_IMAGE_FILL_BLUR }; /* a colour; or the image, blurred, large enough to cover it */
enum { MR_IMAGE_RECT_MIDDLE = -1, MR_IMAGE_RECT_END = -2 };
enum { MR_IMAGE_SHRINK_FAST, MR_IMAGE_SHRINK_CAREFUL };
enum { MR_IMAGE_ROT_STRAIGHTEN, MR_IMAGE_ROT_PIVOT }; /* zoomed so that no corner is empty; or on a larger canvas */
/* The colour that is cut away: that of the top left pixel, one that is given, no colour at all, or that where there is
 * transparency and else one that is given. */
enum {
    MR_IMAGE_TRIM_NONE,
    MR_IMAGE_TRIM_AUTO,
    MR_IMAGE_TRIM_COLOUR,
    MR_IMAGE_TRIM_ALPHA,
    MR_IMAGE_TRIM_COLOUR_UNLESS_ALPHA,
};
enum { MR_IMAGE_LEFT, MR_IMAGE_RIGHT, MR_IMAGE_TOP, MR_IMAGE_BOTTOM, MR_IMAGE_SIDES };

/* Sets of formats. */
#define MR_IMAGE_BIT(format) (1u << (format))
/* All that are written but JPEG XL, which few clients show: it is written where an operator names it. */
#define MR_IMAGE_BITS_USUAL \
    (MR_IMAGE_BITS_ANYWHERE | MR_IMAGE_BIT(MR_IMAGE_WEBP) | MR_IMAGE_BIT(MR_IMAGE_TIFF) | MR_IMAGE_BIT(MR_IMAGE_AVIF))
/* What all clients show, whether they say so or not. */
#define MR_IMAGE_BITS_ANYWHERE (MR_IMAGE_BIT(MR_IMAGE_JPEG) | MR_IMAGE_BIT(MR_IMAGE_PNG) | MR_IMAGE_BIT(MR_IMAGE_GIF))

struct mr_image_colour {
    bool given;
    uint8_t red, green, blue, alpha; /* alpha 255: opaque */
};

/* What is asked for. Pointer-free, comparable by its canonical text. Zeroed and passed through mr_image_ops_init it
 * asks for the image as it is. Numbers without a unit are as in the table of parameters; 0 is no change. */
struct mr_image_ops {
    double width, height; /* px; below 1 a part of the image's own; 0: not given */
    double dpr;           /* both are multiplied by it */
    double ratio;         /* width over height, where a fit has two sides and one is not given; 0: not given */
    int32_t min_width, min_height, max_width, max_height; /* px, of the output; 0: not given */
    enum mr_image_fit fit;
    struct mr_image_crop_way crops[MR_IMAGE_CROPS]; /* the first that is possible; the rest is CENTRE */
    double focus_x, focus_y;                        /* 0..1 of the width, the height */
    bool has_focus;                                 /* they were given, or one of them: else the middle */
    double rect_left, rect_top;         /* of the upright image: px, below 1 a part of it, or MR_IMAGE_RECT_... */
    int32_t rect_width, rect_height;    /* px; width 0: none */
    int32_t trim;                       /* MR_IMAGE_TRIM_...: cut borders of one colour */
    int32_t trim_difference;            /* levels of a channel by which a border may differ from it */
    struct mr_image_colour trim_colour; /* of COLOR */
    int32_t orient;                     /* as EXIF, instead of the image's own; 0: not given */
    int32_t flip;                       /* MR_IMAGE_FLIP_... */
    double rotation;                    /* degrees, counter-clockwise */
    int32_t rotation_type;              /* MR_IMAGE_ROT_...: of angles other than 90, 180, 270 */
    int32_t pad;                        /* px on each side, within w x h */
    int32_t pads[MR_IMAGE_SIDES];       /* the same for one of them; -1: as `pad` says */
    struct mr_image_colour background, mono;
    int32_t fill;                       /* MR_IMAGE_FILL_...: what fit=fill and fillmax add */
    struct mr_image_colour fill_colour; /* of SOLID; else the background */
    int32_t border;                     /* px of border_colour at each side, over the output */
    struct mr_image_colour border_colour;
    bool is_mono_long; /* it was given as `monochrome`, which is the same */
    double brightness, contrast, gamma, saturation, blur, sharpness;
    double exposure, highlights, shadows, hue, vibrance, sepia, unsharp, unsharp_radius;
    bool invert;
    int32_t frame;                 /* 1..; 0: all of an animation, the first of others */
    bool is_frame_a_page;          /* it was given as `page`, which is the same */
    enum mr_image_format format;   /* UNKNOWN: the input's, but of TIFF and HEIF PNG with alpha and JPEG without */
    uint32_t formats;              /* bits of those that it may be where it is not given; 0: all. See ..._allow */
    enum mr_image_format fallback; /* what stands for one that it may not be */
    uint32_t picks;                /* auto=format: bits of the formats that it may pick; 0: it was not asked for */
    int32_t quality;               /* 1..100, for all formats as of a JPEG */
    int32_t effort;                /* 0..9 of the encoder; -1: this stage's choice */
    bool lossless, interlace;
    bool is_progressive;                  /* a format of a name that says so: as interlace */
    int32_t palette;                      /* MR_IMAGE_PALETTE_...: of PNG, at most 256 colours */
    bool is_paletted;                     /* a format of a name that says so: as palette=1 */
    bool is_true_colour;                  /* the same: as palette=0, where that says nothing */
    int32_t chroma;                       /* MR_IMAGE_CHROMA_...: of JPEG and AVIF */
    bool is_chroma_short, is_chroma_long; /* it was given as `chroma`, as `chromasub`, which is the same */
    int32_t icc;                          /* MR_IMAGE_ICC_... */
    bool strip, gps; /* strip: drop all metadata (the default); else what is not known to be harmless, unless gps */
    bool linear;     /* resize in linear light */
    int32_t shrink;  /* MR_IMAGE_SHRINK_...: careful leaves a factor of two to the resizer */
};

/* The parameters of the stage (imgix names): validation, GET /pipe and the docs are made from this table. Ends with a
 * row without a name. */
extern const struct mr_param_spec mr_image_params[];

/* Is a PNG to have a palette (MR_IMAGE_PALETTE_...), a JPEG or PNG to be readable in passes? */
static inline int32_t mr_image_ops_palette(const struct mr_image_ops *ops)
{
    bool says_no = ops->is_true_colour && ops->palette == MR_IMAGE_PALETTE_AUTO;
    return ops->is_paletted ? MR_IMAGE_PALETTE_YES : says_no ? MR_IMAGE_PALETTE_NO : ops->palette;
}
static inline bool mr_image_ops_interlaces(const struct mr_image_ops *ops)
{
    return ops->interlace || ops->is_progressive;
}

/* Are colours to have full resolution, whatever they are? Where the chroma is AUTO, pixels may ask for it too. */
static inline bool mr_image_ops_wants_full_chroma(const struct mr_image_ops *ops)
{
    return ops->chroma == MR_IMAGE_CHROMA_444 ||
           (ops->chroma == MR_IMAGE_CHROMA_AUTO && ops->quality >= MR_IMAGE_QUALITY_FULL_CHROMA);
}

/* What imgix and its libraries put into each address, and what asks for nothing: ixlib and ixid, which are in the
 * table, and their signature's s and expires, which are not: where addresses are signed, they have a meaning of their
 * own. */
bool mr_image_passes_over(struct mr_slice name);

void mr_image_ops_init(struct mr_image_ops *ops);
/* Apply one parameter, `value` already percent-decoded. MR_OK, or MR_EPARAM with the fault filled; a name that is not
 * in the table is MR_EPARAM too, and so are two names of one operation. */
int mr_image_ops_set(struct mr_image_ops *ops, struct mr_slice name, struct mr_slice value, struct mr_fault *fault);
/* What fp-x and fp-y set, from 0 to 1: with as many digits as the canonical text has. */
void mr_image_ops_set_focus(struct mr_image_ops *ops, double x, double y);
/* Does the crop depend on a focal point that is not given? */
bool mr_image_ops_wants_focus(const struct mr_image_ops *ops);
/* What only shows when all parameters are known (crop without fit=crop is fine, fit=crop without w and h is not).
 */
int mr_image_ops_check(const struct mr_image_ops *ops, struct mr_fault *fault);
/* Keep the output within width x height px (1 to 65535), whatever the image is. MR_EPARAM: w, h, dpr, rot and pad ask
 * for more, which the fault says as "max-size" with both numbers. Else a side that is not given gets a bound, and an
 * image of which neither is given is made smaller where it would be larger. */
int mr_image_ops_bound(struct mr_image_ops *ops, uint32_t width, uint32_t height, struct mr_fault *fault);
/* Keep the output to these formats (bits; 0: all). MR_EPARAM: fm is another one. Where it is not given, `fallback`
 * stands for what would be another one: only the image tells. No part of the canonical text. */
int mr_image_ops_allow(struct mr_image_ops *ops, uint32_t formats, enum mr_image_format fallback,
                       struct mr_fault *fault);
/* What an original of this media type is written as where no format is given. UNKNOWN: as PNG or as JPEG, which only
 * its pixels tell. */
enum mr_image_format mr_image_default_format(const char *type);
/* Bytes that every canonical text fits in, NUL included. */
enum { MR_IMAGE_CANONICAL_SIZE = 2048 };
/* The canonical text: "w=300&h=200&fit=crop&crop=top,left&fm=webp&q=80"; defaults are left out, order fixed. Returns
 * its length (without the NUL), as snprintf. */
size_t mr_image_ops_canonical(const struct mr_image_ops *ops, char *out, size_t size);

/* The formats that auto=format may pick here, as bits; 0: it has no effect, since it was not asked for or `fm` is
 * given. The canonical text knows them not: they are what this client accepts, and part of the key of what is kept. */
uint32_t mr_image_ops_picks(const struct mr_image_ops *ops);

/* Bytes of memory that a run of `ops` on such an image will hold at its peak, without the input itself: an estimate for
 * admission, rather high than low. */
uint64_t mr_image_memory(const struct mr_image_info *info, const struct mr_image_ops *ops);

/* Nanoseconds of CPU time that such a run is expected to take on one core: within a factor of three for photographs. 0
 * when the dimensions are not known. */
uint64_t mr_image_cost_ns(const struct mr_image_info *info, const struct mr_image_ops *ops);

struct mr_image_result {
    void *bytes; /* owned: mr_image_result_free */
    size_t len;
    enum mr_image_format format;
    uint32_t width, height, frames;
};

/* Do it. CPU work: on a worker. Stops at cancel's mark (MR_ECANCELLED) or time (MR_ETIME). Faults: MR_ENOTIMAGE (415),
 * MR_EDAMAGED (422: truncated or corrupt, also half an image), MR_EPIXELS, MR_EFRAMES (413, limit and value),
 * MR_EDIMENSION, MR_ETIME, MR_ECANCELLED, MR_EINTERNAL, and what limits->reserve returns. */
int mr_image_run(struct mr_image_result *out, const struct mr_image_ops *ops, const void *bytes, size_t len,
                 const struct mr_image_limits *limits, const struct mr_cancel *cancel, struct mr_fault *fault);
/* The same for bytes that were scanned already, within the same limits. A scan that is not whole, or of another page,
 * is done here. */
int mr_image_run_scanned(struct mr_image_result *out, const struct mr_image_ops *ops, const void *bytes, size_t len,
                         const struct mr_image_scan *known, const struct mr_image_limits *limits,
                         const struct mr_cancel *cancel, struct mr_fault *fault);
void mr_image_result_free(struct mr_image_result *result);

/* Start libvips for a server: one thread per job, operation cache off, untrusted loaders blocked. 0 or MR_EINTERNAL. */
int mr_image_setup(void);
void mr_image_teardown(void);
void mr_image_thread_end(void);
/* "8.14.1", and the formats that can be read and written here, space-separated, in static memory. */
const char *mr_image_library_version(void);
const char *mr_image_readable(void);
const char *mr_image_writable(void);
/* The same as bits. Before setup: all. */
uint32_t mr_image_writable_bits(void);

#endif
