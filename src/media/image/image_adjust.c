/* DESIGN: steps that change colours. What works on one value at a time is a table of 256; alpha is never touched. */
#include "media/image/image_resize.h"
#include "media/image/image_run.h"

#include "base/assert.h"
#include "base/macros.h"

#include <math.h>
#include <string.h>

/* Black ink is no deep black: without compensation prints look foggy. A press whose profile is not known is assumed to
 * be a common one; Its colours stay what they are, as libvips does it by itself. */
static int transform(struct mr_run *run, bool is_embedded)
{
    VipsIntent intent = is_embedded ? VIPS_INTENT_PERCEPTUAL : VIPS_INTENT_RELATIVE;
    VipsImage *next = NULL;
    int failed = vips_icc_transform(run->image, &next, "srgb", "embedded", is_embedded, "input_profile", "cmyk",
                                    "intent", intent, "black_point_compensation", TRUE, "depth", 8, NULL);
    if (!failed)
        mr_run_advance(run, next);
    return failed;
}

/* A profile that does not fit the image, or is none, counts for nothing: what then shows is what viewers show that
 * ignore profiles. */
static int convert_to_srgb(struct mr_run *run)
{
    if (vips_image_get_typeof(run->image, VIPS_META_ICC_NAME) != 0 && transform(run, true)) {
        vips_error_clear();
        int err = mr_run_drop_profile(run);
        if (err != MR_OK)
            return err;
    }
    if (run->image->Type == VIPS_INTERPRETATION_CMYK && transform(run, false))
        return mr_run_fail(run);
    if (run->image->Type == VIPS_INTERPRETATION_sRGB && run->image->BandFmt == VIPS_FORMAT_UCHAR)
        return MR_OK;
    VipsImage *next = NULL;
    int failed = vips_colourspace(run->image, &next, VIPS_INTERPRETATION_sRGB, NULL);
    return mr_run_step(run, failed, next);
}

/* 16 bits to sRGB; alpha by itself, which libvips would cut off at 255. */
static int convert_deep(struct mr_run *run)
{
    int colours = run->image->Bands - 1;
    VipsImage *deep = NULL, *alpha = NULL, *next = NULL;
    int failed = 0;
    run->is_srgb = true;
    if (!vips_image_hasalpha(run->image))
        return convert_to_srgb(run);
    failed = vips_extract_band(run->image, &deep, colours, NULL) ||
             vips_cast(deep, &alpha, VIPS_FORMAT_UCHAR, "shift", TRUE, NULL) ||
             vips_extract_band(run->image, &next, 0, "n", colours, NULL);
    VIPS_UNREF(deep);
    int err = mr_run_step(run, failed, next);
    if (err == MR_OK)
        err = convert_to_srgb(run);
    if (err == MR_OK) {
        failed = vips_bandjoin2(run->image, alpha, &next, NULL);
        err = mr_run_step(run, failed, next);
    }
    VIPS_UNREF(alpha);
    return err;
}

/* The rest of the steps is for 8 bits a channel. Where a curve lies between these and sRGB it must be bent before: dark
 * tones that differ would else become one. */
static int cut_to_8_bits(struct mr_run *run)
{
    if (run->image->BandFmt == VIPS_FORMAT_UCHAR)
        return MR_OK;
    if (vips_image_get_typeof(run->image, VIPS_META_ICC_NAME) != 0 && !run->keeps_profile)
        return convert_deep(run);
    VipsInterpretation type = run->image->Type == VIPS_INTERPRETATION_GREY16  ? VIPS_INTERPRETATION_B_W
                              : run->image->Type == VIPS_INTERPRETATION_RGB16 ? VIPS_INTERPRETATION_sRGB
                                                                              : run->image->Type;
    VipsImage *next = NULL;
    int failed = vips_cast(run->image, &next, VIPS_FORMAT_UCHAR, "shift", TRUE, NULL);
    int err = mr_run_step(run, failed, next);
    if (err != MR_OK)
        return err;
    failed = vips_copy(run->image, &next, "interpretation", type, NULL);
    return mr_run_step(run, failed, next);
}

/* Light is known of sRGB. */
int mr_run_to_8_bits(struct mr_run *run)
{
    int err = cut_to_8_bits(run);
    if (err != MR_OK || !run->ops->linear || run->keeps_profile || run->is_srgb)
        return err;
    run->is_srgb = true;
    return convert_to_srgb(run);
}

