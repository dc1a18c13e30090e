/* webp_strip.h -- private to the image stage: take the metadata out of an encoded WebP. */
#ifndef MR_MEDIA_WEBP_STRIP_H
#define MR_MEDIA_WEBP_STRIP_H

#include <stddef.h>
#include <stdint.h>

/* Remove the EXIF, XMP and ICCP chunks of a WebP (RFC 9649, section 2.7) in place, and the flags that announce them:
 * libvips 8.14 writes an EXIF block of its own even when it is told to strip the image. The new length; what is no
 * extended WebP stays as it is. */
size_t mr_webp_strip(uint8_t *bytes, size_t len);

#endif
