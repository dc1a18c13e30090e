/* coded.h -- bitstream headers and files of boxes, written by hand for the tests of the scan. */
#ifndef MR_TESTS_CODED_H
#define MR_TESTS_CODED_H

#include "media/images.h"
#include "media/scan/scan_coded.h"

/* ---- bits ---- */

struct writer {
    uint8_t at[4096];
    size_t bit;
};

static inline void put(struct writer *out, uint64_t value, uint32_t bits)
{
    assert_true(out->bit + bits <= sizeof(out->at) * 8);
    for (; bits > 0; bits--, out->bit++)
        out->at[out->bit / 8] |= (uint8_t)((value >> (bits - 1) & 1) << (7 - out->bit % 8));
}

static inline void put_golomb(struct writer *out, uint64_t value)
{
    uint32_t bits = 0;
    while ((value + 1) >> (bits + 1) != 0)
        bits++;
    put(out, 0, bits);
    put(out, value + 1, bits + 1);
}

static inline void put_bytes(struct writer *out, const void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        put(out, ((const uint8_t *)bytes)[i], 8);
}

static inline size_t written(const struct writer *out)
{
    return (out->bit + 7) / 8;
}

static inline void put_writer(struct writer *out, const struct writer *from)
{
    put_bytes(out, from->at, written(from));
}

static inline struct mr_chain chain_of(const struct writer *from)
{
    return (struct mr_chain){.parts = {{from->at, written(from)}}, .count = 1};
}

/* ---- AV1 ---- */

enum { SEQUENCE = 1, DELIMITER = 2, FRAME = 6 };

static inline void put_unit(struct writer *out, uint32_t type, const struct writer *payload)
{
    put(out, type << 3 | 2, 8);
    if (written(payload) >= 128)
        put(out, 0x80 | (written(payload) & 0x7F), 8);
    put(out, written(payload) >= 128 ? written(payload) >> 7 : written(payload), 8);
    put_writer(out, payload);
}

/* reduced_still_picture_header */
static inline struct writer av1_sequence(uint32_t width, uint32_t height, uint32_t depth)
{
    struct writer out = {0};
    put(&out, 2, 3); /* a profile that has all depths */
    put(&out, 3, 2);
    put(&out, 5, 5);
    put(&out, 15, 4);
    put(&out, 15, 4);
    put(&out, width - 1, 16);
    put(&out, height - 1, 16);
    put(&out, 0, 6);
    put(&out, depth > 8, 1);
    put(&out, depth > 10, 1);
    put(&out, 0, 8);
    return out;
}

static inline struct writer av1_image(uint32_t width, uint32_t height, uint32_t depth)
{
    struct writer out = {0}, nothing = {0}, sequence = av1_sequence(width, height, depth), frame = {0};
    put(&frame, 0x1234, 16);
    put_unit(&out, DELIMITER, &nothing);
    put_unit(&out, SEQUENCE, &sequence);
    put_unit(&out, FRAME, &frame);
    return out;
}

/* ---- HEVC ---- */

struct window {
    uint32_t left, right, top, bottom;
};

/* A sequence parameter set, with its unit's header; chroma 1: 4:2:0. */
static inline struct writer hevc_sequence(uint32_t width, uint32_t height, uint32_t chroma, struct window window)
{
    struct writer out = {0};
    put(&out, 33 << 9 | 1, 16);
    put(&out, 1, 8);
    put(&out, UINT64_MAX >> 8, 56); /* a profile without zeros, so that nothing must be escaped */
    put(&out, UINT32_MAX, 32);
    put(&out, 0xFF, 8);
    put_golomb(&out, 0);
    put_golomb(&out, chroma);
    put_golomb(&out, width);
    put_golomb(&out, height);
    put(&out, 1, 1);
    put_golomb(&out, window.left);
    put_golomb(&out, window.right);
    put_golomb(&out, window.top);
    put_golomb(&out, window.bottom);
    put_golomb(&out, 0);
    put_golomb(&out, 0);
    put(&out, 1, 1);
    return out;
}

/* The body of hvcC, with one list of one set. */
static inline struct writer hevc_config(const struct writer *sequence)
{
    struct writer out = {0};
    put(&out, 1, 8);
    put(&out, 0, 64);
    put(&out, 0, 64);
    put(&out, 0, 32);
    put(&out, 0x0F, 8);
    put(&out, 1, 8);
    put(&out, 33, 8);
    put(&out, 1, 16);
    put(&out, written(sequence), 16);
    put_writer(&out, sequence);
    return out;
}

/* Behind its length; first: it begins a picture. */
static inline void put_slice(struct writer *out, bool first, uint32_t layer)
{
    put(out, 5, 32);
    put(out, 19 << 9 | layer << 3 | 1, 16);
    put(out, first ? 0x80 : 0, 8);
    put(out, 0x1234, 16);
}

/* ---- boxes ---- */

static inline size_t begin_box(struct writer *out, const char *type)
{
    size_t at = out->bit / 8;
    put(out, 0, 32);
    put_bytes(out, type, 4);
    return at;
}

static inline void end_box(struct writer *out, size_t at)
{
    size_t len = out->bit / 8 - at;
    for (int i = 0; i < 4; i++)
        out->at[at + (size_t)i] = (uint8_t)(len >> (24 - 8 * i));
}

static inline void put_box(struct writer *out, const char *type, const struct writer *body)
{
    size_t at = begin_box(out, type);
    put_writer(out, body);
    end_box(out, at);
}

#endif
