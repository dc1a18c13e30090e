#include "media/images.h"
#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <semaphore.h>

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
        {"w=600&h=600&fit=min", 201, 201},
        {"w=100&h=50&fit=min", 100, 50},
        {"w=100&h=100&fit=scale", 100, 100},
        {"w=100&h=100&fit=fill", 100, 100},
        {"w=100&h=100&fit=clamp", 100, 100},
        {"w=100&dpr=1.5", 150, 75},
        {"rect=10,20,300,40", 300, 40},
        {"rect=400,200,300,40", 3, 1},
        {"rect=10,20,300,40&w=30&shrink=careful", 30, 4},
        {"w=100&rot=90", 50, 100},
        {"w=100&pad=7", 100, 57},
        {"pad=7&w=50&h=80&fit=fill", 50, 80},
        {"w=100&pad-left=7&pad-bottom=2", 100, 48},
        {"w=100&rot=30", 100, 50},
        {"w=100&rot=90&pad-left=10", 60, 100},
        {"w=0.5&h=60&fit=crop&ar=1:1", 202, 60},
        {"w=800&h=300&fit=fillmax", 800, 300},
        {"w=100&orient=8", 100, 200},
        {"w=100&blur=50&sharp=20&bri=3&con=4&gam=5&sat=6&mono=red&flip=hv", 100, 50},
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

/* It is charged by its length. What an allocator rounds up is less than a quarter. */
static void result_is_held_in_a_block_of_its_length(void **state)
{
    (void)state;
    static const char *const queries[] = {"w=50", "w=50&strip=0", "w=50&fm=webp", "w=50&fm=png", "w=50&fm=gif"};
    struct bytes input = encode(quadrants(200, 100, 3), ".jpg");
    for (size_t i = 0; i < MR_ARRAY_SIZE(queries); i++) {
        struct mr_image_result out = run(queries[i], input);
        assert_true(malloc_usable_size(out.bytes) <= out.len * 5 / 4 + 64);
    }
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

static void colours_are_adjusted_as_documented(void **state)
{
    (void)state;
    const uint8_t tone[3] = {100, 150, 200};
    struct bytes input = encode(plain(20, 20, 3, tone), ".png");
    check_pixel("bri=20", input, 0, (const uint8_t[]){126, 176, 226}, 1);
    check_pixel("con=100", input, 0, (const uint8_t[]){73, 173, 255}, 1);
    check_pixel("con=-100", input, 0, (const uint8_t[]){128, 128, 128}, 1);
    check_pixel("gam=50", input, 0, (const uint8_t[]){160, 196, 226}, 1);
    check_pixel("sat=-100", input, 0, (const uint8_t[]){143, 143, 143}, 1);
    check_pixel("sat=100", input, 0, (const uint8_t[]){57, 157, 255}, 1);
    check_pixel("exp=50", input, 0, (const uint8_t[]){138, 204, 255}, 1);
    check_pixel("exp=-50", input, 0, (const uint8_t[]){71, 109, 147}, 1);
    check_pixel("high=-100", input, 0, (const uint8_t[]){80, 106, 122}, 1);
    check_pixel("shad=100", input, 0, (const uint8_t[]){174, 201, 219}, 1);
    check_pixel("invert=1", input, 0, (const uint8_t[]){155, 105, 55}, 0);
    check_pixel("hue=180", input, 0, (const uint8_t[]){186, 136, 86}, 1);
    check_pixel("hue=360", input, 0, tone, 0);
    check_pixel("sepia=100", input, 0, (const uint8_t[]){192, 171, 134}, 1);
    check_pixel("vib=100", input, 0, (const uint8_t[]){74, 154, 235}, 1);
    check_pixel("vib=-100", input, 0, (const uint8_t[]){126, 146, 165}, 1);
    check_pixel("usm=100&usmrad=9", input, 0, tone, 1);
    check_pixel("monochrome=000", input, 0, (const uint8_t[]){31, 31, 31}, 2);
    check_pixel("mono=000", input, 0, (const uint8_t[]){31, 31, 31}, 2);
    check_pixel("blur=400", input, 0, tone, 1);
    check_pixel("sharp=100", input, 0, tone, 1);
}

static void image_is_mirrored_and_turned_as_asked(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        int shown[4];
    } cases[] = {{"flip=h", {1, 0, 3, 2}},
                 {"flip=v", {2, 3, 0, 1}},
                 {"flip=hv", {3, 2, 1, 0}},
                 {"rot=90", {1, 3, 0, 2}},
                 {"rot=180", {3, 2, 1, 0}},
                 {"rot=270", {2, 0, 3, 1}},
                 {"orient=3", {3, 2, 1, 0}},
                 {"orient=90", {2, 0, 3, 1}},
                 {"rect=40,20,80,40", {0, 1, 2, 3}},
                 {"rect=0,0,80,40", {0, 0, 0, 0}},
                 {"rect=center,middle,60,30", {0, 1, 2, 3}},
                 {"rect=right,middle,60,30", {1, 1, 3, 3}},
                 {"rect=0.5,bottom,60,30", {3, 3, 3, 3}}};
    struct bytes input = encode(quadrants(160, 80, 3), ".png");
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
        struct mr_image_result out = run(cases[i].query, input);
        check_quadrants(&out, cases[i].shown, 3);
    }
}

