/* DESIGN: three parts. Far above the target, libvips' box filter first brings the image down, to no less than four
 * times the target, so that the kernel never spans more than a few dozen rows. The resampler (resample.c) does the
 * rest, as an operation of the pipeline: asked for some rows of its output, it asks for the rows of its input that
 * these are made of. Colours are premultiplied around both. */
#include "media/image/image_resize.h"
#include "media/image/resample.h"

#include "base/assert.h"
#include "base/macros.h"

#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

enum {
    RATIO_MAX = 8,    /* above it the box filter goes first, */
    RATIO_LEFT = 4,   /* and leaves at least this much */
    ROWS_AT_ONCE = 16 /* computed together: the rows of the input that two of them share are fetched once */
};

/* The resampler of one image. The pipeline's own thread reads it between start and stop; `readers` says so, and carries
 * what the makers of the two tables wrote over to that thread and its last read back. */
struct stage {
    VipsImage *in; /* owned: the pipeline alone does not keep it */
    struct mr_resample_axis x, y;
    atomic_uint readers;
    atomic_int passed; /* rows of the input that were asked for, from the top */
};

/* What one thread needs to compute a part of the output. */
struct reader {
    VipsRegion *region;
    void *line; /* 16-bit values, or floats */
};

static void *start(VipsImage *out, void *in, void *data)
{
    (void)out;
    VipsImage *image = in;
    struct stage *stage = data;
    struct reader *reader = calloc(1, sizeof(*reader));
    size_t value = image->BandFmt == VIPS_FORMAT_FLOAT ? sizeof(float) : sizeof(int16_t);
    void *line = malloc(value * mr_resample_line_len((uint32_t)image->Xsize, (uint32_t)image->Bands));
    VipsRegion *region = vips_region_new(image);
    if (reader == NULL || line == NULL || region == NULL) {
        free(reader);
        free(line);
        VIPS_UNREF(region);
        return NULL;
    }
    *reader = (struct reader){.region = region, .line = line};
    atomic_fetch_add_explicit(&stage->readers, 1, memory_order_acquire); /* pairs with the release in make_stage() */
    return reader;
}

static int stop(void *seq, void *in, void *data)
{
    (void)in;
    struct reader *reader = seq;
    struct stage *stage = data;
    g_object_unref(reader->region);
    free(reader->line);
    free(reader);
    atomic_fetch_sub_explicit(&stage->readers, 1, memory_order_release); /* pairs with the acquire in on_close() */
    return 0;
}

static uint8_t *region_at(const VipsRegion *region, int x, int y)
{
    ptrdiff_t pixel =
        region->im->BandFmt == VIPS_FORMAT_FLOAT ? region->im->Bands * (ptrdiff_t)sizeof(float) : region->im->Bands;
    return region->data + (ptrdiff_t)(y - region->valid.top) * region->bpl +
           (ptrdiff_t)(x - region->valid.left) * pixel;
}

/* One row of the output: `rows` are those of the input that it is made of, from column `from` on, `count` of them. */
static void make_row(VipsRegion *out, const struct stage *stage, const struct reader *reader, int y, uint32_t from,
                     uint32_t count)
{
    uint32_t row = (uint32_t)y, bands = (uint32_t)out->im->Bands;
    uint32_t left = (uint32_t)out->valid.left, right = left + (uint32_t)out->valid.width;
    void *to = region_at(out, out->valid.left, y);
    const void *rows = region_at(reader->region, (int)from, (int)stage->y.first[row]);
    size_t stride = (size_t)reader->region->bpl;
    if (out->im->BandFmt == VIPS_FORMAT_FLOAT) {
        mr_resample_vertical_real(reader->line, &stage->y, row, rows, stride / sizeof(float), (size_t)count * bands);
        mr_resample_horizontal_real(to, &stage->x, left, right, reader->line, from, bands);
    } else {
        mr_resample_vertical(reader->line, &stage->y, row, rows, stride, (size_t)count * bands);
        mr_resample_horizontal(to, &stage->x, left, right, reader->line, from, bands);
    }
}

/* Rows above those that are needed are passed over a few at a time: asked for one far below the last, libvips'
 * decoders would hold all that lie between. */
