#include "app/image_fence.h"
#include "base/macros.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct mr_image_fence fence;
static struct mr_fault fault;
static const char *option;

static int read_options(const char *formats, const char *operations, const char *max_size)
{
    const struct mr_fence_settings settings = {
        .formats = (char *)(uintptr_t)formats,
        .operations = (char *)(uintptr_t)operations,
        .max_size = (char *)(uintptr_t)max_size,
    };
    memset(&fault, 0, sizeof(fault));
    return mr_image_fence_read(&fence, &settings, &option, &fault);
}

static void without_options_all_but_jpeg_xl_is_allowed(void **state)
{
    (void)state;
    struct mr_image_ops ops;
    mr_image_ops_init(&ops);
    assert_int_equal(read_options(NULL, NULL, NULL), MR_OK);
    for (const struct mr_param_spec *spec = mr_image_params; spec->name != NULL; spec++)
        assert_int_equal(mr_image_fence_check_name(&fence, mr_slice_of(spec->name), &fault), MR_OK);
    for (enum mr_image_format format = MR_IMAGE_UNKNOWN; format < MR_IMAGE_FORMAT_COUNT; format++)
        if (format != MR_IMAGE_HEIF && format != MR_IMAGE_JXL)
            assert_int_equal(mr_image_fence_check_format(&fence, format, &fault), MR_OK);
    assert_int_equal(mr_image_fence_bound_size(&fence, &ops, &fault), MR_OK);
    mr_image_fence_choose_format(&fence, &ops, "image/jpeg");
    assert_int_equal(ops.format, MR_IMAGE_UNKNOWN);
    assert_int_equal(ops.width, 0);
}

static void what_is_not_listed_is_refused_and_named(void **state)
{
    (void)state;
    assert_int_equal(read_options("webp, jpeg", "w,h , fit", "2000x1500"), MR_OK);
    assert_int_equal(mr_image_fence_check_name(&fence, MR_SLICE("w"), &fault), MR_OK);
    assert_int_equal(mr_image_fence_check_name(&fence, MR_SLICE("fit"), &fault), MR_OK);
    assert_int_equal(mr_image_fence_check_name(&fence, MR_SLICE("ixlib"), &fault), MR_OK);
    assert_int_equal(mr_image_fence_check_name(&fence, MR_SLICE("wide"), &fault), MR_OK); /* not ours to refuse */
    assert_int_equal(mr_image_fence_check_name(&fence, MR_SLICE("blur"), &fault), MR_EPARAM);
    assert_non_null(strstr(fault.detail, "\"blur\""));
    assert_non_null(strstr(fault.detail, "--operations"));
    assert_int_equal(mr_image_fence_check_format(&fence, MR_IMAGE_JPEG, &fault), MR_OK);
    assert_int_equal(mr_image_fence_check_format(&fence, MR_IMAGE_WEBP, &fault), MR_OK);
    assert_int_equal(mr_image_fence_check_format(&fence, MR_IMAGE_AVIF, &fault), MR_EPARAM);
    assert_non_null(strstr(fault.detail, "\"avif\""));
    assert_non_null(strstr(fault.detail, "--formats"));
}

static void jpeg_xl_is_written_where_it_is_named(void **state)
{
    (void)state;
    assert_int_equal(read_options(NULL, NULL, NULL), MR_OK);
    assert_int_equal(mr_image_fence_check_format(&fence, MR_IMAGE_JXL, &fault), MR_EPARAM);
    assert_non_null(strstr(fault.detail, "\"jxl\""));
    assert_int_equal(read_options("jpg,jxl", NULL, NULL), MR_OK);
    assert_int_equal(mr_image_fence_check_format(&fence, MR_IMAGE_JXL, &fault), MR_OK);
}

