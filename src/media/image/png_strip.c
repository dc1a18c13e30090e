#include "media/image/png_strip.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

enum { TEXTS_AT_MOST = 4096, SIGNATURE = 8, FRAME = 12 /* length, type, checksum */ };

static bool is_text(const uint8_t *chunk)
{
    return memcmp(chunk + 4, "zTXt", 4) == 0 || memcmp(chunk + 4, "iTXt", 4) == 0;
}

/* The chunk at `at` with its frame; 0 at the end of what can be walked. */
static size_t chunk_len(struct mr_view file, size_t at)
{
    if (!mr_view_has(file, at, FRAME))
        return 0;
    size_t len = FRAME + (size_t)mr_read_be32(file.at + at);
    return mr_view_has(file, at, len) ? len : 0;
}

static size_t text_len(struct mr_view file)
{
    size_t sum = 0;
    size_t len;
    for (size_t at = SIGNATURE; (len = chunk_len(file, at)) != 0; at += len)
        if (is_text(file.at + at))
            sum += len;
    return sum;
}

int mr_png_without_texts(struct mr_view *out, void **owned, struct mr_view file)
{
    *out = file;
    *owned = NULL;
    size_t texts = text_len(file);
    if (texts <= TEXTS_AT_MOST)
        return MR_OK;
    uint8_t *copy = malloc(file.len - texts);
    if (copy == NULL)
        return MR_EMEMORY;
    memcpy(copy, file.at, SIGNATURE);
    size_t kept = SIGNATURE, len;
    for (size_t at = SIGNATURE; (len = chunk_len(file, at)) != 0; at += len) {
        if (is_text(file.at + at))
            continue;
        memcpy(copy + kept, file.at + at, len);
        kept += len;
    }
    *owned = copy;
    *out = (struct mr_view){.at = copy, .len = kept};
    return MR_OK;
}

bool mr_png_sums_are_right(struct mr_view file)
{
    size_t len;
    for (size_t at = SIGNATURE; (len = chunk_len(file, at)) != 0; at += len) {
        const uint8_t *summed = file.at + at + 4; /* type and body */
        if (memcmp(summed, "IEND", 4) == 0)
            break; /* it holds nothing */
        bool is_critical = (summed[0] & 0x20) == 0;
        if (is_critical && libdeflate_crc32(0, summed, len - 8) != mr_read_be32(summed + len - 8))
            return false;
    }
    return true;
}
