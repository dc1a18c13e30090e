/* lab_bodies.h -- what the heavy requests of the lab carry. For start-up; one thread. */
#ifndef MR_BENCH_LAB_BODIES_H
#define MR_BENCH_LAB_BODIES_H

#include "base/error.h"
#include <stdbool.h>

/* Write into `directory`: photo.jpg, a JPEG of 2 megapixels made of noise at many scales, which costs a decoder what a
 * photograph does; data.bin, 1 MiB that compresses to a half. MR_OK or MR_EIO. */
int mr_lab_bodies_write(const char *directory, bool with_photo, struct mr_fault *fault);

#endif
