/* The photograph's own way beside the one that all other formats go: the same picture, the same refusals. */
#include "media/image/plan.h"
#include "media/images.h"
#include "media/scan/scan.h"
#include <math.h>

#include <jpeglib.h>

/* ---- photographs of our own */

static uint8_t level(double value)
{
    return (uint8_t)lround(fmin(fmax(value, 0), 255));
}

/* Waves that grow finer, discs of plain colours with sharp edges, and a slow change of all colours. bands: 1 or 3. */
static VipsImage *scene(int width, int height, int bands)
{
    VipsImage *image = quadrants(width, height, bands);
    for (int i = 0; i < width * height; i++) {
        int x = i % width, y = i / width;
        double u = (double)x / width, v = (double)y / height;
        double wave = 40 * sin(60 * u * u + 9 * v) + 25 * sin(0.21 * y + 3 * u) + (x * 7919 + y * 104729) % 13;
        double channels[3] = {60 + 120 * u + wave, 150 - 70 * v + wave, 80 + 60 * sin(7 * u * v) + wave};
        for (int disc = 0; disc < 4; disc++)
            if (hypot(u - 0.2 - 0.2 * disc, v - (disc % 2 ? 0.3 : 0.7)) < 0.09)
                for (int band = 0; band < 3; band++)
                    channels[band] = (disc + band) % 3 == 0 ? 225 : 40 + 20 * disc;
        for (int band = 0; band < bands; band++)
            pixel_at(image, x, y)[band] = level(channels[band]);
    }
    return image;
}

static VipsImage *discs(int width, int height)
{
    return scene(width, height, 3);
}

/* Nothing but slow changes. */
static VipsImage *slope(int width, int height)
{
    VipsImage *image = quadrants(width, height, 3);
    for (int i = 0; i < width * height; i++) {
        uint8_t *pixel = pixel_at(image, i % width, i / width);
        pixel[0] = level(60.0 + 120.0 * (i % width) / width);
        pixel[1] = level(150.0 - 90.0 * (i / width) / height); /* NOLINT(bugprone-integer-division): a row */
        pixel[2] = 90;
    }
    return image;
}

/* Thin strokes of red on grey, so many px apart; 0: none. No channel is at an end of its range, where only RGB is cut.
 */
static VipsImage *strokes(int width, int height, int apart)
{
    static const uint8_t grey[] = {210, 210, 210}, red[] = {190, 60, 60};
    VipsImage *image = plain(width, height, 3, grey);
    for (int i = 0; i < width * height && apart > 0; i++)
        if ((i % width + 2 * (i / width)) % apart < 2)
            memcpy(pixel_at(image, i % width, i / width), red, 3);
    return image;
}

/* As a photograph is: the finest of it is brightness. */
static VipsImage *waves(int width, int height)
{
    VipsImage *image = slope(width, height);
    for (int i = 0; i < width * height; i++)
        for (int band = 0; band < 3; band++) {
            uint8_t *at = pixel_at(image, i % width, i / width) + band;
            *at = level(*at + 30 * sin(0.3 * (i % width) + 0.1 * (i / width)) + i * 7919 % 13);
        }
    return image;
}

struct coding {
    int across, along; /* sampling factors of brightness */
    bool is_progressive;
    int restarts;    /* blocks between two; 0: none */
    int scans_apart; /* a scan for each component */
};

/* What libvips' encoder does not write. */
static struct bytes coded(VipsImage *image, struct coding coding)
{
    static const jpeg_scan_info apart[] = {{1, {0}, 0, 63, 0, 0}, {1, {1}, 0, 63, 0, 0}, {1, {2}, 0, 63, 0, 0}};
    struct jpeg_error_mgr errors;
    struct jpeg_compress_struct out = {.err = jpeg_std_error(&errors)};
    unsigned char *at = NULL;
    unsigned long len = 0;
    jpeg_create_compress(&out);
    jpeg_mem_dest(&out, &at, &len);
    out.image_width = (JDIMENSION)image->Xsize;
    out.image_height = (JDIMENSION)image->Ysize;
    out.input_components = image->Bands;
    out.in_color_space = image->Bands == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&out);
    jpeg_set_quality(&out, 95, TRUE);
    out.comp_info[0].h_samp_factor = coding.across;
    out.comp_info[0].v_samp_factor = coding.along;
    out.restart_interval = (unsigned)coding.restarts;
    if (coding.is_progressive)
        jpeg_simple_progression(&out);
    if (coding.scans_apart) {
        out.scan_info = apart;
        out.num_scans = 3;
    }
    jpeg_start_compress(&out, TRUE);
    while (out.next_scanline < out.image_height) {
        JSAMPROW row = pixel_at(image, 0, (int)out.next_scanline);
        (void)jpeg_write_scanlines(&out, &row, 1);
    }
    jpeg_finish_compress(&out);
    jpeg_destroy_compress(&out);
    g_object_unref(image);
    struct bytes copy = copy_of(at, len);
    free(at);
    return copy;
}

