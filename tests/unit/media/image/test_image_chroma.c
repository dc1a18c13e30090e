#include "media/image/image_chroma.h"
#include "media/image/image_setup.h"
#include "media/images.h"
#include <math.h>

static const uint8_t white[] = {255, 255, 255, 255}, red[] = {220, 20, 20, 255}, grey[] = {90, 90, 90, 255};

static bool edges_show(VipsImage *image)
{
    struct mr_chroma_edges edges = {.strong = 0};
    size_t bands = (size_t)image->Bands, width = (size_t)image->Xsize;
    for (int y = 0; y + 2 <= image->Ysize; y += 2)
        mr_chroma_edges_add(&edges, pixel_at(image, 0, y), pixel_at(image, 0, y + 1), width, bands);
    assert_int_equal(edges.squares, width / 2 * (size_t)(image->Ysize / 2));
    return mr_chroma_edges_show(&edges);
}

/* Cb and Cr of a row, of ITU-R BT.601. */
static void take_tints(uint8_t *cb, uint8_t *cr, VipsImage *image, int y)
{
    for (int x = 0; x < image->Xsize; x++) {
        const uint8_t *pixel = pixel_at(image, x, y);
        cb[x] = (uint8_t)lround(128 - 0.168736 * pixel[0] - 0.331264 * pixel[1] + 0.5 * pixel[2]);
        cr[x] = (uint8_t)lround(128 + 0.5 * pixel[0] - 0.418688 * pixel[1] - 0.081312 * pixel[2]);
    }
}

/* The same of planes. */
static bool edges_of_planes_show(VipsImage *image)
{
    struct mr_chroma_edges edges = {.strong = 0};
    uint8_t cb[2][64], cr[2][64];
    assert_in_range(image->Xsize, 1, 64);
    for (int y = 0; y + 2 <= image->Ysize; y += 2) {
        for (int i = 0; i < 2; i++)
            take_tints(cb[i], cr[i], image, y + i);
        mr_chroma_edges_add_planes(&edges, cb[0], cb[1], cr[0], cr[1], (size_t)image->Xsize);
    }
    assert_int_equal(edges.squares, image->Xsize / 2 * (image->Ysize / 2));
    return mr_chroma_edges_show(&edges);
}

/* Lines one pixel wide, 7 apart, on white. */
static VipsImage *lines(int bands, const uint8_t *colour)
{
    VipsImage *image = plain(64, 48, bands, white);
    for (int i = 0; i < 64 * 48; i += 7)
        memcpy(pixel_at(image, 0, 0) + (ptrdiff_t)i * bands, colour, (size_t)bands);
    return image;
}

/* All colours, and no edge. */
static VipsImage *smooth(void)
{
    VipsImage *image = plain(64, 48, 3, white);
    for (int i = 0; i < 64 * 48; i++) {
        uint8_t *pixel = pixel_at(image, i % 64, i / 64);
        pixel[0] = (uint8_t)(i % 64 * 4);
        pixel[1] = (uint8_t)(i / 64 * 5);
        pixel[2] = (uint8_t)(255 - i % 64 * 4);
    }
    return image;
}

static void coloured_edges_show_and_others_do_not(void **state)
{
    (void)state;
    const struct {
        VipsImage *image;
        bool wanted;
    } cases[] = {{lines(3, red), true}, {lines(4, red), true},         {lines(3, grey), false},
                 {smooth(), false},     {quadrants(64, 48, 3), false}, {plain(1, 1, 3, red), false}};
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
        if (edges_show(cases[i].image) != cases[i].wanted)
            fail_msg("case %zu", i);
        if (edges_of_planes_show(cases[i].image) != cases[i].wanted)
            fail_msg("planes of case %zu", i);
        g_object_unref(cases[i].image);
    }
}

