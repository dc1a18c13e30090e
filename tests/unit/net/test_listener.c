#include "net/listener.h"

#include "base/macros.h"
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static struct mr_fault fault;

static uint16_t port_of(int fd)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof(at);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    return at.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&at)->sin6_port)
                                    : ntohs(((struct sockaddr_in *)&at)->sin_port);
}

static bool connects(const struct mr_listener *listener)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof(at);
    assert_int_equal(getsockname(listener->fds[0], (struct sockaddr *)&at, &len), 0);
    int fd = socket(at.ss_family, SOCK_STREAM, 0);
    bool connected = connect(fd, (struct sockaddr *)&at, len) == 0;
    close(fd);
    return connected;
}

static bool has_ipv6(void)
{
    struct mr_listener listener;
    if (mr_listener_open(&listener, "[::1]:0", 1, &fault) != 0)
        return false;
    mr_listener_close(&listener);
    return true;
}

static void port_0_chooses_one_and_the_url_tells_it(void **state)
{
    (void)state;
    struct mr_listener listener;
    char url[64];
    assert_int_equal(mr_listener_open(&listener, "127.0.0.1:0", 1, &fault), MR_OK);
    assert_true(port_of(listener.fds[0]) != 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", port_of(listener.fds[0]));
    assert_string_equal(listener.url, url);
    assert_true(listener.is_loopback);
    assert_false(listener.is_unix);
    assert_true(connects(&listener));
    mr_listener_close(&listener);
}

static void loops_share_one_port(void **state)
{
    (void)state;
    struct mr_listener listener;
    assert_int_equal(mr_listener_open(&listener, "127.0.0.1:0", 4, &fault), MR_OK);
    assert_int_equal(listener.fd_count, 4);
    for (unsigned i = 1; i < 4; i++) {
        assert_int_not_equal(listener.fds[i], listener.fds[0]);
        assert_int_equal(port_of(listener.fds[i]), port_of(listener.fds[0]));
    }
    assert_true(connects(&listener));
    mr_listener_close(&listener);
}

static void port_in_use_is_an_error_that_says_so(void **state)
{
    (void)state;
    struct mr_listener first, second;
    for (unsigned loops = 1; loops <= 2;
         loops++) { /* with 2 the first one shares its port, though not with strangers */
        char address[64];
        assert_int_equal(mr_listener_open(&first, "127.0.0.1:0", loops, &fault), MR_OK);
        snprintf(address, sizeof(address), "127.0.0.1:%u", port_of(first.fds[0]));
        assert_int_equal(mr_listener_open(&second, address, loops, &fault), MR_EIO);
        assert_non_null(strstr(fault.detail, address));
        assert_non_null(strstr(fault.detail, "already in use"));
        assert_int_equal(second.fd_count, 0);
        mr_listener_close(&first);
    }
}

static void port_is_free_again_after_close(void **state)
{
    (void)state;
    struct mr_listener listener;
    char address[64];
    assert_int_equal(mr_listener_open(&listener, "127.0.0.1:0", 2, &fault), MR_OK);
    snprintf(address, sizeof(address), "127.0.0.1:%u", port_of(listener.fds[0]));
    assert_true(connects(&listener));
    mr_listener_close(&listener);
    assert_int_equal(mr_listener_open(&listener, address, 1, &fault), MR_OK);
    mr_listener_close(&listener);
}

static void ipv6_literal_stands_in_brackets(void **state)
{
    (void)state;
    if (!has_ipv6())
        skip();
    struct mr_listener listener;
    assert_int_equal(mr_listener_open(&listener, "[::1]:0", 2, &fault), MR_OK);
    assert_memory_equal(listener.url, "http://[::1]:", 13);
    assert_true(listener.is_loopback);
    assert_true(connects(&listener));
    mr_listener_close(&listener);
}

static void star_is_every_address_of_both_families(void **state)
{
    (void)state;
    if (!has_ipv6())
        skip();
    struct mr_listener listener;
    assert_int_equal(mr_listener_open(&listener, "*:0", 2, &fault), MR_OK);
    assert_false(listener.is_loopback);
    for (unsigned i = 0; i < 2; i++) {
        int v6_only = 1;
        socklen_t len = sizeof(v6_only);
        assert_int_equal(getsockopt(listener.fds[i], IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, &len), 0);
        assert_int_equal(v6_only, 0);
    }
    mr_listener_close(&listener);
}

static void localhost_is_the_ipv4_loopback(void **state)
{
    (void)state;
    struct mr_listener listener;
    assert_int_equal(mr_listener_open(&listener, "localhost:0", 1, &fault), MR_OK);
    assert_memory_equal(listener.url, "http://127.0.0.1:", 17);
    mr_listener_close(&listener);
}

static void loopback_is_known_without_binding(void **state)
{
    static const struct {
        const char *address;
        int loopback; /* -1: malformed */
    } rows[] = {
        {"127.0.0.1:80", 1},
        {"127.8.9.1:80", 1},
        {"[::1]:80", 1},
        {"localhost:80", 1},
        {"[::ffff:127.0.0.1]:1", 1},
        {"unix:/run/x", 1},
        {"0.0.0.0:80", 0},
        {"192.0.2.1:80", 0},
        {"[::]:80", 0},
        {"[::ffff:10.0.0.1]:1", 0},
        {"*:80", 0},
        {"example.org:80", 0},
        {"128.0.0.1:1", 0},
        {"127.0.0.1", -1},
        {":80", -1},
        {"127.0.0.1:", -1},
        {"127.0.0.1:65536", -1},
        {"127.0.0.1:8x", -1},
        {"::1:80", -1},
        {"[::1]", -1},
        {"[127.0.0.1]:80", -1},
        {"[]:80", -1},
        {"unix:", -1},
        {"", -1},
        {"127.0.0.1:+1", -1},
        {"127.0.0.1:-1", -1},
        {"http://x", -1},
        {"[::1]x:80", -1},
    };
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++) {
        bool loopback;
        int err = mr_listener_check(rows[i].address, &loopback, &fault);
        if (err != (rows[i].loopback < 0 ? MR_EPARAM : MR_OK) || (err == 0 && loopback != (rows[i].loopback == 1)))
            fail_msg("%s: error %d, loopback %d", rows[i].address, err, loopback);
    }
}

