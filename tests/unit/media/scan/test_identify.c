#include "media/images.h"
#include "media/scan/scan.h"

static int identify(struct mr_image_info *info, struct bytes file)
{
    return mr_image_identify(info, file.at, file.len, &generous, NULL);
}

static struct mr_image_info scanned(struct bytes file)
{
    struct mr_image_info info;
    struct mr_fault fault = {0};
    int err = mr_image_identify(&info, file.at, file.len, &generous, &fault);
    if (err != MR_OK)
        fail_msg("%s %s", mr_error_name((enum mr_error)err), fault.detail);
    return info;
}

static void each_format_is_measured(void **state)
{
    (void)state;
    static const struct {
        const char *suffix;
        enum mr_image_format format;
        int bands, bands_seen;
        bool alpha, whole;
    } cases[] = {
        {".jpg", MR_IMAGE_JPEG, 3, 3, false, false},
        {".jpg", MR_IMAGE_JPEG, 1, 1, false, false},
        {".jpg[interlace]", MR_IMAGE_JPEG, 3, 3, false, true},
        {".png", MR_IMAGE_PNG, 4, 4, true, false},
        {".png[interlace]", MR_IMAGE_PNG, 3, 3, false, true},
        {".png[palette]", MR_IMAGE_PNG, 3, 3, false, false},
        {".png", MR_IMAGE_PNG, 1, 1, false, false},
        {".webp", MR_IMAGE_WEBP, 3, 3, false, true},
        {".webp[lossless]", MR_IMAGE_WEBP, 3, 3, false, true},
        {".gif", MR_IMAGE_GIF, 3, 4, true, true}, /* libvips marks a colour as transparent always */
        {".tif", MR_IMAGE_TIFF, 3, 3, false, true},
        {".tif[compression=deflate,tile]", MR_IMAGE_TIFF, 4, 4, true, true},
        {".tif[bigtiff]", MR_IMAGE_TIFF, 1, 1, false, true},
        {".avif", MR_IMAGE_AVIF, 3, 3, false, true},
        {".avif", MR_IMAGE_AVIF, 4, 4, true, true},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
        struct mr_image_info info = scanned(encode(quadrants(123, 45, cases[i].bands), cases[i].suffix));
        if (info.format != cases[i].format || info.width != 123 || info.height != 45 || info.frames != 1 ||
            info.bands != cases[i].bands_seen || info.alpha != cases[i].alpha || info.whole != cases[i].whole)
            fail_msg("%s: format %d, %ux%u, %u frames, %u bands, alpha %d, whole %d", cases[i].suffix, info.format,
                     info.width, info.height, info.frames, info.bands, info.alpha, info.whole);
    }
}

static void progressive_jpeg_counts_its_scans(void **state)
{
    (void)state;
    assert_int_equal(scanned(encode(quadrants(64, 64, 3), ".jpg")).scans, 1);
    assert_in_range(scanned(encode(quadrants(64, 64, 3), ".jpg[interlace]")).scans, 2, 20);
}

/* At every length of a small file, of every format. Of a JPEG that is cut in its last scan the decoder will find it; so
 * it will where a PNG ends behind its data. */
static void cut_file_is_damaged_or_to_be_mended_wherever_it_is_cut(void **state)
{
    (void)state;
    static const char *const suffixes[] = {".jpg", ".jpg[interlace]", ".png", ".webp", ".webp[lossless]", ".gif",
                                           ".avif"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(suffixes); i++) {
        struct bytes file = encode(noise(24, 16, 3), suffixes[i]);
        for (size_t len = 16; len + 1 < file.len; len++) {
            uint8_t *cut = malloc(len); /* so that ASan sees a byte too far */
            memcpy(cut, file.at, len);
            struct mr_scan scan;
            int err = mr_scan_image(&scan, (struct mr_view){cut, len}, 0, &generous, NULL);
            free(cut);
            if (err != MR_EDAMAGED && (err != MR_OK || scan.mending.tail == NULL || scan.mending.len > len))
                fail_msg("%s at %zu of %zu: %d", suffixes[i], len, file.len, err);
        }
    }
}

