/* DESIGN: HEIF and AVIF (ISO/IEC 23008-12, on the boxes of ISO/IEC 14496-12) are trees of boxes. The walk goes over all
 * boxes of the file (one that ends behind the file's end shows a cut), and into `meta`: which item is the image (pitm),
 * where the items' bytes are (iloc, all inside the file), and what is said of them (iprp: ipco is a list of properties,
 * ipma says which item has which). The image's size is the `ispe` of the primary item; no other may be larger. */
#include "media/scan.h"

#include <string.h>

enum {
    BOXES_MAX = 4096,
    ITEMS_MAX = 4096,
    PROPERTIES_MAX = 256,
    SIDE_MAX = 65535,
};

struct property {
    uint32_t width, height; /* ispe; 0: something else */
    bool turns;             /* irot by 90 or 270 degrees */
};

struct heif {
    struct mr_scan *out;
    struct mr_view file;
    struct mr_fault *fault;
    uint32_t boxes;
    uint32_t primary;
    bool has_primary, has_meta;
    uint32_t property_count;
    struct property properties[PROPERTIES_MAX];
    struct mr_view associations; /* the body of ipma, read when all properties are known */
};

struct box {
    const uint8_t *type;
    struct mr_view body;
};

/* Reads numbers one behind the other; past the end they are 0, and `short_of` tells. */
struct reader {
    struct mr_view view;
    size_t at;
    bool short_of;
};

static uint64_t take(struct reader *reader, size_t width)
{
    if (!mr_view_has(reader->view, reader->at, width)) {
        reader->short_of = true;
        return 0;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < width; i++)
        value = value << 8 | reader->view.at[reader->at + i];
    reader->at += width;
    return value;
}

static int damaged(struct heif *heif, const char *what)
{
    mr_fault_set(heif->fault, MR_EDAMAGED, "HEIF: %s.", what);
    return MR_EDAMAGED;
}

static bool is_type(const struct box *box, const char *type)
{
    return memcmp(box->type, type, 4) == 0;
}

/* The box at *at, which moves behind it. A length of 0 stands for the rest, of 1 for 64 bits that follow. */
static int next_box(struct heif *heif, struct mr_view list, size_t *at, struct box *out)
{
    if (++heif->boxes > BOXES_MAX)
        return damaged(heif, "it has too many boxes");
    if (!mr_view_has(list, *at, 8))
        return damaged(heif, "the file ends inside a box");
    uint64_t len = mr_read_be32(list.at + *at);
    size_t head = 8;
    out->type = list.at + *at + 4;
    if (len == 1 && mr_view_has(list, *at, 16)) {
        len = (uint64_t)mr_read_be32(list.at + *at + 8) << 32 | mr_read_be32(list.at + *at + 12);
        head = 16;
    } else if (len == 0) {
        len = list.len - *at;
    }
    if (len < head || len > list.len - *at)
        return damaged(heif, "the file ends inside a box");
    out->body = mr_view_part(list, *at + head, (size_t)len - head);
    *at += (size_t)len;
    return MR_OK;
}

static int read_primary(struct heif *heif, struct mr_view body)
{
    struct reader reader = {.view = body};
    size_t width = take(&reader, 4) >> 24 == 0 ? 2 : 4;
    heif->primary = (uint32_t)take(&reader, width);
    heif->has_primary = true;
    return reader.short_of ? damaged(heif, "its primary item is malformed") : MR_OK;
}

/* ISO/IEC 14496-12, 8.11.3: sizes of the fields in nibbles, then the items, each with extents. */
static int read_locations(struct heif *heif, struct mr_view body)
{
    struct reader reader = {.view = body};
    uint64_t version = take(&reader, 4) >> 24;
    uint64_t sizes = take(&reader, 2);
    size_t offset_size = sizes >> 12, length_size = sizes >> 8 & 15, base_size = sizes >> 4 & 15;
    size_t index_size = version == 0 ? 0 : sizes & 15;
    if (version > 2 || offset_size > 8 || length_size > 8 || base_size > 8 || index_size > 8)
        return damaged(heif, "its list of locations is malformed");
    uint64_t items = take(&reader, version < 2 ? 2 : 4);
    if (items > ITEMS_MAX)
        return damaged(heif, "it has too many items");
    for (uint64_t i = 0; i < items && !reader.short_of; i++) {
        (void)take(&reader, version < 2 ? 2 : 4);
        uint64_t method = version == 0 ? 0 : take(&reader, 2) & 15;
        (void)take(&reader, 2);
        uint64_t base = take(&reader, base_size);
        uint64_t extents = take(&reader, 2);
        for (uint64_t k = 0; k < extents && !reader.short_of; k++) {
            (void)take(&reader, index_size);
            uint64_t offset = take(&reader, offset_size), len = take(&reader, length_size);
            uint64_t size = heif->file.len;
            if (method == 0 && (base > size || offset > size - base || len > size - base - offset))
                return damaged(heif, "an item lies outside of the file");
        }
    }
    return reader.short_of ? damaged(heif, "its list of locations is cut") : MR_OK;
}

