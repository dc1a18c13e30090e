/* decoder_memory.h -- private to the image stage: image decoders get zeros from their allocators. */
#ifndef MR_MEDIA_DECODER_MEMORY_H
#define MR_MEDIA_DECODER_MEMORY_H

#include <stdbool.h>

/* Does this program's own posix_memalign and operator new[] stand before those of the C and C++ libraries, so that
 * decoders get zeros? Always true of a complete build; not under sanitizers, whose allocators are their own. */
bool mr_decoder_memory_is_zeroed(void);

#endif
