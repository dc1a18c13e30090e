/* Runs of the generator against a server in a thread of this program that behaves, or misbehaves, as each test says. It
 * serves one connection at a time. */
#include "base/clock.h"
#include "bench/load_run.h"
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

struct server {
    int listener;
    char url[160];
    pthread_t thread;
    bool (*answer)(struct server *server, int fd); /* false: close the connection */
    unsigned requests;                             /* read after the join */
    size_t body_bytes;
};

static struct server server;
static struct mr_load_result result;
static struct mr_histogram_view latency;
static struct mr_fault fault;

/* ---- The server ---- */

static bool write_text(int fd, const char *text)
{
    return send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

/* Read a head, and the body it announces. False at the end of the connection. */
static bool read_request(struct server *self, int fd)
{
    char head[2048] = {0};
    size_t len = 0;
    char *end = NULL;
    while (end == NULL) {
        ssize_t got = recv(fd, head + len, sizeof(head) - 1 - len, 0);
        if (got <= 0)
            return false;
        len += (size_t)got;
        end = strstr(head, "\r\n\r\n");
    }
    const char *length = strstr(head, "Content-Length: ");
    size_t left = length == NULL ? 0 : strtoul(length + 16, NULL, 10);
    self->body_bytes += left;
    left -= len - (size_t)(end + 4 - head);
    while (left > 0) {
        char sink[4096];
        ssize_t got = recv(fd, sink, sizeof(sink) < left ? sizeof(sink) : left, 0);
        if (got <= 0)
            return false;
        left -= (size_t)got;
    }
    return true;
}

static void *serve(void *context)
{
    struct server *self = context;
    int fd;
    while ((fd = accept(self->listener, NULL, NULL)) >= 0) {
        while (read_request(self, fd)) {
            self->requests++;
            if (!self->answer(self, fd))
                break;
        }
        close(fd);
    }
    return NULL;
}

static int stop_server(void **state)
{
    (void)state;
    if (server.listener < 0)
        return 0;
    shutdown(server.listener, SHUT_RDWR); /* accept returns */
    pthread_join(server.thread, NULL);
    close(server.listener);
    server.listener = -1;
    return 0;
}

static void bind_listener(const void *address, socklen_t len)
{
    server.listener = socket(((const struct sockaddr *)address)->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(server.listener >= 0);
    assert_int_equal(bind(server.listener, address, len), 0);
    assert_int_equal(listen(server.listener, 64), 0);
}

static void start_server(bool (*answer)(struct server *self, int fd))
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    bind_listener(&address, len);
    assert_int_equal(getsockname(server.listener, (struct sockaddr *)&address, &len), 0);
    snprintf(server.url, sizeof(server.url), "http://127.0.0.1:%u/", ntohs(address.sin_port));
    server.answer = answer;
    assert_int_equal(pthread_create(&server.thread, NULL, serve, &server), 0);
}

static int reset(void **state)
{
    (void)state;
    memset(&server, 0, sizeof(server));
    server.listener = -1;
    memset(&result, 0, sizeof(result));
    memset(&latency, 0, sizeof(latency));
    return 0;
}

/* ---- Behaviours ---- */

#define PLAIN_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define STALL_NS     (100 * MR_NS_PER_MS)
#define STALL_AT     20u /* which request meets it */

static bool answer_well(struct server *self, int fd)
{
    (void)self;
    return write_text(fd, PLAIN_ANSWER);
}

static bool answer_one_late(struct server *self, int fd)
{
    const struct timespec stall = {.tv_nsec = STALL_NS};
    if (self->requests == STALL_AT)
        nanosleep(&stall, NULL); /* the stall is what the test is about */
    return write_text(fd, PLAIN_ANSWER);
}

static bool answer_and_close(struct server *self, int fd)
{
    (void)self;
    write_text(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
    return false;
}

static bool answer_until_close(struct server *self, int fd)
{
    (void)self;
    write_text(fd, "HTTP/1.1 200 OK\r\n\r\nuntil the end");
    return false;
}

static bool answer_after_interim_and_chunked(struct server *self, int fd)
{
    (void)self;
    return write_text(fd, "HTTP/1.1 100 Continue\r\n\r\n") &&
           write_text(fd, "HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n");
}

static bool answer_head_only(struct server *self, int fd)
{
    (void)self;
    return write_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
}

static bool close_every_third(struct server *self, int fd)
{
    return self->requests % 3 != 0 && write_text(fd, PLAIN_ANSWER);
}

static bool answer_nonsense(struct server *self, int fd)
{
    (void)self;
    return write_text(fd, "SSH-2.0-OpenSSH_9.2\r\n");
}

static bool answer_twice(struct server *self, int fd)
{
    (void)self;
    return write_text(fd, PLAIN_ANSWER PLAIN_ANSWER);
}

static bool answer_first_only(struct server *self, int fd)
{
    return self->requests > 1 || write_text(fd, PLAIN_ANSWER);
}

/* ---- The generator ---- */

struct load {
    const char *method, *body_file;
    double rate;
    unsigned connections, duration_ms, grace_ms;
};

static int run_against(const char *url, const struct load *load)
{
    struct mr_target target;
    struct mr_wire wire;
    assert_int_equal(mr_target_parse(&target, url, &fault), MR_OK);
    assert_int_equal(mr_target_resolve(&target, &fault), MR_OK);
    assert_int_equal(mr_wire_build(&wire, &target, load->method, NULL, 0, load->body_file, &fault), MR_OK);
    const struct mr_load_stream_config stream = {
        .target = &target, .wire = &wire, .rate = load->rate, .connections = load->connections};
    const struct mr_load_times times = {.duration = load->duration_ms * MR_NS_PER_MS,
                                        .grace = load->grace_ms * MR_NS_PER_MS};
    int error = mr_load_run(&stream, 1, &times, NULL, &result, &fault);
    mr_wire_free(&wire);
    mr_histogram_read(&result.latency, &latency);
    return error;
}

static void run(const struct load *load)
{
    assert_int_equal(run_against(server.url, load), MR_OK);
    stop_server(NULL);
    uint64_t errors = result.errors[MR_LOAD_CLOSED] + result.errors[MR_LOAD_PROTOCOL] + result.errors[MR_LOAD_OTHER];
    assert_int_equal(result.requests, result.answered + result.unanswered + errors);
    assert_int_equal(latency.count, result.answered + result.unanswered);
}

/* ---- Tests ---- */

static void every_request_of_the_schedule_is_sent_and_answered(void **state)
{
    (void)state;
    start_server(answer_well);
    run(&(struct load){.method = "GET", .rate = 1000, .connections = 1, .duration_ms = 300, .grace_ms = 10000});
    assert_int_equal(result.requests, 300);
    assert_int_equal(result.by_status[200], 300);
    assert_int_equal(server.requests, 300);
    assert_int_equal(result.bytes_received, 300 * (sizeof(PLAIN_ANSWER) - 1));
    assert_true(result.busy > 0 && result.busy <= 1);
}

/* 500 requests/s for a second; the server stands still for 100 ms once. The 50 requests that were meant to leave
 * meanwhile waited 100, 98, 96 ... ms: a tenth of all requests, 2.5 s together. Noise can only add. */
static void stall_shows_in_the_percentiles_as_it_must(void **state)
{
    (void)state;
    start_server(answer_one_late);
    run(&(struct load){.method = "GET", .rate = 500, .connections = 1, .duration_ms = 1000, .grace_ms = 10000});
    assert_int_equal(result.answered, 500);
    assert_true(latency.max >= STALL_NS);
    assert_true(latency.sum >= 2450 * MR_NS_PER_MS);
    assert_true(mr_histogram_percentile(&latency, 98) >= 78 * MR_NS_PER_MS);
    assert_true(mr_histogram_percentile(&latency, 95) >= 48 * MR_NS_PER_MS);
    assert_true(mr_histogram_percentile(&latency, 10) < mr_histogram_percentile(&latency, 98));
}

/* What an open loop is for: a closed one sends nothing during the stall and sees one slow answer among thousands. */
static void closed_loop_sees_a_stall_once(void **state)
{
    (void)state;
    start_server(answer_one_late);
    run(&(struct load){.method = "GET", .rate = 0, .connections = 1, .duration_ms = 1000, .grace_ms = 10000});
    assert_true(result.answered > STALL_AT + 20);
    assert_int_equal(result.unanswered, 0);
    assert_true(latency.max >= STALL_NS);
    assert_true(mr_histogram_percentile(&latency, 50) < STALL_NS / 2);
}

static void connection_that_is_closed_after_each_answer_is_reopened(void **state)
{
    (void)state;
    start_server(answer_and_close);
    run(&(struct load){.method = "GET", .rate = 200, .connections = 1, .duration_ms = 200, .grace_ms = 10000});
    assert_int_equal(result.by_status[200], 40);
    assert_true(result.reconnects >= 39);
}

static void answer_may_end_with_the_connection(void **state)
{
    (void)state;
    start_server(answer_until_close);
    run(&(struct load){.method = "GET", .rate = 200, .connections = 1, .duration_ms = 100, .grace_ms = 10000});
    assert_int_equal(result.by_status[200], 20);
}

static void interim_answers_are_passed_over(void **state)
{
    (void)state;
    start_server(answer_after_interim_and_chunked);
    run(&(struct load){.method = "GET", .rate = 200, .connections = 1, .duration_ms = 100, .grace_ms = 10000});
    assert_int_equal(result.by_status[503], 20);
    assert_int_equal(result.by_status[100], 0);
}

static void answer_to_head_has_no_body(void **state)
{
    (void)state;
    start_server(answer_head_only);
    run(&(struct load){.method = "HEAD", .rate = 200, .connections = 1, .duration_ms = 100, .grace_ms = 10000});
    assert_int_equal(result.by_status[200], 20);
}

static void bodies_arrive_whole(void **state)
{
    (void)state;
    char path[] = "/tmp/millrace-test-load-XXXXXX";
    int fd = mkstemp(path);
    const size_t size = 3 << 20; /* more than a socket's buffer: the write takes several turns */
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    close(fd);
    start_server(answer_well);
    run(&(struct load){
        .method = "POST", .body_file = path, .rate = 50, .connections = 1, .duration_ms = 200, .grace_ms = 10000});
    unlink(path);
    assert_int_equal(result.by_status[200], 10);
    assert_int_equal(server.body_bytes, 10 * size);
}

static void connection_closed_instead_of_an_answer_is_an_error(void **state)
{
    (void)state;
    start_server(close_every_third);
    run(&(struct load){.method = "GET", .rate = 300, .connections = 1, .duration_ms = 100, .grace_ms = 10000});
    assert_int_equal(result.answered, 20);
    assert_int_equal(result.errors[MR_LOAD_CLOSED], 10);
}

static void what_is_not_http_is_an_error(void **state)
{
    (void)state;
    start_server(answer_nonsense);
    run(&(struct load){.method = "GET", .rate = 20, .connections = 1, .duration_ms = 200, .grace_ms = 10000});
    assert_int_equal(result.answered, 0);
    assert_int_equal(result.errors[MR_LOAD_PROTOCOL], 4);
    assert_true(result.reconnect_failures >= 4); /* a connection of no use yet is not opened anew at once */
}

static void answer_nobody_asked_for_ends_the_connection(void **state)
{
    (void)state;
    start_server(answer_twice);
    run(&(struct load){.method = "GET", .rate = 200, .connections = 1, .duration_ms = 100, .grace_ms = 10000});
    assert_int_equal(result.answered, 20);
    assert_true(result.reconnects >= 19);
}

static void unanswered_requests_count_with_the_time_they_waited(void **state)
{
    (void)state;
    start_server(answer_first_only);
    run(&(struct load){.method = "GET", .rate = 100, .connections = 1, .duration_ms = 200, .grace_ms = 100});
    assert_int_equal(result.answered, 1);
    assert_int_equal(result.unanswered, 19); /* one in flight, the others in line */
    assert_true(result.queued >= 18);
    assert_true(latency.max >= 290 * MR_NS_PER_MS);
    assert_true(mr_histogram_percentile(&latency, 50) >= 190 * MR_NS_PER_MS);
}

static void absent_server_is_told(void **state)
{
    (void)state;
    start_server(answer_well);
    stop_server(NULL);
    int error = run_against(server.url, &(struct load){.method = "GET", .rate = 100, .connections = 200});
    assert_int_equal(error, MR_EIO);
    assert_non_null(strstr(fault.detail, "connection refused"));
}

static void unix_sockets_are_served_too(void **state)
{
    (void)state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/millrace-test-load-%d.sock", (int)getpid());
    bind_listener(&address, sizeof(address));
    snprintf(server.url, sizeof(server.url), "unix:%s:/healthz", address.sun_path);
    server.answer = answer_well;
    assert_int_equal(pthread_create(&server.thread, NULL, serve, &server), 0);
    run(&(struct load){.method = "GET", .rate = 200, .connections = 1, .duration_ms = 100, .grace_ms = 10000});
    unlink(address.sun_path);
    assert_int_equal(result.by_status[200], 20);
}

#define test(name) cmocka_unit_test_setup_teardown(name, reset, stop_server)

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        test(every_request_of_the_schedule_is_sent_and_answered),
        test(stall_shows_in_the_percentiles_as_it_must),
        test(closed_loop_sees_a_stall_once),
        test(connection_that_is_closed_after_each_answer_is_reopened),
        test(answer_may_end_with_the_connection),
        test(interim_answers_are_passed_over),
        test(answer_to_head_has_no_body),
        test(bodies_arrive_whole),
        test(connection_closed_instead_of_an_answer_is_an_error),
        test(what_is_not_http_is_an_error),
        test(answer_nobody_asked_for_ends_the_connection),
        test(unanswered_requests_count_with_the_time_they_waited),
        test(absent_server_is_told),
        test(unix_sockets_are_served_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