/* Counter-clockwise about its middle: no corner is empty, whatever the angle. */
static void image_that_is_turned_by_any_angle_is_zoomed_to_cover(void **state)
{
    (void)state;
    static const int places[4][2] = {{3, 40}, {40, 3}, {40, 76}, {76, 40}}; /* of the quadrants, after 45 degrees */
    struct mr_image_result out = run("rot=45&bg=fff", encode(quadrants(80, 80, 3), ".png"));
    VipsImage *image = decode(out.bytes, out.len);
    for (int i = 0; i < 4; i++)
        assert_true(is_close(pixel_at(image, places[i][0], places[i][1]), corner_colours[i], 3, 3));
    g_object_unref(image);
    static const uint8_t tone[4] = {10, 200, 30, 255};
    static const char *const queries[] = {"rot=1", "rot=33&pad=0", "rot=90.5", "rot=200&w=50&h=20&fit=scale"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(queries); i++)
        for (int bands = 3; bands <= 4; bands++) {
            out = run(queries[i], encode(plain(60, 20, bands, tone), ".png"));
            image = decode(out.bytes, out.len);
            assert_int_equal(image->Bands, bands);
            for (int n = 0; n < image->Xsize * image->Ysize; n++)
                if (!is_close(pixel_at(image, n % image->Xsize, n / image->Xsize), tone, bands, 1))
                    fail_msg("%s: pixel %d", queries[i], n);
            g_object_unref(image);
        }
}

static void border_of_one_colour_is_trimmed(void **state)
{
    (void)state;
    VipsImage *inner = quadrants(60, 40, 3), *framed = NULL;
    VipsArrayDouble *grey = vips_array_double_newv(3, 90.0, 90.0, 90.0);
    assert_int_equal(
        vips_embed(inner, &framed, 13, 7, 100, 80, "extend", VIPS_EXTEND_BACKGROUND, "background", grey, NULL), 0);
    vips_area_unref(VIPS_AREA(grey));
    g_object_unref(inner);
    struct mr_image_result out = run("trim=auto", encode(framed, ".png"));
    assert_int_equal(out.width, 60);
    assert_int_equal(out.height, 40);
    check_quadrants(&out, upright, 3);
    out = run("trim=auto&w=10", encode(plain(30, 20, 3, (const uint8_t[]){9, 9, 9}), ".png"));
    assert_int_equal(out.width, 10); /* nothing but border: it stays */
}

static void check_size(const char *query, struct bytes input, uint32_t width, uint32_t height)
{
    struct mr_image_result out = run(query, input);
    if (out.width != width || out.height != height)
        fail_msg("%s: %ux%u", query, out.width, out.height);
}

