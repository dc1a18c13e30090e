/* DESIGN: a coded image in AV1 is a row of OBUs. The sequence header states the largest size of its frames; a frame may
 * have a smaller one of its own (a flag early in its header says so), which is not read here: so every frame is of the
 * stated size. Numbers in parentheses are sections of the AV1 bitstream specification. */
#include "media/scan/scan_coded.h"

#include "base/macros.h"
#include "media/scan/scan_bits.h"

#include <string.h>

enum {
    OBU_SEQUENCE_HEADER = 1,
    OBU_FRAME_HEADER = 3,
    OBU_FRAME = 6,
    OBU_REDUNDANT_FRAME_HEADER = 7,

    FRAME_KEY = 0,
    FRAME_SWITCH = 3,
    FROM_FRAME = 2, /* SELECT_...: the frame's header says */

    HEAD_MAX = 512,  /* bytes: a sequence header with all of its 32 operating points has 400 */
    FRAMES_MAX = 16, /* an image has one, a layered one up to four */
};

/* What the headers of frames depend on. Compared as a whole: no padding. */
struct sequence {
    uint32_t width, height;
    uint32_t bits;
    uint32_t reduced;             /* reduced_still_picture_header */
    uint32_t presentation_length; /* bits of a shown frame's time; 0: it has none */
    uint32_t frame_id_length;     /* bits; 0: it has none */
    uint32_t screen_content, integer_mv;
};

struct av1 {
    struct mr_fault *fault;
    bool has_sequence;
    struct sequence sequence;
    uint32_t frames;
};

static int damaged(struct av1 *av1, const char *what)
{
    mr_fault_set(av1->fault, MR_EDAMAGED, "AV1: %s.", what);
    return MR_EDAMAGED;
}

static int unsupported(struct av1 *av1, const char *what)
{
    mr_fault_set(av1->fault, MR_ENOTIMAGE, "AV1: %s is not read here.", what);
    return MR_ENOTIMAGE;
}

/* 5.5.1: from timing_info_present_flag to the last operating point. */
static void read_operation(struct mr_bits *bits, struct sequence *out)
{
    uint32_t delay_length = 0;
    bool equal_interval = false, has_model = false;
    if (mr_bits_take(bits, 1)) {
        (void)mr_bits_take(bits, 32);
        (void)mr_bits_take(bits, 32);
        equal_interval = mr_bits_take(bits, 1);
        if (equal_interval)
            (void)mr_bits_take_golomb(bits);
        has_model = mr_bits_take(bits, 1);
    }
    if (has_model) {
        delay_length = mr_bits_take(bits, 5) + 1;
        (void)mr_bits_take(bits, 32);
        (void)mr_bits_take(bits, 5);
        uint32_t length = mr_bits_take(bits, 5) + 1;
        out->presentation_length = equal_interval ? 0 : length;
    }
    bool has_display_delay = mr_bits_take(bits, 1);
    for (uint32_t points = mr_bits_take(bits, 5) + 1; points > 0; points--) {
        (void)mr_bits_take(bits, 12);
        if (mr_bits_take(bits, 5) > 7)
            (void)mr_bits_take(bits, 1);
        if (has_model && mr_bits_take(bits, 1)) {
            (void)mr_bits_take(bits, delay_length);
            (void)mr_bits_take(bits, delay_length);
            (void)mr_bits_take(bits, 1);
        }
        if (has_display_delay && mr_bits_take(bits, 1))
            (void)mr_bits_take(bits, 4);
    }
}

/* 5.5.1: the tools that are on, of which the headers of frames depend on two. */
static void read_tools(struct mr_bits *bits, struct sequence *out)
{
    (void)mr_bits_take(bits, 3);
    out->screen_content = out->integer_mv = FROM_FRAME;
    if (!out->reduced) {
        (void)mr_bits_take(bits, 4);
        bool has_order = mr_bits_take(bits, 1);
        if (has_order)
            (void)mr_bits_take(bits, 2);
        if (!mr_bits_take(bits, 1))
            out->screen_content = mr_bits_take(bits, 1);
        if (out->screen_content != 0 && !mr_bits_take(bits, 1))
            out->integer_mv = mr_bits_take(bits, 1);
        if (has_order)
            (void)mr_bits_take(bits, 3);
    }
    (void)mr_bits_take(bits, 3);
}

