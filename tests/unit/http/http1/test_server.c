/* Sockets on a loop that the test turns itself, and clients that leave all at once. */
#define _GNU_SOURCE 1 /* memmem */
#include "http/http1/server.h"

#include "base/counter.h"
#include "base/log.h"
#include "base/macros.h"
#include "http/request.h"
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define CLIENTS 300
#define HALF    (CLIENTS / 2)
#define READERS 8
#define BURST   60
#define LARGE   (250 * MR_KIB) /* of all readers together less than MR_TURN_WRITE */

static struct {
    struct mr_loop *loop;
    struct mr_http http;
    struct mr_http_counters counters, *counters_of[1];
    struct mr_server *server;
    struct sockaddr_in at;
    int clients[CLIENTS];
    unsigned started, aborted, disconnects;
    struct mr_request *held[CLIENTS]; /* by the number of the client */
    unsigned numbers[CLIENTS];        /* of the clients whose bodies were aborted, in that order */
} it;

/* ---- memory that is not there: the linker lets the calls of our libraries to calloc() end here ---- */

static unsigned fails_at; /* the call that fails, from 1; 0: none */

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
    return fails_at > 0 && --fails_at == 0 ? NULL : __real_calloc(count, size);
}

/* ---- writes that are left to libuv, for a later turn ---- */

static unsigned queued_writes;

int __real_uv_write(uv_write_t *write, uv_stream_t *stream, const uv_buf_t *bufs, unsigned count, uv_write_cb done);
int __wrap_uv_write(uv_write_t *write, uv_stream_t *stream, const uv_buf_t *bufs, unsigned count, uv_write_cb done);

int __wrap_uv_write(uv_write_t *write, uv_stream_t *stream, const uv_buf_t *bufs, unsigned count, uv_write_cb done)
{
    queued_writes++;
    return __real_uv_write(write, stream, bufs, count, done);
}

/* ---- handlers ---- */

static enum mr_flow take_push(void *context, const void *bytes, size_t len)
{
    struct mr_request *request = context;
    char text[16] = "";
    memcpy(text, bytes, MR_MIN(len, sizeof(text) - 1));
    request->handler_data = (void *)(uintptr_t)strtoul(text, NULL, 10);
    it.started++;
    return MR_FLOW_MORE;
}

static void take_end(void *context)
{
    (void)context;
    fail();
}

static void take_abort(void *context, const struct mr_fault *why)
{
    struct mr_request *request = context;
    (void)why;
    it.numbers[it.aborted++] = (unsigned)(uintptr_t)request->handler_data;
}

static const struct mr_stream_receiver receiver = {.push = take_push, .end = take_end, .abort = take_abort};

static void start_take(struct mr_request *request)
{
    mr_request_take_body(request, &receiver, request);
}

/* Its job takes its time. The query is the client's number. */
static void start_job(struct mr_request *request)
{
    it.held[strtoul(request->query.pairs[0].value.at, NULL, 10)] = request;
    it.started++;
    mr_request_hold(request);
}

static void leave_job(struct mr_request *request)
{
    (void)request;
    it.disconnects++;
}

static void start_large(struct mr_request *request)
{
    static const char bytes[LARGE];
    mr_respond(request, 200, NULL, NULL, bytes, LARGE, NULL, NULL);
}

static const struct mr_route routes[] = {
    {.method = MR_METHOD_GET, .pattern = "/large", .start = start_large},
    {.method = MR_METHOD_POST, .pattern = "/take", .start = start_take},
    {.method = MR_METHOD_GET, .pattern = "/job", .start = start_job, .on_disconnect = leave_job},
    {0},
};

/* ---- both sides ---- */

static uint64_t connections(void)
{
    return mr_counter_read(&it.counters.connections);
}

static int set_up(void **state)
{
    socklen_t len = sizeof(it.at);
    (void)state;
    memset(&it, 0, sizeof(it));
    mr_log_set_level(MR_LOG_ERROR);
    assert_int_equal(mr_loop_create(&it.loop, 0), MR_OK);
    it.counters_of[0] = &it.counters;
    mr_http_init(&it.http, it.counters_of, 1);
    mr_http_register(&it.http, routes);
    it.http.limits = (struct mr_http_limits){.head_max = 16384, .connections_max = CLIENTS};
    assert_int_equal(mr_server_create(&it.server, &it.http, it.loop), MR_OK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    it.at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    assert_int_equal(bind(fd, (struct sockaddr *)&it.at, len), 0);
    assert_int_equal(listen(fd, CLIENTS), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&it.at, &len), 0);
    assert_int_equal(mr_server_listen(it.server, fd, false), MR_OK);
    mr_loop_adopt(it.loop);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mr_loop_release(it.loop);
    mr_server_destroy(&it.server);
    assert_int_equal(connections(), 0);
    mr_loop_destroy(&it.loop);
    return 0;
}

