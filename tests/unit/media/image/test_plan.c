#include "media/image/effort.h"
#include "media/image/plan.h"
#include "media/images.h"

static struct mr_plan plan_of(const char *query, struct mr_image_info info)
{
    struct mr_image_ops ops = ops_of(query);
    struct mr_plan plan;
    struct mr_fault fault = {0};
    if (mr_plan_make(&plan, &ops, &info, &generous, &fault) != MR_OK)
        fail_msg("%s: %s", query, fault.detail);
    return plan;
}

static struct mr_image_info gif(uint32_t width, uint32_t height, uint32_t frames)
{
    struct mr_image_info info = jpeg_info(width, height);
    info.format = MR_IMAGE_GIF;
    info.frames = frames;
    return info;
}

static void decoder_shrinks_by_what_leaves_the_resizer_enough(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        uint32_t shrink;
    } cases[] = {{"w=2000", 1},
                 {"w=1000", 1},
                 {"w=667", 1},
                 {"w=666", 2},
                 {"w=500", 2},
                 {"w=401", 2},
                 {"w=400", 4},
                 {"w=250", 4},
                 {"w=223", 4},
                 {"w=222", 8},
                 {"w=10", 8},
                 {"", 1},
                 {"w=4000", 1},
                 {"w=400&h=201&fit=scale", 2},
                 {"w=501&shrink=careful", 1},
                 {"w=500&shrink=careful", 2},
                 {"w=250&shrink=careful", 4},
                 {"w=10&linear=1", 1}};
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
        struct mr_plan plan = plan_of(cases[i].query, jpeg_info(2000, 1000));
        if (plan.shrink != cases[i].shrink)
            fail_msg("%s: %u", cases[i].query, plan.shrink);
    }
}

static void sides_of_a_turned_image_are_exchanged_before_it_is_turned(void **state)
{
    (void)state;
    struct mr_image_info info = jpeg_info(400, 200);
    info.orientation = 6;
    struct mr_plan plan = plan_of("w=100", info);
    assert_int_equal(plan.out_width, 100);
    assert_int_equal(plan.out_height, 200);
    assert_int_equal(plan.load_width, 200);
    assert_int_equal(plan.load_height, 100);
}

static void no_side_becomes_empty(void **state)
{
    (void)state;
    struct mr_plan plan = plan_of("w=10", jpeg_info(10000, 1));
    assert_int_equal(plan.out_width, 10);
    assert_int_equal(plan.out_height, 1);
}

