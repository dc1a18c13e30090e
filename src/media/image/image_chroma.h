/* image_chroma.h -- private to the image stage: would it show if colours had half the resolution of brightness? Pure;
 * any thread. */
#ifndef MR_MEDIA_IMAGE_CHROMA_H
#define MR_MEDIA_IMAGE_CHROMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Counted per 2 x 2 pixels, which would have one colour: does one of them differ much from it? */
struct mr_chroma_edges {
    uint64_t strong, squares;
};

/* Look at two rows of `width` pixels with `bands` (3 or 4) channels of 8 bits, red first; alpha is not looked at. */
void mr_chroma_edges_add(struct mr_chroma_edges *edges, const uint8_t *row, const uint8_t *below, size_t width,
                         size_t bands);
/* The same of a picture whose colours lie in planes of their own: two rows of each. */
void mr_chroma_edges_add_planes(struct mr_chroma_edges *edges, const uint8_t *blue, const uint8_t *blue_below,
                                const uint8_t *red, const uint8_t *red_below, size_t width);
bool mr_chroma_edges_show(const struct mr_chroma_edges *edges);

#endif
