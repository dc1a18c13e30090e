#include "base/macros.h"
#include "media/image/resample.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Resize a whole image with the two passes, as the pipeline does by strips. */
static uint8_t *resized(const uint8_t *in, uint32_t width, uint32_t height, uint32_t bands, uint32_t out_width,
                        uint32_t out_height)
{
    struct mr_resample_axis x, y;
    assert_int_equal(mr_resample_axis_make(&x, width, width, out_width), MR_OK);
    assert_int_equal(mr_resample_axis_make(&y, height, height, out_height), MR_OK);
    int16_t *line = calloc(mr_resample_line_len(width, bands), sizeof(*line));
    uint8_t *out = malloc((size_t)out_width * out_height * bands);
    assert_true(line != NULL && out != NULL);
    size_t stride = (size_t)width * bands;
    for (uint32_t row = 0; row < out_height; row++) {
        mr_resample_vertical(line, &y, row, in + y.first[row] * stride, stride, stride);
        mr_resample_horizontal(out + (size_t)row * out_width * bands, &x, 0, out_width, line, 0, bands);
    }
    free(line);
    mr_resample_axis_free(&x);
    mr_resample_axis_free(&y);
    return out;
}

static double kernel(double x)
{
    if (fabs(x) < 1e-9)
        return 1;
    return fabs(x) >= 3 ? 0 : 3 * sin(M_PI * x) * sin(M_PI * x / 3) / (M_PI * M_PI * x * x);
}

/* The definition, in doubles: a sample at (x, y) of the output from all of the input. */
static double reference(const uint8_t *in, const uint32_t size[2], uint32_t bands, uint32_t band, const double at[2],
                        const double stretch[2])
{
    double sum = 0, all = 0;
    for (uint32_t y = 0; y < size[1]; y++) {
        double weight_y = kernel((y - at[1]) / stretch[1]);
        for (uint32_t x = 0; weight_y != 0 && x < size[0]; x++) {
            double weight = weight_y * kernel((x - at[0]) / stretch[0]);
            sum += weight * in[(y * size[0] + x) * bands + band];
            all += weight;
        }
    }
    return fmin(fmax(sum / all, 0), 255);
}

static double psnr_of(uint32_t width, uint32_t height, uint32_t bands, uint32_t out_width, uint32_t out_height)
{
    uint8_t *in = malloc((size_t)width * height * bands);
    assert_non_null(in);
    for (uint32_t i = 0; i < width * height * bands; i++) /* smooth, with an edge and some noise */
        in[i] = (uint8_t)(100 + 80 * sin(i * 0.01) + (i % (width * bands) > width ? 40 : 0) + (i * 7919 >> 5) % 16);
    uint8_t *out = resized(in, width, height, bands, out_width, out_height);
    const double ratio[2] = {(double)width / out_width, (double)height / out_height};
    const double stretch[2] = {fmax(ratio[0], 1), fmax(ratio[1], 1)};
    const uint32_t size[2] = {width, height};
    double error = 0;
    for (uint32_t i = 0; i < out_width * out_height; i++) {
        const uint32_t row = i / out_width;
        const double at[2] = {(i % out_width + 0.5) * ratio[0] - 0.5, (row + 0.5) * ratio[1] - 0.5};
        for (uint32_t band = 0; band < bands; band++) {
            double difference = out[i * bands + band] - reference(in, size, bands, band, at, stretch);
            error += difference * difference;
        }
    }
    free(in);
    free(out);
    return 10 * log10(255.0 * 255.0 / (error / (out_width * out_height * bands) + 1e-12));
}