static void border_is_of_the_colour_that_is_named_or_of_none(void **state)
{
    (void)state;
    VipsImage *image = plain(40, 40, 3, (const uint8_t[]){200, 10, 20});
    for (int i = 0; i < 30 * 30; i++) /* a white frame within the red, and what is inside of it */
        memcpy(pixel_at(image, 5 + i % 30, 5 + i / 30), (const uint8_t[]){250, 250, 250}, 3);
    struct bytes red = encode(image, ".png");
    check_size("trim=auto", red, 30, 30);
    check_size("trim=color", red, 30, 30);
    check_size("trim=color&trim-color=c80a14", red, 30, 30);
    check_size("trim=color&trim-color=d21410&trim-md=9", red, 40, 40);
    check_size("trim=color&trim-color=d21410&trim-md=10", red, 30, 30);
    check_size("trim=color&trim-color=fff", red, 40, 40);
    check_size("trim=alpha", red, 40, 40);
    check_size("trim=colorunlessalpha&trim-color=c80a14", red, 30, 30);
    image = plain(40, 40, 4, (const uint8_t[]){0, 0, 0, 0});
    for (int i = 0; i < 40 * 40; i++) { /* colours that cannot be seen, around what can be */
        bool is_inside = i % 40 >= 10 && i % 40 < 30 && i / 40 >= 10 && i / 40 < 30;
        memcpy(pixel_at(image, i % 40, i / 40),
               (const uint8_t[]){(uint8_t)(i * 7), (uint8_t)(i * 3), (uint8_t)i, is_inside ? 255 : 0}, 4);
    }
    struct bytes hidden = encode(image, ".png");
    check_size("trim=auto", hidden, 20, 20);
    check_size("trim=alpha", hidden, 20, 20);
    check_size("trim=colorunlessalpha&trim-color=fff", hidden, 20, 20);
}

static void filled_areas_have_the_background(void **state)
{
    (void)state;
    struct bytes input = encode(quadrants(100, 50, 3), ".png");
    struct mr_image_result out = run("w=40&h=40&fit=fill&bg=0a0b0c", input);
    VipsImage *image = decode(out.bytes, out.len);
    assert_true(is_close(pixel_at(image, 0, 0), (const uint8_t[]){10, 11, 12}, 3, 0));
    g_object_unref(image);
    out = run("w=40&h=40&fit=fill", input);
    image = decode(out.bytes, out.len);
    assert_int_equal(image->Bands, 4);
    assert_int_equal(pixel_at(image, 0, 0)[3], 0);
    assert_int_equal(pixel_at(image, 20, 20)[3], 255);
    g_object_unref(image);
    out = run("w=40&h=40&fit=fill&fm=jpg", input);
    image = decode(out.bytes, out.len);
    assert_true(is_close(pixel_at(image, 1, 1), (const uint8_t[]){255, 255, 255}, 3, 2));
    g_object_unref(image);
}

