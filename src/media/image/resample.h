/* resample.h -- exact resizing of 8-bit rows with the Lanczos3 kernel, and blurring, in fixed point.
 *
 * Why our own: with Orc switched off (see image_setup.c) vips_resize takes 60 ms from 2309 x 1299 to 1200 x 675, twice
 * what decoding the 12-megapixel JPEG took; this takes a tenth of that, and its memory is never executable.
 *
 * A resampler is made of two axes. Output row y comes from the input rows that the vertical axis names: they are summed
 * into one line of 16-bit values, from which the horizontal axis takes the output row. Nothing here knows libvips;
 * a resampler is read-only once made, and any number of threads may use it, each with a line of its own. */
#ifndef MR_MEDIA_RESAMPLE_H
#define MR_MEDIA_RESAMPLE_H

#include "base/error.h"
#include <stddef.h>
#include <stdint.h>

/* One direction: which input positions each output position is the weighted sum of. */
struct mr_resample_axis {
    uint32_t in, out; /* positions */
    uint32_t taps;    /* weights a position, an even number; past the input's end they are 0 */
    uint32_t *first;  /* the first input position of each output position */
    int16_t *weights; /* taps for each output position, their sum MR_RESAMPLE_ONE */
};
enum { MR_RESAMPLE_ONE = 1 << 14 };

/* `in` positions, which show the first part of `span` of them (span may be a little more or less than in: an image
 * that was shrunk by 8 has lost up to seven eighths of a position), to `out`. MR_OK or MR_EMEMORY. */
int mr_resample_axis_make(struct mr_resample_axis *axis, uint32_t in, double span, uint32_t out);
/* The same axis, of which `count` output positions from `from` on are wanted: they become its positions 0 to count - 1,
 * and no others are computed. */
int mr_resample_axis_make_part(struct mr_resample_axis *axis, uint32_t in, double span, uint32_t out, uint32_t from,
                               uint32_t count);
/* As many positions as there are, each a Gaussian of sigma positions around itself: what lies past an end is as the end
 * is. MR_OK or MR_EMEMORY. */
int mr_resample_axis_blur(struct mr_resample_axis *axis, uint32_t in, double sigma);
/* Output positions that need not lie on those of a whole image: mirrored, or of colours at half the resolution. */
struct mr_resample_grid {
    double whole;   /* px that the input shows */
    double from;    /* px: where the first position begins */
    double step;    /* px of a position; below 0 they go backwards, and `from` is where the first one ends */
    uint32_t count; /* positions */
};
/* The input positions of one that comes later may lie before those of one that comes earlier. MR_OK or MR_EMEMORY. */
int mr_resample_axis_make_grid(struct mr_resample_axis *axis, uint32_t in, double span,
                               const struct mr_resample_grid *grid);
void mr_resample_axis_free(struct mr_resample_axis *axis);

/* The input positions [*from, *to) that output positions [from_out, to_out) are made of, mirrored or not. */
void mr_resample_needs(const struct mr_resample_axis *axis, uint32_t from_out, uint32_t to_out, uint32_t *from,
                       uint32_t *to);

/* 16-bit values a line must hold for `count` input positions of `bands` channels. */
static inline size_t mr_resample_line_len(uint32_t count, uint32_t bands)
{
    return (size_t)count * bands + 16;
}

/* The vertical sum for output row y. `rows` is where input row axis->first[y] starts, the next ones follow at `stride`
 * bytes; `count` values of each are summed. */
void mr_resample_vertical(int16_t *line, const struct mr_resample_axis *axis, uint32_t y, const uint8_t *rows,
                          size_t stride, size_t count);
/* Output positions [from, to) of a row, from a line that starts at input position `line_from`. bands: 1 to 4. */
void mr_resample_horizontal(uint8_t *out, const struct mr_resample_axis *axis, uint32_t from, uint32_t to,
                            const int16_t *line, uint32_t line_from, uint32_t bands);

/* The same of values that are no bytes. `stride` is in floats, and the line holds `count`. */
void mr_resample_vertical_real(float *line, const struct mr_resample_axis *axis, uint32_t y, const float *rows,
                               size_t stride, size_t count);
void mr_resample_horizontal_real(float *out, const struct mr_resample_axis *axis, uint32_t from, uint32_t to,
                                 const float *line, uint32_t line_from, uint32_t bands);

#endif
