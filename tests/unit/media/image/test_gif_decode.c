#include "media/image/gif_decode.h"
#include "media/images.h"

/* What libvips' own loader makes of a GIF that has nothing odd. */
static VipsImage *as_libvips_shows(struct bytes file)
{
    VipsImage *image = vips_image_new_from_buffer(file.at, file.len, "", "n", -1, NULL);
    assert_non_null(image);
    VipsImage *pixels = vips_image_copy_memory(image);
    g_object_unref(image);
    return pixels;
}

static int decode_gif(uint8_t *out, struct bytes file, struct mr_gif_wanted wanted)
{
    int delays[8], plays;
    struct mr_fault fault = {0};
    int err = mr_gif_decode(out, delays, &plays, &wanted, (struct mr_view){file.at, file.len}, &fault);
    assert_int_equal(fault.error, err);
    return err;
}

static void check_against_libvips(struct bytes file, uint32_t frames)
{
    VipsImage *wanted = as_libvips_shows(file);
    uint32_t width = (uint32_t)wanted->Xsize, height = (uint32_t)wanted->Ysize / frames;
    uint8_t *out = images_own(g_malloc((size_t)width * height * frames * 4));
    struct mr_gif_wanted all = {.width = width, .height = height, .bands = (uint32_t)wanted->Bands, .count = frames};
    assert_int_equal(decode_gif(out, file, all), MR_OK);
    assert_memory_equal(out, wanted->data, (size_t)width * height * frames * all.bands);
    for (uint32_t i = 0; i < frames; i++) {
        size_t canvas = (size_t)width * height * all.bands;
        struct mr_gif_wanted one = {.width = width, .height = height, .bands = all.bands, .first = i, .count = 1};
        assert_int_equal(decode_gif(out, file, one), MR_OK);
        assert_memory_equal(out, wanted->data + i * canvas, canvas);
    }
    g_object_unref(wanted);
}

static void still_has_the_pixels_that_libvips_shows(void **state)
{
    (void)state;
    static const char *const suffixes[] = {".gif", ".gif[interlace]", ".gif[bitdepth=1]", ".gif[bitdepth=4]"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(suffixes); i++) {
        check_against_libvips(encode(noise(301, 203, 3), suffixes[i]), 1);
        check_against_libvips(encode(noise(5, 3, 4), suffixes[i]), 1);
        check_against_libvips(encode(noise(1, 400, 3), suffixes[i]), 1);
        check_against_libvips(encode(quadrants(640, 500, 3), suffixes[i]), 1); /* strings of the greatest length */
        images_end_test(NULL);
    }
}

static struct bytes animation(void)
{
    VipsImage *frames[3] = {noise(120, 90, 3), quadrants(120, 90, 3), noise(120, 90, 3)}, *strip, *image;
    assert_int_equal(vips_arrayjoin(frames, &strip, 3, "across", 1, NULL), 0);
    assert_int_equal(vips_copy(strip, &image, NULL), 0);
    vips_image_set_int(image, VIPS_META_PAGE_HEIGHT, 90);
    for (int i = 0; i < 3; i++)
        g_object_unref(frames[i]);
    g_object_unref(strip);
    return encode(image, ".gif");
}

static void frames_of_an_animation_have_the_pixels_that_libvips_shows(void **state)
{
    (void)state;
    check_against_libvips(animation(), 3);
}

static bool stop(void *context)
{
    int *asked = context;
    ++*asked;
    return *asked == 2;
}

static void mark_is_looked_at_while_a_frame_is_decoded(void **state)
{
    (void)state;
    struct bytes file = encode(noise(1000, 700, 3), ".gif");
    int asked = 0;
    uint8_t *out = images_own(g_malloc((size_t)1000 * 700 * 4));
    struct mr_gif_wanted wanted = {
        .width = 1000, .height = 700, .bands = 4, .count = 1, .is_stopped = stop, .context = &asked};
    assert_int_equal(decode_gif(out, file, wanted), MR_ECANCELLED);
    assert_int_equal(asked, 2);
}

/* Whatever codes a frame has: pixels or damage, and nothing beyond the canvas. */
static void changed_codes_paint_nothing_beyond_the_canvas(void **state)
{
    (void)state;
    struct bytes file = encode(quadrants(60, 40, 3), ".gif");
    uint32_t random = 9;
    struct mr_gif_wanted wanted = {.width = 60, .height = 40, .bands = 4, .count = 1};
    for (int round = 0; round < 2000; round++) {
        uint8_t *copy = g_malloc(file.len), *out = g_malloc((size_t)60 * 40 * 4); /* so that ASan sees a byte too far */
        memcpy(copy, file.at, file.len);
        for (int change = 0; change < 2; change++) {
            random = random * 1664525 + 1013904223;
            copy[file.len - 1 - (random >> 8) % (file.len / 2)] ^= (uint8_t)(1u << (random >> 29));
        }
        struct mr_scan scan;
        struct mr_image_info *info = &scan.info;
        int err = mr_scan_image(&scan, (struct mr_view){copy, file.len}, 0, &generous, NULL);
        if (err == MR_OK && info->width == 60 && info->height == 40) {
            err = decode_gif(out, (struct bytes){copy, file.len}, wanted);
            assert_true(err == MR_OK || err == MR_EDAMAGED);
        }
        g_free(copy);
        g_free(out);
    }
}

#define GIF_TEST(test) cmocka_unit_test_teardown(test, images_end_test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        GIF_TEST(still_has_the_pixels_that_libvips_shows),
        GIF_TEST(frames_of_an_animation_have_the_pixels_that_libvips_shows),
        GIF_TEST(mark_is_looked_at_while_a_frame_is_decoded),
        GIF_TEST(changed_codes_paint_nothing_beyond_the_canvas),
    };
    return cmocka_run_group_tests(tests, images_setup, images_teardown);
}
