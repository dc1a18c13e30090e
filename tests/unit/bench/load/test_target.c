#include "bench/load/target.h"
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct mr_target target;
static struct mr_fault fault;

#define assert_path(text) assert_true(mr_slice_is(target.path, text))

static void url_is_taken_apart(void **state)
{
    (void)state;
    assert_int_equal(mr_target_parse(&target, "http://example.org:8080/pipe/image?w=300&q=80", &fault), MR_OK);
    assert_false(target.is_unix);
    assert_string_equal(target.host, "example.org");
    assert_string_equal(target.port, "8080");
    assert_string_equal(target.authority, "example.org:8080");
    assert_path("/pipe/image?w=300&q=80");
}

static void port_and_path_have_defaults(void **state)
{
    (void)state;
    assert_int_equal(mr_target_parse(&target, "HTTP://127.0.0.1", &fault), MR_OK);
    assert_string_equal(target.port, "80");
    assert_path("/");
}

static void ipv6_address_stands_in_brackets(void **state)
{
    (void)state;
    assert_int_equal(mr_target_parse(&target, "http://[::1]:81/x", &fault), MR_OK);
    assert_string_equal(target.host, "::1");
    assert_string_equal(target.port, "81");
    assert_string_equal(target.authority, "[::1]:81");
    assert_int_equal(mr_target_parse(&target, "http://[::1]/x", &fault), MR_OK);
    assert_string_equal(target.port, "80");
}

static void unix_socket_has_a_path_and_a_target(void **state)
{
    (void)state;
    assert_int_equal(mr_target_parse(&target, "unix:/run/a:b.sock:/healthz?x=:1", &fault), MR_OK);
    assert_true(target.is_unix);
    assert_string_equal(target.unix_path, "/run/a:b.sock");
    assert_string_equal(target.authority, "localhost");
    assert_path("/healthz?x=:1");
    assert_int_equal(mr_target_parse(&target, "http://unix:/run/m.sock", &fault), MR_OK);
    assert_string_equal(target.unix_path, "/run/m.sock");
    assert_path("/");
}

static void wrong_urls_are_refused(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "",
        "127.0.0.1:80",
        "https://example.org/",
        "http://",
        "http:///x",
        "http://:80/",
        "http://host:/",
        "http://host:0/",
        "http://host:65536/",
        "http://host:8a/",
        "http://[::1/",
        "http://[::1]80/",
        "http://host/a b",
        "http://host/#part",
        "http://host/a\r\nX: y",
        "unix:",
    };
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        if (mr_target_parse(&target, urls[i], &fault) != MR_EPARAM)
            fail_msg("accepted: %s", urls[i]);
        assert_true(strlen(fault.detail) > 0);
    }
}

static void socket_path_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    char url[200] = "unix:/";
    memset(url + 6, 'x', 120);
    assert_int_equal(mr_target_parse(&target, url, &fault), MR_EPARAM);
}

static void addresses_are_resolved(void **state)
{
    (void)state;
    assert_int_equal(mr_target_parse(&target, "http://127.0.0.1:8080/", &fault), MR_OK);
    assert_int_equal(mr_target_resolve(&target, &fault), MR_OK);
    const struct sockaddr_in *address = (const struct sockaddr_in *)&target.address;
    assert_int_equal(address->sin_family, AF_INET);
    assert_int_equal(address->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    assert_int_equal(address->sin_port, htons(8080));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(url_is_taken_apart),
        cmocka_unit_test(port_and_path_have_defaults),
        cmocka_unit_test(ipv6_address_stands_in_brackets),
        cmocka_unit_test(unix_socket_has_a_path_and_a_target),
        cmocka_unit_test(wrong_urls_are_refused),
        cmocka_unit_test(socket_path_that_does_not_fit_is_refused),
        cmocka_unit_test(addresses_are_resolved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
