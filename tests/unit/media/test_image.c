#include "media/images.h"
#include <pthread.h>
#include <semaphore.h>

static const uint8_t corner_colours[4][3] = {{220, 30, 30}, {30, 180, 30}, {30, 30, 220}, {250, 250, 250}};

/* The result shows `quadrants`, in the order that `wanted` says. */
static void check_quadrants(const struct mr_image_result *result, const int wanted[4], int tolerance)
{
    VipsImage *image = decode(result->bytes, result->len);
    assert_int_equal(image->Xsize, result->width);
    assert_int_equal(image->Ysize, result->height);
    assert_int_equal(image->Type, VIPS_INTERPRETATION_sRGB);
    for (int i = 0; i < 4; i++) {
        const uint8_t *have = quadrant_of(image, i);
        if (!is_close(have, corner_colours[wanted[i]], 3, tolerance))
            fail_msg("quadrant %d is %u %u %u", i, have[0], have[1], have[2]);
    }
    g_object_unref(image);
}

static const int upright[4] = {0, 1, 2, 3};

static void result_has_exactly_the_size_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        uint32_t width, height;
    } cases[] = {
        {"", 403, 201},
        {"w=100", 100, 50},
        {"h=100", 200, 100},
        {"w=100&h=100", 100, 50},
        {"w=300&h=60", 120, 60},
        {"w=806", 806, 402},
        {"w=806&fit=max", 403, 201},
        {"w=100&h=100&fit=crop", 100, 100},
        {"w=100&h=100&fit=crop&crop=top,left", 100, 100},
        {"w=37&h=91&fit=crop&crop=entropy", 37, 91},
        {"w=37&h=91&fit=crop&crop=attention", 37, 91},
        {"w=1", 1, 1},
        {"w=600&h=600&fit=crop", 600, 600},
    };
    static const char *const suffixes[] = {".jpg", ".png", ".webp", ".tif", ".gif"};
    for (size_t format = 0; format < MR_ARRAY_SIZE(suffixes); format++) {
        struct bytes input = encode(quadrants(403, 201, 3), suffixes[format]);
        for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
            struct mr_image_result out;
            struct mr_fault fault = {0};
            if (try_run(&out, cases[i].query, input, &fault) != MR_OK)
                fail_msg("%s %s: %s", suffixes[format], cases[i].query, fault.detail);
            if (out.width != cases[i].width || out.height != cases[i].height)
                fail_msg("%s %s: %u x %u", suffixes[format], cases[i].query, out.width, out.height);
            VipsImage *image = decode(out.bytes, out.len);
            assert_int_equal(image->Xsize, cases[i].width);
            assert_int_equal(image->Ysize, cases[i].height);
            g_object_unref(image);
            mr_image_result_free(&out);
        }
    }
}

static void crop_keeps_the_edge_that_is_named(void **state)
{
    (void)state;
    struct bytes input = encode(quadrants(400, 200, 3), ".png");
    struct mr_image_result left = run("w=100&h=100&fit=crop&crop=left", input);
    struct mr_image_result right = run("w=100&h=100&fit=crop&crop=right", input);
    check_quadrants(&left, (const int[]){0, 0, 2, 2}, 3);
    check_quadrants(&right, (const int[]){1, 1, 3, 3}, 3);
    struct mr_image_result top = run("w=400&h=50&fit=crop&crop=top", input);
    struct mr_image_result bottom = run("w=400&h=50&fit=crop&crop=bottom", input);
    check_quadrants(&top, (const int[]){0, 1, 0, 1}, 3);
    check_quadrants(&bottom, (const int[]){2, 3, 2, 3}, 3);
}

static void each_orientation_is_turned_upright(void **state)
{
    (void)state;
    /* Where the stored quadrants come to lie: EXIF 2.32, tag 0x0112. */
    static const int shown[9][4] = {{0},          {0, 1, 2, 3}, {1, 0, 3, 2}, {3, 2, 1, 0}, {2, 3, 0, 1},
                                    {0, 2, 1, 3}, {2, 0, 3, 1}, {3, 1, 2, 0}, {1, 3, 0, 2}};
    struct bytes jpeg = encode(quadrants(320, 160, 3), ".jpg[Q=95]");
    for (uint16_t orientation = 1; orientation <= 8; orientation++) {
        struct mr_image_result out = run("w=100", with_segment(jpeg, 0xE1, exif_of(orientation)));
        assert_int_equal(out.height, orientation < 5 ? 50 : 200);
        check_quadrants(&out, shown[orientation], 12);
    }
}

static bool holds(const void *bytes, size_t len, const char *text)
{
    const char *at = bytes;
    for (size_t i = 0; i + strlen(text) <= len; i++)
        if (memcmp(at + i, text, strlen(text)) == 0)
            return true;
    return false;
}

