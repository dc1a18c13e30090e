#include "media/image/image_pick.h"
#include "media/image/image_setup.h"
#include "media/images.h"

enum {
    JPEG = MR_IMAGE_BIT(MR_IMAGE_JPEG),
    PNG = MR_IMAGE_BIT(MR_IMAGE_PNG),
    GIF = MR_IMAGE_BIT(MR_IMAGE_GIF),
    WEBP = MR_IMAGE_BIT(MR_IMAGE_WEBP),
    AVIF = MR_IMAGE_BIT(MR_IMAGE_AVIF),
    ANYWHERE = MR_IMAGE_BITS_ANYWHERE,
};

#define TRANSPARENT .is_transparent = true
#define FLAT        .is_flat = true

static void the_format_fits_the_picture_and_the_client(void **state)
{
    static const struct {
        uint32_t picks;
        struct mr_image_sight sight;
        bool lossless;
        enum mr_image_format wanted;
    } rows[] = {
        {ANYWHERE, {.width = 9}, false, MR_IMAGE_JPEG},
        {ANYWHERE | WEBP, {.width = 9}, false, MR_IMAGE_WEBP},
        {ANYWHERE | AVIF, {.width = 9}, false, MR_IMAGE_AVIF},
        {ANYWHERE | AVIF | WEBP, {.width = 9}, false, MR_IMAGE_AVIF},
        {ANYWHERE, {TRANSPARENT}, false, MR_IMAGE_PNG},
        {ANYWHERE | WEBP, {TRANSPARENT}, false, MR_IMAGE_WEBP},
        {ANYWHERE | AVIF, {TRANSPARENT}, false, MR_IMAGE_AVIF},
        {ANYWHERE, {FLAT}, false, MR_IMAGE_PNG},
        {ANYWHERE | AVIF, {FLAT}, false, MR_IMAGE_PNG},
        {ANYWHERE | AVIF | WEBP, {FLAT}, false, MR_IMAGE_WEBP},
        {ANYWHERE | AVIF | WEBP, {FLAT, TRANSPARENT}, false, MR_IMAGE_WEBP},
        {ANYWHERE, {.width = 9}, true, MR_IMAGE_PNG},
        {ANYWHERE | AVIF | WEBP, {.width = 9}, true, MR_IMAGE_WEBP},
        /* what does not fit */
        {ANYWHERE | AVIF | WEBP, {.width = 16384, .height = 10}, false, MR_IMAGE_AVIF},
        {ANYWHERE | AVIF | WEBP, {.width = 10, .height = 16385}, false, MR_IMAGE_JPEG},
        {ANYWHERE | AVIF | WEBP, {.width = 5000, .height = 5000}, false, MR_IMAGE_WEBP}, /* the time of an encoder */
        {ANYWHERE | WEBP, {.width = 17000, .height = 10, TRANSPARENT}, false, MR_IMAGE_PNG},
        {ANYWHERE, {.width = 65510, .height = 10}, false, MR_IMAGE_PNG},
        {ANYWHERE, {.width = 70000, .height = 10}, false, MR_IMAGE_UNKNOWN},
        /* where formats are forbidden */
        {JPEG, {TRANSPARENT}, false, MR_IMAGE_JPEG},
        {AVIF, {FLAT}, false, MR_IMAGE_AVIF},
        {GIF, {.width = 9}, false, MR_IMAGE_GIF},
        {WEBP, {.width = 17000}, false, MR_IMAGE_UNKNOWN},
    };
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++) {
        struct mr_image_ops ops = ops_of("auto=format");
        ops.picks = rows[i].picks;
        ops.lossless = rows[i].lossless;
        if (mr_image_pick(&ops, &rows[i].sight) != rows[i].wanted)
            fail_msg("row %zu", i);
    }
}

static struct mr_image_result run_for(uint32_t picks, const char *query, struct bytes input)
{
    struct mr_image_ops ops = ops_of(query);
    struct mr_image_result out;
    struct mr_fault fault = {0};
    ops.picks |= picks;
    int err = mr_image_run(&out, &ops, input.at, input.len, &generous, NULL, &fault);
    if (err != MR_OK)
        fail_msg("%s: %s %s", query, mr_error_name((enum mr_error)err), fault.detail);
    images_own(out.bytes);
    return out;
}

