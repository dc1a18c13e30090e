/* Properties of a file's media type, on any bytes:
 *  - no more than the first 512 count;
 *  - what is text by its first bytes has no control in them, and what is shown inline is neither HTML nor SVG. */
#include "base/assert.h"
#include "base/macros.h"
#include "media/type.h"
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *type = mr_media_type_of(data, size);
    size_t len = MR_MIN(size, (size_t)MR_MEDIA_TYPE_BYTES);
    uint8_t *copy = malloc(len + 1);
    MR_ASSERT(copy != NULL);
    if (len > 0)
        memcpy(copy, data, len);
    MR_ASSERT(size < MR_MEDIA_TYPE_BYTES || mr_media_type_of(copy, len) == type);
    free(copy);
    if (type == NULL || !mr_media_type_is_inline(mr_slice_of(type)))
        return 0;
    MR_ASSERT(strncmp(type, "text/plain", 10) != 0 || memchr(data, '\0', len) == NULL);
    MR_ASSERT(size < 5 || (memcmp(data, "<svg>", 5) != 0 && memcmp(data, "<?xml", 5) != 0));
    return 0;
}
