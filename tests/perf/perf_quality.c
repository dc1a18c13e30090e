/* perf_quality -- how much like its original a picture is after it was encoded, and in how many bytes.
 *
 *      perf_quality encoders PICTURE        jpg, webp, avif and, where libvips has it, jxl as the image stage calls
 *                                           them, by their own numbers
 *      perf_quality stage PICTURE QUERY     the image stage, by q from 30 to 90
 *      perf_quality files PICTURE FILE...   files that others made of it
 *
 * Writes lines {"name": "webp", "q": N, "bytes": N, "ssim": N, "colours": N} to standard output: the mean SSIM (Wang et
 * al. 2004: a Gaussian of 1.5 px, 11 wide) of luminance, and that of Cb and Cr. PICTURE is 8-bit sRGB, without loss.
 * script/bench quality runs it. */
#include "base/macros.h"
#include "media/image/effort.h"
#include "media/image/image.h"
#include "media/image/image_setup.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>

enum { RADIUS = 5, TAPS = 2 * RADIUS + 1, PLANES = 3 };

struct picture {
    int width, height;
    float *planes[PLANES]; /* Y, Cb, Cr: 0 to 255 */
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "perf_quality: %s: %s\n", what, why);
    exit(1);
}

static float *floats(size_t count)
{
    float *made = malloc(count * sizeof(*made));
    if (made == NULL)
        die("malloc", "no memory");
    return made;
}

/* The image's reference is taken. */
static struct picture picture_of(VipsImage *image)
{
    static const float weights[PLANES][3] = {
        {0.299F, 0.587F, 0.114F}, {-0.1687F, -0.3313F, 0.5F}, {0.5F, -0.4187F, -0.0813F}};
    size_t len;
    if (image == NULL || image->Bands < 3 || image->BandFmt != VIPS_FORMAT_UCHAR)
        die("picture", "is not 8-bit RGB");
    struct picture out = {.width = image->Xsize, .height = image->Ysize};
    size_t count = (size_t)out.width * (size_t)out.height, bands = (size_t)image->Bands;
    uint8_t *pixels = vips_image_write_to_memory(image, &len);
    for (int plane = 0; plane < PLANES; plane++) {
        const float *weight = weights[plane];
        out.planes[plane] = floats(count);
        for (size_t i = 0; i < count; i++) {
            const uint8_t *at = pixels + i * bands;
            out.planes[plane][i] = weight[0] * (float)at[0] + weight[1] * (float)at[1] + weight[2] * (float)at[2];
        }
    }
    g_free(pixels);
    g_object_unref(image);
    return out;
}

static void picture_free(struct picture *picture)
{
    for (int plane = 0; plane < PLANES; plane++)
        free(picture->planes[plane]);
}

static void fill_kernel(float kernel[TAPS])
{
    float sum = 0;
    for (int i = 0; i < TAPS; i++)
        sum += kernel[i] = expf(-(float)((i - RADIUS) * (i - RADIUS)) / (2 * 1.5F * 1.5F));
    for (int i = 0; i < TAPS; i++)
        kernel[i] /= sum;
}

/* Blurred where the whole kernel lies inside; the rest of `out` is not written. */
static void blur(float *out, float *lines, const float *in, int width, int height)
{
    float kernel[TAPS];
    fill_kernel(kernel);
    for (int y = 0; y < height; y++)
        for (int x = RADIUS; x < width - RADIUS; x++) {
            const float *at = in + (ptrdiff_t)y * width + x - RADIUS;
            float sum = 0;
            for (int i = 0; i < TAPS; i++)
                sum += at[i] * kernel[i];
            lines[(ptrdiff_t)y * width + x] = sum;
        }
    for (int y = RADIUS; y < height - RADIUS; y++)
        for (int x = RADIUS; x < width - RADIUS; x++) {
            const float *at = lines + (ptrdiff_t)(y - RADIUS) * width + x;
            float sum = 0;
            for (int i = 0; i < TAPS; i++)
                sum += at[(ptrdiff_t)i * width] * kernel[i];
            out[(ptrdiff_t)y * width + x] = sum;
        }
}