/* Of an image of 400 x 300: the output, and what is resized to. */
static void sides_follow_from_what_is_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        uint32_t width, height, resized_width, resized_height;
    } cases[] = {{"w=0.5", 200, 150, 200, 150},
                 {"w=0.9999999", 400, 300, 400, 300},
                 {"h=0.5&dpr=2", 400, 300, 400, 300},
                 {"w=0.001", 1, 1, 1, 1},
                 {"rect=0,0,200,100&w=0.5", 100, 50, 100, 50},
                 {"w=200&ar=2:1&fit=crop", 200, 100, 200, 150},
                 {"h=200&ar=1:2&fit=crop", 100, 200, 267, 200},
                 {"ar=1:1&fit=crop", 300, 300, 400, 300},
                 {"ar=1:1", 400, 300, 400, 300},
                 {"rect=center,middle,100,50", 100, 50, 100, 50},
                 {"rect=right,bottom,500,50", 400, 50, 400, 50},
                 {"rect=0.9,0.5,100,300", 40, 150, 40, 150},
                 {"rect=1,1,400,300", 399, 299, 399, 299},
                 {"w=200&ar=1:1", 200, 150, 200, 150},
                 {"w=200&h=50&ar=1:1&fit=crop", 200, 50, 200, 150},
                 {"w=100&ar=1:1&fit=fill", 100, 100, 100, 75},
                 {"max-w=100", 100, 75, 100, 75},
                 {"max-w=1000", 400, 300, 400, 300},
                 {"min-w=800", 400, 300, 400, 300},
                 {"min-w=800&fit=crop", 800, 300, 800, 600},
                 {"min-w=800&fit=scale", 800, 300, 800, 300},
                 {"min-w=800&fit=fill", 800, 300, 400, 300},
                 {"min-w=800&fit=fillmax", 800, 300, 400, 300},
                 {"min-w=800&fit=clamp", 800, 300, 400, 300},
                 {"min-w=800&fit=max", 400, 300, 400, 300},
                 {"h=300&max-w=200&fit=crop", 200, 300, 400, 300},
                 {"w=600&h=600&max-h=200&fit=crop", 600, 200, 600, 450},
                 {"w=600&ar=1:1&max-h=200&fit=crop", 200, 200, 267, 200},
                 {"w=800&h=800&fit=fillmax", 800, 800, 400, 300},
                 {"w=200&h=200&fit=fillmax", 200, 200, 200, 150},
                 {"w=800&fit=fillmax", 800, 600, 800, 600}, /* clip, as its canonical text says */
                 {"w=100&pad=10", 100, 80, 80, 60},
                 {"w=100&h=100&pad=10&fit=crop", 100, 100, 107, 80},
                 {"w=100&h=100&pad=10&pad-left=0&fit=scale", 100, 100, 90, 80},
                 {"pad=10", 420, 320, 400, 300},
                 {"max-w=100&pad=10", 100, 80, 80, 60},
                 {"w=120&h=80&fit=scale&pad-top=20&rot=90", 80, 120, 100, 80},
                 {"w=100&rot=30", 100, 75, 100, 75},
                 {"w=100&rot=90", 75, 100, 100, 75},
                 /* bounds are the output's: 400 x 300 turned is 300 x 400 */
                 {"rot=90&max-w=100&max-h=50", 38, 50, 50, 38},
                 {"rot=270&max-w=60", 60, 80, 80, 60},
                 {"rot=90&max-w=60&max-h=1000&pad-left=20", 60, 53, 53, 40},
                 {"rot=180&max-w=60", 60, 45, 60, 45},
                 {"rot=90&w=200&h=200&max-w=100&fit=crop", 100, 200, 200, 150},
                 {"rot=90&w=200&h=200&min-h=300&fit=scale", 200, 300, 300, 200}};
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
        struct mr_plan plan = plan_of(cases[i].query, jpeg_info(400, 300));
        if (plan.final_width != cases[i].width || plan.final_height != cases[i].height ||
            plan.width != cases[i].resized_width || plan.height != cases[i].resized_height)
            fail_msg("%s: %llux%llu of %ux%u", cases[i].query, (unsigned long long)plan.final_width,
                     (unsigned long long)plan.final_height, plan.width, plan.height);
    }
}

static int plan_error(const char *query, struct mr_image_info info, struct mr_fault *fault)
{
    struct mr_image_ops ops = ops_of(query);
    struct mr_plan plan;
    return mr_plan_make(&plan, &ops, &info, &generous, fault);
}

static void output_beyond_the_limits_is_refused(void **state)
{
    (void)state;
    struct mr_fault fault;
    assert_int_equal(plan_error("w=20000&h=20000", jpeg_info(10, 10), &fault), MR_EPIXELS);
    assert_int_equal(fault.limit, generous.pixels);
    assert_int_equal(fault.value, 400000000);
    assert_int_equal(plan_error("w=16384&fm=webp", jpeg_info(16384, 1), &fault), MR_EDIMENSION);
    assert_int_equal(fault.limit, 16383);
    assert_int_equal(plan_error("w=65535&fm=jpg", jpeg_info(65535, 1), &fault), MR_EDIMENSION);
    assert_int_equal(plan_error("w=65535&fm=png", jpeg_info(65535, 1), &fault), MR_OK);
}

static void pad_that_leaves_nothing_is_refused(void **state)
{
    (void)state;
    static const char *const queries[][2] = {{"w=20&pad=10", "pad"},
                                             {"h=20&pad-top=20", "pad-top"},
                                             {"max-w=5&pad-left=5", "pad-left"},
                                             {"max-h=9&pad-bottom=7&pad-top=6", "pad-bottom"},
                                             {"w=20&pad=8&pad-right=30", "pad-right"},
                                             {"w=20&pad=18&pad-right=5", "pad"},
                                             {"w=20&pad-top=20&rot=90", "pad-top"},
                                             {"max-w=20&pad-left=20&rot=90", "pad-left"},
                                             {"w=0.01&pad=4", "pad"}};
    char detail[100];
    struct mr_fault fault;
    for (size_t i = 0; i < MR_ARRAY_SIZE(queries); i++) {
        snprintf(detail, sizeof(detail), "%s leaves no room for the image.", queries[i][1]);
        if (plan_error(queries[i][0], jpeg_info(400, 300), &fault) != MR_EPARAM || strcmp(fault.detail, detail) != 0)
            fail_msg("%s: %s", queries[i][0], fault.detail);
    }
    assert_int_equal(plan_error("w=21&pad=10", jpeg_info(400, 300), &fault), MR_OK);
}