static int pass_over(struct stage *stage, VipsRegion *from, const VipsRect *needed)
{
    int row = atomic_load_explicit(&stage->passed, memory_order_relaxed); /* libvips asks one thread at a time */
    for (; needed->top - row >= ROWS_AT_ONCE; row += ROWS_AT_ONCE) {
        VipsRect rows = {needed->left, row, 1, ROWS_AT_ONCE};
        if (vips_region_prepare(from, &rows))
            return -1;
    }
    row = MR_MAX(row, needed->top + needed->height);
    atomic_store_explicit(&stage->passed, row, memory_order_relaxed);
    return 0;
}

/* Rows below those that are needed, at the input's end or outside of a cut, are read too: whether a file is damaged
 * must not depend on what is asked for. */
static int read_to_end(struct stage *stage, VipsRegion *from, const VipsRect *needed)
{
    for (int row = needed->top + needed->height; row < from->im->Ysize; row += ROWS_AT_ONCE) {
        VipsRect rows = {needed->left, row, 1, MR_MIN(ROWS_AT_ONCE, from->im->Ysize - row)};
        if (vips_region_prepare(from, &rows))
            return -1;
    }
    atomic_store_explicit(&stage->passed, from->im->Ysize, memory_order_relaxed);
    return 0;
}

static int generate(VipsRegion *out, void *seq, void *in, void *data, gboolean *done)
{
    (void)in, (void)done;
    struct stage *stage = data;
    const struct reader *reader = seq;
    const VipsRect *wanted = &out->valid;
    uint32_t left = (uint32_t)wanted->left;
    uint32_t right = left + (uint32_t)wanted->width;
    uint32_t top = (uint32_t)wanted->top;
    uint32_t bottom = top + (uint32_t)wanted->height;
    uint32_t in_left, in_right, in_top, in_bottom;
    mr_resample_needs(&stage->x, left, right, &in_left, &in_right);
    mr_resample_needs(&stage->y, top, bottom, &in_top, &in_bottom);

    VipsRegion *from = reader->region;
    VipsRect needed = {(int)in_left, (int)in_top, (int)(in_right - in_left), (int)(in_bottom - in_top)};
    if (pass_over(stage, from, &needed) || vips_region_prepare(from, &needed))
        return -1;
    for (uint32_t y = top; y < bottom; y++)
        make_row(out, stage, reader, (int)y, in_left, in_right - in_left);
    return bottom == stage->y.out ? read_to_end(stage, from, &needed) : 0;
}

static void on_close(VipsImage *image, void *data)
{
    (void)image;
    struct stage *stage = data;
    MR_ASSERT(atomic_load_explicit(&stage->readers, memory_order_acquire) == 0);
    mr_resample_axis_free(&stage->x);
    mr_resample_axis_free(&stage->y);
    g_object_unref(stage->in);
    free(stage);
}

/* The axes become the stage's, or are freed. */
static struct stage *make_stage(VipsImage *in, struct mr_resample_axis x, struct mr_resample_axis y)
{
    struct stage *stage = calloc(1, sizeof(*stage));
    if (stage == NULL) {
        mr_resample_axis_free(&x);
        mr_resample_axis_free(&y);
        return NULL;
    }
    stage->x = x;
    stage->y = y;
    stage->in = in;
    g_object_ref(in);
    atomic_init(&stage->passed, 0);
    atomic_store_explicit(&stage->readers, 0, memory_order_release);
    return stage;
}

/* Behind the operation stands a cache of whole rows: whatever shape of tile is asked for further down, the input is
 * read in rows, from top to bottom, as the decoders give it. */
