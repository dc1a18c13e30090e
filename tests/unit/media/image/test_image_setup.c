#include "media/image/image_setup.h"
#include "media/images.h"

#define LOADERS_MAX 16

/* One that a caller can name: the classes above it are abstract. */
static void *note_open_loader(GType type, void *list)
{
    VipsOperationClass *class = g_type_class_ref(type);
    if (!G_TYPE_IS_ABSTRACT(type) && (class->flags & VIPS_OPERATION_BLOCKED) == 0)
        g_ptr_array_add(list, (void *)VIPS_OBJECT_CLASS(class)->nickname);
    g_type_class_unref(class);
    return NULL;
}

static bool is_expected(const char *nickname)
{
    static const char *const expected[] = {"jpegload", "pngload", "webpload", "heifload", "tiffload"};
    for (size_t i = 0; i < MR_ARRAY_SIZE(expected); i++)
        if (strncmp(nickname, expected[i], strlen(expected[i])) == 0)
            return true;
    return false;
}

/* GIF is read by our own decoder, and no other format by anything: whatever libvips was built with. */
static void only_loaders_of_our_formats_can_be_called(void **state)
{
    (void)state;
    GPtrArray *open = g_ptr_array_new();
    vips_type_map_all(g_type_from_name("VipsForeignLoad"), note_open_loader, open);
    assert_in_range(open->len, 4, LOADERS_MAX);
    for (guint i = 0; i < open->len; i++)
        if (!is_expected(open->pdata[i]))
            fail_msg("%s can be called", (const char *)open->pdata[i]);
    g_ptr_array_free(open, TRUE);
}

static void gif_is_readable_without_libvips(void **state)
{
    (void)state;
    assert_true(mr_image_can_read(MR_IMAGE_GIF));
    assert_non_null(strstr(mr_image_readable(), "gif"));
}

static int setup(void **state)
{
    (void)state;
    return mr_image_setup();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_loaders_of_our_formats_can_be_called),
        cmocka_unit_test(gif_is_readable_without_libvips),
    };
    return cmocka_run_group_tests(tests, setup, images_teardown);
}
