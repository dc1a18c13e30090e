/* tiff_jpeg.h -- private to the image stage: a TIFF that is made of JPEGs. libtiff's decoder, and libvips' own for
 * tiles, paint grey where data is missing, and say so to nothing that could refuse it; here each part goes through the
 * loader of JPEGs, with its checks. */
#ifndef MR_MEDIA_TIFF_JPEG_H
#define MR_MEDIA_TIFF_JPEG_H

#include "media/image/image_run.h"
#include "media/scan/scan_tiff.h"

/* run->image becomes the page, in memory; beside it one part's bytes and a few of its rows are held. */
int mr_tiff_load_jpegs(struct mr_run *run, const struct mr_tiff_jpegs *jpegs);

#endif
