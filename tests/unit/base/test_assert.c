#include "base/assert.h"
#include "base/log.h"
#include "dies.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void true_expression_goes_on(void **state)
{
    (void)state;
    int evaluated = 0;
    MR_ASSERT(++evaluated == 1);
    assert_int_equal(evaluated, 1);
}

static void fail_plainly(void)
{
    MR_ASSERT(1 + 1 == 3);
}

static void false_expression_aborts(void **state)
{
    (void)state;
    assert_dies(fail_plainly());
    assert_dies(MR_UNREACHABLE());
}

/* What a child that fails an assertion leaves on standard error. */
static void last_words(char *out, size_t size, void (*last_act)(void))
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        die_quietly();
        dup2(ends[1], STDERR_FILENO);
        last_act();
        _exit(0);
    }
    close(ends[1]);
    size_t len = 0;
    ssize_t got;
    while (len + 1 < size && (got = read(ends[0], out + len, size - 1 - len)) > 0)
        len += (size_t)got;
    out[len] = '\0';
    close(ends[0]);
    assert_true(died_of_assert(child));
}

static void expression_file_and_function_are_printed(void **state)
{
    (void)state;
    char text[1000];
    last_words(text, sizeof(text), fail_plainly);
    assert_non_null(strstr(text, "1 + 1 == 3"));
    assert_non_null(strstr(text, "test_assert.c:"));
    assert_non_null(strstr(text, "fail_plainly"));
}

static void log_and_fail(void)
{
    mr_log_start(MR_LOG_INFO, MR_LOG_LOGFMT, NULL);
    mr_log(MR_LOG_INFO, "the last thing it did");
    MR_ASSERT(1 + 1 == 3);
}

static void what_was_logged_before_is_still_shown(void **state)
{
    (void)state;
    char text[1000];
    last_words(text, sizeof(text), log_and_fail);
    assert_non_null(strstr(text, "the last thing it did"));
    assert_non_null(strstr(text, "1 + 1 == 3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(true_expression_goes_on),
        cmocka_unit_test(false_expression_aborts),
        cmocka_unit_test(expression_file_and_function_are_printed),
        cmocka_unit_test(what_was_logged_before_is_still_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
