/* png_strip.h -- private to the image stage: what is done to a PNG's chunks before it is decoded. The file was scanned
 * before. */
#ifndef MR_MEDIA_PNG_STRIP_H
#define MR_MEDIA_PNG_STRIP_H

#include "media/scan/scan.h"

/* A compressed text (zTXt, iTXt) of 50 KB may inflate to 50 MB, which libvips then copies for each step of a pipeline.
 * A PNG that has more than a few KiB of them is copied without: *out is then what to decode, and *owned the memory it
 * lies in, the caller's to free. Any other PNG is its own *out. MR_OK or MR_EMEMORY. */
int mr_png_without_texts(struct mr_view *out, void **owned, struct mr_view file);

/* Are the checksums of all critical chunks (IHDR, PLTE, IDAT) right? It reads the whole file: for workers.
 * Decoders differ in it: libvips 8.16 ignores checksums unless every warning is to be an error. */
bool mr_png_sums_are_right(struct mr_view file);

#endif
