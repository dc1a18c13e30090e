#include "media/image/icc.h"
#include "media/images.h"

#include "base/macros.h"

enum { LIST_AT = 128 + 4 + 12, ELEMENT_AT = LIST_AT + 16 + 8 };

static void put32(struct bytes bytes, size_t at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        bytes.at[at + (size_t)i] = (uint8_t)(value >> (24 - 8 * i));
}

/* Zeros but for one tag. */
static struct bytes profile_of(size_t len, const char *type)
{
    struct bytes out = {.at = images_own(g_malloc0(len)), .len = len};
    put32(out, 128, 1);
    memcpy(out.at + 132, "D2B0", 4);
    put32(out, 136, LIST_AT);
    memcpy(out.at + LIST_AT, type, 4);
    return out;
}

/* An mpet tag of elements that are all the same one. */
static struct bytes elements(uint32_t count, const char *type, uint32_t inputs, uint32_t outputs)
{
    struct bytes out = profile_of(LIST_AT + 16 + (size_t)count * 8 + 12 + 16 * 8 + 12, "mpet");
    put32(out, LIST_AT + 12, count);
    uint32_t at = 16 + count * 8;
    for (uint32_t i = 0; i < count; i++)
        put32(out, LIST_AT + 16 + i * 8, at);
    memcpy(out.at + LIST_AT + at, type, 4);
    put32(out, LIST_AT + at + 8, inputs << 16 | outputs);
    return out;
}

/* One element with `channels` curves that are all the same one. */
static struct bytes curves(uint32_t channels, uint32_t segments)
{
    struct bytes out = elements(1, "cvst", channels, channels);
    for (uint32_t i = 0; i < channels; i++)
        put32(out, ELEMENT_AT + 12 + i * 8, 12 + 16 * 8);
    put32(out, ELEMENT_AT + 12 + 16 * 8 + 8, segments << 16);
    return out;
}

static bool is_cheap(struct bytes profile)
{
    return mr_icc_is_cheap((struct mr_view){profile.at, profile.len});
}

static void a_profile_of_up_to_four_mebibytes_is_used(void **state)
{
    (void)state;
    assert_true(is_cheap(profile_of(4 * MR_MIB, "curv")));
    assert_false(is_cheap(profile_of(4 * MR_MIB + 1, "curv")));
    assert_false(is_cheap((struct bytes){0}));
}

static void tags_are_counted_and_lie_inside(void **state)
{
    (void)state;
    struct bytes profile = profile_of(132 + 100 * 12, "curv");
    put32(profile, 128, 100);
    assert_true(is_cheap(profile));
    profile = profile_of(132 + 101 * 12, "curv");
    put32(profile, 128, 101);
    assert_false(is_cheap(profile));
    put32(profile, 128, UINT32_MAX);
    assert_false(is_cheap(profile));
    profile = profile_of(200, "curv");
    put32(profile, 128, 10);
    assert_false(is_cheap(profile));
    profile = profile_of(200, "mpet");
    put32(profile, 136, UINT32_MAX); /* there is no tag */
    assert_true(is_cheap(profile));
}

static void up_to_sixteen_elements_are_evaluated(void **state)
{
    (void)state;
    assert_true(is_cheap(elements(16, "matf", 3, 3)));
    assert_false(is_cheap(elements(17, "matf", 3, 3)));
    struct bytes profile = elements(1, "matf", 3, 3);
    put32(profile, LIST_AT + 12, UINT32_MAX);
    assert_false(is_cheap(profile));
}

static void wide_elements_are_not(void **state)
{
    (void)state;
    assert_true(is_cheap(elements(1, "matf", 16, 16)));
    assert_false(is_cheap(elements(1, "matf", 17, 3)));
    assert_false(is_cheap(elements(1, "matf", 3, 17)));
    assert_true(is_cheap(elements(1, "clut", 4, 3)));
    assert_false(is_cheap(elements(1, "clut", 5, 3)));
}

static void segments_of_all_curves_of_an_element_count(void **state)
{
    (void)state;
    assert_true(is_cheap(curves(1, 256)));
    assert_false(is_cheap(curves(1, 257)));
    assert_true(is_cheap(curves(16, 16)));
    assert_false(is_cheap(curves(16, 17)));
    assert_false(is_cheap(curves(16, UINT16_MAX)));
}

static void parts_outside_of_the_profile_are_never_read(void **state)
{
    struct bytes whole = curves(3, 5);
    for (size_t len = 0; len <= whole.len; len++) {
        (void)is_cheap(copy_of(whole.at, len));
        for (int i = 0; i < 2; i++) { /* of the element, of a curve */
            struct bytes profile = copy_of(whole.at, whole.len);
            put32(profile, i == 0 ? LIST_AT + 16 : ELEMENT_AT + 12, (uint32_t)(whole.len - len));
            (void)is_cheap(profile);
        }
        images_end_test(state);
        whole = curves(3, 5);
    }
    put32(whole, LIST_AT + 16, UINT32_MAX);
    assert_false(is_cheap(whole));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_profile_of_up_to_four_mebibytes_is_used, images_end_test),
        cmocka_unit_test_teardown(tags_are_counted_and_lie_inside, images_end_test),
        cmocka_unit_test_teardown(up_to_sixteen_elements_are_evaluated, images_end_test),
        cmocka_unit_test_teardown(wide_elements_are_not, images_end_test),
        cmocka_unit_test_teardown(segments_of_all_curves_of_an_element_count, images_end_test),
        cmocka_unit_test_teardown(parts_outside_of_the_profile_are_never_read, images_end_test),
    };
    return cmocka_run_group_tests(tests, images_setup, images_teardown);
}
