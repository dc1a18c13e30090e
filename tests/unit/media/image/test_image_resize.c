#include "media/image/image_resize.h"
#include "media/images.h"

/* ---- a part of the resized image ---- */

static void check_part(VipsImage *in, int width, int height, VipsRect part)
{
    VipsImage *whole = mr_image_resize(in, in->Xsize, in->Ysize, width, height), *cut = NULL;
    VipsImage *lazy = mr_image_resize_part(in, in->Xsize, in->Ysize, width, height, part);
    assert_true(whole != NULL && lazy != NULL);
    assert_int_equal(lazy->Xsize, part.width);
    assert_int_equal(lazy->Ysize, part.height);
    assert_int_equal(vips_extract_area(whole, &cut, part.left, part.top, part.width, part.height, NULL), 0);
    size_t wanted_len, len;
    void *wanted = vips_image_write_to_memory(cut, &wanted_len), *have = vips_image_write_to_memory(lazy, &len);
    assert_true(wanted != NULL && have != NULL);
    assert_int_equal(len, wanted_len);
    assert_memory_equal(have, wanted, len);
    g_free(wanted);
    g_free(have);
    g_object_unref(lazy);
    g_object_unref(cut);
    g_object_unref(whole);
}

static void part_has_the_pixels_of_a_cut(void **state)
{
    (void)state;
    static const struct {
        int width, height;
        VipsRect part;
    } cases[] = {{300, 500, {40, 470, 7, 30}}, {300, 20, {299, 0, 1, 20}},   {31, 40, {3, 33, 20, 5}},
                 {4, 100, {1, 20, 2, 60}},     {700, 700, {0, 350, 700, 1}}, {60, 90, {0, 0, 60, 90}}};
    for (int bands = 1; bands <= 4; bands++) {
        VipsImage *in = noise(60, 90, bands);
        for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++)
            check_part(in, cases[i].width, cases[i].height, cases[i].part);
        g_object_unref(in);
    }
}

/* ---- in linear light ---- */

/* Pixels of two tones by turns: half of the light is the tone 188, not 128. */
static VipsImage *checked(int bands, uint8_t dark, uint8_t bright)
{
    VipsImage *image = quadrants(80, 60, bands);
    for (int i = 0; i < 80 * 60; i++)
        memset(pixel_at(image, i % 80, i / 80), (i % 80 + i / 80) % 2 == 0 ? dark : bright, (size_t)bands);
    for (int i = 0; i < 80 * 60 && bands % 2 == 0; i++)
        pixel_at(image, 0, 0)[(i + 1) * bands - 1] = 200;
    return image;
}

static void light_is_what_mixes(void **state)
{
    (void)state;
    static const VipsRect part = {4, 3, 10, 9};
    for (int bands = 1; bands <= 4; bands++) {
        VipsImage *in = checked(bands, 0, 255);
        VipsImage *small = mr_image_resize_part_linear(in, 80, 60, 20, 15, part);
        assert_non_null(small);
        VipsImage *out = vips_image_copy_memory(small);
        assert_non_null(out);
        assert_true(out->Xsize == part.width && out->Ysize == part.height && out->Bands == bands);
        assert_int_equal(out->BandFmt, VIPS_FORMAT_UCHAR);
        for (int i = 0; i < part.width * part.height * bands; i++) {
            bool is_alpha = bands % 2 == 0 && i % bands == bands - 1;
            assert_in_range(pixel_at(out, 0, 0)[i], is_alpha ? 200 : 187, is_alpha ? 200 : 189);
        }
        g_object_unref(out);
        g_object_unref(small);
        g_object_unref(in);
    }
}

/* What is transparent has no light. */
static void light_behind_no_alpha_does_not_mix(void **state)
{
    (void)state;
    VipsImage *in = checked(4, 255, 0);
    for (int i = 0; i < 80 * 60; i++)
        pixel_at(in, i % 80, i / 80)[3] = pixel_at(in, i % 80, i / 80)[0]; /* the dark ones */
    VipsImage *small = mr_image_resize_part_linear(in, 80, 60, 20, 15, (VipsRect){0, 0, 20, 15});
    VipsImage *out = vips_image_copy_memory(small);
    assert_non_null(out);
    assert_true(is_close(pixel_at(out, 9, 7), (const uint8_t[]){255, 255, 255, 128}, 4, 1));
    g_object_unref(out);
    g_object_unref(small);
    g_object_unref(in);
}

/* ---- what is read for it ---- */

struct rows {
    int highest; /* asked for at once */
    int count;
};

static int count_rows(VipsRegion *out, void *seq, void *a, void *b, gboolean *stop)
{
    (void)seq;
    (void)b;
    (void)stop;
    struct rows *rows = a;
    rows->highest = MR_MAX(rows->highest, out->valid.height);
    rows->count += out->valid.height;
    vips_region_black(out);
    return 0;
}

