/* Runs of the generator against a server in threads of this program, one a connection, that behaves, or misbehaves, as
 * each test says. */
#include "base/clock.h"
#include "bench/load/load_run.h"
#include "bench/load/schedule.h"
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
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
    unsigned accepted, served;               /* connections: so many threads have begun, and ended */
    bool (*answer)(int fd, unsigned number); /* of the request, from 1; false: close the connection */
    atomic_uint requests;
    atomic_size_t body_bytes;
};

static struct server server;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of `served` */
static pthread_cond_t one_was_served = PTHREAD_COND_INITIALIZER;
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

struct connection {
    struct server *server;
    int fd;
};

static void *serve_connection(void *context)
{
    struct connection *connection = context;
    struct server *self = connection->server;
    int fd = connection->fd;
    free(connection);
    while (read_request(self, fd)) {
        if (!self->answer(fd, atomic_fetch_add(&self->requests, 1) + 1))
            break;
    }
    close(fd);
    pthread_mutex_lock(&lock);
    self->served++;
    pthread_cond_signal(&one_was_served);
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void *serve(void *context)
{
    struct server *self = context;
    int fd;
    while ((fd = accept(self->listener, NULL, NULL)) >= 0) {
        pthread_t thread;
        struct connection *connection = malloc(sizeof(*connection));
        *connection = (struct connection){.server = self, .fd = fd};
        if (pthread_create(&thread, NULL, serve_connection, connection) != 0)
            abort();
        pthread_detach(thread);
        self->accepted++;
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
    pthread_mutex_lock(&lock);
    while (server.served < server.accepted)
        pthread_cond_wait(&one_was_served, &lock);
    pthread_mutex_unlock(&lock);
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

static void start_server(bool (*answer)(int fd, unsigned number))
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
    mr_load_result_free(&result);
    memset(&latency, 0, sizeof(latency));
    return 0;
}

/* ---- Behaviours ---- */

#define PLAIN_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define STALL_NS     (100 * MR_NS_PER_MS)
#define STALL_AT     20u /* which request meets it */

static bool answer_well(int fd, unsigned number)
{
    (void)number;
    return write_text(fd, PLAIN_ANSWER);
}

static bool answer_one_late(int fd, unsigned number)
{
    const struct timespec stall = {.tv_nsec = STALL_NS};
    if (number == STALL_AT)
        nanosleep(&stall, NULL); /* the stall is what the test is about */
    return write_text(fd, PLAIN_ANSWER);
}

static bool answer_and_close(int fd, unsigned number)
{
    (void)number;
    write_text(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
    return false;
}

static bool answer_until_close(int fd, unsigned number)
{
    (void)number;
    write_text(fd, "HTTP/1.1 200 OK\r\n\r\nuntil the end");
    return false;
}

static bool answer_after_interim_and_chunked(int fd, unsigned number)
{
    (void)number;
    return write_text(fd, "HTTP/1.1 100 Continue\r\n\r\n") &&
           write_text(fd, "HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n");
}

static bool answer_head_only(int fd, unsigned number)
{
    (void)number;
    return write_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
}

static bool close_every_third(int fd, unsigned number)
{
    return number % 3 != 0 && write_text(fd, PLAIN_ANSWER);
}

static bool answer_nonsense(int fd, unsigned number)
{
    (void)number;
    return write_text(fd, "SSH-2.0-OpenSSH_9.2\r\n");
}

static bool answer_twice(int fd, unsigned number)
{
    (void)number;
    return write_text(fd, PLAIN_ANSWER PLAIN_ANSWER);
}

static bool answer_first_only(int fd, unsigned number)
{
    return number > 1 || write_text(fd, PLAIN_ANSWER);
}

/* ---- The generator ---- */

struct load {
    const char *method, *body_file;
    double rate;
    unsigned connections, start_ms, warmup_ms, duration_ms, grace_ms;
    enum mr_load_arrivals arrivals;
    enum mr_load_connect connect;
    int expected_status;
};

enum { STREAMS_MAX = 2, SEED = 11, SLOT_MS = 50 };

/* Run `count` loads as streams against one URL. */
static int run_streams(const char *url, const struct load *loads, unsigned count, const struct mr_load_watch *watch,
                       struct mr_load_result *results)
{
    struct mr_target target;
    struct mr_wire wires[STREAMS_MAX];
    struct mr_load_stream_config configs[STREAMS_MAX];
    assert_int_equal(mr_target_parse(&target, url, &fault), MR_OK);
    assert_int_equal(mr_target_resolve(&target, &fault), MR_OK);
    for (unsigned i = 0; i < count; i++) {
        const struct load *load = &loads[i];
        const char *method = load->method == NULL ? "GET" : load->method;
        assert_int_equal(mr_wire_build(&wires[i], &target, method, NULL, 0, load->body_file, &fault), MR_OK);
        configs[i] = (struct mr_load_stream_config){.target = &target,
                                                    .wire = &wires[i],
                                                    .rate = load->rate,
                                                    .arrivals = load->arrivals,
                                                    .seed = SEED,
                                                    .connections = load->connections,
                                                    .connect = load->connect,
                                                    .expected_status = load->expected_status,
                                                    .start = load->start_ms * MR_NS_PER_MS,
                                                    .warmup = load->warmup_ms * MR_NS_PER_MS,
                                                    .duration = load->duration_ms * MR_NS_PER_MS,
                                                    .grace = load->grace_ms * MR_NS_PER_MS,
                                                    .slot = SLOT_MS * MR_NS_PER_MS};
    }
    int error = mr_load_run(configs, count, watch, results, &fault);
    for (unsigned i = 0; i < count; i++)
        mr_wire_free(&wires[i]);
    return error;
}

static int run_against(const char *url, const struct load *load)
{
    int error = run_streams(url, load, 1, NULL, &result);
    mr_histogram_read(&result.latency, &latency);
    return error;
}

static uint64_t sum_of_errors(const struct mr_load_result *of)
{
    uint64_t sum = 0;
    for (int i = 0; i < MR_LOAD_ERROR_COUNT; i++)
        sum += of->errors[i];
    return sum;
}

static uint64_t count_of(const struct mr_histogram *histogram)
{
    struct mr_histogram_view view = {0};
    mr_histogram_read(histogram, &view);
    return view.count;
}

/* What holds for every result. */
static void assert_adds_up(const struct mr_load_result *of)
{
    uint64_t in_slots = 0, errors_in_slots = 0;
    for (unsigned i = 0; i < of->timeline.count; i++) {
        in_slots += count_of(&of->timeline.slots[i].latency);
        errors_in_slots += of->timeline.slots[i].errors;
    }
    assert_int_equal(of->requests, of->answered + of->unanswered + sum_of_errors(of));
    assert_int_equal(count_of(&of->latency), of->answered + of->unanswered);
    assert_int_equal(count_of(&of->latency_open) + count_of(&of->latency_new), of->answered);
    assert_int_equal(in_slots, of->answered + of->unanswered);
    assert_int_equal(errors_in_slots, sum_of_errors(of));
}

static void run(const struct load *load)
{
    assert_int_equal(run_against(server.url, load), MR_OK);
    stop_server(NULL);
    assert_adds_up(&result);
}

/* ---- Tests ---- */

static void every_request_of_the_schedule_is_sent_and_answered(void **state)
{
    (void)state;
    start_server(answer_well);
    run(&(struct load){.rate = 1000, .connections = 1, .duration_ms = 300, .grace_ms = 10000});
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
    run(&(struct load){.rate = 500, .connections = 1, .duration_ms = 1000, .grace_ms = 10000});
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
    run(&(struct load){.rate = 0, .connections = 1, .duration_ms = 1000, .grace_ms = 10000});
    assert_true(result.answered > STALL_AT + 20);
    assert_int_equal(result.unanswered, 0);
    assert_true(latency.max >= STALL_NS);
    uint64_t slow = latency.count - mr_histogram_count_at_or_below(&latency, STALL_NS / 2);
    assert_true(10 * slow < latency.count);
}

static void connection_that_is_closed_after_each_answer_is_reopened(void **state)
{
    (void)state;
    start_server(answer_and_close);
    run(&(struct load){.rate = 200, .connections = 1, .duration_ms = 200, .grace_ms = 10000});
    assert_int_equal(result.by_status[200], 40);
    assert_true(result.connects >= 39);
}

static void answer_may_end_with_the_connection(void **state)
{
    (void)state;
    start_server(answer_until_close);
    run(&(struct load){.rate = 200, .connections = 1, .duration_ms = 100, .grace_ms = 10000});
    assert_int_equal(result.by_status[200], 20);
}

static void interim_answers_are_passed_over(void **state)
{
    (void)state;
    start_server(answer_after_interim_and_chunked);
    run(&(struct load){.rate = 200, .connections = 1, .duration_ms = 100, .grace_ms = 10000});
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
    run(&(struct load){.rate = 300, .connections = 1, .duration_ms = 100, .grace_ms = 10000});
    assert_int_equal(result.answered, 20);
    assert_int_equal(result.errors[MR_LOAD_CLOSED], 10);
}

static void what_is_not_http_is_an_error(void **state)
{
    (void)state;
    start_server(answer_nonsense);
    run(&(struct load){.rate = 20, .connections = 1, .duration_ms = 200, .grace_ms = 10000});
    assert_int_equal(result.answered, 0);
    assert_int_equal(result.errors[MR_LOAD_PROTOCOL], 4);
    assert_true(result.connect_failures >= 4); /* a connection of no use yet is not opened anew at once */
}

static void answer_nobody_asked_for_ends_the_connection(void **state)
{
    (void)state;
    start_server(answer_twice);
    run(&(struct load){.rate = 200, .connections = 1, .duration_ms = 100, .grace_ms = 10000});
    assert_int_equal(result.answered, 20);
    assert_true(result.connects >= 19);
}

static void unanswered_requests_count_with_the_time_they_waited(void **state)
{
    (void)state;
    start_server(answer_first_only);
    run(&(struct load){.rate = 100, .connections = 1, .duration_ms = 200, .grace_ms = 100});
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
    int error = run_against(server.url, &(struct load){.rate = 100, .connections = 200});
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
    run(&(struct load){.rate = 200, .connections = 1, .duration_ms = 100, .grace_ms = 10000});
    unlink(address.sun_path);
    assert_int_equal(result.by_status[200], 20);
}

/* ---- Arrivals and time ---- */

static void poisson_requests_come_at_the_times_of_their_schedule(void **state)
{
    (void)state;
    unsigned due = 0;
    struct mr_schedule schedule = mr_schedule_poisson(0, 1000, SEED);
    for (; mr_schedule_due(&schedule) < 300 * MR_NS_PER_MS; mr_schedule_advance(&schedule))
        due++;
    start_server(answer_well);
    run(&(struct load){
        .rate = 1000, .arrivals = MR_LOAD_POISSON, .connections = 4, .duration_ms = 300, .grace_ms = 10000});
    assert_int_equal(result.requests, due);
    assert_int_equal(server.requests, due);
    assert_int_equal(count_of(&result.lateness), due);
}

static void timeline_has_the_requests_of_each_slot(void **state)
{
    (void)state;
    start_server(answer_well);
    run(&(struct load){.rate = 400, .connections = 1, .duration_ms = 200, .grace_ms = 10000});
    assert_int_equal(result.timeline.count, 200 / SLOT_MS);
    for (unsigned i = 0; i < result.timeline.count; i++)
        assert_int_equal(count_of(&result.timeline.slots[i].latency), 400 * SLOT_MS / 1000);
}

/* The second one sends from 50 ms on, and counts from 100 to 200. */
static void streams_begin_and_end_each_at_its_own_time(void **state)
{
    (void)state;
    static struct mr_load_result results[2];
    const struct load loads[] = {
        {.rate = 200, .connections = 1, .warmup_ms = 20, .duration_ms = 300, .grace_ms = 10000},
        {.rate = 500, .connections = 2, .start_ms = 100, .warmup_ms = 50, .duration_ms = 100, .grace_ms = 10000},
    };
    start_server(answer_well);
    assert_int_equal(run_streams(server.url, loads, 2, NULL, results), MR_OK);
    stop_server(NULL);
    assert_int_equal(results[0].answered, 60);
    assert_int_equal(results[1].answered, 50);
    assert_int_equal(server.requests, 60 + 4 + 50 + 25);
    assert_int_equal(results[1].began_at - results[0].began_at, 100 * MR_NS_PER_MS);
    for (int i = 0; i < 2; i++) {
        assert_adds_up(&results[i]);
        assert_true(results[i].busy > 0 && results[i].busy <= 1);
        mr_load_result_free(&results[i]);
    }
}

/* Of two streams the one that gets no answers gives up after its own grace, and the other one does not suffer. */
static void stream_without_answers_holds_up_nobody(void **state)
{
    (void)state;
    static struct mr_load_result results[2];
    const struct load loads[] = {
        {.rate = 0, .connections = 1, .duration_ms = 50, .grace_ms = 50},
        {.method = "HEAD", .rate = 100, .connections = 1, .duration_ms = 300, .grace_ms = 10000},
    };
    start_server(answer_head_only); /* a GET waits for ever for the body */
    assert_int_equal(run_streams(server.url, loads, 2, NULL, results), MR_OK);
    stop_server(NULL);
    assert_int_equal(results[0].unanswered, 1);
    assert_int_equal(results[1].answered, 30);
    for (int i = 0; i < 2; i++) {
        assert_adds_up(&results[i]);
        mr_load_result_free(&results[i]);
    }
}

struct onlooker {
    unsigned ticks;
    bool saw_open;
    struct mr_load_progress last;
};

static bool cancel_when_it_runs(void *context, const struct mr_load_progress *progress)
{
    struct onlooker *onlooker = context;
    onlooker->ticks++;
    onlooker->saw_open |= progress->is_open;
    assert_true(progress->elapsed >= onlooker->last.elapsed);
    onlooker->last = *progress;
    return progress->elapsed < 100 * MR_NS_PER_MS;
}

static void cancelled_run_gives_what_it_measured(void **state)
{
    (void)state;
    struct onlooker onlooker = {0};
    const struct mr_load_watch watch = {.tick = cancel_when_it_runs, .context = &onlooker};
    start_server(answer_well);
    const struct load minute = {.rate = 200, .connections = 2, .duration_ms = 60000, .grace_ms = 10000};
    uint64_t began = mr_clock_now();
    assert_int_equal(run_streams(server.url, &minute, 1, &watch, &result), MR_ECANCELLED);
    assert_true(mr_clock_now() - began < 30 * MR_NS_PER_S);
    stop_server(NULL);
    assert_true(onlooker.saw_open && onlooker.ticks >= 2);
    assert_int_equal(onlooker.last.total, 60 * MR_NS_PER_S);
    assert_true(result.answered > 0 && result.busy > 0);
    assert_adds_up(&result);
}

/* ---- Connections on demand ---- */

static void connection_on_demand_is_opened_once_and_kept(void **state)
{
    (void)state;
    start_server(answer_well);
    run(&(struct load){
        .rate = 200, .connections = 1, .connect = MR_LOAD_CONNECT_ON_DEMAND, .duration_ms = 200, .grace_ms = 10000});
    assert_int_equal(count_of(&result.latency_new), 1);
    assert_int_equal(count_of(&result.latency_open), 39);
    assert_int_equal(count_of(&result.connecting), 1);
    assert_int_equal(result.connects, 1);
}

static void latency_on_demand_includes_connecting(void **state)
{
    (void)state;
    struct mr_histogram_view connecting = {0};
    start_server(answer_and_close);
    run(&(struct load){
        .rate = 200, .connections = 1, .connect = MR_LOAD_CONNECT_ON_DEMAND, .duration_ms = 200, .grace_ms = 10000});
    mr_histogram_read(&result.connecting, &connecting);
    assert_int_equal(result.by_status[200], 40);
    assert_int_equal(count_of(&result.latency_new), 40);
    assert_int_equal(connecting.count, 40);
    assert_true(latency.sum > connecting.sum);
}

static void connections_on_demand_are_opened_up_to_the_limit(void **state)
{
    (void)state;
    start_server(answer_first_only); /* what is not answered keeps its connection busy */
    run(&(struct load){
        .rate = 100, .connections = 4, .connect = MR_LOAD_CONNECT_ON_DEMAND, .duration_ms = 200, .grace_ms = 100});
    assert_int_equal(result.connects, 4);
    assert_int_equal(server.accepted, 4);
    assert_int_equal(result.answered, 1);
    assert_int_equal(result.unanswered, 19);
}

static void closed_loop_opens_its_connections_on_demand(void **state)
{
    (void)state;
    start_server(answer_well);
    run(&(struct load){.connections = 3, .connect = MR_LOAD_CONNECT_ON_DEMAND, .duration_ms = 100, .grace_ms = 10000});
    assert_int_equal(count_of(&result.latency_new), 3);
    assert_int_equal(count_of(&result.connecting), 3);
    assert_true(count_of(&result.latency_open) > 0);
}

static void closed_loop_opens_one_for_each_request_where_the_server_closes(void **state)
{
    (void)state;
    start_server(answer_and_close);
    run(&(struct load){.connections = 1, .connect = MR_LOAD_CONNECT_ON_DEMAND, .duration_ms = 100, .grace_ms = 10000});
    assert_true(result.answered > 0);
    assert_int_equal(count_of(&result.latency_open), 0);
    assert_int_equal(result.connects, result.answered);
}

static void absent_server_answers_nothing_on_demand(void **state)
{
    (void)state;
    for (double rate = 0; rate <= 100; rate += 100) { /* both loops */
        start_server(answer_well);
        stop_server(NULL);
        run(&(struct load){
            .rate = rate, .connections = 2, .connect = MR_LOAD_CONNECT_ON_DEMAND, .duration_ms = 200, .grace_ms = 50});
        assert_int_equal(result.answered, 0);
        assert_int_equal(result.unanswered, rate == 0 ? 2 : 20);
        assert_in_range(result.connect_failures, 1,
                        result.connects);            /* the end may come between a try and its failure */
        assert_in_range(result.connects, 1, 2 * 10); /* it is tried every 100 ms, and not in a storm */
        reset(NULL);
    }
}

/* ---- Checked answers ---- */

static void unexpected_status_is_an_error_and_no_latency(void **state)
{
    (void)state;
    start_server(answer_after_interim_and_chunked);
    run(&(struct load){.rate = 200, .connections = 1, .expected_status = 200, .duration_ms = 100, .grace_ms = 10000});
    assert_int_equal(result.errors[MR_LOAD_STATUS], 20);
    assert_int_equal(result.by_status[503], 20);
    assert_int_equal(result.answered, 0);
    assert_int_equal(latency.count, 0);
}

static void expected_status_is_none(void **state)
{
    (void)state;
    start_server(answer_after_interim_and_chunked);
    run(&(struct load){.rate = 200, .connections = 1, .expected_status = 503, .duration_ms = 100, .grace_ms = 10000});
    assert_int_equal(sum_of_errors(&result), 0);
    assert_int_equal(result.answered, 20);
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
        test(poisson_requests_come_at_the_times_of_their_schedule),
        test(timeline_has_the_requests_of_each_slot),
        test(streams_begin_and_end_each_at_its_own_time),
        test(stream_without_answers_holds_up_nobody),
        test(cancelled_run_gives_what_it_measured),
        test(connection_on_demand_is_opened_once_and_kept),
        test(latency_on_demand_includes_connecting),
        test(connections_on_demand_are_opened_up_to_the_limit),
        test(closed_loop_opens_its_connections_on_demand),
        test(closed_loop_opens_one_for_each_request_where_the_server_closes),
        test(absent_server_answers_nothing_on_demand),
        test(unexpected_status_is_an_error_and_no_latency),
        test(expected_status_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
