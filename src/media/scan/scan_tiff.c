/* DESIGN: a TIFF (TIFF 6.0, and BigTIFF with 64-bit offsets) is a chain of directories whose entries point anywhere in
 * the file. The walk follows the chain once (a chain that bites its tail is found by Brent's method, without memory),
 * checks that every entry's data lies inside the file, and for the first page, the one that is decoded, that it is of a
 * kind that is read here and that all its strips or tiles are there. EXIF data is a TIFF of one directory. */
#include "media/scan/scan_tiff.h"

#include "base/macros.h"

#include <string.h>

enum {
    TAG_WIDTH = 256,
    TAG_HEIGHT = 257,
    TAG_BITS = 258,
    TAG_COMPRESSION = 259,
    TAG_PHOTOMETRIC = 262,
    TAG_STRIP_OFFSETS = 273,
    TAG_ORIENTATION = 274,
    TAG_SAMPLES = 277,
    TAG_ROWS_PER_STRIP = 278,
    TAG_STRIP_COUNTS = 279,
    TAG_PLANAR = 284,
    TAG_TILE_WIDTH = 322,
    TAG_TILE_HEIGHT = 323,
    TAG_TILE_OFFSETS = 324,
    TAG_TILE_COUNTS = 325,
    TAG_SAMPLE_FORMAT = 339,
    TAG_JPEG_TABLES = 347,
    TAG_PROFILE = 34675,

    COMPRESSION_JPEG = 7,

    PHOTOMETRIC_WHITE_IS_ZERO = 0,
    PHOTOMETRIC_BLACK_IS_ZERO = 1,
    PHOTOMETRIC_RGB = 2,
    PHOTOMETRIC_PALETTE = 3,
    PHOTOMETRIC_SEPARATED = 5,
    PHOTOMETRIC_YCBCR = 6,

    TILE_PIXELS_MAX = 4096 * 4096, /* a decoder holds whole tiles */
    TILE_SIDE_MIN = 16,
    TILE_SIDE_MAX = 10000,   /* libvips' own bound */
    JPEG_TABLES_MAX = 65536, /* eight full tables have 2 KiB, and each part's decoder reads them again */
    PART_BYTES_FREE = 4096,  /* of a strip or tile that shares its bytes: heads and tables */
    PIXEL_BYTES_MAX = 8,
};

/* The first directory's fields that decide how it is decoded. */
struct page {
    uint64_t width, height, bits, compression, photometric, samples, rows_per_strip, planar, tile_width, tile_height;
    uint64_t sample_format;
    struct mr_tiff_entry offsets, counts, tables, profile;
    uint32_t seen; /* one bit for each of the tags above */
};

static int damaged(struct mr_tiff *tiff, const char *what)
{
    return mr_fault_set(tiff->fault, MR_EDAMAGED, "TIFF: %s.", what);
}

static int unsupported(struct mr_tiff *tiff, const char *what)
{
    return mr_fault_set(tiff->fault, MR_ENOTIMAGE, "TIFF: %s is not read here.", what);
}

/* An unsigned number of 1, 2, 4 or 8 bytes, in the file's byte order. The caller has checked that it is there. */
static uint64_t number(const struct mr_tiff *tiff, size_t at, size_t width)
{
    uint64_t value = 0;
    for (size_t i = 0; i < width; i++)
        value = value << 8 | tiff->file.at[at + (tiff->big_endian ? i : width - 1 - i)];
    return value;
}

/* Bytes of one value of a type (TIFF 6.0, section 2; 13 and 16..18 are later additions); 0: not known. */
static size_t type_size(uint32_t type)
{
    static const uint8_t sizes[] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8};
    return type < sizeof(sizes) ? sizes[type] : 0;
}

/* Header: byte order, 42 or 43, and where the first directory is. False: this is no TIFF. */
static bool open_tiff(struct mr_tiff *tiff, uint64_t *first)
{
    if (!mr_view_has(tiff->file, 0, 8))
        return false;
    tiff->big_endian = tiff->file.at[0] == 'M';
    tiff->wide = number(tiff, 2, 2) == 43;
    if (tiff->wide && !mr_view_has(tiff->file, 0, 16))
        return false;
    *first = tiff->wide ? number(tiff, 8, 8) : number(tiff, 4, 4);
    return true;
}

