/* Which responses are right: of a stranger's server by what they hold, of ours also by their format. */
#include "base/macros.h"
#include "bench/lab/lab_request.h"
#include "media/image/image.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>
#include <zlib.h>

#include <cmocka.h>

static char data[1000];
static struct mr_fault fault;

static bool is_right(enum mr_lab_stream stream, bool is_ours, struct mr_slice body)
{
    const struct mr_slice sent = {.at = data, .len = sizeof(data)};
    return mr_lab_request_check(stream, is_ours, sent, body, &fault) == MR_OK;
}

static int prepare(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)(i * i >> 3);
    return mr_image_setup();
}

static int clean(void **state)
{
    (void)state;
    mr_image_teardown();
    return 0;
}

/* ---- images ---- */

static struct mr_slice picture(int width, const char *suffix)
{
    VipsImage *image;
    void *bytes;
    size_t len;
    assert_int_equal(vips_black(&image, width, 20, "bands", 3, NULL), 0);
    assert_int_equal(vips_image_write_to_buffer(image, suffix, &bytes, &len, NULL), 0);
    g_object_unref(image);
    return (struct mr_slice){.at = bytes, .len = len};
}

static void image_is_whole_and_as_wide_as_asked(void **state)
{
    (void)state;
    struct mr_slice right = picture(MR_LAB_WIDTH, ".jpg"), other = picture(MR_LAB_WIDTH, ".png"),
                    wide = picture(640, ".jpg");
    assert_true(is_right(MR_LAB_IMAGE, true, right));
    assert_true(is_right(MR_LAB_IMAGE, false, right));
    assert_true(is_right(MR_LAB_IMAGE, false, other));
    assert_false(is_right(MR_LAB_IMAGE, true, other));
    assert_false(is_right(MR_LAB_IMAGE, false, wide));
    assert_non_null(strstr(fault.detail, "640"));
    assert_false(is_right(MR_LAB_IMAGE, false, (struct mr_slice){.at = other.at, .len = other.len - 30}));
    assert_false(is_right(MR_LAB_IMAGE, false, MR_SLICE("<html>sorry</html>")));
    assert_false(is_right(MR_LAB_IMAGE, false, (struct mr_slice){0}));
    g_free((void *)right.at);
    g_free((void *)other.at);
    g_free((void *)wide.at);
}

/* ---- gzip ---- */

static size_t compress_data(size_t len, char *out, size_t size)
{
    z_stream z = {.next_in = (Bytef *)data, .avail_in = (uInt)len, .next_out = (Bytef *)out, .avail_out = (uInt)size};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return z.total_out;
}

static void gzip_holds_what_was_sent(void **state)
{
    (void)state;
    char out[2000] = "";
    size_t len = compress_data(sizeof(data), out, sizeof(out));
    assert_true(is_right(MR_LAB_GZIP, true, (struct mr_slice){.at = out, .len = len}));
    assert_true(is_right(MR_LAB_GZIP, false, (struct mr_slice){.at = out, .len = len}));
    assert_false(is_right(MR_LAB_GZIP, false, (struct mr_slice){.at = out, .len = len - 1}));
    assert_false(is_right(MR_LAB_GZIP, false, (struct mr_slice){.at = out, .len = len + 1}));
    len = compress_data(sizeof(data) - 1, out, sizeof(out));
    assert_false(is_right(MR_LAB_GZIP, false, (struct mr_slice){.at = out, .len = len}));
    assert_false(is_right(MR_LAB_GZIP, false, (struct mr_slice){.at = data, .len = sizeof(data)}));
    assert_false(is_right(MR_LAB_GZIP, false, (struct mr_slice){0}));
}

/* ---- encryption ---- */

static void encrypted_is_not_shorter_and_shows_nothing(void **state)
{
    (void)state;
    char noise[2000];
    for (size_t i = 0; i < sizeof(noise); i++)
        noise[i] = (char)(i * 7 + 3);
    assert_true(is_right(MR_LAB_ENCRYPT, false, (struct mr_slice){.at = noise, .len = sizeof(data) + 28}));
    assert_false(is_right(MR_LAB_ENCRYPT, false, (struct mr_slice){.at = noise, .len = sizeof(data) - 1}));
    assert_false(is_right(MR_LAB_ENCRYPT, true, (struct mr_slice){.at = noise, .len = sizeof(noise)}));
    memcpy(noise, "age-encryption.org/v1\n", strlen("age-encryption.org/v1\n"));
    assert_true(is_right(MR_LAB_ENCRYPT, true, (struct mr_slice){.at = noise, .len = sizeof(noise)}));
    memcpy(noise + 500, data, sizeof(data));
    assert_false(is_right(MR_LAB_ENCRYPT, true, (struct mr_slice){.at = noise, .len = sizeof(noise)}));
}

static void a_light_response_of_a_stranger_may_be_anything(void **state)
{
    (void)state;
    assert_true(is_right(MR_LAB_LIGHT, false, (struct mr_slice){0}));
    assert_true(is_right(MR_LAB_FRESH, true, MR_SLICE("{}")));
    assert_false(is_right(MR_LAB_LIGHT, true, MR_SLICE("ok")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(image_is_whole_and_as_wide_as_asked),
        cmocka_unit_test(gzip_holds_what_was_sent),
        cmocka_unit_test(encrypted_is_not_shorter_and_shows_nothing),
        cmocka_unit_test(a_light_response_of_a_stranger_may_be_anything),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
