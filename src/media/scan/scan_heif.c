/* DESIGN: HEIF and AVIF (ISO/IEC 23008-12, on the boxes of ISO/IEC 14496-12) are trees of boxes, and `meta` holds a
 * small database: which items there are (iinf), where their bytes are (iloc, all inside the file, or in idat), what is
 * said of them (iprp: ipco is a list of properties, ipma says which item has which), how they refer to each other
 * (iref), and which of them is shown (pitm). First the boxes are found, then the tables are filled, in the order in
 * which one needs the other; a table that stands there twice is damage, because a decoder may read the other one.
 *
 * Whatever libheif 1.15 would read in another way than this is refused: fields of other widths than it knows,
 * references that are longer than their list, extents behind the idat. */
#include "media/scan/scan_heif.h"

#include "base/macros.h"

#include <string.h>

#define TYPE MR_HEIF_TYPE

enum {
    BOXES_MAX = 4096, /* of one list */
    COPIES_MAX = 4,   /* so many times the file's size may a decoder copy bytes of items (they may share them) ... */
    COPIED_FREE = 1 << 20, /* ... and so many more */
};

int mr_heif_damaged(struct mr_heif *heif, const char *what)
{
    mr_fault_set(heif->fault, MR_EDAMAGED, "HEIF: %s.", what);
    return MR_EDAMAGED;
}

int mr_heif_unsupported(struct mr_heif *heif, const char *what)
{
    mr_fault_set(heif->fault, MR_ENOTIMAGE, "HEIF: %s is not read here.", what);
    return MR_ENOTIMAGE;
}

uint64_t mr_heif_take(struct mr_heif_reader *reader, size_t width)
{
    if (reader->view.at == NULL || !mr_view_has(reader->view, reader->at, width)) {
        reader->short_of = true;
        return 0;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < width; i++)
        value = value << 8 | reader->view.at[reader->at + i];
    reader->at += width;
    return value;
}

/* A length of 0 stands for the rest, of 1 for 64 bits that follow. */
static bool read_box(struct mr_view list, size_t at, struct mr_heif_box *out, size_t *len_out)
{
    if (!mr_view_has(list, at, 8))
        return false;
    uint64_t len = mr_read_be32(list.at + at);
    size_t head = 8;
    if (len == 1 && mr_view_has(list, at, 16)) {
        len = (uint64_t)mr_read_be32(list.at + at + 8) << 32 | mr_read_be32(list.at + at + 12);
        head = 16;
    } else if (len == 0) {
        len = list.len - at;
    }
    if (len < head || len > list.len - at)
        return false;
    out->type = mr_read_be32(list.at + at + 4);
    out->body = mr_view_part(list, at + head, (size_t)len - head);
    *len_out = (size_t)len;
    return true;
}

int mr_heif_next_box(struct mr_heif *heif, struct mr_view list, size_t *at, struct mr_heif_box *out)
{
    size_t len;
    if (!mr_scan_step(heif->scan, 1))
        return MR_EDAMAGED;
    if (!read_box(list, *at, out, &len))
        return mr_heif_damaged(heif, "the file ends inside a box");
    *at += len;
    return MR_OK;
}

static int read_boxes(struct mr_heif *heif, struct mr_view list,
                      int (*read)(struct mr_heif *heif, const struct mr_heif_box *box))
{
    uint32_t count = 0;
    for (size_t at = 0; at < list.len;) {
        struct mr_heif_box box;
        if (++count > BOXES_MAX)
            return mr_heif_damaged(heif, "it has too many boxes");
        int err = mr_heif_next_box(heif, list, &at, &box);
        if (err == MR_OK)
            err = read(heif, &box);
        if (err != MR_OK)
            return err;
    }
    return MR_OK;
}

/* ---- finding the boxes ---- */

static int note_once(struct mr_heif *heif, struct mr_view *slot, const struct mr_heif_box *box)
{
    if (slot->at != NULL)
        return mr_heif_damaged(heif, "a box that may stand there once stands there twice");
    *slot = box->body;
    return MR_OK;
}

static int note_property_box(struct mr_heif *heif, const struct mr_heif_box *box)
{
    return box->type == TYPE('i', 'p', 'c', 'o') ? note_once(heif, &heif->ipco, box) : MR_OK;
}