static void no_metadata_gets_through(void **state)
{
    (void)state;
    static const char *const queries[] = {"fm=jpg", "fm=png", "fm=webp", "w=40&fm=jpg", "w=40&fm=png", "w=40&fm=webp"};
    struct bytes jpeg = encode(quadrants(320, 160, 3), ".jpg[profile=srgb]");
    struct bytes input = with_segment(jpeg, 0xE1, exif_of(1));
    assert_true(holds(input.at, input.len, "Exif") && holds(input.at, input.len, "ICC_PROFILE"));
    static const char *const traces[] = {"Exif", "eXIf", "EXIF", "Cam", "ICC", "iCCP", "http://ns.adobe.com"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(queries); i++) {
        struct mr_image_result out = run(queries[i], input);
        for (size_t k = 0; k < MR_ARRAY_SIZE(traces); k++)
            if (holds(out.bytes, out.len, traces[k]))
                fail_msg("%s: %s", queries[i], traces[k]);
    }
}

static void alpha_is_kept_where_there_is_alpha_and_white_shines_through_jpeg(void **state)
{
    (void)state;
    const uint8_t half_red[4] = {200, 0, 0, 128};
    struct bytes input = encode(plain(200, 100, 4, half_red), ".png");
    static const char *const keeping[] = {"w=50", "fm=webp&w=50&q=100", "fm=png"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(keeping); i++) {
        struct mr_image_result out = run(keeping[i], input);
        VipsImage *image = decode(out.bytes, out.len);
        assert_int_equal(image->Bands, 4);
        assert_true(is_close(quadrant_of(image, 3), half_red, 4, 3));
        g_object_unref(image);
    }
    struct mr_image_result out = run("w=50&fm=jpg", input);
    VipsImage *image = decode(out.bytes, out.len);
    assert_int_equal(image->Bands, 3);
    assert_true(is_close(quadrant_of(image, 0), (const uint8_t[]){227, 127, 127}, 3, 4));
    g_object_unref(image);
}

/* Colours of pixels that cannot be seen do not bleed into those that can. */
static void hidden_colours_do_not_bleed(void **state)
{
    (void)state;
    VipsImage *image = quadrants(200, 100, 4);
    for (int i = 0; i < 200 * 100; i++)
        memcpy(pixel_at(image, i % 200, i / 200),
               i % 2 ? (const uint8_t[]){0, 0, 250, 255} : (const uint8_t[]){250, 0, 0, 0}, 4);
    struct mr_image_result out = run("w=50", encode(image, ".png"));
    VipsImage *small = decode(out.bytes, out.len);
    assert_true(is_close(quadrant_of(small, 0), (const uint8_t[]){0, 0, 250, 127}, 4, 4));
    g_object_unref(small);
}

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

static void cut_image_is_damaged_wherever_it_is_cut(void **state)
{
    (void)state;
    static const char *const suffixes[] = {".jpg", ".jpg[interlace]", ".png", ".png[interlace]", ".webp", ".gif",
                                           ".tif"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(suffixes); i++) {
        struct bytes file = encode(noise(120, 90, 3), suffixes[i]);
        for (int part = 1; part < 20; part++)
            run_fails(MR_EDAMAGED, "w=50", copy_of(file.at, file.len * (size_t)part / 20));
        images_end_test(NULL);
    }
}

/* The container is whole, the compressed data is not: a decoder that paints grey does not get away with it. */
static void jpeg_that_lacks_a_part_of_its_data_is_damaged(void **state)
{
    (void)state;
    struct bytes file = encode(noise(200, 160, 3), ".jpg[Q=80]");
    struct bytes cut = copy_of(file.at, file.len / 2);
    memcpy(cut.at + cut.len - 3, "\x12\xFF\xD9", 3);
    run_fails(MR_EDAMAGED, "w=50", cut);
    run_fails(MR_EDAMAGED, "", cut);
}

static void what_is_no_image_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "hello", "<svg xmlns='http://www.w3.org/2000/svg'/>", "%PDF-1.7\n",
                                        "2 2\n1 2\n3 4\n"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(texts); i++)
        run_fails(MR_ENOTIMAGE, "w=10", copy_of(texts[i], strlen(texts[i])));
}

static void cancelled_job_does_nothing(void **state)
{
    (void)state;
    struct bytes input = encode(quadrants(200, 100, 3), ".jpg");
    struct mr_image_ops ops = ops_of("w=50");
    struct mr_cancel cancel = {.stop_at = 0};
    struct mr_image_result out;
    struct mr_fault fault = {0};
    mr_cancel_request(&cancel);
    assert_int_equal(mr_image_run(&out, &ops, input.at, input.len, &generous, &cancel, &fault), MR_ECANCELLED);
    assert_int_equal(fault.error, MR_ECANCELLED);
    assert_null(out.bytes);
}

static void job_whose_time_is_over_stops(void **state)
{
    (void)state;
    struct bytes input = encode(quadrants(200, 100, 3), ".jpg");
    struct mr_image_ops ops = ops_of("w=50");
    struct mr_cancel cancel = {.stop_at = 1};
    struct mr_image_result out;
    assert_int_equal(mr_image_run(&out, &ops, input.at, input.len, &generous, &cancel, NULL), MR_ETIME);
}

struct canceller {
    struct mr_cancel cancel;
    sem_t go;
};

