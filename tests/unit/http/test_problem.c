#include "base/macros.h"
#include "http/problem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct mr_arena arena;

static int free_arena(void **state)
{
    (void)state;
    mr_arena_reset(&arena);
    return 0;
}

static void check_slice(struct mr_slice slice, const char *expected)
{
    assert_string_equal(slice.at, expected); /* a NUL stands behind it */
    assert_int_equal(slice.len, strlen(expected));
}

static void fault_becomes_a_problem_document(void **state)
{
    (void)state;
    struct mr_fault fault;
    mr_fault_set(&fault, MR_ENOTFOUND, NULL);
    check_slice(mr_problem_json(&fault, &arena),
                "{\"type\":\"urn:millrace:problem:not-found\",\"title\":\"There is nothing at this address.\","
                "\"status\":404}");
}

static void detail_is_there_when_the_fault_has_one(void **state)
{
    (void)state;
    struct mr_fault fault;
    mr_fault_set(&fault, MR_EPARAM, "The parameter \"%s\" is\nunknown.", "a\\b\xff");
    check_slice(mr_problem_json(&fault, &arena),
                "{\"type\":\"urn:millrace:problem:bad-parameter\","
                "\"title\":\"A parameter is unknown, malformed or out of range.\",\"status\":400,"
                "\"detail\":\"The parameter \\\"a\\\\b\xef\xbf\xbd\\\" is\\nunknown.\"}");
}

static void limit_and_value_are_there_when_a_bound_was_hit(void **state)
{
    (void)state;
    struct mr_fault fault;
    mr_fault_limit(&fault, MR_EBODY, "max-body", 1073741824, UINT64_MAX);
    check_slice(mr_problem_json(&fault, &arena),
                "{\"type\":\"urn:millrace:problem:body-too-large\","
                "\"title\":\"The body is larger than this server accepts.\",\"status\":413,"
                "\"limit\":{\"name\":\"max-body\",\"value\":1073741824},\"value\":18446744073709551615}");
    mr_fault_limit(&fault, MR_EBUSY, "queue-depth", 0, 0);
    check_slice(mr_problem_json(&fault, &arena),
                "{\"type\":\"urn:millrace:problem:queue-full\",\"title\":\"The job queue is full.\",\"status\":503,"
                "\"limit\":{\"name\":\"queue-depth\",\"value\":0},\"value\":0}");
}

static const enum mr_error errors[] = {
#define CODE(code, value, kind, text) code,
    MR_ERRORS(CODE)
#undef CODE
};

static void each_error_has_a_status_of_its_kind(void **state)
{
    (void)state;
    assert_int_equal(mr_problem_status(MR_OK), 200);
    assert_int_equal(mr_problem_status(MR_ENOTIMAGE), 415);
    for (size_t i = 0; i < MR_ARRAY_SIZE(errors); i++) {
        int status = mr_problem_status(errors[i]);
        bool is_load = mr_error_kind(errors[i]) == MR_ERROR_OF_LOAD;
        assert_true(status >= 400 && status < 600);
        assert_true(status != 503 || is_load);
        assert_true(!is_load || status == 503 || status == 507);
        bool is_own = mr_error_kind(errors[i]) == MR_ERROR_OF_OWN;
        assert_true(is_own ? status == 500 || status == 507 : status != 500); /* 507: the disk failed */
    }
}

static void problem_types_are_distinct_and_fit_a_urn(void **state)
{
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(errors); i++) {
        const char *type = mr_problem_type(errors[i]);
        assert_int_equal(strspn(type, "abcdefghijklmnopqrstuvwxyz-"), strlen(type));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(type, mr_problem_type(errors[j]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_error_has_a_status_of_its_kind),
        cmocka_unit_test(problem_types_are_distinct_and_fit_a_urn),
        cmocka_unit_test_teardown(fault_becomes_a_problem_document, free_arena),
        cmocka_unit_test_teardown(detail_is_there_when_the_fault_has_one, free_arena),
        cmocka_unit_test_teardown(limit_and_value_are_there_when_a_bound_was_hit, free_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
