#include "base/macros.h"
#include "base/slice.h"
#include "pipe/lane.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct mr_image_info image(enum mr_image_format format, uint32_t width, uint32_t height)
{
    return (struct mr_image_info){.format = format, .width = width, .height = height, .frames = 1, .scans = 1};
}

static enum mr_lane lane(struct mr_image_info info, int32_t width, enum mr_image_format format)
{
    struct mr_image_ops ops;
    mr_image_ops_init(&ops);
    ops.width = width;
    ops.format = format;
    return mr_lane_of_image(&info, &ops);
}

static void thumbnails_of_photographs_are_interactive(void **state)
{
    (void)state;
    assert_int_equal(lane(image(MR_IMAGE_JPEG, 2000, 1000), 300, MR_IMAGE_UNKNOWN), MR_LANE_INTERACTIVE);
    assert_int_equal(lane(image(MR_IMAGE_JPEG, 6000, 4000), 300, MR_IMAGE_UNKNOWN), MR_LANE_INTERACTIVE);
    assert_int_equal(lane(image(MR_IMAGE_JPEG, 10000, 10000), 300, MR_IMAGE_UNKNOWN), MR_LANE_INTERACTIVE);
    assert_int_equal(lane(image(MR_IMAGE_PNG, 4000, 3000), 300, MR_IMAGE_WEBP), MR_LANE_INTERACTIVE);
    assert_int_equal(lane(image(MR_IMAGE_JPEG, 6000, 4000), 500, MR_IMAGE_AVIF), MR_LANE_INTERACTIVE);
}

static void what_takes_a_second_is_heavy(void **state)
{
    (void)state;
    assert_int_equal(lane(image(MR_IMAGE_PNG, 10000, 10000), 300, MR_IMAGE_UNKNOWN), MR_LANE_HEAVY);
    assert_int_equal(lane(image(MR_IMAGE_JPEG, 5000, 4000), 0, MR_IMAGE_WEBP), MR_LANE_HEAVY);
    assert_int_equal(lane(image(MR_IMAGE_JPEG, 100, 100), 9000, MR_IMAGE_UNKNOWN), MR_LANE_HEAVY);
    assert_int_equal(lane(image(MR_IMAGE_JPEG, 4000, 2000), 2000, MR_IMAGE_AVIF), MR_LANE_HEAVY);
    assert_int_equal(lane(image(MR_IMAGE_PNG, 2000, 1000), 0, MR_IMAGE_GIF), MR_LANE_HEAVY);
    assert_int_equal(lane(image(MR_IMAGE_JPEG, 4000, 2000), 2400, MR_IMAGE_TIFF), MR_LANE_HEAVY);
}

static void lossless_webp_takes_ten_times_as_long(void **state)
{
    (void)state;
    struct mr_image_info info = image(MR_IMAGE_JPEG, 2000, 1000);
    struct mr_image_ops ops;
    mr_image_ops_init(&ops);
    ops.format = MR_IMAGE_WEBP;
    assert_int_equal(mr_lane_of_image(&info, &ops), MR_LANE_INTERACTIVE);
    ops.lossless = true;
    assert_int_equal(mr_lane_of_image(&info, &ops), MR_LANE_HEAVY);
    ops.format = MR_IMAGE_JPEG;
    assert_int_equal(mr_lane_of_image(&info, &ops), MR_LANE_INTERACTIVE);
}

static void scans_and_frames_count(void **state)
{
    (void)state;
    struct mr_image_info progressive = image(MR_IMAGE_JPEG, 8000, 8000), animation = image(MR_IMAGE_GIF, 1000, 1000);
    assert_int_equal(lane(progressive, 300, MR_IMAGE_UNKNOWN), MR_LANE_INTERACTIVE);
    progressive.scans = 10;
    assert_int_equal(lane(progressive, 300, MR_IMAGE_UNKNOWN), MR_LANE_HEAVY);
    assert_int_equal(lane(animation, 300, MR_IMAGE_PNG), MR_LANE_INTERACTIVE);
    animation.frames = 100;
    assert_int_equal(lane(animation, 300, MR_IMAGE_GIF), MR_LANE_HEAVY);
    assert_int_equal(lane(animation, 300, MR_IMAGE_PNG), MR_LANE_INTERACTIVE); /* a still is one frame */
}