/* ---- both ways */

static struct mr_image_scan scanned(struct bytes input)
{
    struct mr_scan scan;
    struct mr_fault fault = {0};
    struct mr_view file = {.at = input.at, .len = input.len};
    if (mr_scan_image(&scan, file, 0, &generous, &fault) != MR_OK)
        return (struct mr_image_scan){.is_whole = false};
    return (struct mr_image_scan){
        .info = scan.info, .mending = scan.mending, .warnings = scan.warnings, .is_whole = true};
}

static bool takes_own_way(const char *query, const struct mr_image_info *info)
{
    struct mr_image_ops ops = ops_of(query);
    struct mr_plan plan;
    struct mr_fault fault = {0};
    if (mr_plan_make(&plan, &ops, info, &generous, &fault) != MR_OK)
        fail_msg("%s: %s", query, fault.detail);
    return plan.is_photo;
}

/* As if the file were not plain. */
static int try_other_way(struct mr_image_result *out, const char *query, struct bytes input, struct mr_fault *fault)
{
    struct mr_image_ops ops = ops_of(query);
    struct mr_image_scan known = scanned(input);
    known.info.plain = false;
    return mr_image_run_scanned(out, &ops, input.at, input.len, &known, &generous, NULL, fault);
}

/* Brightness and the two colours, of ITU-R BT.601. */
static double channel_of(const uint8_t *pixel, int bands, int channel)
{
    static const double weights[3][3] = {
        {0.299, 0.587, 0.114}, {-0.168736, -0.331264, 0.5}, {0.5, -0.418688, -0.081312}};
    double sum = channel == 0 ? 0 : 128;
    for (int i = 0; i < 3; i++)
        sum += weights[channel][i] * pixel[bands < 3 ? 0 : i];
    return sum;
}

struct likeness {
    double ssim[3]; /* of brightness and colours, mean of all windows */
};

/* SSIM (Wang et al. 2004) of one window. */
static double window_ssim(VipsImage *a, VipsImage *b, int left, int top, int width, int height, int channel)
{
    double sum_a = 0, sum_b = 0, squares_a = 0, squares_b = 0, products = 0, count = width * height;
    for (int i = 0; i < width * height; i++) {
        int x = left + i % width, y = top + i / width;
        double one = channel_of(pixel_at(a, x, y), a->Bands, channel);
        double other = channel_of(pixel_at(b, x, y), b->Bands, channel);
        sum_a += one, sum_b += other;
        squares_a += one * one, squares_b += other * other, products += one * other;
    }
    double mean_a = sum_a / count, mean_b = sum_b / count;
    double var_a = squares_a / count - mean_a * mean_a, var_b = squares_b / count - mean_b * mean_b;
    double covariance = products / count - mean_a * mean_b;
    double c1 = 0.01 * 255 * 0.01 * 255, c2 = 0.03 * 255 * 0.03 * 255;
    return (2 * mean_a * mean_b + c1) * (2 * covariance + c2) /
           ((mean_a * mean_a + mean_b * mean_b + c1) * (var_a + var_b + c2));
}

static struct likeness likeness_of(VipsImage *a, VipsImage *b)
{
    struct likeness likeness = {{0}};
    const int side = 8;
    int width = MR_MIN(side, a->Xsize), height = MR_MIN(side, a->Ysize);
    for (int channel = 0; channel < 3; channel++) {
        int count = 0;
        for (int top = 0; top + height <= a->Ysize; top += MR_MAX(height / 2, 1))
            for (int left = 0; left + width <= a->Xsize; left += MR_MAX(width / 2, 1), count++)
                likeness.ssim[channel] += window_ssim(a, b, left, top, width, height, channel);
        likeness.ssim[channel] /= count;
    }
    return likeness;
}

