/* identify.h -- which image format some bytes are, and what their container says of the image: everything that is
 * decided about an input before a library that decodes it is called. Pure functions; any thread. */
#ifndef MR_MEDIA_SCAN_IDENTIFY_H
#define MR_MEDIA_SCAN_IDENTIFY_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mr_image_format {
    MR_IMAGE_UNKNOWN,
    MR_IMAGE_JPEG,
    MR_IMAGE_PNG,
    MR_IMAGE_WEBP,
    MR_IMAGE_GIF,
    MR_IMAGE_TIFF,
    MR_IMAGE_HEIF,
    MR_IMAGE_AVIF,
    MR_IMAGE_JXL, /* written only */
    MR_IMAGE_FORMAT_COUNT,
};
const char *mr_image_media_type(enum mr_image_format format); /* "image/jpeg" ... */
const char *mr_image_extension(enum mr_image_format format);  /* "jpg" ... */

/* px of a side of any input: what no decoder's arithmetic has trouble with. */
#define MR_IMAGE_SIDE_MAX 65535

struct mr_image_limits {
    uint64_t pixels; /* width x height x frames, of what is decoded and of the output; of a scan, of one frame */
    uint32_t frames; /* that are decoded */
    /* Or NULL: called on the run's thread whenever its sizes were planned, also when a step changed them, with the
     * bytes that the run needs in all, before it uses them. An error that it returns, with the fault filled, ends the
     * run. */
    int (*reserve)(void *context, uint64_t bytes, struct mr_fault *fault);
    void *context; /* of reserve */
};

/* What a container says of its colours in numbers; 0 where it says nothing. It counts where there is no profile. */
struct mr_image_colours {
    uint8_t primaries, transfer; /* code points of ITU-T H.273 */
    uint32_t gamma;              /* PNG's gAMA: of the encoder, times 100000 */
    uint32_t places[8];          /* PNG's cHRM: x and y of white, red, green, blue, times 100000 */
};

/* What the container says, read without decoding a pixel. */
struct mr_image_info {
    enum mr_image_format format;
    uint64_t len;                   /* bytes */
    uint32_t width, height, frames; /* as stored, before orientation */
    uint32_t scans;                 /* passes over all pixels that decoding takes: progressive JPEG has several */
    uint8_t bands, bits;            /* channels with alpha; bits of one when decoded: 8 or 16 */
    uint8_t orientation;            /* EXIF: 1 upright, 2..8 mirrored or turned */
    struct mr_image_colours colours;
    bool alpha;
    /* JPEG: brightness alone or with two colours of it, Huffman coding, no colours at a finer resolution than
     * brightness; without a profile, or with one that says sRGB. */
    bool plain;
    bool palette;        /* colours are numbers of a list */
    bool halves_colours; /* stored with a lower resolution than brightness: most JPEGs, WebP with loss */
    bool whole;          /* decoding holds the whole image at once: progressive JPEG, interlaced PNG, WebP, GIF ... */
};

/* Recognise and measure `bytes`, the whole image: every structure of the container is visited, so that a file which was
 * cut is MR_EDAMAGED here. On failure *out holds what was read until then (a prefix of 64 bytes suffices for the
 * format, a few KiB mostly for the dimensions). Costs microseconds, about 50 us a MiB for JPEG, and for the worst that
 * can be built 20 ms a MiB: on a worker. MR_ENOTIMAGE, MR_EDAMAGED, MR_EPIXELS, MR_ETIME (more scans than
 * an image of its size may have) or MR_OK. */
int mr_image_identify(struct mr_image_info *out, const void *bytes, size_t len, const struct mr_image_limits *limits,
                      struct mr_fault *fault);
/* How a file that has all of its pixels, and not all of its structure, is made whole: by so many of its bytes, and the
 * tail behind them. tail NULL: the file is whole. */
struct mr_image_mending {
    size_t len;
    const char *tail; /* static */
    size_t tail_len;
    size_t size_at; /* where the mended file says how many bytes follow, in 4 bytes, the lowest first; 0: nowhere */
};

/* What a scan found, for those who come after it: a container is scanned once. */
struct mr_image_scan {
    struct mr_image_info info;
    struct mr_image_mending mending;
    uint32_t warnings; /* as in scan.h */
    int32_t page;      /* the one that was asked for, as mr_image_ops.frame */
    bool is_whole;     /* all of the container was visited, or an error is certain */
};

/* The same with a fixed amount of work at most, whatever the bytes are: for a loop. If that does not suffice, *out
 * holds what was read until then without is_whole, and MR_OK means that nothing speaks against the image so far. */
int mr_image_glance(struct mr_image_scan *out, int32_t page, const void *bytes, size_t len,
                    const struct mr_image_limits *limits, struct mr_fault *fault);
/* Format by the first bytes alone (12 or more wanted). */
enum mr_image_format mr_image_sniff(const void *bytes, size_t len);

#endif
