/* exif_harmless.h -- private to the image stage: which EXIF tags may leave the server with `strip=0`. Makers add tags
 * and nest data in them (maker notes, XMP, previews), so the list says what stays and not what goes. */
#ifndef MR_MEDIA_EXIF_HARMLESS_H
#define MR_MEDIA_EXIF_HARMLESS_H

#include "media/scan/scan.h"

/* Copy EXIF data (a TIFF structure, with or without "Exif\0\0" in front) with only the harmless tags of its main
 * directory and of its Exif directory; each value is at most 1 KiB long. *out is NULL if none is left or the data is no
 * EXIF; else the caller frees it. MR_OK or MR_EMEMORY. The work is bounded whatever the data says. Pure; any thread. */
int mr_exif_copy_harmless(uint8_t **out, size_t *len, struct mr_view exif);

/* Is `field` libvips' name of a harmless tag, such as "exif-ifd0-Make"? */
bool mr_exif_is_harmless(const char *field);

#endif
