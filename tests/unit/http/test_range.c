#include "base/macros.h"
#include "http/range.h"
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct mr_head head_of(enum mr_method method, const char *value)
{
    struct mr_head head = {.method = method, .header_count = 1};
    head.headers[0] = (struct mr_header){.name = MR_SLICE("Range"), .value = mr_slice_of(value)};
    return head;
}

/* "whole", "unsatisfiable" or first+len */
static const char *selected(const char *value, uint64_t size)
{
    static char text[60];
    struct mr_head head = head_of(MR_METHOD_GET, value);
    struct mr_range range = mr_range_select(&head, size);
    assert_true(range.size == size);
    if (range.kind == MR_RANGE_WHOLE)
        assert_true(range.first == 0 && range.len == size);
    if (range.kind == MR_RANGE_UNSATISFIABLE)
        assert_true(range.first == 0 && range.len == 0);
    snprintf(text, sizeof(text), "%" PRIu64 "+%" PRIu64, range.first, range.len);
    return range.kind == MR_RANGE_PART ? text : range.kind == MR_RANGE_WHOLE ? "whole" : "unsatisfiable";
}

struct row {
    const char *value;
    uint64_t size;
    const char *selected;
};

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_string_equal(selected(rows[i].value, rows[i].size), rows[i].selected);
}

static void one_range_is_a_part(void **state)
{
    static const struct row rows[] = {
        {"bytes=0-0", 10, "0+1"},           {"bytes=0-9", 10, "0+10"}, {"bytes=2-4", 10, "2+3"},
        {"bytes=9-9", 10, "9+1"},           {"bytes=5-", 10, "5+5"},   {"bytes=0-", 10, "0+10"},
        {"bytes=5-10", 10, "5+5"},          {"bytes=-3", 10, "7+3"},   {"bytes=-10", 10, "0+10"},
        {"bytes=-11", 10, "0+10"},          {"Bytes=1-2", 10, "1+2"},  {"bytes=, 1-2 ,,", 10, "1+2"},
        {"bytes=00001-0000002", 10, "1+2"},
    };
    (void)state;
    check_rows(rows, MR_ARRAY_SIZE(rows));
}

static void range_without_a_byte_is_unsatisfiable(void **state)
{
    static const struct row rows[] = {
        {"bytes=10-", 10, "unsatisfiable"}, {"bytes=10-10", 10, "unsatisfiable"}, {"bytes=11-20", 10, "unsatisfiable"},
        {"bytes=-0", 10, "unsatisfiable"},  {"bytes=0-", 0, "unsatisfiable"},     {"bytes=0-0", 0, "unsatisfiable"},
        {"bytes=-0", 0, "unsatisfiable"},
    };
    (void)state;
    check_rows(rows, MR_ARRAY_SIZE(rows));
}

static void what_is_no_single_range_of_bytes_is_ignored(void **state)
{
    static const char *const values[] = {
        "bytes=0-1,3-4", "bytes=0-1,0-1", "bytes=20-30,40-50", "bytes=0-1,x", "lines=0-1",   "bytes",       "bytes=",
        "bytes=,",       "bytes=-",       "bytes=--1",         "bytes=1--",   "bytes=1-2-3", "bytes=4-2",   "bytes=1",
        "bytes=+1-2",    "bytes=1-+2",    "bytes=0x1-2",       "bytes=1.0-2", "bytes =1-2",  "bytes=1 - 2", "",
        "1-2",           "=1-2",          "bytes:1-2",         "bytes=-1-",   "bytes=1-2;q", "bytes=\xff-",
    };
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(values); i++)
        assert_string_equal(selected(values[i], 10), "whole");
    assert_string_equal(selected("bytes=-1", 0), "whole");
}

static void absurd_numbers_do_not_overflow(void **state)
{
    static const struct row rows[] = {
        {"bytes=1-18446744073709551615", 10, "1+9"},
        {"bytes=1-18446744073709551616", 10, "1+9"},
        {"bytes=1-99999999999999999999999999999999999999999", 10, "1+9"},
        {"bytes=18446744073709551615-", 10, "unsatisfiable"},
        {"bytes=18446744073709551616-", 10, "unsatisfiable"},
        {"bytes=99999999999999999999999-99999999999999999999999", 10, "unsatisfiable"},
        {"bytes=99999999999999999999999-1", 10, "whole"},
        {"bytes=-99999999999999999999999", 10, "0+10"},
        {"bytes=0-18446744073709551615", UINT64_MAX, "0+18446744073709551615"},
        {"bytes=18446744073709551614-", UINT64_MAX, "18446744073709551614+1"},
        {"bytes=18446744073709551615-", UINT64_MAX, "unsatisfiable"},
    };
    (void)state;
    check_rows(rows, MR_ARRAY_SIZE(rows));
}

static void only_one_field_of_a_get_counts(void **state)
{
    (void)state;
    for (enum mr_method method = MR_METHOD_OTHER; method < MR_METHOD_COUNT; method++) {
        struct mr_head head = head_of(method, "bytes=1-2");
        assert_int_equal(mr_range_select(&head, 10).kind, method == MR_METHOD_GET ? MR_RANGE_PART : MR_RANGE_WHOLE);
    }
    struct mr_head head = head_of(MR_METHOD_GET, "bytes=1-2");
    head.headers[head.header_count++] = head.headers[0];
    assert_int_equal(mr_range_select(&head, 10).kind, MR_RANGE_WHOLE);
    head.header_count = 0;
    assert_int_equal(mr_range_select(&head, 10).kind, MR_RANGE_WHOLE);
}

static void content_range_names_the_part_and_the_size(void **state)
{
    static const struct {
        struct mr_range range;
        const char *value;
    } rows[] = {
        {{.kind = MR_RANGE_PART, .first = 0, .len = 5, .size = 10}, "bytes 0-4/10"},
        {{.kind = MR_RANGE_PART, .first = UINT64_MAX - 1, .len = 1, .size = UINT64_MAX},
         "bytes 18446744073709551614-18446744073709551614/18446744073709551615"},
        {{.kind = MR_RANGE_UNSATISFIABLE, .size = 0}, "bytes */0"},
        {{.kind = MR_RANGE_WHOLE, .len = 10, .size = 10}, ""},
    };
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++) {
        struct mr_arena arena = {0};
        struct mr_fields fields;
        mr_fields_init(&fields, &arena);
        mr_range_set_field(&fields, &rows[i].range);
        assert_true(mr_slice_is(mr_fields_find(&fields, "Content-Range"), rows[i].value));
        mr_arena_reset(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_range_is_a_part),
        cmocka_unit_test(range_without_a_byte_is_unsatisfiable),
        cmocka_unit_test(what_is_no_single_range_of_bytes_is_ignored),
        cmocka_unit_test(absurd_numbers_do_not_overflow),
        cmocka_unit_test(only_one_field_of_a_get_counts),
        cmocka_unit_test(content_range_names_the_part_and_the_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
