#include "base/macros.h"
#include "http/public_url.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void urls_are_taken_apart(void **state)
{
    static const struct {
        const char *url, *text, *origin, *host;
    } rows[] = {
        {"https://media.example", "https://media.example", "https://media.example", "media.example"},
        {"https://media.example/", "https://media.example", "https://media.example", "media.example"},
        {"https://media.example:443/a/b/", "https://media.example:443/a/b", "https://media.example", "media.example"},
        {"http://media.example:80", "http://media.example:80", "http://media.example", "media.example"},
        {"http://media.example:443", "http://media.example:443", "http://media.example:443", "media.example"},
        {"https://media.example:", "https://media.example:", "https://media.example", "media.example"},
        {"http://[::1]:8080/x", "http://[::1]:8080/x", "http://[::1]:8080", "::1"},
    };
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++) {
        struct mr_public_url url;
        struct mr_fault fault;
        assert_int_equal(mr_public_url_parse(&url, rows[i].url, &fault), MR_OK);
        if (!mr_slice_is(url.text, rows[i].text) || !mr_slice_is(url.origin, rows[i].origin) ||
            !mr_slice_is(url.host, rows[i].host))
            fail_msg("%s: %.*s %.*s %.*s", rows[i].url, MR_SLICE_ARG(url.text), MR_SLICE_ARG(url.origin),
                     MR_SLICE_ARG(url.host));
    }
}

static void what_is_no_public_url_is_refused(void **state)
{
    static const char *const rows[] = {"",
                                       "media.example",
                                       "ftp://a",
                                       "https://",
                                       "https:///a",
                                       "http://a:x",
                                       "https://user@a",
                                       "https://a?b",
                                       "https://a/b?c",
                                       "https://a/b#c",
                                       "https://a b",
                                       "https://a/b c",
                                       "http://a:99999",
                                       "https://a/\x80"};
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++) {
        struct mr_public_url url;
        struct mr_fault fault;
        if (mr_public_url_parse(&url, rows[i], &fault) != MR_EPARAM)
            fail_msg("%s was taken", rows[i]);
        assert_null(url.text.at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_are_taken_apart),
        cmocka_unit_test(what_is_no_public_url_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