static void check_halved(bool wanted, const char *query, struct bytes input)
{
    static const enum mr_image_format formats[] = {MR_IMAGE_JPEG, MR_IMAGE_AVIF};
    for (size_t i = 0; i < MR_ARRAY_SIZE(formats); i++) {
        char whole[100];
        if (!mr_image_can_write(formats[i]))
            continue;
        snprintf(whole, sizeof(whole), "fm=%s%s", mr_image_extension(formats[i]), query);
        struct mr_image_result out = run(whole, input);
        if (has_halved_colours(&out) != wanted)
            fail_msg("%s", whole);
    }
}

static void colours_have_full_resolution_where_it_shows(void **state)
{
    (void)state;
    struct bytes letters = encode(lines(3, red), ".png"), sheer = encode(lines(4, red), ".png");
    struct bytes photo = encode(smooth(), ".png");
    check_halved(false, "", letters);
    check_halved(false, "&chroma=auto", letters);
    check_halved(true, "&chroma=420", letters);
    check_halved(true, "&chromasub=420&q=95", letters);
    check_halved(true, "&w=4", letters);
    check_halved(false, "", sheer);
    check_halved(true, "", photo);
    check_halved(false, "&q=90", photo);
    check_halved(false, "&chroma=444", photo);
}

static void what_was_stored_with_halved_colours_is_not_looked_at(void **state)
{
    (void)state;
    check_halved(true, "", encode(lines(3, red), ".jpg[Q=90,subsample_mode=on]"));
    check_halved(true, "", encode(lines(3, red), ".webp[Q=90]"));
    check_halved(false, "", encode(lines(3, red), ".jpg[Q=90,subsample_mode=off]"));
    check_halved(false, "", encode(lines(3, red), ".webp[lossless]"));
}

static struct mr_image_result run_auto(struct bytes input)
{
    struct mr_image_ops ops = ops_of("auto=format");
    struct mr_image_result out;
    struct mr_fault fault = {0};
    ops.picks = MR_IMAGE_BIT(MR_IMAGE_JPEG);
    assert_int_equal(mr_image_run(&out, &ops, input.at, input.len, &generous, NULL, &fault), MR_OK);
    images_own(out.bytes);
    return out;
}

static void a_format_that_is_picked_looks_too(void **state)
{
    (void)state;
    struct mr_image_result out = run_auto(encode(lines(4, red), ".png"));
    assert_false(has_halved_colours(&out));
    out = run_auto(encode(smooth(), ".png"));
    assert_true(has_halved_colours(&out));
}

/* The pixels that are looked at are held, and the encoder may need more for their colours. */
static void memory_for_the_look_is_charged(void **state)
{
    (void)state;
    struct mr_image_info info = {
        .format = MR_IMAGE_PNG, .width = 1000, .height = 1000, .frames = 1, .scans = 1, .bands = 3, .bits = 8};
    struct mr_image_ops open = ops_of("fm=jpg"), halved = ops_of("fm=jpg&chroma=420");
    assert_true(mr_image_memory(&info, &open) >= mr_image_memory(&info, &halved) + 6000000);
    info.halves_colours = true;
    assert_int_equal(mr_image_memory(&info, &open), mr_image_memory(&info, &halved));
    info.halves_colours = false;
    info.width = info.height = 5000; /* too large to be looked at */
    assert_int_equal(mr_image_memory(&info, &open), mr_image_memory(&info, &halved));
}

#define IMAGE_TEST(name) cmocka_unit_test_teardown(name, images_end_test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IMAGE_TEST(coloured_edges_show_and_others_do_not),
        IMAGE_TEST(colours_have_full_resolution_where_it_shows),
        IMAGE_TEST(what_was_stored_with_halved_colours_is_not_looked_at),
        IMAGE_TEST(a_format_that_is_picked_looks_too),
        IMAGE_TEST(memory_for_the_look_is_charged),
    };
    return cmocka_run_group_tests_name("image_chroma", tests, images_setup, images_teardown);
}
