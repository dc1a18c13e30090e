/* DESIGN: the picture is the primary item: one coded image, or a grid of them (ISO/IEC 23008-12, 6.6.2.3), and either
 * may have a second one for its transparency. libheif 1.15 and the decoders under it neither clear the memory that they
 * paint into nor miss what is not painted, and they allocate by what a bitstream says. So all of these are looked at
 * here: a grid is covered by its tiles, each bitstream states the size that its item is said to have, and nothing else
 * is decoded. Other items (thumbnails, gain maps, depth) are not decoded and may be what they are. */
#include "media/scan/scan_heif.h"

#include "base/macros.h"

#include <string.h>

#define TYPE MR_HEIF_TYPE

/* What the properties of an item say. */
struct said {
    uint32_t width, height; /* ispe; 0: not said */
    const struct mr_heif_box *config, *auxiliary;
    struct mr_image_colours colours;
    uint32_t changes[8]; /* indices of what is done to the decoded image, in order */
    size_t change_count;
    bool turns; /* by 90 or 270 degrees, all in all */
};

static int note_size(struct mr_heif *heif, const struct mr_heif_box *box, struct said *out)
{
    struct mr_heif_reader reader = {.view = box->body, .at = 4};
    uint32_t width = (uint32_t)mr_heif_take(&reader, 4), height = (uint32_t)mr_heif_take(&reader, 4);
    if (out->width != 0)
        return mr_heif_damaged(heif, "an item has two sizes");
    if (reader.short_of || width == 0 || height == 0 || out->change_count > 0)
        return mr_heif_damaged(heif, "a size is malformed");
    out->width = width;
    out->height = height;
    return MR_OK;
}

/* colr: code points of 16 bits behind "nclx". Another colr holds a profile. */
static void note_colours(const struct mr_heif_box *box, struct said *out)
{
    struct mr_view body = box->body;
    if (!mr_view_has(body, 0, 8) || memcmp(body.at, "nclx", 4) != 0)
        return;
    uint32_t primaries = mr_read_be16(body.at + 4), transfer = mr_read_be16(body.at + 6);
    if (primaries <= UINT8_MAX && transfer <= UINT8_MAX)
        out->colours = (struct mr_image_colours){.primaries = (uint8_t)primaries, .transfer = (uint8_t)transfer};
}

static int note_property(struct mr_heif *heif, uint32_t index, struct said *out)
{
    const struct mr_heif_box *box = &heif->properties[index];
    switch (box->type) {
    case TYPE('i', 's', 'p', 'e'):
        return note_size(heif, box, out);
    case TYPE('a', 'v', '1', 'C'):
    case TYPE('h', 'v', 'c', 'C'):
        if (out->config != NULL)
            return mr_heif_damaged(heif, "an item has two configurations");
        out->config = box;
        return MR_OK;
    case TYPE('a', 'u', 'x', 'C'):
        if (out->auxiliary != NULL)
            return mr_heif_damaged(heif, "an item has two auxiliary types");
        out->auxiliary = box;
        return MR_OK;
    case TYPE('c', 'o', 'l', 'r'):
        note_colours(box, out);
        return MR_OK;
    case TYPE('i', 'r', 'o', 't'):
        out->turns = out->turns != (box->body.len > 0 && (box->body.at[0] & 1) != 0);
        break;
    case TYPE('i', 'm', 'i', 'r'):
    case TYPE('c', 'l', 'a', 'p'):
        break;
    default:
        return MR_OK;
    }
    if (out->change_count == MR_ARRAY_SIZE(out->changes))
        return mr_heif_damaged(heif, "an item is changed too often");
    out->changes[out->change_count++] = index;
    return MR_OK;
}