static int note_meta_box(struct mr_heif *heif, const struct mr_heif_box *box)
{
    switch (box->type) {
    case TYPE('p', 'i', 't', 'm'):
        return note_once(heif, &heif->pitm, box);
    case TYPE('i', 'i', 'n', 'f'):
        return note_once(heif, &heif->iinf, box);
    case TYPE('i', 'l', 'o', 'c'):
        return note_once(heif, &heif->iloc, box);
    case TYPE('i', 'p', 'r', 'p'):
        return note_once(heif, &heif->iprp, box);
    case TYPE('i', 'd', 'a', 't'):
        return note_once(heif, &heif->idat, box);
    case TYPE('i', 'r', 'e', 'f'):
        return note_once(heif, &heif->iref, box);
    default:
        return MR_OK;
    }
}

/* The boxes of the file. Behind `meta` anything may follow: what is missing at a cut end, iloc shows. */
static int find_meta(struct mr_heif *heif)
{
    uint32_t count = 0;
    for (size_t at = 0, len; at < heif->file.len; at += len) {
        struct mr_heif_box box;
        if (!mr_scan_step(heif->scan, 1))
            return MR_EDAMAGED;
        if (!read_box(heif->file, at, &box, &len)) {
            if (heif->meta.at != NULL)
                return MR_OK;
            return mr_heif_damaged(heif, "the file ends inside a box");
        }
        if (++count > BOXES_MAX)
            return mr_heif_damaged(heif, "it has too many boxes");
        int err = box.type == TYPE('m', 'e', 't', 'a') ? note_once(heif, &heif->meta, &box) : MR_OK;
        if (err != MR_OK)
            return err;
    }
    return MR_OK;
}

static int find_boxes(struct mr_heif *heif)
{
    int err = find_meta(heif);
    if (err != MR_OK)
        return err;
    if (heif->meta.at == NULL || heif->meta.len < 4)
        return mr_heif_damaged(heif, "it has no list of items");
    err = read_boxes(heif, mr_view_part(heif->meta, 4, heif->meta.len - 4), note_meta_box);
    if (err == MR_OK && heif->iprp.at != NULL)
        err = read_boxes(heif, heif->iprp, note_property_box);
    if (err != MR_OK)
        return err;
    if (heif->pitm.at == NULL || heif->iinf.at == NULL || heif->iloc.at == NULL || heif->ipco.at == NULL)
        return mr_heif_damaged(heif, "it has no primary image");
    return MR_OK;
}

/* ---- filling the tables ---- */

static int read_primary(struct mr_heif *heif)
{
    struct mr_heif_reader reader = {.view = heif->pitm};
    size_t width = mr_heif_take(&reader, 4) >> 24 == 0 ? 2 : 4;
    heif->primary = (uint32_t)mr_heif_take(&reader, width);
    return reader.short_of ? mr_heif_damaged(heif, "its primary item is malformed") : MR_OK;
}

struct mr_heif_item *mr_heif_find(struct mr_heif *heif, uint32_t id)
{
    for (uint32_t tried = 0; tried < heif->item_count && mr_scan_step(heif->scan, 1); tried++) {
        struct mr_heif_item *item = &heif->items[heif->found];
        if (item->id == id)
            return item;
        heif->found = heif->found + 1 < heif->item_count ? heif->found + 1 : 0;
    }
    return NULL;
}

/* infe (8.11.6): version, flags; from version 2 on: id, protection, type. Older ones have no type: no images. */
static int read_item(struct mr_heif *heif, const struct mr_heif_box *box)
{
    struct mr_heif_reader reader = {.view = box->body};
    uint64_t version = mr_heif_take(&reader, 4) >> 24;
    if (box->type != TYPE('i', 'n', 'f', 'e') || version < 2)
        return MR_OK;
    struct mr_heif_item item = {.id = (uint32_t)mr_heif_take(&reader, version == 2 ? 2 : 4)};
    (void)mr_heif_take(&reader, 2);
    item.type = (uint32_t)mr_heif_take(&reader, 4);
    if (reader.short_of)
        return mr_heif_damaged(heif, "an item is malformed");
    if (heif->item_count == MR_HEIF_ITEMS_MAX)
        return mr_heif_damaged(heif, "it has too many items");
    bool is_behind = heif->item_count == 0 || item.id > heif->items[heif->item_count - 1].id;
    if (!is_behind && mr_heif_find(heif, item.id) != NULL)
        return mr_heif_damaged(heif, "two items have the same number");
    heif->items[heif->item_count++] = item;
    return MR_OK;
}

