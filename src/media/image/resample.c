/* DESIGN: weights have 14 fractional bits, a line between the two passes 6: every product of two 16-bit numbers and the
 * sum of all of them stays in 32 bits (Lanczos3's weights sum to less than 1.5 in absolute value). On x86 both passes
 * work on pairs of weights with SSE2's multiply-and-add, which every x86-64 has; elsewhere plain loops do the same
 * sums, to the bit. */
#include "media/image/resample.h"

#include "base/assert.h"
#include "base/macros.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { WEIGHT_BITS = 14, LINE_BITS = 6, DOWN_BITS = WEIGHT_BITS - LINE_BITS, UP_BITS = WEIGHT_BITS + LINE_BITS };
static const double support = 3.0;

/* An angle that is turned on by steps: a sine costs more than all else of a weight. */
struct turning {
    double sine, cosine, step_sine, step_cosine;
};

static struct turning turning_of(double angle, double step)
{
    return (struct turning){sin(angle), cos(angle), sin(step), cos(step)};
}

static void turn_on(struct turning *turning)
{
    double sine = turning->sine * turning->step_cosine + turning->cosine * turning->step_sine;
    turning->cosine = turning->cosine * turning->step_cosine - turning->sine * turning->step_sine;
    turning->sine = sine;
}

/* Lanczos3 at `from`, from + step ... */
static void lanczos3(double *weights, uint32_t count, double from, double step)
{
    struct turning whole = turning_of(M_PI * from, M_PI * step);
    struct turning third = turning_of(M_PI * from / support, M_PI * step / support);
    for (uint32_t k = 0; k < count; k++, turn_on(&whole), turn_on(&third)) {
        double x = from + k * step, p = M_PI * x;
        if (fabs(x) < 1e-6)
            weights[k] = 1;
        else
            weights[k] = fabs(x) >= support ? 0 : support * whole.sine * third.sine / (p * p);
    }
}

/* Round the weights to fixed point so that their sum is exactly one: the rounding error goes to the largest. */
static void fix_weights(int16_t *out, const double *weights, uint32_t taps)
{
    double sum = 0;
    for (uint32_t k = 0; k < taps; k++)
        sum += weights[k];
    int32_t left = MR_RESAMPLE_ONE;
    uint32_t largest = 0;
    for (uint32_t k = 0; k < taps; k++) {
        out[k] = (int16_t)lround(weights[k] / sum * MR_RESAMPLE_ONE);
        left -= out[k];
        if (out[k] > out[largest])
            largest = k;
    }
    out[largest] = (int16_t)(out[largest] + left);
}

int mr_resample_axis_make(struct mr_resample_axis *axis, uint32_t in, double span, uint32_t out)
{
    return mr_resample_axis_make_part(axis, in, span, out, 0, out);
}

int mr_resample_axis_make_part(struct mr_resample_axis *axis, uint32_t in, double span, uint32_t out, uint32_t from,
                               uint32_t count)
{
    MR_ASSERT(count > 0 && from < out && count <= out - from);
    return mr_resample_axis_make_grid(
        axis, in, span, &(struct mr_resample_grid){.whole = out, .from = from, .step = 1, .count = count});
}

int mr_resample_axis_make_grid(struct mr_resample_axis *axis, uint32_t in, double span,
                               const struct mr_resample_grid *grid)
{
    MR_ASSERT(in > 0 && grid->count > 0 && span > in - 1.0 && span < in + 1.0);
    double ratio = span / grid->whole;
    double stretch = MR_MAX(ratio * fabs(grid->step), 1.0);
    uint32_t window = MR_MIN((uint32_t)ceil(support * stretch) * 2, in); /* positions with a weight */
    uint32_t taps = window + (window & 1);
    double *weights = malloc(sizeof(*weights) * window);
    *axis = (struct mr_resample_axis){.in = in, .out = grid->count, .taps = taps};
    axis->first = malloc(sizeof(*axis->first) * grid->count);
    axis->weights = calloc((size_t)grid->count * taps, sizeof(*axis->weights));
    if (weights == NULL || axis->first == NULL || axis->weights == NULL) {
        free(weights);
        mr_resample_axis_free(axis);
        return MR_EMEMORY;
    }
    for (uint32_t i = 0; i < grid->count; i++) {
        double centre = (grid->from + ((double)i + 0.5) * grid->step) * ratio - 0.5;
        double first = MR_MAX(floor(centre) + 1 - (double)(window >> 1), 0.0);
        axis->first[i] = (uint32_t)MR_MIN(first, (double)(in - window));
        lanczos3(weights, window, ((double)axis->first[i] - centre) / stretch, 1 / stretch);
        fix_weights(axis->weights + (size_t)i * taps, weights, window);
    }
    free(weights);
    return MR_OK;
}

