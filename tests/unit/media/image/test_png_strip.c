#include "media/image/png_strip.h"
#include "media/images.h"

/* A PNG with a chunk of `len` octets behind its header. */
static struct bytes with_chunk(const char *type, uint32_t len)
{
    struct bytes png = encode(quadrants(8, 8, 3), ".png"), out = {.len = png.len + 12 + len};
    out.at = images_own(g_malloc0(out.len));
    memcpy(out.at, png.at, 33);
    out.at[35] = (uint8_t)(len >> 8);
    out.at[36] = (uint8_t)len;
    memcpy(out.at + 37, type, 4);
    memcpy(out.at + 33 + 12 + len, png.at + 33, png.len - 33);
    return out;
}

static size_t len_without(struct bytes png)
{
    struct mr_view out;
    void *owned = NULL;
    assert_int_equal(mr_png_without_texts(&out, &owned, (struct mr_view){png.at, png.len}), MR_OK);
    assert_true((owned != NULL) == (out.at != png.at));
    size_t len = out.len;
    if (owned != NULL)
        assert_memory_equal(out.at + 33 + 4, png.at + png.len - len + 33 + 4, len - 33 - 4); /* the rest is there */
    free(owned);
    return len;
}

static void long_compressed_texts_are_left_out(void **state)
{
    (void)state;
    struct bytes png = with_chunk("zTXt", 5000);
    assert_int_equal(len_without(png), png.len - 5012);
    png = with_chunk("iTXt", 5000);
    assert_int_equal(len_without(png), png.len - 5012);
}

static void all_others_stay(void **state)
{
    (void)state;
    struct bytes png = with_chunk("tEXt", 5000);
    assert_int_equal(len_without(png), png.len);
    png = with_chunk("zTXt", 500);
    assert_int_equal(len_without(png), png.len);
    png = encode(quadrants(8, 8, 3), ".png");
    assert_int_equal(len_without(png), png.len);
}

static bool sums_are_right(struct bytes png)
{
    return mr_png_sums_are_right((struct mr_view){png.at, png.len});
}

static void a_wrong_sum_of_what_the_image_needs_is_seen(void **state)
{
    (void)state;
    struct bytes png = encode(quadrants(8, 8, 3), ".png");
    assert_true(sums_are_right(png));
    assert_memory_equal(png.at + png.len - 8, "IEND", 4);
    size_t places[] = {16 /* IHDR */, png.len - 12 - 5 /* IDAT */};
    for (size_t i = 0; i < MR_ARRAY_SIZE(places); i++) {
        png.at[places[i]] ^= 1;
        assert_false(sums_are_right(png));
        png.at[places[i]] ^= 1;
    }
    assert_true(sums_are_right(with_chunk("tEXt", 100))); /* its sum is 0 */
    png.at[png.len - 1] ^= 1;                             /* of IEND, which holds nothing */
    assert_true(sums_are_right(png));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(long_compressed_texts_are_left_out, images_end_test),
        cmocka_unit_test_teardown(all_others_stay, images_end_test),
        cmocka_unit_test_teardown(a_wrong_sum_of_what_the_image_needs_is_seen, images_end_test),
    };
    return cmocka_run_group_tests(tests, images_setup, images_teardown);
}