/* False: its data lies outside the file. An entry of an unknown type has no data (decoders pass over it). */
static bool read_entry(const struct mr_tiff *tiff, size_t at, struct mr_tiff_entry *out)
{
    size_t field = tiff->wide ? 8 : 4;
    out->tag = (uint32_t)number(tiff, at, 2);
    out->type = (uint32_t)number(tiff, at + 2, 2);
    out->count = number(tiff, at + 4, field);
    out->at = at + 4 + field;
    size_t size = type_size(out->type);
    if (size == 0) {
        out->count = 0;
        return true;
    }
    if (out->count > tiff->file.len)
        return false;
    size_t bytes = (size_t)out->count * size;
    if (bytes <= field)
        return true;
    uint64_t offset = number(tiff, out->at, field);
    if (offset > tiff->file.len)
        return false;
    out->at = (size_t)offset;
    return mr_view_has(tiff->file, out->at, bytes);
}

/* The value at `index` of an entry of unsigned integers; 0 when it has no such value. */
static uint64_t entry_value(const struct mr_tiff *tiff, const struct mr_tiff_entry *entry, uint64_t index)
{
    bool is_unsigned = entry->type == 1 || entry->type == 3 || entry->type == 4 || entry->type == 13 ||
                       entry->type == 16 || entry->type == 18;
    if (!is_unsigned || index >= entry->count)
        return 0;
    size_t size = type_size(entry->type);
    return number(tiff, entry->at + (size_t)index * size, size);
}

static bool all_values_are(const struct mr_tiff *tiff, const struct mr_tiff_entry *entry, uint64_t wanted)
{
    for (uint64_t i = 0; i < entry->count; i++)
        if (!mr_scan_step(tiff->out, 1) || entry_value(tiff, entry, i) != wanted)
            return false;
    return true;
}

/* A field that stands there twice is refused: a decoder may believe the other one. */
static bool note_field(struct mr_tiff *tiff, const struct mr_tiff_entry *entry, struct page *page)
{
    struct {
        uint32_t tag;
        uint64_t *field;
    } const numbers[] = {
        {TAG_WIDTH, &page->width},
        {TAG_HEIGHT, &page->height},
        {TAG_COMPRESSION, &page->compression},
        {TAG_PHOTOMETRIC, &page->photometric},
        {TAG_SAMPLES, &page->samples},
        {TAG_ROWS_PER_STRIP, &page->rows_per_strip},
        {TAG_PLANAR, &page->planar},
        {TAG_TILE_WIDTH, &page->tile_width},
        {TAG_TILE_HEIGHT, &page->tile_height},
        {TAG_BITS, &page->bits},
        {TAG_SAMPLE_FORMAT, &page->sample_format},
    };
    uint64_t value = entry_value(tiff, entry, 0);
    for (size_t i = 0; i < MR_ARRAY_SIZE(numbers); i++) {
        if (entry->tag != numbers[i].tag)
            continue;
        if (page->seen & 1u << i)
            return false;
        page->seen |= 1u << i;
        *numbers[i].field = value;
    }
    bool is_offsets = entry->tag == TAG_STRIP_OFFSETS || entry->tag == TAG_TILE_OFFSETS;
    bool is_counts = entry->tag == TAG_STRIP_COUNTS || entry->tag == TAG_TILE_COUNTS;
    if ((is_offsets && page->offsets.count != 0) || (is_counts && page->counts.count != 0))
        return false;

    if (entry->tag == TAG_BITS)
        page->bits = all_values_are(tiff, entry, value) ? value : 0;
    else if (entry->tag == TAG_SAMPLE_FORMAT)
        page->sample_format = all_values_are(tiff, entry, value) ? value : 0;
    else if (is_offsets)
        page->offsets = *entry;
    else if (is_counts)
        page->counts = *entry;
    else if (entry->tag == TAG_JPEG_TABLES)
        page->tables = *entry;
    else if (entry->tag == TAG_PROFILE)
        page->profile = *entry;
    else if (entry->tag == TAG_ORIENTATION && value >= 1 && value <= 8)
        tiff->out->info.orientation = (uint8_t)value;
    return true;
}

