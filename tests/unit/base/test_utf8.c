#include "base/macros.h"
#include "base/utf8.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static size_t encode(char *to, uint32_t code)
{
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, code >>= 6)
        to[i] = (char)(0x80 | (code & 0x3f));
    to[0] = (char)((0xf00 >> length) | code);
    return length;
}

static void every_code_point_is_utf8_and_nothing_shorter(void **state)
{
    (void)state;
    for (uint32_t code = 0; code < 0x1fffff; code++) {
        char text[4];
        size_t length = encode(text, code);
        bool valid = code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
        assert_int_equal(mr_utf8_length((struct mr_slice){text, sizeof(text)}), valid ? length : 0);
        assert_int_equal(mr_utf8_length((struct mr_slice){text, length - 1}), 0);
        uint32_t decoded = UINT32_MAX;
        assert_int_equal(mr_utf8_decode((struct mr_slice){text, sizeof(text)}, &decoded), valid ? length : 0);
        assert_int_equal(decoded, valid ? code : UINT32_MAX);
    }
}

static void malformed_utf8_has_no_length(void **state)
{
    (void)state;
    static const char *const table[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc2",
        "\xc2\x7f",
        "\xc2\xc0",
        "\xe0\x9f\xbf",
        "\xe1\x80",
        "\xe1\x80\x7f",
        "\xe1\x80\xc0",
        "\xe1\x7f\x80",
        "\xed\xa0\x80",
        "\xef\xc0\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf1\x80\x80",
        "\xf1\x80\x80\x7f",
        "\xf1\x80\xc0\x80",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xff",
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(table); i++) {
        size_t len = strlen(table[i]);
        char *copy = malloc(len); /* exact: the address sanitizer sees the end */
        memcpy(copy, table[i], len);
        assert_int_equal(mr_utf8_length((struct mr_slice){copy, len}), 0);
        assert_false(mr_utf8_is_valid((struct mr_slice){copy, len}));
        free(copy);
    }
}

static void text_is_valid_when_all_of_it_is(void **state)
{
    (void)state;
    assert_true(mr_utf8_is_valid(MR_SLICE("")));
    assert_true(mr_utf8_is_valid(MR_SLICE("Gr\xc3\xbc\xc3\x9f"
                                          "e \xf0\x9f\x98\x80")));
    assert_false(mr_utf8_is_valid(MR_SLICE("Gr\xfc\xdf"
                                           "e")));
    assert_false(mr_utf8_is_valid(MR_SLICE("cut \xc3")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_is_utf8_and_nothing_shorter),
        cmocka_unit_test(text_is_valid_when_all_of_it_is),
        cmocka_unit_test(malformed_utf8_has_no_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
