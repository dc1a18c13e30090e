#include "media/image/quality.h"
#include "media/images.h"

static void q_of_a_jpeg_is_its_own(void **state)
{
    (void)state;
    for (int32_t q = 1; q <= 100; q++) {
        assert_int_equal(mr_quality_level(MR_IMAGE_JPEG, q), q);
        assert_int_equal(mr_quality_level(MR_IMAGE_PNG, q), q);
    }
}

static void q_of_the_others_grows_with_it_from_1_to_100(void **state)
{
    (void)state;
    static const enum mr_image_format formats[] = {MR_IMAGE_WEBP, MR_IMAGE_AVIF, MR_IMAGE_JXL};
    for (size_t i = 0; i < MR_ARRAY_SIZE(formats); i++) {
        int32_t last = 1;
        for (int32_t q = 1; q <= 100; q++) {
            int32_t level = mr_quality_level(formats[i], q);
            assert_in_range(level, last, 100);
            last = level;
        }
        assert_int_equal(last, 100);
    }
}

/* The encoders' own numbers, of which `script/bench quality` prints the table. */
static void what_looks_like_the_default_is_in_the_table(void **state)
{
    (void)state;
    assert_in_range(mr_quality_level(MR_IMAGE_WEBP, 75), 74, 82);
    assert_in_range(mr_quality_level(MR_IMAGE_AVIF, 75), 55, 66);
    assert_in_range(mr_quality_level(MR_IMAGE_JXL, 75), 72, 76);
    assert_int_equal(mr_quality_level(MR_IMAGE_JXL, 1), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(q_of_a_jpeg_is_its_own),
        cmocka_unit_test(q_of_the_others_grows_with_it_from_1_to_100),
        cmocka_unit_test(what_looks_like_the_default_is_in_the_table),
    };
    return cmocka_run_group_tests_name("quality", tests, NULL, NULL);
}
