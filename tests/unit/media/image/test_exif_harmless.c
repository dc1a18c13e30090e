#include "media/image/exif_harmless.h"
#include "media/images.h"

#include "base/macros.h"

static struct mr_view view_of(struct bytes bytes)
{
    return (struct mr_view){bytes.at, bytes.len};
}

/* The copy, or one of length 0. */
static struct bytes harmless_of(struct bytes exif)
{
    uint8_t *at;
    struct bytes out = {0};
    assert_int_equal(mr_exif_copy_harmless(&at, &out.len, view_of(exif)), MR_OK);
    if (at != NULL)
        out = copy_of(at, out.len);
    free(at);
    return out;
}

static bool holds_text(struct bytes in, const char *text)
{
    for (size_t i = 0; i + strlen(text) <= in.len; i++)
        if (memcmp(in.at + i, text, strlen(text)) == 0)
            return true;
    return false;
}

/* A little-endian block of one directory with one entry whose value is `len` octets of 'x' behind it. */
static struct bytes one_entry(uint16_t tag, uint16_t type, uint32_t count, uint32_t offset, size_t len)
{
    struct bytes out = {.at = images_own(g_malloc0(26 + len)), .len = 26 + len};
    const uint8_t head[] = {'I',
                            'I',
                            42,
                            0,
                            8,
                            0,
                            0,
                            0,
                            1,
                            0,
                            (uint8_t)tag,
                            (uint8_t)(tag >> 8),
                            (uint8_t)type,
                            0,
                            (uint8_t)count,
                            (uint8_t)(count >> 8),
                            (uint8_t)(count >> 16),
                            (uint8_t)(count >> 24),
                            (uint8_t)offset,
                            (uint8_t)(offset >> 8),
                            (uint8_t)(offset >> 16),
                            (uint8_t)(offset >> 24)};
    memcpy(out.at, head, sizeof(head));
    memset(out.at + 26, 'x', len);
    return out;
}

static void a_harmless_tag_stays_and_the_position_goes(void **state)
{
    (void)state;
    struct bytes out = harmless_of(exif_of(6));
    static const uint8_t wanted[] = {'E', 'x', 'i', 'f', 0, 0, 'M', 'M', 0,   42,  0,   0, 0, 8, 0, 1,
                                     1,   15,  0,   2,   0, 0, 0,   4,   'C', 'a', 'm', 0, 0, 0, 0, 0};
    assert_int_equal(out.len, sizeof(wanted));
    assert_memory_equal(out.at, wanted, sizeof(wanted));
}

static void values_of_either_byte_order_are_copied(void **state)
{
    (void)state;
    struct bytes out = harmless_of(one_entry(0x010F, 2, 9, 26, 9));
    assert_int_equal(out.len, 6 + 26 + 10);
    assert_true(holds_text(out, "xxxxxxxxx"));
    struct bytes again = harmless_of(out);
    assert_int_equal(again.len, out.len);
    assert_memory_equal(again.at, out.at, out.len);
}

static void what_lies_outside_or_is_too_long_goes(void **state)
{
    (void)state;
    assert_int_equal(harmless_of(one_entry(0x010F, 2, 10, 26, 9)).len, 0);
    assert_int_equal(harmless_of(one_entry(0x010F, 2, UINT32_MAX, 26, 9)).len, 0);
    assert_int_equal(harmless_of(one_entry(0x010F, 5, UINT32_MAX, 26, 9)).len, 0);
    assert_int_equal(harmless_of(one_entry(0x010F, 2, 9, UINT32_MAX, 9)).len, 0);
    assert_int_equal(harmless_of(one_entry(0x010F, 99, 9, 26, 9)).len, 0);
    assert_int_equal(harmless_of(one_entry(0x010F, 2, 1025, 26, 1025)).len, 0);
    assert_int_not_equal(harmless_of(one_entry(0x010F, 2, 1024, 26, 1024)).len, 0);
    assert_int_equal(harmless_of(one_entry(0x8769, 4, 1, UINT32_MAX, 0)).len, 0);
    assert_int_equal(harmless_of(one_entry(0x8769, 4, 1, 8, 0)).len, 0); /* its own Exif directory */
}

static void no_other_tag_stays(void **state)
{
    (void)state;
    int kept = 0;
    for (uint32_t tag = 0; tag <= UINT16_MAX; tag++) {
        kept += harmless_of(one_entry((uint16_t)tag, 2, 9, 26, 9)).len > 0;
        images_end_test(state);
    }
    assert_int_equal(kept, 6);
}

static void what_is_no_exif_leaves_nothing(void **state)
{
    (void)state;
    assert_int_equal(harmless_of((struct bytes){0}).len, 0);
    struct bytes exif = exif_of(1);
    for (size_t len = 0; len < 28; len++)
        assert_int_equal(harmless_of(copy_of(exif.at, len)).len, 0);
    for (size_t at = 0; at < exif.len; at++) {
        struct bytes spoilt = copy_of(exif.at, exif.len);
        spoilt.at[at] ^= 0xFF;
        assert_false(holds_text(harmless_of(spoilt), "N"));
        images_end_test(state);
        exif = exif_of(1);
    }
}

static void names_are_those_of_libvips(void **state)
{
    (void)state;
    assert_true(mr_exif_is_harmless("exif-ifd0-Make"));
    assert_true(mr_exif_is_harmless("exif-ifd2-ISOSpeedRatings") && mr_exif_is_harmless("exif-ifd2-LensModel"));
    static const char *const others[] = {"exif-ifd1-Make",  "exif-ifd2-Make", "exif-ifd0-",           "exif-ifd",
                                         "exif-ifd0-Maker", "exif-data",      "exif-ifd3-GPSLatitude"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(others); i++)
        assert_false(mr_exif_is_harmless(others[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_harmless_tag_stays_and_the_position_goes, images_end_test),
        cmocka_unit_test_teardown(values_of_either_byte_order_are_copied, images_end_test),
        cmocka_unit_test_teardown(what_lies_outside_or_is_too_long_goes, images_end_test),
        cmocka_unit_test_teardown(no_other_tag_stays, images_end_test),
        cmocka_unit_test_teardown(what_is_no_exif_leaves_nothing, images_end_test),
        cmocka_unit_test(names_are_those_of_libvips),
    };
    return cmocka_run_group_tests(tests, images_setup, images_teardown);
}