/* Of a file with few bytes changed nothing but numbers within bounds may come out. */
static void changed_bytes_never_lead_outside(void **state)
{
    (void)state;
    static const char *const suffixes[] = {".jpg[interlace]",    ".png", ".webp", ".gif", ".tif",
                                           ".tif[tile,bigtiff]", ".avif"};
    uint32_t random = 7;
    for (size_t i = 0; i < MR_ARRAY_SIZE(suffixes); i++) {
        struct bytes file = encode(quadrants(40, 30, 4), suffixes[i]);
        for (int round = 0; round < 3000; round++) {
            uint8_t *copy = malloc(file.len);
            memcpy(copy, file.at, file.len);
            for (int change = 0; change < 3; change++) {
                random = random * 1664525 + 1013904223;
                copy[(random >> 8) % MR_MIN(file.len, (size_t)300)] = (uint8_t)random;
            }
            struct mr_image_info info;
            if (identify(&info, (struct bytes){copy, file.len}) == MR_OK)
                assert_true(info.width > 0 && info.height > 0 && info.frames > 0 && info.bands >= 1 && info.bands <= 4);
            free(copy);
        }
    }
}

static void what_is_no_image_is_not_one(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "x",
        "<svg xmlns='http://www.w3.org/2000/svg' width='10' height='10'/>",
        "<?xml version='1.0'?><svg/>",
        "%PDF-1.4\n1 0 obj\n",
        "2 2\n1 2\n3 4\n",
        "P6\n1 1\n255\nabc",
        "BM______________________________",
        "GIF86a__________________________",
        "\xFF\xD8not a jpeg",
        "RIFF____WAVEfmt ",
        "8BPS\0\1",
    };
    struct mr_image_info info;
    for (size_t i = 0; i < MR_ARRAY_SIZE(texts); i++)
        assert_int_equal(identify(&info, copy_of(texts[i], strlen(texts[i]))), MR_ENOTIMAGE);
}

/* A PNG that is a signature, a header and nothing else. */
static struct bytes png_head(uint32_t width, uint32_t height)
{
    uint8_t head[33 + 12] = "\x89PNG\r\n\x1a\n\0\0\0\x0DIHDR";
    for (int i = 0; i < 4; i++) {
        head[16 + i] = (uint8_t)(width >> (24 - 8 * i));
        head[20 + i] = (uint8_t)(height >> (24 - 8 * i));
    }
    head[24] = 8;
    head[25] = 2;
    for (int i = 0; i < 4; i++)
        head[37 + i] = (uint8_t) "IDAT"[i];
    return copy_of(head, sizeof(head));
}

static void too_many_pixels_are_told_with_the_limit(void **state)
{
    (void)state;
    struct bytes file = png_head(50000, 50000);
    struct mr_image_info info;
    struct mr_fault fault = {0};
    assert_int_equal(mr_image_identify(&info, file.at, file.len, &generous, &fault), MR_EPIXELS);
    assert_int_equal(fault.limit, generous.pixels);
    assert_int_equal(fault.value, 2500000000);
    assert_string_equal(fault.limit_name, "max-pixels");
    file = png_head(70000, 1);
    assert_int_equal(mr_image_identify(&info, file.at, file.len, &generous, &fault), MR_EPIXELS);
    assert_string_equal(fault.limit_name, "image-side");
}

/* Behind the last row a decoder would inflate whatever else there is. */
static void png_with_more_data_than_its_size_can_need_is_damage(void **state)
{
    (void)state;
    static const struct {
        uint32_t width, height, data;
        int wanted;
    } cases[] = {
        {64, 48, 9264, MR_OK}, {64, 48, 77000, MR_OK}, {64, 48, 78000, MR_EDAMAGED}, {1, 60000, 800000, MR_OK}};
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
        struct bytes head = png_head(cases[i].width, cases[i].height);
        size_t len = head.len + cases[i].data + 12;
        struct bytes file = {.at = images_own(g_malloc0(len)), .len = len};
        memcpy(file.at, head.at, head.len);
        for (size_t k = 0; k < 4; k++)
            file.at[33 + k] = (uint8_t)(cases[i].data >> (24 - 8 * k));
        memcpy(file.at + len - 8, "IEND", 4);
        struct mr_image_info info;
        assert_int_equal(identify(&info, file), cases[i].wanted);
    }
}

/* Two frames in a canvas of 4 x 4, both at (left, 0): of 4 x 4, and of width x 4. */
static struct bytes gif_of_two(uint8_t left, uint16_t width)
{
    uint8_t file[] = "GIF89a\4\0\4\0\x80\0\0\0\0\0\xFF\xFF\xFF"
                     ",L\0\0\0\4\0\4\0\0\2\3\x84\x8F\5\0"
                     ",L\0\0\0WW\4\0\0\2\3\x84\x8F\5\0;";
    file[20] = file[36] = left;
    file[40] = (uint8_t)width;
    file[41] = (uint8_t)(width >> 8);
    return copy_of(file, sizeof(file) - 1);
}