static int flatten(struct mr_run *run, struct mr_image_colour colour)
{
    if (!vips_image_hasalpha(run->image))
        return MR_OK;
    const double channels[] = {colour.red, colour.green, colour.blue};
    VipsArrayDouble *background = vips_array_double_new(channels, run->image->Bands < 3 ? 1 : 3);
    VipsImage *next = NULL;
    int failed = vips_flatten(run->image, &next, "background", background, NULL);
    vips_area_unref(VIPS_AREA(background));
    return mr_run_step(run, failed, next);
}

int mr_run_lay_on_white(struct mr_run *run)
{
    return flatten(run, (struct mr_image_colour){true, 255, 255, 255, 255});
}

/* Where white shines through: before resizing, so that the resizer has a channel less. */
int mr_run_flatten_white(struct mr_run *run)
{
    if (mr_plan_has_alpha(run->plan.format) || run->ops->background.given)
        return MR_OK;
    return mr_run_lay_on_white(run);
}

struct mr_image_colour mr_run_over_white(struct mr_image_colour colour)
{
    int white = 255 - colour.alpha;
    return (struct mr_image_colour){.given = true,
                                    .red = (uint8_t)((colour.red * colour.alpha + 127) / 255 + white),
                                    .green = (uint8_t)((colour.green * colour.alpha + 127) / 255 + white),
                                    .blue = (uint8_t)((colour.blue * colour.alpha + 127) / 255 + white),
                                    .alpha = 255};
}

/* The image over a colour that itself lets something through. */
static int lay_on(struct mr_run *run, struct mr_image_colour colour)
{
    const double channels[] = {colour.red, colour.green, colour.blue, colour.alpha};
    VipsImage *under = NULL, *laid = NULL, *next = NULL;
    int err = mr_run_to_memory(run);
    if (err != MR_OK)
        return err;
    under = vips_image_new_from_image(run->image, channels, run->image->Bands);
    int failed = under == NULL || vips_composite2(under, run->image, &laid, VIPS_BLEND_MODE_OVER, NULL) ||
                 vips_linear1(laid, &next, 1.0, 0.5, "uchar", TRUE, NULL);
    VIPS_UNREF(under);
    VIPS_UNREF(laid);
    run->in_memory = false;
    return mr_run_step(run, failed, next);
}

int mr_run_flatten(struct mr_run *run)
{
    const struct mr_image_colour *background = &run->ops->background;
    if (!background->given || !vips_image_hasalpha(run->image))
        return mr_run_flatten_white(run);
    if (background->alpha == 255 || !mr_plan_has_alpha(run->plan.format))
        return flatten(run, mr_run_over_white(*background));
    return background->alpha == 0 ? MR_OK : lay_on(run, *background);
}

int mr_run_drop_profile(struct mr_run *run)
{
    VipsImage *next = NULL;
    int failed = vips_copy(run->image, &next, NULL); /* its header is ours to change */
    int err = mr_run_step(run, failed, next);
    if (err == MR_OK)
        vips_image_remove(run->image, VIPS_META_ICC_NAME);
    return err;
}

/* When there are fewest pixels. */
int mr_run_to_srgb(struct mr_run *run)
{
    return run->is_srgb || run->keeps_profile ? MR_OK : convert_to_srgb(run);
}

/* Put the image through three tables, one a colour; alpha as it is. */
static int map(struct mr_run *run, uint8_t tables[256][3])
{
    uint8_t entries[256][4];
    int bands = run->image->Bands;
    MR_ASSERT(bands == 3 || bands == 4);
    for (int i = 0; i < 256; i++) {
        memcpy(entries[i], tables[i], 3);
        entries[i][3] = (uint8_t)i;
    }
    uint8_t packed[256 * 4];
    for (int i = 0; i < 256; i++)
        memcpy(packed + (ptrdiff_t)i * bands, entries[i], (size_t)bands);
    VipsImage *lut =
        vips_image_new_from_memory_copy(packed, (size_t)256 * (size_t)bands, 256, 1, bands, VIPS_FORMAT_UCHAR);
    if (lut == NULL)
        return mr_run_fail(run);
    VipsImage *next = NULL;
    int failed = vips_maplut(run->image, &next, lut, NULL);
    g_object_unref(lut);
    return mr_run_step(run, failed, next);
}

static uint8_t clamped(double value)
{
    return (uint8_t)lround(MR_MIN(MR_MAX(value, 0.0), 255.0));
}

/* ---- colours as a whole ---- */

struct matrix {
    double at[3][3];
};

