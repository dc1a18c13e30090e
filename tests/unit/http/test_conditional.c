#include "base/macros.h"
#include "http/conditional.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LAST   "Sun, 06 Nov 1994 08:49:37 GMT"
#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define AFTER  "Sun, 06 Nov 1994 08:49:38 GMT"

static const struct mr_validators known = {
    .etag = {.at = "a,b", .len = 3}, .has_date = true, .last_modified = 784111777};

/* Lines "Name: value", ended by '\n'. */
static struct mr_head head_of(enum mr_method method, const char *lines)
{
    struct mr_head head = {.method = method};
    struct mr_slice rest = mr_slice_of(lines);
    while (rest.len > 0) {
        struct mr_slice value = mr_slice_cut(&rest, '\n'), name = mr_slice_cut(&value, ':');
        head.headers[head.header_count++] = (struct mr_header){.name = name, .value = mr_slice_trim(value)};
    }
    return head;
}

static enum mr_condition evaluated(enum mr_method method, const char *lines, const struct mr_validators *current)
{
    struct mr_head head = head_of(method, lines);
    return mr_conditional_evaluate(&head, current);
}

#define PROCEED      MR_CONDITION_PROCEED
#define FAILED       MR_CONDITION_FAILED
#define NOT_MODIFIED MR_CONDITION_NOT_MODIFIED
#define IGNORE_RANGE MR_CONDITION_IGNORE_RANGE

struct row {
    const char *lines;
    enum mr_condition of_get, of_put;
};

static void check_rows(const struct row *rows, size_t count, const struct mr_validators *current)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(evaluated(MR_METHOD_GET, rows[i].lines, current), rows[i].of_get);
        assert_int_equal(evaluated(MR_METHOD_HEAD, rows[i].lines, current), rows[i].of_get);
        assert_int_equal(evaluated(MR_METHOD_PUT, rows[i].lines, current), rows[i].of_put);
        assert_int_equal(evaluated(MR_METHOD_PATCH, rows[i].lines, current), rows[i].of_put);
        assert_int_equal(evaluated(MR_METHOD_DELETE, rows[i].lines, current), rows[i].of_put);
    }
}

static void if_match_wants_a_strong_tag(void **state)
{
    static const struct row rows[] = {
        {"If-Match: \"a,b\"\n", PROCEED, PROCEED},
        {"If-Match: \"x\" , \"a,b\"\n", PROCEED, PROCEED},
        {"if-match: \"x\"\nIF-MATCH: \"a,b\"\n", PROCEED, PROCEED},
        {"If-Match: ,,\t\"a,b\",\n", PROCEED, PROCEED},
        {"If-Match: *\n", PROCEED, PROCEED},
        {"If-Match: \"x\", \"\", \"a\", \"b\"\n", FAILED, FAILED},
        {"If-Match: \"A,B\"\n", FAILED, FAILED},
        {"If-Match: W/\"a,b\"\n", FAILED, FAILED},
        {"If-Match: \n", FAILED, FAILED},
    };
    (void)state;
    check_rows(rows, MR_ARRAY_SIZE(rows), &known);
}

static void if_none_match_takes_weak_tags_too(void **state)
{
    static const struct row rows[] = {
        {"If-None-Match: \"a,b\"\n", NOT_MODIFIED, FAILED},
        {"If-None-Match: W/\"a,b\"\n", NOT_MODIFIED, FAILED},
        {"If-None-Match: \"x\", W/\"y\",W/\"a,b\"\n", NOT_MODIFIED, FAILED},
        {"If-None-Match: \"x\"\nX: y\nIf-None-Match: \"a,b\"\n", NOT_MODIFIED, FAILED},
        {"If-None-Match: *\n", NOT_MODIFIED, FAILED},
        {"If-None-Match: \"x\", \"a\"\n", PROCEED, PROCEED},
        {"If-None-Match: \n", PROCEED, PROCEED},
    };
    (void)state;
    check_rows(rows, MR_ARRAY_SIZE(rows), &known);
}