static void first_frame_makes_the_canvas_of_a_gif_as_large_as_it_needs(void **state)
{
    (void)state;
    struct mr_image_info info;
    assert_int_equal(identify(&info, gif_of_two(0, 4)), MR_OK);
    assert_true(info.frames == 2 && info.width == 4 && info.height == 4 && !info.alpha);
    assert_int_equal(identify(&info, gif_of_two(3, 500)), MR_OK);
    assert_true(info.frames == 2 && info.width == 7 && info.height == 4 && info.alpha);
}

/* Its rows are decoded as far as they reach. */
static void frame_beyond_the_canvas_counts_with_all_its_pixels(void **state)
{
    (void)state;
    const struct mr_image_limits few = {.pixels = 1999, .frames = 2};
    struct mr_image_info info;
    struct mr_fault fault = {0};
    struct bytes file = gif_of_two(0, 500);
    assert_int_equal(mr_image_identify(&info, file.at, file.len, &few, &fault), MR_EPIXELS);
    assert_int_equal(fault.value, 2000);
}

/* Where the first directory of a little-endian TIFF starts, and a field in it. */
static uint8_t *tiff_field(struct bytes file, uint16_t tag)
{
    size_t at = file.at[4] | (size_t)file.at[5] << 8 | (size_t)file.at[6] << 16;
    size_t count = file.at[at] | (size_t)file.at[at + 1] << 8;
    for (uint8_t *field = file.at + at + 2; count > 0; count--, field += 12)
        if ((field[0] | field[1] << 8) == tag)
            return field;
    fail_msg("no field %u", tag);
    return NULL;
}

static struct bytes tiff(void)
{
    struct bytes file = encode(quadrants(20, 10, 3), ".tif");
    assert_memory_equal(file.at, "II*", 4);
    return file;
}

static void tiff_directories_in_a_loop_are_damage(void **state)
{
    (void)state;
    struct bytes file = tiff();
    size_t at = file.at[4] | (size_t)file.at[5] << 8 | (size_t)file.at[6] << 16;
    size_t count = file.at[at] | (size_t)file.at[at + 1] << 8;
    memcpy(file.at + at + 2 + count * 12, file.at + 4, 4); /* the next directory is this one */
    struct mr_image_info info;
    assert_int_equal(identify(&info, file), MR_EDAMAGED);
}

static void tiff_field_given_twice_is_damage(void **state)
{
    (void)state;
    struct bytes file = tiff();
    memcpy(tiff_field(file, 282), tiff_field(file, 277), 12); /* instead of a resolution: samples a pixel, again */
    struct mr_image_info info;
    assert_int_equal(identify(&info, file), MR_EDAMAGED);
}

static void tiff_of_an_unread_kind_is_told_as_such(void **state)
{
    (void)state;
    static const struct {
        uint16_t tag;
        uint8_t value;
    } cases[] = {{259, 6}, {262, 6}, {277, 5}};
    struct mr_image_info info;
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
        struct bytes file = tiff();
        tiff_field(file, cases[i].tag)[8] = cases[i].value;
        assert_int_equal(identify(&info, file), MR_ENOTIMAGE);
    }
    VipsImage *floats = NULL, *bytes = quadrants(20, 10, 3);
    assert_int_equal(vips_cast(bytes, &floats, VIPS_FORMAT_FLOAT, NULL), 0);
    g_object_unref(bytes);
    assert_int_equal(identify(&info, encode(floats, ".tif")), MR_ENOTIMAGE);
}

static void tiff_strip_outside_the_file_is_damage(void **state)
{
    (void)state;
    struct bytes file = tiff();
    tiff_field(file, 279)[11] = 0x7F;
    struct mr_image_info info;
    assert_int_equal(identify(&info, file), MR_EDAMAGED);
}

/* All strips, of a row each, are the same bytes: from the 8th of the file on. */
static struct bytes tiff_of_one_strip(uint16_t count, const char *suffix)
{
    struct bytes file = encode(noise(1024, 512, 3), suffix);
    uint8_t *offsets = tiff_field(file, 273), *counts = tiff_field(file, 279);
    assert_int_equal(offsets[4] | offsets[5] << 8, 512);
    for (size_t i = 0; i < 512; i++) {
        size_t at = offsets[8] | (size_t)offsets[9] << 8 | (size_t)offsets[10] << 16;
        memcpy(file.at + at + 4 * i, (uint8_t[4]){8, 0, 0, 0}, 4);
        at = counts[8] | (size_t)counts[9] << 8 | (size_t)counts[10] << 16;
        assert_int_equal(counts[2], 3); /* of 16 bits */
        memcpy(file.at + at + 2 * i, (uint8_t[2]){(uint8_t)count, (uint8_t)(count >> 8)}, 2);
    }
    return file;
}