/* With colours at a quarter of the resolution the other way repeats each of them four times. */
static double least_ssim(const char *what, int channel)
{
    return channel == 0 ? 0.995 : strcmp(what, "4:1:1") == 0 ? 0.94 : 0.96;
}

static void check_both_ways(const char *what, const char *query, struct bytes input)
{
    struct mr_image_result own, other;
    struct mr_fault fault = {0};
    struct mr_image_scan scan = scanned(input);
    assert_true(scan.info.plain);
    if (!takes_own_way(query, &scan.info))
        fail_msg("%s %s: not its own way", what, query);
    if (try_run(&own, query, input, &fault) != MR_OK || try_other_way(&other, query, input, &fault) != MR_OK)
        fail_msg("%s %s: %s", what, query, fault.detail);
    VipsImage *a = decode(own.bytes, own.len), *b = decode(other.bytes, other.len);
    assert_int_equal(a->Xsize, own.width);
    assert_int_equal(a->Ysize, own.height);
    if (a->Xsize != b->Xsize || a->Ysize != b->Ysize)
        fail_msg("%s %s: %d x %d, %d x %d", what, query, a->Xsize, a->Ysize, b->Xsize, b->Ysize);
    struct likeness likeness = likeness_of(a, b);
    for (int channel = 0; channel < 3; channel++)
        if (likeness.ssim[channel] < least_ssim(what, channel))
            fail_msg("%s %s: channel %d has an SSIM of %.4f", what, query, channel, likeness.ssim[channel]);
    g_object_unref(a);
    g_object_unref(b);
    mr_image_result_free(&own);
    mr_image_result_free(&other);
}

static const struct {
    const char *name;
    struct coding coding;
} codings[] = {
    {"4:2:0", {2, 2, false, 0, 0}},
    {"4:2:2", {2, 1, false, 0, 0}},
    {"4:4:4", {1, 1, false, 0, 0}},
    {"4:4:0", {1, 2, false, 0, 0}},
    {"4:1:1", {4, 1, false, 0, 0}},
    {"4:2:0 progressive", {2, 2, true, 0, 0}},
    {"4:4:4 progressive", {1, 1, true, 0, 0}},
    {"4:2:0 with restarts", {2, 2, false, 3, 0}},
    {"4:2:0 progressive with restarts", {2, 2, true, 5, 0}},
    {"4:2:0 in a scan for each component", {2, 2, false, 0, 1}},
};

static void both_ways_give_the_same_picture(void **state)
{
    (void)state;
    static const int sizes[][2] = {{403, 301}, {640, 480}, {801, 297}, {60, 333}};
    static const char *const queries[] = {"w=97&q=95", "w=49&q=95&chromasub=420", "w=0.7&q=95&chromasub=420",
                                          "w=0.4&q=95&interlace=1"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(codings); i++)
        for (size_t k = 0; k < MR_ARRAY_SIZE(sizes); k++) {
            struct bytes input = coded(scene(sizes[k][0], sizes[k][1], 3), codings[i].coding);
            for (size_t query = 0; query < MR_ARRAY_SIZE(queries); query++)
                if (query > 0 || sizes[k][0] > 100)
                    check_both_ways(codings[i].name, queries[query], input);
            images_end_test(NULL);
        }
}

/* What EXIF says is turned, and then cut where that was asked for. */
static void turned_and_cut_pictures_are_the_same(void **state)
{
    (void)state;
    static const char *const queries[] = {"w=101&q=95", "w=71&h=90&fit=crop&q=95",
                                          "w=61&h=80&fit=crop&crop=top,left&q=95&chromasub=420",
                                          "w=91&h=70&fit=crop&crop=bottom,right&q=95&chromasub=420",
                                          "w=72&h=73&fit=crop&crop=focalpoint&fp-x=0.8&fp-y=0.3&q=95"};
    static const struct coding ways[] = {{2, 2, false, 0, 0}, {2, 1, true, 0, 0}};
    for (size_t i = 0; i < MR_ARRAY_SIZE(ways); i++)
        for (uint16_t orientation = 1; orientation <= 8; orientation++) {
            struct bytes input = with_segment(coded(scene(403, 301, 3), ways[i]), 0xE1, exif_of(orientation));
            char what[32];
            snprintf(what, sizeof(what), "orientation %u", orientation);
            for (size_t query = 0; query < MR_ARRAY_SIZE(queries); query++)
                check_both_ways(what, queries[query], input);
            images_end_test(NULL);
        }
}