static void check_format(enum mr_image_format wanted, uint32_t picks, const char *query, struct bytes input)
{
    struct mr_image_result out = run_for(picks, query, input);
    if (out.format != wanted || mr_image_sniff(out.bytes, out.len) != wanted)
        fail_msg("%s: %s", query, mr_image_extension(out.format));
}

static void size_that_no_format_holds_is_refused_with_the_most_that_one_does(void **state)
{
    (void)state;
    struct mr_image_ops ops = ops_of("auto=format");
    struct mr_image_result out;
    struct mr_fault fault = {0};
    ops.picks = WEBP | MR_IMAGE_BIT(MR_IMAGE_AVIF);
    struct bytes input = encode(noise(17000, 1, 3), ".png");
    assert_int_equal(mr_image_run(&out, &ops, input.at, input.len, &generous, NULL, &fault), MR_EDIMENSION);
    assert_string_equal(fault.limit_name, "image-side");
    assert_int_equal(fault.limit, mr_image_can_write(MR_IMAGE_AVIF) ? 16384 : 16383);
    assert_int_equal(fault.value, 17000);
}

static int bands_of(struct mr_image_result result)
{
    VipsImage *image = decode(result.bytes, result.len);
    int bands = image->Bands;
    g_object_unref(image);
    return bands;
}

/* Noise in all channels but alpha, which is this everywhere. */
static struct bytes noise_behind(uint8_t alpha)
{
    VipsImage *image = noise(60, 40, 4);
    for (int i = 0; i < 60 * 40; i++)
        pixel_at(image, 0, 0)[4 * i + 3] = alpha;
    return encode(image, ".png");
}

static void transparency_counts_if_it_is_used(void **state)
{
    (void)state;
    struct bytes opaque = noise_behind(255), sheer = noise_behind(254);
    check_format(MR_IMAGE_JPEG, 0, "auto=format", opaque);
    check_format(MR_IMAGE_WEBP, WEBP, "auto=format", opaque);
    check_format(MR_IMAGE_PNG, 0, "auto=format", sheer);
    check_format(MR_IMAGE_WEBP, WEBP, "auto=format", sheer);
    check_format(MR_IMAGE_JPEG, 0, "auto=format&bg=fff", sheer);
    assert_int_equal(bands_of(run_for(WEBP, "auto=format", opaque)), 3);
    assert_int_equal(bands_of(run_for(WEBP, "auto=format", sheer)), 4);
}

static void areas_that_were_added_are_transparency_too(void **state)
{
    (void)state;
    struct bytes photo = encode(noise(60, 40, 3), ".jpg");
    check_format(MR_IMAGE_JPEG, 0, "auto=format&w=50&h=50", photo);
    check_format(MR_IMAGE_PNG, 0, "auto=format&w=50&h=50&fit=fill", photo);
    check_format(MR_IMAGE_JPEG, 0, "auto=format&w=50&h=50&fit=fill&bg=fff", photo);
    check_format(MR_IMAGE_PNG, 0, "auto=format&pad=3", photo);
    check_format(MR_IMAGE_WEBP, WEBP, "auto=format&rot=45", photo);
    check_format(MR_IMAGE_JPEG, 0, "auto=format&rot=90", photo);
}

static void a_drawing_stays_as_it_is(void **state)
{
    (void)state;
    static const uint32_t picks[] = {0, WEBP, AVIF | WEBP};
    for (int bands = 3; bands <= 4; bands++) {
        struct bytes drawing = encode(quadrants(80, 60, bands), ".png");
        for (size_t i = 0; i < MR_ARRAY_SIZE(picks); i++) {
            struct mr_image_result out = run_for(picks[i], "auto=format", drawing);
            assert_int_equal(out.format, i == 0 ? MR_IMAGE_PNG : MR_IMAGE_WEBP);
            VipsImage *have = decode(out.bytes, out.len), *want = quadrants(80, 60, 3);
            assert_memory_equal(have->data, want->data, 80 * 60 * 3);
            g_object_unref(have);
            g_object_unref(want);
        }
    }
    check_format(MR_IMAGE_PNG, 0, "auto=format&rot=90&flip=v&rect=0,0,60,50", encode(quadrants(80, 60, 3), ".gif"));
    check_format(MR_IMAGE_JPEG, 0, "auto=format&w=40", encode(quadrants(80, 60, 3), ".png"));
    check_format(MR_IMAGE_JPEG, 0, "auto=format&blur=100", encode(quadrants(80, 60, 3), ".png"));
    check_format(MR_IMAGE_AVIF, AVIF | WEBP, "auto=format", encode(noise(80, 60, 3), ".png"));
    check_format(MR_IMAGE_JPEG, 0, "auto=format", encode(quadrants(80, 60, 3), ".jpg"));
}

