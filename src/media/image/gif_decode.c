/* DESIGN: LZW as in GIF89a, appendix F: each code stands for a string of colour indices, the string of an earlier code
 * and one index more. Strings are written backwards, from their last index to their first, into a row that has room
 * for the longest of them behind its end; full rows are painted. */
#include "media/image/gif_decode.h"

#include "base/assert.h"
#include "base/macros.h"
#include "media/scan/scan_gif.h"

#include <stdlib.h>
#include <string.h>

enum {
    CODES = 4096, /* also the longest string */
    CODE_BITS_MAX = 12,
    NO_CODE = CODES,
    STOP_PIXELS = 65536, /* between two looks at the mark */
};

struct lzw {
    const uint8_t *at, *end; /* the next byte of the compressed data */
    size_t block_left;       /* bytes of the block that it is in */
    uint32_t bits;           /* read and not used yet, the next one lowest */
    unsigned bit_count;
    unsigned literal_bits, code_bits, next_code, previous;
    uint16_t prefix[CODES], len[CODES];
    uint8_t last[CODES];
};

struct decoder {
    const struct mr_gif_wanted *wanted;
    struct lzw lzw;
    uint8_t colours[256][4];
    uint8_t *canvas;
    uint8_t *saved;   /* what is under a frame that is to be restored: its rows, cut at the canvas. NULL: none yet */
    uint8_t *row;     /* indices */
    uint64_t painted; /* pixels since the last look at the mark */
};

/* ---- codes ---- */

static void lzw_clear(struct lzw *lzw)
{
    lzw->code_bits = lzw->literal_bits + 1;
    lzw->next_code = (1u << lzw->literal_bits) + 2;
    lzw->previous = NO_CODE;
}

static void lzw_begin(struct lzw *lzw, const struct mr_gif_frame *frame)
{
    lzw->at = frame->data.at;
    lzw->end = frame->data.at + frame->data.len;
    lzw->block_left = lzw->bits = lzw->bit_count = 0;
    lzw->literal_bits = frame->code_bits;
    for (unsigned i = 0; i < 1u << frame->code_bits; i++) {
        lzw->len[i] = 1;
        lzw->last[i] = (uint8_t)i;
    }
    lzw_clear(lzw);
}

/* False: there is no data left. */
static bool lzw_fill(struct lzw *lzw)
{
    while (lzw->bit_count < lzw->code_bits) {
        if (lzw->block_left == 0) {
            if (lzw->at == lzw->end || *lzw->at == 0)
                return false;
            lzw->block_left = *lzw->at++;
        }
        if (lzw->at == lzw->end)
            return false;
        lzw->bits |= (uint32_t)*lzw->at++ << lzw->bit_count;
        lzw->bit_count += 8;
        lzw->block_left--;
    }
    return true;
}

static void lzw_add(struct lzw *lzw, uint8_t last)
{
    if (lzw->next_code == CODES)
        return; /* the table is full until it is cleared */
    lzw->prefix[lzw->next_code] = (uint16_t)lzw->previous;
    lzw->len[lzw->next_code] = (uint16_t)(lzw->len[lzw->previous] + 1);
    lzw->last[lzw->next_code] = last;
    lzw->next_code++;
}

static size_t lzw_write(const struct lzw *lzw, unsigned code, uint8_t *to)
{
    size_t len = lzw->len[code];
    for (size_t i = len; i-- > 1; code = lzw->prefix[code])
        to[i] = lzw->last[code];
    to[0] = lzw->last[code];
    return len;
}

/* The next string, at `to`: how many indices, at most CODES; 0 at the end of the data and where it is corrupt. */
static size_t lzw_next(struct lzw *lzw, uint8_t *to)
{
    const unsigned clear = 1u << lzw->literal_bits;
    while (lzw_fill(lzw)) {
        unsigned code = lzw->bits & ((1u << lzw->code_bits) - 1);
        lzw->bits >>= lzw->code_bits;
        lzw->bit_count -= lzw->code_bits;
        if (code == clear) {
            lzw_clear(lzw);
            continue;
        }
        bool is_first = lzw->previous == NO_CODE;
        if (code == clear + 1 || code > lzw->next_code || (is_first && code > clear))
            return 0;
        size_t len;
        if (code < lzw->next_code) {
            len = lzw_write(lzw, code, to);
        } else { /* the string that this code adds: it begins as it ends */
            len = lzw_write(lzw, lzw->previous, to);
            to[len++] = to[0];
        }
        if (!is_first)
            lzw_add(lzw, to[0]);
        if (lzw->next_code == 1u << lzw->code_bits && lzw->code_bits < CODE_BITS_MAX)
            lzw->code_bits++; /* with one bit a literal already at the first code */
        lzw->previous = code;
        return len;
    }
    return 0;
}

