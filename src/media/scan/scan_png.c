/* DESIGN: a PNG (ISO/IEC 15948, and its animation extension) is a row of chunks, from IHDR to IEND. The walk checks
 * their frame and order, and that there is no more compressed data than the image can need; checksums and the data
 * themselves are the decoder's to check. */
#include "media/scan/scan.h"

#include <string.h>

enum {
    CHUNK_LEN_MAX = 0x7FFFFFFF,
    SIDE_MAX = 0x7FFFFFFF,
};

struct png {
    struct mr_scan *out;
    struct mr_fault *fault;
    bool has_data;              /* an IDAT was seen */
    bool is_srgb;               /* it says so */
    struct mr_view code_points; /* the body of cICP, or nothing */
    uint64_t data_max;          /* bytes that all IDAT together may have, and less those that were seen */
};

static int damaged(struct png *png, const char *what)
{
    return mr_fault_set(png->fault, MR_EDAMAGED, "PNG: %s.", what);
}

/* Is the pair of colour type and depth one of ISO/IEC 15948, table 11.1? Its channels, or 0. */
static uint8_t bands_of(uint8_t colour_type, uint8_t depth)
{
    bool deep = depth == 8 || depth == 16;
    bool shallow = depth == 1 || depth == 2 || depth == 4;
    switch (colour_type) {
    case 0:
        return deep || shallow ? 1 : 0;
    case 2:
        return deep ? 3 : 0;
    case 3:
        return depth == 8 || shallow ? 3 : 0; /* a palette becomes RGB when it is decoded */
    case 4:
        return deep ? 2 : 0;
    case 6:
        return deep ? 4 : 0;
    default:
        return 0;
    }
}

/* Rows, each with a byte that names its filter, before they are compressed. Interlaced ones are counted at twice as
 * many, which is more than its seven passes have. */
static uint64_t raw_size(const struct mr_image_info *info, uint8_t colour_type, uint8_t depth)
{
    static const uint8_t channels[] = {1, 0, 3, 1, 2, 0, 4};
    uint64_t row = ((uint64_t)info->width * channels[colour_type] * depth + 7) / 8 + 1;
    return row * info->height + (info->whole ? row * info->height + 7 * (uint64_t)info->height : 0);
}

/* Deflate never needs more than a few per cent above what it compresses, with a flush behind every row some bytes more.
 * What is longer holds more than the image: a decoder would go on to inflate it behind the last row, without a bound
 * (libpng does, within one call). */
static uint64_t data_max(uint64_t raw, uint32_t height)
{
    return raw + raw / 4 + 16 * (uint64_t)height + 65536;
}

static int read_header(struct png *png, struct mr_view body)
{
    struct mr_image_info *info = &png->out->info;
    if (body.len != 13)
        return damaged(png, "its header has a wrong length");
    info->width = mr_read_be32(body.at);
    info->height = mr_read_be32(body.at + 4);
    info->bands = bands_of(body.at[9], body.at[8]);
    info->bits = body.at[8] == 16 ? 16 : 8;
    info->alpha = (body.at[9] & 4) != 0;
    info->palette = body.at[9] == 3;
    info->whole = body.at[12] != 0;
    info->scans = 1;
    if (info->width == 0 || info->height == 0 || info->width > SIDE_MAX || info->height > SIDE_MAX)
        return damaged(png, "its header has an impossible size");
    if (info->bands == 0 || body.at[10] != 0 || body.at[11] != 0 || body.at[12] > 1)
        return damaged(png, "its header has an impossible colour type, depth or method");
    png->data_max = data_max(raw_size(info, body.at[9], body.at[8]), info->height);
    return MR_OK;
}

/* fcTL: sequence number, width, height, x offset, y offset, ... */
static int check_frame(struct png *png, struct mr_view body)
{
    const struct mr_image_info *info = &png->out->info;
    if (body.len != 26)
        return damaged(png, "a frame header has a wrong length");
    uint64_t width = mr_read_be32(body.at + 4);
    uint64_t height = mr_read_be32(body.at + 8);
    if (width == 0 || height == 0 || mr_read_be32(body.at + 12) + width > info->width ||
        mr_read_be32(body.at + 16) + height > info->height)
        return damaged(png, "a frame lies outside the canvas");
    return MR_OK;
}

