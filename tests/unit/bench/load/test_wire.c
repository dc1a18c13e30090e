#include "bench/load/wire.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct mr_target target;
static struct mr_wire wire;
static struct mr_fault fault;

static int parse_target(void **state)
{
    (void)state;
    return mr_target_parse(&target, "http://127.0.0.1:81/x?y=1", &fault);
}

static int free_wire(void **state)
{
    (void)state;
    mr_wire_free(&wire);
    return 0;
}

static int build(const char *method, char *const *lines, size_t count, const char *body_file)
{
    return mr_wire_build(&wire, &target, method, lines, count, body_file, &fault);
}

static void plain_request_has_host_and_agent(void **state)
{
    (void)state;
    assert_int_equal(build("GET", NULL, 0, NULL), MR_OK);
    assert_string_equal(wire.head, "GET /x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:81\r\nUser-Agent: millrace-bench/" //
                        MILLRACE_VERSION "\r\n\r\n");
    assert_int_equal(wire.head_len, strlen(wire.head));
    assert_int_equal(wire.body_len, 0);
    assert_false(wire.is_head);
}

static void given_headers_stand_instead_of_ours(void **state)
{
    (void)state;
    char *const lines[] = {"host: example.org", "User-Agent: me", "X-A: 1"};
    assert_int_equal(build("HEAD", lines, 3, NULL), MR_OK);
    assert_string_equal(wire.head, "HEAD /x?y=1 HTTP/1.1\r\nhost: example.org\r\nUser-Agent: me\r\nX-A: 1\r\n\r\n");
    assert_true(wire.is_head);
}

static void body_is_read_and_announced(void **state)
{
    (void)state;
    char path[] = "/tmp/millrace-test-wire-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "a\0b", 3), 3);
    close(fd);
    int error = build("POST", NULL, 0, path);
    unlink(path);
    assert_int_equal(error, MR_OK);
    assert_non_null(strstr(wire.head, "\r\nContent-Length: 3\r\n"));
    assert_int_equal(wire.body_len, 3);
    assert_memory_equal(wire.body, "a\0b", 3);
}

static void absent_file_is_named(void **state)
{
    (void)state;
    assert_int_equal(build("POST", NULL, 0, "/nowhere/photo.jpg"), MR_EIO);
    assert_non_null(strstr(fault.detail, "/nowhere/photo.jpg"));
    assert_null(wire.head);
}

static void each_request_has_a_number_where_the_path_says_so(void **state)
{
    (void)state;
    assert_int_equal(mr_target_parse(&target, "http://127.0.0.1:81/x?y=0.{n}&z={n}", &fault), MR_OK);
    assert_int_equal(build("GET", NULL, 0, NULL), MR_OK);
    static const struct {
        uint64_t number;
        const char *line;
    } cases[] = {{0, "GET /x?y=0.000000&z={n} HTTP/1.1\r\n"},
                 {17, "GET /x?y=0.000017&z={n} HTTP/1.1\r\n"},
                 {1999999, "GET /x?y=0.999999&z={n} HTTP/1.1\r\n"}};
    for (size_t i = 0; i < 3; i++) {
        mr_wire_number(&wire, cases[i].number);
        assert_memory_equal(wire.head, cases[i].line, strlen(cases[i].line));
    }
}

static void header_that_is_none_is_refused(void **state)
{
    (void)state;
    static char *const wrong[] = {"no colon", ": no name", "X: split\r\nY: 1"};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(build("GET", &wrong[i], 1, NULL), MR_EPARAM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(plain_request_has_host_and_agent, parse_target, free_wire),
        cmocka_unit_test_setup_teardown(given_headers_stand_instead_of_ours, parse_target, free_wire),
        cmocka_unit_test_setup_teardown(body_is_read_and_announced, parse_target, free_wire),
        cmocka_unit_test_setup_teardown(absent_file_is_named, parse_target, free_wire),
        cmocka_unit_test_setup_teardown(each_request_has_a_number_where_the_path_says_so, parse_target, free_wire),
        cmocka_unit_test_setup_teardown(header_that_is_none_is_refused, parse_target, free_wire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