static void blur_product(float *out, float *scraps[2], const float *a, const float *b, int width, int height)
{
    for (size_t i = 0; i < (size_t)width * (size_t)height; i++)
        scraps[0][i] = a[i] * b[i];
    blur(out, scraps[1], scraps[0], width, height);
}

static double ssim_of_plane(const float *a, const float *b, int width, int height)
{
    enum { MEAN_A, MEAN_B, AA, BB, AB, SCRAP, MORE, BUFFERS };
    const float c1 = 0.01F * 255 * 0.01F * 255, c2 = 0.03F * 255 * 0.03F * 255;
    float *at[BUFFERS];
    double sum = 0;
    for (int i = 0; i < BUFFERS; i++)
        at[i] = floats((size_t)width * (size_t)height);
    blur(at[MEAN_A], at[SCRAP], a, width, height);
    blur(at[MEAN_B], at[SCRAP], b, width, height);
    blur_product(at[AA], &at[SCRAP], a, a, width, height);
    blur_product(at[BB], &at[SCRAP], b, b, width, height);
    blur_product(at[AB], &at[SCRAP], a, b, width, height);
    for (int y = RADIUS; y < height - RADIUS; y++)
        for (int x = RADIUS; x < width - RADIUS; x++) {
            size_t i = (size_t)y * (size_t)width + (size_t)x;
            float mean_a = at[MEAN_A][i], mean_b = at[MEAN_B][i], product = mean_a * mean_b;
            float squares = mean_a * mean_a + mean_b * mean_b;
            sum += (2 * product + c1) * (2 * (at[AB][i] - product) + c2) /
                   ((squares + c1) * (at[AA][i] + at[BB][i] - squares + c2));
        }
    for (int i = 0; i < BUFFERS; i++)
        free(at[i]);
    return sum / ((double)(width - 2 * RADIUS) * (height - 2 * RADIUS));
}

static void report(const char *name, int q, const struct picture *original, const void *bytes, size_t len)
{
    struct picture made = picture_of(vips_image_new_from_buffer(bytes, len, "", NULL));
    double ssim[PLANES];
    if (made.width != original->width || made.height != original->height)
        die(name, "is of another size");
    for (int plane = 0; plane < PLANES; plane++)
        ssim[plane] = ssim_of_plane(original->planes[plane], made.planes[plane], made.width, made.height);
    printf("{\"name\": \"%s\", \"q\": %d, \"bytes\": %zu, \"ssim\": %.6f, \"colours\": %.6f}\n", name, q, len, ssim[0],
           (ssim[1] + ssim[2]) / 2);
    fflush(stdout);
    picture_free(&made);
}

/* libjxl knows no coarser one: below it libvips 8.14 asks for more than it takes, and gets its default, near 90. */
#define JXL_LEAST 5

static const int numbers[] = {1, 10, 20, 30, 40, 50, 60, 70, 80, 85, 90, 95, 100};

/* The options of the image stage, but for the number: libvips' own AVIF has the same bytes. */
static int encode(VipsImage *image, enum mr_image_format format, int q, void **bytes, size_t *len)
{
    struct mr_image_ops ops;
    mr_image_ops_init(&ops);
    int effort = mr_effort_level(format, &ops, 0);
    switch (format) {
    case MR_IMAGE_JPEG:
        return vips_jpegsave_buffer(image, bytes, len, "Q", q, "optimize_coding", TRUE, "subsample_mode",
                                    VIPS_FOREIGN_SUBSAMPLE_ON, "strip", TRUE, NULL);
    case MR_IMAGE_WEBP:
        return vips_webpsave_buffer(image, bytes, len, "Q", q, "effort", effort, "strip", TRUE, NULL);
    case MR_IMAGE_JXL:
        return vips_jxlsave_buffer(image, bytes, len, "Q", q, "effort", effort, "strip", TRUE, NULL);
    default:
        return vips_heifsave_buffer(image, bytes, len, "compression", VIPS_FOREIGN_HEIF_COMPRESSION_AV1, "Q", q,
                                    "bitdepth", 8, "subsample_mode", VIPS_FOREIGN_SUBSAMPLE_ON, "effort", effort,
                                    "strip", TRUE, NULL);
    }
}

