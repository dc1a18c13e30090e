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

/* `frames` frames of 4 rows of 3000 px, of which the canvas shows 1 x `height`. Each has data for `rows` rows: a clear
 * code before every literal, so that each pixel takes two codes of 3 bits. */
static struct bytes frames_beyond_the_canvas(uint16_t height, int frames, uint32_t rows, bool is_interlaced)
{
    uint8_t *file = images_own(g_malloc0(100000)), *at = file;
    const uint8_t head[] = {'G', 'I', 'F', '8', '9', 'a', 1, 0, (uint8_t)height, 0, 0x80, 0, 0, 1, 2, 3, 4, 5, 6};
    const uint8_t frame[] = {0x2C, 0, 0, 0, 0, 3000 & 255, 3000 >> 8, 4, 0, is_interlaced ? 0x40 : 0, 2};
    const uint8_t first[] = {0x2C, 0, 0, 0, 0, 1, 0, (uint8_t)height, 0, 0, 2};
    memcpy(at, head, sizeof(head));
    at += sizeof(head);
    for (int i = 0; i <= frames; i++) { /* the first is as large as the canvas */
        memcpy(at, i == 0 ? first : frame, sizeof(frame));
        at += sizeof(frame);
        uint32_t codes = 2 * (i == 0 ? height : 3000 * rows);
        for (uint32_t bit = 0; bit < 3 * codes; bit++) { /* 4, 0, 4, 0: each third bit of six */
            if (bit % (8 * 255) == 0)
                *at++ = (uint8_t)MR_MIN(255, (3 * codes - bit + 7) / 8);
            if (bit % 6 == 2)
                *at |= (uint8_t)(1u << bit % 8);
            at += bit % 8 == 7 || bit + 1 == 3 * codes;
        }
        at++; /* the empty block */
    }
    *at++ = 0x3B;
    return (struct bytes){file, (size_t)(at - file)};
}

static void interlaced_frame_is_decoded_down_to_its_last_visible_row(void **state)
{
    (void)state;
    static const struct {
        uint16_t height; /* of the canvas */
        bool is_interlaced;
        uint32_t rows; /* in the order of the data: 0, 2, 1, 3 of an interlaced frame */
    } cases[] = {{1, true, 1}, {2, true, 3}, {3, true, 3}, {4, true, 4}, {1, false, 1}, {2, false, 2}, {4, false, 4}};
    uint8_t out[4 * 4];
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
        struct mr_gif_wanted wanted = {.width = 1, .height = cases[i].height, .bands = 4, .first = 1, .count = 1};
        for (uint32_t rows = 0; rows <= 4; rows++) {
            struct bytes file = frames_beyond_the_canvas(cases[i].height, 1, rows, cases[i].is_interlaced);
            if (decode_gif(out, file, wanted) != (rows < cases[i].rows ? MR_EDAMAGED : MR_OK))
                fail_msg("%zu: %u rows", i, rows);
        }
        images_end_test(NULL);
    }
}

static void rows_that_are_decoded_count_of_all_frames_together(void **state)
{
    (void)state;
    uint8_t out[3 * 2 * 4];
    struct bytes file = frames_beyond_the_canvas(2, 2, 4, true);
    struct mr_gif_wanted wanted = {.width = 1, .height = 2, .bands = 4, .count = 3, .pixels_max = 2 + 2 * 3 * 3000};
    assert_int_equal(decode_gif(out, file, wanted), MR_OK);
    wanted.pixels_max--;
    assert_int_equal(decode_gif(out, file, wanted), MR_EPIXELS);
    wanted.count = 2; /* what stands behind the last frame that is wanted does not count */
    assert_int_equal(decode_gif(out, file, wanted), MR_OK);
    wanted.first = 2; /* those before it do */
    wanted.count = 1;
    assert_int_equal(decode_gif(out, file, wanted), MR_EPIXELS);
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
        GIF_TEST(interlaced_frame_is_decoded_down_to_its_last_visible_row),
        GIF_TEST(rows_that_are_decoded_count_of_all_frames_together),
        GIF_TEST(changed_codes_paint_nothing_beyond_the_canvas),
    };
    return cmocka_run_group_tests(tests, images_setup, images_teardown);
}
