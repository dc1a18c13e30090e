/* DESIGN: a coded image in HEVC is a row of NAL units: parameter sets, mostly in its configuration, and the slices of
 * one picture. The sequence parameter set states the size in whole blocks and a window, which is what is shown. Numbers
 * in parentheses are sections of ITU-T H.265. */
#include "media/scan/scan_coded.h"

#include "base/macros.h"
#include "media/scan/scan_bits.h"

enum {
    SLICE_TYPES_END = 32, /* types below are slices (7.4.2.2) */
    SEQUENCE_SET = 33,

    HEAD_MAX = 512,  /* bytes: what is read of a sequence parameter set has 130 at most */
    WINDOW_MAX = 64, /* samples that may be cut from a side's length: the largest block */
};

struct hevc {
    struct mr_scan *scan;
    struct mr_fault *fault;
    struct mr_coded coded;
    bool has_size;
};

static int damaged(struct hevc *hevc, const char *what)
{
    mr_fault_set(hevc->fault, MR_EDAMAGED, "HEVC: %s.", what);
    return MR_EDAMAGED;
}

static int unsupported(struct hevc *hevc, const char *what)
{
    mr_fault_set(hevc->fault, MR_ENOTIMAGE, "HEVC: %s is not read here.", what);
    return MR_ENOTIMAGE;
}

/* profile_tier_level(1, ...) (7.3.3) */
static void skip_profile(struct mr_bits *bits, uint32_t layers)
{
    bool has_profile[8], has_level[8];
    bits->bit += 88;
    (void)mr_bits_take(bits, 8);
    for (uint32_t i = 0; i < layers; i++) {
        has_profile[i] = mr_bits_take(bits, 1);
        has_level[i] = mr_bits_take(bits, 1);
    }
    if (layers > 0)
        (void)mr_bits_take(bits, 2 * (8 - layers));
    for (uint32_t i = 0; i < layers; i++) {
        bits->bit += has_profile[i] ? 88 : 0;
        (void)mr_bits_take(bits, has_level[i] ? 8 : 0);
    }
}

/* The length of a side, of which a window leaves `unit` x (before + after) out. False: that is impossible. */
static bool is_window(uint32_t length, uint32_t before, uint32_t after, uint32_t unit, uint32_t *shown)
{
    uint64_t cut = ((uint64_t)before + after) * unit;
    if (length == 0 || cut >= length || cut > WINDOW_MAX)
        return false;
    *shown = length - (uint32_t)cut;
    return true;
}

/* 7.3.2.2, up to the depth of luma. */
static int read_sequence(struct hevc *hevc, struct mr_bits bits)
{
    (void)mr_bits_take(&bits, 4);
    uint32_t layers = mr_bits_take(&bits, 3);
    (void)mr_bits_take(&bits, 1);
    if (layers > 6)
        return damaged(hevc, "its sequence parameter set is malformed");
    skip_profile(&bits, layers);
    (void)mr_bits_take_golomb(&bits);
    uint32_t chroma = mr_bits_take_golomb(&bits);
    bool separate = chroma == 3 && mr_bits_take(&bits, 1);
    uint32_t width = mr_bits_take_golomb(&bits), height = mr_bits_take_golomb(&bits);
    uint32_t window[4] = {0}; /* left, right, top, bottom */
    bool has_window = mr_bits_take(&bits, 1);
    for (size_t i = 0; has_window && i < 4; i++)
        window[i] = mr_bits_take_golomb(&bits);
    uint32_t bits_above_8 = mr_bits_take_golomb(&bits);
    if (bits.short_of || chroma > 3 || separate || bits_above_8 > 8)
        return damaged(hevc, "its sequence parameter set is malformed");

    struct mr_coded coded = {.frames = 1, .bits = (uint8_t)(8 + bits_above_8)};
    if (!is_window(width, window[0], window[1], chroma == 1 || chroma == 2 ? 2 : 1, &coded.width) ||
        !is_window(height, window[2], window[3], chroma == 1 ? 2 : 1, &coded.height))
        return damaged(hevc, "its window leaves too much of the picture out");
    if (hevc->has_size &&
        (coded.width != hevc->coded.width || coded.height != hevc->coded.height || coded.bits != hevc->coded.bits))
        return damaged(hevc, "its sequence parameter sets differ");
    hevc->has_size = true;
    coded.frames = hevc->coded.frames;
    hevc->coded = coded;
    return MR_OK;
}

