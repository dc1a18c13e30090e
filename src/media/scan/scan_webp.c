/* DESIGN: a WebP (RFC 9649) is a RIFF container: either one VP8 or VP8L chunk, or a VP8X header with a canvas, followed
 * by the image or by ANMF frames, each with chunks of its own. The size a bitstream states must be the size its
 * container states: decoders allocate by one and write by the other. */
#include "media/scan/scan.h"

#include <string.h>

enum {
    SIZE_AT = 4, /* of all that follows */
    FLAG_ANIMATION = 0x02,
    FLAG_ALPHA = 0x10,
};

struct webp {
    struct mr_scan *out;
    struct mr_fault *fault;
    bool extended; /* VP8X came first */
    bool animated;
    uint32_t images; /* bitstreams outside of frames */
};

/* One chunk of a RIFF list. */
struct chunk {
    const uint8_t *type;
    struct mr_view body;
};

struct size {
    uint32_t width, height;
    bool alpha;
};

static int damaged(struct webp *webp, const char *what)
{
    mr_fault_set(webp->fault, MR_EDAMAGED, "WebP: %s.", what);
    return MR_EDAMAGED;
}

static bool is_type(const struct chunk *chunk, const char *type)
{
    return memcmp(chunk->type, type, 4) == 0;
}

/* Take the chunk at *at, and move *at behind it and its padding. */
static int next_chunk(struct webp *webp, struct mr_view list, size_t *at, struct chunk *out)
{
    if (!mr_scan_step(webp->out, 1))
        return MR_EDAMAGED;
    if (!mr_view_has(list, *at, 8))
        return damaged(webp, "the file ends before the image does");
    out->type = list.at + *at;
    size_t len = mr_read_le32(list.at + *at + 4);
    if (!mr_view_has(list, *at + 8, len))
        return damaged(webp, "the file ends inside a chunk");
    out->body = mr_view_part(list, *at + 8, len);
    *at += 8 + len;
    if ((len & 1) && *at < list.len)
        *at += 1;
    return MR_OK;
}