/* ---- the canvas ---- */

/* The part of a frame that lies on the canvas. */
struct part {
    uint32_t left, top, width, height;
};

static struct part visible_part(const struct decoder *decoder, const struct mr_gif_frame *frame)
{
    const struct mr_gif_wanted *wanted = decoder->wanted;
    if (frame->left >= wanted->width || frame->top >= wanted->height)
        return (struct part){0};
    return (struct part){.left = frame->left,
                         .top = frame->top,
                         .width = MR_MIN(frame->width, wanted->width - frame->left),
                         .height = MR_MIN(frame->height, wanted->height - frame->top)};
}

static uint8_t *canvas_at(const struct decoder *decoder, uint32_t left, uint32_t top)
{
    return decoder->canvas + ((size_t)top * decoder->wanted->width + left) * decoder->wanted->bands;
}

static int save_part(struct decoder *decoder, struct part part)
{
    const struct mr_gif_wanted *wanted = decoder->wanted;
    if (decoder->saved == NULL)
        decoder->saved = malloc((size_t)wanted->width * wanted->height * wanted->bands);
    if (decoder->saved == NULL)
        return MR_EMEMORY;
    size_t row = (size_t)part.width * wanted->bands;
    for (uint32_t y = 0; y < part.height; y++)
        memcpy(decoder->saved + y * row, canvas_at(decoder, part.left, part.top + y), row);
    return MR_OK;
}

/* Before the next frame. */
static void dispose_of(struct decoder *decoder, const struct mr_gif_frame *frame)
{
    struct part part = visible_part(decoder, frame);
    size_t row = (size_t)part.width * decoder->wanted->bands;
    for (uint32_t y = 0; y < part.height; y++) {
        uint8_t *at = canvas_at(decoder, part.left, part.top + y);
        if (frame->disposal == MR_GIF_CLEAR)
            memset(at, 0, row);
        else if (frame->disposal == MR_GIF_RESTORE)
            memcpy(at, decoder->saved + y * row, row);
    }
}

static void paint_row(const struct decoder *decoder, struct part part, uint32_t y, const uint8_t *row, int transparent)
{
    const size_t bands = decoder->wanted->bands;
    uint8_t *at = canvas_at(decoder, part.left, part.top + y);
    for (uint32_t x = 0; x < part.width; x++, at += bands) {
        uint8_t index = row[x];
        if (index == transparent)
            continue;
        if (bands == 4)
            memcpy(at, decoder->colours[index], 4);
        else
            memcpy(at, decoder->colours[index], 3);
    }
}

/* The row behind row y of an interlaced frame, or its height. */
static uint32_t interlaced_row_after(uint32_t y, uint32_t height)
{
    static const uint8_t start[] = {0, 4, 2, 1}, step[] = {8, 8, 4, 2};
    unsigned pass = y % 8 == 0 ? 0 : y % 8 == 4 ? 1 : y % 4 == 2 ? 2 : 3;
    y += step[pass];
    while (y >= height && ++pass < MR_ARRAY_SIZE(start))
        y = start[pass];
    return y >= height ? height : y;
}

static bool is_stopped(struct decoder *decoder, uint64_t pixels)
{
    decoder->painted += pixels;
    if (decoder->painted < STOP_PIXELS || decoder->wanted->is_stopped == NULL)
        return false;
    decoder->painted = 0;
    return decoder->wanted->is_stopped(decoder->wanted->context);
}

static uint32_t row_after(const struct mr_gif_frame *frame, uint32_t y)
{
    return frame->is_interlaced ? interlaced_row_after(y, frame->height) : y + 1;
}

/* How many rows of its data a frame needs until the last visible one of `part` is there. */
static uint32_t rows_needed(const struct mr_gif_frame *frame, struct part part)
{
    uint32_t rows = 0, visible = part.width == 0 ? 0 : part.height;
    for (uint32_t y = 0; visible > 0; y = row_after(frame, y), rows++)
        visible -= y < part.height;
    return rows;
}

/* Rows that are not seen are decoded where others follow that are. */
static int paint_frame(struct decoder *decoder, const struct mr_gif_frame *frame)
{
    struct part part = visible_part(decoder, frame);
    size_t at = 0, have = 0; /* of the indices in decoder->row */
    uint32_t y = 0;
    lzw_begin(&decoder->lzw, frame);
    for (uint32_t left = rows_needed(frame, part); left > 0; left--) {
        if (have < frame->width) {
            memmove(decoder->row, decoder->row + at, have);
            at = 0;
        }
        while (have < frame->width) {
            size_t more = lzw_next(&decoder->lzw, decoder->row + have);
            if (more == 0)
                return MR_EDAMAGED;
            have += more;
        }
        if (y < part.height)
            paint_row(decoder, part, y, decoder->row + at, frame->transparent);
        if (is_stopped(decoder, frame->width))
            return MR_ECANCELLED;
        y = row_after(frame, y);
        at += frame->width;
        have -= frame->width;
    }
    return MR_OK;
}

