#include "base/error.h"
#include "dies.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void each_code_has_a_row_of_its_own(void **state)
{
    (void)state;
    assert_string_equal(mr_error_name(MR_EBUSY), "MR_EBUSY");
    assert_int_equal(mr_error_kind(MR_EBUSY), MR_ERROR_OF_LOAD);
    assert_string_equal(mr_error_name(MR_EGONE), "MR_EGONE");
    assert_int_equal(mr_error_kind(MR_ENOTIMAGE), MR_ERROR_OF_INPUT);
    assert_int_equal(mr_error_kind(MR_EIO), MR_ERROR_OF_OWN);
    assert_string_equal(mr_error_text(MR_ENOTFOUND), "There is nothing at this address.");
}

static void ok_is_no_fault(void **state)
{
    (void)state;
    assert_int_equal(mr_error_kind(MR_OK), MR_ERROR_OF_NONE);
    assert_string_equal(mr_error_name(MR_OK), "MR_OK");
}

static void codes_are_distinct_and_without_gaps(void **state)
{
    (void)state;
    const int values[] = {
#define VALUE(code, value, kind, text) value,
        MR_ERRORS(VALUE)
#undef VALUE
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(values); i++)
        assert_int_equal(values[i], -(int)(i + 1));
}

static void unknown_code_is_a_programming_error(void **state)
{
    (void)state;
    assert_dies(mr_error_name((enum mr_error) - 1000));
    assert_dies(mr_error_name((enum mr_error)1));
}

static void fault_keeps_the_detail_and_forgets_what_was_before(void **state)
{
    (void)state;
    struct mr_fault fault = {.limit_name = "old", .limit = 1, .value = 2, .retry_after_s = 3};
    assert_int_equal(mr_fault_set(&fault, MR_EPARAM, "w must be %d", 7), MR_EPARAM);
    assert_int_equal(fault.error, MR_EPARAM);
    assert_string_equal(fault.detail, "w must be 7");
    assert_null(fault.limit_name);
    assert_int_equal(fault.limit, 0);
    assert_int_equal(fault.retry_after_s, 0);
}

static void long_detail_is_cut(void **state)
{
    (void)state;
    struct mr_fault fault;
    mr_fault_set(&fault, MR_EIO, "%300s", "x");
    assert_int_equal(strlen(fault.detail), sizeof(fault.detail) - 1);
}

static void fault_may_be_null_or_without_detail(void **state)
{
    (void)state;
    struct mr_fault fault;
    assert_int_equal(mr_fault_set(NULL, MR_EIO, "lost"), MR_EIO);
    assert_int_equal(mr_fault_limit(NULL, MR_EBODY, "max-body", 1, 2), MR_EBODY);
    assert_int_equal(mr_fault_set(&fault, MR_EIO, NULL), MR_EIO);
    assert_string_equal(fault.detail, "");
}

static void limit_fault_names_bound_and_value(void **state)
{
    (void)state;
    struct mr_fault fault;
    assert_int_equal(mr_fault_limit(&fault, MR_EPIXELS, "max-pixels", 100, 250), MR_EPIXELS);
    assert_string_equal(fault.limit_name, "max-pixels");
    assert_int_equal(fault.limit, 100);
    assert_int_equal(fault.value, 250);
    assert_string_equal(fault.detail, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_code_has_a_row_of_its_own),
        cmocka_unit_test(ok_is_no_fault),
        cmocka_unit_test(codes_are_distinct_and_without_gaps),
        cmocka_unit_test(unknown_code_is_a_programming_error),
        cmocka_unit_test(fault_keeps_the_detail_and_forgets_what_was_before),
        cmocka_unit_test(long_detail_is_cut),
        cmocka_unit_test(fault_may_be_null_or_without_detail),
        cmocka_unit_test(limit_fault_names_bound_and_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