static int read_said(struct mr_heif *heif, const struct mr_heif_item *item, struct said *out)
{
    *out = (struct said){0};
    if (!mr_scan_step(heif->scan, 1 + item->said_count))
        return MR_EDAMAGED;
    for (size_t i = 0; i < item->said_count; i++) {
        uint32_t index = item->said_wide ? mr_read_be16(item->said + 2 * i) & 0x7FFF : item->said[i] & 0x7F;
        if (index > heif->property_count)
            return mr_heif_damaged(heif, "an item has a property that is not there");
        int err = index > 0 ? note_property(heif, index - 1, out) : MR_OK;
        if (err != MR_OK)
            return err;
    }
    return MR_OK;
}

static bool is_coded(const struct mr_heif_item *item)
{
    return item->type == TYPE('a', 'v', '0', '1') || item->type == TYPE('h', 'v', 'c', '1');
}

/* ---- coded images ---- */

static int read_bitstream(struct mr_heif *heif, const struct mr_heif_item *item, const struct said *said,
                          struct mr_coded *out)
{
    bool is_av1 = item->type == TYPE('a', 'v', '0', '1');
    struct mr_chain data = {0};
    if (said->config == NULL || said->config->type != (is_av1 ? TYPE('a', 'v', '1', 'C') : TYPE('h', 'v', 'c', 'C')))
        return mr_heif_damaged(heif, "a coded image has no configuration");
    struct mr_view config = said->config->body;
    if (is_av1) {
        if (config.len < 4)
            return mr_heif_damaged(heif, "a configuration is cut");
        data.parts[data.count++] = mr_view_part(config, 4, config.len - 4);
    }
    int err = mr_heif_fetch(heif, item, &data);
    if (err != MR_OK)
        return err;
    return is_av1 ? mr_scan_av1(out, heif->scan, &data, heif->fault)
                  : mr_scan_hevc(out, heif->scan, config, &data, heif->fault);
}

static int check_coded(struct mr_heif *heif, struct mr_heif_item *item, const struct said *said)
{
    struct mr_coded coded = {0};
    struct mr_chain again = {0};
    struct mr_image_info *info = &heif->scan->info;
    if (item->checked != 0) /* a decoder decodes it again for the next place in the grid, and copies its bytes */
        return mr_heif_fetch(heif, item, &again);
    int err = read_bitstream(heif, item, said, &coded);
    if (err != MR_OK)
        return err;
    if (coded.width != said->width || coded.height != said->height)
        return mr_heif_damaged(heif, "a coded image has another size than it is said to have");
    item->checked = coded.bits;
    info->scans = MR_MAX(info->scans, coded.frames);
    if (coded.bits > 8)
        info->bits = 16;
    return MR_OK;
}

/* ---- grids ---- */

struct grid {
    uint32_t rows, columns, width, height;
};

static int read_grid(struct mr_heif *heif, const struct mr_heif_item *item, struct grid *out)
{
    struct mr_chain data = {0};
    uint8_t bytes[12] = {0};
    int err = mr_heif_fetch(heif, item, &data);
    if (err != MR_OK)
        return err;
    size_t len = mr_chain_read(&data, bytes, sizeof(bytes));
    bool is_wide = (bytes[1] & 1) != 0;
    if (bytes[0] != 0 || len < (is_wide ? 12 : 8))
        return mr_heif_damaged(heif, "its grid is malformed");
    *out = (struct grid){.rows = bytes[2] + 1u, .columns = bytes[3] + 1u};
    out->width = is_wide ? mr_read_be32(bytes + 4) : mr_read_be16(bytes + 4);
    out->height = is_wide ? mr_read_be32(bytes + 8) : mr_read_be16(bytes + 6);
    return MR_OK;
}

/* The list of items that `item` is made of. */
static int find_parts(struct mr_heif *heif, const struct mr_heif_item *item, struct mr_heif_reference *out)
{
    struct mr_heif_reference reference;
    int err;
    *out = (struct mr_heif_reference){0};
    for (size_t at = 0; mr_heif_next_reference(heif, &at, &reference, &err);) {
        if (reference.type != TYPE('d', 'i', 'm', 'g') || reference.from != item->id)
            continue;
        if (out->type != 0)
            return mr_heif_damaged(heif, "a grid has two lists of tiles");
        *out = reference;
    }
    return err;
}

