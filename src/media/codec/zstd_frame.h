/* zstd_frame.h -- private to unzstd: the first bytes of a Zstandard frame (RFC 8878, section 3.1), read before the
 * decoder sees them. */
#ifndef MR_MEDIA_ZSTD_FRAME_H
#define MR_MEDIA_ZSTD_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* So many bytes hold the header of any frame. */
#define MR_ZSTD_HEADER_MAX 18

/* Can a frame, also a skippable one, begin so? Of fewer than four bytes all that are there are compared. */
bool mr_zstd_is_frame(const unsigned char *in, size_t len);
/* Bytes of the output that the decoder of this frame keeps; 0 for a skippable frame, and for one whose header is cut
 * off. */
uint64_t mr_zstd_window(const unsigned char *in, size_t len);

#endif
