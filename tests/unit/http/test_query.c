#include "base/macros.h"
#include "http/query.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct mr_arena arena;

static int free_arena(void **state)
{
    (void)state;
    mr_arena_reset(&arena);
    return 0;
}

static struct mr_query parsed(const char *text)
{
    struct mr_query query;
    struct mr_fault fault = {0};
    if (mr_query_parse(&query, mr_slice_of(text), &arena, &fault) != MR_OK)
        fail_msg("'%s' was refused: %s", text, fault.detail);
    return query;
}

static void check_slice(struct mr_slice slice, const char *expected)
{
    if (!mr_slice_is(slice, expected))
        fail_msg("'%.*s' is not '%s'", MR_SLICE_ARG(slice), expected);
}

static void pairs_are_decoded_in_order(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned count;
        const char *names[3], *values[3];
    } table[] = {
        {"", 0, {0}, {0}},
        {"&&", 0, {0}, {0}},
        {"a", 1, {"a"}, {""}},
        {"a=", 1, {"a"}, {""}},
        {"=b", 1, {""}, {"b"}},
        {"=", 1, {""}, {""}},
        {"w=300&h=200&fit=crop", 3, {"w", "h", "fit"}, {"300", "200", "crop"}},
        {"&a=1&&b=2&", 2, {"a", "b"}, {"1", "2"}},
        {"a=b=c", 1, {"a"}, {"b=c"}},
        {"a=1&a=2", 2, {"a", "a"}, {"1", "2"}},
        {"a+b=c+d%2B", 1, {"a b"}, {"c d+"}},
        {"%61%3D=%26%25%3f", 1, {"a="}, {"&%?"}},
        {"a=%c3%A9\xc3\xa9", 1, {"a"}, {"\xc3\xa9\xc3\xa9"}},
        {"a=%F0%9F%98%80", 1, {"a"}, {"\xf0\x9f\x98\x80"}},
        {"a=%0a%7f", 1, {"a"}, {"\n\x7f"}},
        {"a;b=c/d?e", 1, {"a;b"}, {"c/d?e"}},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(table); i++) {
        struct mr_query query = parsed(table[i].text);
        assert_int_equal(query.count, table[i].count);
        for (unsigned j = 0; j < query.count; j++) {
            check_slice(query.pairs[j].name, table[i].names[j]);
            check_slice(query.pairs[j].value, table[i].values[j]);
            assert_int_equal(query.pairs[j].name.at[query.pairs[j].name.len], '\0');
            assert_int_equal(query.pairs[j].value.at[query.pairs[j].value.len], '\0');
        }
    }
}

static void malformed_query_is_refused(void **state)
{
    (void)state;
    static const char *const table[] = {
        "a=%",         "a=%2",        "a=%2&b",      "a=%g0",          "a=%0g",      "a=% 0",          "%=a",
        "a=%00",       "%00=a",       "a=%80",       "a=%c3",          "a=%c3&=%a9", "a=%c0%80",       "a=%c1%bf",
        "a=%e0%9f%bf", "a=%ed%a0%80", "a=%f5%80%80", "a=%f4%90%80%80", "a=\xff",     "a=%f0%8f%bf%bf", "b&a=%ff",
        "a=%c3b",      "a=%e2%82",    "a=%e2%82b",   "a=%f0%9f%98",    "a=%",        "a=%u0041",
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(table); i++) {
        struct mr_query query;
        struct mr_fault fault = {0};
        char *copy = malloc(strlen(table[i])); /* without a NUL, so that the address sanitizer sees the end */
        memcpy(copy, table[i], strlen(table[i]));
        if (mr_query_parse(&query, (struct mr_slice){copy, strlen(table[i])}, &arena, &fault) != MR_EPARAM)
            fail_msg("'%s' was taken", table[i]);
        assert_int_equal(fault.error, MR_EPARAM);
        assert_int_equal(query.count, 0);
        assert_true(fault.detail[0] != '\0');
        free(copy);
    }
    struct mr_query query;
    assert_int_equal(mr_query_parse(&query, MR_SLICE("a=b\0c"), &arena, NULL), MR_EPARAM);
}

static void refusal_names_the_parameter_and_never_its_value(void **state)
{
    (void)state;
    struct mr_query query;
    struct mr_fault fault = {0};
    assert_int_equal(mr_query_parse(&query, MR_SLICE("w=1&key=secret%zz"), &arena, &fault), MR_EPARAM);
    assert_non_null(strstr(fault.detail, "parameter \"key\" "));
    assert_null(strstr(fault.detail, "secret"));
}

static void hundred_and_twenty_eight_pairs_are_enough(void **state)
{
    (void)state;
    char text[3 * MR_QUERY_PAIRS_MAX + 2];
    for (int i = 0; i < MR_QUERY_PAIRS_MAX; i++)
        snprintf(text + (ptrdiff_t)i * 3, 4, "a&&");
    assert_int_equal(parsed(text).count, MR_QUERY_PAIRS_MAX);

    struct mr_query query;
    struct mr_fault fault = {0};
    size_t len = strlen(text);
    snprintf(text + len, sizeof(text) - len, "a");
    assert_int_equal(mr_query_parse(&query, mr_slice_of(text), &arena, &fault), MR_EPARAM);
    assert_string_equal(fault.limit_name, "max-query-pairs");
    assert_int_equal(fault.limit, MR_QUERY_PAIRS_MAX);
    assert_int_equal(fault.value, MR_QUERY_PAIRS_MAX + 1);
}