/* gAMA and cHRM; cICP says it in other numbers, and counts more; sRGB says that they are none. */
static void read_colours(struct png *png, const uint8_t *type, struct mr_view body)
{
    struct mr_image_colours *colours = &png->out->info.colours;
    if (memcmp(type, "gAMA", 4) == 0 && body.len == 4)
        colours->gamma = mr_read_be32(body.at);
    else if (memcmp(type, "cHRM", 4) == 0 && body.len == 32)
        for (size_t i = 0; i < 8; i++)
            colours->places[i] = mr_read_be32(body.at + 4 * i);
    else if (memcmp(type, "cICP", 4) == 0 && body.len == 4)
        png->code_points = body;
    else if (memcmp(type, "sRGB", 4) == 0)
        png->is_srgb = true;
}

/* When all chunks before the data are known. */
static void settle_colours(struct png *png)
{
    struct mr_image_colours *colours = &png->out->info.colours;
    if (png->is_srgb || png->code_points.at != NULL)
        *colours = (struct mr_image_colours){0};
    if (png->code_points.at == NULL)
        return;
    colours->primaries = png->code_points.at[0];
    colours->transfer = png->code_points.at[1];
}

static int read_chunk(struct png *png, const uint8_t *type, struct mr_view body)
{
    struct mr_image_info *info = &png->out->info;
    bool is_header = memcmp(type, "IHDR", 4) == 0;
    if (is_header != (info->bands == 0))
        return damaged(png, "its header is not the first chunk, or not the only one");
    if (is_header)
        return read_header(png, body);
    if (memcmp(type, "IDAT", 4) == 0) {
        if (!png->has_data)
            settle_colours(png);
        png->has_data = true;
        if (body.len > png->data_max)
            return damaged(png, "it has more compressed data than its size can need");
        png->data_max -= body.len;
    } else if (memcmp(type, "tRNS", 4) == 0 && !info->alpha) {
        info->alpha = true;
        info->bands++;
    } else if (memcmp(type, "eXIf", 4) == 0) {
        info->orientation = mr_scan_exif_orientation(png->out, body);
    } else if (memcmp(type, "acTL", 4) == 0) {
        if (body.len == 8 && mr_read_be32(body.at) != 0) /* else it is no animation: its frames are not read anyway */
            info->frames = mr_read_be32(body.at);
    } else if (memcmp(type, "fcTL", 4) == 0) {
        return check_frame(png, body);
    } else if (!png->has_data) {
        read_colours(png, type, body);
    }
    return MR_OK;
}

/* Without what stands behind the last IDAT all pixels may still be there: that is the decoder's to find. at: where IEND
 * should begin. */
static int end_early(struct png *png, size_t at, const char *what)
{
    if (!png->has_data)
        return damaged(png, what);
    MR_SCAN_MEND(png->out, at, "\0\0\0\0IEND\xAE\x42\x60\x82");
    return MR_OK;
}

int mr_scan_png(struct mr_scan *out, struct mr_view file, struct mr_fault *fault)
{
    struct png png = {.out = out, .fault = fault};
    size_t at = 8;
    while (mr_scan_step(out, 1)) {
        if (!mr_view_has(file, at, 8))
            return end_early(&png, at, "the file ends before the image does");
        size_t len = mr_read_be32(file.at + at);
        const uint8_t *type = file.at + at + 4;
        if (len > CHUNK_LEN_MAX || !mr_view_has(file, at + 8, len + 4))
            return memcmp(type, "IDAT", 4) == 0 ? damaged(&png, "the file ends inside a chunk")
                                                : end_early(&png, at, "the file ends inside a chunk");
        int err = read_chunk(&png, type, mr_view_part(file, at + 8, len));
        if (err != MR_OK)
            return err;
        if (memcmp(type, "IEND", 4) == 0)
            return png.has_data ? MR_OK : damaged(&png, "it has no image data");
        at += 12 + len;
    }
    return MR_EDAMAGED;
}
