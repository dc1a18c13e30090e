#include "base/macros.h"
#include "http/http1/head_scan.h"
#include "http/prefer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* NULL: there is none. */
static const char *find(const char *fields)
{
    static char bytes[1000], value[100];
    struct mr_head head;
    struct mr_fault fault;
    int len = snprintf(bytes, sizeof(bytes), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", fields);
    assert_int_equal(mr_head_scan(&head, bytes, (size_t)len, &fault), MR_OK);
    struct mr_slice found = mr_prefer_find(&head, "respond");
    snprintf(value, sizeof(value), "%.*s", MR_SLICE_ARG(found));
    return found.at == NULL ? NULL : value;
}

static void preferences_are_found(void **state)
{
    static const char *const rows[][2] = {
        {"Prefer: respond=after-body\r\n", "after-body"},
        {"PREFER: Respond = after-body \r\n", "after-body"},
        {"Prefer: respond=\"after-body\"\r\n", "after-body"},
        {"Prefer: wait=100, respond=streaming; x=y, respond=after-body\r\n", "streaming"},
        {"Prefer: return=minimal\r\nPrefer: respond=streaming\r\n", "streaming"},
        {"Prefer: a=\"x, respond=b\", respond=c\r\n", "c"},
        {"Prefer: a=\"x\\\", respond=b\", respond=c\r\n", "c"},
        {"Prefer: respond\r\n", ""},
        {"Prefer: respond=\r\n", ""},
        {"Prefer: ,, respond=x\r\n", "x"},
    };
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++)
        assert_string_equal(find(rows[i][0]), rows[i][1]);
}

static void what_is_no_such_preference_is_not_found(void **state)
{
    static const char *const rows[] = {"",
                                       "Prefer: \r\n",
                                       "Prefer: respondx=a\r\n",
                                       "Prefer: a=respond\r\n",
                                       "Prefer: a; respond=b\r\n",
                                       "Prefer: a=\"x, respond=b\r\n",
                                       "X-Prefer: respond=a\r\n"};
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++)
        assert_null(find(rows[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(preferences_are_found),
        cmocka_unit_test(what_is_no_such_preference_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
