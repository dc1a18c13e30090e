#include "base/macros.h"
#include "http/http1/head_scan.h"
#include "http/negotiation.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static bool names(const char *fields, const char *type)
{
    static char bytes[1000];
    struct mr_head head;
    struct mr_fault fault;
    int len = snprintf(bytes, sizeof(bytes), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", fields);
    assert_int_equal(mr_head_scan(&head, bytes, (size_t)len, &fault), MR_OK);
    return mr_negotiation_names(&head, type);
}

static void a_type_counts_only_if_it_is_named(void **state)
{
    static const struct {
        const char *fields;
        bool avif, webp;
    } rows[] = {
        {"", false, false},
        {"Accept:\r\n", false, false},
        {"Accept: */*\r\n", false, false},
        {"Accept: image/*\r\n", false, false},
        {"Accept: image/avif\r\n", true, false},
        {"ACCEPT: Image/AVIF , image/WebP;q=0.5\r\n", true, true},
        {"Accept: image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8\r\n", true, true}, /* Chromium */
        {"Accept: image/avif\r\nAccept: image/webp\r\n", true, true},
        {"Accept: image/avif;q=0\r\n", false, false},
        {"Accept: image/avif; Q = 0.000, image/webp;q=0.001\r\n", false, true},
        {"Accept: image/avif;q=0, image/avif\r\n", false, false},
        {"Accept: image/avif, image/avif;q=0\r\n", false, false},
        {"Accept: image/avif;level=\"a,image/webp;q=0\";q=1\r\n", true, false},
        {"Accept: image/avifs, ximage/webp, image/webp/1\r\n", false, false},
        {"Accept: ,, image/webp;q=;q=x;;\r\n", false, true},
    };
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++) {
        if (names(rows[i].fields, "image/avif") != rows[i].avif || names(rows[i].fields, "image/webp") != rows[i].webp)
            fail_msg("%s", rows[i].fields);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_type_counts_only_if_it_is_named)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
