#include "net/localhost.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void names_of_this_machine_are_known_by_their_last_label(void **state)
{
    static const char *const names[] = {"localhost", "LocalHost", "localhost.", "a.localhost", "a.b.LOCALHOST."};
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (!mr_localhost_is(mr_slice_of(names[i])))
            fail_msg("%s", names[i]);
}

static void other_names_are_not(void **state)
{
    static const char *const names[] = {
        "", ".", ".localhost", "localhost..", "alocalhost", "localhost.example.org", "127.0.0.1", "local",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (mr_localhost_is(mr_slice_of(names[i])))
            fail_msg("%s", names[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_this_machine_are_known_by_their_last_label),
        cmocka_unit_test(other_names_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