static void frame_that_is_not_there_is_refused_with_its_number_and_how_many_there_are(void **state)
{
    (void)state;
    struct mr_fault fault;
    struct mr_image_info info = {.format = MR_IMAGE_GIF, .width = 9, .height = 9, .frames = 3};
    assert_int_equal(plan_error("frame=3", info, &fault), MR_OK);
    assert_int_equal(plan_error("frame=4", info, &fault), MR_EPARAM);
    assert_string_equal(fault.detail, "frame: the image has no such frame, or none that is read.");
    assert_string_equal(fault.limit_name, "frames");
    assert_int_equal(fault.limit, 3);
    assert_int_equal(fault.value, 4);
    assert_int_equal(plan_error("frame=4", info, NULL), MR_EPARAM);
    assert_int_equal(plan_error("page=4", info, &fault), MR_EPARAM);
    assert_string_equal(fault.detail, "page: the image has no such page, or none that is read.");
}

/* What an encoder computes without looking at the cancel mark: half a minute at most, for the worst content. */
static void effort_bounds_the_pixels_of_an_encoder_that_cannot_be_stopped(void **state)
{
    (void)state;
    static const struct {
        const char *query, *limit;
        uint32_t most; /* pixels */
    } cases[] = {{"fm=avif", "avif-pixels", 16363636},
                 {"fm=avif&effort=4", "avif-pixels", 8181818},
                 {"fm=avif&effort=6", "avif-pixels", 3428571},
                 {"fm=avif&effort=9", "avif-pixels", 1636363},
                 {"fm=webp", "webp-pixels", 40000000},
                 {"fm=webp&lossless=1", "webp-pixels", 40000000},
                 {"fm=webp&effort=9", "webp-pixels", 36000000},
                 {"fm=webp&effort=9&pad=1", "webp-pixels", 5714285},
                 {"fm=webp&effort=9&border=1,80ff0000", "webp-pixels", 5714285},
                 {"fm=jxl", "jxl-pixels", 60000000},
                 {"fm=jxl&lossless=1", "jxl-pixels", 10000000},
                 {"fm=gif", "gif-pixels", 20571428},
                 {"fm=png8", "png-pixels", 20571428},
                 {"fm=png&palette=1&effort=9", "png-pixels", 8089887},
                 {"fm=gif&effort=9", "gif-pixels", 8089887}};
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
        struct mr_fault fault;
        uint32_t height = cases[i].most / 2500;
        assert_int_equal(plan_error(cases[i].query, jpeg_info(2490, height - 2), &fault), MR_OK);
        assert_int_equal(plan_error(cases[i].query, jpeg_info(2500, height + 1), &fault), MR_EPIXELS);
        assert_string_equal(fault.limit_name, cases[i].limit);
        assert_int_equal(fault.limit, cases[i].most);
    }
    struct mr_fault fault;
    assert_int_equal(plan_error("fm=avif&w=1000&effort=9", jpeg_info(4000, 4000), &fault), MR_OK);
    assert_int_equal(plan_error("fm=png&effort=9", jpeg_info(9000, 9000), &fault), MR_OK);
}

/* What is chosen where nothing is given is less for what is large, so that it may be as large as before. */
static void effort_of_a_large_avif_is_less(void **state)
{
    (void)state;
    const struct mr_image_ops open = ops_of("fm=avif"), given = ops_of("fm=avif&effort=6");
    static const struct {
        uint64_t pixels;
        int level;
    } cases[] = {{1, 4}, {3428571, 4}, {3428572, 3}, {8181818, 3}, {8181819, 2}, {UINT64_MAX, 2}};
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
        assert_int_equal(mr_effort_level(MR_IMAGE_AVIF, &open, cases[i].pixels), cases[i].level);
        assert_int_equal(mr_effort_level(MR_IMAGE_AVIF, &given, cases[i].pixels), 4);
    }
}

