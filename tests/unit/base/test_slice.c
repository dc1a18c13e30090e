#include "base/slice.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void equal_needs_length_and_bytes(void **state)
{
    (void)state;
    struct mr_slice nothing = {0};
    assert_true(mr_slice_equal(MR_SLICE("abc"), mr_slice_of("abc")));
    assert_false(mr_slice_equal(MR_SLICE("abc"), MR_SLICE("ab")));
    assert_false(mr_slice_equal(MR_SLICE("abc"), MR_SLICE("abd")));
    assert_true(mr_slice_equal(nothing, MR_SLICE("")));
    assert_int_equal(mr_slice_of(NULL).len, 0);
    assert_false(mr_slice_equal(MR_SLICE("a\0b"), MR_SLICE("a\0c")));
}

static void case_is_folded_only_when_asked(void **state)
{
    (void)state;
    assert_false(mr_slice_is(MR_SLICE("Host"), "host"));
    assert_true(mr_slice_is_nocase(MR_SLICE("Host"), "hOST"));
    assert_false(mr_slice_is_nocase(MR_SLICE("Host"), "hosts"));
    assert_true(mr_slice_is_nocase((struct mr_slice){0}, ""));
}

static void trim_takes_spaces_and_tabs_only(void **state)
{
    (void)state;
    assert_true(mr_slice_is(mr_slice_trim(MR_SLICE(" \t a b\t ")), "a b"));
    assert_true(mr_slice_is(mr_slice_trim(MR_SLICE("\na\n")), "\na\n"));
    assert_int_equal(mr_slice_trim(MR_SLICE(" \t ")).len, 0);
}

static void cut_walks_over_all_parts_also_empty_ones(void **state)
{
    (void)state;
    struct mr_slice rest = MR_SLICE("a,,b,");
    assert_true(mr_slice_is(mr_slice_cut(&rest, ','), "a"));
    assert_true(mr_slice_is(mr_slice_cut(&rest, ','), ""));
    assert_true(mr_slice_is(mr_slice_cut(&rest, ','), "b"));
    assert_non_null(rest.at);
    assert_true(mr_slice_is(mr_slice_cut(&rest, ','), ""));
    assert_null(rest.at);
    assert_true(mr_slice_is(mr_slice_cut(&rest, ','), ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_needs_length_and_bytes),
        cmocka_unit_test(case_is_folded_only_when_asked),
        cmocka_unit_test(trim_takes_spaces_and_tabs_only),
        cmocka_unit_test(cut_walks_over_all_parts_also_empty_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