/* One directory: its entries, and where the next one is. `page` is NULL for all but the first. */
static int read_directory(struct mr_tiff *tiff, uint64_t offset, struct page *page, uint64_t *next)
{
    size_t head = tiff->wide ? 8 : 2;
    size_t entry_len = tiff->wide ? 20 : 12;
    size_t field = tiff->wide ? 8 : 4;
    if (offset > tiff->file.len || !mr_view_has(tiff->file, (size_t)offset, head))
        return damaged(tiff, "a directory lies outside the file");
    uint64_t count = number(tiff, (size_t)offset, head);
    if (count == 0)
        return damaged(tiff, "a directory is empty");

    size_t at = (size_t)offset + head;
    if (count > tiff->file.len || !mr_view_has(tiff->file, at, (size_t)count * entry_len + field))
        return damaged(tiff, "the file ends inside a directory");
    if (!mr_scan_step(tiff->out, 1 + count)) /* directories may overlap */
        return MR_EDAMAGED;
    for (uint64_t i = 0; i < count; i++, at += entry_len) {
        struct mr_tiff_entry entry;
        if (!read_entry(tiff, at, &entry))
            return damaged(tiff, "an entry points outside the file");
        if (page != NULL && !note_field(tiff, &entry, page))
            return damaged(tiff, "a field of its first page is there twice");
    }
    *next = number(tiff, at, field);
    return MR_OK;
}

/* JPEGs in a TIFF: grey, RGB, YCbCr, CMYK, each pixel's samples together. */
static bool is_readable_jpeg(const struct page *page)
{
    if (page->bits != 8 || page->planar != 1)
        return false;
    switch (page->photometric) {
    case PHOTOMETRIC_BLACK_IS_ZERO:
        return page->samples == 1;
    case PHOTOMETRIC_RGB:
    case PHOTOMETRIC_YCBCR:
        return page->samples == 3;
    case PHOTOMETRIC_SEPARATED:
        return page->samples == 4;
    default:
        return false;
    }
}

/* The kinds that are read: 8- and 16-bit grey and RGB with or without alpha, fewer bits of grey, palettes, 8-bit CMYK.
 */
static bool is_readable_kind(const struct page *page)
{
    if (page->compression == COMPRESSION_JPEG)
        return is_readable_jpeg(page);
    bool whole_bytes = page->bits == 8 || page->bits == 16;
    bool shallow = page->bits == 1 || page->bits == 2 || page->bits == 4;
    switch (page->photometric) {
    case PHOTOMETRIC_WHITE_IS_ZERO:
    case PHOTOMETRIC_BLACK_IS_ZERO:
        return (whole_bytes && (page->samples == 1 || page->samples == 2)) || (shallow && page->samples == 1);
    case PHOTOMETRIC_RGB:
        return whole_bytes && (page->samples == 3 || page->samples == 4);
    case PHOTOMETRIC_PALETTE:
        return (page->bits == 8 || shallow) && page->samples == 1;
    case PHOTOMETRIC_SEPARATED:
        return page->bits == 8 && page->samples == 4;
    default:
        return false;
    }
}

/* none, CCITT (three kinds), LZW, JPEG, deflate (two numbers), PackBits */
static bool is_readable_compression(uint64_t compression)
{
    return (compression >= 1 && compression <= 5) || compression == COMPRESSION_JPEG || compression == 8 ||
           compression == 32946 || compression == 32773;
}

static int check_kind(struct mr_tiff *tiff, const struct page *page)
{
    struct mr_image_info *info = &tiff->out->info;
    if (page->width == 0 || page->height == 0 || page->width > UINT32_MAX || page->height > UINT32_MAX)
        return damaged(tiff, "its first page has an impossible size");
    info->width = (uint32_t)page->width;
    info->height = (uint32_t)page->height;
    if (!is_readable_compression(page->compression))
        return unsupported(tiff, "this compression");
    if (page->sample_format != 1 || !is_readable_kind(page))
        return unsupported(tiff, "this combination of channels, bits and colour space");

    bool palette = page->photometric == PHOTOMETRIC_PALETTE;
    info->bands = (uint8_t)(palette ? 3 : page->samples);
    info->palette = palette;
    info->bits = page->bits == 16 ? 16 : 8;
    info->alpha = page->photometric != PHOTOMETRIC_SEPARATED && (info->bands == 2 || info->bands == 4);
    return MR_OK;
}

