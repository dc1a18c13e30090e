#include "base/macros.h"
#include "http/head.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void authority_is_split_into_host_and_port(void **state)
{
    (void)state;
    static const struct {
        const char *authority, *host, *port; /* host NULL: refused */
    } table[] = {
        {"example.org", "example.org", ""},
        {"example.org.", "example.org.", ""},
        {"example.org:8080", "example.org", "8080"},
        {"example.org:", "example.org", ""},
        {"127.0.0.1:0", "127.0.0.1", "0"},
        {"a:65535", "a", "65535"},
        {"a_b-c~!$&'()*+,;=", "a_b-c~!$&'()*+,;=", ""},
        {"%41%c3%A9", "%41%c3%A9", ""},
        {"[::1]", "::1", ""},
        {"[::1]:80", "::1", "80"},
        {"[2001:db8::192.0.2.1]:", "2001:db8::192.0.2.1", ""},
        {"", NULL, NULL},
        {":80", NULL, NULL},
        {"a:65536", NULL, NULL},
        {"a:99999999999999999999999999", NULL, NULL},
        {"a:+80", NULL, NULL},
        {"a:80a", NULL, NULL},
        {"a:80:80", NULL, NULL},
        {"a:80 ", NULL, NULL},
        {"::1", NULL, NULL},
        {"a b", NULL, NULL},
        {"u@a", NULL, NULL},
        {"a/b", NULL, NULL},
        {"a?b", NULL, NULL},
        {"a#b", NULL, NULL},
        {"a\\b", NULL, NULL},
        {"a\"b", NULL, NULL},
        {"<a>", NULL, NULL},
        {"a%", NULL, NULL},
        {"a%4", NULL, NULL},
        {"a%4g", NULL, NULL},
        {"\xc3\xa9", NULL, NULL},
        {"[", NULL, NULL},
        {"[]", NULL, NULL},
        {"[::1", NULL, NULL},
        {"[::1]80", NULL, NULL},
        {"[::1]]", NULL, NULL},
        {"[::1]:a", NULL, NULL},
        {"[127.0.0.1]", NULL, NULL},
        {"[localhost]", NULL, NULL},
        {"[fe80::1%25eth0]", NULL, NULL},
        {"[v1.a]", NULL, NULL},
        {"[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]", NULL, NULL},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(table); i++) {
        struct mr_slice host, port;
        bool split = mr_host_split(mr_slice_of(table[i].authority), &host, &port);
        if (split != (table[i].host != NULL))
            fail_msg("'%s' was %s", table[i].authority, split ? "taken" : "refused");
        if (split && (!mr_slice_is(host, table[i].host) || !mr_slice_is(port, table[i].port)))
            fail_msg("'%s' was split wrongly", table[i].authority);
    }
}

static void nul_is_no_end_of_a_host(void **state)
{
    (void)state;
    struct mr_slice host, port;
    assert_false(mr_host_split(MR_SLICE("a\0b"), &host, &port));
    assert_false(mr_host_split(MR_SLICE("[::1\0]"), &host, &port));
    assert_false(mr_host_split((struct mr_slice){.at = NULL, .len = 0}, &host, &port));
    assert_false(mr_host_is_local_name(MR_SLICE("127.0.0.1\0.example.org")));
}

static void addresses_and_localhost_are_local_names(void **state)
{
    (void)state;
    static const char *const local[] = {
        "127.0.0.1", "10.1.2.3",    "0.0.0.0",          "::1",
        "::",        "2001:db8::1", "::ffff:127.0.0.1", "localhost",
        "LocalHost", "localhost.",  "app.localhost",    "a.b.localhost.",
    };
    static const char *const foreign[] = {
        "",
        ".",
        "example.org",
        "localhost.example.org",
        "notlocalhost",
        "localhost..",
        ".localhost",
        "127.0.0.1.",
        "127.1",
        "0177.0.0.1",
        "2130706433",
        "0x7f.0.0.1",
        "local",
        "127.0.0.1.example.org",
        "%6cocalhost",
        "127.0.0.256",
        "1.2.3.4.5",
        "[::1]",
        "fe80::1%eth0",
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(local); i++)
        if (!mr_host_is_local_name(mr_slice_of(local[i])))
            fail_msg("'%s' is local", local[i]);
    for (size_t i = 0; i < MR_ARRAY_SIZE(foreign); i++)
        if (mr_host_is_local_name(mr_slice_of(foreign[i])))
            fail_msg("'%s' is not local", foreign[i]);
}

static void names_that_no_stranger_can_own_are_private(void **state)
{
    (void)state;
    static const char *const private[] = {"millrace",
                                          "MILLRACE.",
                                          "millrace-1",
                                          "media.internal",
                                          "nas.local",
                                          "a.b.LOCAL.",
                                          "millrace.default.svc.cluster.local",
                                          "x.localhost",
                                          "box.home.arpa",
                                          "a.test"};
    static const char *const others[] = {"",           ".",          "example.org", "internal.example.org",
                                         "home.arpa",  "a.arpa",     "localx.org",  "a.local.example",
                                         "notest.com", "mill%72ace", "a.xlocal",    "evil.example."};
    for (size_t i = 0; i < MR_ARRAY_SIZE(private); i++)
        if (!mr_host_is_private_name(mr_slice_of(private[i])))
            fail_msg("'%s' is private", private[i]);
    for (size_t i = 0; i < MR_ARRAY_SIZE(others); i++)
        if (mr_host_is_private_name(mr_slice_of(others[i])))
            fail_msg("'%s' is not private", others[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(authority_is_split_into_host_and_port),
        cmocka_unit_test(nul_is_no_end_of_a_host),
        cmocka_unit_test(addresses_and_localhost_are_local_names),
        cmocka_unit_test(names_that_no_stranger_can_own_are_private),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