static bool reaches(const char *address)
{
    int fd;
    int err = mr_listener_connect(&fd, address, 5, &fault);
    if (err == MR_OK)
        close(fd);
    else
        assert_int_equal(fd, -1);
    return err == MR_OK;
}

static void server_is_reached_by_the_address_that_it_listens_on(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "0.0.0.0", "*", "localhost", "[::1]", "[::]"};
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(hosts) - (has_ipv6() ? 0 : 2); i++) {
        struct mr_listener listener;
        char address[64];
        snprintf(address, sizeof(address), "%s:0", hosts[i]);
        assert_int_equal(mr_listener_open(&listener, address, 1, &fault), MR_OK);
        snprintf(address, sizeof(address), "%s:%u", hosts[i], port_of(listener.fds[0]));
        if (!reaches(address))
            fail_msg("%s: %s", address, fault.detail);
        mr_listener_close(&listener);
        assert_false(reaches(address));
        assert_non_null(strstr(fault.detail, address));
        assert_non_null(strstr(fault.detail, "Connection refused"));
    }
}

static void unix_socket_is_reached_by_its_path(void **state)
{
    (void)state;
    struct mr_listener listener;
    char address[64];
    snprintf(address, sizeof(address), "unix:/tmp/millrace-connect-%d", (int)getpid());
    assert_int_equal(mr_listener_open(&listener, address, 1, &fault), MR_OK);
    assert_true(reaches(address));
    mr_listener_close(&listener);
    assert_false(reaches(address));
    assert_non_null(strstr(fault.detail, "No such file"));
}

static void malformed_address_is_not_connected_to(void **state)
{
    int fd;
    (void)state;
    assert_int_equal(mr_listener_connect(&fd, "127.0.0.1", 5, &fault), MR_EPARAM);
    assert_int_equal(mr_listener_connect(&fd, "unix:", 5, &fault), MR_EPARAM);
    assert_int_equal(fd, -1);
}

static void malformed_address_is_refused_by_open_too(void **state)
{
    (void)state;
    struct mr_listener listener;
    assert_int_equal(mr_listener_open(&listener, "127.0.0.1:http", 1, &fault), MR_EPARAM);
    assert_non_null(strstr(fault.detail, "127.0.0.1:http"));
}

static void address_of_another_machine_is_an_error(void **state)
{
    (void)state;
    struct mr_listener listener;
    assert_int_equal(mr_listener_open(&listener, "192.0.2.1:0", 1, &fault), MR_EIO);
    assert_non_null(strstr(fault.detail, "192.0.2.1:0"));
}

/* ---- Unix sockets ---- */

struct place {
    char directory[64], path[96], address[104];
};

