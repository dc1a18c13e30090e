#include "base/number.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static uint64_t parsed(const char *text)
{
    uint64_t value = 4711;
    assert_true(mr_number_parse(mr_slice_of(text), UINT64_MAX, &value));
    return value;
}

static bool is_refused(const char *text, uint64_t max)
{
    uint64_t value = 4711;
    bool taken = mr_number_parse(mr_slice_of(text), max, &value);
    assert_true(taken || value == 4711); /* left alone */
    return !taken;
}

static void decimal_numbers_are_parsed(void **state)
{
    (void)state;
    assert_int_equal(parsed("0"), 0);
    assert_int_equal(parsed("007"), 7);
    assert_int_equal(parsed("65535"), 65535);
    assert_true(parsed("18446744073709551615") == UINT64_MAX);
}

static void what_is_no_number_is_refused(void **state)
{
    (void)state;
    const char *const wrong[] = {"", " 1", "1 ", "+1", "-1", "1x", "x1", "0x10", "1e3", "1.0", "\xd9\xa1"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_true(is_refused(wrong[i], UINT64_MAX));
}

static void larger_numbers_are_refused_and_not_cut(void **state)
{
    (void)state;
    assert_true(is_refused("65536", 65535));
    assert_true(is_refused("18446744073709551616", UINT64_MAX));
    assert_true(is_refused("99999999999999999999999999", UINT64_MAX));
    assert_false(is_refused("65535", 65535));
    assert_false(is_refused("0", 0));
}

static void numbers_are_cut_one_after_another(void **state)
{
    (void)state;
    struct mr_slice text = mr_slice_of("12 \t34kB");
    uint64_t value;
    assert_true(mr_number_next(&text, UINT64_MAX, &value));
    assert_int_equal(value, 12);
    assert_false(mr_number_cut(&text, UINT64_MAX, &value)); /* there is a space */
    assert_true(mr_number_next(&text, UINT64_MAX, &value));
    assert_int_equal(value, 34);
    assert_true(mr_slice_is(text, "kB"));
    assert_false(mr_number_next(&text, UINT64_MAX, &value));
    assert_true(mr_slice_is(text, "kB"));
}

static void digits_are_told_from_other_text(void **state)
{
    (void)state;
    assert_true(mr_number_is_digits(mr_slice_of("99999999999999999999999999")));
    assert_false(mr_number_is_digits(mr_slice_of("")));
    assert_false(mr_number_is_digits(mr_slice_of("1a")));
}

static void numbers_are_written(void **state)
{
    (void)state;
    char text[MR_NUMBER_SIZE];
    assert_int_equal(mr_number_write(text, 0), 1);
    assert_string_equal(text, "0");
    assert_int_equal(mr_number_write(text, 1073741824), 10);
    assert_string_equal(text, "1073741824");
    assert_int_equal(mr_number_write(text, UINT64_MAX), 20);
    assert_string_equal(text, "18446744073709551615");
    mr_number_write_hex(text, 0xabcdef0123u, 12);
    assert_memory_equal(text, "00abcdef0123", 12);
    mr_number_write_padded(text, 42, 4);
    assert_memory_equal(text, "0042", 4);
    mr_number_write_padded(text, 1234567, 3);
    assert_memory_equal(text, "567", 3);
}

static void hex_digits_have_values(void **state)
{
    (void)state;
    assert_int_equal(mr_number_hex_value('0'), 0);
    assert_int_equal(mr_number_hex_value('f'), 15);
    assert_int_equal(mr_number_hex_value('A'), 10);
    const char *const none = "g/:@`G \xff";
    for (size_t i = 0; none[i] != '\0'; i++)
        assert_int_equal(mr_number_hex_value(none[i]), -1);
    assert_int_equal(mr_number_hex_upper(11), 'B');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimal_numbers_are_parsed),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(larger_numbers_are_refused_and_not_cut),
        cmocka_unit_test(numbers_are_cut_one_after_another),
        cmocka_unit_test(digits_are_told_from_other_text),
        cmocka_unit_test(numbers_are_written),
        cmocka_unit_test(hex_digits_have_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