static void alpha_of_a_webp_costs_more_at_the_highest_effort(void **state)
{
    (void)state;
    struct mr_fault fault;
    struct mr_image_info info = jpeg_info(3000, 3000);
    assert_int_equal(plan_error("fm=webp&effort=9", info, &fault), MR_OK);
    info.alpha = true;
    assert_int_equal(plan_error("fm=webp&effort=8", info, &fault), MR_OK);
    assert_int_equal(plan_error("fm=webp&effort=9", info, &fault), MR_EPIXELS);
}

static void focal_point_is_as_near_to_the_middle_as_it_can_be(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        uint32_t left;
    } cases[] = {{"w=100&h=100&fit=crop&crop=focalpoint&fp-x=0", 0},
                 {"w=100&h=100&fit=crop&crop=focalpoint&fp-x=0.5", 50},
                 {"w=100&h=100&fit=crop&crop=focalpoint&fp-x=0.4", 30},
                 {"w=100&h=100&fit=crop&crop=focalpoint&fp-x=1", 100}};
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++)
        assert_int_equal(plan_of(cases[i].query, jpeg_info(400, 200)).crop_left, cases[i].left);
}

static void of_a_list_of_crops_the_first_that_is_possible_counts(void **state)
{
    (void)state;
    static const struct {
        const char *crop;
        enum mr_image_crop still, moving;
    } cases[] = {{"faces,top", MR_IMAGE_CROP_ATTENTION, MR_IMAGE_CROP_EDGES},
                 {"entropy", MR_IMAGE_CROP_ENTROPY, MR_IMAGE_CROP_CENTRE},
                 {"focalpoint", MR_IMAGE_CROP_CENTRE, MR_IMAGE_CROP_CENTRE},
                 {"focalpoint,faces,bottom,left", MR_IMAGE_CROP_ATTENTION, MR_IMAGE_CROP_EDGES},
                 {"focalpoint,faces&fp-x=0.1", MR_IMAGE_CROP_FOCALPOINT, MR_IMAGE_CROP_FOCALPOINT},
                 {"entropy,focalpoint&fp-x=0.1", MR_IMAGE_CROP_ENTROPY, MR_IMAGE_CROP_FOCALPOINT},
                 {"top,faces", MR_IMAGE_CROP_EDGES, MR_IMAGE_CROP_EDGES}};
    char query[100];
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
        snprintf(query, sizeof(query), "w=50&h=50&fit=crop&crop=%s", cases[i].crop);
        if (plan_of(query, jpeg_info(100, 60)).crop.crop != cases[i].still ||
            plan_of(query, gif(100, 60, 3)).crop.crop != cases[i].moving)
            fail_msg("%s", query);
    }
    assert_int_equal(plan_of("w=50&h=50&fit=crop&crop=entropy", jpeg_info(10, 640)).crop.crop, MR_IMAGE_CROP_ENTROPY);
    assert_int_equal(plan_of("w=50&h=50&fit=crop&crop=entropy", jpeg_info(10, 650)).crop.crop, MR_IMAGE_CROP_CENTRE);
}

static void animation_stays_one_where_the_output_can_hold_it(void **state)
{
    (void)state;
    struct mr_image_info info = gif(40, 20, 7);
    assert_int_equal(plan_of("", info).frames, 7);
    assert_int_equal(plan_of("fm=webp", info).frames, 7);
    assert_int_equal(plan_of("fm=png", info).frames, 1);
    assert_int_equal(plan_of("frame=2", info).frames, 1);
}

/* Whatever the limits say: sizes that libvips' arithmetic does not hold are refused. */
static void absurd_sizes_are_refused_without_a_pixel_limit(void **state)
{
    (void)state;
    const struct mr_image_limits none = {.pixels = UINT64_MAX, .frames = UINT32_MAX};
    struct mr_image_ops ops = ops_of("w=65535&h=65535&fit=crop&fm=png");
    struct mr_image_info info = jpeg_info(1, 65535);
    struct mr_plan plan;
    assert_int_equal(mr_plan_make(&plan, &ops, &info, &none, NULL), MR_EPIXELS);
}

/* The cost of an image is asked for before anybody says whether its scan was refused. */
static void original_that_no_scan_lets_through_is_planned_as_refused(void **state)
{
    (void)state;
    const struct mr_image_limits none = {.pixels = UINT64_MAX, .frames = UINT32_MAX};
    struct mr_image_ops ops = ops_of("w=300");
    struct mr_image_info info = jpeg_info(2147483659, 1);
    struct mr_plan plan;
    struct mr_fault fault;
    assert_int_equal(mr_plan_make(&plan, &ops, &info, &none, &fault), MR_EPIXELS);
    assert_int_equal(fault.value, 2147483659);
    assert_true(mr_image_memory(&info, &ops) > 0);
    assert_true(mr_image_cost_ns(&info, &ops) > 0);
}

