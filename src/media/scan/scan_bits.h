/* scan_bits.h -- numbers out of the first bytes of a bitstream's header (AV1, HEVC). Reading past the end gives zeros,
 * and `short_of` tells. Pure; any thread. */
#ifndef MR_MEDIA_SCAN_BITS_H
#define MR_MEDIA_SCAN_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mr_bits {
    const uint8_t *at;
    size_t len, bit; /* bytes there are, bits read */
    bool short_of;
};

static inline uint32_t mr_bits_take(struct mr_bits *bits, uint32_t count) /* up to 32 */
{
    uint32_t value = 0;
    for (; count > 0; count--, bits->bit++) {
        bool is_there = bits->bit / 8 < bits->len;
        bits->short_of = bits->short_of || !is_there;
        value = value << 1 | (is_there ? (uint32_t)bits->at[bits->bit / 8] >> (7 - bits->bit % 8) & 1 : 0);
    }
    return value;
}

/* Exp-Golomb: ue(v) of HEVC (9.2), uvlc() of AV1 (4.10.3). What has no 32 bits is 0xFFFFFFFF, and short_of. */
static inline uint32_t mr_bits_take_golomb(struct mr_bits *bits)
{
    uint32_t zeros = 0;
    while (zeros < 32 && !bits->short_of && mr_bits_take(bits, 1) == 0)
        zeros++;
    if (zeros == 32)
        bits->short_of = true;
    return bits->short_of ? UINT32_MAX : (1u << zeros) - 1 + mr_bits_take(bits, zeros);
}

#endif
