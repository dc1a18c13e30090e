#include "base/program.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int last_count;
static const char *last_first;

static int note(int argc, char *const *argv, char *const *environment)
{
    (void)environment;
    last_count = argc;
    last_first = argv[0];
    return 7;
}

static int serve(int argc, char *const *argv, char *const *environment)
{
    return note(argc, argv, environment) + 1;
}

static const struct mr_program_command commands[] = {{"note", note, "takes notes"}, {.name = NULL}};

static int run(const struct mr_program *program, const char *word, const char *second)
{
    char *words[] = {"thing", (char *)(uintptr_t)word, (char *)(uintptr_t)second, NULL};
    int count = 1 + (word != NULL) + (second != NULL);
    char *environment[] = {NULL};
    last_count = 0;
    return mr_program_run(program, count, words, environment);
}

static void command_gets_its_arguments_from_its_name_on(void **state)
{
    (void)state;
    const struct mr_program program = {.name = "thing", .commands = commands};
    assert_int_equal(run(&program, "note", "--x"), 7);
    assert_int_equal(last_count, 2);
    assert_string_equal(last_first, "note");
}

static void command_is_only_the_first_word(void **state)
{
    (void)state;
    const struct mr_program program = {.name = "thing", .commands = commands, .main = serve};
    assert_int_equal(run(&program, "--x", "note"), 8);
    assert_int_equal(last_count, 3);
    assert_string_equal(last_first, "thing");
    assert_int_equal(run(&program, NULL, NULL), 8);
    assert_int_equal(run(&program, "not", NULL), 8);
}

static void program_that_needs_a_command_says_so(void **state)
{
    (void)state;
    const struct mr_program program = {.name = "thing", .commands = commands};
    assert_int_equal(run(&program, NULL, NULL), 2);
    assert_int_equal(run(&program, "not", NULL), 2);
    assert_int_equal(run(&program, "--help", NULL), 0);
    assert_int_equal(run(&program, "--version", NULL), 0);
    assert_int_equal(last_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(command_gets_its_arguments_from_its_name_on),
        cmocka_unit_test(command_is_only_the_first_word),
        cmocka_unit_test(program_that_needs_a_command_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