static void first_value_of_a_name_is_found(void **state)
{
    (void)state;
    struct mr_query query = parsed("a=1&b=2&a=3&c");
    check_slice(mr_query_find(&query, "a"), "1");
    check_slice(mr_query_find(&query, "b"), "2");
    assert_non_null(mr_query_find(&query, "c").at);
    assert_int_equal(mr_query_find(&query, "c").len, 0);
    assert_null(mr_query_find(&query, "A").at);
    assert_null(mr_query_find(&query, "").at);
}

static void name_that_appears_twice_is_told(void **state)
{
    (void)state;
    static const char *const repeatable[] = {"r", "q", NULL};
    struct mr_query query = parsed("a=1&r=2&b=3&r=4&b=5&a=6");
    check_slice(mr_query_duplicate(&query, repeatable), "b");
    check_slice(mr_query_duplicate(&query, NULL), "r");
    query = parsed("a&b&r&r&r&A");
    assert_null(mr_query_duplicate(&query, repeatable).at);
    query = parsed("a&%61");
    check_slice(mr_query_duplicate(&query, repeatable), "a");
    query = parsed("");
    assert_null(mr_query_duplicate(&query, NULL).at);
}

static void path_segment_is_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *segment, *decoded; /* NULL: refused */
    } table[] = {
        {"", ""},
        {"a", "a"},
        {"a+b", "a+b"},
        {"a%20b", "a b"},
        {"%2e%2E", ".."},
        {"%25%32", "%2"},
        {"%c3%a9", "\xc3\xa9"},
        {"a%5cb", "a\\b"},
        {"%2F", NULL},
        {"a%2fb", NULL},
        {"a/b", NULL},
        {"%", NULL},
        {"%2", NULL},
        {"%zz", NULL},
        {"%00", NULL},
        {"%0a", NULL},
        {"%1f", NULL},
        {"%7f", NULL},
        {"%ff", NULL},
        {"%c0%af", NULL},
        {"%ed%a0%80", NULL},
        {"\t", NULL},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(table); i++) {
        struct mr_slice out;
        bool decoded = mr_path_decode(&out, mr_slice_of(table[i].segment), &arena);
        if (decoded != (table[i].decoded != NULL))
            fail_msg("'%s' was %s", table[i].segment, decoded ? "taken" : "refused");
        if (decoded) {
            check_slice(out, table[i].decoded);
            assert_int_equal(out.at[out.len], '\0');
        }
    }
}

static void logged_target_has_no_values(void **state)
{
    (void)state;
    static const struct {
        const char *target, *logged;
    } table[] = {
        {"/", "/"},
        {"/a/b%20c", "/a/b%20c"},
        {"*", "*"},
        {"", ""},
        {"/?", "/?"},
        {"/?s=secret", "/?s=*"},
        {"/a?w=1&h=&fit&key=a=b&&%73=%41", "/a?w=*&h=&*&key=*&&*=*"},
        {"/a?AGE-SECRET-KEY-1QQ", "/a?*"},
        {"/a?AGE-SECRET-KEY-1QQ=&max-h=2", "/a?*=&max-h=*"},
        {"/a?abcdefghijklmnopqrstuvwxyz0123456=1", "/a?*=*"},
        {"/a?=x&", "/a?=*&"},
        {"/a?b?c=d?e=f", "/a?*=*"},
        {"http://h/a?b=c", "http://h/a?b=*"},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(table); i++)
        check_slice(mr_query_redact(mr_slice_of(table[i].target), &arena), table[i].logged);
}

static const struct mr_param_spec known[] = {
    {.name = "w", .type = MR_PARAM_INT, .min = 1, .max = 10},
    {.name = "h", .type = MR_PARAM_INT, .min = 1, .max = 10},
    {.name = NULL},
};

static void only_known_parameters_pass_and_each_once(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        int err;
    } table[] = {{"", MR_OK},        {"w=1", MR_OK},       {"h=99&w=1", MR_OK}, /* what they hold is not looked at */
                 {"x=1", MR_EPARAM}, {"w=1&x", MR_EPARAM}, {"w=1&w=2", MR_EPARAM}};
    for (size_t i = 0; i < MR_ARRAY_SIZE(table); i++) {
        struct mr_query query = parsed(table[i].query);
        struct mr_fault fault;
        assert_int_equal(mr_query_check_known(&query, known, &fault), table[i].err);
    }
}

static void a_value_that_was_not_sent_stays(void **state)
{
    (void)state;
    struct mr_query query = parsed("w=7&h=70");
    struct mr_param_value value = {.integer = 5};
    struct mr_fault fault;
    assert_int_equal(mr_query_read(&query, &(struct mr_param_spec){.name = "x"}, &value, &fault), MR_OK);
    assert_int_equal(value.integer, 5);
    assert_int_equal(mr_query_read(&query, &known[0], &value, &fault), MR_OK);
    assert_int_equal(value.integer, 7);
    assert_int_equal(mr_query_read(&query, &known[1], &value, &fault), MR_EPARAM);
    assert_string_equal(fault.limit_name, "h");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(pairs_are_decoded_in_order, free_arena),
        cmocka_unit_test_teardown(malformed_query_is_refused, free_arena),
        cmocka_unit_test_teardown(refusal_names_the_parameter_and_never_its_value, free_arena),
        cmocka_unit_test_teardown(hundred_and_twenty_eight_pairs_are_enough, free_arena),
        cmocka_unit_test_teardown(first_value_of_a_name_is_found, free_arena),
        cmocka_unit_test_teardown(name_that_appears_twice_is_told, free_arena),
        cmocka_unit_test_teardown(path_segment_is_decoded, free_arena),
        cmocka_unit_test_teardown(logged_target_has_no_values, free_arena),
        cmocka_unit_test_teardown(only_known_parameters_pass_and_each_once, free_arena),
        cmocka_unit_test_teardown(a_value_that_was_not_sent_stays, free_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
