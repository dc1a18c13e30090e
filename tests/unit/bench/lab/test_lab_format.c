/* Numbers of the report: three digits, and a dash for what is not known. */
#include "bench/lab/lab_format.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void numbers_have_three_digits(void **state)
{
    (void)state;
    assert_string_equal(mr_lab_number(0.0123).text, "0.012");
    assert_string_equal(mr_lab_number(0.85149).text, "0.851");
    assert_string_equal(mr_lab_number(1.2449).text, "1.24");
    assert_string_equal(mr_lab_number(9.996).text, "10.0");
    assert_string_equal(mr_lab_number(99.96).text, "100");
    assert_string_equal(mr_lab_number(343.7).text, "344");
    assert_string_equal(mr_lab_number(999.6).text, "1,000");
    assert_string_equal(mr_lab_number(1234567).text, "1,234,567");
    assert_string_equal(mr_lab_number(0).text, "0");
}

static void unknown_numbers_are_a_dash(void **state)
{
    (void)state;
    assert_string_equal(mr_lab_number(NAN).text, "-");
    assert_string_equal(mr_lab_duration(NAN).text, "-");
    for (int unit = MR_LAB_UNIT_TIME; unit <= MR_LAB_UNIT_COUNT; unit++)
        assert_string_equal(mr_lab_cell((enum mr_lab_unit)unit, NAN).text, "-");
}

static void durations_name_their_unit(void **state)
{
    (void)state;
    assert_string_equal(mr_lab_duration(0.00124).text, "1.24 ms");
    assert_string_equal(mr_lab_duration(0.000085).text, "0.085 ms");
    assert_string_equal(mr_lab_duration(0.9996).text, "1.00 s");
    assert_string_equal(mr_lab_duration(12.34).text, "12.3 s");
}

static void cells_are_in_the_unit_of_their_column(void **state)
{
    (void)state;
    assert_string_equal(mr_lab_cell(MR_LAB_UNIT_TIME, 0.00124).text, "1.24");
    assert_string_equal(mr_lab_cell(MR_LAB_UNIT_BYTES, 96 * 1048576.0).text, "96.0");
    assert_string_equal(mr_lab_cell(MR_LAB_UNIT_SHARE, 0.934).text, "93 %");
    assert_string_equal(mr_lab_cell(MR_LAB_UNIT_COUNT, 5).text, "5");
}

static void a_range_needs_two_rounds_that_differ(void **state)
{
    (void)state;
    struct mr_lab_figure figure = {.value = 0.0012, .lowest = 0.00118, .highest = 0.00131, .count = 2};
    assert_string_equal(mr_lab_range(MR_LAB_UNIT_TIME, &figure).text, "1.18\xe2\x80\x93"
                                                                      "1.31");
    figure.count = 1;
    assert_string_equal(mr_lab_range(MR_LAB_UNIT_TIME, &figure).text, "");
    figure = (struct mr_lab_figure){.value = 5, .lowest = 5, .highest = 5, .count = 5};
    assert_string_equal(mr_lab_range(MR_LAB_UNIT_COUNT, &figure).text, "");
    figure = (struct mr_lab_figure){.value = 0.95, .lowest = 0.9, .highest = 1, .count = 5};
    assert_string_equal(mr_lab_range(MR_LAB_UNIT_SHARE, &figure).text, "90\xe2\x80\x93"
                                                                       "100 %");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_three_digits),
        cmocka_unit_test(unknown_numbers_are_a_dash),
        cmocka_unit_test(durations_name_their_unit),
        cmocka_unit_test(cells_are_in_the_unit_of_their_column),
        cmocka_unit_test(a_range_needs_two_rounds_that_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
