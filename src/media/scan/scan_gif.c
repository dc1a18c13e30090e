/* DESIGN: a GIF (GIF89a specification) is a canvas and a row of blocks. As browsers have it, the first frame makes the
 * canvas as large as it needs (many canvases are 0 x 0), and later ones are cut at its edges: so each size is known
 * before anything is decoded, and the largest frame counts against the limit, not the canvas alone. Zero bytes between
 * blocks are ends of blocks that ended before; the trailer may be missing. */
#include "media/scan/scan_gif.h"

#include "base/macros.h"

#include <string.h>

enum {
    EXTENSION = 0x21,
    FRAME = 0x2C,
    TRAILER = 0x3B,
    GRAPHIC_CONTROL = 0xF9,
    APPLICATION = 0xFF,
    DELAY_MS = 100, /* of a frame that says none, as everywhere */
};

static int damaged(struct mr_gif *gif, const char *what)
{
    return mr_fault_set(gif->fault, MR_EDAMAGED, "GIF: %s.", what);
}

static int ends_early(struct mr_gif *gif)
{
    return damaged(gif, "the file ends before the image does");
}

/* Take the colour table that a flags byte announces. */
static int take_palette(struct mr_gif *gif, uint8_t flags, struct mr_view *palette)
{
    if (!(flags & 0x80))
        return MR_OK;
    size_t len = (size_t)3 << ((flags & 7) + 1);
    if (!mr_view_has(gif->file, gif->at, len))
        return ends_early(gif);
    *palette = mr_view_part(gif->file, gif->at, len);
    gif->at += len;
    return MR_OK;
}

/* Length-prefixed runs of bytes up to an empty one. */
static int skip_sub_blocks(struct mr_gif *gif)
{
    while (mr_view_has(gif->file, gif->at, 1) && mr_scan_step(gif->out, 1)) {
        size_t len = gif->file.at[gif->at];
        gif->at += 1 + len;
        if (len == 0)
            return MR_OK;
    }
    return ends_early(gif);
}

/* The whole of what is said of the next frame: the last block of its kind holds. */
static void read_graphic_control(struct mr_gif_frame *frame, const uint8_t *body)
{
    static const enum mr_gif_disposal disposals[8] = {
        [2] = MR_GIF_CLEAR, [3] = MR_GIF_RESTORE, [4] = MR_GIF_RESTORE /* some encoders mean 3 */};
    frame->disposal = disposals[body[0] >> 2 & 7];
    frame->delay_ms = 10 * (int)mr_read_le16(body + 1);
    frame->transparent = body[0] & 1 ? body[3] : -1;
}

static void read_application(struct mr_gif *gif, const uint8_t *body)
{
    bool is_loop = memcmp(body, "NETSCAPE2.0", 11) == 0 || memcmp(body, "ANIMEXTS1.0", 11) == 0;
    if (!is_loop || !mr_view_has(gif->file, gif->at, 17) || body[11] != 3 || body[12] != 1)
        return;
    int again = (int)mr_read_le16(body + 13);
    gif->plays = again == 0 ? 0 : again + 1;
}

static int read_extension(struct mr_gif *gif, struct mr_gif_frame *frame)
{
    if (!mr_view_has(gif->file, gif->at, 2))
        return ends_early(gif);
    const uint8_t *at = gif->file.at + gif->at; /* label, length of the first block, the block */
    if (mr_view_has(gif->file, gif->at + 2, at[1])) {
        if (at[0] == GRAPHIC_CONTROL && at[1] >= 4)
            read_graphic_control(frame, at + 2);
        else if (at[0] == APPLICATION && at[1] == 11)
            read_application(gif, at + 2);
    }
    gif->at += 1;
    return skip_sub_blocks(gif);
}

