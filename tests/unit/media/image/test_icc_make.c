#include "media/image/icc.h"
#include "media/image/icc_make.h"
#include "media/images.h"

static uint32_t next_of(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

/* Numbers of a file may be anything. */
static void whatever_is_said_makes_a_small_profile_or_none(void **state)
{
    (void)state;
    static const uint32_t odd[] = {0, 1, 100, 6000, 33333, 64000, 99999, 100000, 200000, UINT32_MAX};
    uint8_t profile[MR_ICC_MADE_MAX];
    uint32_t seed = 1;
    int made = 0;
    for (int i = 0; i < 300; i++) {
        struct mr_image_colours colours = {.primaries = (uint8_t)(next_of(&seed) % 14),
                                           .transfer = (uint8_t)(next_of(&seed) % 20),
                                           .gamma = odd[next_of(&seed) % MR_ARRAY_SIZE(odd)]};
        for (int k = 0; k < 8; k++)
            colours.places[k] = odd[next_of(&seed) % MR_ARRAY_SIZE(odd)];
        (void)mr_icc_is_needed(&colours);
        size_t len = mr_icc_make(profile, &colours, i % 5 == 0);
        assert_true(len <= sizeof(profile));
        assert_true(len == 0 || mr_icc_is_cheap((struct mr_view){profile, len}));
        made += len != 0;
    }
    assert_true(made > 60);
}

static void primaries_on_a_line_make_none(void **state)
{
    (void)state;
    const struct mr_image_colours line = {.places = {31270, 32900, 10000, 10000, 20000, 20000, 30000, 30000}};
    uint8_t profile[MR_ICC_MADE_MAX];
    assert_true(mr_icc_is_needed(&line));
    assert_int_equal(mr_icc_make(profile, &line, false), 0);
    assert_int_not_equal(mr_icc_make(profile, &line, true), 0);
}

static void what_is_near_srgb_needs_none(void **state)
{
    (void)state;
    static const uint8_t usual[] = {0, 1, 2, 6, 13}, others[] = {4, 5, 8, 16, 18};
    for (size_t i = 0; i < MR_ARRAY_SIZE(usual); i++) {
        assert_false(mr_icc_is_needed(&(struct mr_image_colours){.primaries = 1, .transfer = usual[i]}));
        assert_true(mr_icc_is_needed(&(struct mr_image_colours){.primaries = 1, .transfer = others[i]}));
    }
    assert_false(mr_icc_is_needed(&(struct mr_image_colours){.gamma = 45000}));
    assert_true(mr_icc_is_needed(&(struct mr_image_colours){.gamma = 55556}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_is_said_makes_a_small_profile_or_none),
        cmocka_unit_test(primaries_on_a_line_make_none),
        cmocka_unit_test(what_is_near_srgb_needs_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
