#include "keys/rights.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct mr_fault fault;

static void words_become_bits_and_words_again(void **state)
{
    (void)state;
    char words[MR_RIGHTS_SIZE];
    uint32_t rights;
    assert_int_equal(mr_rights_parse(MR_SLICE("upload"), &rights, &fault), MR_OK);
    assert_int_equal(rights, MR_RIGHT_UPLOAD);
    assert_int_equal(mr_rights_parse(MR_SLICE("read,upload,read"), &rights, &fault), MR_OK);
    assert_int_equal(rights, MR_RIGHT_UPLOAD | MR_RIGHT_READ);
    mr_rights_write(rights, words);
    assert_string_equal(words, "upload,read");
}

static void all_rights_fit_their_text(void **state)
{
    (void)state;
    char words[MR_RIGHTS_SIZE];
    uint32_t rights;
    mr_rights_write(UINT32_MAX, words);
    assert_string_equal(words, "pipe,upload,read,list,edit,delete,metrics,admin");
    assert_int_equal(mr_rights_parse(mr_slice_of(words), &rights, &fault), MR_OK);
    assert_int_equal(rights, 0xff);
    mr_rights_write(0, words);
    assert_string_equal(words, "");
}

static void unknown_and_empty_words_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", ",", "read,", ",read", "read,,list", "Read", "read ", "all", "*"};
    uint32_t rights;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(mr_rights_parse(mr_slice_of(wrong[i]), &rights, &fault), MR_EPARAM);
    assert_int_equal(mr_rights_parse(MR_SLICE("read,uplaod"), &rights, &fault), MR_EPARAM);
    assert_non_null(strstr(fault.detail, "\"uplaod\""));
}

static void no_key_is_shown_where_a_right_was_meant(void **state)
{
    (void)state;
    uint32_t rights;
    assert_int_equal(mr_rights_parse(MR_SLICE("abcdefghijklmnopqrstuvwxyzabcdefghijk"), &rights, &fault), MR_EPARAM);
    assert_null(strstr(fault.detail, "abc"));
    assert_int_equal(mr_rights_parse(MR_SLICE("S3cret"), &rights, &fault), MR_EPARAM);
    assert_null(strstr(fault.detail, "S3cret"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_become_bits_and_words_again),
        cmocka_unit_test(all_rights_fit_their_text),
        cmocka_unit_test(unknown_and_empty_words_are_refused),
        cmocka_unit_test(no_key_is_shown_where_a_right_was_meant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
