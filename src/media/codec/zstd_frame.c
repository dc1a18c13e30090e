#include "media/codec/zstd_frame.h"

#include "base/macros.h"

#include <string.h>

enum { MAGIC_LEN = 4, DESCRIPTOR = MAGIC_LEN, SINGLE_SEGMENT = 0x20 };

static const unsigned char magic[MAGIC_LEN] = {0x28, 0xb5, 0x2f, 0xfd};
static const unsigned char skippable[MAGIC_LEN] = {0x50, 0x2a, 0x4d, 0x18}; /* the lowest four bits are free */

bool mr_zstd_is_frame(const unsigned char *in, size_t len)
{
    len = MR_MIN(len, MAGIC_LEN);
    if (len == 0 || memcmp(in, magic, len) == 0)
        return true;
    return (in[0] & 0xf0) == skippable[0] && memcmp(in + 1, skippable + 1, len - 1) == 0;
}

/* A frame of a single segment has no window: its whole content takes the place of one. */
static uint64_t content_size(const unsigned char *in, size_t len)
{
    static const unsigned char id_len[] = {0, 1, 2, 4}, size_len[] = {1, 2, 4, 8};
    size_t at = DESCRIPTOR + 1 + id_len[in[DESCRIPTOR] & 3];
    size_t bytes = size_len[in[DESCRIPTOR] >> 6];
    if (len < at + bytes)
        return 0;
    uint64_t size = bytes == 2 ? 256 : 0;
    for (size_t i = 0; i < bytes; i++)
        size += (uint64_t)in[at + i] << (8 * i);
    return size;
}

uint64_t mr_zstd_window(const unsigned char *in, size_t len)
{
    if (len < DESCRIPTOR + 2 || memcmp(in, magic, MAGIC_LEN) != 0)
        return 0;
    if ((in[DESCRIPTOR] & SINGLE_SEGMENT) != 0)
        return content_size(in, len);
    unsigned exponent = in[DESCRIPTOR + 1] >> 3, mantissa = in[DESCRIPTOR + 1] & 7;
    uint64_t base = UINT64_C(1) << (10 + exponent);
    return base + base / 8 * mantissa;
}
