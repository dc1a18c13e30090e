#include "service/service.h"

#include "service/served.h"

static void it_answers_and_drains_at_sigterm(void **state)
{
    static const char *const offloads[] = {"--offload=workers", "--offload=libuv", "--offload=none",
                                           "--offload=inline"};
    (void)state;
    for (size_t i = 0; i < MR_ARRAY_SIZE(offloads); i++) {
        struct served *served = START(offloads[i], "--workers=2");
        assert_int_equal(get(served, "/healthz"), 200);
        assert_int_equal(get(served, "/readyz"), 200);
        assert_int_equal(get(served, "/version"), 200);
        assert_int_equal(get(served, "/pipe"), 200);
        assert_int_equal(get(served, "/metrics"), 200);
        assert_int_equal(get(served, "/"), 200);
        assert_int_equal(get(served, "/nothing"), 404);
        assert_int_equal(ask_status(served, "POST", "/healthz", NULL, 0), 405);
        assert_int_equal(stop_service(served), 0);
    }
}

static void several_loops_answer_and_end(void **state)
{
    (void)state;
    struct served *served = START("--loops=3");
    for (int i = 0; i < 30; i++)
        assert_int_equal(get(served, "/healthz"), 200);
    assert_int_equal(stop_service(served), 0);
}

static void a_service_that_never_ran_is_destroyed(void **state)
{
    (void)state;
    struct served *served = BUILD("--loops=2");
    struct mr_fault fault;
    assert_int_equal(mr_service_listen(served->service, 0, &fault), MR_OK);
    free_service(served);
}

static void idle_connection_does_not_hold_the_end_up(void **state)
{
    (void)state;
    struct served *served = START("--loops=1");
    int fd = connect_to(served);
    char answer[1000];
    send_text(fd, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_true(receive_some(fd, answer, sizeof(answer)) > 0);
    assert_int_equal(stop_service(served), 0);
    assert_int_equal(receive_some(fd, answer, sizeof(answer)), 0);
    close(fd);
}

/* Half a request: its answer can never be complete. */
static int begin_upload(const struct served *served)
{
    int fd = connect_to(served);
    send_text(fd, "POST /pipe/image HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nxx");
    return fd;
}

static uint64_t in_flight(const struct served *served)
{
    return atomic_load(&app_of(served)->http->counters[0]->requests_in_flight);
}

static void request_that_does_not_end_is_cut_at_the_drain_timeout(void **state)
{
    (void)state;
    struct served *served = START("--loops=1", "--drain-timeout=50ms");
    int fd = begin_upload(served);
    WAIT_FOR(in_flight(served) == 1);
    assert_int_equal(stop_service(served), 1);
    close(fd);
}

static void request_in_flight_is_answered_before_the_end(void **state)
{
    (void)state;
    struct served *served = START("--loops=1");
    int fd = begin_upload(served);
    size_t len;
    WAIT_FOR(in_flight(served) == 1);
    kill(getpid(), SIGTERM);
    WAIT_FOR(atomic_load(&app_of(served)->http->draining));
    char body[998] = {'x'};
    send_all(fd, body, sizeof(body));
    char *answer = read_to_end(fd, &len);
    assert_non_null(strstr(answer, "HTTP/1.1 415"));
    assert_non_null(strstr(answer, "Connection: close"));
    free(answer);
    assert_int_equal(end_service(served), 0);
}

static void readyz_says_no_from_the_signal_on(void **state)
{
    (void)state;
    struct served *served = START("--loops=1", "--drain-delay=1s");
    assert_int_equal(get(served, "/readyz"), 200);
    kill(getpid(), SIGTERM);
    WAIT_FOR(atomic_load(&app_of(served)->http->draining));
    size_t len;
    char *answer = ask(served, "GET", "/readyz", NULL, 0, &len); /* still accepting */
    assert_non_null(strstr(answer, "HTTP/1.1 503"));
    assert_non_null(strstr(answer, "shutting-down"));
    assert_non_null(strstr(answer, "Retry-After:"));
    free(answer);
    assert_int_equal(get(served, "/healthz"), 200);
    assert_int_equal(end_service(served), 0);
}

static void readyz_says_no_when_the_budget_is_used_up(void **state)
{
    (void)state;
    struct served *served = START("--loops=1", "--memory-budget=32MiB");
    assert_int_equal(get(served, "/readyz"), 200);
    assert_true(mr_budget_try_take(app_of(served)->memory, 31 * MR_MIB));
    assert_int_equal(get(served, "/readyz"), 503);
    mr_budget_give_back(app_of(served)->memory, 31 * MR_MIB);
    assert_int_equal(get(served, "/readyz"), 200);
    assert_int_equal(stop_service(served), 0);
}

static void port_in_use_is_told_by_name(void **state)
{
    (void)state;
    struct served *first = BUILD("--listen=127.0.0.1:0", "--loops=2");
    struct mr_fault fault;
    assert_int_equal(mr_service_listen(first->service, 0, &fault), MR_OK);
    char option[64];
    snprintf(option, sizeof(option), "--listen=%s",
             mr_service_listeners(first->service)->at[0].url + strlen("http://"));
    struct served *second = BUILD(option, "--loops=2");
    assert_int_equal(mr_service_listen(second->service, 0, &fault), MR_EIO);
    assert_non_null(strstr(fault.detail, option + strlen("--listen=")));
    assert_non_null(strstr(fault.detail, "in use"));
    free_service(second);
    free_service(first);
}

static void unix_socket_file_is_removed_at_the_end(void **state)
{
    (void)state;
    char directory[] = "/tmp/mr-service-XXXXXX", path[64], option[80];
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/socket", directory);
    snprintf(option, sizeof(option), "--listen=unix:%s", path);
    struct served *served = START(option);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(get(served, "/healthz"), 200);
    assert_int_equal(stop_service(served), 0);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(rmdir(directory), 0);
}

/* What the service says to a socket that was passed in: MR_OK, or why it refuses it. */
static int pass_socket(in_addr_t address, const char *option)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(address)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 10), 0);
    if (fd != 3) {
        assert_int_equal(dup2(fd, 3), 3); /* in place of what a parent may have left there: this is the first test */
        close(fd);
    }
    struct served *served = BUILD(option);
    struct mr_fault fault;
    int err = mr_service_listen(served->service, 1, &fault);
    free_service(served);
    return err;
}

static void passed_socket_is_used_when_no_address_is_configured(void **state)
{
    (void)state;
    assert_int_equal(pass_socket(INADDR_LOOPBACK, "--loops=2"), MR_OK);
    assert_int_equal(pass_socket(INADDR_ANY, "--loops=1"), MR_EPARAM);
    assert_int_equal(pass_socket(INADDR_ANY, "--open"), MR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passed_socket_is_used_when_no_address_is_configured),
        cmocka_unit_test(it_answers_and_drains_at_sigterm),
        cmocka_unit_test(several_loops_answer_and_end),
        cmocka_unit_test(a_service_that_never_ran_is_destroyed),
        cmocka_unit_test(idle_connection_does_not_hold_the_end_up),
        cmocka_unit_test(request_that_does_not_end_is_cut_at_the_drain_timeout),
        cmocka_unit_test(request_in_flight_is_answered_before_the_end),
        cmocka_unit_test(readyz_says_no_from_the_signal_on),
        cmocka_unit_test(readyz_says_no_when_the_budget_is_used_up),
        cmocka_unit_test(port_in_use_is_told_by_name),
        cmocka_unit_test(unix_socket_file_is_removed_at_the_end),
    };
    return cmocka_run_group_tests(tests, set_up_images, tear_down_images);
}