static int read_items(struct mr_heif *heif)
{
    size_t head = heif->iinf.len > 0 && heif->iinf.at[0] == 0 ? 6 : 8;
    if (heif->iinf.len < head)
        return mr_heif_damaged(heif, "its list of items is cut");
    return read_boxes(heif, mr_view_part(heif->iinf, head, heif->iinf.len - head), read_item);
}

static bool is_field_size(uint64_t size)
{
    return size == 0 || size == 4 || size == 8;
}

/* One extent of an item. False: it lies outside of the file, or of idat. */
static bool read_extent(const struct mr_heif *heif, struct mr_heif_reader *reader, uint64_t method, uint64_t base,
                        struct mr_view *out)
{
    (void)mr_heif_take(reader, heif->index_size);
    uint64_t offset = mr_heif_take(reader, heif->offset_size), len = mr_heif_take(reader, heif->length_size);
    struct mr_view whole = method == 1 ? heif->idat : heif->file;
    if (whole.at == NULL || base > whole.len || offset > whole.len - base || len > whole.len - base - offset)
        return false;
    *out = mr_view_part(whole, (size_t)(base + offset), (size_t)len);
    return true;
}

/* An item's entry in iloc, behind its id (ISO/IEC 14496-12, 8.11.3). What *out has is kept; it may be NULL. */
static int read_location(struct mr_heif *heif, struct mr_heif_reader *reader, struct mr_chain *out)
{
    uint64_t method = heif->iloc_version == 0 ? 0 : mr_heif_take(reader, 2) & 15;
    (void)mr_heif_take(reader, 2);
    uint64_t base = mr_heif_take(reader, heif->base_size);
    uint64_t extents = mr_heif_take(reader, 2);
    if (extents > MR_HEIF_EXTENTS_MAX)
        return mr_heif_damaged(heif, "an item has too many extents");
    if (method > 1)
        return mr_heif_unsupported(heif, "an item inside another one");
    if (!mr_scan_step(heif->scan, 1 + extents))
        return MR_EDAMAGED;
    for (uint64_t k = 0; k < extents; k++) {
        struct mr_view part;
        if (!read_extent(heif, reader, method, base, &part))
            return mr_heif_damaged(heif, "an item lies outside of the file");
        heif->fetched += part.len;
        if (out != NULL)
            out->parts[out->count++] = part;
    }
    if (heif->fetched / COPIES_MAX > heif->file.len + COPIED_FREE)
        return mr_heif_damaged(heif, "its items share too many bytes");
    return reader->short_of ? mr_heif_damaged(heif, "its list of locations is cut") : MR_OK;
}

static int read_locations(struct mr_heif *heif)
{
    struct mr_heif_reader reader = {.view = heif->iloc};
    uint64_t version = mr_heif_take(&reader, 4) >> 24;
    uint64_t sizes = mr_heif_take(&reader, 2);
    uint64_t index_size = version == 0 ? 0 : sizes & 15;
    if (!is_field_size(sizes >> 12) || !is_field_size(sizes >> 8 & 15) || !is_field_size(sizes >> 4 & 15) ||
        !is_field_size(index_size) || (version == 1 && index_size != 0) || version > 2)
        return mr_heif_unsupported(heif, "a list of locations of this kind");
    heif->iloc_version = (uint8_t)version;
    heif->offset_size = (uint8_t)(sizes >> 12);
    heif->length_size = sizes >> 8 & 15;
    heif->base_size = sizes >> 4 & 15;
    heif->index_size = (uint8_t)index_size;
    for (uint64_t left = mr_heif_take(&reader, version < 2 ? 2 : 4); left > 0; left--) {
        struct mr_heif_item *item = mr_heif_find(heif, (uint32_t)mr_heif_take(&reader, version < 2 ? 2 : 4));
        if (item != NULL && item->location != NULL)
            return mr_heif_damaged(heif, "an item lies in two places");
        if (item != NULL)
            item->location = reader.view.at + reader.at;
        int err = reader.short_of ? mr_heif_damaged(heif, "its list of locations is cut")
                                  : read_location(heif, &reader, NULL);
        if (err != MR_OK)
            return err;
    }
    return MR_OK;
}