static void *cancel_when_told(void *data)
{
    struct canceller *canceller = data;
    while (sem_wait(&canceller->go) != 0)
        continue;
    mr_cancel_request(&canceller->cancel);
    return NULL;
}

/* The mark is set by another thread while the job is about to run: sooner or later, it ends early or is done. */
static void mark_of_another_thread_is_seen(void **state)
{
    (void)state;
    struct bytes input = encode(noise(1500, 1500, 3), ".png");
    struct mr_image_ops ops = ops_of("w=1400&fm=webp");
    struct canceller canceller = {.cancel = {.stop_at = 0}};
    pthread_t thread;
    assert_int_equal(sem_init(&canceller.go, 0, 0), 0);
    assert_int_equal(pthread_create(&thread, NULL, cancel_when_told, &canceller), 0);
    sem_post(&canceller.go);
    struct mr_image_result out;
    int err = mr_image_run(&out, &ops, input.at, input.len, &generous, &canceller.cancel, NULL);
    pthread_join(thread, NULL);
    sem_destroy(&canceller.go);
    assert_int_equal(err, MR_ECANCELLED); /* the whole would take a second */
    assert_null(out.bytes);
}

static void time_ends_a_job_that_runs(void **state)
{
    (void)state;
    struct bytes input = encode(noise(1500, 1500, 3), ".png");
    struct mr_image_ops ops = ops_of("w=1400&fm=webp");
    struct mr_cancel cancel = {.stop_at = mr_clock_now() + 5000000};
    struct mr_image_result out;
    assert_int_equal(mr_image_run(&out, &ops, input.at, input.len, &generous, &cancel, NULL), MR_ETIME);
}

static void without_fm_the_format_stays_or_becomes_one_that_fits(void **state)
{
    (void)state;
    static const struct {
        const char *suffix;
        int bands;
        enum mr_image_format format;
    } cases[] = {{".jpg", 3, MR_IMAGE_JPEG}, {".png", 3, MR_IMAGE_PNG}, {".webp", 4, MR_IMAGE_WEBP}};
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
        struct mr_image_result out = run("w=20", encode(quadrants(40, 20, cases[i].bands), cases[i].suffix));
        assert_int_equal(out.format, cases[i].format);
        assert_int_equal(mr_image_sniff(out.bytes, out.len), cases[i].format);
    }
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

static void changed_bytes_give_a_result_or_a_fault(void **state)
{
    (void)state;
    static const char *const suffixes[] = {".jpg", ".jpg[interlace]",           ".png", ".webp", ".gif",
                                           ".tif", ".tif[compression=lzw,tile]"};
    uint32_t random = 3;
    for (size_t i = 0; i < MR_ARRAY_SIZE(suffixes); i++) {
        struct bytes file = encode(quadrants(80, 60, 3), suffixes[i]);
        for (int round = 0; round < 100; round++) {
            struct bytes copy = copy_of(file.at, file.len);
            random = random * 1664525 + 1013904223;
            copy.at[(random >> 8) % copy.len] ^= (uint8_t)(1u << (random >> 29));
            struct mr_image_result out;
            struct mr_fault fault = {0};
            int err = try_run(&out, "w=30&fm=png", copy, &fault);
            assert_true(err == MR_OK || err == MR_EDAMAGED || err == MR_ENOTIMAGE || err == MR_EPIXELS ||
                        err == MR_EFRAMES);
            mr_image_result_free(&out);
            g_free(images_owned[--images_owned_count]);
        }
    }
}

#define IMAGE_TEST(test) cmocka_unit_test_teardown(test, images_end_test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IMAGE_TEST(result_has_exactly_the_size_asked_for),
        IMAGE_TEST(crop_keeps_the_edge_that_is_named),
        IMAGE_TEST(each_orientation_is_turned_upright),
        IMAGE_TEST(no_metadata_gets_through),
        IMAGE_TEST(alpha_is_kept_where_there_is_alpha_and_white_shines_through_jpeg),
        IMAGE_TEST(hidden_colours_do_not_bleed),
        IMAGE_TEST(every_kind_of_pixels_becomes_srgb),
        IMAGE_TEST(grey_and_one_bit_become_srgb),
        IMAGE_TEST(cut_image_is_damaged_wherever_it_is_cut),
        IMAGE_TEST(jpeg_that_lacks_a_part_of_its_data_is_damaged),
        IMAGE_TEST(what_is_no_image_is_refused),
        IMAGE_TEST(cancelled_job_does_nothing),
        IMAGE_TEST(job_whose_time_is_over_stops),
        IMAGE_TEST(mark_of_another_thread_is_seen),
        IMAGE_TEST(time_ends_a_job_that_runs),
        IMAGE_TEST(without_fm_the_format_stays_or_becomes_one_that_fits),
        IMAGE_TEST(profile_that_is_none_does_no_harm),
        IMAGE_TEST(changed_bytes_give_a_result_or_a_fault),
    };
    return cmocka_run_group_tests(tests, images_setup, images_teardown);
}
