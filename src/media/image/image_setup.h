/* image_setup.h -- private to the image stage: what the libraries can do, and what libvips tells us beside its return
 * codes. */
#ifndef MR_MEDIA_IMAGE_SETUP_H
#define MR_MEDIA_IMAGE_SETUP_H

#include "media/image/image.h"

#include <stdbool.h>
#include <stdint.h>

/* Is there a decoder, or an encoder, for it? Before mr_image_setup() all are thought to be there. Any thread. */
bool mr_image_can_read(enum mr_image_format format);
bool mr_image_can_write(enum mr_image_format format);

/* libjpeg goes on after most kinds of damage, paints grey and warns; libvips tells the number of warnings of a decode
 * in a log message, on the thread that lets the decoder go. The sum of the calling thread's, since the last call. */
uint64_t mr_image_take_jpeg_warnings(void);

#endif
