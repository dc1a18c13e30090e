/* JSON by hand: what it cannot say is null, and every text is one string. */
#include "bench/json.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static char *written;
static size_t len;

static void assert_number(double number, const char *expected)
{
    FILE *out = open_memstream(&written, &len);
    mr_json_write_number(out, number);
    fclose(out);
    assert_string_equal(written, expected);
    free(written);
}

static void assert_string(const char *text, const char *expected)
{
    FILE *out = open_memstream(&written, &len);
    mr_json_write_string(out, text);
    fclose(out);
    assert_string_equal(written, expected);
    free(written);
}

static void unknown_numbers_are_null(void **state)
{
    (void)state;
    assert_number(NAN, "null");
    assert_number(INFINITY, "null");
    assert_number(0.00124, "0.00124");
    assert_number(123456789012.0, "123456789012");
}

static void strings_end_where_they_should(void **state)
{
    (void)state;
    assert_string("a \"quoted\" \\ name", "\"a \\\"quoted\\\" \\\\ name\"");
    assert_string("\n", "\"\\n\"");
    assert_string("\xff", "\"\xef\xbf\xbd\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_numbers_are_null),
        cmocka_unit_test(strings_end_where_they_should),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