/* Asked for what lies far below, a decoder would hold all that is above it. */
static void rows_above_a_part_are_passed_over_a_few_at_a_time(void **state)
{
    (void)state;
    struct rows rows = {0};
    VipsImage *in = vips_image_new();
    vips_image_init_fields(in, 4, 6000, 3, VIPS_FORMAT_UCHAR, VIPS_CODING_NONE, VIPS_INTERPRETATION_sRGB, 1, 1);
    assert_int_equal(vips_image_pipelinev(in, VIPS_DEMAND_STYLE_THINSTRIP, NULL), 0);
    assert_int_equal(vips_image_generate(in, NULL, count_rows, NULL, &rows, NULL), 0);
    VipsImage *part = mr_image_resize_part(in, 4, 6000, 40, 60000, (VipsRect){0, 59990, 40, 10});
    assert_non_null(part);
    size_t len;
    void *pixels = vips_image_write_to_memory(part, &len);
    assert_int_equal(len, 40 * 10 * 3);
    assert_in_range(rows.highest, 1, 32);
    assert_in_range(rows.count, 5990, 6100);
    g_free(pixels);
    g_object_unref(part);
    g_object_unref(in);
}

/* ---- whole runs: what they hold is what they have reserved ---- */

static int keep_largest(void *context, uint64_t bytes, struct mr_fault *fault)
{
    (void)fault;
    *(uint64_t *)context = MR_MAX(*(uint64_t *)context, bytes);
    return MR_OK;
}

/* libvips counts what it holds, in this process, at most so far: each run must be the largest yet. */
static void check_room(const char *query, struct bytes input, uint32_t width, uint32_t height)
{
    uint64_t reserved = 0;
    const struct mr_image_limits limits = {
        .pixels = 100000000, .frames = 10, .reserve = keep_largest, .context = &reserved};
    struct mr_image_ops ops = ops_of(query);
    struct mr_image_result out;
    struct mr_fault fault = {0};
    int err = mr_image_run(&out, &ops, input.at, input.len, &limits, NULL, &fault);
    if (err != MR_OK)
        fail_msg("%s: %s", query, fault.detail);
    if (out.width != width || out.height != height)
        fail_msg("%s: %u x %u", query, out.width, out.height);
    mr_image_result_free(&out);
    uint64_t held = vips_tracked_get_mem_highwater();
    if (held > reserved)
        fail_msg("%s: %llu bytes, reserved %llu", query, (unsigned long long)held, (unsigned long long)reserved);
}

/* Resized they are 2.5 million pixels long, of which few are shown. */
static void thin_image_that_is_cut_is_not_enlarged_as_a_whole(void **state)
{
    (void)state;
    static const uint8_t tone[3] = {9, 90, 200};
    struct bytes tall = encode(plain(1, 65535, 3, tone), ".png"), wide = encode(plain(65535, 1, 3, tone), ".png");
    check_room("w=39&h=10&fit=crop&crop=bottom", tall, 39, 10);
    check_room("w=39&h=10&fit=crop", tall, 39, 10);
    check_room("w=39&h=10&fit=crop&crop=attention", tall, 39,
               10); /* the centre: more than 64 times as much as is shown */
    check_room("w=39&h=10&fit=crop&crop=focalpoint&fp-y=0.9", tall, 39, 10);
    check_room("w=10&h=39&fit=crop&crop=right&orient=6", tall, 10, 39);
    check_room("w=10&h=39&fit=crop&crop=right", wide, 10, 39);
    assert_in_range(vips_tracked_get_mem_highwater(), 1, 4 << 20);
}

/* Where its pixels tell what is cut the resized image is held as a whole, and so are the weights of its length. */
static void thin_image_that_is_cut_by_content_has_its_length_reserved(void **state)
{
    (void)state;
    struct bytes tall = encode(plain(1, 8000, 4, (const uint8_t[]){9, 90, 200, 99}), ".png");
    struct bytes wide = encode(plain(8000, 1, 4, (const uint8_t[]){9, 90, 200, 99}), ".png");
    struct bytes opaque = encode(plain(8000, 1, 3, (const uint8_t[]){9, 90, 200}), ".png");
    check_room("w=20&h=2500&fit=crop&crop=entropy", tall, 20, 2500);
    check_room("w=2500&h=20&fit=crop&crop=attention", opaque, 2500, 20);
    check_room("w=2500&h=20&fit=crop&crop=entropy", wide, 2500, 20);
}

/* A second copy of it would not be. */
static void turned_image_that_is_trimmed_is_held_once(void **state)
{
    (void)state;
    struct bytes input = encode(noise(1500, 1100, 3), ".png");
    check_room("trim=auto&w=10&orient=6", input, 10, 14);
    check_room("trim=auto&w=10&orient=3", input, 10, 7);
    check_room("rect=1,1,1000,1000&trim=auto&w=10&orient=8", input, 10, 10);
}

#define IMAGE_TEST(test) cmocka_unit_test_teardown(test, images_end_test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IMAGE_TEST(thin_image_that_is_cut_is_not_enlarged_as_a_whole), /* first: see check_room() */
        IMAGE_TEST(turned_image_that_is_trimmed_is_held_once),
        IMAGE_TEST(thin_image_that_is_cut_by_content_has_its_length_reserved),
        IMAGE_TEST(part_has_the_pixels_of_a_cut),
        IMAGE_TEST(light_is_what_mixes),
        IMAGE_TEST(light_behind_no_alpha_does_not_mix),
        IMAGE_TEST(rows_above_a_part_are_passed_over_a_few_at_a_time),
    };
    return cmocka_run_group_tests(tests, images_setup, images_teardown);
}