/* Only the pixels tell what trim leaves, and a narrow rest becomes a very high image of the width that was asked for.
 */
static enum mr_image_format format_within(const char *query, uint32_t formats, struct mr_image_info info)
{
    struct mr_image_ops ops = ops_of(query);
    struct mr_plan plan = {.format = MR_IMAGE_UNKNOWN};
    if (mr_image_ops_allow(&ops, formats, MR_IMAGE_WEBP, NULL) == MR_OK)
        assert_int_equal(mr_plan_make(&plan, &ops, &info, &generous, NULL), MR_OK);
    return plan.format; /* UNKNOWN: it was refused */
}

static void format_is_one_that_is_allowed(void **state)
{
    (void)state;
    const uint32_t webp = MR_IMAGE_BIT(MR_IMAGE_WEBP), jpeg_too = webp | MR_IMAGE_BIT(MR_IMAGE_JPEG);
    assert_int_equal(format_within("fm=jpg", webp, jpeg_info(10, 10)), MR_IMAGE_UNKNOWN);
    assert_int_equal(format_within("fm=webp", webp, jpeg_info(10, 10)), MR_IMAGE_WEBP);
    assert_int_equal(format_within("", webp, jpeg_info(10, 10)), MR_IMAGE_WEBP);
    assert_int_equal(format_within("", jpeg_too, jpeg_info(10, 10)), MR_IMAGE_JPEG);
    assert_int_equal(format_within("", jpeg_too, gif(10, 10, 1)), MR_IMAGE_WEBP);
    assert_int_equal(format_within("auto=format", webp, jpeg_info(10, 10)), MR_IMAGE_WEBP);
    assert_int_equal(format_within("", 0, jpeg_info(10, 10)), MR_IMAGE_JPEG);
}

static void sizes_after_a_cut_are_checked_for_all_frames(void **state)
{
    (void)state;
    struct mr_image_ops ops = ops_of("w=2000&trim=auto");
    struct mr_image_info info = gif(100, 100, 20);
    struct mr_plan plan = plan_of("w=2000&trim=auto", info);
    struct mr_fault fault;
    assert_int_equal(mr_plan_after_cut(&plan, &ops, &info, 100, 50, &generous, &fault), MR_OK);
    assert_int_equal(plan.frames, 20);
    assert_int_equal(plan.out_height, 1000);
    assert_int_equal(mr_plan_after_cut(&plan, &ops, &info, 10, 100, &generous, &fault), MR_EPIXELS);
    assert_int_equal(fault.limit, generous.pixels);
    assert_int_equal(fault.value, (uint64_t)20 * 2000 * 20000);
}

static int note_memory(void *context, uint64_t bytes, struct mr_fault *fault)
{
    uint64_t *most = context;
    *most = MR_MAX(*most, bytes);
    return bytes > 100000000 ? mr_fault_set(fault, MR_EBUDGET, NULL) : MR_OK;
}

static void memory_is_asked_for_whenever_the_sizes_change(void **state)
{
    (void)state;
    uint64_t most = 0;
    struct mr_image_limits limits = generous;
    limits.reserve = note_memory;
    limits.context = &most;
    struct mr_image_ops ops = ops_of("w=1000&trim=auto&fm=png");
    struct mr_image_info info = jpeg_info(1000, 100);
    struct mr_plan plan;
    assert_int_equal(mr_plan_make(&plan, &ops, &info, &limits, NULL), MR_OK);
    assert_int_equal(most, mr_image_memory(&info, &ops));
    uint64_t before = most;
    assert_int_equal(mr_plan_after_cut(&plan, &ops, &info, 50, 100, &limits, NULL), MR_OK);
    assert_true(most > before + 3 * 1000 * 1900); /* 2,000 rows instead of 100 */
    assert_int_equal(mr_plan_after_cut(&plan, &ops, &info, 1, 60, &limits, NULL), MR_EBUDGET);
}

