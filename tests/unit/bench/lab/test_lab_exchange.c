/* One request and its whole response, of servers that close their connection and of those that do not. */
#include "base/assert.h"
#include "base/macros.h"
#include "bench/lab/lab_exchange.h"
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* Sends the same to each client that connects, and then closes, or leaves that to the client. */
struct canned {
    const char *response;
    bool closes;
    int listener;
    char request[1024], url[64];
    pthread_t thread;
};

static void *serve_canned(void *argument)
{
    struct canned *canned = argument;
    char rest[64];
    int fd = accept(canned->listener, NULL, NULL);
    MR_ASSERT(fd >= 0);
    for (size_t len = 0; strstr(canned->request, "\r\n\r\nbody") == NULL;) {
        ssize_t got = recv(fd, canned->request + len, sizeof(canned->request) - len - 1, 0);
        MR_ASSERT(got > 0);
        len += (size_t)got;
    }
    size_t len = strlen(canned->response);
    MR_ASSERT(send(fd, canned->response, len, MSG_NOSIGNAL) == (ssize_t)len);
    while (!canned->closes && recv(fd, rest, sizeof(rest), 0) > 0)
        continue;
    close(fd);
    return NULL;
}

static void start_canned(struct canned *canned)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    canned->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(canned->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(canned->listener, 1), 0);
    assert_int_equal(getsockname(canned->listener, (struct sockaddr *)&address, &len), 0);
    snprintf(canned->url, sizeof(canned->url), "http://127.0.0.1:%d/work?w=3", ntohs(address.sin_port));
    assert_int_equal(pthread_create(&canned->thread, NULL, serve_canned, canned), 0);
}

static int exchange(struct canned *canned, struct mr_lab_answer *answer, struct mr_fault *fault)
{
    struct mr_target target;
    start_canned(canned);
    assert_int_equal(mr_target_parse(&target, canned->url, fault), MR_OK);
    assert_int_equal(mr_target_resolve(&target, fault), MR_OK);
    int err = mr_lab_exchange(&target, "POST", "/work?w=3", mr_slice_of("body"), answer, fault);
    pthread_join(canned->thread, NULL);
    close(canned->listener);
    return err;
}

static void responses_end_where_they_say(void **state)
{
    (void)state;
    static const struct {
        const char *response, *body;
        int status;
        bool closes;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", 200, false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "hello", 200, false},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "", 404, false},
        {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", "hello", 200, true},
        {"HTTP/1.0 200 OK\r\n\r\nhello", "hello", 200, true},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
        struct canned canned = {.response = cases[i].response, .closes = cases[i].closes};
        struct mr_lab_answer answer;
        struct mr_fault fault;
        assert_int_equal(exchange(&canned, &answer, &fault), MR_OK);
        assert_int_equal(answer.status, cases[i].status);
        assert_int_equal(answer.body.len, strlen(cases[i].body));
        assert_string_equal(answer.body.at, cases[i].body);
        free(answer.bytes);
        assert_non_null(strstr(canned.request, "POST /work?w=3 HTTP/1.1\r\n"));
        assert_non_null(strstr(canned.request, "\r\nConnection: close\r\nContent-Length: 4\r\n\r\n"));
    }
}

static void what_is_no_whole_response_is_an_error(void **state)
{
    (void)state;
    static const struct {
        const char *response, *why;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello", "the connection ended before the response"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
         "the connection ended before the response"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "the response is not HTTP/1, or too long"},
        {"SSH-2.0-OpenSSH_9.2\r\n\r\n", "the response is not HTTP/1, or too long"},
        {"", "the connection ended before the response"},
    };
    for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
        struct canned canned = {.response = cases[i].response, .closes = true};
        struct mr_lab_answer answer;
        struct mr_fault fault;
        assert_int_equal(exchange(&canned, &answer, &fault), MR_EIO);
        assert_string_equal(fault.detail, cases[i].why);
        assert_null(answer.bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(responses_end_where_they_say),
        cmocka_unit_test(what_is_no_whole_response_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
