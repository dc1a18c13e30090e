/* gif_decode.h -- private to the image stage: the pixels of a GIF as browsers show them. libvips' loader paints what no
 * frame painted black, or in the background's colour, and makes some canvases as small as their first frame.
 *
 * The canvas begins transparent, and a frame that is disposed of leaves it so; frames are cut at its edges. A frame
 * whose data is corrupt, or does not fill it, is damage: what is shown was painted by the file. Memory beside the
 * output: about 100 KiB, and one canvas more where a frame is to be restored. */
#ifndef MR_MEDIA_GIF_DECODE_H
#define MR_MEDIA_GIF_DECODE_H

#include "base/error.h"
#include "media/scan/scan.h"

struct mr_gif_wanted {
    uint32_t width, height; /* of the canvas, as the scan has found it */
    uint32_t bands;         /* 4, or 3 when the scan has found that nothing of it stays transparent */
    uint32_t first, count;  /* frames, from 0; they are there */
    uint64_t pixels_max;    /* of all frames up to the last, the rows that are decoded; 0: any number */
    /* Or NULL: asked often, at least for every 64 Ki pixels. */
    bool (*is_stopped)(void *context);
    void *context;
};

/* *out: `count` canvases of 8-bit RGB or RGBA, one below the other. delays_ms: as many numbers; plays: of the whole
 * animation, 0 without end. MR_OK, MR_EDAMAGED, MR_EPIXELS, MR_EMEMORY, MR_ECANCELLED. */
int mr_gif_decode(uint8_t *out, int *delays_ms, int *plays, const struct mr_gif_wanted *wanted, struct mr_view file,
                  struct mr_fault *fault);

#endif