/* One turn; first it waits until there is something to do. */
static void turn(void)
{
    struct pollfd ready = {.fd = mr_loop_fd(it.loop), .events = POLLIN};
    int timer_ms = mr_loop_wait_ms(it.loop); /* which the descriptor does not tell of */
    poll(&ready, 1, timer_ms < 0 ? 10000 : timer_ms);
    mr_loop_turn(it.loop);
}

static int connect_one(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&it.at, sizeof(it.at)), 0);
    return fd;
}

/* All clients, each with a request that the server has begun: `begin`, the client's number, and `end`; or with none. */
static void open_clients_with(const char *begin, const char *end)
{
    mr_loop_turn(it.loop); /* registers the listener */
    for (int i = 0; i < CLIENTS; i++) {
        it.clients[i] = connect_one();
        if (begin != NULL)
            assert_true(dprintf(it.clients[i], "%s%d%s", begin, i, end) > 0);
    }
    while (connections() < CLIENTS || (begin != NULL && it.started < CLIENTS))
        turn();
}

/* With a request: a head, and of the body the client's number. */
static void open_clients(bool with_request)
{
    open_clients_with(with_request ? "POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n" : NULL,
                      ";");
}

static void close_clients(int from, int to)
{
    for (int i = from; i < to; i++)
        close(it.clients[i]);
}

/* Turns until all clients have departed, and asserts of each that few enough did. Returns how many turns it took. */
static unsigned turn_until_departed(void)
{
    unsigned turns = 0;
    for (; connections() > 0; turns++) {
        uint64_t open_before = connections();
        unsigned aborted_before = it.aborted;
        turn();
        assert_true(open_before - connections() <= MR_DEPARTURES_PER_TURN);
        assert_true(it.aborted - aborted_before <= MR_DEPARTURES_PER_TURN);
    }
    return turns;
}

/* Nothing is left that would keep the loop from sleeping. */
static void assert_loop_sleeps(void)
{
    mr_loop_turn(it.loop); /* closed handles are given back */
    assert_int_equal(mr_loop_wait_ms(it.loop), -1);
}

/* Each of them is a few system calls. */
static void connections_are_accepted_in_portions(void **state)
{
    (void)state;
    mr_loop_turn(it.loop); /* registers the listener */
    for (int i = 0; i < CLIENTS; i++) {
        it.clients[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(it.clients[i], (struct sockaddr *)&it.at, sizeof(it.at)), 0);
    }
    assert_true(mr_server_has_unaccepted(it.server));
    for (uint64_t before = 0; before < CLIENTS; before = connections()) {
        turn();
        assert_in_range(connections() - before, 1, MR_ACCEPTS_PER_TURN);
    }
    assert_false(mr_server_has_unaccepted(it.server));
    close_clients(0, CLIENTS);
    turn_until_departed();
    assert_loop_sleeps();
}

static void connections_for_which_no_descriptor_is_left_are_closed_and_counted(void **state)
{
    (void)state;
    struct rlimit before, none;
    open_clients(false);
    int last = dup(it.clients[0]);
    getrlimit(RLIMIT_NOFILE, &before);
    none = (struct rlimit){.rlim_cur = (rlim_t)last, .rlim_max = before.rlim_max};
    close(it.clients[1]); /* a few are left, for the client among them */
    while (connections() == CLIENTS)
        turn();
    int more = socket(AF_INET, SOCK_STREAM, 0), holes[CLIENTS], hole_count = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    while (hole_count < CLIENTS && (holes[hole_count] = dup(more)) >= 0) /* all that are left */
        hole_count++;
    assert_int_equal(connect(more, (struct sockaddr *)&it.at, sizeof(it.at)), 0);
    char octet;
    while (mr_counter_read(&it.counters.connections_dropped) == 0)
        turn();
    assert_int_equal(recv(more, &octet, 1, 0), 0);
    assert_int_equal(connections(), CLIENTS - 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (int i = 0; i < hole_count; i++)
        close(holes[i]);
    close(more);
    more = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(more, (struct sockaddr *)&it.at, sizeof(it.at)), 0);
    while (connections() < CLIENTS)
        turn();
    assert_int_equal(mr_counter_read(&it.counters.connections_dropped), 1);
    close(more);
    close(last);
    close(it.clients[0]);
    close_clients(2, CLIENTS);
}