static struct bytes moving(const char *suffix)
{
    VipsImage *image = noise(20, 30, 3);
    vips_image_set_int(image, "page-height", 10);
    vips_image_set_array_int(image, "delay", (int[]){100, 250, 70}, 3);
    return encode(image, suffix);
}

static void an_animation_stays_one(void **state)
{
    (void)state;
    static const char *const suffixes[] = {".gif", ".webp"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(suffixes); i++) {
        struct bytes input = moving(suffixes[i]);
        struct mr_image_result out = run_for(AVIF | WEBP, "auto=format&w=10", input);
        assert_int_equal(out.format, MR_IMAGE_WEBP);
        assert_int_equal(out.frames, 3);
        out = run_for(AVIF, "auto=format&w=10", input);
        assert_int_equal(out.format, MR_IMAGE_GIF);
        assert_int_equal(out.frames, 3);
        check_format(MR_IMAGE_JPEG, 0, "auto=format&frame=2", input);
        struct mr_image_ops ops = ops_of("auto=format");
        struct mr_fault fault = {0};
        ops.picks = JPEG | PNG | AVIF;
        assert_int_equal(mr_image_run(&out, &ops, input.at, input.len, &generous, NULL, &fault), MR_ENOTIMAGE);
    }
}

static void a_format_that_is_given_is_taken(void **state)
{
    (void)state;
    struct bytes photo = encode(noise(60, 40, 3), ".jpg");
    check_format(MR_IMAGE_PNG, AVIF | WEBP, "auto=format&fm=png", photo);
    check_format(MR_IMAGE_JPEG, 0, "auto=compress", photo);
}

/* What is reserved suffices for each format that may be picked, and is not that of one that is not. */
static void memory_is_that_of_the_formats_that_may_be_picked(void **state)
{
    (void)state;
    const struct mr_image_info info = {.format = MR_IMAGE_JPEG,
                                       .width = 4000,
                                       .height = 3000,
                                       .frames = 1,
                                       .scans = 1,
                                       .bands = 3,
                                       .bits = 8,
                                       .orientation = 1};
    struct mr_image_ops ops = ops_of("auto=format"), jpeg = ops_of("fm=jpg"), gif = ops_of("fm=gif"),
                        avif = ops_of("fm=avif");
    uint64_t pixels = 12000000;
    assert_true(mr_image_memory(&info, &ops) >= mr_image_memory(&info, &jpeg) + 3 * pixels);
    assert_true(mr_image_memory(&info, &ops) < mr_image_memory(&info, &gif) / 2);
    ops.picks |= AVIF;
    assert_true(mr_image_memory(&info, &ops) >= mr_image_memory(&info, &avif));
    ops.picks = GIF;
    assert_true(mr_image_memory(&info, &ops) >= mr_image_memory(&info, &gif));
}

#define IMAGE_TEST(name) cmocka_unit_test_teardown(name, images_end_test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IMAGE_TEST(the_format_fits_the_picture_and_the_client),
        IMAGE_TEST(size_that_no_format_holds_is_refused_with_the_most_that_one_does),
        IMAGE_TEST(transparency_counts_if_it_is_used),
        IMAGE_TEST(areas_that_were_added_are_transparency_too),
        IMAGE_TEST(a_drawing_stays_as_it_is),
        IMAGE_TEST(an_animation_stays_one),
        IMAGE_TEST(a_format_that_is_given_is_taken),
        IMAGE_TEST(memory_is_that_of_the_formats_that_may_be_picked),
    };
    return cmocka_run_group_tests(tests, images_setup, images_teardown);
}
