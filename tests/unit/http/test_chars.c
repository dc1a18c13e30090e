#include "base/macros.h"
#include "base/number.h"
#include "http/chars.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ALNUM "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define SIGNS "!$%&'()*+,-./:;<=>?@[]^_`{|}~" /* all that are visible but for " # and backslash */

/* Exactly these ASCII characters, and of the others all or none. */
static void check_class(enum mr_char_class class, const char *ascii, bool others)
{
    for (int c = 0; c < 256; c++) {
        bool expected = c < 0x80 ? c != 0 && strchr(ascii, c) != NULL : others;
        if (mr_char_is((char)c, class) != expected)
            fail_msg("0x%02x in class %d", c, class);
    }
}

static void classes_are_those_of_the_standards(void **state)
{
    (void)state;
    check_class(MR_CHAR_TOKEN, ALNUM "!#$%&'*+-.^_`|~", false);
    check_class(MR_CHAR_HOST, ALNUM "-._~!$&'()*+,;=", false);
    check_class(MR_CHAR_TARGET, ALNUM SIGNS "\"", false);
    check_class(MR_CHAR_FIELD, ALNUM SIGNS " \t#\"\\", true);
    check_class(MR_CHAR_QUOTED, ALNUM SIGNS " \t#", true);
}

static void text_is_of_a_class_when_all_of_it_is(void **state)
{
    (void)state;
    assert_true(mr_chars_are(MR_SLICE("chunked"), MR_CHAR_TOKEN));
    assert_false(mr_chars_are(MR_SLICE("chunked;"), MR_CHAR_TOKEN));
    assert_false(mr_chars_are(MR_SLICE(";chunked"), MR_CHAR_TOKEN));
    assert_false(mr_chars_are(MR_SLICE(""), MR_CHAR_TOKEN));
}

static void hex_digits_have_values(void **state)
{
    (void)state;
    static const char digits[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
    for (int c = 0; c < 256; c++) {
        const char *found = c == 0 ? NULL : strchr(digits, c);
        if (c != 0 && found == NULL && strchr(upper, c) != NULL)
            found = digits + (strchr(upper, c) - upper);
        assert_int_equal(mr_number_hex_value((char)c), found == NULL ? -1 : found - digits);
    }
}

static void percent_escapes_have_two_hex_digits(void **state)
{
    (void)state;
    assert_true(mr_percent_is_valid(MR_SLICE("")));
    assert_true(mr_percent_is_valid(MR_SLICE("abc")));
    assert_true(mr_percent_is_valid(MR_SLICE("%00%fFa%Ab")));
    assert_false(mr_percent_is_valid(MR_SLICE("%")));
    assert_false(mr_percent_is_valid(MR_SLICE("%%00")));
    assert_false(mr_percent_is_valid(MR_SLICE("a%0g")));
    assert_false(mr_percent_is_valid(MR_SLICE("a%g0")));
    assert_false(mr_percent_is_valid(MR_SLICE("%00%")));
    for (size_t len = 4; len < 6; len++) /* what stands behind the text does not count */
        assert_false(mr_percent_is_valid((struct mr_slice){"%00%41", len}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_are_those_of_the_standards),
        cmocka_unit_test(text_is_of_a_class_when_all_of_it_is),
        cmocka_unit_test(hex_digits_have_values),
        cmocka_unit_test(percent_escapes_have_two_hex_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
