#include "media/images.h"
#include <libheif/heif.h>

static VipsImage *converted(VipsImage *image, VipsInterpretation space, VipsBandFormat format)
{
    VipsImage *other = NULL, *out = NULL;
    assert_int_equal(vips_colourspace(image, &other, space, NULL), 0);
    assert_int_equal(vips_cast(other, &out, format, NULL), 0);
    g_object_unref(image);
    g_object_unref(other);
    return out;
}

static void every_kind_of_pixels_becomes_srgb(void **state)
{
    (void)state;
    VipsImage *deep = converted(quadrants(200, 100, 3), VIPS_INTERPRETATION_RGB16, VIPS_FORMAT_USHORT);
    struct mr_image_result out = run("w=100", encode(deep, ".png"));
    check_quadrants(&out, upright, 3);
    deep = converted(quadrants(200, 100, 3), VIPS_INTERPRETATION_RGB16, VIPS_FORMAT_USHORT);
    out = run("w=100", encode(deep, ".tif"));
    check_quadrants(&out, upright, 12);
    out = run("w=100", encode(quadrants(200, 100, 3), ".png[palette]"));
    check_quadrants(&out, upright, 8);
    VipsImage *ink = converted(quadrants(200, 100, 3), VIPS_INTERPRETATION_CMYK, VIPS_FORMAT_UCHAR);
    out = run("w=100", encode(ink, ".jpg[Q=95]"));
    check_quadrants(&out, upright, 90); /* through the profile of a press */
    ink = converted(quadrants(200, 100, 3), VIPS_INTERPRETATION_CMYK, VIPS_FORMAT_UCHAR);
    out = run("w=100", encode(ink, ".tif"));
    check_quadrants(&out, upright, 90);
}

/* And no profile but that of the new colours is kept. */
static void black_ink_without_a_profile_is_deep_and_leaves_none_behind(void **state)
{
    (void)state;
    static const uint8_t inks[4] = {0, 0, 0, 255}, black[3] = {10, 2, 17};
    static const char *const suffixes[] = {".jpg[Q=95]", ".tif"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(suffixes); i++) {
        VipsImage *press = plain(40, 20, 4, inks);
        press->Type = VIPS_INTERPRETATION_CMYK;
        struct bytes file = encode(press, suffixes[i]);
        check_pixel("fm=png", file, 0, black, 5);
        struct mr_image_result out = run("strip=0&fm=png", file);
        VipsImage *image = decode(out.bytes, out.len);
        const void *profile = NULL;
        size_t len = 0;
        if (vips_image_get_typeof(image, VIPS_META_ICC_NAME) != 0)
            assert_int_equal(vips_image_get_blob(image, VIPS_META_ICC_NAME, &profile, &len), 0);
        assert_true(len == 0 || memcmp((const char *)profile + 16, "RGB ", 4) == 0);
        g_object_unref(image);
    }
}

/* A PNG with a chunk behind its header. */
static struct bytes with_colours(struct bytes png, const char *type, const void *body, size_t len)
{
    enum { HEADER_END = 33 };
    struct bytes out = {.at = images_own(g_malloc0(png.len + 12 + len)), .len = png.len + 12 + len};
    memcpy(out.at, png.at, HEADER_END);
    out.at[HEADER_END + 3] = (uint8_t)len;
    memcpy(out.at + HEADER_END + 4, type, 4);
    memcpy(out.at + HEADER_END + 8, body, len);
    memcpy(out.at + HEADER_END + 12 + len, png.at + HEADER_END, png.len - HEADER_END);
    return out;
}

static void check_colour(struct bytes png, int red, int green, int blue)
{
    const uint8_t wanted[3] = {(uint8_t)red, (uint8_t)green, (uint8_t)blue};
    check_pixel("fm=png", png, 0, wanted, 2);
}

static void gamma_of_a_png_counts_where_it_is_far_from_that_of_screens(void **state)
{
    (void)state;
    static const uint8_t dark[4] = {55, 55, 55, 255};
    static const char linear[4] = "\x00\x01\x86\xa0", usual[4] = "\x00\x00\xb1\x8f";
    for (int bands = 1; bands <= 3; bands += 2) {
        struct bytes png = encode(plain(40, 20, bands, dark), ".png");
        check_colour(with_colours(png, "gAMA", linear, 4), 128, 128, 128);
        check_colour(with_colours(png, "gAMA", usual, 4), 55, 55, 55);
        check_colour(with_colours(png, "gAMA", "\0\0\0", 4), 55, 55, 55);
        check_colour(with_colours(with_colours(png, "gAMA", linear, 4), "sRGB", "", 1), 55, 55, 55);
    }
}