static bool halves_colours(const char *query, struct bytes input, bool by_other_way)
{
    struct mr_image_result out;
    struct mr_fault fault = {0};
    if ((by_other_way ? try_other_way : try_run)(&out, query, input, &fault) != MR_OK)
        fail_msg("%s: %s", query, fault.detail);
    bool is_halved = has_halved_colours(&out);
    mr_image_result_free(&out);
    return is_halved;
}

/* Where pixels tell whether colours keep their resolution, both ways say the same of the same picture: whether there
 * are many edges or few. Right at the bound a rounding decides, and may decide either way. */
static void both_ways_halve_the_same_colours(void **state)
{
    (void)state;
    static const char *const queries[] = {
        "w=97", "w=150&q=60", "w=0.5&orient=6", "w=61&h=80&fit=crop&crop=bottom,right&orient=3", "w=101&interlace=1",
        ""};
    int kept = 0, halved = 0, differing = 0;
    for (int apart = 0; apart < 1600; apart += 1 + apart / 8) {
        struct bytes input = coded(strokes(403, 301, apart), (struct coding){1, 1, apart % 2 == 0, 0, 0});
        for (size_t i = 0; i < MR_ARRAY_SIZE(queries); i++) {
            bool is_halved = halves_colours(queries[i], input, false);
            differing += is_halved != halves_colours(queries[i], input, true);
            *(is_halved ? &halved : &kept) += 1;
        }
        images_end_test(NULL);
    }
    assert_true(kept > 50 && halved > 50);
    assert_in_range(differing, 0, 4);
}

/* Whatever is kept or halved, it is the same picture. */
static void looked_at_pictures_are_the_same(void **state)
{
    (void)state;
    static const char *const queries[] = {"w=97&q=89", "w=0.5&q=89&interlace=1", "w=71&h=90&fit=crop&q=89", "q=89"};
    VipsImage *(*const pictures[])(int width, int height) = {slope, waves, discs};
    for (size_t picture = 0; picture < MR_ARRAY_SIZE(pictures); picture++)
        for (uint16_t orientation = 1; orientation <= 8; orientation++) {
            bool is_halved = pictures[picture] != discs;
            struct bytes input = coded(pictures[picture](403, 301), (struct coding){1, 1, false, 0, 0});
            input = with_segment(input, 0xE1, exif_of(orientation));
            for (size_t i = 0; i < MR_ARRAY_SIZE(queries); i++) {
                check_both_ways(is_halved ? "halved" : "kept", queries[i], input);
                assert_int_equal(halves_colours(queries[i], input, false), is_halved);
            }
            images_end_test(NULL);
        }
}

static void grey_stays_grey(void **state)
{
    (void)state;
    for (int factor = 1; factor <= 2; factor++) {
        struct bytes input = coded(scene(303, 200, 1), (struct coding){factor, factor, factor == 2, 0, 0});
        check_both_ways("grey", "w=100&q=95", input);
        check_both_ways("grey", "w=61&h=80&fit=crop&orient=6&q=80", input);
        struct mr_image_result out = run("w=100", input);
        VipsImage *image = decode(out.bytes, out.len);
        assert_int_equal(image->Bands, 1);
        g_object_unref(image);
    }
}

/* The smallest sides that there are, and the largest factor. */
static void thin_pictures_are_the_same(void **state)
{
    (void)state;
    static const struct {
        int width, height;
        const char *query;
    } cases[] = {{1, 1, "q=95"},         {1, 1, "w=1&q=80"},     {2, 1, "w=1&q=95"},  {1, 300, "h=100&q=95"},
                 {8, 900, "h=110&q=80"}, {900, 8, "w=110&q=95"}, {17, 9, "w=9&q=80"}, {640, 640, "w=10&q=95"}};
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
        struct bytes input = coded(slope(cases[i].width, cases[i].height), (struct coding){2, 2, false, 0, 0});
        struct mr_image_result own = run(cases[i].query, input), other;
        struct mr_fault fault = {0};
        struct mr_image_scan scan = scanned(input);
        assert_true(takes_own_way(cases[i].query, &scan.info));
        assert_int_equal(try_other_way(&other, cases[i].query, input, &fault), MR_OK);
        VipsImage *a = decode(own.bytes, own.len), *b = decode(other.bytes, other.len);
        assert_int_equal(a->Xsize, b->Xsize);
        assert_int_equal(a->Ysize, b->Ysize);
        for (int n = 0; n < a->Xsize * a->Ysize; n++)
            if (!is_close(pixel_at(a, n % a->Xsize, n / a->Xsize), pixel_at(b, n % a->Xsize, n / a->Xsize), 3, 12))
                fail_msg("%d x %d: pixel %d", cases[i].width, cases[i].height, n);
        g_object_unref(a);
        g_object_unref(b);
        mr_image_result_free(&other);
    }
}