static const struct matrix unchanged = {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
static const double luma[3] = {0.2126, 0.7152, 0.0722}; /* Rec. 709 */

static struct matrix times(const struct matrix *a, const struct matrix *b)
{
    struct matrix product = {0};
    for (int row = 0; row < 3; row++)
        for (int column = 0; column < 3; column++)
            for (int k = 0; k < 3; k++)
                product.at[row][column] += a->at[row][k] * b->at[k][column];
    return product;
}

static struct matrix mixed(const struct matrix *a, const struct matrix *b, double part_of_b)
{
    struct matrix mix;
    for (int i = 0; i < 9; i++)
        mix.at[i / 3][i % 3] = a->at[i / 3][i % 3] * (1 - part_of_b) + b->at[i / 3][i % 3] * part_of_b;
    return mix;
}

/* Each colour mixed with its luminance: amount 0 leaves grey, 1 the colour, 2 doubles it. */
static struct matrix saturation(double amount)
{
    struct matrix grey;
    for (int i = 0; i < 9; i++)
        grey.at[i / 3][i % 3] = luma[i % 3];
    return mixed(&grey, &unchanged, amount);
}

/* CSS' hue-rotate(), Filter Effects Module Level 1, section 9.6. */
static struct matrix hue_turned(double degrees)
{
    double across = cos(degrees * M_PI / 180), along = sin(degrees * M_PI / 180);
    const struct matrix grey = {{{0.213, 0.715, 0.072}, {0.213, 0.715, 0.072}, {0.213, 0.715, 0.072}}};
    const struct matrix by_sine = {{{-0.213, -0.715, 0.928}, {0.143, 0.140, -0.283}, {-0.787, 0.715, 0.072}}};
    struct matrix turned;
    for (int row = 0; row < 3; row++)
        for (int column = 0; column < 3; column++)
            turned.at[row][column] = grey.at[row][column] +
                                     across * (unchanged.at[row][column] - grey.at[row][column]) +
                                     along * by_sine.at[row][column];
    return turned;
}

/* CSS' sepia(). */
static const struct matrix sepia = {{{0.393, 0.769, 0.189}, {0.349, 0.686, 0.168}, {0.272, 0.534, 0.131}}};

static int recolour(struct mr_run *run, const struct matrix *colours)
{
    int bands = run->image->Bands;
    double all[16] = {0};
    for (int row = 0; row < 3; row++)
        for (int column = 0; column < 3; column++)
            all[row * bands + column] = colours->at[row][column];
    if (bands == 4)
        all[15] = 1;
    VipsImage *weights = vips_image_new_matrix_from_array(bands, bands, all, bands * bands);
    if (weights == NULL)
        return mr_run_fail(run);
    VipsImage *next = NULL;
    int failed = vips_recomb(run->image, &next, weights, NULL);
    g_object_unref(weights);
    int err = mr_run_step(run, failed, next);
    if (err != MR_OK)
        return err;
    failed = vips_linear1(run->image, &next, 1.0, 0.5, "uchar", TRUE, NULL);
    return mr_run_step(run, failed, next);
}

/* ---- the saturation of what has little ---- */

static void make_vibrant(uint8_t *out, const uint8_t *in, double amount)
{
    int most = MR_MAX(MR_MAX(in[0], in[1]), in[2]), least = MR_MIN(MR_MIN(in[0], in[1]), in[2]);
    double grey = luma[0] * in[0] + luma[1] * in[1] + luma[2] * in[2];
    double factor = 1 + amount * (255 - (most - least)) / 255;
    for (int band = 0; band < 3; band++)
        out[band] = clamped(grey + (in[band] - grey) * factor);
}

static uint8_t *start_of_row(const VipsRegion *region, const VipsRect *area, int y)
{
    return region->data + (ptrdiff_t)(y - region->valid.top) * region->bpl +
           (ptrdiff_t)(area->left - region->valid.left) * region->im->Bands;
}

enum { VIBRANCE_PARTS = 1000 };

static int generate_vibrant(VipsRegion *out, void *seq, void *image, void *data, gboolean *done)
{
    (void)image, (void)done;
    VipsRegion *in = seq;
    double amount = GPOINTER_TO_INT(data) / (100.0 * VIBRANCE_PARTS);
    const VipsRect *area = &out->valid;
    int bands = in->im->Bands;
    if (vips_region_prepare(in, area))
        return -1;
    for (int y = area->top; y < area->top + area->height; y++) {
        const uint8_t *from = start_of_row(in, area, y);
        uint8_t *to = start_of_row(out, area, y);
        memcpy(to, from, (size_t)area->width * (size_t)bands); /* alpha */
        for (int x = 0; x < area->width; x++, from += bands, to += bands)
            make_vibrant(to, from, amount);
    }
    return 0;
}

/* The amount stands for itself: no memory of this thread is read on another one. */
static int vibrate(struct mr_run *run)
{
    VipsImage *next = vips_image_new();
    vips_object_local(next, g_object_ref(run->image)); /* the pipeline alone does not keep it */
    int failed = vips_image_pipelinev(next, VIPS_DEMAND_STYLE_THINSTRIP, run->image, NULL) ||
                 vips_image_generate(next, vips_start_one, generate_vibrant, vips_stop_one, run->image,
                                     GINT_TO_POINTER((int)lround(run->ops->vibrance * VIBRANCE_PARTS)));
    if (failed)
        g_object_unref(next);
    return mr_run_step(run, failed, next);
}

/* ---- tones ---- */

/* So much more light: the value as sRGB codes it, from 0 to 1. */
static double exposed(double value, double factor)
{
    double light = value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4);
    light = MR_MIN(light * factor, 1.0);
    return light <= 0.0031308 ? light * 12.92 : 1.055 * pow(light, 1 / 2.4) - 0.055;
}

