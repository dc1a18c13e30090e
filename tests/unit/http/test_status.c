#include "base/error.h"
#include "http/problem.h"
#include "http/status.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void every_registered_status_has_its_line(void **state)
{
    (void)state;
    assert_int_equal(MR_STATUS_COUNT, 1 + 4 + 10 + 8 + 28 + 11);
    for (enum mr_status_index index = MR_STATUS_NONE + 1; index < MR_STATUS_COUNT; index++) {
        struct mr_slice line = mr_status_line(index);
        char begin[20];
        snprintf(begin, sizeof(begin), "HTTP/1.1 %d ", mr_status_code(index));
        assert_int_equal(strncmp(line.at, begin, strlen(begin)), 0);
        assert_true(line.len > strlen(begin) + 2);
        assert_int_equal(strlen(line.at), line.len);
        assert_string_equal(line.at + line.len - 2, "\r\n");
        assert_int_equal(mr_status_index(mr_status_code(index)), index);
        assert_true(index == 1 || mr_status_code(index) > mr_status_code(index - 1));
    }
    assert_true(mr_slice_is(mr_status_line(mr_status_index(302)), "HTTP/1.1 302 Found\r\n"));
}

static void other_numbers_are_none(void **state)
{
    static const int codes[] = {0, -1, 99, 199, 209, 306, 418, 427, 509, 599, 600, 1000000, -1000000};
    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        assert_int_equal(mr_status_index(codes[i]), MR_STATUS_NONE);
    assert_int_equal(mr_status_code(MR_STATUS_NONE), 0);
}

static void status_of_every_error_is_registered(void **state)
{
    (void)state;
#define CHECK(code, ...) assert_int_not_equal(mr_status_index(mr_problem_status(code)), MR_STATUS_NONE);
    MR_ERRORS(CHECK)
#undef CHECK
}

static void which_have_no_body(void **state)
{
    (void)state;
    for (enum mr_status_index index = MR_STATUS_NONE + 1; index < MR_STATUS_COUNT; index++) {
        int code = mr_status_code(index);
        bool none = code < 200 || code == 204 || code == 205 || code == 304;
        assert_int_equal(mr_status_has_body(code), !none);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_registered_status_has_its_line),
        cmocka_unit_test(other_numbers_are_none),
        cmocka_unit_test(status_of_every_error_is_registered),
        cmocka_unit_test(which_have_no_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