/* What fills the last blocks beyond the image shows at no edge of it. */
static void plain_area_is_plain_to_its_edges(void **state)
{
    (void)state;
    static const uint8_t tone[3] = {200, 230, 140};
    static const char *const queries[] = {"w=33&q=60", "w=35&q=92", "w=33&q=60&orient=8", "w=41&h=33&fit=crop&q=60"};
    struct bytes input = coded(plain(101, 77, 3, tone), (struct coding){2, 2, false, 0, 0});
    for (size_t i = 0; i < MR_ARRAY_SIZE(queries); i++) {
        struct mr_image_result out = run(queries[i], input);
        VipsImage *image = decode(out.bytes, out.len);
        for (int n = 0; n < image->Xsize * image->Ysize; n++)
            if (!is_close(pixel_at(image, n % image->Xsize, n / image->Xsize), tone, 3, 4))
                fail_msg("%s: pixel %d of %d", queries[i], n, image->Xsize);
        g_object_unref(image);
    }
}

/* ---- which way */

static struct mr_image_info plain_info(uint32_t width, uint32_t height)
{
    struct mr_image_info info = jpeg_info(width, height);
    info.halves_colours = info.plain = true;
    return info;
}

/* A parameter that is not named here may do something that this way does not: each is to be decided on. */
static void each_parameter_takes_one_of_both_ways(void **state)
{
    (void)state;
    static const char *const own[] = {"w=300",
                                      "h=300",
                                      "w=300&dpr=1.5",
                                      "w=300&h=300&fit=crop",
                                      "w=300&h=300&fit=crop&crop=top",
                                      "w=300&h=200&fit=crop&crop=focalpoint&fp-x=0.2",
                                      "w=300&h=200&fit=crop&crop=focalpoint&fp-y=0.2",
                                      "w=300&ar=1:1&fit=crop",
                                      "w=300&min-w=310&fit=crop",
                                      "w=300&min-h=100&fit=crop",
                                      "w=300&max-w=200",
                                      "w=300&max-h=100",
                                      "w=300&orient=6",
                                      "w=300&fm=jpg",
                                      "w=300&q=20",
                                      "w=300&effort=3",
                                      "w=300&lossless=1",
                                      "w=300&interlace=1",
                                      "w=300&palette=1",
                                      "w=300&chromasub=444",
                                      "w=300&chroma=444",
                                      "w=300&shrink=careful",
                                      "w=300&bg=f00",
                                      "w=300&frame=1",
                                      "w=300&page=1",
                                      "w=300&fill=blur",
                                      "w=300&fill-color=red",
                                      "w=300&fit=max",
                                      "w=300&trim-color=red",
                                      "w=300&trim-md=3",
                                      "w=300&rot-type=pivot",
                                      "w=300&usmrad=3",
                                      "w=300&cs=srgb",
                                      "w=300&fm=pjpg",
                                      "w=300&ixlib=a",
                                      "w=300&ixid=a",
                                      "w=300&gps=0",
                                      "w=300&strip=1",
                                      ""};
    static const char *const other[] = {"w=5000",
                                        "w=30",
                                        "w=300&h=300&fit=crop&crop=entropy",
                                        "w=300&h=300&fit=crop&crop=attention",
                                        "w=300&h=300&fit=fill",
                                        "w=300&h=300&fit=clamp",
                                        "w=300&h=300&fit=fillmax",
                                        "rect=0,0,800,800&w=300",
                                        "trim=auto&w=300",
                                        "w=300&flip=h",
                                        "w=300&rot=90",
                                        "w=300&rot=3",
                                        "w=300&pad=4",
                                        "w=300&pad-left=4",
                                        "w=300&pad-right=4",
                                        "w=300&pad-top=4",
                                        "w=300&pad-bottom=4",
                                        "w=300&border=2,red",
                                        "w=300&mono=red",
                                        "w=300&monochrome=red",
                                        "w=300&bri=1",
                                        "w=300&con=1",
                                        "w=300&gam=1",
                                        "w=300&sat=1",
                                        "w=300&blur=1",
                                        "w=300&sharp=1",
                                        "w=300&exp=1",
                                        "w=300&high=-1",
                                        "w=300&shad=1",
                                        "w=300&invert=1",
                                        "w=300&hue=1",
                                        "w=300&sepia=1",
                                        "w=300&vib=1",
                                        "w=300&usm=1",
                                        "w=300&icc=keep",
                                        "w=300&linear=1",
                                        "w=300&strip=0",
                                        "w=300&strip=0&gps=1",
                                        "w=300&fm=png",
                                        "w=300&fm=webp",
                                        "w=300&auto=format"};
    struct mr_image_info info = plain_info(4000, 3000);
    for (size_t i = 0; i < MR_ARRAY_SIZE(own); i++)
        if (!takes_own_way(own[i], &info))
            fail_msg("%s does not go its own way", own[i]);
    for (size_t i = 0; i < MR_ARRAY_SIZE(other); i++)
        if (takes_own_way(other[i], &info))
            fail_msg("%s goes its own way", other[i]);
    for (const struct mr_param_spec *spec = mr_image_params; spec->name != NULL; spec++) {
        bool found = false;
        char start[64];
        snprintf(start, sizeof(start), "%s=", spec->name);
        for (size_t i = 0; i < MR_ARRAY_SIZE(own) + MR_ARRAY_SIZE(other); i++) {
            const char *query = i < MR_ARRAY_SIZE(own) ? own[i] : other[i - MR_ARRAY_SIZE(own)];
            const char *at = strstr(query, start);
            found = found || (at != NULL && (at == query || at[-1] == '&'));
        }
        if (!found)
            fail_msg("%s is not decided on", spec->name);
    }
}

