#include "base/console.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* What a child with both outputs in one pipe wrote, as text. */
static void written_by(void (*child)(void), char *out, size_t size)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL); /* or the child writes it too */
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        child();
        fflush(NULL);
        _exit(0);
    }
    close(ends[1]);
    size_t len = 0;
    for (ssize_t got; (got = read(ends[0], out + len, size - 1 - len)) > 0;)
        len += (size_t)got;
    out[len] = '\0';
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void print_as_libraries_do(void)
{
    printf("to standard output\n");
    fprintf(stderr, "to standard error\n");
    puts("once more");
    putc('!', stderr);
}

static void mute(void)
{
    mr_console_mute_libraries();
    mr_console_mute_libraries();
    print_as_libraries_do();
    fprintf(mr_console(), "own\n");
    dprintf(STDERR_FILENO, "last words\n");
}

static void leave(void)
{
    fprintf(mr_console(), "own\n");
    print_as_libraries_do();
}

static void only_the_program_itself_is_heard_once_libraries_are_muted(void **state)
{
    (void)state;
    char text[200];
    written_by(mute, text, sizeof(text));
    assert_string_equal(text, "own\nlast words\n");
}

static void until_then_all_are(void **state)
{
    (void)state;
    char text[200];
    written_by(leave, text, sizeof(text));
    assert_non_null(strstr(text, "to standard output\n"));
    assert_non_null(strstr(text, "own\nto standard error\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_program_itself_is_heard_once_libraries_are_muted),
        cmocka_unit_test(until_then_all_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