/* Tiles of one size cover a length, and none lies outside of it. */
static bool is_covered(uint32_t length, uint32_t tile, uint32_t count)
{
    return (uint64_t)tile * count >= length && (uint64_t)tile * (count - 1) < length;
}

static int check_picture(struct mr_heif *heif, struct mr_heif_item *item, const struct said *said);
static int check_alpha(struct mr_heif *heif, struct mr_heif_item *item, const struct said *said);

static int check_tile(struct mr_heif *heif, struct mr_heif_item *tile, struct said *said)
{
    if (tile == NULL)
        return mr_heif_damaged(heif, "a tile is missing");
    if (!is_coded(tile))
        return mr_heif_unsupported(heif, "a grid of anything but coded images");
    int err = read_said(heif, tile, said);
    if (err != MR_OK)
        return err;
    if (said->change_count > 0)
        return mr_heif_unsupported(heif, "a tile that is turned or cut");
    err = check_coded(heif, tile, said);
    return err == MR_OK ? check_alpha(heif, tile, said) : err;
}

static int check_grid(struct mr_heif *heif, struct mr_heif_item *item, const struct said *said)
{
    struct grid grid = {0};
    struct mr_heif_reference parts = {0};
    struct said first = {0};
    int err = read_grid(heif, item, &grid);
    if (err == MR_OK)
        err = find_parts(heif, item, &parts);
    if (err != MR_OK)
        return err;
    if (grid.width != said->width || grid.height != said->height)
        return mr_heif_damaged(heif, "its grid has another size than it is said to have");
    if (parts.count != (size_t)grid.rows * grid.columns)
        return mr_heif_damaged(heif, "its grid has too few tiles, or too many");
    for (size_t i = 0; i < parts.count; i++) {
        struct said tile_said = {0};
        struct mr_heif_item *tile = mr_heif_find(heif, (uint32_t)mr_heif_take(&parts.ids, parts.id_size));
        err = check_tile(heif, tile, &tile_said);
        if (err != MR_OK)
            return err;
        if (i == 0)
            first = tile_said;
        if (tile_said.width != first.width || tile_said.height != first.height ||
            (i > 0 && tile->checked != item->checked))
            return mr_heif_unsupported(heif, "a grid of tiles of several sizes or depths");
        item->checked = tile->checked;
    }
    if (!is_covered(grid.width, first.width, grid.columns) || !is_covered(grid.height, first.height, grid.rows))
        return mr_heif_damaged(heif, "its tiles do not cover its grid, or lie outside of it");
    return MR_OK;
}

/* ---- transparency ---- */

static bool is_alpha_type(const struct mr_heif_box *auxiliary)
{
    static const char *const types[] = {"urn:mpeg:avc:2015:auxid:1", "urn:mpeg:hevc:2015:auxid:1",
                                        "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha"};
    for (size_t i = 0; auxiliary != NULL && i < MR_ARRAY_SIZE(types); i++) {
        size_t len = strlen(types[i]);
        struct mr_view body = auxiliary->body;
        if (mr_view_has(body, 4, len) && memcmp(body.at + 4, types[i], len) == 0 &&
            (body.len == 4 + len || body.at[4 + len] == 0))
            return true;
    }
    return false;
}

