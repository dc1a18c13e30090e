#include "dies.h"
#include "http/fields.h"
#include "http/router.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct mr_arena arena;
    struct mr_fields fields;
    struct mr_buf out;
    char text[4096];
};

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    mr_fields_init(&f->fields, &f->arena);
    mr_buf_init(&f->out, 1024, 4096);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    mr_arena_reset(&f->arena);
    mr_buf_reset(&f->out);
    test_free(f);
    return 0;
}

/* What goes over the wire. */
static const char *written(struct fixture *f)
{
    struct iovec run;
    size_t len = 0;
    mr_fields_write(&f->fields, &f->out);
    while (mr_buf_peek(&f->out, &run, 1) == 1) {
        assert_true(len + run.iov_len < sizeof(f->text));
        memcpy(f->text + len, run.iov_base, run.iov_len);
        len += run.iov_len;
        mr_buf_consume(&f->out, run.iov_len);
    }
    assert_null(memchr(f->text, '\0', len));
    f->text[len] = '\0';
    return f->text;
}

static void fields_are_written_in_the_order_they_came(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(written(f), "");
    mr_fields_set_text(&f->fields, "B", "1");
    mr_fields_set_text(&f->fields, "A", "");
    assert_string_equal(written(f), "B: 1\r\nA: \r\n");
}

static void no_octet_of_a_value_ends_its_line(void **state)
{
    struct fixture *f = *state;
    for (unsigned c = 0; c < 256; c++) {
        char value[] = {'a', (char)c, 'b'};
        bool is_control = (c < 0x20 && c != '\t') || c == 0x7f;
        char expected[] = {'N', ':', ' ', 'a', is_control ? ' ' : (char)c, 'b', '\r', '\n', '\0'};
        mr_fields_set(&f->fields, "N", (struct mr_slice){value, sizeof(value)});
        assert_string_equal(written(f), expected);
    }
    mr_fields_set(&f->fields, "N", MR_SLICE("\r\nEvil: x\r\n\r\nHTTP/1.1 200 OK\r\n\0"));
    assert_string_equal(written(f), "N:   Evil: x    HTTP/1.1 200 OK   \r\n");
}

static void value_of_any_length_is_written_whole(void **state)
{
    struct fixture *f = *state;
    char value[600], expected[sizeof(value) + 16];
    for (size_t len = 0; len < sizeof(value); len++) {
        value[len] = (char)('a' + len % 26);
        snprintf(expected, sizeof(expected), "Name: %.*s\r\n", (int)len, value);
        mr_fields_set(&f->fields, "Name", (struct mr_slice){value, len});
        assert_string_equal(written(f), expected);
    }
}

static void members_that_are_added_end_no_line_either(void **state)
{
    struct fixture *f = *state;
    mr_fields_add(&f->fields, "N", MR_SLICE("a\0b"));
    mr_fields_add(&f->fields, "N", MR_SLICE("\r\nc: d"));
    assert_string_equal(written(f), "N: a b,   c: d\r\n");
}

static void name_that_is_no_token_is_a_programming_error(void **state)
{
    struct fixture *f = *state;
    assert_dies(mr_fields_set_text(&f->fields, "A\r\nB", "x"));
    assert_dies(mr_fields_set_text(&f->fields, "A: x\r\nB", "x"));
    assert_dies(mr_fields_set_text(&f->fields, "", "x"));
    assert_dies(mr_field_write(&f->out, "A B", MR_SLICE("x")));
}

static void name_occurs_once_however_it_is_spelled(void **state)
{
    struct fixture *f = *state;
    mr_fields_set_text(&f->fields, "Cache-Control", "public");
    mr_fields_set_text(&f->fields, "X", "1");
    mr_fields_set_text(&f->fields, "cache-control", "no-store");
    mr_fields_add(&f->fields, "x", MR_SLICE("2"));
    mr_fields_add(&f->fields, "X", MR_SLICE(""));
    assert_string_equal(written(f), "Cache-Control: no-store\r\nX: 1, 2\r\n");
    assert_true(mr_slice_is(mr_fields_find(&f->fields, "CACHE-CONTROL"), "no-store"));
    assert_null(mr_fields_find(&f->fields, "Y").at);
}

static void vary_accumulates_each_name_once(void **state)
{
    struct fixture *f = *state;
    mr_fields_vary(&f->fields, "Accept");
    mr_fields_vary(&f->fields, "Origin");
    mr_fields_vary(&f->fields, "accept");
    mr_fields_vary(&f->fields, "Accept-Encoding");
    assert_string_equal(written(f), "Vary: Accept, Origin, Accept-Encoding\r\n");
}