/* In 8 bits all of these are one black. */
static void dark_tones_of_16_bits_are_told_apart(void **state)
{
    (void)state;
    static const uint16_t light[] = {66, 131, 197, 238};
    static const uint8_t tones[] = {3, 7, 10, 11};
    for (size_t i = 0; i < MR_ARRAY_SIZE(light); i++) {
        uint16_t pixels[20 * 10 * 4];
        for (size_t k = 0; k < MR_ARRAY_SIZE(pixels); k++)
            pixels[k] = k % 4 == 3 ? 0x8080 : light[i];
        VipsImage *deep = vips_image_new_from_memory_copy(pixels, sizeof(pixels), 20, 10, 4, VIPS_FORMAT_USHORT);
        deep->Type = VIPS_INTERPRETATION_RGB16;
        struct bytes png = with_colours(encode(deep, ".png"), "gAMA", "\x00\x01\x86\xa0", 4);
        const uint8_t wanted[4] = {tones[i], tones[i], tones[i], 128};
        check_pixel("fm=png", png, 0, wanted, 1);
        check_pixel("rect=0,0,10,10&w=5&fm=png", png, 0, wanted, 1);
    }
}

/* A slope of light, the darkest ninth of it: as tones it has each from 0 to 93, and is never more than one step from
 * one pixel to the next. */
static void grey_of_16_bits_has_no_bands(void **state)
{
    (void)state;
    static const char *const queries[] = {"fm=png", "fm=png&w=600&h=4&fit=scale",
                                          "fm=png&w=600&h=4&fit=scale&linear=1"};
    for (int bands = 1; bands <= 2; bands++) {
        uint16_t pixels[1200 * 4 * 2];
        for (int i = 0; i < 1200 * 4 * bands; i++)
            pixels[i] = (uint16_t)(bands == 2 && i % 2 == 1 ? UINT16_MAX : i / bands % 1200 * 6);
        VipsImage *deep = vips_image_new_from_memory_copy(pixels, sizeof(*pixels) * 1200 * 4 * (size_t)bands, 1200, 4,
                                                          bands, VIPS_FORMAT_USHORT);
        deep->Type = VIPS_INTERPRETATION_GREY16;
        struct bytes png = with_colours(encode(deep, ".png"), "gAMA", "\x00\x01\x86\xa0", 4);
        for (size_t i = 0; i < MR_ARRAY_SIZE(queries); i++) {
            struct mr_image_result out = run(queries[i], png);
            VipsImage *image = decode(out.bytes, out.len);
            for (int x = 1; x < image->Xsize; x++)
                assert_in_range(*pixel_at(image, x, 2) - *pixel_at(image, x - 1, 2), 0, 1);
            assert_int_equal(*pixel_at(image, 0, 2), 0);
            assert_in_range(*pixel_at(image, image->Xsize - 1, 2), 92, 94);
            g_object_unref(image);
        }
    }
}

static void primaries_of_a_png_count(void **state)
{
    (void)state;
    static const uint8_t colour[3] = {180, 150, 120};
    static const uint32_t p3[8] = {31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000};
    struct bytes png = encode(plain(40, 20, 3, colour), ".png");
    uint8_t places[32] = {0};
    check_colour(with_colours(png, "cHRM", places, 32), 180, 150, 120);
    for (size_t i = 0; i < 32; i++)
        places[i] = (uint8_t)(p3[i / 4] >> (24 - 8 * (i % 4)));
    check_colour(with_colours(png, "cHRM", places, 32), 186, 149, 116);
    check_colour(with_colours(png, "cICP", "\x0c\x0d\x00\x01", 4), 186, 149, 116);
    check_colour(with_colours(png, "cICP", "\x09\x0d\x00\x01", 4), 198, 146, 115);
    check_colour(with_colours(png, "cICP", "\x01\x0d\x00\x01", 4), 180, 150, 120);
}

/* Paper, of 203 cd/m2, is as bright in both. */
static void brighter_screens_pictures_are_brought_down(void **state)
{
    (void)state;
    static const uint8_t pq[3] = {148, 148, 148}, hlg[3] = {191, 191, 191}, most[3] = {255, 255, 255};
    check_colour(with_colours(encode(plain(40, 20, 3, pq), ".png"), "cICP", "\x09\x10\x00\x01", 4), 191, 191, 191);
    check_colour(with_colours(encode(plain(40, 20, 3, hlg), ".png"), "cICP", "\x09\x12\x00\x01", 4), 191, 191, 191);
    check_colour(with_colours(encode(plain(40, 20, 3, most), ".png"), "cICP", "\x09\x12\x00\x01", 4), 255, 255, 255);
    check_colour(with_colours(encode(plain(40, 20, 1, pq), ".png"), "cICP", "\x09\x10\x00\x01", 4), 191, 191, 191);
}