/* Which item is whose transparency. */
static int find_alphas(struct mr_heif *heif)
{
    struct mr_heif_reference reference;
    int err;
    for (size_t at = 0; mr_heif_next_reference(heif, &at, &reference, &err);) {
        struct mr_heif_item *alpha = mr_heif_find(heif, reference.from);
        struct said said;
        if (reference.type != TYPE('a', 'u', 'x', 'l') || alpha == NULL)
            continue;
        err = read_said(heif, alpha, &said);
        if (err != MR_OK)
            return err;
        if (!is_alpha_type(said.auxiliary))
            continue;
        uint16_t index = (uint16_t)(alpha - heif->items);
        struct mr_heif_item *of = mr_heif_find(heif, (uint32_t)mr_heif_take(&reference.ids, reference.id_size));
        if (reference.count != 1 || of == NULL || of == alpha)
            return mr_heif_damaged(heif, "it is not clear whose transparency an item is");
        if (of->alpha != 0)
            return mr_heif_damaged(heif, "an item has two transparencies");
        of->alpha = (uint16_t)(index + 1);
    }
    return err;
}

/* It must fit the image that it belongs to: a decoder reads the one's pixels by the other's size and depth. */
static int check_alpha(struct mr_heif *heif, struct mr_heif_item *item, const struct said *said)
{
    struct said alpha_said;
    if (item->alpha == 0)
        return MR_OK;
    struct mr_heif_item *alpha = &heif->items[item->alpha - 1];
    if (alpha->alpha != 0)
        return mr_heif_unsupported(heif, "a transparency with a transparency");
    int err = read_said(heif, alpha, &alpha_said);
    if (err != MR_OK)
        return err;
    if (alpha_said.width != said->width || alpha_said.height != said->height)
        return mr_heif_unsupported(heif, "a transparency of another size than its image");
    bool is_changed_alike = alpha_said.change_count == said->change_count &&
                            memcmp(alpha_said.changes, said->changes, sizeof(said->changes)) == 0;
    if (alpha_said.change_count > 0 && !is_changed_alike)
        return mr_heif_unsupported(heif, "a transparency that is turned or cut in its own way");
    err = is_coded(item) && !is_coded(alpha)
              ? mr_heif_unsupported(heif, "a transparency of another kind than its image")
              : check_picture(heif, alpha, &alpha_said);
    if (err != MR_OK)
        return err;
    if (alpha->checked != item->checked)
        return mr_heif_unsupported(heif, "a transparency of another depth than its image");
    heif->scan->info.alpha = true;
    return MR_OK;
}

static int check_picture(struct mr_heif *heif, struct mr_heif_item *item, const struct said *said)
{
    if (is_coded(item))
        return check_coded(heif, item, said);
    if (item->type == TYPE('g', 'r', 'i', 'd'))
        return check_grid(heif, item, said);
    return mr_heif_unsupported(heif, "an image that is neither AV1, HEVC nor a grid of them");
}

/* ---- the picture ---- */

int mr_heif_measure(struct mr_heif *heif)
{
    struct mr_image_info *info = &heif->scan->info;
    struct said said;
    struct mr_heif_item *item = mr_heif_find(heif, heif->primary);
    if (item == NULL)
        return mr_heif_damaged(heif, "it has no primary image");
    int err = read_said(heif, item, &said);
    if (err != MR_OK)
        return err;
    info->width = said.turns ? said.height : said.width;
    info->height = said.turns ? said.width : said.height;
    info->colours = said.colours;
    if (info->width == 0 || info->width > MR_IMAGE_SIDE_MAX || info->height > MR_IMAGE_SIDE_MAX)
        return mr_heif_damaged(heif, "its image has no size, or an impossible one");
    return MR_OK;
}

int mr_heif_check(struct mr_heif *heif)
{
    struct mr_image_info *info = &heif->scan->info;
    struct said said;
    struct mr_heif_item *item = mr_heif_find(heif, heif->primary);
    int err = find_alphas(heif);
    if (err == MR_OK)
        err = read_said(heif, item, &said);
    if (err == MR_OK)
        err = check_picture(heif, item, &said);
    if (err == MR_OK)
        err = check_alpha(heif, item, &said);
    info->bands = info->alpha ? 4 : 3;
    return err;
}
