#include "media/images.h"

static void check_canonical(const char *query, const char *wanted)
{
    struct mr_image_ops ops = ops_of(query);
    char text[MR_IMAGE_CANONICAL_SIZE];
    size_t len = mr_image_ops_canonical(&ops, text, sizeof(text));
    assert_int_equal(len, strlen(text));
    assert_string_equal(text, wanted);
}

static void canonical_text_has_one_order_and_no_defaults(void **state)
{
    (void)state;
    check_canonical("", "");
    check_canonical("q=75&fit=clip", "");
    check_canonical("chroma=444", "chromasub=444");
    check_canonical("fm=webp&q=70&crop=left,top&fit=crop&h=200&w=300",
                    "w=300&h=200&fit=crop&crop=top,left&fm=webp&q=70");
    check_canonical("fm=jpeg", "fm=jpg");
    check_canonical("w=5&h=6&fit=crop&crop=center", "w=5&h=6&fit=crop");
    check_canonical("page=3", "frame=3");
    check_canonical("auto=compress,format,format", "auto=format");
    check_canonical("bg=f00", "bg=ff0000");
    check_canonical("bg=Red&orient=90&flip=hv", "orient=6&flip=hv&bg=ff0000");
    check_canonical("bg=ffff0000", "bg=ff0000");
    check_canonical("bg=transparent", "bg=00000000");
    check_canonical("w=5&h=6&fit=crop&crop=faces", "w=5&h=6&fit=crop&crop=attention");
    check_canonical("w=5&h=6&fit=crop&crop=entropy", "w=5&h=6&fit=crop&crop=entropy");
}

static void what_has_no_effect_is_not_in_the_canonical_text(void **state)
{
    (void)state;
    check_canonical("crop=top", "");
    check_canonical("w=10&crop=top", "w=10");
    check_canonical("fm=png&q=50", "fm=png");
    check_canonical("fp-x=0.1&w=5&h=5&fit=crop", "w=5&h=5&fit=crop");
    check_canonical("gps=1", "");
    check_canonical("fm=jpg&effort=3&lossless=1", "fm=jpg");
    check_canonical("fm=webp&interlace=1", "fm=webp");
    check_canonical("dpr=2", "");
    check_canonical("ar=16:9", "");
    check_canonical("cs=srgb", "");
    check_canonical("usmrad=4&hue=360", "");
    check_canonical("usm=4&usmrad=2.5", "usm=4");
    check_canonical("monochrome=f00", "mono=ff0000");
    check_canonical("w=5&h=6&fill=blur&fill-color=fff", "w=5&h=6");
    check_canonical("border=4,F00", "border=4,ff0000");
    check_canonical("w=5&h=6&fit=fill&fill=blur&fill-color=fff", "w=5&h=6&fit=fill&fill=blur");
    check_canonical("fm=pjpg", "fm=jpg&interlace=1");
    check_canonical("interlace=0&fm=png8", "fm=png&palette=1");
    check_canonical("fm=png32", "fm=png&palette=0");
    check_canonical("palette=1&fm=png32", "fm=png&palette=1");
    check_canonical("palette=0&fm=png8", "fm=png&palette=1");
    check_canonical("fm=png&lossless=1&palette=0", "fm=png&palette=0");
    check_canonical("fm=webp&chromasub=444&palette=1", "fm=webp");
    check_canonical("fm=webp&chroma=444", "fm=webp");
    check_canonical("chroma=auto", "");
    check_canonical("w=5&h=6&fit=crop&crop=faces,entropy,top,left,centre", "w=5&h=6&fit=crop&crop=attention,top,left");
    check_canonical("w=5&h=6&fit=crop&crop=left,top,faces", "w=5&h=6&fit=crop&crop=top,left");
    check_canonical("w=5&h=6&fit=crop&crop=focalpoint,faces,centre,top", "w=5&h=6&fit=crop&crop=focalpoint,attention");
    check_canonical("w=5&h=6&fit=crop&crop=focalpoint,faces&fp-x=1",
                    "w=5&h=6&fit=crop&crop=focalpoint&fp-x=1&fp-y=0.5");
    check_canonical("w=5&h=6&fit=crop&crop=entropy,focalpoint,bottom",
                    "w=5&h=6&fit=crop&crop=entropy,focalpoint,bottom");
    check_canonical("rect=left,top,5,6", "rect=0,0,5,6");
    check_canonical("rect=0.1000,1.0,5,6", "rect=0.1,1,5,6");
    check_canonical("w=0.9999999&h=0.1234567", "w=0.999999&h=0.123457");
    check_canonical("rect=0.9999999,0.99999951,5,6", "rect=0.999999,0.999999,5,6"); /* 1 would be a pixel */
    check_canonical("trim-color=fff&trim-md=3", "");
    check_canonical("trim=alpha&trim-color=fff&trim-md=12", "trim=alpha");
    check_canonical("w=5&h=6&ar=16:9&fit=crop", "w=5&h=6&fit=crop");
    check_canonical("w=5&ar=4:2&fit=crop", "w=5&ar=2:1&fit=crop");
    check_canonical("rot=90&rot-type=pivot", "rot=90");
    check_canonical("pad=3&pad-left=3", "pad=3");
    check_canonical("pad=3&pad-left=1&pad-top=1&pad-right=1&pad-bottom=3",
                    "pad-left=1&pad-right=1&pad-top=1&pad-bottom=3");
    check_canonical("w=5&fit=fill", "w=5");
    check_canonical("ixlib=js-3.1", "");
    check_canonical("bri=-0", "");
    check_canonical("bri=-0.0000000014", "");
    check_canonical("bri=0.0000014", "bri=0.000001");
    check_canonical("bri=-12.50", "bri=-12.5");
    check_canonical("orient=0&pad=0&flip=none&trim=none", "");
    check_canonical("auto=compress", "");
    check_canonical("linear=1", "");
    check_canonical("auto=format&fm=png", "fm=png");
}