static VipsImage *resample(VipsImage *in, struct mr_resample_axis x, struct mr_resample_axis y)
{
    MR_ASSERT(in->BandFmt == VIPS_FORMAT_UCHAR || in->BandFmt == VIPS_FORMAT_FLOAT);
    MR_ASSERT(in->Bands >= 1 && in->Bands <= 4);
    struct stage *stage = make_stage(in, x, y);
    if (stage == NULL)
        return NULL;
    VipsImage *out = vips_image_new();
    VipsImage *rows = NULL;
    g_signal_connect(out, "close", G_CALLBACK(on_close), stage);
    if (vips_image_pio_input(in) || vips_image_pipelinev(out, VIPS_DEMAND_STYLE_FATSTRIP, in, NULL))
        goto done;
    out->Xsize = (int)x.out;
    out->Ysize = (int)y.out;
    if (vips_image_generate(out, start, generate, stop, in, stage) ||
        vips_sequential(out, &rows, "tile_height", ROWS_AT_ONCE, NULL))
        rows = NULL;
done:
    g_object_unref(out);
    return rows;
}

static VipsImage *resize_exactly(VipsImage *in, double span_x, double span_y, int width, int height, VipsRect part)
{
    struct mr_resample_axis x, y;
    if (mr_resample_axis_make_part(&x, (uint32_t)in->Xsize, span_x, (uint32_t)width, (uint32_t)part.left,
                                   (uint32_t)part.width) != MR_OK)
        return NULL;
    if (mr_resample_axis_make_part(&y, (uint32_t)in->Ysize, span_y, (uint32_t)height, (uint32_t)part.top,
                                   (uint32_t)part.height) != MR_OK) {
        mr_resample_axis_free(&x);
        return NULL;
    }
    return resample(in, x, y);
}

VipsImage *mr_image_blur_channels(VipsImage *in, double sigma_x, double sigma_y)
{
    struct mr_resample_axis x, y;
    if (mr_resample_axis_blur(&x, (uint32_t)in->Xsize, sigma_x) != MR_OK)
        return NULL;
    if (mr_resample_axis_blur(&y, (uint32_t)in->Ysize, sigma_y) != MR_OK) {
        mr_resample_axis_free(&x);
        return NULL;
    }
    return resample(in, x, y);
}

/* The box filter's integer factor for one axis. */
static int box_factor(double span, int target)
{
    double ratio = span / target;
    return ratio > RATIO_MAX ? (int)(ratio / RATIO_LEFT) : 1;
}

static VipsImage *resize_channels(VipsImage *in, double span_x, double span_y, int width, int height, VipsRect part)
{
    int by_x = box_factor(span_x, width);
    int by_y = box_factor(span_y, height);
    if (by_x == 1 && by_y == 1)
        return resize_exactly(in, span_x, span_y, width, height, part);
    VipsImage *small = NULL;
    if (vips_shrink(in, &small, by_x, by_y, "ceil", TRUE, NULL))
        return NULL;
    VipsImage *out = resize_exactly(small, span_x / by_x, span_y / by_y, width, height, part);
    g_object_unref(small);
    return out;
}

VipsImage *mr_image_resize_channels(VipsImage *in, double span_x, double span_y, int width, int height)
{
    return resize_channels(in, span_x, span_y, width, height, (VipsRect){0, 0, width, height});
}

/* Multiply colours by alpha, or divide them by it again, and round to integers: resizing the floats that libvips
 * computes in between would be several times slower, and what precision is lost is that of colours hardly visible. */
static VipsImage *weigh(VipsImage *in, int (*operation)(VipsImage *in, VipsImage **out, ...))
{
    VipsImage *floats = NULL;
    if (operation(in, &floats, NULL))
        return NULL;
    VipsImage *out = NULL;
    if (vips_linear1(floats, &out, 1.0, 0.5, "uchar", TRUE, NULL))
        out = NULL;
    g_object_unref(floats);
    return out;
}

VipsImage *mr_image_premultiply(VipsImage *in)
{
    return weigh(in, vips_premultiply);
}

VipsImage *mr_image_unpremultiply(VipsImage *in)
{
    return weigh(in, vips_unpremultiply);
}

VipsImage *mr_image_resize(VipsImage *in, double span_x, double span_y, int width, int height)
{
    return mr_image_resize_part(in, span_x, span_y, width, height, (VipsRect){0, 0, width, height});
}