static struct heif_error take_avif(struct heif_context *context, const void *data, size_t size, void *out)
{
    (void)context;
    *(struct bytes *)out = copy_of(data, size);
    return (struct heif_error){.code = heif_error_Ok};
}

/* By libheif itself, which writes code points in all versions where they do not say sRGB. */
static struct bytes plain_avif(const uint8_t *colour)
{
    struct heif_writer writer = {.writer_api_version = 1, .write = take_avif};
    struct heif_context *context = heif_context_alloc();
    struct heif_color_profile_nclx *wide = heif_nclx_color_profile_alloc();
    struct heif_encoding_options *options = heif_encoding_options_alloc();
    struct heif_encoder *encoder;
    struct heif_image *image;
    struct bytes out = {0};
    int stride;
    heif_context_get_encoder_for_format(context, heif_compression_AV1, &encoder);
    heif_encoder_set_lossy_quality(encoder, 95);
    heif_image_create(64, 64, heif_colorspace_RGB, heif_chroma_interleaved_RGB, &image);
    heif_image_add_plane(image, heif_channel_interleaved, 64, 64, 8);
    uint8_t *pixels = heif_image_get_plane(image, heif_channel_interleaved, &stride);
    for (int i = 0; i < 64 * 64; i++)
        memcpy(pixels + i / 64 * stride + i % 64 * 3, colour, 3);
    heif_nclx_color_profile_set_color_primaries(wide, 12);
    heif_image_set_nclx_color_profile(image, wide);
    options->output_nclx_profile = wide;
    options->macOS_compatibility_workaround_no_nclx_profile = 0;
    heif_context_encode_image(context, image, encoder, options, NULL);
    heif_encoding_options_free(options);
    heif_context_write(context, &writer, &out);
    heif_nclx_color_profile_free(wide);
    heif_image_release(image);
    heif_encoder_release(encoder);
    heif_context_free(context);
    return out;
}

/* An AVIF whose container says so of its colours. */
static struct bytes avif_of(const uint8_t *colour, uint8_t primaries, uint8_t transfer)
{
    struct bytes avif = plain_avif(colour);
    for (size_t i = 0; i + 8 <= avif.len; i++)
        if (memcmp(avif.at + i, "nclx", 4) == 0) {
            avif.at[i + 5] = primaries;
            avif.at[i + 7] = transfer;
            return avif;
        }
    fail_msg("there is no nclx");
    return avif;
}

static void code_points_of_an_avif_count(void **state)
{
    (void)state;
    static const uint8_t colour[3] = {180, 150, 120}, paper[3] = {148, 148, 148};
    check_pixel("fm=png", avif_of(colour, 1, 13), 0, colour, 3);
    check_pixel("fm=png", avif_of(colour, 2, 2), 0, colour, 3);
    check_pixel("fm=png", avif_of(colour, 12, 13), 0, (const uint8_t[]){186, 149, 116}, 4);
    check_pixel("w=20&fm=png", avif_of(colour, 9, 13), 0, (const uint8_t[]){198, 146, 115}, 4);
    check_pixel("fm=png", avif_of(paper, 9, 16), 0, (const uint8_t[]){191, 191, 191}, 4);
}

static bool has_profile(const struct mr_image_result *result)
{
    VipsImage *image = decode(result->bytes, result->len);
    bool has = vips_image_get_typeof(image, VIPS_META_ICC_NAME) != 0;
    assert_int_equal(vips_image_get_typeof(image, "exif-ifd0-Make"), 0);
    g_object_unref(image);
    return has;
}

/* libvips' own profile named p3 stands for any that is not sRGB. */
static void profile_is_kept_where_that_is_asked_for(void **state)
{
    (void)state;
    static const uint8_t colour[3] = {180, 150, 120};
    static const char *const formats[] = {"jpg", "png", "webp", "avif", "tiff"};
    struct bytes wide = encode(plain(40, 20, 3, colour), ".jpg[Q=95,profile=p3]");
    struct bytes file = with_segment(wide, 0xE1, exif_of(1));
    check_colour(file, 186, 149, 116);
    check_pixel("icc=keep&fm=png", file, 0, colour, 2);
    for (size_t i = 0; i < MR_ARRAY_SIZE(formats); i++) {
        char query[64];
        snprintf(query, sizeof(query), "icc=keep&w=20&fm=%s", formats[i]);
        struct mr_image_result out = run(query, file);
        if (!has_profile(&out))
            fail_msg("%s: there is no profile", query);
        snprintf(query, sizeof(query), "w=20&fm=%s", formats[i]);
        out = run(query, file);
        assert_false(has_profile(&out));
    }
}