static void connections_for_which_there_is_no_memory_are_closed_and_counted(void **state)
{
    (void)state;
    mr_loop_turn(it.loop); /* registers the listener */
    unsigned dropped = 0;
    for (bool is_served = false; !is_served; dropped += !is_served) {
        char octet;
        fails_at = dropped + 1;
        int fd = connect_one();
        while (connections() + mr_counter_read(&it.counters.connections_dropped) == dropped)
            turn();
        is_served = connections() > 0;
        assert_int_equal(fails_at != 0, is_served); /* in the end no call is left to fail */
        if (!is_served)
            assert_int_equal(recv(fd, &octet, 1, 0), 0);
        close(fd);
    }
    fails_at = 0;
    assert_int_equal(dropped, 2); /* the socket and the connection */
    turn_until_departed();
    int fd = connect_one();
    while (connections() == 0)
        turn();
    close(fd);
    turn_until_departed();
}

static void clients_that_leave_at_once_are_seen_to_in_portions(void **state)
{
    (void)state;
    open_clients(true);
    close_clients(0, CLIENTS);
    assert_true(turn_until_departed() >= CLIENTS / MR_DEPARTURES_PER_TURN);
    assert_int_equal(it.aborted, CLIENTS);
    assert_loop_sleeps();
}

static void clients_that_leave_later_depart_after_those_that_wait(void **state)
{
    (void)state;
    open_clients(true);
    close_clients(0, HALF);
    turn();
    assert_true(connections() >= CLIENTS - MR_DEPARTURES_PER_TURN); /* some of the first half wait */
    close_clients(HALF, CLIENTS);
    turn_until_departed();
    assert_int_equal(it.aborted, CLIENTS);
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(it.numbers[i] < HALF, i < HALF);
    assert_loop_sleeps();
}

/* All clients send no more, and every second one has left altogether. Over TCP both look the same. */
static void clients_that_have_closed_are_told_from_those_that_only_send_no_more(void **state)
{
    (void)state;
    char text[1024];
    open_clients_with("GET /job?client=", " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(i % 2 == 0 ? close(it.clients[i]) : shutdown(it.clients[i], SHUT_WR), 0);
    while (it.disconnects < HALF) {
        unsigned before = it.disconnects;
        turn();
        assert_true(it.disconnects - before <= MR_DEPARTURES_PER_TURN);
    }
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(mr_request_is_gone(it.held[i]), i % 2 == 0);
        mr_request_release(it.held[i]);
        if (i % 2 != 0)
            mr_respond(it.held[i], 200, NULL, NULL, "done", 4, NULL, NULL);
    }
    turn_until_departed();
    for (int i = 1; i < CLIENTS; i += 2) {
        ssize_t len = recv(it.clients[i], text, sizeof(text) - 1, MSG_WAITALL);
        assert_true(len > 0);
        text[len] = '\0';
        assert_int_equal(strncmp(text, "HTTP/1.1 200 OK\r\n", 17), 0);
        assert_string_equal(text + len - 8, "\r\n\r\ndone");
        close(it.clients[i]);
    }
    assert_int_equal(it.disconnects, HALF);
    while (mr_loop_wait_ms(it.loop) != -1) /* an alarm that was set rings once more */
        turn();
}

/* Its time is over in the same turn in which the response has come, but was not looked at yet. */
static void a_wait_that_has_just_ended_does_not_time_out(void **state)
{
    (void)state;
    char text[1024];
    mr_loop_turn(it.loop); /* registers the listener */
    int client = connect_one();
    assert_true(dprintf(client, "GET /job?client=0 HTTP/1.1\r\nHost: localhost\r\n\r\n") > 0);
    assert_int_equal(shutdown(client, SHUT_WR), 0);
    while (it.started == 0 || mr_loop_wait_ms(it.loop) < 0)
        turn();
    while (mr_loop_wait_ms(it.loop) > 0)
        poll(NULL, 0, 1);
    mr_respond(it.held[0], 200, NULL, NULL, "done", 4, NULL, NULL);
    mr_request_release(it.held[0]);
    turn_until_departed();
    ssize_t len = recv(client, text, sizeof(text) - 1, MSG_WAITALL);
    assert_true(len > 0);
    text[len] = '\0';
    assert_string_equal(text + len - 8, "\r\n\r\ndone");
    close(client);
}

static void ask_for_large(void)
{
    for (int i = 0; i < READERS; i++)
        assert_true(dprintf(it.clients[i], "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n") > 0);
}

/* It waits for the rest of the response, which the kernel has. */
static void receive_large(int client)
{
    static char bytes[LARGE + 1024];
    size_t got = 0, whole = sizeof(bytes);
    while (got < whole) {
        ssize_t len = recv(client, bytes + got, whole - got, 0);
        assert_true(len > 0);
        got += (size_t)len;
        const char *end = memmem(bytes, got, "\r\n\r\n", 4);
        if (end != NULL)
            whole = (size_t)(end - bytes) + 4 + LARGE;
    }
    assert_int_equal(got, whole);
}