VipsImage *mr_image_resize_part(VipsImage *in, double span_x, double span_y, int width, int height, VipsRect part)
{
    if (!vips_image_hasalpha(in))
        return resize_channels(in, span_x, span_y, width, height, part);
    VipsImage *premultiplied = mr_image_premultiply(in);
    if (premultiplied == NULL)
        return NULL;
    VipsImage *small = resize_channels(premultiplied, span_x, span_y, width, height, part);
    g_object_unref(premultiplied);
    if (small == NULL)
        return NULL;
    VipsImage *out = mr_image_unpremultiply(small);
    g_object_unref(small);
    return out;
}

/* ---- in linear light ---- */

static double linear_of(double tone)
{
    return tone <= 0.04045 ? tone / 12.92 : pow((tone + 0.055) / 1.055, 2.4);
}

static double tone_of(double light)
{
    return light <= 0.0031308 ? light * 12.92 : 1.055 * pow(light, 1 / 2.4) - 0.055;
}

/* Colours become light from 0 to 65535, alpha stays. */
static VipsImage *to_light(VipsImage *in)
{
    float light[256 * 4];
    int bands = in->Bands, colours = vips_image_hasalpha(in) ? bands - 1 : bands;
    for (int tone = 0; tone < 256; tone++)
        for (int band = 0; band < bands; band++)
            light[tone * bands + band] = (float)(band < colours ? UINT16_MAX * linear_of(tone / 255.0) : tone);
    VipsImage *table =
        vips_image_new_from_memory_copy(light, sizeof(*light) * 256 * (size_t)bands, 256, 1, bands, VIPS_FORMAT_FLOAT);
    VipsImage *out = NULL;
    if (table == NULL || vips_maplut(in, &out, table, NULL))
        out = NULL;
    VIPS_UNREF(table);
    return out;
}

/* The tones of channels that are light alone. */
static VipsImage *to_tones(VipsImage *in)
{
    uint8_t tones[UINT16_MAX + 1];
    for (int light = 0; light <= UINT16_MAX; light++)
        tones[light] = (uint8_t)lround(255 * tone_of((double)light / UINT16_MAX));
    VipsImage *table = vips_image_new_from_memory_copy(tones, sizeof(tones), UINT16_MAX + 1, 1, 1, VIPS_FORMAT_UCHAR);
    VipsImage *half = NULL, *whole = NULL, *out = NULL;
    if (table == NULL || vips_linear1(in, &half, 1.0, 0.5, NULL) || vips_cast(half, &whole, VIPS_FORMAT_USHORT, NULL) ||
        vips_maplut(whole, &out, table, NULL))
        out = NULL;
    VIPS_UNREF(table);
    VIPS_UNREF(half);
    VIPS_UNREF(whole);
    return out;
}

static VipsImage *to_tones_and_alpha(VipsImage *in)
{
    VipsImage *light = NULL, *alpha = NULL, *bytes = NULL, *tones = NULL, *out = NULL;
    if (!vips_extract_band(in, &light, 0, "n", in->Bands - 1, NULL))
        tones = to_tones(light);
    if (tones == NULL || vips_extract_band(in, &alpha, in->Bands - 1, NULL) ||
        vips_linear1(alpha, &bytes, 1.0, 0.5, "uchar", TRUE, NULL) || vips_bandjoin2(tones, bytes, &out, NULL))
        out = NULL;
    VIPS_UNREF(light);
    VIPS_UNREF(alpha);
    VIPS_UNREF(bytes);
    VIPS_UNREF(tones);
    return out;
}

VipsImage *mr_image_resize_part_linear(VipsImage *in, double span_x, double span_y, int width, int height,
                                       VipsRect part)
{
    bool has_alpha = vips_image_hasalpha(in);
    VipsImage *light = to_light(in), *weighed = NULL, *small = NULL, *plain = NULL, *out = NULL;
    if (light != NULL && (!has_alpha || vips_premultiply(light, &weighed, "max_alpha", 255.0, NULL) == 0))
        small = resize_channels(has_alpha ? weighed : light, span_x, span_y, width, height, part);
    if (small != NULL && (!has_alpha || vips_unpremultiply(small, &plain, "max_alpha", 255.0, NULL) == 0))
        out = has_alpha ? to_tones_and_alpha(plain) : to_tones(small);
    VIPS_UNREF(light);
    VIPS_UNREF(weighed);
    VIPS_UNREF(small);
    VIPS_UNREF(plain);
    return out;
}
