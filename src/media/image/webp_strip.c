#include "media/image/webp_strip.h"

#include "media/scan/scan.h"

#include <string.h>

enum {
    CHUNKS_AT = 12, /* behind "RIFF", the length and "WEBP" */
    FLAGS_AT = CHUNKS_AT + 8,
    METADATA_FLAGS = 0x20 | 0x08 | 0x04, /* profile, EXIF, XMP */
};

static bool is_metadata(const uint8_t *chunk)
{
    return memcmp(chunk, "EXIF", 4) == 0 || memcmp(chunk, "XMP ", 4) == 0 || memcmp(chunk, "ICCP", 4) == 0;
}

size_t mr_webp_strip(uint8_t *bytes, size_t len)
{
    const struct mr_view file = {.at = bytes, .len = len};
    if (!mr_view_has(file, CHUNKS_AT, 18) || memcmp(bytes + CHUNKS_AT, "VP8X", 4) != 0)
        return len;
    bytes[FLAGS_AT] &= (uint8_t)~METADATA_FLAGS;
    size_t kept = CHUNKS_AT;
    for (size_t at = CHUNKS_AT; mr_view_has(file, at, 8);) {
        size_t size = 8 + (size_t)mr_read_le32(bytes + at + 4);
        size += size & 1;
        if (!mr_view_has(file, at, size))
            size = len - at;
        if (!is_metadata(bytes + at)) {
            memmove(bytes + kept, bytes + at, size);
            kept += size;
        }
        at += size;
    }
    for (int i = 0; i < 4; i++)
        bytes[4 + i] = (uint8_t)((kept - 8) >> (8 * i));
    return kept;
}