/* The middle that a query names is not the one that is meant without it: a stored focal point comes between. */
static void a_focal_point_in_the_middle_is_one(void **state)
{
    (void)state;
    check_canonical("w=5&h=6&fit=crop&crop=focalpoint", "w=5&h=6&fit=crop&crop=focalpoint");
    check_canonical("w=5&h=6&fit=crop&crop=focalpoint&fp-y=0.50", "w=5&h=6&fit=crop&crop=focalpoint&fp-x=0.5&fp-y=0.5");
}

static void canonical_text_means_the_same_again(void **state)
{
    (void)state;
    static const char *const queries[] = {"w=300",
                                          "h=200&fit=max",
                                          "w=300&h=200&fit=crop&crop=bottom,right",
                                          "w=1&h=1&fit=crop&crop=attention&fm=webp&q=1",
                                          "fm=png",
                                          "fm=jpg&q=100",
                                          "w=10&h=20&fit=min",
                                          "w=10&h=20&fit=clamp",
                                          "w=10&h=20&dpr=1.5&fit=crop&crop=focalpoint&fp-x=0.25&fp-y=0.75",
                                          "rect=1,2,30,40&trim=auto&orient=6&flip=hv&rot=12.5&pad=3&bg=80ff0000",
                                          "rect=center,middle,5,6&trim=alpha",
                                          "rect=right,0.25,5,6",
                                          "fm=png&palette=1",
                                          "fm=png&palette=0",
                                          "fm=png&lossless=1",
                                          "exp=1&high=-2&shad=3&invert=1&hue=4&sepia=5&vib=-6&usm=7&usmrad=0.5",
                                          "w=5&h=6&fit=fill&fill=blur&border=4,80ff0000",
                                          "w=5&h=6&fit=fillmax&fill-color=ff0000",
                                          "fm=avif&chromasub=444",
                                          "fm=png&icc=keep",
                                          "trim=color&trim-color=ff00ff&trim-md=3",
                                          "rot=12.5&rot-type=pivot&pad=3&pad-left=0&pad-right=5",
                                          "pad-left=1&pad-right=2&pad-top=3&pad-bottom=4",
                                          "w=0.25&h=0.333333&fit=fillmax",
                                          "ar=1.777778:1&min-w=1&min-h=2&max-w=3&max-h=4&fit=crop",
                                          "bri=-10&con=20&gam=30&sat=-40&mono=aabbcc&blur=100&sharp=7",
                                          "frame=3&fm=avif&q=50&effort=0&lossless=1",
                                          "interlace=1&strip=0&gps=1&shrink=careful",
                                          "w=3&linear=1",
                                          "w=300&auto=format&q=50",
                                          "w=65535&h=65535&fit=crop&crop=left&fm=jpg&q=99"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(queries); i++)
        check_canonical(queries[i], queries[i]);
}

