#include "media/image/image_io.h"
#include "media/images.h"

static const struct mr_view text = {.at = (const uint8_t *)"0123456789", .len = 10};

static void source_gives_the_input_in_order_and_from_where_it_was_told(void **state)
{
    (void)state;
    struct mr_run run = {.input = text};
    VipsSource *source = mr_image_source_create(&run);
    char bytes[16];
    assert_int_equal(vips_source_read(source, bytes, 4), 4);
    assert_memory_equal(bytes, "0123", 4);
    assert_int_equal(vips_source_seek(source, -2, SEEK_END), 8);
    assert_int_equal(vips_source_read(source, bytes, sizeof(bytes)), 2);
    assert_memory_equal(bytes, "89", 2);
    assert_int_equal(vips_source_read(source, bytes, sizeof(bytes)), 0);
    assert_int_equal(vips_source_seek(source, 0, SEEK_SET), 0);
    assert_int_equal(vips_source_length(source), 10);
    assert_int_equal(vips_source_seek(source, 11, SEEK_SET), -1);
    assert_int_equal(vips_source_seek(source, -1, SEEK_CUR), -1);
    g_object_unref(source);
}

static void reading_fails_once_the_run_is_to_stop(void **state)
{
    (void)state;
    struct mr_cancel cancel = {.stop_at = 0};
    struct mr_run run = {.input = text, .cancel = &cancel};
    VipsSource *source = mr_image_source_create(&run);
    char bytes[4];
    assert_int_equal(vips_source_read(source, bytes, sizeof(bytes)), 4);
    mr_cancel_request(&cancel);
    assert_int_equal(vips_source_read(source, bytes, sizeof(bytes)), -1);
    assert_int_equal(run.stopped, MR_ECANCELLED);
    g_object_unref(source);
}

/* More than libvips' own buffer holds, so that it has to be written. */
static char plenty[100000];

static void writing_fails_once_the_time_is_over(void **state)
{
    (void)state;
    struct mr_cancel cancel = {.stop_at = 0};
    struct mr_run run = {.cancel = &cancel};
    VipsTarget *target = mr_image_target_create(&run);
    assert_int_equal(vips_target_write(target, plenty, sizeof(plenty)), 0);
    cancel.stop_at = 1;
    assert_int_equal(vips_target_write(target, plenty, sizeof(plenty)), -1);
    assert_int_equal(run.stopped, MR_ETIME);
    g_object_unref(target);
}

static void what_was_written_is_taken_whole(void **state)
{
    (void)state;
    struct mr_run run = {.cancel = NULL};
    VipsTarget *target = mr_image_target_create(&run);
    memset(plenty, 'x', sizeof(plenty));
    assert_int_equal(vips_target_write(target, "begin", 5), 0);
    assert_int_equal(vips_target_write(target, plenty, sizeof(plenty)), 0);
    assert_int_equal(vips_target_end(target), 0);
    size_t len = 0;
    char *bytes = mr_image_target_take(target, &len);
    g_object_unref(target);
    assert_int_equal(len, 5 + sizeof(plenty));
    assert_memory_equal(bytes, "beginx", 6);
    assert_memory_equal(bytes + 5, plenty, sizeof(plenty));
    g_free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(source_gives_the_input_in_order_and_from_where_it_was_told),
        cmocka_unit_test(reading_fails_once_the_run_is_to_stop),
        cmocka_unit_test(writing_fails_once_the_time_is_over),
        cmocka_unit_test(what_was_written_is_taken_whole),
    };
    return cmocka_run_group_tests(tests, images_setup, images_teardown);
}