/* Also when it is known that several are busy: each piece would cost system calls. */
static void responses_of_some_hundred_kilobytes_are_not_sent_in_pieces(void **state)
{
    (void)state;
    const struct timeval patience = {.tv_sec = 10};
    mr_loop_turn(it.loop); /* registers the listener */
    for (int i = 0; i < READERS; i++) {
        it.clients[i] = connect_one();
        assert_int_equal(setsockopt(it.clients[i], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    }
    while (connections() < READERS)
        turn();
    queued_writes = 0;
    for (unsigned times = 0; times < 2; times++) {
        ask_for_large();
        turn();
        for (int i = 0; i < READERS; i++)
            receive_large(it.clients[i]);
    }
    assert_int_equal(queued_writes, 0);
    close_clients(0, READERS);
    turn_until_departed();
}

/* What the kernel has for them. */
static size_t receive_waiting(int from, int to)
{
    static char bytes[64 * MR_KIB];
    size_t sum = 0;
    for (int i = from; i < to; i++)
        for (ssize_t len; (len = recv(it.clients[i], bytes, sizeof(bytes), MSG_DONTWAIT)) > 0;)
            sum += (size_t)len;
    return sum;
}

/* No connection was busy in the turn before, so each alone could have a large share. */
static void a_burst_of_responses_is_bounded_in_a_turn(void **state)
{
    (void)state;
    mr_loop_turn(it.loop); /* registers the listener */
    for (int i = 0; i < BURST; i++)
        it.clients[i] = connect_one();
    while (connections() < BURST)
        turn();
    turn();
    for (int i = 0; i < BURST; i++)
        assert_true(dprintf(it.clients[i], "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n") > 0);
    size_t received = 0;
    for (size_t turns = 1; received < BURST * (size_t)LARGE; turns++) {
        mr_loop_turn(it.loop);
        received += receive_waiting(0, BURST);
        assert_in_range(received, 0, turns * (MR_TURN_WRITE + BURST * MR_SHARE_MIN));
    }
    close_clients(0, BURST);
    turn_until_departed();
}

static void idle_connections_are_drained_in_portions(void **state)
{
    (void)state;
    open_clients(false);
    mr_server_drain(it.server);
    assert_int_equal(connections(), CLIENTS); /* all are new: they have a second for their first request */
    assert_true(turn_until_departed() >= CLIENTS / MR_DEPARTURES_PER_TURN);
    close_clients(0, CLIENTS);
    assert_loop_sleeps();
}

static void a_client_that_leaves_before_its_place_in_a_drain_departs_once(void **state)
{
    (void)state;
    open_clients(true);
    mr_server_drain(it.server);
    close_clients(0, CLIENTS);
    turn_until_departed();
    assert_int_equal(it.aborted, CLIENTS);
    assert_loop_sleeps();
}

static void a_cut_stops_all_at_once_and_closes_in_portions(void **state)
{
    (void)state;
    open_clients(true);
    close_clients(0, HALF);
    turn(); /* some wait */
    assert_true(mr_server_abort(it.server));
    assert_int_equal(it.aborted, CLIENTS);
    turn_until_departed();
    close_clients(HALF, CLIENTS);
    assert_loop_sleeps();
}

static void a_server_that_is_destroyed_lets_all_depart(void **state)
{
    (void)state;
    open_clients(true);
    close_clients(0, HALF);
    turn();
    close_clients(HALF, CLIENTS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(connections_are_accepted_in_portions),
        TEST(connections_for_which_no_descriptor_is_left_are_closed_and_counted),
        TEST(connections_for_which_there_is_no_memory_are_closed_and_counted),
        TEST(clients_that_leave_at_once_are_seen_to_in_portions),
        TEST(clients_that_leave_later_depart_after_those_that_wait),
        TEST(clients_that_have_closed_are_told_from_those_that_only_send_no_more),
        TEST(a_wait_that_has_just_ended_does_not_time_out),
        TEST(responses_of_some_hundred_kilobytes_are_not_sent_in_pieces),
        TEST(a_burst_of_responses_is_bounded_in_a_turn),
        TEST(idle_connections_are_drained_in_portions),
        TEST(a_client_that_leaves_before_its_place_in_a_drain_departs_once),
        TEST(a_cut_stops_all_at_once_and_closes_in_portions),
        TEST(a_server_that_is_destroyed_lets_all_depart),
    };
    return cmocka_run_group_tests_name("server", tests, NULL, NULL);
}