static void a_size_is_refused_with_both_numbers(void **state)
{
    (void)state;
    struct mr_image_ops ops;
    assert_int_equal(read_options(NULL, NULL, "2000x1500"), MR_OK);
    mr_image_ops_init(&ops);
    ops.width = 1001;
    ops.dpr = 2;
    assert_int_equal(mr_image_fence_bound_size(&fence, &ops, &fault), MR_EPARAM);
    assert_string_equal(fault.limit_name, "max-size");
    assert_int_equal(fault.limit, 2000);
    assert_int_equal(fault.value, 2002);
    assert_non_null(strstr(fault.detail, "2002 px wide"));
    assert_non_null(strstr(fault.detail, "2000x1500"));
}

static void a_format_that_is_not_given_is_one_that_is_allowed(void **state)
{
    (void)state;
    static const struct {
        const char *formats, *type;
        enum mr_image_format chosen; /* UNKNOWN: left to the stage */
    } rows[] = {
        {"webp,jpg", "image/jpeg", MR_IMAGE_UNKNOWN},
        {"webp,jpg", "image/png", MR_IMAGE_WEBP},
        {"jpg,png", "image/gif", MR_IMAGE_JPEG},
        {"png,jpg", "image/tiff", MR_IMAGE_UNKNOWN},
        {"png,webp", "image/tiff", MR_IMAGE_PNG},
        {"jpg,webp", "image/heic", MR_IMAGE_JPEG},
        {"tiff", "image/tiff", MR_IMAGE_TIFF},
        {"avif,png", "image/avif", MR_IMAGE_UNKNOWN},
        {"avif,gif,webp", "image/webp", MR_IMAGE_UNKNOWN},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++) {
        struct mr_image_ops ops;
        mr_image_ops_init(&ops);
        assert_int_equal(read_options(rows[i].formats, NULL, NULL), MR_OK);
        mr_image_fence_choose_format(&fence, &ops, rows[i].type);
        if (ops.format != rows[i].chosen)
            fail_msg("%s of %s: %d", rows[i].formats, rows[i].type, ops.format);
        ops.format = MR_IMAGE_GIF;
        mr_image_fence_choose_format(&fence, &ops, rows[i].type);
        assert_int_equal(ops.format, MR_IMAGE_GIF);
    }
}

static void a_wrong_option_is_named_with_its_word(void **state)
{
    (void)state;
    static const char *const rows[][4] = {
        {"bmp", NULL, NULL, "\"bmp\""},
        {"webp,", NULL, NULL, "\"\""},
        {"webp jpg", NULL, NULL, "\"webp jpg\""},
        {NULL, "w,hight", NULL, "\"hight\""},
        {NULL, "w=3", NULL, "\"w=3\""},
        {NULL, ",w", NULL, "\"\""},
        {NULL, NULL, "2000", "2000x1500"},
        {NULL, NULL, "x", "65535"},
        {NULL, NULL, "0x5", "1 to"},
        {NULL, NULL, "5x0", "1 to"},
        {NULL, NULL, "65536x1", "65535"},
        {NULL, NULL, "1x1x1", "65535"},
        {NULL, NULL, "-1x1", "65535"},
        {NULL, NULL, "1x18446744073709551617", "65535"},
    };
    static const char *const options[] = {"formats", "operations", "max-size"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++) {
        size_t which = rows[i][0] != NULL ? 0 : rows[i][1] != NULL ? 1 : 2;
        assert_int_equal(read_options(rows[i][0], rows[i][1], rows[i][2]), MR_EPARAM);
        assert_string_equal(option, options[which]);
        if (strstr(fault.detail, rows[i][3]) == NULL)
            fail_msg("%s", fault.detail);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_options_all_but_jpeg_xl_is_allowed),
        cmocka_unit_test(what_is_not_listed_is_refused_and_named),
        cmocka_unit_test(jpeg_xl_is_written_where_it_is_named),
        cmocka_unit_test(a_size_is_refused_with_both_numbers),
        cmocka_unit_test(a_format_that_is_not_given_is_one_that_is_allowed),
        cmocka_unit_test(a_wrong_option_is_named_with_its_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