static int read_sequence(struct av1 *av1, struct mr_bits bits)
{
    struct sequence sequence = {0};
    uint32_t profile = mr_bits_take(&bits, 3);
    (void)mr_bits_take(&bits, 1);
    sequence.reduced = mr_bits_take(&bits, 1);
    if (sequence.reduced)
        (void)mr_bits_take(&bits, 5);
    else
        read_operation(&bits, &sequence);
    uint32_t width_length = mr_bits_take(&bits, 4) + 1, height_length = mr_bits_take(&bits, 4) + 1;
    sequence.width = mr_bits_take(&bits, width_length) + 1;
    sequence.height = mr_bits_take(&bits, height_length) + 1;
    if (!sequence.reduced && mr_bits_take(&bits, 1)) {
        uint32_t delta_length = mr_bits_take(&bits, 4) + 2;
        sequence.frame_id_length = mr_bits_take(&bits, 3) + 1 + delta_length;
    }
    read_tools(&bits, &sequence);
    bool deep = mr_bits_take(&bits, 1);
    bool deeper = profile == 2 && deep && mr_bits_take(&bits, 1);
    sequence.bits = deeper ? 12 : deep ? 10 : 8;
    if (bits.short_of || profile > 2)
        return damaged(av1, "its sequence header is malformed");
    if (av1->has_sequence && memcmp(&sequence, &av1->sequence, sizeof(sequence)) != 0)
        return damaged(av1, "its sequence headers differ");
    av1->has_sequence = true;
    av1->sequence = sequence;
    return MR_OK;
}

/* 5.9.2: up to frame_size_override_flag. */
static int read_frame(struct av1 *av1, struct mr_bits bits)
{
    const struct sequence *sequence = &av1->sequence;
    if (!av1->has_sequence)
        return damaged(av1, "a frame stands before the sequence header");
    if (++av1->frames > FRAMES_MAX)
        return unsupported(av1, "an image of so many frames");
    if (sequence->reduced)
        return MR_OK;
    if (mr_bits_take(&bits, 1)) /* show_existing_frame */
        return bits.short_of ? damaged(av1, "a frame header is cut") : MR_OK;
    uint32_t type = mr_bits_take(&bits, 2);
    bool shown = mr_bits_take(&bits, 1);
    if (shown)
        (void)mr_bits_take(&bits, sequence->presentation_length);
    else
        (void)mr_bits_take(&bits, 1); /* showable_frame */
    if (type != FRAME_SWITCH && !(type == FRAME_KEY && shown))
        (void)mr_bits_take(&bits, 1); /* error_resilient_mode */
    (void)mr_bits_take(&bits, 1);     /* disable_cdf_update */
    uint32_t screen_content = sequence->screen_content;
    if (screen_content == FROM_FRAME)
        screen_content = mr_bits_take(&bits, 1);
    if (screen_content != 0 && sequence->integer_mv == FROM_FRAME)
        (void)mr_bits_take(&bits, 1); /* force_integer_mv */
    (void)mr_bits_take(&bits, sequence->frame_id_length);
    bool has_own_size = type == FRAME_SWITCH || mr_bits_take(&bits, 1);
    if (bits.short_of)
        return damaged(av1, "a frame header is cut");
    return has_own_size ? unsupported(av1, "a frame with a size of its own") : MR_OK;
}

/* 4.10.5. False: there is none, or it has more than 32 bits. */
static bool read_length(struct mr_chain *data, uint64_t *out)
{
    *out = 0;
    for (uint32_t i = 0; i < 8; i++) {
        uint8_t byte;
        if (mr_chain_read(data, &byte, 1) != 1)
            return false;
        *out |= (uint64_t)(byte & 0x7F) << (7 * i);
        if (byte < 0x80)
            return *out <= UINT32_MAX;
    }
    return false;
}

static int read_unit(struct av1 *av1, struct mr_chain *data)
{
    uint8_t head, extension, payload[HEAD_MAX];
    uint64_t len;
    if (mr_chain_read(data, &head, 1) != 1 || (head & 0x80) != 0 ||
        ((head & 4) != 0 && mr_chain_read(data, &extension, 1) != 1))
        return damaged(av1, "a unit's header is malformed");
    if ((head & 2) == 0)
        len = mr_chain_left(data); /* it goes to the end */
    else if (!read_length(data, &len) || len > mr_chain_left(data))
        return damaged(av1, "its data end inside a unit");

    size_t count = mr_chain_read(data, payload, (size_t)MR_MIN(len, (uint64_t)HEAD_MAX));
    struct mr_bits bits = {.at = payload, .len = count};
    (void)mr_chain_skip(data, len - count);
    switch (head >> 3 & 15) {
    case OBU_SEQUENCE_HEADER:
        return read_sequence(av1, bits);
    case OBU_FRAME_HEADER:
    case OBU_FRAME:
    case OBU_REDUNDANT_FRAME_HEADER:
        return read_frame(av1, bits);
    default:
        return MR_OK;
    }
}

int mr_scan_av1(struct mr_coded *out, struct mr_scan *scan, struct mr_chain *data, struct mr_fault *fault)
{
    struct av1 av1 = {.fault = fault};
    while (mr_chain_left(data) > 0) {
        if (!mr_scan_step(scan, 4)) /* a unit is a header, a length, a payload and its place in the chain */
            return MR_EDAMAGED;
        int err = read_unit(&av1, data);
        if (err != MR_OK)
            return err;
    }
    if (av1.frames == 0)
        return damaged(&av1, "it has no frame");
    *out = (struct mr_coded){av1.sequence.width, av1.sequence.height, av1.frames, (uint8_t)av1.sequence.bits};
    return MR_OK;
}