/* The lane and the budget of memory know of the way. */
static void own_way_costs_less(void **state)
{
    (void)state;
    static const char *const queries[] = {"w=300", "w=1200", "w=1200&h=1200&fit=crop&orient=6", "w=1200&q=95",
                                          "w=1200&interlace=1"};
    struct mr_image_info info = plain_info(4000, 3000);
    for (size_t i = 0; i < 2 * MR_ARRAY_SIZE(queries); i++) {
        struct mr_image_ops ops = ops_of(queries[i / 2]);
        info.halves_colours = i % 2 == 0;
        struct mr_image_info other = info;
        other.plain = false;
        /* What libvips takes does not tell such files apart. */
        assert_true(!info.halves_colours || mr_image_cost_ns(&info, &ops) < mr_image_cost_ns(&other, &ops));
        if (!mr_image_ops_wants_full_chroma(&ops))
            assert_true(mr_image_memory(&info, &ops) < mr_image_memory(&other, &ops));
    }
    info.halves_colours = true;
    struct mr_image_info noise = plain_info(3000, 3000);
    struct mr_image_ops best = ops_of("q=100");
    assert_true(mr_image_memory(&noise, &best) > 122ull << 20); /* measured, of noise */
    struct mr_image_info looked_at = plain_info(2000, 2000);
    struct mr_image_ops good = ops_of("q=89");
    looked_at.halves_colours = false;
    assert_in_range(mr_image_memory(&looked_at, &good), 42000000,
                    90000000); /* measured: 45 MB, of noise that keeps all */
    struct mr_image_ops ops = ops_of("w=1200");
    assert_in_range(mr_image_memory(&info, &ops), 4400000, 13000000); /* measured: 4.4 MB */
    uint64_t cost = mr_image_cost_ns(&info, &ops), memory = mr_image_memory(&info, &ops);
    info.scans = 10;
    info.whole = true;
    assert_true(mr_image_cost_ns(&info, &ops) > 3 * cost);
    assert_true(mr_image_memory(&info, &ops) > memory + 4000 * 3000 * 2); /* the coefficients */
}

static bool is_plain(struct bytes file)
{
    struct mr_image_scan scan = scanned(file);
    assert_true(scan.is_whole);
    return scan.info.plain;
}