static void memory_follows_what_is_decoded(void **state)
{
    (void)state;
    struct mr_image_ops thumbnail = ops_of("w=300"), same = ops_of("");
    struct mr_image_info info = jpeg_info(2000, 1336);
    info.halves_colours = true;
    uint64_t shrunk = mr_image_memory(&info, &thumbnail);
    assert_in_range(shrunk, 2 << 20, 8 << 20);                          /* measured: 2 MB */
    assert_in_range(mr_image_memory(&info, &same), 14000000, 28000000); /* 13.8 MB */
    info.whole = true;
    assert_in_range(mr_image_memory(&info, &thumbnail), shrunk + 8000000, shrunk + 20000000); /* 10 MB */
    info.format = MR_IMAGE_WEBP;
    assert_in_range(mr_image_memory(&info, &same), 48900000, 80000000); /* 48.9 MB */
}

static void memory_of_what_is_not_measured_yet_is_small(void **state)
{
    (void)state;
    struct mr_image_ops ops = ops_of("w=300");
    struct mr_image_info info = jpeg_info(10, 0);
    assert_in_range(mr_image_memory(&info, &ops), 1, 8 << 20);
    info = jpeg_info(0, 10);
    assert_in_range(mr_image_memory(&info, &ops), 1, 8 << 20);
}

/* ---- a bound of the output ---- */

static const char *const sizes[] = {"",
                                    "w=300",
                                    "h=300",
                                    "w=1&dpr=8",
                                    "w=300&h=200&fit=fill",
                                    "w=300&h=200&fit=crop",
                                    "w=300&fit=max",
                                    "h=10&fit=scale",
                                    "w=300&fit=min&dpr=0.1",
                                    "w=65535&h=65535",
                                    "w=500&h=1&fit=scale",
                                    "w=0.5",
                                    "w=0.5&h=0.9&fit=crop&dpr=2",
                                    "ar=16:9&fit=crop",
                                    "w=300&ar=1:9&fit=crop",
                                    "max-w=1000&fit=crop",
                                    "min-w=350&h=70&fit=crop",
                                    "min-h=450&w=70&fit=crop",
                                    "max-w=390&max-h=40&fit=scale",
                                    "w=700&h=500&fit=fillmax",
                                    "w=399&h=499&fit=clamp"};
static const char *const turns[] = {
    "",           "&rot=90", "&rot=180", "&rot=270", "&rot=45", "&rot=45&rot-type=pivot", "&rot=12.34&rot-type=pivot",
    "&rot=359.99"};
static const char *const frames[] = {
    "", "&pad=1", "&pad=100", "&pad=4096", "&pad-left=9&pad-top=30", "&rect=0,0,1,50000", "&orient=6"};

/* The output of the bounded query is within 400 x 500, and is as it was where it was so before. */
static void check_bound(const char *query, uint32_t width, uint32_t height)
{
    struct mr_image_limits all = {.pixels = UINT64_MAX, .frames = 1};
    struct mr_image_info info = jpeg_info(width, height);
    struct mr_image_ops before = ops_of(query), ops = before;
    struct mr_plan plan, was;
    struct mr_fault fault = {0};
    if (mr_image_ops_bound(&ops, 400, 500, &fault) != MR_OK) {
        assert_string_equal(fault.limit_name, "max-size");
        assert_true(fault.value > fault.limit && (fault.limit == 400 || fault.limit == 500));
        return;
    }
    int err = mr_plan_make(&plan, &ops, &info, &all, &fault);
    bool has_no_room = err == MR_EPARAM && strstr(fault.detail, " leaves no room for the image.") != NULL;
    if (err == MR_EPIXELS || has_no_room) /* what it is cut from would be too large */
        return;
    if (err != MR_OK)
        fail_msg("%s of %ux%u: %s %s", query, width, height, mr_error_name(err), fault.detail);
    if (plan.final_width > 400 || plan.final_height > 500)
        fail_msg("%s of %ux%u: %llux%llu", query, width, height, (unsigned long long)plan.final_width,
                 (unsigned long long)plan.final_height);
    if (mr_plan_make(&was, &before, &info, &all, &fault) != MR_OK || fmod(ops.rotation, 90) != 0 ||
        was.final_width > 400 || was.final_height > 500)
        return;
    if (plan.final_width != was.final_width || plan.final_height != was.final_height)
        fail_msg("%s of %ux%u: %llux%llu, was %llux%llu", query, width, height, (unsigned long long)plan.final_width,
                 (unsigned long long)plan.final_height, (unsigned long long)was.final_width,
                 (unsigned long long)was.final_height);
}

