/* scan_gif.h -- private to media: the frames of a GIF (GIF89a specification), one after the other, for the scan and for
 * the decoder, so that both see the same. Nothing is allocated; pure functions. */
#ifndef MR_MEDIA_SCAN_GIF_H
#define MR_MEDIA_SCAN_GIF_H

#include "media/scan/scan.h"

enum mr_gif_disposal {
    MR_GIF_KEEP,
    MR_GIF_CLEAR,   /* the frame's rectangle becomes transparent before the next frame, whatever the background */
    MR_GIF_RESTORE, /* it becomes what it was before the frame */
};

struct mr_gif_frame {
    uint32_t left, top, width,
        height;             /* px of the canvas, and maybe beyond it; of no width or no height: paints nothing */
    struct mr_view palette; /* 3 bytes a colour, at most 256; of an index without a colour, black */
    int transparent;        /* the index that paints nothing, or -1 */
    enum mr_gif_disposal disposal;
    int delay_ms;
    bool is_interlaced;
    unsigned code_bits;  /* of a literal: 1 to 8 */
    struct mr_view data; /* the blocks of its compressed data, each behind its length, with the empty one */
};

struct mr_gif {
    struct mr_scan *out; /* its steps are taken */
    struct mr_view file;
    struct mr_fault *fault;
    size_t at;
    struct mr_view palette; /* of all frames without one */
    int plays;              /* of the whole animation; 0: without end */
};

/* The header. *width and *height are what it says of the canvas. MR_OK or MR_EDAMAGED. */
int mr_gif_open(struct mr_gif *gif, struct mr_scan *out, struct mr_view file, uint32_t *width, uint32_t *height,
                struct mr_fault *fault);
/* The next frame, or *is_end. MR_OK or MR_EDAMAGED. */
int mr_gif_next(struct mr_gif *gif, struct mr_gif_frame *frame, bool *is_end);

#endif