int mr_heif_fetch(struct mr_heif *heif, const struct mr_heif_item *item, struct mr_chain *out)
{
    if (item->location == NULL)
        return mr_heif_damaged(heif, "an item has no bytes");
    struct mr_heif_reader reader = {.view = heif->iloc, .at = (size_t)(item->location - heif->iloc.at)};
    return read_location(heif, &reader, out);
}

static int read_property(struct mr_heif *heif, const struct mr_heif_box *box)
{
    if (heif->property_count == MR_HEIF_PROPERTIES_MAX)
        return mr_heif_damaged(heif, "it has too many properties");
    heif->properties[heif->property_count++] = *box;
    return MR_OK;
}

/* ipma (ISO/IEC 23008-12, 9.3.1): of each item which properties it has. */
static int read_associations(struct mr_heif *heif, const struct mr_heif_box *box)
{
    if (box->type != TYPE('i', 'p', 'm', 'a'))
        return MR_OK;
    struct mr_heif_reader reader = {.view = box->body};
    uint64_t head = mr_heif_take(&reader, 4);
    size_t id_size = head >> 24 == 0 ? 2 : 4, index_size = head & 1 ? 2 : 1;
    for (uint64_t left = mr_heif_take(&reader, 4); left > 0; left--) {
        struct mr_heif_item *item = mr_heif_find(heif, (uint32_t)mr_heif_take(&reader, id_size));
        size_t count = (size_t)mr_heif_take(&reader, 1);
        if (reader.short_of || !mr_view_has(reader.view, reader.at, count * index_size))
            return mr_heif_damaged(heif, "its properties are cut");
        if (item != NULL) {
            if (item->said != NULL)
                return mr_heif_damaged(heif, "an item has two lists of properties");
            item->said = reader.view.at + reader.at;
            item->said_count = (uint8_t)count;
            item->said_wide = index_size == 2;
        }
        reader.at += count * index_size;
        if (!mr_scan_step(heif->scan, 1))
            return MR_EDAMAGED;
    }
    return MR_OK;
}

bool mr_heif_next_reference(struct mr_heif *heif, size_t *at, struct mr_heif_reference *out, int *err)
{
    *err = MR_OK;
    if (heif->iref.at == NULL || (*at == 0 && heif->iref.len < 4))
        return false;
    *at = MR_MAX(*at, (size_t)4);
    if (*at >= heif->iref.len)
        return false;
    struct mr_heif_box box;
    *err = mr_heif_next_box(heif, heif->iref, at, &box);
    if (*err != MR_OK)
        return false;
    *out = (struct mr_heif_reference){.type = box.type, .ids.view = box.body, .id_size = heif->iref.at[0] == 0 ? 2 : 4};
    out->from = (uint32_t)mr_heif_take(&out->ids, out->id_size);
    out->count = (size_t)mr_heif_take(&out->ids, 2);
    if (!out->ids.short_of && box.body.len - out->ids.at == out->count * out->id_size)
        return true;
    *err = mr_heif_damaged(heif, "a reference is malformed");
    return false;
}

int mr_scan_heif(struct mr_scan *out, struct mr_view file, struct mr_fault *fault)
{
    struct mr_heif heif;
    memset(&heif, 0, offsetof(struct mr_heif, items)); /* the tables are filled as far as they are used */
    heif.scan = out;
    heif.file = file;
    heif.fault = fault;
    out->info.bits = 8;
    out->info.scans = 1;
    out->info.whole = true;
    int err = find_boxes(&heif);
    if (err == MR_OK)
        err = read_primary(&heif);
    if (err == MR_OK)
        err = read_items(&heif);
    if (err == MR_OK)
        err = read_boxes(&heif, heif.ipco, read_property);
    if (err == MR_OK)
        err = read_boxes(&heif, heif.iprp, read_associations);
    if (err == MR_OK)
        err = mr_heif_measure(&heif); /* before iloc: of a file that is cut too */
    if (err == MR_OK)
        err = read_locations(&heif);
    return err == MR_OK ? mr_heif_check(&heif) : err;
}