static void tiff_strips_may_share_their_pixels_but_not_whatever_else_the_file_has(void **state)
{
    (void)state;
    struct mr_image_info info;
    struct mr_fault fault = {0};
    const char *const suffix = ".tif[tile_height=1]";
    assert_int_equal(identify(&info, tiff_of_one_strip(1024 * 3, suffix)), MR_OK);
    assert_int_equal(identify(&info, tiff_of_one_strip(1024 * 8 + 4096, suffix)), MR_OK);
    struct bytes file = tiff_of_one_strip(65535, suffix);
    assert_int_equal(mr_image_identify(&info, file.at, file.len, &generous, &fault), MR_EDAMAGED);
    assert_string_equal(fault.detail, "TIFF: its strips or tiles are together longer than the file.");
}

static void orientation_is_read_and_nonsense_is_upright(void **state)
{
    (void)state;
    struct bytes jpeg = encode(quadrants(20, 10, 3), ".jpg");
    for (uint16_t orientation = 0; orientation < 11; orientation++) {
        uint8_t wanted = orientation >= 1 && orientation <= 8 ? (uint8_t)orientation : 1;
        assert_int_equal(scanned(with_segment(jpeg, 0xE1, exif_of(orientation))).orientation, wanted);
    }
    struct bytes exif = exif_of(6);
    for (size_t len = 0; len < exif.len; len++) {
        struct bytes cut = copy_of(exif.at, len);
        (void)scanned(with_segment(jpeg, 0xE1, cut));
    }
}

static void jpeg_with_a_bomb_of_scans_is_refused(void **state)
{
    (void)state;
    /* 60 scans of nothing over 60 megapixels */
    uint8_t head[] = {0xFF, 0xD8, 0xFF, 0xC2, 0, 11, 8, 0x1E, 0x00, 0x1F, 0x40, 1, 1, 0x11, 0};
    uint8_t scan[] = {0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 0, 0};
    uint8_t file[sizeof(head) + 60 * sizeof(scan) + 2];
    memcpy(file, head, sizeof(head));
    for (size_t i = 0; i < 60; i++)
        memcpy(file + sizeof(head) + i * sizeof(scan), scan, sizeof(scan));
    file[sizeof(file) - 2] = 0xFF;
    file[sizeof(file) - 1] = 0xD9;
    struct mr_image_info info;
    assert_int_equal(identify(&info, copy_of(file, sizeof(file))), MR_ETIME);
}

/* ---- work in proportion to the bytes, and on a loop a fixed amount ---- */

static void takes_steps(int wanted, struct bytes file)
{
    struct mr_scan scan;
    int err = mr_scan_image(&scan, (struct mr_view){file.at, file.len}, 0, &generous, NULL);
    assert_int_equal(err, wanted);
    assert_true(err != MR_OK || scan.steps <= MR_SCAN_STEPS_MIN + file.len);
    assert_true(scan.steps <= 2 * (MR_SCAN_STEPS_MIN + file.len) + 65536); /* what is counted ahead is not taken */
}

/* Each directory of 5,000 entries begins two bytes behind the one before. */
static void overlapping_directories_are_damage(void **state)
{
    (void)state;
    const size_t len_all = 200000, entries = 5000, first = 8;
    struct bytes file = {.at = images_own(g_malloc0(len_all)), .len = len_all};
    memcpy(file.at, "II*\0\x08\0\0\0", 8);
    for (size_t at = first; at + 2 + entries * 12 + 4 <= len_all; at += 2) {
        file.at[at] = entries & 0xFF;
        file.at[at + 1] = entries >> 8;
    }
    for (size_t at = first; at + 2 + entries * 12 + 4 <= len_all / 2; at += 4) {
        size_t next = at + 4, field = at + 2 + entries * 12;
        for (size_t i = 0; i < 4; i++)
            file.at[field + i] = (uint8_t)(next >> (8 * i));
    }
    struct mr_scan scan;
    assert_int_equal(mr_scan_image(&scan, (struct mr_view){file.at, file.len}, 0, &generous, NULL), MR_EDAMAGED);
    assert_in_range(scan.steps, MR_SCAN_STEPS_MIN + len_all + 1, MR_SCAN_STEPS_MIN + len_all + 1 + entries);
}