static uint64_t divide_up(uint64_t value, uint64_t by)
{
    return value / by + (value % by != 0);
}

/* Decoders read each strip or tile whole, and all of them may be the same bytes. A writer may store blank tiles once:
 * what a part has beyond its raw pixels and a head is counted, and of all parts together that is at most the file. */
static uint64_t part_bytes_free(const struct page *page)
{
    bool tiled = page->tile_width != 0;
    uint64_t width = tiled ? page->tile_width : page->width;
    uint64_t height = tiled ? page->tile_height : MR_MIN(page->rows_per_strip, page->height);
    return PART_BYTES_FREE +
           (uint64_t)PIXEL_BYTES_MAX * MR_MIN(width, MR_IMAGE_SIDE_MAX) * MR_MIN(height, MR_IMAGE_SIDE_MAX);
}

/* Of the first `needed` parts: each lies inside the file, and together they are not much longer than it. */
static int check_part_bytes(struct mr_tiff *tiff, const struct page *page, uint64_t needed)
{
    const uint64_t len = tiff->file.len, free_bytes = part_bytes_free(page);
    const uint64_t tables_len = page->compression == COMPRESSION_JPEG ? page->tables.count : 0;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < needed; i++) {
        uint64_t offset = entry_value(tiff, &page->offsets, i);
        uint64_t count = entry_value(tiff, &page->counts, i);
        if (count == 0 || offset > len || count > len - offset)
            return damaged(tiff, "a strip or tile lies outside the file");
        sum += MR_MAX(count + tables_len, free_bytes) - free_bytes;
        if (sum > len)
            return damaged(tiff, "its strips or tiles are together longer than the file");
    }
    return MR_OK;
}

/* Every strip or tile that the size calls for is listed. */
static int check_segments(struct mr_tiff *tiff, const struct page *page)
{
    bool tiled = page->tile_width != 0 || page->tile_height != 0;
    if (tiled &&
        (page->tile_width < TILE_SIDE_MIN || page->tile_height < TILE_SIDE_MIN || page->tile_width > TILE_PIXELS_MAX ||
         page->tile_height > TILE_PIXELS_MAX || page->tile_width * page->tile_height > TILE_PIXELS_MAX))
        return damaged(tiff, "its tiles have an impossible size");
    if (!tiled && page->rows_per_strip == 0)
        return damaged(tiff, "its strips are empty");
    if (tiled && page->planar == 2 && page->samples > 1)
        return unsupported(tiff, "a page of tiles with a plane for each channel");
    if (tiled && (page->tile_width > TILE_SIDE_MAX || page->tile_height > TILE_SIDE_MAX))
        return unsupported(tiff, "a tile of more than 10000 px a side");

    uint64_t planes = page->planar == 2 ? page->samples : 1;
    uint64_t needed = tiled ? divide_up(page->width, page->tile_width) * divide_up(page->height, page->tile_height)
                            : divide_up(page->height, page->rows_per_strip);
    needed *= planes;
    if (page->offsets.count < needed || page->counts.count < needed)
        return damaged(tiff, "strips or tiles are missing from its list");
    if (!mr_scan_step(tiff->out, needed))
        return MR_EDAMAGED;
    return check_part_bytes(tiff, page, needed);
}

/* ---- JPEGs ---- */

static struct mr_view opaque_bytes(const struct mr_tiff *tiff, const struct mr_tiff_entry *entry)
{
    bool is_bytes = entry->type == 1 || entry->type == 7;
    return is_bytes ? mr_view_part(tiff->file, entry->at, (size_t)entry->count) : (struct mr_view){0};
}