static void result_is_that_of_the_definition_in_doubles(void **state)
{
    (void)state;
    static const uint32_t cases[][4] = {{97, 61, 40, 25}, {64, 64, 63, 65}, {50, 40, 120, 90}, {33, 100, 33, 17},
                                        {100, 7, 13, 3},  {5, 5, 1, 1},     {3, 2, 9, 9}};
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++)
        for (uint32_t bands = 1; bands <= 4; bands++) {
            double psnr = psnr_of(cases[i][0], cases[i][1], bands, cases[i][2], cases[i][3]);
            if (psnr < 50)
                fail_msg("case %zu with %u bands: %.1f dB", i, bands, psnr);
        }
}

static void plain_area_stays_exactly_as_it_is(void **state)
{
    (void)state;
    uint8_t in[40 * 30 * 3];
    for (int value = 0; value < 256; value += 15) {
        memset(in, value, sizeof(in));
        uint8_t *out = resized(in, 40, 30, 3, 57, 11);
        for (size_t i = 0; i < (size_t)57 * 11 * 3; i++)
            assert_int_equal(out[i], value);
        free(out);
    }
}

static void same_size_gives_the_same_pixels(void **state)
{
    (void)state;
    uint8_t in[31 * 17];
    for (size_t i = 0; i < sizeof(in); i++)
        in[i] = (uint8_t)(i * 73);
    uint8_t *out = resized(in, 31, 17, 1, 31, 17);
    assert_memory_equal(in, out, sizeof(in));
    free(out);
}

static void weights_of_each_position_sum_to_one(void **state)
{
    (void)state;
    static const uint32_t sizes[][2] = {{1, 1}, {1, 50}, {50, 1}, {2, 7}, {7, 2}, {1000, 333}, {333, 1000}};
    for (size_t i = 0; i < MR_ARRAY_SIZE(sizes); i++) {
        struct mr_resample_axis axis;
        assert_int_equal(mr_resample_axis_make(&axis, sizes[i][0], sizes[i][0], sizes[i][1]), MR_OK);
        assert_int_equal(axis.taps % 2, 0);
        for (uint32_t at = 0; at < axis.out; at++) {
            int sum = 0;
            for (uint32_t k = 0; k < axis.taps; k++)
                sum += axis.weights[at * axis.taps + k];
            assert_int_equal(sum, MR_RESAMPLE_ONE);
            assert_true(axis.first[at] < axis.in);
            assert_true(at == 0 || axis.first[at] >= axis.first[at - 1]);
        }
        mr_resample_axis_free(&axis);
    }
}

static void needs_stay_inside_the_input(void **state)
{
    (void)state;
    struct mr_resample_axis axis;
    assert_int_equal(mr_resample_axis_make(&axis, 101, 101.6, 40), MR_OK);
    uint32_t from, to;
    mr_resample_needs(&axis, 0, 40, &from, &to);
    assert_int_equal(from, 0);
    assert_int_equal(to, 101);
    mr_resample_needs(&axis, 20, 21, &from, &to);
    assert_true(from < 51 && to > 51 && to - from == axis.taps);
    mr_resample_axis_free(&axis);
}

/* A part of a row, from a line that starts further in, is that part of the whole row. */
static void part_of_a_row_is_that_part_of_the_whole(void **state)
{
    (void)state;
    struct mr_resample_axis axis;
    assert_int_equal(mr_resample_axis_make(&axis, 200, 200, 90), MR_OK);
    int16_t line[200 * 3 + 16];
    for (size_t i = 0; i < MR_ARRAY_SIZE(line); i++)
        line[i] = (int16_t)(i * 97 % 16321);
    uint8_t whole[90 * 3], part[90 * 3];
    mr_resample_horizontal(whole, &axis, 0, 90, line, 0, 3);
    uint32_t from, to;
    mr_resample_needs(&axis, 40, 70, &from, &to);
    mr_resample_horizontal(part, &axis, 40, 70, line + (size_t)from * 3, from, 3);
    assert_memory_equal(part, whole + (size_t)40 * 3, (size_t)30 * 3);
    mr_resample_axis_free(&axis);
}

