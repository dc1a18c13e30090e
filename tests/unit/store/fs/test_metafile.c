#include "../../io/faults.h"
#include "store/fs/metafile.h"

#define ID "01M8K7ZZZZ0123456789ABCDEF"

static struct place place;

static int set_up(void **state)
{
    (void)state;
    place_open(&place);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    place_close(&place);
    return 0;
}

/* An object whose meta has a text of that length. */
static void put_meta(size_t text)
{
    struct mr_meta meta;
    char *bytes;
    size_t len;
    assert_int_equal(mr_meta_init(&meta), MR_OK);
    memcpy(meta.object.id, ID, sizeof(meta.object.id));
    meta.object.rev = 1;
    free(meta.object.meta);
    meta.object.meta = malloc(text + 16);
    snprintf(meta.object.meta, text + 16, "{\"a\":\"%0*d\"}", (int)text, 0);
    assert_int_equal(mr_meta_encode(&meta, &bytes, &len, NULL), MR_OK);
    place_put(&place, ID ".meta", bytes, len);
    free(bytes);
    mr_meta_free(&meta);
}

static enum mr_disk_try try_read(void)
{
    struct mr_metafile file;
    int err;
    enum mr_disk_try tried = mr_metafile_try_read(&file, place.directory, ID ".meta", ID, &err, NULL);
    if (tried == MR_DISK_DONE)
        mr_metafile_free(&file);
    return tried;
}

static void a_description_that_takes_long_to_decode_is_not_read_on_a_loop(void **state)
{
    (void)state;
    struct mr_metafile file;
    put_meta(100);
    if (try_read() == MR_DISK_WOULD_BLOCK)
        skip(); /* the kernel or the file system cannot tell */
    assert_int_equal(try_read(), MR_DISK_DONE);
    put_meta(MR_META_QUICK_MAX);
    assert_int_equal(try_read(), MR_DISK_WOULD_BLOCK);
    assert_int_equal(mr_metafile_read(&file, place.directory, ID ".meta", ID, NULL), MR_OK);
    assert_int_equal(strlen(file.meta.object.meta), MR_META_QUICK_MAX + strlen("{\"a\":\"\"}"));
    mr_metafile_free(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_description_that_takes_long_to_decode_is_not_read_on_a_loop, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