static int make_place(void **state)
{
    struct place *place = calloc(1, sizeof(*place));
    snprintf(place->directory, sizeof(place->directory), "/tmp/mr-listener-XXXXXX");
    if (mkdtemp(place->directory) == NULL)
        return -1;
    snprintf(place->path, sizeof(place->path), "%s/socket", place->directory);
    snprintf(place->address, sizeof(place->address), "unix:%s", place->path);
    *state = place;
    return 0;
}

static int remove_place(void **state)
{
    struct place *place = *state;
    unlink(place->path);
    int err = rmdir(place->directory);
    free(place);
    return err;
}

static void unix_socket_is_made_and_removed(void **state)
{
    const struct place *place = *state;
    struct mr_listener listener;
    assert_int_equal(mr_listener_open(&listener, place->address, 3, &fault), MR_OK);
    assert_true(listener.is_unix);
    assert_true(listener.is_loopback);
    assert_int_equal(listener.fd_count, 3);
    assert_string_equal(listener.url, place->address);
    assert_true(connects(&listener));
    mr_listener_close(&listener);
    assert_int_not_equal(access(place->path, F_OK), 0);
}

static void stale_unix_socket_is_replaced(void **state)
{
    const struct place *place = *state;
    struct mr_listener listener;
    assert_int_equal(mr_listener_open(&listener, place->address, 1, &fault), MR_OK);
    close(listener.fds[0]); /* as after a crash: the file stays */
    assert_int_equal(access(place->path, F_OK), 0);
    assert_int_equal(mr_listener_open(&listener, place->address, 1, &fault), MR_OK);
    assert_true(connects(&listener));
    mr_listener_close(&listener);
}

static void unix_socket_in_use_is_left_alone(void **state)
{
    const struct place *place = *state;
    struct mr_listener first, second;
    assert_int_equal(mr_listener_open(&first, place->address, 1, &fault), MR_OK);
    assert_int_equal(mr_listener_open(&second, place->address, 1, &fault), MR_EIO);
    assert_non_null(strstr(fault.detail, "already in use"));
    assert_true(connects(&first));
    mr_listener_close(&first);
}

static void unix_socket_of_a_successor_is_left_alone(void **state)
{
    const struct place *place = *state;
    struct mr_listener first, second;
    assert_int_equal(mr_listener_open(&first, place->address, 1, &fault), MR_OK);
    assert_int_equal(unlink(place->path), 0);
    assert_int_equal(mr_listener_open(&second, place->address, 1, &fault), MR_OK);
    mr_listener_close(&first);
    assert_int_equal(access(place->path, F_OK), 0);
    mr_listener_close(&second);
    assert_int_not_equal(access(place->path, F_OK), 0);
}

static void path_is_free_for_a_successor_while_the_socket_is_open(void **state)
{
    const struct place *place = *state;
    struct mr_listener first, second;
    assert_int_equal(mr_listener_open(&first, place->address, 1, &fault), MR_OK);
    mr_listener_unlink(&first);
    assert_int_equal(mr_listener_open(&second, place->address, 1, &fault), MR_OK);
    mr_listener_unlink(&first);
    mr_listener_close(&first);
    assert_int_equal(access(place->path, F_OK), 0);
    mr_listener_close(&second);
}

static void file_that_is_no_socket_is_never_removed(void **state)
{
    const struct place *place = *state;
    struct mr_listener listener;
    FILE *file = fopen(place->path, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(mr_listener_open(&listener, place->address, 1, &fault), MR_EIO);
    assert_int_equal(access(place->path, F_OK), 0);
}

static void path_longer_than_a_socket_address_is_refused(void **state)
{
    (void)state;
    struct mr_listener listener;
    char address[200] = "unix:/";
    memset(address + 6, 'x', 150);
    bool loopback;
    assert_int_equal(mr_listener_check(address, &loopback, &fault), MR_EPARAM);
    assert_int_equal(mr_listener_open(&listener, address, 1, &fault), MR_EPARAM);
}

/* ---- Descriptors that were passed in ---- */

static void passed_in_socket_serves_all_loops(void **state)
{
    (void)state;
    struct mr_listener first, adopted;
    assert_int_equal(mr_listener_open(&first, "127.0.0.1:0", 1, &fault), MR_OK);
    assert_int_equal(mr_listener_adopt(&adopted, first.fds[0], 3, &fault), MR_OK);
    assert_int_equal(adopted.fd_count, 3);
    assert_string_equal(adopted.url, first.url);
    assert_true(adopted.is_loopback);
    assert_true(connects(&adopted));
    mr_listener_close(&adopted);
}

static void passed_in_descriptor_that_does_not_listen_is_refused(void **state)
{
    (void)state;
    struct mr_listener listener;
    int bound = socket(AF_INET, SOCK_STREAM, 0), pipes[2];
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(mr_listener_adopt(&listener, bound, 1, &fault), MR_EIO);
    assert_int_equal(mr_listener_adopt(&listener, pipes[0], 1, &fault), MR_EIO);
    assert_non_null(strstr(fault.detail, "listening"));
    close(bound);
    close(pipes[0]);
    close(pipes[1]);
}

/* How many of `count` new connections each socket of the listener has in its queue; they are taken out of it. */
static void spread(const struct mr_listener *listener, int count, int *found)
{
    int clients[64];
    struct sockaddr_in at;
    socklen_t len = sizeof(at);
    assert_int_equal(getsockname(listener->fds[0], (struct sockaddr *)&at, &len), 0);
    for (int i = 0; i < count; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(clients[i], (struct sockaddr *)&at, sizeof(at)), 0);
    }
    for (unsigned i = 0; i < listener->fd_count; i++) {
        found[i] = 0;
        for (int fd; (fd = accept(listener->fds[i], NULL, NULL)) >= 0; found[i]++)
            close(fd);
    }
    for (int i = 0; i < count; i++)
        close(clients[i]);
}