static void dates_tags_and_numbers(void **state)
{
    struct fixture *f = *state;
    mr_fields_last_modified(&f->fields, 784111777);
    mr_fields_etag(&f->fields, MR_SLICE("01M8K7"), false);
    mr_fields_retry_after(&f->fields, 0);
    mr_fields_allow(&f->fields, 1u << MR_METHOD_GET | 1u << MR_METHOD_POST);
    assert_string_equal(written(f), "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nETag: \"01M8K7\"\r\n"
                                    "Retry-After: 1\r\nAllow: GET, HEAD, POST, OPTIONS\r\n");
    mr_fields_init(&f->fields, &f->arena);
    mr_fields_etag(&f->fields, MR_SLICE(""), true);
    mr_fields_retry_after(&f->fields, UINT32_MAX);
    assert_string_equal(written(f), "ETag: W/\"\"\r\nRetry-After: 4294967295\r\n");
}

static void tag_with_a_quote_is_a_programming_error(void **state)
{
    struct fixture *f = *state;
    assert_dies(mr_fields_etag(&f->fields, MR_SLICE("a\"b"), false));
    assert_dies(mr_fields_etag(&f->fields, MR_SLICE("a b"), false));
    assert_dies(mr_fields_etag(&f->fields, MR_SLICE("a\r\nb"), false));
    assert_dies(mr_fields_etag(&f->fields, MR_SLICE("a\0b"), false));
}

static void check_name(struct fixture *f, struct mr_slice name, const char *parameters)
{
    char expected[1024];
    snprintf(expected, sizeof(expected), "Content-Disposition: attachment%s\r\n", parameters);
    mr_fields_content_disposition(&f->fields, true, name);
    assert_string_equal(written(f), expected);
}

static void names_of_files(void **state)
{
    struct fixture *f = *state;
    check_name(f, MR_SLICE(""), "");
    check_name(f, MR_SLICE("a b;c=d.jpg"), "; filename=\"a b;c=d.jpg\"");
    check_name(f, MR_SLICE("na\xc3\xafve.txt"), "; filename=\"na_ve.txt\"; filename*=UTF-8''na%C3%AFve.txt");
    check_name(f, MR_SLICE("\xe2\x82\xac 5"), "; filename=\"_ 5\"; filename*=UTF-8''%E2%82%AC%205");
    check_name(f, MR_SLICE("100%25.txt"), "; filename=\"100_25.txt\"; filename*=UTF-8''100%2525.txt");
    check_name(f, MR_SLICE("it's*.txt"), "; filename=\"it's*.txt\"");
    check_name(f, MR_SLICE("\xc3\xa4'*"), "; filename=\"_'*\"; filename*=UTF-8''%C3%A4%27%2A");
}

static void hostile_names_of_files(void **state)
{
    struct fixture *f = *state;
    check_name(f, MR_SLICE("a\"; x=\"b"), "; filename=\"a_; x=_b\"; filename*=UTF-8''a%22%3B%20x%3D%22b");
    check_name(f, MR_SLICE("a\r\nEvil: x\0"), "; filename=\"a__Evil: x_\"");
    check_name(f, MR_SLICE("../..\\x\x7f"), "; filename=\".._.._x_\"");
    check_name(f, MR_SLICE("\xff\xc3"), "; filename=\"__\"");
    check_name(f, MR_SLICE("\xc2\x85\xed\xa0\x80"), "; filename=\"____\""); /* a C1 control; a surrogate */
    mr_fields_content_disposition(&f->fields, false, MR_SLICE("\xf0\x9f\x93\xb7"));
    assert_string_equal(written(f), "Content-Disposition: inline; filename=\"_\"; filename*=UTF-8''%F0%9F%93%B7\r\n");
    char longest[255];
    memset(longest, '"', sizeof(longest));
    mr_fields_content_disposition(&f->fields, true, (struct mr_slice){longest, sizeof(longest)});
    assert_int_equal(mr_fields_find(&f->fields, "content-disposition").len,
                     strlen("attachment; filename=\"\"; filename*=UTF-8''") + 4 * sizeof(longest));
}

static void links_are_a_list_and_no_target_ends_its_own(void **state)
{
    struct fixture *f = *state;
    mr_fields_link(&f->fields, MR_SLICE("/files?limit=2&after=a%20b#c"), "next");
    mr_fields_link(&f->fields, MR_SLICE("/x>; rel=\"evil\", <y\r\n\xc3\xa4\\"), "prev");
    assert_string_equal(written(f), "Link: </files?limit=2&after=a%20b#c>; rel=\"next\", "
                                    "</x%3E;%20rel=%22evil%22,%20%3Cy%0D%0A%C3%A4%5C>; rel=\"prev\"\r\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(fields_are_written_in_the_order_they_came),
        TEST(no_octet_of_a_value_ends_its_line),
        TEST(value_of_any_length_is_written_whole),
        TEST(members_that_are_added_end_no_line_either),
        TEST(name_that_is_no_token_is_a_programming_error),
        TEST(name_occurs_once_however_it_is_spelled),
        TEST(vary_accumulates_each_name_once),
        TEST(dates_tags_and_numbers),
        TEST(tag_with_a_quote_is_a_programming_error),
        TEST(names_of_files),
        TEST(hostile_names_of_files),
        TEST(links_are_a_list_and_no_target_ends_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