/* One channel is computed by code of its own: as one of three, it gives the same bytes. */
static void one_channel_alone_is_as_among_others(void **state)
{
    (void)state;
    for (uint32_t out = 20; out <= 200; out += 9) { /* from 60 weights a position to 6 */
        struct mr_resample_axis axis;
        int16_t line[200 * 3 + 16], alone[200 + 16] = {0};
        uint8_t three[200 * 3], one[200];
        assert_int_equal(mr_resample_axis_make(&axis, 200, 200, out), MR_OK);
        for (size_t i = 0; i < MR_ARRAY_SIZE(line); i++)
            line[i] = (int16_t)(i * i * 97 % 16321);
        for (size_t i = 0; i < 200; i++)
            alone[i] = line[3 * i + 1];
        mr_resample_horizontal(three, &axis, 0, out, line, 0, 3);
        mr_resample_horizontal(one, &axis, 0, out, alone, 0, 1);
        for (uint32_t i = 0; i < out; i++)
            assert_int_equal(one[i], three[3 * i + 1]);
        mr_resample_axis_free(&axis);
    }
}

/* Of 50 px that 101 input positions show, those from 7 to 40: from the one end and from the other. */
static void mirrored_positions_are_the_same_backwards(void **state)
{
    (void)state;
    struct mr_resample_grid there = {.whole = 50, .from = 7, .step = 1, .count = 33};
    struct mr_resample_grid back = {.whole = 50, .from = 40, .step = -1, .count = 33};
    struct mr_resample_axis forwards, backwards;
    assert_int_equal(mr_resample_axis_make_grid(&forwards, 101, 100.5, &there), MR_OK);
    assert_int_equal(mr_resample_axis_make_grid(&backwards, 101, 100.5, &back), MR_OK);
    assert_int_equal(forwards.taps, backwards.taps);
    for (uint32_t i = 0; i < 33; i++) {
        uint32_t k = 32 - i;
        assert_int_equal(forwards.first[i], backwards.first[k]);
        assert_memory_equal(forwards.weights + i * forwards.taps, backwards.weights + k * forwards.taps,
                            forwards.taps * sizeof(int16_t));
    }
    uint32_t from[2], to[2];
    mr_resample_needs(&forwards, 0, 33, &from[0], &to[0]);
    mr_resample_needs(&backwards, 0, 33, &from[1], &to[1]);
    assert_true(from[0] == from[1] && to[0] == to[1]);
    mr_resample_axis_free(&forwards);
    mr_resample_axis_free(&backwards);
}

/* A ramp at half the resolution has the mean of two positions at each, also where the last one has a half alone. */
static void position_of_two_px_lies_between_them(void **state)
{
    (void)state;
    struct mr_resample_grid grid = {.whole = 61, .from = 3, .step = 2, .count = 29};
    struct mr_resample_axis axis;
    int16_t line[61 + 16] = {0};
    uint8_t out[29];
    assert_int_equal(mr_resample_axis_make_grid(&axis, 61, 61, &grid), MR_OK);
    for (int i = 0; i < 61; i++)
        line[i] = (int16_t)(4 * i * 64);
    mr_resample_horizontal(out, &axis, 0, 29, line, 0, 1);
    for (int i = 2; i < 27; i++) /* 3.5, 5.5 ... */
        assert_int_equal(out[i], 4 * (3 + 2 * i) + 2);
    mr_resample_axis_free(&axis);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(result_is_that_of_the_definition_in_doubles),
        cmocka_unit_test(plain_area_stays_exactly_as_it_is),
        cmocka_unit_test(same_size_gives_the_same_pixels),
        cmocka_unit_test(weights_of_each_position_sum_to_one),
        cmocka_unit_test(needs_stay_inside_the_input),
        cmocka_unit_test(part_of_a_row_is_that_part_of_the_whole),
        cmocka_unit_test(one_channel_alone_is_as_among_others),
        cmocka_unit_test(mirrored_positions_are_the_same_backwards),
        cmocka_unit_test(position_of_two_px_lies_between_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
