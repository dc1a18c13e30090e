#include "supervisor/systemd.h"

#include "base/error.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* A manager's socket at `path` ('@' in front: abstract). */
static int open_manager(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    memcpy(at.sun_path, path, strlen(path));
    if (path[0] == '@')
        at.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
    return fd;
}

static void assert_told(int manager, const char *expected)
{
    char told[64] = "";
    ssize_t len = recv(manager, told, sizeof(told) - 1, 0);
    assert_int_equal(len, (ssize_t)strlen(expected));
    assert_string_equal(told, expected);
}

static void state_is_sent_to_a_socket_with_a_path(void **state)
{
    (void)state;
    char directory[] = "/tmp/mr-systemd-XXXXXX", path[64];
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/notify", directory);
    int manager = open_manager(path);
    setenv("NOTIFY_SOCKET", path, 1);
    assert_int_equal(mr_systemd_notify("READY=1"), MR_OK);
    assert_told(manager, "READY=1");
    assert_int_equal(mr_systemd_notify_stopping(UINT64_C(90000001999)), MR_OK);
    assert_told(manager, "STOPPING=1\nEXTEND_TIMEOUT_USEC=90000001");
    close(manager);
    assert_int_equal(mr_systemd_notify("READY=1"), MR_EIO); /* nobody is there any more */
    unlink(path);
    rmdir(directory);
}

static void state_is_sent_to_an_abstract_socket(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof(path), "@mr-systemd-test-%ld", (long)getpid());
    int manager = open_manager(path);
    setenv("NOTIFY_SOCKET", path, 1);
    assert_int_equal(mr_systemd_notify("READY=1"), MR_OK);
    assert_told(manager, "READY=1");
    close(manager);
}

static void without_a_manager_nothing_is_sent(void **state)
{
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    assert_int_equal(mr_systemd_notify("READY=1"), MR_OK);
    setenv("NOTIFY_SOCKET", "", 1);
    assert_int_equal(mr_systemd_notify("READY=1"), MR_OK);
}

static void address_that_is_none_is_an_error(void **state)
{
    (void)state;
    char long_path[200] = "/";
    memset(long_path + 1, 'x', sizeof(long_path) - 2);
    setenv("NOTIFY_SOCKET", "vsock:2:1234", 1);
    assert_int_equal(mr_systemd_notify("READY=1"), MR_EIO);
    setenv("NOTIFY_SOCKET", long_path, 1);
    assert_int_equal(mr_systemd_notify("READY=1"), MR_EIO);
    unsetenv("NOTIFY_SOCKET");
}

static void set_passed(long pid, const char *count)
{
    char text[32];
    snprintf(text, sizeof(text), "%ld", pid);
    setenv("LISTEN_PID", text, 1);
    setenv("LISTEN_FDS", count, 1);
    setenv("LISTEN_FDNAMES", "web", 1);
}

static void assert_passed(unsigned wanted)
{
    unsigned passed = 1000;
    assert_int_equal(mr_systemd_listen_fds(&passed, NULL), MR_OK);
    assert_int_equal(passed, wanted);
}

static void sockets_passed_to_this_process_are_counted_once(void **state)
{
    (void)state;
    set_passed((long)getpid(), "2");
    assert_passed(2);
    assert_null(getenv("LISTEN_FDS"));
    assert_null(getenv("LISTEN_PID"));
    assert_null(getenv("LISTEN_FDNAMES"));
    assert_passed(0);
}

static void sockets_for_another_process_are_left_alone(void **state)
{
    (void)state;
    set_passed((long)getppid(), "2");
    assert_passed(0);
    set_passed((long)getppid(), "1000");
    assert_passed(0);
    unsetenv("LISTEN_PID");
    setenv("LISTEN_FDS", "2", 1);
    assert_passed(0);
}

static void as_many_sockets_as_can_be_served_may_be_passed(void **state)
{
    (void)state;
    set_passed((long)getpid(), "64");
    assert_passed(MR_SYSTEMD_FDS_MAX);
    set_passed((long)getpid(), "0");
    assert_passed(0);
}

static void more_sockets_and_senseless_counts_are_an_error(void **state)
{
    (void)state;
    static const char *const counts[] = {"", "x", "-1", "99999999999999999999", "65", "1000"};
    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
        struct mr_fault fault;
        unsigned passed = 1000;
        set_passed((long)getpid(), counts[i]);
        assert_int_equal(mr_systemd_listen_fds(&passed, &fault), MR_EPARAM);
        assert_int_equal(passed, 0);
        assert_non_null(strstr(fault.detail, "LISTEN_FDS"));
        assert_null(getenv("LISTEN_FDS"));
    }
}

static void set_watchdog(long pid, const char *usec)
{
    char text[32];
    snprintf(text, sizeof(text), "%ld", pid);
    setenv("WATCHDOG_PID", text, 1);
    setenv("WATCHDOG_USEC", usec, 1);
}

static void a_watchdog_is_told_twice_in_its_time(void **state)
{
    (void)state;
    set_watchdog((long)getpid(), "3000000");
    assert_int_equal(mr_systemd_watchdog_ns(), UINT64_C(1500000000));
    assert_null(getenv("WATCHDOG_USEC"));
    assert_null(getenv("WATCHDOG_PID"));
    assert_int_equal(mr_systemd_watchdog_ns(), 0);
    setenv("WATCHDOG_USEC", "2000", 1); /* without a pid it is meant for any */
    assert_int_equal(mr_systemd_watchdog_ns(), 1000000);
}

static void a_watchdog_of_another_process_or_of_no_sense_is_none(void **state)
{
    (void)state;
    static const char *const times[] = {"", "x", "-1", "0", "99999999999999999999"};
    set_watchdog((long)getppid(), "3000000");
    assert_int_equal(mr_systemd_watchdog_ns(), 0);
    for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
        set_watchdog((long)getpid(), times[i]);
        assert_int_equal(mr_systemd_watchdog_ns(), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(state_is_sent_to_a_socket_with_a_path),
        cmocka_unit_test(state_is_sent_to_an_abstract_socket),
        cmocka_unit_test(without_a_manager_nothing_is_sent),
        cmocka_unit_test(address_that_is_none_is_an_error),
        cmocka_unit_test(sockets_passed_to_this_process_are_counted_once),
        cmocka_unit_test(sockets_for_another_process_are_left_alone),
        cmocka_unit_test(as_many_sockets_as_can_be_served_may_be_passed),
        cmocka_unit_test(more_sockets_and_senseless_counts_are_an_error),
        cmocka_unit_test(a_watchdog_is_told_twice_in_its_time),
        cmocka_unit_test(a_watchdog_of_another_process_or_of_no_sense_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