/* A background shines through what lies on it, and white through the background. */
static void background_with_alpha_lies_behind_all_that_is_transparent(void **state)
{
    (void)state;
    const uint8_t half_blue[4] = {0, 0, 200, 128}, red[3] = {255, 0, 0};
    struct bytes input = encode(plain(20, 20, 4, half_blue), ".png");
    check_pixel("bg=80ff0000", input, 0, (const uint8_t[]){85, 0, 133, 192}, 2);
    check_pixel("bg=80ff0000&fm=webp&lossless=1", input, 0, (const uint8_t[]){85, 0, 133, 192}, 2);
    check_pixel("bg=80ff0000&fm=jpg&q=100", input, 0, (const uint8_t[]){127, 63, 163}, 4);
    check_pixel("bg=00ff0000", input, 0, half_blue, 1);
    check_pixel("bg=ff0000", input, 0, (const uint8_t[]){127, 0, 100}, 2);
    static const struct {
        const char *query;
        uint8_t corner[4]; /* what is added there */
    } cases[] = {{"pad=9&bg=80ff0000&fm=png", {255, 0, 0, 128}},
                 {"pad=9&bg=80ff0000&fm=jpg&q=100", {255, 127, 127}},
                 {"w=60&h=40&fit=fill&bg=80ff0000&fm=png", {255, 0, 0, 128}},
                 {"w=60&h=40&fit=fillmax&fill-color=8000ff00&fm=png", {0, 255, 0, 128}},
                 {"w=60&h=40&fit=fill&fill-color=8000ff00&fm=jpg&q=100", {127, 255, 127}},
                 {"rot=45&rot-type=pivot&bg=80ff0000&fm=png", {255, 0, 0, 128}},
                 {"border=9,0000ff&pad=3&bg=80ff0000", {0, 0, 255, 255}}};
    input = encode(plain(40, 40, 3, red), ".png");
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
        struct mr_image_result out = run(cases[i].query, input);
        VipsImage *image = decode(out.bytes, out.len);
        const uint8_t *have = pixel_at(image, 2, 2);
        if (!is_close(have, cases[i].corner, image->Bands, 3))
            fail_msg("%s: %u %u %u %u", cases[i].query, have[0], have[1], have[2], have[image->Bands - 1]);
        g_object_unref(image);
    }
}

static void border_lies_over_the_edges(void **state)
{
    (void)state;
    struct mr_image_result out = run("border=5,123456&pad-left=2", encode(quadrants(40, 30, 3), ".png"));
    VipsImage *image = decode(out.bytes, out.len);
    const uint8_t colour[3] = {0x12, 0x34, 0x56};
    assert_int_equal(image->Xsize, 42);
    for (int x = 0; x < 42; x++)
        for (int y = 0; y < 30; y++) {
            bool is_edge = x < 5 || x >= 37 || y < 5 || y >= 25;
            assert_true(is_close(pixel_at(image, x, y), colour, 3, 0) == is_edge);
        }
    g_object_unref(image);
    check_size("border=4096,red", encode(quadrants(40, 30, 3), ".png"), 40, 30);
}

/* What fills up is the image itself: left and right of it lies what its own edges look like. */
static void image_is_filled_up_with_itself_blurred(void **state)
{
    (void)state;
    for (int bands = 3; bands <= 4; bands++) {
        struct mr_image_result out =
            run("w=120&h=40&fit=fill&fill=blur&fill-color=fff", encode(quadrants(40, 40, bands), ".png"));
        VipsImage *image = decode(out.bytes, out.len);
        assert_int_equal(image->Xsize, 120);
        assert_true(is_close(pixel_at(image, 2, 2), corner_colours[0], 3, 40));
        assert_true(is_close(pixel_at(image, 117, 37), corner_colours[3], 3, 40));
        assert_true(is_close(pixel_at(image, 45, 5), corner_colours[0], 3, 0));
        assert_true(is_close(pixel_at(image, 75, 35), corner_colours[3], 3, 0));
        g_object_unref(image);
    }
    check_size("w=60000&h=30&fit=fill&fill=blur&fm=png", encode(quadrants(1, 30, 3), ".png"), 60000, 30);
    check_size("w=30&h=60000&fit=fillmax&fill=blur&fm=png", encode(quadrants(40, 1, 3), ".png"), 30, 60000);
}

/* Where a row of the blurred edge between black and white crosses that level, in pixels. */
static double crossing(VipsImage *image, double level)
{
    int x = 1;
    while (pixel_at(image, x, image->Ysize / 2)[0] < level)
        x++;
    double before = pixel_at(image, x - 1, image->Ysize / 2)[0], after = pixel_at(image, x, image->Ysize / 2)[0];
    return x - 1 + (level - before) / (after - before);
}

/* Of a narrow edge: the variance of its steps. */
static double deviation(VipsImage *image)
{
    double sum = 0, moment = 0;
    int middle = image->Xsize / 2;
    for (int x = 1; x < image->Xsize; x++) {
        double step = pixel_at(image, x, image->Ysize / 2)[0] - pixel_at(image, x - 1, image->Ysize / 2)[0];
        sum += step;
        moment += step * (x - middle) * (x - middle);
    }
    return sqrt(moment / sum);
}

