#include "media/image/photo_plane.h"

#include "base/assert.h"
#include "base/macros.h"

#include <stdlib.h>
#include <string.h>

enum {
    WINDOW_ROWS = 32, /* that a window has at least beyond those that are needed at once */
    PADDING = 8,      /* the encoder reads whole blocks */
};

static size_t stride_of(uint32_t width)
{
    return ((size_t)width + PADDING - 1) / PADDING * PADDING;
}

static uint8_t *alloc_plane(size_t *stride, uint32_t width, uint32_t height)
{
    *stride = stride_of(width);
    return malloc(*stride * height);
}

int mr_photo_plane_make(struct mr_photo_plane *plane)
{
    const struct mr_resample_axis *x = &plane->axes->x, *y = &plane->axes->y;
    mr_resample_needs(x, 0, x->out, &plane->left, &plane->right);
    plane->rows = plane->rows_read + y->taps + MR_MAX(y->taps, (uint32_t)WINDOW_ROWS);
    plane->window = malloc(plane->stride * plane->rows);
    plane->line = malloc(sizeof(*plane->line) * mr_resample_line_len(plane->right - plane->left, 1));
    plane->out_width = x->out;
    plane->out_height = y->out;
    plane->out = alloc_plane(&plane->out_stride, plane->out_width, plane->out_height);
    return plane->window == NULL || plane->line == NULL || plane->out == NULL ? MR_EMEMORY : MR_OK;
}

void mr_photo_plane_end_input(struct mr_photo_plane *plane)
{
    free(plane->window);
    free(plane->line);
    plane->window = NULL;
    plane->line = NULL;
}

void mr_photo_plane_free(struct mr_photo_plane *plane)
{
    mr_photo_plane_end_input(plane);
    free(plane->out);
}

/* ---- from the window to the output's plane */

static uint32_t next_row(const struct mr_photo_plane *plane)
{
    return plane->is_upwards ? plane->out_height - 1 - plane->done : plane->done;
}

static void pad_row(uint8_t *row, uint32_t width, size_t stride)
{
    memset(row + width, row[width - 1], stride - width);
}

/* Rows that no row of the output needs any more make place. */
uint8_t *mr_photo_plane_room(struct mr_photo_plane *plane)
{
    if (plane->count + plane->rows_read > plane->rows) {
        uint32_t from = plane->top + plane->count, to, gone;
        if (plane->done < plane->out_height)
            mr_resample_needs(&plane->axes->y, next_row(plane), next_row(plane) + 1, &from, &to);
        gone = MR_MIN(from - plane->top, plane->count);
        memmove(plane->window, plane->window + gone * plane->stride, (plane->count - gone) * plane->stride);
        plane->top += gone;
        plane->count -= gone;
    }
    MR_ASSERT(plane->count + plane->rows_read <= plane->rows);
    return plane->window + plane->count * plane->stride;
}

void mr_photo_plane_take(struct mr_photo_plane *plane)
{
    plane->count += plane->rows_read;
    for (; plane->done < plane->out_height; plane->done++) {
        uint32_t row = next_row(plane), from, to;
        mr_resample_needs(&plane->axes->y, row, row + 1, &from, &to);
        if (to > plane->top + plane->count)
            break;
        const uint8_t *rows = plane->window + (from - plane->top) * plane->stride + plane->left;
        uint8_t *out = plane->out + row * plane->out_stride;
        mr_resample_vertical(plane->line, &plane->axes->y, row, rows, plane->stride, plane->right - plane->left);
        mr_resample_horizontal(out, &plane->axes->x, 0, plane->out_width, plane->line, plane->left, 1);
        pad_row(out, plane->out_width, plane->out_stride);
    }
}

bool mr_photo_plane_is_done(const struct mr_photo_plane *plane)
{
    return plane->done == plane->out_height;
}

/* ---- turned images: rows become columns */

/* In squares that stay in the cache: a column of a large plane touches as many lines of it as it is high. */
static void transpose(uint8_t *out, size_t out_stride, const struct mr_photo_plane *plane)
{
    enum { SIDE = 32 };
    for (uint32_t top = 0; top < plane->out_height; top += SIDE)
        for (uint32_t left = 0; left < plane->out_width; left += SIDE)
            for (uint32_t x = left; x < MR_MIN(left + SIDE, plane->out_width); x++)
                for (uint32_t y = top; y < MR_MIN(top + SIDE, plane->out_height); y++)
                    out[x * out_stride + y] = plane->out[y * plane->out_stride + x];
}

int mr_photo_plane_turn(struct mr_photo_plane *plane)
{
    size_t stride;
    uint8_t *out = alloc_plane(&stride, plane->out_height, plane->out_width);
    if (out == NULL)
        return MR_EMEMORY;
    transpose(out, stride, plane);
    for (uint32_t x = 0; x < plane->out_width; x++)
        pad_row(out + x * stride, plane->out_height, stride);
    free(plane->out);
    uint32_t height = plane->out_width;
    plane->out = out;
    plane->out_stride = stride;
    plane->out_width = plane->out_height;
    plane->out_height = height;
    return MR_OK;
}

/* ---- half the resolution */

/* Every other one is rounded up at a half, as libjpeg does it: then nothing becomes brighter. */
static uint8_t mean_of(uint8_t a, uint8_t b, uint8_t c, uint8_t d, size_t x)
{
    return (uint8_t)((x % 2 + 1 + a + b + c + d) / 4);
}

static void halve_row(uint8_t *out, const uint8_t *row, const uint8_t *below, size_t width)
{
    size_t whole = width / 2, last = width - 1;
    for (size_t x = 0; x < whole; x++)
        out[x] = mean_of(row[2 * x], row[2 * x + 1], below[2 * x], below[2 * x + 1], x);
    if (width % 2 != 0)
        out[whole] = mean_of(row[last], row[last], below[last], below[last], whole);
}

/* In place: what is written lies before all that is still to be read. A last row or column that is alone counts twice.
 */
void mr_photo_plane_halve(struct mr_photo_plane *plane)
{
    uint32_t width = (plane->out_width + 1) / 2, height = (plane->out_height + 1) / 2;
    size_t stride = stride_of(width);
    for (uint32_t y = 0; y < height; y++) {
        const uint8_t *row = plane->out + (size_t)2 * y * plane->out_stride;
        const uint8_t *below = 2 * y + 1 < plane->out_height ? row + plane->out_stride : row;
        uint8_t *out = plane->out + y * stride;
        halve_row(out, row, below, plane->out_width);
        pad_row(out, width, stride);
    }
    plane->out_stride = stride;
    plane->out_width = width;
    plane->out_height = height;
}