/* A change is refused, since its client wanted to be protected; the whole content harms no reader. */
static void list_counts_as_far_as_it_can_be_read(void **state)
{
    static const struct row rows[] = {
        {"If-Match: \"a,b\", x\n", PROCEED, PROCEED},
        {"If-Match: x, \"a,b\"\n", FAILED, FAILED},
        {"If-Match: a,b\n", FAILED, FAILED},
        {"If-Match: \"a,b\n", FAILED, FAILED},
        {"If-Match: *, \"a,b\"\n", FAILED, FAILED},
        {"If-Match: *\nIf-Match: *\n", FAILED, FAILED},
        {"If-None-Match: \"a,b\" x\n", NOT_MODIFIED, FAILED},
        {"If-None-Match: \"x\" \"a,b\"\n", PROCEED, FAILED},
        {"If-None-Match: x, \"a,b\"\n", PROCEED, FAILED},
        {"If-None-Match: w/\"a,b\"\n", PROCEED, FAILED},
        {"If-None-Match: W/ \"a,b\"\n", PROCEED, FAILED},
        {"If-None-Match: W/\n", PROCEED, FAILED},
        {"If-None-Match: \"\n", PROCEED, FAILED},
        {"If-None-Match: \"x y\", \"a,b\"\n", PROCEED, FAILED},
        {"If-None-Match: \"x\\\"\", \"a,b\"\n", PROCEED, FAILED},
        {"If-None-Match: *, \"z\"\n", PROCEED, FAILED},
        {"If-Match: x\nIf-Match: \"a,b\"\n", FAILED, FAILED},
        {"If-None-Match: x\nIf-None-Match: \"a,b\"\n", PROCEED, FAILED},
    };
    (void)state;
    check_rows(rows, MR_ARRAY_SIZE(rows), &known);
}

static void dates_are_compared_by_the_second(void **state)
{
    static const struct row rows[] = {
        {"If-Modified-Since: " BEFORE "\n", PROCEED, PROCEED},
        {"If-Modified-Since: " LAST "\n", NOT_MODIFIED, PROCEED},
        {"If-Modified-Since: " AFTER "\n", NOT_MODIFIED, PROCEED},
        {"If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\n", NOT_MODIFIED, PROCEED},
        {"If-Modified-Since: Sun Nov  6 08:49:37 1994\n", NOT_MODIFIED, PROCEED},
        {"If-Unmodified-Since: " BEFORE "\n", FAILED, FAILED},
        {"If-Unmodified-Since: " LAST "\n", PROCEED, PROCEED},
        {"If-Unmodified-Since: " AFTER "\n", PROCEED, PROCEED},
    };
    (void)state;
    check_rows(rows, MR_ARRAY_SIZE(rows), &known);
}

static void what_is_no_date_is_ignored(void **state)
{
    static const struct row rows[] = {
        {"If-Modified-Since: yesterday\n", PROCEED, PROCEED},
        {"If-Modified-Since: \n", PROCEED, PROCEED},
        {"If-Modified-Since: " LAST "\nIf-Modified-Since: " LAST "\n", PROCEED, PROCEED},
        {"If-Unmodified-Since: 0\n", PROCEED, PROCEED},
        {"If-Unmodified-Since: " BEFORE ", " BEFORE "\n", PROCEED, PROCEED},
    };
    (void)state;
    check_rows(rows, MR_ARRAY_SIZE(rows), &known);
}

static void tags_go_before_dates_and_matches_before_the_others(void **state)
{
    static const struct row rows[] = {
        {"If-Unmodified-Since: " BEFORE "\nIf-Match: \"a,b\"\n", PROCEED, PROCEED},
        {"If-Unmodified-Since: " AFTER "\nIf-Match: \"x\"\n", FAILED, FAILED},
        {"If-Modified-Since: " LAST "\nIf-None-Match: \"x\"\n", PROCEED, PROCEED},
        {"If-Modified-Since: " BEFORE "\nIf-None-Match: \"a,b\"\n", NOT_MODIFIED, FAILED},
        {"If-Modified-Since: " LAST "\nIf-None-Match: \n", PROCEED, PROCEED},
        {"If-None-Match: \"a,b\"\nIf-Match: \"x\"\n", FAILED, FAILED},
        {"If-None-Match: \"a,b\"\nIf-Match: \"a,b\"\n", NOT_MODIFIED, FAILED},
        {"If-None-Match: \"a,b\"\nIf-Unmodified-Since: " BEFORE "\n", FAILED, FAILED},
        {"If-Modified-Since: " LAST "\nIf-Match: *\n", NOT_MODIFIED, PROCEED},
        {"If-Range: \"x\"\nIf-None-Match: \"a,b\"\n", NOT_MODIFIED, FAILED},
    };
    (void)state;
    check_rows(rows, MR_ARRAY_SIZE(rows), &known);
}

