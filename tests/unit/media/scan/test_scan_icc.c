#include "media/images.h"
#include "media/scan/scan.h"
#include <math.h>

static struct bytes profile_of(const char *name)
{
    VipsBlob *blob = NULL;
    assert_int_equal(vips_profile_load(name, &blob, NULL), 0);
    size_t len;
    const void *at = vips_blob_get(blob, &len);
    struct bytes copy = copy_of(at, len);
    vips_area_unref(VIPS_AREA(blob));
    return copy;
}

static bool is_srgb(struct bytes profile)
{
    return mr_scan_is_srgb((struct mr_view){.at = profile.at, .len = profile.len});
}

static size_t place_of(struct bytes profile, const char *signature)
{
    for (size_t at = 132; at + 12 <= profile.len; at += 12)
        if (memcmp(profile.at + at, signature, 4) == 0)
            return mr_read_be32(profile.at + at + 4);
    fail_msg("no %s", signature);
    return 0;
}

static void srgb_is_told_from_others(void **state)
{
    (void)state;
    assert_true(is_srgb(profile_of("srgb")));
    assert_false(is_srgb(profile_of("p3")));
    assert_false(is_srgb(profile_of("cmyk")));
    assert_false(is_srgb((struct bytes){.len = 0}));
}

/* What counts in the element of a tag: Y of a primary; the power of a curve that is a formula (libvips 8.15 and later),
 * or a point in the middle of one that is a table. */
static uint8_t *essence_of(struct bytes profile, const char *tag)
{
    uint8_t *element = profile.at + place_of(profile, tag);
    if (tag[1] != 'T')
        return element + 14;
    return memcmp(element, "para", 4) == 0 ? element + 13 : element + 12 + 1024;
}

static void each_primary_and_curve_counts(void **state)
{
    (void)state;
    static const char *const tags[] = {"rXYZ", "gXYZ", "bXYZ", "rTRC"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(tags); i++) {
        struct bytes profile = profile_of("srgb");
        *essence_of(profile, tags[i]) ^= 0x40;
        assert_false(is_srgb(profile));
    }
}

/* A curve of 256 points: exact, and as gamma 2.2 alone. */
static void curve_of_points_is_read(void **state)
{
    (void)state;
    struct bytes head = profile_of("srgb");
    for (int is_gamma = 0; is_gamma < 2; is_gamma++) {
        struct bytes profile = {.at = images_own(g_malloc(head.len + 524)), .len = head.len + 524};
        uint8_t *curve = profile.at + head.len;
        memcpy(profile.at, head.at, head.len);
        memcpy(curve, "curv\0\0\0\0\0\0\1\0", 12);
        for (int i = 0; i < 256; i++) {
            double level = i / 255.0, light = level <= 0.04045 ? level / 12.92 : pow((level + 0.055) / 1.055, 2.4);
            uint32_t value = (uint32_t)lround(65535 * (is_gamma ? pow(level, 2.2) : light));
            curve[12 + 2 * i] = (uint8_t)(value >> 8);
            curve[13 + 2 * i] = (uint8_t)value;
        }
        for (size_t at = 132; at + 12 <= head.len; at += 12)
            if (memcmp(profile.at + at + 1, "TRC", 3) == 0)
                for (int k = 0; k < 4; k++) {
                    profile.at[at + 4 + (size_t)k] = (uint8_t)(head.len >> (24 - 8 * k));
                    profile.at[at + 8 + (size_t)k] = (uint8_t)(524u >> (24 - 8 * k));
                }
        assert_int_equal(is_srgb(profile), !is_gamma);
    }
}

/* Bounds: every length, each in memory of its own. */
static void cut_profile_is_none(void **state)
{
    (void)state;
    struct bytes profile = profile_of("srgb");
    size_t last = place_of(profile, "rTRC");
    for (size_t len = 0; len < last; len++) {
        assert_false(is_srgb(copy_of(profile.at, len)));
        g_free(images_owned[--images_owned_count]);
    }
    assert_true(last > 132);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(srgb_is_told_from_others, images_end_test),
        cmocka_unit_test_teardown(each_primary_and_curve_counts, images_end_test),
        cmocka_unit_test_teardown(curve_of_points_is_read, images_end_test),
        cmocka_unit_test_teardown(cut_profile_is_none, images_end_test),
    };
    return cmocka_run_group_tests(tests, images_setup, images_teardown);
}