static struct bytes profile_segment(const char *profile)
{
    VipsBlob *blob = NULL;
    assert_int_equal(vips_profile_load(profile, &blob, NULL), 0);
    size_t len;
    const void *at = vips_blob_get(blob, &len);
    struct bytes body = {.at = images_own(g_malloc(len + 14)), .len = len + 14};
    memcpy(body.at, "ICC_PROFILE\0\1\1", 14);
    memcpy(body.at + 14, at, len);
    vips_area_unref(VIPS_AREA(blob));
    return body;
}

static void only_plain_files_are_plain(void **state)
{
    (void)state;
    static const uint8_t adobe_rgb[] = "Adobe\0\144\0\0\0\0\0", adobe_ycc[] = "Adobe\0\144\0\0\0\0\1";
    struct bytes file = coded(scene(100, 80, 3), (struct coding){2, 2, false, 0, 0});
    for (size_t i = 0; i < MR_ARRAY_SIZE(codings); i++)
        assert_true(is_plain(coded(scene(100, 80, 3), codings[i].coding)));
    assert_true(is_plain(coded(scene(100, 80, 1), (struct coding){1, 1, false, 0, 0})));
    assert_true(is_plain(with_segment(file, 0xE2, profile_segment("srgb"))));
    assert_false(is_plain(with_segment(file, 0xE2, profile_segment("p3"))));
    struct bytes twice = with_segment(file, 0xE2, profile_segment("srgb"));
    assert_false(is_plain(with_segment(twice, 0xE2, profile_segment("srgb"))));
    assert_true(is_plain(with_segment(file, 0xEE, copy_of(adobe_ycc, 12))));
    assert_false(is_plain(with_segment(file, 0xEE, copy_of(adobe_rgb, 12))));
    assert_false(is_plain(encode(quadrants(100, 80, 4), ".png")));
    struct bytes uneven = copy_of(file.at, file.len);
    uint8_t *frame = uneven.at;
    while (memcmp(frame, "\xFF\xC0", 2) != 0)
        frame++;
    assert_int_equal(frame[2 + 8 + 7], 0x11); /* of the third component */
    frame[2 + 8 + 7] = 0x21;
    assert_false(is_plain(uneven));
}

/* ---- refusals */

/* Whatever is changed or cut: where one way refuses, so does the other. */
static void both_ways_refuse_the_same_files(void **state)
{
    (void)state;
    uint32_t random = 3;
    int refused = 0;
    for (size_t i = 0; i < MR_ARRAY_SIZE(codings); i++) {
        struct bytes file = coded(scene(90, 70, 3), codings[i].coding);
        for (int round = 0; round < 150; round++) {
            random = random * 1664525 + 1013904223;
            struct bytes copy = copy_of(file.at, file.len);
            copy.at[(random >> 8) % copy.len] ^= (uint8_t)(1u << (random >> 29));
            if (round % 3 == 0)
                copy.len = (random >> 8) % copy.len;
            struct mr_image_result own, other;
            struct mr_fault fault = {0}, other_fault = {0};
            int err = try_run(&own, "w=40", copy, &fault),
                other_err = try_other_way(&other, "w=40", copy, &other_fault);
            if (err != other_err)
                fail_msg("%s, round %d: %s and %s: %s, %s", codings[i].name, round, mr_error_name((enum mr_error)err),
                         mr_error_name((enum mr_error)other_err), fault.detail, other_fault.detail);
            refused += err != MR_OK;
            mr_image_result_free(&own);
            mr_image_result_free(&other);
            g_free(images_owned[--images_owned_count]);
        }
        images_end_test(NULL);
    }
    assert_true(refused > 300);
}

/* Sizes and cuts need more or fewer of the last rows. A file that is damaged there is refused, each way. (Not so where
 * less than a pixel is left of the last row of blocks: libvips does not decode it.) */
