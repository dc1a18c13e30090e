/* scan_tiff.h -- private to media: the JPEGs that a page of a TIFF is made of (TIFF Technical Note 2), for the decoder
 * that puts them together. Pure functions. */
#ifndef MR_MEDIA_SCAN_TIFF_H
#define MR_MEDIA_SCAN_TIFF_H

#include "media/scan/scan.h"

struct mr_tiff_entry {
    uint32_t tag, type;
    uint64_t count;
    size_t at; /* of the first value */
};

struct mr_tiff {
    struct mr_scan *out; /* its steps are taken */
    struct mr_view file;
    struct mr_fault *fault;
    bool big_endian;
    bool wide; /* BigTIFF: 64-bit offsets and counts */
};

/* A page of parts, from left to right and from top to bottom: its strips, of the page's width, or its tiles. Each is a
 * baseline JPEG of one scan; those at the edges may reach beyond the page. */
struct mr_tiff_jpegs {
    uint32_t width, height, part_width, part_height;
    uint32_t across, count;
    uint8_t bands;
    bool is_rgb;                    /* else 3 bands are YCbCr */
    struct mr_view tables, profile; /* a JPEG of tables alone; an ICC profile; or empty */
    struct mr_tiff tiff;            /* the rest is for mr_tiff_jpeg */
    struct mr_tiff_entry offsets, counts;
};

/* Is the page (1 for the first, 0 too) of a TIFF that the scan has let through made of JPEGs? Then *out. */
bool mr_tiff_find_jpegs(struct mr_tiff_jpegs *out, struct mr_view file, int32_t page);
/* Part `index` of them. */
struct mr_view mr_tiff_jpeg(const struct mr_tiff_jpegs *jpegs, uint32_t index);

#endif