static void describe_jpegs(struct mr_tiff_jpegs *out, const struct mr_tiff *tiff, const struct page *page)
{
    bool tiled = page->tile_width != 0;
    uint64_t height = tiled ? page->tile_height : MR_MIN(page->rows_per_strip, page->height);
    *out = (struct mr_tiff_jpegs){.width = (uint32_t)page->width,
                                  .height = (uint32_t)page->height,
                                  .part_width = (uint32_t)(tiled ? page->tile_width : page->width),
                                  .part_height = (uint32_t)height,
                                  .bands = (uint8_t)page->samples,
                                  .is_rgb = page->photometric == PHOTOMETRIC_RGB,
                                  .tables = opaque_bytes(tiff, &page->tables),
                                  .profile = opaque_bytes(tiff, &page->profile),
                                  .tiff = {.file = tiff->file, .big_endian = tiff->big_endian, .wide = tiff->wide},
                                  .offsets = page->offsets,
                                  .counts = page->counts};
    out->across = (uint32_t)divide_up(out->width, out->part_width);
    out->count = out->across * (uint32_t)divide_up(out->height, out->part_height);
}

struct mr_view mr_tiff_jpeg(const struct mr_tiff_jpegs *jpegs, uint32_t index)
{
    return mr_view_part(jpegs->tiff.file, (size_t)entry_value(&jpegs->tiff, &jpegs->offsets, index),
                        (size_t)entry_value(&jpegs->tiff, &jpegs->counts, index));
}

/* It is what the page says of it, to the last byte, and its decoder holds a few rows. The last strip may end with the
 * page. */
static int check_jpeg(struct mr_tiff *tiff, const struct mr_tiff_jpegs *jpegs, uint32_t index)
{
    struct mr_scan scan = {.steps = tiff->out->steps, .steps_max = tiff->out->steps_max};
    struct mr_view jpeg = mr_tiff_jpeg(jpegs, index);
    bool is_one = jpeg.len > 3 && memcmp(jpeg.at, "\xFF\xD8\xFF", 3) == 0;
    int err = is_one ? mr_scan_jpeg(&scan, jpeg, tiff->fault) : MR_EDAMAGED;
    tiff->out->steps = scan.steps;
    tiff->out->warnings += scan.warnings;
    if (err == MR_ENOTIMAGE)
        return err;
    if (err != MR_OK || scan.mending.tail != NULL)
        return damaged(tiff, "a JPEG in it is damaged");
    if (scan.info.whole)
        return unsupported(tiff, "a progressive JPEG inside");
    uint32_t left = jpegs->height - index / jpegs->across * jpegs->part_height;
    bool is_strip = jpegs->part_width == jpegs->width;
    bool is_as_high = scan.info.height == jpegs->part_height || (is_strip && scan.info.height == left);
    if (scan.info.width != jpegs->part_width || !is_as_high || scan.info.bands != jpegs->bands)
        return damaged(tiff, "a JPEG in it has another size or other channels than its page");
    return MR_OK;
}

/* Quantisation and Huffman tables, restart intervals, and what decoders pass over: nothing that makes a picture. */
static int check_tables(struct mr_tiff *tiff, struct mr_view tables)
{
    const char *const words = "the tables of its JPEGs are damaged";
    if (tables.len == 0)
        return MR_OK;
    if (tables.len < 4 || tables.len > JPEG_TABLES_MAX || memcmp(tables.at, "\xFF\xD8", 2) != 0)
        return damaged(tiff, words);
    for (size_t at = 2; mr_view_has(tables, at, 4) && mr_scan_step(tiff->out, 1);) {
        const uint8_t *segment = tables.at + at;
        uint8_t marker = segment[1];
        size_t len = mr_read_be16(segment + 2);
        bool is_table = marker == 0xDB || marker == 0xC4 || marker == 0xDD || marker >= 0xE0;
        if (segment[0] != 0xFF || marker == 0xFF || !is_table || len < 2 || !mr_view_has(tables, at + 2, len))
            return damaged(tiff, words);
        at += 2 + len;
        if (at + 2 == tables.len && memcmp(tables.at + at, "\xFF\xD9", 2) == 0)
            return MR_OK;
    }
    return damaged(tiff, words);
}