static int read_frame(struct mr_gif *gif, struct mr_gif_frame *frame)
{
    if (!mr_view_has(gif->file, gif->at, 9))
        return ends_early(gif);
    const uint8_t *at = gif->file.at + gif->at;
    frame->left = mr_read_le16(at);
    frame->top = mr_read_le16(at + 2);
    frame->width = mr_read_le16(at + 4);
    frame->height = mr_read_le16(at + 6);
    frame->is_interlaced = (at[8] & 0x40) != 0;
    gif->at += 9;
    int err = take_palette(gif, at[8], &frame->palette);
    if (err != MR_OK)
        return err;
    if (!mr_view_has(gif->file, gif->at, 1))
        return ends_early(gif);
    frame->code_bits = gif->file.at[gif->at++];
    if (frame->code_bits < 1 || frame->code_bits > 8)
        return damaged(gif, "a frame's compressed data is of no known kind");
    size_t from = gif->at;
    err = skip_sub_blocks(gif);
    if (err == MR_OK)
        frame->data = mr_view_part(gif->file, from, gif->at - from);
    return err;
}

int mr_gif_open(struct mr_gif *gif, struct mr_scan *out, struct mr_view file, uint32_t *width, uint32_t *height,
                struct mr_fault *fault)
{
    *gif = (struct mr_gif){.out = out, .file = file, .fault = fault, .at = 13, .plays = 1};
    if (!mr_view_has(file, 0, 13))
        return ends_early(gif);
    *width = mr_read_le16(file.at + 6);
    *height = mr_read_le16(file.at + 8);
    return take_palette(gif, file.at[10], &gif->palette);
}

int mr_gif_next(struct mr_gif *gif, struct mr_gif_frame *frame, bool *is_end)
{
    *is_end = false;
    *frame = (struct mr_gif_frame){.palette = gif->palette, .transparent = -1, .delay_ms = DELAY_MS};
    while (mr_view_has(gif->file, gif->at, 1)) {
        uint8_t introducer = gif->file.at[gif->at++];
        if (introducer == FRAME)
            return read_frame(gif, frame);
        if (introducer == TRAILER)
            break;
        int err = MR_OK;
        if (introducer == EXTENSION)
            err = read_extension(gif, frame);
        else if (introducer != 0)
            err = damaged(gif, "an unknown block stands between its frames");
        else if (!mr_scan_step(gif->out, 1))
            err = MR_EDAMAGED;
        if (err != MR_OK)
            return err;
    }
    *is_end = true; /* also between two blocks: the trailer alone is missing */
    return MR_OK;
}

/* What one frame more makes of the whole. */
static void count_frame(struct mr_gif *gif, const struct mr_gif_frame *frame, bool is_disposed)
{
    struct mr_image_info *info = &gif->out->info;
    uint32_t right = frame->left + frame->width, bottom = frame->top + frame->height;
    if (info->frames == 0) {
        info->width = MR_MAX(info->width, right);
        info->height = MR_MAX(info->height, bottom);
        /* what the first frame leaves free is transparent */
        info->alpha = frame->transparent >= 0 || frame->width != info->width || frame->height != info->height;
    }
    info->alpha = info->alpha || is_disposed;
    gif->out->pixels_max = MR_MAX(gif->out->pixels_max, (uint64_t)frame->width * frame->height);
    info->frames++;
}

int mr_scan_gif(struct mr_scan *out, struct mr_view file, struct mr_fault *fault)
{
    struct mr_image_info *info = &out->info;
    struct mr_gif gif;
    struct mr_gif_frame frame;
    info->frames = 0;
    info->bits = 8;
    info->scans = 1;
    info->whole = true;
    bool is_disposed = false, is_end;
    int err = mr_gif_open(&gif, out, file, &info->width, &info->height, fault);
    while (err == MR_OK) {
        err = mr_gif_next(&gif, &frame, &is_end);
        if (err != MR_OK || is_end)
            break;
        count_frame(&gif, &frame, is_disposed);
        is_disposed = frame.disposal == MR_GIF_CLEAR || (frame.disposal == MR_GIF_RESTORE && info->frames == 1);
    }
    info->bands = info->alpha ? 4 : 3;
    info->palette = true;
    if (err == MR_OK && info->frames == 0)
        err = damaged(&gif, "it has no frame");
    if (err == MR_OK && (info->width == 0 || info->height == 0))
        err = damaged(&gif, "its canvas is empty, and so is its first frame");
    return err;
}