static void damage_is_seen_whatever_is_asked_for(void **state)
{
    (void)state;
    static const char *const queries[] = {"w=90",
                                          "w=40",
                                          "w=25",
                                          "w=11",
                                          "w=80&h=20&fit=crop&crop=top",
                                          "w=80&h=20&fit=crop&crop=top&orient=3",
                                          "w=30&h=8&fit=crop"};
    static const struct coding ways[] = {{2, 2, false, 0, 0}, {1, 1, false, 0, 0}, {2, 1, false, 3, 0}};
    for (size_t way = 0; way < MR_ARRAY_SIZE(ways); way++)
        for (int height = 64; height <= 72; height += 8) {
            struct bytes file = coded(scene(90, height, 3), ways[way]);
            struct bytes sound = copy_of(file.at, file.len);
            file.len -= 12; /* of the last blocks, in front of EOI */
            memcpy(file.at + file.len - 2, "\xFF\xD9", 2);
            for (size_t i = 0; i < MR_ARRAY_SIZE(queries); i++) {
                struct mr_image_result own, other;
                struct mr_fault fault = {0};
                assert_int_equal(try_run(&own, queries[i], sound, &fault), MR_OK);
                assert_int_equal(try_other_way(&other, queries[i], sound, &fault), MR_OK);
                mr_image_result_free(&own);
                mr_image_result_free(&other);
                if (try_run(&own, queries[i], file, &fault) != MR_EDAMAGED)
                    fail_msg("way %zu, height %d, %s", way, height, queries[i]);
                if (try_other_way(&other, queries[i], file, &fault) != MR_EDAMAGED)
                    fail_msg("way %zu, height %d, %s: the other way", way, height, queries[i]);
            }
            images_end_test(NULL);
        }
}

/* ---- stopping */

static int cancel_at_once(void *context, uint64_t bytes, struct mr_fault *fault)
{
    (void)bytes, (void)fault;
    mr_cancel_request(context);
    return MR_OK;
}

/* Once its memory is reserved. */
static void cancelled_photograph_is_not_made(void **state)
{
    (void)state;
    struct bytes input = coded(scene(400, 300, 3), (struct coding){2, 2, false, 0, 0});
    struct mr_cancel cancel = {.stop_at = 0};
    struct mr_image_limits limits = generous;
    limits.reserve = cancel_at_once;
    limits.context = &cancel;
    struct mr_image_ops ops = ops_of("w=100");
    struct mr_image_result out;
    struct mr_fault fault = {0};
    assert_int_equal(mr_image_run(&out, &ops, input.at, input.len, &limits, &cancel, &fault), MR_ECANCELLED);
    assert_int_equal(fault.error, MR_ECANCELLED);
    assert_null(out.bytes);
}

/* In the middle of it: each takes far longer than it is given. */
static void time_ends_a_photograph_that_is_made(void **state)
{
    (void)state;
    static const struct coding ways[] = {{2, 2, false, 0, 0}, {2, 2, true, 0, 0}};
    for (size_t i = 0; i < MR_ARRAY_SIZE(ways); i++) {
        struct bytes input = coded(noise(3000, 2000, 3), ways[i]);
        struct mr_image_ops ops = ops_of("w=2900");
        struct mr_cancel cancel = {.stop_at = 0};
        struct mr_image_scan known = scanned(input);
        struct mr_image_result out;
        struct mr_fault fault = {0};
        assert_true(known.info.plain);
        cancel.stop_at = mr_clock_now() + 5000000;
        assert_int_equal(mr_image_run_scanned(&out, &ops, input.at, input.len, &known, &generous, &cancel, &fault),
                         MR_ETIME);
        assert_null(out.bytes);
        images_end_test(NULL);
    }
}

#define PHOTO_TEST(test) cmocka_unit_test_teardown(test, images_end_test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PHOTO_TEST(both_ways_give_the_same_picture),
        PHOTO_TEST(turned_and_cut_pictures_are_the_same),
        PHOTO_TEST(both_ways_halve_the_same_colours),
        PHOTO_TEST(looked_at_pictures_are_the_same),
        PHOTO_TEST(grey_stays_grey),
        PHOTO_TEST(thin_pictures_are_the_same),
        PHOTO_TEST(plain_area_is_plain_to_its_edges),
        PHOTO_TEST(each_parameter_takes_one_of_both_ways),
        PHOTO_TEST(own_way_costs_less),
        PHOTO_TEST(only_plain_files_are_plain),
        PHOTO_TEST(both_ways_refuse_the_same_files),
        PHOTO_TEST(damage_is_seen_whatever_is_asked_for),
        PHOTO_TEST(cancelled_photograph_is_not_made),
        PHOTO_TEST(time_ends_a_photograph_that_is_made),
    };
    return cmocka_run_group_tests(tests, images_setup, images_teardown);
}