static void blur_has_the_sigma_that_it_says(void **state)
{
    (void)state;
    static const double sigmas[] = {0.2, 0.3, 0.5, 0.8, 1, 1.7, 2, 3.9, 4, 7, 12, 30, 75};
    for (size_t i = 0; i < MR_ARRAY_SIZE(sigmas); i++)
        for (int bands = 3; bands <= 4; bands++) {
            VipsImage *edge = plain(sigmas[i] < 10 ? 120 : 900, 40, bands, (const uint8_t[]){0, 0, 0, 255});
            for (int n = 0; n < edge->Xsize * edge->Ysize; n++)
                if (n % edge->Xsize >= edge->Xsize / 2)
                    memset(pixel_at(edge, n % edge->Xsize, n / edge->Xsize), 255, 3);
            char query[40];
            snprintf(query, sizeof(query), "blur=%g", sigmas[i] * 20);
            struct mr_image_result out = run(query, encode(edge, ".png"));
            VipsImage *image = decode(out.bytes, out.len);
            double sigma = sigmas[i] < 1.5 ? deviation(image)
                                           : (crossing(image, 255 * 0.84134) - crossing(image, 255 * 0.15866)) / 2;
            if (fabs(sigma / sigmas[i] - 1) > 0.03)
                fail_msg("blur of %g px: %g", sigmas[i], sigma);
            g_object_unref(image);
        }
}

/* On both sides of an edge, and by the surroundings' size. Below 0 it blurs. Alpha is as it was. */
static void unsharp_mask_raises_edges(void **state)
{
    (void)state;
    for (int bands = 3; bands <= 4; bands++) {
        VipsImage *edge = plain(80, 20, bands, (const uint8_t[]){100, 100, 100, 90});
        for (int n = 0; n < 80 * 20; n++)
            if (n % 80 >= 40)
                memset(pixel_at(edge, n % 80, n / 80), 150, 3);
        struct bytes input = encode(edge, ".png");
        static const struct {
            const char *query;
            uint8_t values[3]; /* at 5, 39 and 40 */
        } cases[] = {{"usm=100&usmrad=3", {100, 78, 172}}, {"usm=50", {100, 90, 160}}, {"usm=-100", {100, 121, 129}}};
        for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
            struct mr_image_result out = run(cases[i].query, input);
            VipsImage *image = decode(out.bytes, out.len);
            const uint8_t have[3] = {pixel_at(image, 5, 9)[0], pixel_at(image, 39, 9)[0], pixel_at(image, 40, 9)[0]};
            if (!is_close(have, cases[i].values, 3, 2))
                fail_msg("%s: %u %u %u", cases[i].query, have[0], have[1], have[2]);
            assert_true(bands == 3 || pixel_at(image, 39, 9)[3] == 90);
            g_object_unref(image);
        }
    }
}

/* Three frames of plain colour, with delays of their own. */
static struct bytes animation(const char *suffix)
{
    VipsImage *frames[3], *strip = NULL, *image = NULL;
    for (int i = 0; i < 3; i++)
        frames[i] = plain(40, 30, 3, corner_colours[i]);
    assert_int_equal(vips_arrayjoin(frames, &strip, 3, "across", 1, NULL), 0);
    assert_int_equal(vips_copy(strip, &image, NULL), 0);
    vips_image_set_int(image, "page-height", 30);
    vips_image_set_array_int(image, "delay", (int[]){100, 250, 70}, 3);
    vips_image_set_int(image, "loop", 5);
    for (int i = 0; i < 3; i++)
        g_object_unref(frames[i]);
    g_object_unref(strip);
    return encode(image, suffix);
}