static void connections_are_steered_to_those_that_accept(void **state)
{
    (void)state;
    struct mr_listener listener;
    int found[3];
    assert_int_equal(mr_listener_open(&listener, "127.0.0.1:0", 3, &fault), MR_OK);
    assert_int_equal(mr_listener_steer(&listener, (bool[]){false, false, true}), MR_OK);
    spread(&listener, 30, found);
    assert_int_equal(found[2], 30);
    assert_int_equal(mr_listener_steer(&listener, (bool[]){true, false, true}), MR_OK);
    spread(&listener, 60, found);
    assert_true(found[0] > 0 && found[1] == 0 && found[2] > 0); /* else as likely as 1 in 2^59 */
    assert_int_equal(found[0] + found[2], 60);
    mr_listener_close(&listener);
}

static void steering_to_nobody_changes_nothing(void **state)
{
    (void)state;
    struct mr_listener listener;
    int found[2];
    assert_int_equal(mr_listener_open(&listener, "127.0.0.1:0", 2, &fault), MR_OK);
    assert_int_equal(mr_listener_steer(&listener, (bool[]){false, true}), MR_OK);
    assert_int_equal(mr_listener_steer(&listener, (bool[]){false, false}), MR_OK);
    spread(&listener, 10, found);
    assert_int_equal(found[1], 10);
    mr_listener_close(&listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(port_0_chooses_one_and_the_url_tells_it),
        cmocka_unit_test(loops_share_one_port),
        cmocka_unit_test(connections_are_steered_to_those_that_accept),
        cmocka_unit_test(steering_to_nobody_changes_nothing),
        cmocka_unit_test(port_in_use_is_an_error_that_says_so),
        cmocka_unit_test(port_is_free_again_after_close),
        cmocka_unit_test(ipv6_literal_stands_in_brackets),
        cmocka_unit_test(star_is_every_address_of_both_families),
        cmocka_unit_test(localhost_is_the_ipv4_loopback),
        cmocka_unit_test(loopback_is_known_without_binding),
        cmocka_unit_test(server_is_reached_by_the_address_that_it_listens_on),
        cmocka_unit_test(unix_socket_is_reached_by_its_path),
        cmocka_unit_test(malformed_address_is_not_connected_to),
        cmocka_unit_test(malformed_address_is_refused_by_open_too),
        cmocka_unit_test(address_of_another_machine_is_an_error),
        cmocka_unit_test_setup_teardown(unix_socket_is_made_and_removed, make_place, remove_place),
        cmocka_unit_test_setup_teardown(stale_unix_socket_is_replaced, make_place, remove_place),
        cmocka_unit_test_setup_teardown(unix_socket_in_use_is_left_alone, make_place, remove_place),
        cmocka_unit_test_setup_teardown(unix_socket_of_a_successor_is_left_alone, make_place, remove_place),
        cmocka_unit_test_setup_teardown(path_is_free_for_a_successor_while_the_socket_is_open, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(file_that_is_no_socket_is_never_removed, make_place, remove_place),
        cmocka_unit_test(path_longer_than_a_socket_address_is_refused),
        cmocka_unit_test(passed_in_socket_serves_all_loops),
        cmocka_unit_test(passed_in_descriptor_that_does_not_listen_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