/* No gif has one, inks and grey become sRGB, and so does what only the container says. */
static void profile_is_not_kept_where_it_would_not_fit(void **state)
{
    (void)state;
    static const uint8_t colour[3] = {180, 150, 120};
    struct bytes wide = encode(plain(40, 20, 3, colour), ".jpg[Q=95,profile=p3]");
    check_pixel("icc=keep&fm=gif", wide, 0, (const uint8_t[]){186, 149, 116, 255}, 4);
    struct bytes told = with_colours(encode(plain(40, 20, 3, colour), ".png"), "cICP", "\x0c\x0d\x00\x01", 4);
    check_pixel("icc=keep&fm=png", told, 0, (const uint8_t[]){186, 149, 116}, 2);
    struct bytes junk = encode(plain(40, 20, 3, colour), ".png");
    struct mr_image_result out = run("icc=keep&fm=png", junk);
    assert_false(has_profile(&out));
}

static void grey_and_one_bit_become_srgb(void **state)
{
    (void)state;
    static const char *const suffixes[] = {".png", ".jpg", ".tif", ".tif[bitdepth=1]"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(suffixes); i++) {
        struct mr_image_result out = run("w=40&fm=png", encode(quadrants(200, 100, 1), suffixes[i]));
        VipsImage *image = decode(out.bytes, out.len);
        assert_int_equal(image->Bands, 3);
        assert_true(quadrant_of(image, 0)[0] > 200 && quadrant_of(image, 1)[0] < 50 && quadrant_of(image, 2)[2] < 50 &&
                    quadrant_of(image, 3)[1] > 230);
        g_object_unref(image);
    }
}

/* 240 colours, each in many places. */
static VipsImage *of_few_colours(int width, int height)
{
    VipsImage *image = quadrants(width, height, 3);
    for (int i = 0; i < width * height; i++)
        memcpy(pixel_at(image, 0, 0) + (ptrdiff_t)i * 3,
               (uint8_t[]){(uint8_t)(i * 7 % 240), (uint8_t)(i * 7 % 240 / 2), 90}, 3);
    return image;
}

static void check_palette(bool wanted, const char *query, struct bytes input)
{
    struct mr_image_result out = run(query, input);
    if (holds_bytes(&out, "PLTE", 4) != wanted)
        fail_msg("%s", query);
}

static void palette_stays_unless_the_picture_is_enlarged(void **state)
{
    (void)state;
    static const char *const suffixes[] = {".png[palette]", ".gif"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(suffixes); i++) {
        struct bytes input = encode(of_few_colours(160, 120), suffixes[i]);
        check_palette(true, "fm=png", input);
        check_palette(true, "fm=png&w=80", input);
        check_palette(true, "fm=png&w=300&fit=max", input);
        check_palette(true, "fm=png&rect=0,0,40,40&w=40", input);
        check_palette(false, "fm=png&w=161", input);
        check_palette(false, "fm=png&rect=0,0,40,40&w=80", input);
        check_palette(false, "fm=png&palette=0", input);
        check_palette(false, "fm=png32", input);
        check_palette(false, "fm=png&lossless=1", input);
        check_palette(true, "fm=png&lossless=1&palette=1", input);
        check_palette(true, "fm=png8&w=300", input);
    }
    check_palette(false, "fm=png", encode(of_few_colours(160, 120), ".png"));
}