static void no_image_is_larger_than_the_bound(void **state)
{
    (void)state;
    static const uint32_t inputs[][2] = {{1, 1},     {1, 60000},   {60000, 1}, {400, 500},
                                         {401, 501}, {6000, 4000}, {30, 40}};
    char query[100];
    for (size_t i = 0; i < MR_ARRAY_SIZE(sizes); i++)
        for (size_t j = 0; j < MR_ARRAY_SIZE(turns); j++)
            for (size_t k = 0; k < MR_ARRAY_SIZE(frames); k++)
                for (size_t n = 0; n < MR_ARRAY_SIZE(inputs); n++) {
                    snprintf(query, sizeof(query), "%s%s%s", sizes[i], turns[j], frames[k]);
                    check_bound(query + (query[0] == '&'), inputs[n][0], inputs[n][1]);
                }
}

static void what_asks_for_more_is_refused_with_both_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        uint64_t limit, value; /* 0: it is not refused */
    } cases[] = {{"w=400&h=500", 0, 0},
                 {"w=401", 400, 401},
                 {"h=501&w=1", 500, 501},
                 {"w=201&dpr=2", 400, 402},
                 {"w=200&dpr=2", 0, 0},
                 {"w=399&pad=1", 0, 0},
                 {"w=401&pad=1", 400, 401},
                 {"min-w=401", 400, 401},
                 {"min-w=401&rot=90", 400, 401},
                 {"min-h=450&rot=90", 0, 0},
                 {"w=401&ar=1:1&fit=crop", 400, 401},
                 {"w=450&h=400&rot=90", 0, 0},
                 {"w=450&rot=90&h=1", 0, 0},
                 {"w=300&h=500&rot=90", 400, 500},
                 {"pad=200", 400, 401},
                 {"w=400&h=500&rot=45", 0, 0},
                 {"w=400&h=500&rot=45&rot-type=pivot", 400, 638},
                 {"", 0, 0},
                 {"w=65535&dpr=8", 400, 65535}};
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
        struct mr_image_ops ops = ops_of(cases[i].query);
        struct mr_fault fault = {0};
        int err = mr_image_ops_bound(&ops, 400, 500, &fault);
        if (err != (cases[i].limit == 0 ? MR_OK : MR_EPARAM) || fault.limit != cases[i].limit ||
            fault.value != cases[i].value)
            fail_msg("%s: %llu, %llu", cases[i].query, (unsigned long long)fault.limit,
                     (unsigned long long)fault.value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoder_shrinks_by_what_leaves_the_resizer_enough),
        cmocka_unit_test(sides_of_a_turned_image_are_exchanged_before_it_is_turned),
        cmocka_unit_test(no_side_becomes_empty),
        cmocka_unit_test(sides_follow_from_what_is_asked_for),
        cmocka_unit_test(pad_that_leaves_nothing_is_refused),
        cmocka_unit_test(output_beyond_the_limits_is_refused),
        cmocka_unit_test(frame_that_is_not_there_is_refused_with_its_number_and_how_many_there_are),
        cmocka_unit_test(effort_bounds_the_pixels_of_an_encoder_that_cannot_be_stopped),
        cmocka_unit_test(effort_of_a_large_avif_is_less),
        cmocka_unit_test(alpha_of_a_webp_costs_more_at_the_highest_effort),
        cmocka_unit_test(format_is_one_that_is_allowed),
        cmocka_unit_test(sizes_after_a_cut_are_checked_for_all_frames),
        cmocka_unit_test(memory_is_asked_for_whenever_the_sizes_change),
        cmocka_unit_test(focal_point_is_as_near_to_the_middle_as_it_can_be),
        cmocka_unit_test(of_a_list_of_crops_the_first_that_is_possible_counts),
        cmocka_unit_test(animation_stays_one_where_the_output_can_hold_it),
        cmocka_unit_test(absurd_sizes_are_refused_without_a_pixel_limit),
        cmocka_unit_test(original_that_no_scan_lets_through_is_planned_as_refused),
        cmocka_unit_test(memory_follows_what_is_decoded),
        cmocka_unit_test(memory_of_what_is_not_measured_yet_is_small),
        cmocka_unit_test(no_image_is_larger_than_the_bound),
        cmocka_unit_test(what_asks_for_more_is_refused_with_both_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