/* The sum and the variance of a Gaussian that is taken at whole positions. */
static double sampled_variance(double sigma, int radius, double *sum)
{
    double variance = 0;
    *sum = 0;
    for (int x = -radius; x <= radius; x++) {
        double weight = exp(-x * x / (2 * sigma * sigma));
        *sum += weight;
        variance += weight * x * x;
    }
    return variance / *sum;
}

/* A small Gaussian that is taken at whole positions is narrower than itself: the one that comes out as wide as wanted.
 */
static double sampled_sigma(double wanted, int radius)
{
    double low = 0.01, high = 2 * wanted + 0.5, sum;
    for (int i = 0; i < 50; i++) {
        double middle = (low + high) / 2;
        if (sampled_variance(middle, radius, &sum) < wanted * wanted)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

int mr_resample_axis_blur(struct mr_resample_axis *axis, uint32_t in, double sigma)
{
    MR_ASSERT(in > 0 && sigma > 0);
    int radius = (int)ceil(4 * sigma);
    uint32_t window = MR_MIN(2 * (uint32_t)radius + 1, in), taps = window + (window & 1);
    double *weights = malloc(sizeof(*weights) * window);
    *axis = (struct mr_resample_axis){.in = in, .out = in, .taps = taps};
    axis->first = malloc(sizeof(*axis->first) * in);
    axis->weights = calloc((size_t)in * taps, sizeof(*axis->weights));
    if (weights == NULL || axis->first == NULL || axis->weights == NULL) {
        free(weights);
        mr_resample_axis_free(axis);
        return MR_EMEMORY;
    }
    sigma = sampled_sigma(sigma, radius);
    for (int64_t i = 0; i < in; i++) {
        int64_t first = MR_MIN(MR_MAX(i - radius, 0), (int64_t)(in - window));
        axis->first[i] = (uint32_t)first;
        memset(weights, 0, sizeof(*weights) * window);
        for (int64_t x = i - radius; x <= i + radius; x++)
            weights[MR_MIN(MR_MAX(x, 0), (int64_t)in - 1) - first] +=
                exp(-(double)((x - i) * (x - i)) / (2 * sigma * sigma));
        fix_weights(axis->weights + (size_t)i * taps, weights, window);
    }
    free(weights);
    return MR_OK;
}

void mr_resample_axis_free(struct mr_resample_axis *axis)
{
    free(axis->first);
    free(axis->weights);
    axis->first = NULL;
    axis->weights = NULL;
}

void mr_resample_needs(const struct mr_resample_axis *axis, uint32_t from_out, uint32_t to_out, uint32_t *from,
                       uint32_t *to)
{
    MR_ASSERT(from_out < to_out && to_out <= axis->out);
    uint32_t one = axis->first[from_out], other = axis->first[to_out - 1];
    *from = MR_MIN(one, other);
    *to = MR_MIN(MR_MAX(one, other) + axis->taps, axis->in);
}

static void vertical_plain(int16_t *line, const int16_t *weights, uint32_t taps, const uint8_t *rows, size_t stride,
                           size_t count)
{
    for (size_t x = 0; x < count; x++) {
        int32_t sum = 1 << (DOWN_BITS - 1);
        for (uint32_t k = 0; k < taps; k++)
            sum += rows[k * stride + x] * weights[k];
        sum >>= DOWN_BITS;
        line[x] = (int16_t)MR_MAX(MR_MIN(sum, INT16_MAX), INT16_MIN);
    }
}

#ifdef __SSE2__

/* Two weights beside each other, as many times as fit. */
static inline __m128i weight_pair(const int16_t *weights)
{
    int32_t pair;
    memcpy(&pair, weights, sizeof(pair));
    return _mm_set1_epi32(pair);
}

/* Sixteen values of the line: from two rows at a time, their bytes interleaved. */
static inline void vertical_16(int16_t *line, const int16_t *weights, uint32_t taps, const uint8_t *rows, size_t stride)
{
    const __m128i zero = _mm_setzero_si128();
    const __m128i half = _mm_set1_epi32(1 << (DOWN_BITS - 1));
    __m128i sum[4] = {half, half, half, half};
    for (uint32_t k = 0; k < taps; k += 2, rows += 2 * stride) {
        __m128i pair = weight_pair(weights + k);
        __m128i even = _mm_loadu_si128((const __m128i *)(const void *)rows);
        __m128i odd = _mm_loadu_si128((const __m128i *)(const void *)(rows + stride));
        __m128i low = _mm_unpacklo_epi8(even, odd);
        __m128i high = _mm_unpackhi_epi8(even, odd);
        sum[0] = _mm_add_epi32(sum[0], _mm_madd_epi16(_mm_unpacklo_epi8(low, zero), pair));
        sum[1] = _mm_add_epi32(sum[1], _mm_madd_epi16(_mm_unpackhi_epi8(low, zero), pair));
        sum[2] = _mm_add_epi32(sum[2], _mm_madd_epi16(_mm_unpacklo_epi8(high, zero), pair));
        sum[3] = _mm_add_epi32(sum[3], _mm_madd_epi16(_mm_unpackhi_epi8(high, zero), pair));
    }
    for (int i = 0; i < 4; i += 2) {
        __m128i values = _mm_packs_epi32(_mm_srai_epi32(sum[i], DOWN_BITS), _mm_srai_epi32(sum[i + 1], DOWN_BITS));
        _mm_storeu_si128((__m128i *)(void *)(line + (ptrdiff_t)4 * i), values);
    }
}

void mr_resample_vertical(int16_t *line, const struct mr_resample_axis *axis, uint32_t y, const uint8_t *rows,
                          size_t stride, size_t count)
{
    const int16_t *weights = axis->weights + (size_t)y * axis->taps;
    /* The row that pads an odd number may not be there; its weight is 0. */
    uint32_t taps = axis->first[y] + axis->taps > axis->in ? axis->in - axis->first[y] : axis->taps;
    size_t x = 0;
    if (taps % 2 == 0)
        for (; x + 16 <= count; x += 16)
            vertical_16(line + x, weights, taps, rows + x, stride);
    vertical_plain(line + x, weights, taps, rows + x, stride, count - x);
}

/* Four neighbouring 16-bit values, of which the first `bands` count: one output position at once. */
static inline __m128i load_4(const int16_t *at)
{
    return _mm_loadl_epi64((const __m128i *)(const void *)at);
}

/* The same of two. */
static inline __m128i load_2(const int16_t *at)
{
    int32_t pair;
    memcpy(&pair, at, sizeof(pair));
    return _mm_cvtsi32_si128(pair);
}

static inline void horizontal_4(uint8_t *out, const int16_t *at, const int16_t *weights, uint32_t taps, uint32_t bands)
{
    __m128i sum = _mm_set1_epi32(1 << (UP_BITS - 1));
    for (uint32_t k = 0; k < taps; k += 2, at += 2 * (size_t)bands) {
        __m128i both = _mm_unpacklo_epi16(load_4(at), load_4(at + bands));
        sum = _mm_add_epi32(sum, _mm_madd_epi16(both, weight_pair(weights + k)));
    }
    __m128i values = _mm_packs_epi32(_mm_srai_epi32(sum, UP_BITS), sum);
    int32_t bytes = _mm_cvtsi128_si32(_mm_packus_epi16(values, values));
    memcpy(out, &bytes, bands);
}

/* Of one channel: the sum of an output position in four parts. The weights of a position end where those of the next
 * one begin, so what is left of them after whole eights is read in parts. */
static inline __m128i plane_sum(const int16_t *at, const int16_t *weights, uint32_t taps)
{
    __m128i sum = _mm_setzero_si128();
    uint32_t k = 0;
    for (; k + 8 <= taps; k += 8)
        sum = _mm_add_epi32(sum, _mm_madd_epi16(_mm_loadu_si128((const __m128i *)(const void *)(at + k)),
                                                _mm_loadu_si128((const __m128i *)(const void *)(weights + k))));
    if (k + 4 <= taps) {
        sum = _mm_add_epi32(sum, _mm_madd_epi16(load_4(at + k), load_4(weights + k)));
        k += 4;
    }
    if (k < taps)
        sum = _mm_add_epi32(sum, _mm_madd_epi16(load_2(at + k), load_2(weights + k)));
    return sum;
}

/* Four output positions of one channel. */
static inline void plane_4(uint8_t *out, const struct mr_resample_axis *axis, uint32_t i, const int16_t *line,
                           uint32_t line_from)
{
    __m128i sum[4];
    for (uint32_t j = 0; j < 4; j++)
        sum[j] = plane_sum(line + (axis->first[i + j] - line_from), axis->weights + (size_t)(i + j) * axis->taps,
                           axis->taps);
    __m128i low = _mm_add_epi32(_mm_unpacklo_epi32(sum[0], sum[1]), _mm_unpackhi_epi32(sum[0], sum[1]));
    __m128i high = _mm_add_epi32(_mm_unpacklo_epi32(sum[2], sum[3]), _mm_unpackhi_epi32(sum[2], sum[3]));
    __m128i all = _mm_add_epi32(_mm_unpacklo_epi64(low, high), _mm_unpackhi_epi64(low, high));
    all = _mm_srai_epi32(_mm_add_epi32(all, _mm_set1_epi32(1 << (UP_BITS - 1))), UP_BITS);
    __m128i values = _mm_packs_epi32(all, all);
    int32_t bytes = _mm_cvtsi128_si32(_mm_packus_epi16(values, values));
    memcpy(out, &bytes, sizeof(bytes));
}

static void plane_row(uint8_t *out, const struct mr_resample_axis *axis, uint32_t from, uint32_t to,
                      const int16_t *line, uint32_t line_from)
{
    for (; to - from >= 4; from += 4, out += 4)
        plane_4(out, axis, from, line, line_from);
    for (; from < to; from++, out++)
        horizontal_4(out, line + (axis->first[from] - line_from), axis->weights + (size_t)from * axis->taps, axis->taps,
                     1);
}

/* `bands` is a constant where this is called, and the copy above one or two instructions. */
static inline void horizontal_row(uint8_t *out, const struct mr_resample_axis *axis, uint32_t from, uint32_t to,
                                  const int16_t *line, uint32_t line_from, uint32_t bands)
{
    for (uint32_t i = from; i < to; i++, out += bands)
        horizontal_4(out, line + (size_t)(axis->first[i] - line_from) * bands, axis->weights + (size_t)i * axis->taps,
                     axis->taps, bands);
}

void mr_resample_horizontal(uint8_t *out, const struct mr_resample_axis *axis, uint32_t from, uint32_t to,
                            const int16_t *line, uint32_t line_from, uint32_t bands)
{
    MR_ASSERT(bands >= 1 && bands <= 4 && to <= axis->out);
    if (bands == 1)
        plane_row(out, axis, from, to, line, line_from);
    else if (bands == 2)
        horizontal_row(out, axis, from, to, line, line_from, 2);
    else if (bands == 3)
        horizontal_row(out, axis, from, to, line, line_from, 3);
    else
        horizontal_row(out, axis, from, to, line, line_from, 4);
}

#else

void mr_resample_vertical(int16_t *line, const struct mr_resample_axis *axis, uint32_t y, const uint8_t *rows,
                          size_t stride, size_t count)
{
    uint32_t taps = axis->first[y] + axis->taps > axis->in ? axis->in - axis->first[y] : axis->taps;
    vertical_plain(line, axis->weights + (size_t)y * axis->taps, taps, rows, stride, count);
}

static uint8_t horizontal_one(const int16_t *at, const int16_t *weights, uint32_t taps, uint32_t bands)
{
    int32_t sum = 1 << (UP_BITS - 1);
    for (uint32_t k = 0; k < taps; k++)
        sum += at[(size_t)k * bands] * weights[k];
    sum >>= UP_BITS;
    return (uint8_t)MR_MAX(MR_MIN(sum, UINT8_MAX), 0);
}

void mr_resample_horizontal(uint8_t *out, const struct mr_resample_axis *axis, uint32_t from, uint32_t to,
                            const int16_t *line, uint32_t line_from, uint32_t bands)
{
    MR_ASSERT(bands >= 1 && bands <= 4 && to <= axis->out);
    for (uint32_t i = from; i < to; i++, out += bands) {
        const int16_t *at = line + (size_t)(axis->first[i] - line_from) * bands;
        for (uint32_t band = 0; band < bands; band++)
            out[band] = horizontal_one(at + band, axis->weights + (size_t)i * axis->taps, axis->taps, bands);
    }
}

#endif

void mr_resample_vertical_real(float *line, const struct mr_resample_axis *axis, uint32_t y, const float *rows,
                               size_t stride, size_t count)
{
    const int16_t *weights = axis->weights + (size_t)y * axis->taps;
    uint32_t taps = MR_MIN(axis->taps, axis->in - axis->first[y]);
    memset(line, 0, count * sizeof(*line));
    for (uint32_t k = 0; k < taps; k++) {
        const float *row = rows + k * stride, weight = (float)weights[k] / MR_RESAMPLE_ONE;
        for (size_t x = 0; x < count; x++)
            line[x] += row[x] * weight;
    }
}

void mr_resample_horizontal_real(float *out, const struct mr_resample_axis *axis, uint32_t from, uint32_t to,
                                 const float *line, uint32_t line_from, uint32_t bands)
{
    MR_ASSERT(bands >= 1 && to <= axis->out);
    for (uint32_t i = from; i < to; i++, out += bands) {
        const int16_t *weights = axis->weights + (size_t)i * axis->taps;
        const float *at = line + (size_t)(axis->first[i] - line_from) * bands;
        uint32_t taps = MR_MIN(axis->taps, axis->in - axis->first[i]);
        for (uint32_t band = 0; band < bands; band++) {
            float sum = 0;
            for (uint32_t k = 0; k < taps; k++)
                sum += at[(size_t)k * bands + band] * (float)weights[k];
            out[band] = sum / MR_RESAMPLE_ONE;
        }
    }
}
