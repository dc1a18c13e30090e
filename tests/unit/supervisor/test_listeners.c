#include "supervisor/listeners.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct mr_fault fault;
static struct mr_listeners listeners;

static struct mr_listen_settings listen_on(char *address, bool open)
{
    return (struct mr_listen_settings){.addresses = {.count = 1, .values = {address}}, .open = open};
}

static void reachable_address_is_refused_without_keys_or_open(void **state)
{
    (void)state;
    struct mr_listen_settings settings = listen_on("0.0.0.0:80", false);
    assert_int_equal(mr_listeners_check(&settings, &fault), MR_EPARAM);
    assert_non_null(strstr(fault.detail, "0.0.0.0:80"));
    assert_non_null(strstr(fault.detail, "--open"));
    assert_non_null(strstr(fault.detail, "--api-keys"));
    settings.has_keys = true;
    assert_int_equal(mr_listeners_check(&settings, &fault), MR_OK);
    settings = listen_on("0.0.0.0:80", true);
    assert_int_equal(mr_listeners_check(&settings, &fault), MR_OK);
}

static void malformed_address_is_named(void **state)
{
    (void)state;
    struct mr_listen_settings settings = listen_on("nonsense", true);
    assert_int_equal(mr_listeners_check(&settings, &fault), MR_EPARAM);
    assert_non_null(strstr(fault.detail, "nonsense"));
    assert_int_equal(mr_listeners_open(&listeners, &settings, 1, 0, &fault), MR_EPARAM);
    assert_int_equal(listeners.count, 0);
}

static void each_loop_has_a_socket(void **state)
{
    (void)state;
    struct mr_listen_settings settings = listen_on("127.0.0.1:0", false);
    assert_int_equal(mr_listeners_open(&listeners, &settings, 3, 0, &fault), MR_OK);
    assert_int_equal(listeners.count, 1);
    assert_int_equal(listeners.at[0].fd_count, 3);
    mr_listeners_close(&listeners);
    assert_int_equal(listeners.count, 0);
}

/* What the address turns out to be counts, not how it was written. */
static void reachable_socket_is_refused_once_it_is_open(void **state)
{
    (void)state;
    struct mr_listen_settings settings = listen_on("0.0.0.0:0", false);
    assert_int_equal(mr_listeners_open(&listeners, &settings, 1, 0, &fault), MR_EPARAM);
    assert_int_equal(listeners.count, 1); /* for the caller to close */
    mr_listeners_close(&listeners);
    settings.has_keys = true;
    assert_int_equal(mr_listeners_open(&listeners, &settings, 1, 0, &fault), MR_OK);
    mr_listeners_close(&listeners);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reachable_address_is_refused_without_keys_or_open),
        cmocka_unit_test(malformed_address_is_named),
        cmocka_unit_test(each_loop_has_a_socket),
        cmocka_unit_test(reachable_socket_is_refused_once_it_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
