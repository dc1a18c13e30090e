/* photo_probe.h -- the least that making a JPEG smaller takes: libjpeg-turbo decodes to RGB at the last power of two at
 * or above the target, a separable Lanczos in plain C resizes, libjpeg-turbo encodes at quality 80 with optimised
 * coding. No limits, no cancel mark, no metadata; any error ends the program. What the image stage is measured against.
 */
#ifndef MR_TESTS_PERF_PHOTO_PROBE_H
#define MR_TESTS_PERF_PHOTO_PROBE_H

#include "base/macros.h"
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

struct probe_picture {
    uint32_t width, height;
    uint8_t *pixels; /* RGB */
};

struct probe_axis {
    uint32_t out, taps;
    uint32_t *first;
    float *weights;
};

static inline struct probe_picture probe_decode(const void *bytes, size_t len, uint32_t width)
{
    struct jpeg_error_mgr errors;
    struct jpeg_decompress_struct in = {.err = jpeg_std_error(&errors)};
    jpeg_create_decompress(&in);
    jpeg_mem_src(&in, bytes, (unsigned long)len);
    (void)jpeg_read_header(&in, TRUE);
    for (in.scale_denom = 8; in.scale_denom > 1 && in.image_width / in.scale_denom < width;)
        in.scale_denom /= 2;
    in.scale_num = 1;
    in.out_color_space = JCS_RGB;
    (void)jpeg_start_decompress(&in);
    struct probe_picture picture = {.width = in.output_width, .height = in.output_height};
    picture.pixels = malloc((size_t)3 * picture.width * picture.height);
    while (in.output_scanline < in.output_height) {
        JSAMPROW row = picture.pixels + (size_t)3 * picture.width * in.output_scanline;
        (void)jpeg_read_scanlines(&in, &row, 1);
    }
    (void)jpeg_finish_decompress(&in);
    jpeg_destroy_decompress(&in);
    return picture;
}

static inline double probe_kernel(double x)
{
    double p = M_PI * fabs(x);
    return p >= 3 * M_PI ? 0 : p < 1e-9 ? 1 : 3 * sin(p) * sin(p / 3) / (p * p);
}

static inline struct probe_axis probe_axis_make(uint32_t in, uint32_t out)
{
    double ratio = (double)in / out, stretch = MR_MAX(ratio, 1.0);
    struct probe_axis axis = {.out = out, .taps = MR_MIN((uint32_t)ceil(3 * stretch) * 2, in)};
    axis.first = malloc(sizeof(*axis.first) * out);
    axis.weights = malloc(sizeof(*axis.weights) * out * axis.taps);
    for (uint32_t i = 0; i < out; i++) {
        double centre = (i + 0.5) * ratio - 0.5, sum = 0;
        double first = MR_MAX(floor(centre) + 1 - axis.taps / 2, 0.0);
        float *weights = axis.weights + (size_t)i * axis.taps;
        axis.first[i] = (uint32_t)MR_MIN(first, (double)(in - axis.taps));
        for (uint32_t k = 0; k < axis.taps; k++)
            sum += weights[k] = (float)probe_kernel((axis.first[i] + k - centre) / stretch);
        for (uint32_t k = 0; k < axis.taps; k++)
            weights[k] = (float)(weights[k] / sum);
    }
    return axis;
}

static inline void probe_resize_row(uint8_t *out, const struct probe_axis *x, const float *line)
{
    for (uint32_t i = 0; i < x->out; i++) {
        const float *at = line + (size_t)3 * x->first[i], *weights = x->weights + (size_t)i * x->taps;
        float sum[3] = {0.5F, 0.5F, 0.5F};
        for (uint32_t k = 0; k < x->taps; k++)
            for (uint32_t band = 0; band < 3; band++)
                sum[band] += weights[k] * at[3 * k + band];
        for (uint32_t band = 0; band < 3; band++)
            out[3 * i + band] = (uint8_t)MR_MIN(MR_MAX(sum[band], 0.0F), 255.0F);
    }
}

static inline struct probe_picture probe_resize(struct probe_picture in, uint32_t width, uint32_t height)
{
    struct probe_axis x = probe_axis_make(in.width, width), y = probe_axis_make(in.height, height);
    struct probe_picture out = {.width = width, .height = height, .pixels = malloc((size_t)3 * width * height)};
    const size_t stride = (size_t)3 * in.width;
    float *line = malloc(sizeof(*line) * stride);
    for (uint32_t row = 0; row < height; row++) {
        memset(line, 0, sizeof(*line) * stride);
        for (uint32_t k = 0; k < y.taps; k++) {
            const uint8_t *from = in.pixels + (y.first[row] + k) * stride;
            float weight = y.weights[(size_t)row * y.taps + k];
            for (size_t i = 0; i < stride; i++)
                line[i] += weight * from[i];
        }
        probe_resize_row(out.pixels + (size_t)3 * width * row, &x, line);
    }
    free(line);
    free(x.first);
    free(x.weights);
    free(y.first);
    free(y.weights);
    free(in.pixels);
    return out;
}

/* The bytes are the caller's to free. */
static inline unsigned char *probe_encode(struct probe_picture picture, unsigned long *len)
{
    struct jpeg_error_mgr errors;
    struct jpeg_compress_struct out = {.err = jpeg_std_error(&errors)};
    unsigned char *bytes = NULL;
    jpeg_create_compress(&out);
    jpeg_mem_dest(&out, &bytes, len);
    out.image_width = picture.width;
    out.image_height = picture.height;
    out.input_components = 3;
    out.in_color_space = JCS_RGB;
    jpeg_set_defaults(&out);
    jpeg_set_quality(&out, 80, TRUE);
    out.optimize_coding = TRUE;
    jpeg_start_compress(&out, TRUE);
    while (out.next_scanline < out.image_height) {
        JSAMPROW row = picture.pixels + (size_t)3 * picture.width * out.next_scanline;
        (void)jpeg_write_scanlines(&out, &row, 1);
    }
    jpeg_finish_compress(&out);
    jpeg_destroy_compress(&out);
    free(picture.pixels);
    return bytes;
}

/* A JPEG of `width` px, with the proportions of the one that is given. */
static inline unsigned char *probe_run(const void *bytes, size_t len, uint32_t width, unsigned long *out_len)
{
    struct probe_picture in = probe_decode(bytes, len, width);
    uint32_t height = (uint32_t)MR_MAX(lround((double)in.height * width / in.width), 1);
    return probe_encode(probe_resize(in, width, height), out_len);
}

#endif