static void if_range_wants_exactly_what_is_there(void **state)
{
    static const struct {
        const char *lines;
        enum mr_condition condition;
    } rows[] = {
        {"If-Range: \"a,b\"\n", PROCEED},
        {"If-Range: " LAST "\n", PROCEED},
        {"If-Range: Sunday, 06-Nov-94 08:49:37 GMT\n", PROCEED},
        {"If-Range: \"x\"\n", IGNORE_RANGE},
        {"If-Range: W/\"a,b\"\n", IGNORE_RANGE},
        {"If-Range: \"a,b\", \"a,b\"\n", IGNORE_RANGE},
        {"If-Range: *\n", IGNORE_RANGE},
        {"If-Range: a,b\n", IGNORE_RANGE},
        {"If-Range: \n", IGNORE_RANGE},
        {"If-Range: " BEFORE "\n", IGNORE_RANGE},
        {"If-Range: " AFTER "\n", IGNORE_RANGE},
        {"If-Range: \"a,b\"\nIf-Range: \"a,b\"\n", IGNORE_RANGE},
    };
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++)
        assert_int_equal(evaluated(MR_METHOD_GET, rows[i].lines, &known), rows[i].condition);
}

static void nothing_at_the_target_matches_nothing(void **state)
{
    static const struct row rows[] = {
        {"", PROCEED, PROCEED},
        {"If-Match: *\n", FAILED, FAILED},
        {"If-Match: \"a,b\"\n", FAILED, FAILED},
        {"If-None-Match: *\n", PROCEED, PROCEED},
        {"If-None-Match: \"a,b\"\n", PROCEED, PROCEED},
        {"If-Modified-Since: " AFTER "\n", PROCEED, PROCEED},
        {"If-Unmodified-Since: " BEFORE "\n", PROCEED, PROCEED},
        {"If-Range: \"a,b\"\n", IGNORE_RANGE, IGNORE_RANGE},
    };
    (void)state;
    check_rows(rows, MR_ARRAY_SIZE(rows), NULL);
}

static void content_without_validators_has_only_the_star(void **state)
{
    static const struct mr_validators none = {.has_date = false};
    static const struct row rows[] = {
        {"", PROCEED, PROCEED},
        {"If-Match: *\n", PROCEED, PROCEED},
        {"If-Match: \"\"\n", FAILED, FAILED},
        {"If-None-Match: *\n", NOT_MODIFIED, FAILED},
        {"If-None-Match: \"\"\n", PROCEED, PROCEED},
        {"If-Modified-Since: " AFTER "\n", PROCEED, PROCEED},
        {"If-Unmodified-Since: " BEFORE "\n", PROCEED, PROCEED},
        {"If-Range: Thu, 01 Jan 1970 00:00:00 GMT\n", IGNORE_RANGE, IGNORE_RANGE},
    };
    (void)state;
    check_rows(rows, MR_ARRAY_SIZE(rows), &none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(if_match_wants_a_strong_tag),
        cmocka_unit_test(if_none_match_takes_weak_tags_too),
        cmocka_unit_test(list_counts_as_far_as_it_can_be_read),
        cmocka_unit_test(dates_are_compared_by_the_second),
        cmocka_unit_test(what_is_no_date_is_ignored),
        cmocka_unit_test(tags_go_before_dates_and_matches_before_the_others),
        cmocka_unit_test(if_range_wants_exactly_what_is_there),
        cmocka_unit_test(nothing_at_the_target_matches_nothing),
        cmocka_unit_test(content_without_validators_has_only_the_star),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