static void a_format_that_is_to_be_picked_counts_as_the_likely_one(void **state)
{
    (void)state;
    struct mr_image_info info = image(MR_IMAGE_JPEG, 4000, 2500);
    struct mr_image_ops ops;
    mr_image_ops_init(&ops);
    ops.picks = MR_IMAGE_BITS_ANYWHERE;
    uint64_t plain = mr_image_cost_ns(&info, &ops);
    ops.picks |= MR_IMAGE_BIT(MR_IMAGE_WEBP);
    assert_true(mr_image_cost_ns(&info, &ops) > 2 * plain);
    ops.format = MR_IMAGE_JPEG;
    assert_true(mr_image_cost_ns(&info, &ops) == plain);
}

/* As many bytes as pixels: noise, or scans that a glance does not come to. */
static void a_jpeg_of_many_bytes_for_its_pixels_costs_more(void **state)
{
    (void)state;
    struct mr_image_info info = image(MR_IMAGE_JPEG, 4000, 2500);
    struct mr_image_ops ops;
    mr_image_ops_init(&ops);
    info.len = (uint64_t)info.width * info.height / 2;
    uint64_t usual = mr_image_cost_ns(&info, &ops);
    info.len -= 1000;
    assert_true(mr_image_cost_ns(&info, &ops) == usual);
    info.len = 150 * MR_MIB;
    assert_true(mr_image_cost_ns(&info, &ops) > usual + MR_NS_PER_S);
}

static enum mr_lane lane_of(const char *query)
{
    struct mr_image_info info = image(MR_IMAGE_JPEG, 2000, 1000);
    struct mr_slice rest = mr_slice_of(query);
    struct mr_image_ops ops;
    mr_image_ops_init(&ops);
    while (rest.at != NULL) {
        struct mr_slice value = mr_slice_cut(&rest, '&'), name = mr_slice_cut(&value, '=');
        assert_int_equal(mr_image_ops_set(&ops, name, value, NULL), MR_OK);
    }
    return mr_lane_of_image(&info, &ops);
}

/* Each makes a job heavy that would not be. */
static void all_that_makes_the_output_larger_or_dearer_counts(void **state)
{
    (void)state;
    static const char *const queries[] = {
        "w=1000&dpr=8&fm=png",
        "pad=1500&fm=png",
        "w=1000&min-w=9000&min-h=9000&fit=scale",
        "w=500&ar=1:20&fit=crop&h=9000&fm=png",
        "w=1000&fm=avif&effort=9",
        "w=1400&fm=png8",
        "w=1400&fm=webp&lossless=1&effort=9",
        "w=1&h=1&fit=scale&min-w=4500&min-h=4500&fm=gif",
    };
    assert_int_equal(lane_of("w=1000"), MR_LANE_INTERACTIVE);
    assert_int_equal(lane_of("w=500&fm=avif"), MR_LANE_INTERACTIVE);
    for (size_t i = 0; i < MR_ARRAY_SIZE(queries); i++)
        if (lane_of(queries[i]) != MR_LANE_HEAVY)
            fail_msg("%s", queries[i]);
}

static void unknown_dimensions_are_heavy(void **state)
{
    (void)state;
    assert_int_equal(lane((struct mr_image_info){.format = MR_IMAGE_TIFF}, 300, MR_IMAGE_UNKNOWN), MR_LANE_HEAVY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thumbnails_of_photographs_are_interactive),
        cmocka_unit_test(what_takes_a_second_is_heavy),
        cmocka_unit_test(lossless_webp_takes_ten_times_as_long),
        cmocka_unit_test(scans_and_frames_count),
        cmocka_unit_test(a_format_that_is_to_be_picked_counts_as_the_likely_one),
        cmocka_unit_test(a_jpeg_of_many_bytes_for_its_pixels_costs_more),
        cmocka_unit_test(all_that_makes_the_output_larger_or_dearer_counts),
        cmocka_unit_test(unknown_dimensions_are_heavy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