/* Still and moving, opaque and not. No frame is as the one before it: libvips 8.15 and later make one of the two. */
static void gif_is_no_larger_than_libvips_copy_of_it(void **state)
{
    (void)state;
    for (int bands = 3; bands <= 4; bands++)
        for (int frames = 1; frames <= 3; frames += 2) {
            VipsImage *image = of_few_colours(61, 40 * frames), *joined = NULL, *lazy = NULL;
            if (bands == 4) {
                assert_int_equal(vips_bandjoin_const1(image, &joined, 255, NULL), 0);
                g_object_unref(image);
                image = vips_image_copy_memory(joined);
                g_object_unref(joined);
                for (int i = 0; i < 61 * 40 * frames; i += 3)
                    pixel_at(image, 0, 0)[4 * i + 3] = 0;
            }
            vips_image_set_int(image, "page-height", 40);
            struct bytes input = encode(image, ".gif");
            struct mr_image_result out = run("", input);
            assert_int_equal(out.frames, frames);
            lazy = vips_image_new_from_buffer(input.at, input.len, "", "n", -1, NULL);
            assert_non_null(lazy);
            struct bytes copy = encode(lazy, ".gif[strip]");
            if (out.len > copy.len)
                fail_msg("%d channels, %d frames: %zu and %zu", bands, frames, out.len, copy.len);
        }
}

/* Half of the light is the tone 188, whatever way the pixels come. */
static void light_mixes_where_it_is_asked_for(void **state)
{
    (void)state;
    static const char *const suffixes[] = {".png", ".webp[lossless]", ".tif", ".jpg[Q=100]"};
    for (int bands = 1; bands <= 4; bands++)
        for (size_t i = 0; i < MR_ARRAY_SIZE(suffixes); i++) {
            VipsImage *image = plain(160, 120, bands, (const uint8_t[]){255, 255, 255, 255});
            for (int row = 0; row < 120; row += 2)
                memset(pixel_at(image, 0, row), 0, (size_t)160 * (size_t)bands);
            for (int at = 0; at < 160 * 120 && bands % 2 == 0; at++)
                pixel_at(image, 0, 0)[(at + 1) * bands - 1] = 255;
            if (i == 3 && bands % 2 == 0) {
                g_object_unref(image);
                continue;
            }
            struct bytes input = encode(image, suffixes[i]);
            check_pixel("fm=png&w=40&linear=1", input, 0, (const uint8_t[]){188, 188, 188, 255}, 3);
            check_pixel("fm=png&w=40", input, 0, (const uint8_t[]){128, 128, 128, 255}, 3);
            images_end_test(NULL);
        }
}

/* Whatever has a palette already loses nothing by it. */
static void palette_that_stays_has_the_same_colours(void **state)
{
    (void)state;
    struct bytes input = encode(of_few_colours(160, 120), ".png[palette]");
    struct mr_image_result out = run("fm=png", input);
    VipsImage *have = decode(out.bytes, out.len), *want = decode(input.at, input.len);
    assert_int_equal(have->Bands, want->Bands);
    assert_memory_equal(have->data, want->data, (size_t)160 * 120 * (size_t)want->Bands);
    assert_true(out.len <= input.len + input.len / 10);
    g_object_unref(have);
    g_object_unref(want);
}

static void profile_that_is_none_does_no_harm(void **state)
{
    (void)state;
    uint8_t junk[600] = "ICC_PROFILE\0\1\1";
    memset(junk + 14, 0xA5, sizeof(junk) - 14);
    struct bytes jpeg = encode(quadrants(200, 100, 3), ".jpg[Q=95]");
    struct mr_image_result out = run("w=100", with_segment(jpeg, 0xE2, copy_of(junk, sizeof(junk))));
    check_quadrants(&out, upright, 12);
}

#define IMAGE_TEST(test) cmocka_unit_test_teardown(test, images_end_test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IMAGE_TEST(every_kind_of_pixels_becomes_srgb),
        IMAGE_TEST(black_ink_without_a_profile_is_deep_and_leaves_none_behind),
        IMAGE_TEST(gamma_of_a_png_counts_where_it_is_far_from_that_of_screens),
        IMAGE_TEST(dark_tones_of_16_bits_are_told_apart),
        IMAGE_TEST(grey_of_16_bits_has_no_bands),
        IMAGE_TEST(profile_is_kept_where_that_is_asked_for),
        IMAGE_TEST(profile_is_not_kept_where_it_would_not_fit),
        IMAGE_TEST(primaries_of_a_png_count),
        IMAGE_TEST(brighter_screens_pictures_are_brought_down),
        IMAGE_TEST(code_points_of_an_avif_count),
        IMAGE_TEST(grey_and_one_bit_become_srgb),
        IMAGE_TEST(palette_stays_unless_the_picture_is_enlarged),
        IMAGE_TEST(palette_that_stays_has_the_same_colours),
        IMAGE_TEST(light_mixes_where_it_is_asked_for),
        IMAGE_TEST(gif_is_no_larger_than_libvips_copy_of_it),
        IMAGE_TEST(profile_that_is_none_does_no_harm),
    };
    return cmocka_run_group_tests(tests, images_setup, images_teardown);
}
