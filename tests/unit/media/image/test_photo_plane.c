#include "media/image/photo_plane.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STRIDE = 40 }; /* of decoded rows */

/* What lies at (x, y) of a decoded plane. */
static uint8_t value_at(uint32_t x, uint32_t y)
{
    return (uint8_t)(x * 7 + y * 31);
}

/* A plane of width x height, as large as it was decoded, read `rows` at a time. */
static struct mr_photo_plane made_plane(struct mr_photo_axes *axes, uint32_t width, uint32_t height, uint32_t rows,
                                        bool is_upwards)
{
    struct mr_photo_plane plane = {.axes = axes, .stride = STRIDE, .rows_read = rows, .is_upwards = is_upwards};
    struct mr_resample_grid across = {.whole = width, .step = 1, .count = width},
                            down = {.whole = height, .count = height};
    down.step = is_upwards ? -1 : 1;
    down.from = is_upwards ? height : 0;
    assert_int_equal(mr_resample_axis_make_grid(&axes->x, width, width, &across), MR_OK);
    assert_int_equal(mr_resample_axis_make_grid(&axes->y, height, height, &down), MR_OK);
    assert_int_equal(mr_photo_plane_make(&plane), MR_OK);
    for (uint32_t y = 0; !mr_photo_plane_is_done(&plane); y += rows) {
        uint8_t *room = mr_photo_plane_room(&plane);
        for (uint32_t i = 0; i < rows; i++)
            for (uint32_t x = 0; x < STRIDE; x++)
                room[i * STRIDE + x] = x < width && y + i < height ? value_at(x, y + i) : 0;
        assert_true(y < height);
        mr_photo_plane_take(&plane);
    }
    mr_photo_plane_end_input(&plane);
    mr_resample_axis_free(&axes->x);
    mr_resample_axis_free(&axes->y);
    return plane;
}

static uint8_t out_at(const struct mr_photo_plane *plane, uint32_t x, uint32_t y)
{
    return plane->out[y * plane->out_stride + x];
}

/* Encoders read whole blocks: the last value of each row goes on to the end of its block. */
static void check_padding(const struct mr_photo_plane *plane)
{
    assert_int_equal(plane->out_stride % 8, 0);
    for (uint32_t y = 0; y < plane->out_height; y++)
        for (uint32_t x = plane->out_width; x < plane->out_stride; x++)
            assert_int_equal(out_at(plane, x, y), out_at(plane, plane->out_width - 1, y));
}

static const uint32_t sizes[][2] = {{1, 1}, {1, 70}, {33, 1}, {2, 2}, {8, 130}, {17, 9}, {16, 16}, {33, 131}};
enum { SIZES = sizeof(sizes) / sizeof(*sizes) };

static void rows_arrive_in_either_order(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < SIZES; i++)
        for (uint32_t rows = 1; rows <= 32; rows *= 4) {
            uint32_t width = sizes[i][0], height = sizes[i][1];
            struct mr_photo_axes axes;
            for (int upwards = 0; upwards < 2; upwards++) {
                struct mr_photo_plane plane = made_plane(&axes, width, height, rows, upwards);
                for (uint32_t y = 0; y < height; y++)
                    for (uint32_t x = 0; x < width; x++)
                        assert_int_equal(out_at(&plane, x, y), value_at(x, upwards ? height - 1 - y : y));
                check_padding(&plane);
                mr_photo_plane_free(&plane);
            }
        }
}

static void turned_plane_has_rows_for_columns(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < SIZES; i++) {
        struct mr_photo_axes axes;
        struct mr_photo_plane plane = made_plane(&axes, sizes[i][0], sizes[i][1], 8, false);
        assert_int_equal(mr_photo_plane_turn(&plane), MR_OK);
        assert_int_equal(plane.out_width, sizes[i][1]);
        assert_int_equal(plane.out_height, sizes[i][0]);
        for (uint32_t y = 0; y < plane.out_height; y++)
            for (uint32_t x = 0; x < plane.out_width; x++)
                assert_int_equal(out_at(&plane, x, y), value_at(y, x));
        check_padding(&plane);
        mr_photo_plane_free(&plane);
    }
}

static uint32_t at_most(uint32_t value, uint32_t most)
{
    return value < most ? value : most;
}

static void halved_plane_has_the_mean_of_each_square(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < SIZES; i++) {
        struct mr_photo_axes axes;
        struct mr_photo_plane plane = made_plane(&axes, sizes[i][0], sizes[i][1], 8, false);
        uint32_t right = sizes[i][0] - 1, bottom = sizes[i][1] - 1;
        mr_photo_plane_halve(&plane);
        assert_int_equal(plane.out_width, right / 2 + 1);
        assert_int_equal(plane.out_height, bottom / 2 + 1);
        for (uint32_t y = 0; y < plane.out_height; y++)
            for (uint32_t x = 0; x < plane.out_width; x++) {
                uint32_t next_x = at_most(2 * x + 1, right), next_y = at_most(2 * y + 1, bottom);
                uint32_t sum = (uint32_t)value_at(2 * x, 2 * y) + value_at(next_x, 2 * y) + value_at(2 * x, next_y) +
                               value_at(next_x, next_y);
                assert_in_range(4 * out_at(&plane, x, y), sum < 2 ? 0 : sum - 2, sum + 2);
            }
        check_padding(&plane);
        mr_photo_plane_free(&plane);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_arrive_in_either_order),
        cmocka_unit_test(turned_plane_has_rows_for_columns),
        cmocka_unit_test(halved_plane_has_the_mean_of_each_square),
    };
    return cmocka_run_group_tests_name("photo_plane", tests, NULL, NULL);
}