static void run_encoders(VipsImage *image, const struct picture *original)
{
    static const enum mr_image_format formats[] = {MR_IMAGE_JPEG, MR_IMAGE_WEBP, MR_IMAGE_AVIF, MR_IMAGE_JXL};
    for (size_t i = 0; i < MR_ARRAY_SIZE(numbers) * MR_ARRAY_SIZE(formats); i++) {
        enum mr_image_format format = formats[i % MR_ARRAY_SIZE(formats)];
        int q = MR_MAX(numbers[i / MR_ARRAY_SIZE(formats)], format == MR_IMAGE_JXL ? JXL_LEAST : 1);
        void *bytes;
        size_t len;
        if (!mr_image_can_write(format))
            continue;
        if (encode(image, format, q, &bytes, &len))
            die(mr_image_extension(format), vips_error_buffer());
        report(mr_image_extension(format), q, original, bytes, len);
        g_free(bytes);
    }
}

/* Only those around sharp's. */
static void run_stage(const char *path, const char *query, const struct picture *original)
{
    static const struct mr_image_limits limits = {.pixels = 100000000, .frames = 1};
    char *bytes;
    gsize len;
    if (!g_file_get_contents(path, &bytes, &len, NULL))
        die(path, "cannot be read");
    for (int q = 30; q <= 95; q += 10) {
        struct mr_image_ops ops;
        struct mr_image_result result;
        struct mr_fault fault = {0};
        mr_image_ops_init(&ops);
        for (struct mr_slice rest = mr_slice_of(query); rest.at != NULL && rest.len > 0;) {
            struct mr_slice value = mr_slice_cut(&rest, '&'), name = mr_slice_cut(&value, '=');
            if (mr_image_ops_set(&ops, name, value, &fault) != MR_OK)
                die(query, fault.detail);
        }
        ops.quality = q;
        if (mr_image_run(&result, &ops, bytes, len, &limits, NULL, &fault) != MR_OK)
            die(query, fault.detail);
        report(query, q, original, result.bytes, result.len);
        mr_image_result_free(&result);
    }
    g_free(bytes);
}

static void run_files(char **paths, const struct picture *original)
{
    for (; *paths != NULL; paths++) {
        char *bytes;
        gsize len;
        if (!g_file_get_contents(*paths, &bytes, &len, NULL))
            die(*paths, "cannot be read");
        report(*paths, 0, original, bytes, len);
        g_free(bytes);
    }
}

int main(int argc, char **argv)
{
    if (argc < 3 || mr_image_setup() != MR_OK)
        die("usage", "perf_quality encoders|stage|files PICTURE [QUERY|FILE...]");
    vips_operation_block_set("VipsForeignLoadJxl", FALSE); /* the stage reads none */
    VipsImage *image = vips_image_new_from_file(argv[2], "access", VIPS_ACCESS_RANDOM, NULL);
    if (image == NULL)
        die(argv[2], vips_error_buffer());
    g_object_ref(image);
    struct picture original = picture_of(image);
    if (strcmp(argv[1], "encoders") == 0)
        run_encoders(image, &original);
    else if (strcmp(argv[1], "stage") == 0 && argc == 4)
        run_stage(argv[2], argv[3], &original);
    else
        run_files(argv + 3, &original);
    picture_free(&original);
    g_object_unref(image);
    mr_image_teardown();
    return 0;
}