static int read_property(struct heif *heif, const struct box *box)
{
    struct property *property = &heif->properties[heif->property_count];
    if (heif->property_count++ == PROPERTIES_MAX - 1)
        return damaged(heif, "it has too many properties");
    *property = (struct property){0};
    if (is_type(box, "ispe")) {
        struct reader reader = {.view = box->body, .at = 4};
        property->width = (uint32_t)take(&reader, 4);
        property->height = (uint32_t)take(&reader, 4);
        if (reader.short_of || property->width == 0 || property->height == 0)
            return damaged(heif, "a size is malformed");
    } else if (is_type(box, "irot") && box->body.len >= 1) {
        property->turns = (box->body.at[0] & 1) != 0;
    } else if (is_type(box, "auxC")) {
        for (size_t i = 0; i + 5 <= box->body.len; i++)
            if (memcmp(box->body.at + i, "alpha", 5) == 0)
                heif->out->info.alpha = true;
    } else if (is_type(box, "pixi") && box->body.len >= 6 && box->body.at[5] > 8) {
        heif->out->info.bits = 16;
    }
    return MR_OK;
}

static int read_boxes(struct heif *heif, struct mr_view list, int (*read)(struct heif *heif, const struct box *box))
{
    for (size_t at = 0; at < list.len;) {
        struct box box;
        int err = next_box(heif, list, &at, &box);
        if (err == MR_OK)
            err = read(heif, &box);
        if (err != MR_OK)
            return err;
    }
    return MR_OK;
}

static int read_property_list(struct heif *heif, const struct box *box)
{
    if (is_type(box, "ipco"))
        return read_boxes(heif, box->body, read_property);
    if (is_type(box, "ipma"))
        heif->associations = box->body;
    return MR_OK;
}

static int read_meta_box(struct heif *heif, const struct box *box)
{
    if (is_type(box, "pitm"))
        return read_primary(heif, box->body);
    if (is_type(box, "iloc"))
        return read_locations(heif, box->body);
    if (is_type(box, "iprp"))
        return read_boxes(heif, box->body, read_property_list);
    return MR_OK;
}

static int read_top_box(struct heif *heif, const struct box *box)
{
    if (!is_type(box, "meta"))
        return MR_OK;
    if (heif->has_meta || box->body.len < 4)
        return damaged(heif, "its meta box is malformed, or not the only one");
    heif->has_meta = true;
    return read_boxes(heif, mr_view_part(box->body, 4, box->body.len - 4), read_meta_box);
}

/* ISO/IEC 23008-12, 9.3.1: what is said of the primary item. */
static int read_associations(struct heif *heif)
{
    struct mr_image_info *info = &heif->out->info;
    struct reader reader = {.view = heif->associations};
    uint64_t head = take(&reader, 4);
    size_t id_size = head >> 24 == 0 ? 2 : 4, index_size = head & 1 ? 2 : 1;
    uint64_t entries = take(&reader, 4);
    bool turns = false;
    for (uint64_t i = 0; i < entries && !reader.short_of; i++) {
        bool is_primary = take(&reader, id_size) == heif->primary;
        uint64_t count = take(&reader, 1);
        for (uint64_t k = 0; k < count && !reader.short_of; k++) {
            uint64_t index = take(&reader, index_size) & (index_size == 1 ? 0x7F : 0x7FFF);
            if (index == 0 || index > heif->property_count || !is_primary)
                continue;
            const struct property *property = &heif->properties[index - 1];
            turns = turns != property->turns;
            if (property->width != 0) {
                info->width = property->width;
                info->height = property->height;
            }
        }
    }
    if (reader.short_of || info->width == 0 || info->width > SIDE_MAX || info->height > SIDE_MAX)
        return damaged(heif, "its image has no size, or an impossible one");
    if (turns) {
        uint32_t width = info->width;
        info->width = info->height;
        info->height = width;
    }
    return MR_OK;
}

int mr_scan_heif(struct mr_scan *out, struct mr_view file, struct mr_fault *fault)
{
    struct heif heif = {.out = out, .file = file, .fault = fault};
    struct mr_image_info *info = &out->info;
    info->bits = 8;
    info->scans = 1;
    info->whole = true;
    int err = read_boxes(&heif, file, read_top_box);
    if (err != MR_OK)
        return err;
    if (!heif.has_primary || heif.associations.at == NULL)
        return damaged(&heif, "it has no primary image");
    err = read_associations(&heif);
    if (err != MR_OK)
        return err;
    info->bands = info->alpha ? 4 : 3;
    for (uint32_t i = 0; i < heif.property_count; i++) {
        const struct property *other = &heif.properties[i];
        if ((uint64_t)other->width * other->height > (uint64_t)info->width * info->height)
            return damaged(&heif, "another image in it is larger than the one to be shown");
    }
    return MR_OK;
}