static int check_jpegs(struct mr_tiff *tiff, const struct page *page)
{
    struct mr_tiff_jpegs jpegs;
    describe_jpegs(&jpegs, tiff, page);
    if (jpegs.part_width != jpegs.width)
        tiff->out->pixels_max = (uint64_t)jpegs.count * jpegs.part_width * jpegs.part_height;
    int err = check_tables(tiff, jpegs.tables);
    for (uint32_t i = 0; i < jpegs.count && err == MR_OK; i++)
        err = check_jpeg(tiff, &jpegs, i);
    return err;
}

/* ---- */

static const struct page no_page = {.bits = 1,
                                    .compression = 1,
                                    .photometric = UINT64_MAX,
                                    .samples = 1,
                                    .planar = 1,
                                    .rows_per_strip = UINT32_MAX,
                                    .sample_format = 1};

/* Go through all directories; *page becomes what the one says that is wanted. */
static int read_directories(struct mr_tiff *tiff, struct page *page, uint32_t index)
{
    uint32_t *frames = &tiff->out->info.frames;
    uint64_t offset = 0;
    *page = no_page;
    *frames = 0;
    if (!open_tiff(tiff, &offset))
        return damaged(tiff, "the file ends before the image does");
    uint64_t mark = 0; /* Brent: compare with a place that moves on at every power of two */
    for (uint32_t until_move = 1; offset != 0; ++*frames) {
        if (offset == mark)
            return damaged(tiff, "its directories form a loop");
        if (*frames == until_move) {
            mark = offset;
            until_move *= 2;
        }
        int err = read_directory(tiff, offset, *frames == index ? page : NULL, &offset);
        if (err != MR_OK)
            return err;
    }
    return *frames > 0 ? MR_OK : damaged(tiff, "it has no directory");
}

static uint32_t page_index(int32_t page_wanted)
{
    return page_wanted > 0 ? (uint32_t)page_wanted - 1 : 0;
}

int mr_scan_tiff(struct mr_scan *out, struct mr_view file, int32_t page_wanted, struct mr_fault *fault)
{
    struct mr_tiff tiff = {.out = out, .file = file, .fault = fault};
    struct page page;
    uint32_t index = page_index(page_wanted);
    out->info.scans = 1;
    out->info.whole = true;
    int err = read_directories(&tiff, &page, index);
    if (err != MR_OK)
        return err;
    if (index >= out->info.frames) {
        out->info.width = out->info.height = 1; /* there is no such page, which the plan will say */
        return MR_OK;
    }
    err = check_kind(&tiff, &page);
    if (err == MR_OK)
        err = check_segments(&tiff, &page);
    if (err == MR_OK && page.compression == COMPRESSION_JPEG)
        err = check_jpegs(&tiff, &page);
    return err;
}

bool mr_tiff_find_jpegs(struct mr_tiff_jpegs *out, struct mr_view file, int32_t page_wanted)
{
    struct mr_scan scan = {.steps_max = UINT64_MAX};
    struct mr_tiff tiff = {.out = &scan, .file = file};
    struct page page;
    if (read_directories(&tiff, &page, page_index(page_wanted)) != MR_OK || page.compression != COMPRESSION_JPEG)
        return false;
    describe_jpegs(out, &tiff, &page);
    return true;
}

uint8_t mr_scan_exif_orientation(struct mr_scan *scan, struct mr_view exif)
{
    if (exif.len >= 6 && memcmp(exif.at, "Exif\0", 6) == 0)
        exif = mr_view_part(exif, 6, exif.len - 6);
    struct mr_tiff tiff = {.out = scan, .file = exif};
    uint64_t offset = 0;
    if (!open_tiff(&tiff, &offset) || tiff.wide || (exif.at[0] != 'I' && exif.at[0] != 'M') || offset > exif.len ||
        !mr_view_has(exif, (size_t)offset, 2))
        return 1;
    size_t at = (size_t)offset + 2;
    for (uint64_t left = number(&tiff, (size_t)offset, 2); left > 0 && mr_view_has(exif, at, 12); left--, at += 12) {
        struct mr_tiff_entry entry;
        if (!mr_scan_step(scan, 1))
            return 1;
        if (!read_entry(&tiff, at, &entry) || entry.tag != TAG_ORIENTATION)
            continue;
        uint64_t value = entry_value(&tiff, &entry, 0);
        return (uint8_t)(value >= 1 && value <= 8 ? value : 1);
    }
    return 1;
}
