/* photo_plane.h -- private to the image stage: one plane of a photograph (image_photo.c), from rows as the decoder
 * gives them to the output's plane. Knows neither libjpeg nor libvips. A plane belongs to one thread. */
#ifndef MR_MEDIA_PHOTO_PLANE_H
#define MR_MEDIA_PHOTO_PLANE_H

#include "media/image/resample.h"
#include <stdbool.h>

/* From a decoded plane to the output's, both as the image is stored. */
struct mr_photo_axes {
    struct mr_resample_axis x, y;
};

struct mr_photo_plane {
    /* Set before it is made. */
    const struct mr_photo_axes *axes;
    size_t stride;      /* bytes of a decoded row; a multiple of what the decoder writes at once */
    uint32_t rows_read; /* decoded rows that one read gives */
    bool is_upwards;    /* the output's rows are made from the last to the first */

    uint8_t *out; /* the output's plane, whole. Each row is padded to a multiple of 8 bytes with its last value */
    size_t out_stride;
    uint32_t out_width, out_height;

    /* The window: `count` decoded rows, the first of them is row `top` of the plane; it has room for `rows`. */
    uint8_t *window;
    uint32_t rows, top, count;
    uint32_t left, right; /* columns of the decoded plane that are needed */
    int16_t *line;
    uint32_t done; /* rows of the output that are made */
};

/* MR_OK or MR_EMEMORY; to be freed either way. */
int mr_photo_plane_make(struct mr_photo_plane *plane);
/* Room for what one read gives: rows_read rows. Valid until the plane is called again. */
uint8_t *mr_photo_plane_room(struct mr_photo_plane *plane);
/* These rows are there now: makes all rows of the output that need no later ones. */
void mr_photo_plane_take(struct mr_photo_plane *plane);
bool mr_photo_plane_is_done(const struct mr_photo_plane *plane);
/* Gives up all that is needed of the input. The output's plane stays. */
void mr_photo_plane_end_input(struct mr_photo_plane *plane);
/* Makes the output's rows its columns. MR_OK or MR_EMEMORY. */
int mr_photo_plane_turn(struct mr_photo_plane *plane);
/* Makes one value of each 2 x 2 of the output's. */
void mr_photo_plane_halve(struct mr_photo_plane *plane);
void mr_photo_plane_free(struct mr_photo_plane *plane);

#endif