static void set_colours(struct decoder *decoder, struct mr_view palette)
{
    for (size_t i = 0; i < MR_ARRAY_SIZE(decoder->colours); i++) {
        uint8_t *colour = decoder->colours[i];
        memset(colour, 0, 3);
        if (3 * i < palette.len)
            memcpy(colour, palette.at + 3 * i, 3);
        colour[3] = 255;
    }
}

static int show_frame(struct decoder *decoder, const struct mr_gif_frame *frame)
{
    uint8_t *row = realloc(decoder->row, frame->width + (size_t)CODES);
    if (row == NULL)
        return MR_EMEMORY;
    decoder->row = row;
    set_colours(decoder, frame->palette);
    int err = frame->disposal == MR_GIF_RESTORE ? save_part(decoder, visible_part(decoder, frame)) : MR_OK;
    return err != MR_OK ? err : paint_frame(decoder, frame);
}

static int show_frames(struct decoder *decoder, int *delays_ms, struct mr_gif *gif)
{
    const struct mr_gif_wanted *wanted = decoder->wanted;
    const size_t canvas_len = (size_t)wanted->width * wanted->height * wanted->bands;
    struct mr_gif_frame frame, before = {.disposal = MR_GIF_KEEP};
    memset(decoder->canvas, 0, canvas_len);
    for (uint32_t i = 0; i < wanted->first + wanted->count; i++) {
        bool is_end;
        int err = mr_gif_next(gif, &frame, &is_end);
        MR_ASSERT(err == MR_OK && !is_end); /* the scan went the same way */
        if (i > wanted->first) {
            memcpy(decoder->canvas + canvas_len, decoder->canvas, canvas_len);
            decoder->canvas += canvas_len;
            if (is_stopped(decoder, (uint64_t)wanted->width * wanted->height))
                return MR_ECANCELLED;
        }
        dispose_of(decoder, &before);
        err = show_frame(decoder, &frame);
        if (err != MR_OK)
            return err;
        if (i >= wanted->first)
            delays_ms[i - wanted->first] = frame.delay_ms;
        before = frame;
    }
    return MR_OK;
}

/* A frame may be much larger than the canvas, and each of them. */
static int check_pixels(const struct decoder *decoder, struct mr_gif gif, struct mr_fault *fault)
{
    const struct mr_gif_wanted *wanted = decoder->wanted;
    struct mr_gif_frame frame;
    uint64_t pixels = 0;
    for (uint32_t i = 0; i < wanted->first + wanted->count; i++) {
        bool is_end;
        int err = mr_gif_next(&gif, &frame, &is_end);
        MR_ASSERT(err == MR_OK && !is_end);
        pixels += (uint64_t)frame.width * rows_needed(&frame, visible_part(decoder, &frame));
    }
    if (wanted->pixels_max == 0 || pixels <= wanted->pixels_max)
        return MR_OK;
    return mr_fault_limit(fault, MR_EPIXELS, "max-pixels", wanted->pixels_max, pixels);
}

int mr_gif_decode(uint8_t *out, int *delays_ms, int *plays, const struct mr_gif_wanted *wanted, struct mr_view file,
                  struct mr_fault *fault)
{
    struct mr_scan scan = {.steps_max = UINT64_MAX};
    struct mr_gif gif;
    uint32_t width, height;
    int err = mr_gif_open(&gif, &scan, file, &width, &height, fault);
    struct decoder *decoder = err == MR_OK ? calloc(1, sizeof(*decoder)) : NULL;
    if (decoder == NULL)
        return err != MR_OK ? err : mr_fault_set(fault, MR_EMEMORY, NULL);
    decoder->wanted = wanted;
    decoder->canvas = out;
    err = check_pixels(decoder, gif, fault);
    if (err == MR_OK)
        err = show_frames(decoder, delays_ms, &gif);
    *plays = gif.plays;
    free(decoder->saved);
    free(decoder->row);
    free(decoder);
    if (err == MR_EDAMAGED)
        return mr_fault_set(fault, err, "GIF: a frame's compressed data is corrupt or too short.");
    return err == MR_OK || err == MR_EPIXELS ? err : mr_fault_set(fault, err, NULL);
}