static void animation_keeps_its_frames_timing_and_loops(void **state)
{
    (void)state;
    static const char *const suffixes[] = {".gif", ".webp"}, *const queries[] = {"fm=gif&w=20", "fm=webp&w=20",
                                                                                 "fm=gif&w=20&h=10&fit=crop&trim=auto"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(suffixes) * MR_ARRAY_SIZE(queries); i++) {
        struct mr_image_result out = run(queries[i / 2], animation(suffixes[i % 2]));
        assert_int_equal(out.frames, 3);
        assert_int_equal(out.width, 20);
        VipsImage *strip = vips_image_new_from_buffer(out.bytes, out.len, "n=-1", NULL);
        assert_non_null(strip);
        int *delays = NULL, count = 0, loop = 0;
        assert_int_equal(vips_image_get_array_int(strip, "delay", &delays, &count), 0);
        assert_int_equal(count, 3);
        assert_memory_equal(delays, ((int[]){100, 250, 70}), sizeof(int) * 3);
        assert_int_equal(vips_image_get_int(strip, "loop", &loop), 0);
        assert_int_equal(loop, 5);
        assert_int_equal(strip->Ysize, (int)out.height * 3);
        VipsImage *pixels = vips_image_copy_memory(strip);
        for (int frame = 0; frame < 3; frame++)
            assert_true(is_close(pixel_at(pixels, 10, (int)out.height * frame + 4), corner_colours[frame], 3, 12));
        g_object_unref(pixels);
        g_object_unref(strip);
    }
}

static void avif_goes_in_and_out(void **state)
{
    (void)state;
    struct mr_image_result out = run("w=100&fm=avif", encode(quadrants(200, 100, 3), ".png"));
    assert_int_equal(out.format, MR_IMAGE_AVIF);
    check_quadrants(&out, upright, 12);
    out = run("w=50", copy_of(out.bytes, out.len));
    assert_int_equal(out.format, MR_IMAGE_AVIF);
    check_quadrants(&out, upright, 16);
    struct bytes glass = encode(plain(64, 64, 4, (const uint8_t[]){200, 0, 0, 128}), ".avif");
    check_pixel("fm=png", glass, 0, (const uint8_t[]){200, 0, 0, 128}, 6);
}

static void one_frame_of_an_animation_can_be_asked_for(void **state)
{
    (void)state;
    check_pixel("frame=2&fm=png", animation(".gif"), 0, (const uint8_t[]){30, 180, 30, 255}, 4);
    check_pixel("page=3&fm=png", animation(".webp"), 0, (const uint8_t[]){30, 30, 220}, 12);
    run_fails(MR_EPARAM, "frame=4", animation(".gif"));
    run_fails(MR_EPARAM, "frame=2", encode(quadrants(20, 10, 3), ".jpg"));
}

static void kept_metadata_never_holds_the_position(void **state)
{
    (void)state;
    static const char *const formats[] = {"fm=jpg&strip=0", "fm=png&strip=0", "fm=webp&strip=0"};
    struct bytes input = with_segment(encode(quadrants(320, 160, 3), ".jpg"), 0xE1, exif_of(1));
    for (size_t i = 0; i < MR_ARRAY_SIZE(formats); i++) {
        struct mr_image_result out = run(formats[i], input);
        VipsImage *image = decode(out.bytes, out.len);
        if (vips_image_get_typeof(image, "exif-ifd0-Make") == 0)
            fail_msg("%s: no camera", formats[i]);
        assert_int_equal(vips_image_get_typeof(image, "exif-ifd3-GPSLatitudeRef"), 0);
        g_object_unref(image);
    }
    struct mr_image_result out = run("fm=jpg&strip=0&gps=1", input);
    VipsImage *image = decode(out.bytes, out.len);
    assert_int_not_equal(vips_image_get_typeof(image, "exif-ifd3-GPSLatitudeRef"), 0);
    g_object_unref(image);
}

static void impossible_geometry_names_what_is_wrong(void **state)
{
    (void)state;
    struct bytes input = encode(quadrants(100, 50, 3), ".png");
    run_fails(MR_EPARAM, "rect=100,0,10,10", input);
    run_fails(MR_EPIXELS, "w=9000&h=9000&fit=fill&rot=45&rot-type=pivot", input);
    run_fails(MR_EDIMENSION, "w=16385&h=12&fit=scale&fm=avif&pad=1", input);
}