/* One tone of 0 to 255 through all that works on tones. */
static uint8_t adjusted(const struct mr_image_ops *ops, int tone)
{
    double value = ops->exposure == 0 ? tone : 255 * exposed(tone / 255.0, exp2(ops->exposure / 50));
    value += ops->brightness * 1.275;
    value = (value - 127.5) * (1 + ops->contrast / 100) + 127.5;
    value = pow(MR_MIN(MR_MAX(value, 0.0), 255.0) / 255, exp2(-ops->gamma / 50));
    value += ops->highlights / 200 * value * value;
    value += ops->shadows / 50 * value * (1 - value) * (1 - value);
    return clamped(255 * (ops->invert ? 1 - value : value));
}

static int adjust_tones(struct mr_run *run)
{
    const struct mr_image_ops *ops = run->ops;
    uint8_t tables[256][3];
    bool are_asked_for = ops->exposure != 0 || ops->brightness != 0 || ops->contrast != 0 || ops->gamma != 0 ||
                         ops->highlights != 0 || ops->shadows != 0 || ops->invert;
    if (!are_asked_for)
        return MR_OK;
    for (int i = 0; i < 256; i++)
        memset(tables[i], adjusted(ops, i), 3);
    return map(run, tables);
}

static int adjust_colours(struct mr_run *run)
{
    const struct mr_image_ops *ops = run->ops;
    struct matrix part = saturation(1 + ops->saturation / 100), colours = part;
    part = hue_turned(ops->hue);
    colours = times(&part, &colours);
    part = mixed(&unchanged, &sepia, ops->sepia / 100);
    colours = times(&part, &colours);
    return ops->saturation == 0 && ops->hue == 0 && ops->sepia == 0 ? MR_OK : recolour(run, &colours);
}

/* Tones in one table, then colours in one matrix, then each by itself. */
int mr_run_tone(struct mr_run *run)
{
    int err = adjust_tones(run);
    if (err == MR_OK)
        err = adjust_colours(run);
    return err != MR_OK || run->ops->vibrance == 0 ? err : vibrate(run);
}

/* Luminance from black over the colour to white; alpha says how much of it. */
int mr_run_mono(struct mr_run *run)
{
    const struct mr_image_colour *mono = &run->ops->mono;
    if (!mono->given)
        return MR_OK;
    const struct matrix grey = saturation(0);
    int err = recolour(run, &grey);
    if (err != MR_OK)
        return err;
    const uint8_t colour[3] = {mono->red, mono->green, mono->blue};
    uint8_t tables[256][3];
    for (int i = 0; i < 256; i++)
        for (int band = 0; band < 3; band++) {
            double tone = i < 128 ? colour[band] * i / 127.5 : 255 - (255 - colour[band]) * (255 - i) / 127.5;
            tables[i][band] = clamped(i + (tone - i) * mono->alpha / 255);
        }
    return map(run, tables);
}

/* Far blurs are made small: the image is shrunk first, and its size restored after. */
static VipsImage *blurred(VipsImage *in, double sigma)
{
    int shrink = MR_MAX((int)(sigma / 2), 1); /* leaves a sigma of 2 to 4 */
    int width = MR_MAX(in->Xsize / shrink, 1);
    int height = MR_MAX(in->Ysize / shrink, 1);
    VipsImage *soft = NULL;
    VipsImage *out = NULL;
    VipsImage *small = mr_image_resize_channels(in, in->Xsize, in->Ysize, width, height);
    if (small != NULL)
        soft = mr_image_blur_channels(small, sigma * width / in->Xsize, sigma * height / in->Ysize);
    if (soft != NULL)
        out = mr_image_resize_channels(soft, width, height, in->Xsize, in->Ysize);
    VIPS_UNREF(small);
    VIPS_UNREF(soft);
    return out;
}