/* The size in a bitstream's own header: RFC 6386, section 9.1, and RFC 9649, section 3.4. */
static int read_bitstream(struct webp *webp, const struct chunk *chunk, struct size *out)
{
    const uint8_t *at = chunk->body.at;
    if (is_type(chunk, "VP8L")) {
        if (chunk->body.len < 5 || at[0] != 0x2F || at[4] >> 5 != 0)
            return damaged(webp, "its lossless image has no valid header");
        uint32_t bits = mr_read_le32(at + 1);
        *out = (struct size){(bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, (bits >> 28 & 1) != 0};
        return MR_OK;
    }
    if (chunk->body.len < 10 || (at[0] & 1) != 0 || memcmp(at + 3, "\x9d\x01\x2a", 3) != 0)
        return damaged(webp, "its image has no valid header");
    *out = (struct size){mr_read_le16(at + 6) & 0x3FFF, mr_read_le16(at + 8) & 0x3FFF, false};
    webp->out->info.halves_colours = true;
    return out->width != 0 && out->height != 0 ? MR_OK : damaged(webp, "its image is empty");
}

/* ANMF: x/2, y/2, width-1, height-1, duration (24 bits each), flags, then the chunks of the frame. */
static int read_frame(struct webp *webp, struct mr_view body)
{
    const struct mr_image_info *info = &webp->out->info;
    if (body.len < 16)
        return damaged(webp, "a frame header is too short");
    uint32_t x = 2 * mr_read_le24(body.at);
    uint32_t y = 2 * mr_read_le24(body.at + 3);
    uint32_t width = mr_read_le24(body.at + 6) + 1;
    uint32_t height = mr_read_le24(body.at + 9) + 1;
    if (x + width > info->width || y + height > info->height)
        return damaged(webp, "a frame lies outside the canvas");
    if (width != info->width || height != info->height)
        webp->out->info.alpha = true; /* what a frame leaves free is transparent */

    uint32_t images = 0;
    for (size_t at = 16; at < body.len;) {
        struct chunk chunk;
        int err = next_chunk(webp, body, &at, &chunk);
        if (err != MR_OK)
            return err;
        if (!is_type(&chunk, "VP8 ") && !is_type(&chunk, "VP8L"))
            continue;
        struct size size;
        err = read_bitstream(webp, &chunk, &size);
        if (err != MR_OK)
            return err;
        if (size.width != width || size.height != height)
            return damaged(webp, "a frame's image has another size than the frame");
        images++;
    }
    webp->out->info.frames++;
    return images == 1 ? MR_OK : damaged(webp, "a frame does not hold exactly one image");
}

/* VP8X: flags, 24 bits reserved, canvas width-1 and height-1 (24 bits each). */
static int read_extended_header(struct webp *webp, struct mr_view body)
{
    struct mr_image_info *info = &webp->out->info;
    if (body.len < 10)
        return damaged(webp, "its header is too short");
    webp->extended = true;
    webp->animated = (body.at[0] & FLAG_ANIMATION) != 0;
    info->alpha = (body.at[0] & FLAG_ALPHA) != 0;
    info->width = mr_read_le24(body.at + 4) + 1;
    info->height = mr_read_le24(body.at + 7) + 1;
    info->frames = webp->animated ? 0 : 1;
    return MR_OK;
}

static int read_image(struct webp *webp, const struct chunk *chunk)
{
    struct mr_image_info *info = &webp->out->info;
    struct size size;
    int err = read_bitstream(webp, chunk, &size);
    if (err != MR_OK)
        return err;
    if (webp->animated || ++webp->images > 1)
        return damaged(webp, "it holds more images than it announces");
    if (webp->extended && (size.width != info->width || size.height != info->height))
        return damaged(webp, "its image has another size than its canvas");
    info->width = size.width;
    info->height = size.height;
    info->alpha = info->alpha || size.alpha;
    return MR_OK;
}

static int read_chunk(struct webp *webp, const struct chunk *chunk, bool first)
{
    if (is_type(chunk, "VP8X"))
        return first ? read_extended_header(webp, chunk->body) : damaged(webp, "its header is not the first chunk");
    if (is_type(chunk, "VP8 ") || is_type(chunk, "VP8L"))
        return read_image(webp, chunk);
    if (is_type(chunk, "ANMF"))
        return webp->animated ? read_frame(webp, chunk->body) : damaged(webp, "it has a frame but no animation");
    if (is_type(chunk, "EXIF"))
        webp->out->info.orientation = mr_scan_exif_orientation(webp->out, chunk->body);
    return first ? damaged(webp, "it starts with neither an image nor a header") : MR_OK;
}

int mr_scan_webp(struct mr_scan *out, struct mr_view file, struct mr_fault *fault)
{
    struct webp webp = {.out = out, .fault = fault};
    struct mr_image_info *info = &out->info;
    if (file.len < 12)
        return damaged(&webp, "the file ends before the image does");
    info->bits = 8;
    info->scans = 1;
    info->whole = true;
    size_t len = mr_read_le32(file.at + SIZE_AT);
    /* One byte short: is it the padding of its last chunk, which holds nothing? Then the size may count it, or not. */
    bool is_short = len >= 4 && len % 2 == 0 && len - 1 == file.len - 8;
    if (is_short)
        len--;
    if (len < 4 || !mr_view_has(file, 8, len))
        return damaged(&webp, "the file ends before the image does");

    struct mr_view list = mr_view_part(file, 12, len - 4);
    bool first = true;
    for (size_t at = 0; at < list.len; first = false) {
        struct chunk chunk;
        int err = next_chunk(&webp, list, &at, &chunk);
        if (err == MR_OK)
            err = read_chunk(&webp, &chunk, first);
        if (err != MR_OK)
            return err;
    }
    if (len % 2 != 0) {
        MR_SCAN_MEND(out, 8 + len, "\0");
        out->mending.size_at = SIZE_AT;
    }
    info->bands = info->alpha ? 4 : 3;
    if (info->frames == 0 || (!webp.animated && webp.images != 1))
        return damaged(&webp, "it has no image");
    return MR_OK;
}