/* The longest text that each parameter may have, whether they go together or not. */
static void canonical_text_of_all_parameters_fits(void **state)
{
    (void)state;
    size_t len = 0;
    for (const struct mr_param_spec *spec = mr_image_params; spec->name != NULL; spec++) {
        size_t longest = spec->type == MR_PARAM_NUMBER ? strlen("-65535.999999")
                         : spec->type == MR_PARAM_TEXT ? 33 /* of rect and crop: "attention,focalpoint,bottom,right" */
                                                       : strlen("colorunlessalpha");
        len += strlen(spec->name) + longest + strlen("&=");
    }
    assert_in_range(len, 1, MR_IMAGE_CANONICAL_SIZE - 1);
}

static void canonical_text_is_cut_as_by_snprintf(void **state)
{
    (void)state;
    struct mr_image_ops ops = ops_of("w=300&h=200");
    char text[6] = "xxxxx";
    assert_int_equal(mr_image_ops_canonical(&ops, text, sizeof(text)), strlen("w=300&h=200"));
    assert_string_equal(text, "w=300");
    assert_int_equal(mr_image_ops_canonical(&ops, NULL, 0), strlen("w=300&h=200"));
}

/* The fault's sentence names the parameter. */
static void check_refused(const char *name, const char *value)
{
    struct mr_image_ops ops;
    struct mr_fault fault = {0};
    mr_image_ops_init(&ops);
    int err = mr_image_ops_set(&ops, mr_slice_of(name), mr_slice_of(value), &fault);
    if (err != MR_EPARAM || strstr(fault.detail, name) == NULL)
        fail_msg("%s=%s: %d, '%s'", name, value, err, fault.detail);
}

static void wrong_value_names_its_parameter(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"w", "0"},
        {"w", "-1"},
        {"w", "65536"},
        {"w", "1.5"},
        {"h", "0.0001"},
        {"ar", "1"},
        {"ar", "0:1"},
        {"ar", "1:x"},
        {"max-w", "0"},
        {"pad-left", "-1"},
        {"rot-type", "free"},
        {"w", "1e3"},
        {"w", ""},
        {"h", "12px"},
        {"fit", "blob"},
        {"fm", "pdf"},
        {"q", "0"},
        {"q", "101"},
        {"auto", ""},
        {"auto", "format,"},
        {"auto", "enhance"},
        {"crop", ""},
        {"crop", "top,bottom"},
        {"crop", "top,"},
        {"crop", "entropy,middle"},
        {"crop", "left,right"},
        {"wide", "1"},
        {"W", "1"},
        {"dpr", "0"},
        {"dpr", "nan"},
        {"rect", "1,2,3"},
        {"rect", "middle,2,3,4"},
        {"rect", "1.5,2,3,4"},
        {"rect", "1,2,center,4"},
        {"rect", "1,2,0.5,4"},
        {"rect", "1,2,0,4"},
        {"rect", "-1,2,3,4"},
        {"rect", "1,2,3,4,5"},
        {"bg", "12345"},
        {"bg", "gggggg"},
        {"mono", ""},
        {"orient", "45"},
        {"orient", "9"},
        {"rot", "360"},
        {"flip", "x"},
        {"trim", "colour"},
        {"cs", "adobergb1998"},
        {"high", "1"},
        {"hue", "361"},
        {"usmrad", "0"},
        {"monochrome", "x"},
        {"border", "4"},
        {"border", "0,fff"},
        {"border", "4,fffff"},
        {"fill", "gen"},
        {"fill-color", "no"},
        {"chromasub", "422"},
        {"chroma", "422"},
        {"palette", "json"},
        {"trim-md", "256"},
        {"trim-color", "colour"},
        {"bri", "101"},
        {"blur", "-1"},
        {"fp-x", "1.1"},
        {"frame", "0"},
        {"effort", "10"},
        {"lossless", "maybe"},
        {"shrink", "none"},
        {"pad", "5000"},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++)
        check_refused(cases[i][0], cases[i][1]);
}