static VipsImage *blurred_with_alpha(VipsImage *in, double sigma)
{
    VipsImage *out = NULL;
    VipsImage *premultiplied = mr_image_premultiply(in);
    VipsImage *soft = premultiplied == NULL ? NULL : blurred(premultiplied, sigma);
    if (soft != NULL)
        out = mr_image_unpremultiply(soft);
    VIPS_UNREF(premultiplied);
    VIPS_UNREF(soft);
    return out;
}

VipsImage *mr_run_blurred(VipsImage *in, double sigma)
{
    return vips_image_hasalpha(in) ? blurred_with_alpha(in, sigma) : blurred(in, sigma);
}

int mr_run_blur(struct mr_run *run)
{
    double sigma = run->ops->blur / 20;
    if (sigma == 0)
        return MR_OK;
    int err = mr_run_to_memory(run); /* it is read twice, and in strips of its own */
    if (err != MR_OK)
        return err;
    VipsImage *next = mr_run_blurred(run->image, sigma);
    run->in_memory = false;
    run->is_resampled = true;
    return mr_run_step(run, next == NULL, next);
}

/* A kernel of 3 x 3 that adds what differs from the neighbours; alpha apart. */
static int sharpen_colours(VipsImage *in, VipsImage **out, double amount)
{
    double a = amount / 8;
    VipsImage *kernel = vips_image_new_matrixv(3, 3, -a, -a, -a, -a, 1 + amount, -a, -a, -a, -a);
    if (kernel == NULL)
        return -1;
    VipsImage *sharp = NULL;
    int failed = vips_conv(in, &sharp, kernel, "precision", VIPS_PRECISION_FLOAT, NULL);
    g_object_unref(kernel);
    if (failed)
        return -1;
    failed = vips_linear1(sharp, out, 1.0, 0.5, "uchar", TRUE, NULL);
    g_object_unref(sharp);
    return failed;
}

int mr_run_sharpen(struct mr_run *run)
{
    if (run->ops->sharpness == 0)
        return MR_OK;
    int err = mr_run_to_memory(run);
    if (err != MR_OK)
        return err;
    VipsImage *colours = NULL, *alpha = NULL, *sharp = NULL, *next = NULL;
    bool has_alpha = run->image->Bands == 4;
    int failed = vips_extract_band(run->image, &colours, 0, "n", 3, NULL);
    failed = failed || sharpen_colours(colours, &sharp, run->ops->sharpness / 50);
    if (has_alpha) {
        failed = failed || vips_extract_band(run->image, &alpha, 3, NULL);
        failed = failed || vips_bandjoin2(sharp, alpha, &next, NULL);
    } else if (!failed) {
        next = sharp;
        sharp = NULL;
    }
    VIPS_UNREF(colours);
    VIPS_UNREF(alpha);
    VIPS_UNREF(sharp);
    run->in_memory = false;
    return mr_run_step(run, failed, next);
}

/* What differs from the surroundings, added; alpha apart. */
static VipsImage *unsharp(VipsImage *in, double amount, double radius)
{
    VipsImage *soft = mr_run_blurred(in, radius), *strong = NULL, *weak = NULL, *sum = NULL, *sharp = NULL;
    VipsImage *colours = NULL, *alpha = NULL, *out = NULL;
    int failed = soft == NULL || vips_linear1(in, &strong, 1 + amount, 0.5, NULL) ||
                 vips_linear1(soft, &weak, -amount, 0.0, NULL) || vips_add(strong, weak, &sum, NULL) ||
                 vips_cast_uchar(sum, &sharp, NULL);
    if (!failed && in->Bands == 4)
        failed = vips_extract_band(sharp, &colours, 0, "n", 3, NULL) || vips_extract_band(in, &alpha, 3, NULL) ||
                 vips_bandjoin2(colours, alpha, &out, NULL);
    else if (!failed)
        out = g_object_ref(sharp);
    VIPS_UNREF(soft);
    VIPS_UNREF(strong);
    VIPS_UNREF(weak);
    VIPS_UNREF(sum);
    VIPS_UNREF(sharp);
    VIPS_UNREF(colours);
    VIPS_UNREF(alpha);
    return failed ? NULL : out;
}

int mr_run_unsharp(struct mr_run *run)
{
    if (run->ops->unsharp == 0)
        return MR_OK;
    int err = mr_run_to_memory(run);
    if (err != MR_OK)
        return err;
    VipsImage *next = unsharp(run->image, run->ops->unsharp / 100, run->ops->unsharp_radius);
    run->in_memory = false;
    return mr_run_step(run, next == NULL, next);
}