static void sound_files_take_far_fewer_steps_than_bytes(void **state)
{
    (void)state;
    static const char *const suffixes[] = {".jpg[Q=98]", ".jpg[interlace]", ".png", ".webp", ".gif", ".tif", ".avif"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(suffixes); i++) {
        struct bytes file = encode(noise(300, 200, 3), suffixes[i]);
        struct mr_scan scan;
        struct mr_image_scan glanced;
        assert_int_equal(mr_scan_image(&scan, (struct mr_view){file.at, file.len}, 0, &generous, NULL), MR_OK);
        if (scan.steps > 64 + file.len / 16)
            fail_msg("%s: %llu steps for %zu bytes", suffixes[i], (unsigned long long)scan.steps, file.len);
        assert_int_equal(mr_image_glance(&glanced, 0, file.at, file.len, &generous, NULL), MR_OK);
        assert_true(glanced.is_whole && glanced.info.width == 300 && glanced.warnings == scan.warnings);
    }
}

/* A JPEG with a frame header and `len` bytes of restart markers behind it. */
static struct bytes jpeg_of_markers(size_t len)
{
    struct bytes head = encode(quadrants(20, 10, 3), ".jpg");
    struct bytes file = {.at = images_own(g_malloc(len)), .len = len};
    memset(file.at, 0xD0, len);
    for (size_t at = 0; at < len; at += 2)
        file.at[at] = 0xFF;
    size_t scan_at = 0;
    while (memcmp(head.at + scan_at, "\xFF\xDA", 2) != 0)
        scan_at++;
    memcpy(file.at, head.at, scan_at);
    return file;
}

static void glance_decides_or_leaves_it_after_a_fixed_number_of_steps(void **state)
{
    (void)state;
    for (size_t len = 1000; len <= 16 << 20; len *= 4) {
        struct bytes file = jpeg_of_markers(len);
        struct mr_image_scan glanced;
        int err = mr_image_glance(&glanced, 0, file.at, file.len, &generous, NULL);
        assert_int_equal(err, glanced.is_whole ? MR_EDAMAGED : MR_OK);
        assert_true(glanced.is_whole == (len < 10000));
        assert_true(glanced.info.width == 20 && glanced.info.height == 10);
        takes_steps(MR_EDAMAGED, file);
    }
    const struct mr_image_limits few = {.pixels = 100, .frames = 1};
    struct bytes file = jpeg_of_markers(1 << 20);
    struct mr_image_scan glanced;
    assert_int_equal(mr_image_glance(&glanced, 0, file.at, file.len, &few, NULL), MR_EPIXELS);
}

#define SCAN_TEST(test) cmocka_unit_test_teardown(test, images_end_test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCAN_TEST(each_format_is_measured),
        SCAN_TEST(progressive_jpeg_counts_its_scans),
        SCAN_TEST(cut_file_is_damaged_or_to_be_mended_wherever_it_is_cut),
        SCAN_TEST(changed_bytes_never_lead_outside),
        SCAN_TEST(what_is_no_image_is_not_one),
        SCAN_TEST(too_many_pixels_are_told_with_the_limit),
        SCAN_TEST(png_with_more_data_than_its_size_can_need_is_damage),
        SCAN_TEST(first_frame_makes_the_canvas_of_a_gif_as_large_as_it_needs),
        SCAN_TEST(frame_beyond_the_canvas_counts_with_all_its_pixels),
        SCAN_TEST(tiff_directories_in_a_loop_are_damage),
        SCAN_TEST(tiff_field_given_twice_is_damage),
        SCAN_TEST(tiff_of_an_unread_kind_is_told_as_such),
        SCAN_TEST(tiff_strip_outside_the_file_is_damage),
        SCAN_TEST(tiff_strips_may_share_their_pixels_but_not_whatever_else_the_file_has),
        SCAN_TEST(orientation_is_read_and_nonsense_is_upright),
        SCAN_TEST(jpeg_with_a_bomb_of_scans_is_refused),
        SCAN_TEST(overlapping_directories_are_damage),
        SCAN_TEST(sound_files_take_far_fewer_steps_than_bytes),
        SCAN_TEST(glance_decides_or_leaves_it_after_a_fixed_number_of_steps),
    };
    return cmocka_run_group_tests(tests, images_setup, images_teardown);
}