static void fit_crop_without_a_size_is_refused(void **state)
{
    (void)state;
    struct mr_image_ops ops;
    struct mr_fault fault = {0};
    mr_image_ops_init(&ops);
    assert_int_equal(mr_image_ops_set(&ops, MR_SLICE("fit"), MR_SLICE("crop"), &fault), MR_OK);
    assert_int_equal(mr_image_ops_check(&ops, &fault), MR_EPARAM);
    assert_non_null(strstr(fault.detail, "fit=crop"));
}

static void of_a_number_as_many_decimals_count_as_its_text_has(void **state)
{
    (void)state;
    struct mr_image_ops ops = ops_of("w=1&dpr=1.4999999"); /* "w=1&dpr=1.5": two pixels */
    assert_true(ops.dpr == 1.5);
    ops = ops_of("w=5&h=5&fit=crop&crop=focalpoint&fp-x=0.30000049&fp-y=0.3");
    assert_true(ops.focus_x == 0.3 && ops.focus_y == 0.3);
    mr_image_ops_set_focus(&ops, 0.99999999, 0.0000001);
    assert_true(ops.focus_x == 1 && ops.focus_y == 0);
}

static void two_names_of_one_operation_are_refused_in_any_order(void **state)
{
    (void)state;
    static const char *const names[] = {"frame", "page"}, *const tones[] = {"mono", "monochrome"};
    static const char *const chromas[] = {"chroma", "chromasub"};
    for (size_t i = 0; i < 2; i++) {
        struct mr_image_ops ops;
        struct mr_fault fault = {0};
        mr_image_ops_init(&ops);
        assert_int_equal(mr_image_ops_set(&ops, mr_slice_of(names[i]), MR_SLICE("1"), &fault), MR_OK);
        assert_int_equal(mr_image_ops_set(&ops, mr_slice_of(names[1 - i]), MR_SLICE("2"), &fault), MR_EPARAM);
        assert_int_equal(mr_image_ops_set(&ops, mr_slice_of(names[i]), MR_SLICE("2"), &fault), MR_OK); /* the last */
        assert_int_equal(ops.frame, 2);
        assert_int_equal(mr_image_ops_set(&ops, mr_slice_of(tones[i]), MR_SLICE("fff"), &fault), MR_OK);
        assert_int_equal(mr_image_ops_set(&ops, mr_slice_of(tones[1 - i]), MR_SLICE("fff"), &fault), MR_EPARAM);
        assert_int_equal(mr_image_ops_set(&ops, mr_slice_of(chromas[i]), MR_SLICE("auto"), &fault), MR_OK);
        assert_int_equal(mr_image_ops_set(&ops, mr_slice_of(chromas[1 - i]), MR_SLICE("444"), &fault), MR_EPARAM);
    }
}

static void every_parameter_says_what_it_is_for(void **state)
{
    (void)state;
    for (const struct mr_param_spec *spec = mr_image_params; spec->name != NULL; spec++) {
        assert_non_null(spec->text);
        assert_ptr_equal(mr_param_find(mr_image_params, mr_slice_of(spec->name)), spec); /* no name twice */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_text_has_one_order_and_no_defaults),
        cmocka_unit_test(what_has_no_effect_is_not_in_the_canonical_text),
        cmocka_unit_test(a_focal_point_in_the_middle_is_one),
        cmocka_unit_test(canonical_text_means_the_same_again),
        cmocka_unit_test(canonical_text_of_all_parameters_fits),
        cmocka_unit_test(canonical_text_is_cut_as_by_snprintf),
        cmocka_unit_test(wrong_value_names_its_parameter),
        cmocka_unit_test(fit_crop_without_a_size_is_refused),
        cmocka_unit_test(of_a_number_as_many_decimals_count_as_its_text_has),
        cmocka_unit_test(two_names_of_one_operation_are_refused_in_any_order),
        cmocka_unit_test(every_parameter_says_what_it_is_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