/* Marker SOF0 or SOF2, 8 bits, 16 x 16 px, three components, the first of them with its sampling factors. */
static void formats_of_other_names_are_what_they_say(void **state)
{
    (void)state;
    static const uint8_t baseline_420[] = "\xff\xc0\x00\x11\x08\x00\x10\x00\x10\x03\x01\x22";
    static const uint8_t baseline_444[] = "\xff\xc0\x00\x11\x08\x00\x10\x00\x10\x03\x01\x11";
    static const uint8_t progressive[] = "\xff\xc2\x00\x11\x08\x00\x10\x00\x10\x03\x01\x22";
    struct bytes input = encode(quadrants(16, 16, 3), ".png");
    const struct {
        const char *query;
        const void *bytes;
        size_t len;
    } cases[] = {{"fm=jpg", baseline_420, 12},
                 {"fm=pjpg", progressive, 12},
                 {"fm=jpg&chromasub=444", baseline_444, 12},
                 {"fm=jpg&q=95", baseline_444, 12},
                 {"fm=jpg&q=95&chromasub=420", baseline_420, 12},
                 {"fm=png8", "PLTE", 4}};
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
        struct mr_image_result out = run(cases[i].query, input);
        if (!holds_bytes(&out, cases[i].bytes, cases[i].len))
            fail_msg("%s", cases[i].query);
        check_quadrants(&out, upright, 24);
    }
    struct mr_image_result out = run("fm=png32", input);
    assert_false(holds_bytes(&out, "PLTE", 4));
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

#define IMAGE_TEST(test) cmocka_unit_test_teardown(test, images_end_test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IMAGE_TEST(result_has_exactly_the_size_asked_for),
        IMAGE_TEST(crop_keeps_the_edge_that_is_named),
        IMAGE_TEST(each_orientation_is_turned_upright),
        IMAGE_TEST(no_metadata_gets_through),
        IMAGE_TEST(alpha_is_kept_where_there_is_alpha_and_white_shines_through_jpeg),
        IMAGE_TEST(result_is_held_in_a_block_of_its_length),
        IMAGE_TEST(hidden_colours_do_not_bleed),
        IMAGE_TEST(colours_are_adjusted_as_documented),
        IMAGE_TEST(image_is_mirrored_and_turned_as_asked),
        IMAGE_TEST(image_that_is_turned_by_any_angle_is_zoomed_to_cover),
        IMAGE_TEST(border_of_one_colour_is_trimmed),
        IMAGE_TEST(border_is_of_the_colour_that_is_named_or_of_none),
        IMAGE_TEST(background_with_alpha_lies_behind_all_that_is_transparent),
        IMAGE_TEST(border_lies_over_the_edges),
        IMAGE_TEST(image_is_filled_up_with_itself_blurred),
        IMAGE_TEST(blur_has_the_sigma_that_it_says),
        IMAGE_TEST(unsharp_mask_raises_edges),
        IMAGE_TEST(filled_areas_have_the_background),
        IMAGE_TEST(animation_keeps_its_frames_timing_and_loops),
        IMAGE_TEST(avif_goes_in_and_out),
        IMAGE_TEST(one_frame_of_an_animation_can_be_asked_for),
        IMAGE_TEST(kept_metadata_never_holds_the_position),
        IMAGE_TEST(impossible_geometry_names_what_is_wrong),
        IMAGE_TEST(formats_of_other_names_are_what_they_say),
        IMAGE_TEST(cancelled_job_does_nothing),
        IMAGE_TEST(job_whose_time_is_over_stops),
        IMAGE_TEST(mark_of_another_thread_is_seen),
        IMAGE_TEST(time_ends_a_job_that_runs),
        IMAGE_TEST(without_fm_the_format_stays_or_becomes_one_that_fits),
    };
    return cmocka_run_group_tests(tests, images_setup, images_teardown);
}
