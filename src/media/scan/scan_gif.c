/* DESIGN: a GIF (GIF89a specification) is a canvas and a row of blocks. Every frame's rectangle must lie inside the
 * canvas: a loader that grows the canvas to hold a stray frame can be made to ask for gigabytes by 43 bytes. */
#include "media/scan/scan.h"

#include <string.h>

enum {
    EXTENSION = 0x21,
    FRAME = 0x2C,
    TRAILER = 0x3B,
    GRAPHIC_CONTROL = 0xF9,
};

struct gif {
    struct mr_scan *out;
    struct mr_view file;
    struct mr_fault *fault;
    size_t at;
};

static int damaged(struct gif *gif, const char *what)
{
    return mr_fault_set(gif->fault, MR_EDAMAGED, "GIF: %s.", what);
}

static int ends_early(struct gif *gif)
{
    return damaged(gif, "the file ends before the image does");
}

/* The colour table that a flags byte announces. Its end is checked by whoever reads on. */
static size_t colour_table_len(uint8_t flags)
{
    return flags & 0x80 ? (size_t)3 << ((flags & 7) + 1) : 0;
}

/* Length-prefixed runs of bytes up to an empty one. */
static int skip_sub_blocks(struct gif *gif)
{
    while (mr_view_has(gif->file, gif->at, 1) && mr_scan_step(gif->out, 1)) {
        size_t len = gif->file.at[gif->at];
        gif->at += 1 + len;
        if (len == 0)
            return MR_OK;
    }
    return ends_early(gif);
}

static int read_extension(struct gif *gif)
{
    if (!mr_view_has(gif->file, gif->at, 4))
        return ends_early(gif);
    const uint8_t *at = gif->file.at + gif->at;
    /* label, block length, flags: a transparent colour in the first frame's control block */
    if (at[0] == GRAPHIC_CONTROL && at[1] >= 1 && (at[2] & 1) && gif->out->info.frames == 0)
        gif->out->info.alpha = true;
    gif->at += 1;
    return skip_sub_blocks(gif);
}

static int read_frame(struct gif *gif)
{
    struct mr_image_info *info = &gif->out->info;
    if (!mr_view_has(gif->file, gif->at, 9))
        return ends_early(gif);
    const uint8_t *at = gif->file.at + gif->at;
    uint32_t width = mr_read_le16(at + 4);
    uint32_t height = mr_read_le16(at + 6);
    if (width == 0 || height == 0 || mr_read_le16(at) + width > info->width ||
        mr_read_le16(at + 2) + height > info->height)
        return damaged(gif, "a frame lies outside the canvas");
    if (info->frames == 0 && (width != info->width || height != info->height))
        info->alpha = true; /* what the first frame leaves free is transparent */
    info->frames++;
    gif->at += 9 + colour_table_len(at[8]);
    if (!mr_view_has(gif->file, gif->at, 1))
        return ends_early(gif);
    gif->at += 1; /* LZW minimum code size */
    return skip_sub_blocks(gif);
}

int mr_scan_gif(struct mr_scan *out, struct mr_view file, struct mr_fault *fault)
{
    struct gif gif = {.out = out, .file = file, .fault = fault, .at = 13};
    struct mr_image_info *info = &out->info;
    info->frames = 0;
    if (!mr_view_has(file, 0, 13))
        return ends_early(&gif);
    info->width = mr_read_le16(file.at + 6);
    info->height = mr_read_le16(file.at + 8);
    info->bits = 8;
    info->scans = 1;
    info->whole = true;
    if (info->width == 0 || info->height == 0)
        return damaged(&gif, "its canvas is empty");

    gif.at += colour_table_len(file.at[10]);
    for (;;) {
        if (!mr_view_has(file, gif.at, 1)) {
            MR_SCAN_MEND(out, file.len,
                         ";"); /* between two blocks: as browsers have it, the trailer alone is missing */
            break;
        }
        uint8_t introducer = file.at[gif.at++];
        if (introducer == TRAILER)
            break;
        if (introducer != EXTENSION && introducer != FRAME)
            return damaged(&gif, "an unknown block stands between its frames");
        int err = introducer == FRAME ? read_frame(&gif) : read_extension(&gif);
        if (err != MR_OK)
            return err;
    }
    info->bands = info->alpha ? 4 : 3;
    return info->frames > 0 ? MR_OK : damaged(&gif, "it has no frame");
}
