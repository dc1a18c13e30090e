/* DESIGN: a part lacks what all parts share: the tables, and which colours its channels are. Both are put in front of
 * its first segment, the latter as Adobe's marker, which libjpeg believes. libvips inverts each CMYK JPEG, as those are
 * that stand alone; those in a TIFF are not, and are inverted back. */
#include "media/image/tiff_jpeg.h"

#include "base/macros.h"

#include <stdlib.h>
#include <string.h>

enum {
    MARKER = 2,       /* bytes */
    ROWS_AT_ONCE = 16 /* as many as libjpeg decodes */
};

static const uint8_t adobe_rgb[] = "\xFF\xEE\0\16Adobe\0\144\0\0\0\0\0",
                     adobe_ycbcr[] = "\xFF\xEE\0\16Adobe\0\144\0\0\0\0\1";

static size_t append(uint8_t *out, size_t at, const uint8_t *bytes, size_t len)
{
    if (len > 0)
        memcpy(out + at, bytes, len);
    return at + len;
}

/* A part as a JPEG of its own: malloc'd, NULL without memory. */
static uint8_t *complete_jpeg(const struct mr_tiff_jpegs *jpegs, uint32_t index, size_t *len)
{
    struct mr_view jpeg = mr_tiff_jpeg(jpegs, index), tables = jpegs->tables;
    uint8_t *out = malloc(jpeg.len + tables.len + sizeof(adobe_rgb));
    if (out == NULL)
        return NULL;
    size_t at = append(out, 0, jpeg.at, MARKER);
    if (jpegs->bands == 3)
        at = append(out, at, jpegs->is_rgb ? adobe_rgb : adobe_ycbcr, sizeof(adobe_rgb) - 1);
    if (tables.len > 0)
        at = append(out, at, tables.at + MARKER, tables.len - 2 * (size_t)MARKER);
    *len = append(out, at, jpeg.at + MARKER, jpeg.len - MARKER);
    return out;
}

static void copy_row(uint8_t *to, const uint8_t *from, size_t len, bool is_inverted)
{
    for (size_t i = 0; i < len; i++)
        to[i] = is_inverted ? (uint8_t)(255 - from[i]) : from[i];
}

/* The rows and columns of a part that lie on the page. False: they cannot be decoded. */
static bool copy_visible(VipsImage *page, VipsImage *part, int left, int top)
{
    const int width = MR_MIN(part->Xsize, page->Xsize - left), height = MR_MIN(part->Ysize, page->Ysize - top);
    const size_t bands = (size_t)page->Bands, row = (size_t)page->Xsize * bands;
    VipsRegion *region = vips_region_new(part);
    bool is_right = true;
    for (int y = 0; y < height && is_right; y += ROWS_AT_ONCE) {
        VipsRect rows = {.left = 0, .top = y, .width = part->Xsize, .height = MR_MIN((int)ROWS_AT_ONCE, height - y)};
        is_right = vips_region_prepare(region, &rows) == 0 && region->valid.top == y && region->valid.left == 0;
        const uint8_t *from = region->data; /* whole rows, from that row on */
        for (int i = 0; i < rows.height && is_right; i++, from += region->bpl)
            copy_row(page->data + (size_t)(top + y + i) * row + (size_t)left * bands, from, (size_t)width * bands,
                     bands == 4);
    }
    g_object_unref(region);
    return is_right;
}

static int load_part(struct mr_run *run, const struct mr_tiff_jpegs *jpegs, uint32_t index)
{
    const uint32_t left = index % jpegs->across * jpegs->part_width;
    const uint32_t top = index / jpegs->across * jpegs->part_height;
    size_t len = 0;
    uint8_t *bytes = complete_jpeg(jpegs, index, &len);
    if (bytes == NULL)
        return mr_fault_set(run->fault, MR_EMEMORY, NULL);
    VipsImage *part = NULL;
    bool is_right =
        vips_jpegload_buffer(bytes, len, &part, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_TRUNCATED,
                             NULL) == 0 &&
        part->Xsize == (int)jpegs->part_width && part->Ysize >= (int)MR_MIN(jpegs->part_height, jpegs->height - top) &&
        part->Ysize <= (int)jpegs->part_height && part->Bands == jpegs->bands && part->BandFmt == VIPS_FORMAT_UCHAR;
    is_right = is_right && copy_visible(run->image, part, (int)left, (int)top);
    if (part != NULL)
        g_object_unref(part); /* the decoder ends here, and tells its warnings */
    free(bytes);
    return is_right ? MR_OK : mr_run_fail(run);
}

static size_t longest_part(const struct mr_tiff_jpegs *jpegs)
{
    size_t longest = 0;
    for (uint32_t i = 0; i < jpegs->count; i++)
        longest = MR_MAX(longest, mr_tiff_jpeg(jpegs, i).len);
    return longest;
}

int mr_tiff_load_jpegs(struct mr_run *run, const struct mr_tiff_jpegs *jpegs)
{
    static const VipsInterpretation colours[] = {
        [1] = VIPS_INTERPRETATION_B_W, [3] = VIPS_INTERPRETATION_sRGB, [4] = VIPS_INTERPRETATION_CMYK};
    VipsImage *page = vips_image_new_memory();
    run->image = page;
    run->in_memory = true;
    vips_image_init_fields(page, (int)jpegs->width, (int)jpegs->height, jpegs->bands, VIPS_FORMAT_UCHAR,
                           VIPS_CODING_NONE, colours[jpegs->bands], 1, 1);
    if (vips_image_write_prepare(page) != 0)
        return mr_fault_set(run->fault, MR_EMEMORY, NULL);
    if (jpegs->profile.len > 0)
        vips_image_set_blob_copy(page, VIPS_META_ICC_NAME, jpegs->profile.at, jpegs->profile.len);
    int err = mr_run_charge_copy(run, longest_part(jpegs) + jpegs->tables.len);
    for (uint32_t i = 0; i < jpegs->count && err == MR_OK; i++)
        err = mr_run_is_stopped(run) ? mr_run_fail(run) : load_part(run, jpegs, i);
    return err;
}