/* 7.3.1.1: a 3 behind two zeros is no data. Returns the length without them. */
static size_t without_escapes(uint8_t *at, size_t len)
{
    size_t out = 0, zeros = 0;
    for (size_t i = 0; i < len; i++) {
        if (zeros >= 2 && at[i] == 3) {
            zeros = 0;
            continue;
        }
        zeros = at[i] == 0 ? zeros + 1 : 0;
        at[out++] = at[i];
    }
    return out;
}

/* One unit of `len` bytes, of which the first `count` are at `head`. */
static int read_unit(struct hevc *hevc, uint8_t *head, size_t count)
{
    if (count < 2)
        return damaged(hevc, "a unit is too short");
    uint32_t type = head[0] >> 1 & 0x3F, layer = (head[0] & 1u) << 5 | head[1] >> 3;
    if (layer > 0) /* which decoders of one layer pass over */
        return MR_OK;
    if (type == SEQUENCE_SET) {
        size_t len = without_escapes(head, count);
        return len > 2 ? read_sequence(hevc, (struct mr_bits){.at = head + 2, .len = len - 2})
                       : damaged(hevc, "its sequence parameter set is malformed");
    }
    if (type >= SLICE_TYPES_END)
        return MR_OK;
    bool is_first = count > 2 && (head[2] & 0x80) != 0; /* first_slice_segment_in_pic_flag */
    if (is_first && ++hevc->coded.frames > 1)
        return unsupported(hevc, "an image of several pictures");
    return hevc->coded.frames == 1 ? MR_OK : damaged(hevc, "the first slice of its picture is missing");
}

/* Units with lengths of `width` bytes, until `left` are taken or there are no more. */
static int read_units(struct hevc *hevc, struct mr_chain *data, size_t width, uint32_t left)
{
    for (; left > 0 && mr_chain_left(data) > 0; left--) {
        uint8_t head[HEAD_MAX], number[4] = {0};
        if (!mr_scan_step(hevc->scan, 4)) /* a length, a head, a rest, and their place in the chain */
            return MR_EDAMAGED;
        if (mr_chain_read(data, number + 4 - width, width) != width || mr_read_be32(number) > mr_chain_left(data))
            return damaged(hevc, "its data end inside a unit");
        uint32_t len = mr_read_be32(number);
        size_t count = mr_chain_read(data, head, MR_MIN((size_t)len, (size_t)HEAD_MAX));
        (void)mr_chain_skip(data, len - count);
        int err = read_unit(hevc, head, count);
        if (err != MR_OK)
            return err;
    }
    return MR_OK;
}

/* Lists of units behind 22 bytes of numbers, each: type, 16 bits of how many, the units. */
static int read_config(struct hevc *hevc, struct mr_view config)
{
    struct mr_chain chain = {.parts = {config}, .count = 1};
    uint8_t head[23], list[3];
    if (mr_chain_read(&chain, head, sizeof(head)) != sizeof(head))
        return damaged(hevc, "its configuration is cut");
    if ((head[21] & 3) != 3) /* libheif takes all lengths for 4 bytes long */
        return unsupported(hevc, "a length of other than 4 bytes");
    for (uint32_t lists = head[22]; lists > 0; lists--) {
        if (mr_chain_read(&chain, list, sizeof(list)) != sizeof(list))
            return damaged(hevc, "its configuration is cut");
        int err = read_units(hevc, &chain, 2, mr_read_be16(list + 1));
        if (err != MR_OK)
            return err;
    }
    return MR_OK;
}

int mr_scan_hevc(struct mr_coded *out, struct mr_scan *scan, struct mr_view config, struct mr_chain *data,
                 struct mr_fault *fault)
{
    struct hevc hevc = {.scan = scan, .fault = fault};
    int err = read_config(&hevc, config);
    if (err == MR_OK && hevc.coded.frames > 0)
        err = damaged(&hevc, "a slice stands in its configuration");
    if (err == MR_OK)
        err = read_units(&hevc, data, 4, UINT32_MAX);
    if (err != MR_OK)
        return err;
    if (!hevc.has_size || hevc.coded.frames == 0)
        return damaged(&hevc, hevc.has_size ? "it has no picture" : "it has no sequence parameter set");
    *out = hevc.coded;
    return MR_OK;
}
