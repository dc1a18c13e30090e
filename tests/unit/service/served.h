/* served.h -- a whole service on a thread of its own, and a blocking client for it. */
#ifndef MR_TESTS_SERVED_H
#define MR_TESTS_SERVED_H

#include "base/log.h"
#include "service/drain.h"
#include "service/service.h"
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct served {
    struct mr_config config;
    struct mr_data data;
    struct mr_service *service;
    pthread_t thread;
    int status;
    uint16_t port;
};

static inline const struct mr_app *app_of(const struct served *served)
{
    return mr_service_app(served->service);
}

static inline void *run_served(void *context)
{
    struct served *served = context;
    served->status = mr_service_run(served->service);
    return NULL;
}

/* For the group: libvips is set up once a process. */
static inline int set_up_images(void **state)
{
    (void)state;
    mr_log_set_level(MR_LOG_ERROR);
    return mr_image_setup();
}

static inline int tear_down_images(void **state)
{
    (void)state;
    mr_image_teardown();
    return 0;
}

/* A service that is built but neither listens nor runs; options as on the command line. */
static inline struct served *build_service(const char *const *options)
{
    char *argv[16] = {"test"}, *const environment[] = {NULL};
    int argc = 1;
    for (; options[argc - 1] != NULL; argc++)
        argv[argc] = (char *)options[argc - 1];
    struct served *served = calloc(1, sizeof(*served));
    struct mr_fault fault;
    sigset_t ends; /* for run(), which is on another thread */
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    assert_int_equal(mr_config_read(&served->config, argc, argv, environment, stderr), MR_OPTIONS_RUN);
    const struct mr_service_parts parts = {.config = &served->config, .data = &served->data};
    assert_int_equal(mr_data_open(&served->data, &served->config, false, &fault), MR_OK);
    assert_int_equal(mr_service_create(&served->service, &parts, &fault), MR_OK);
    return served;
}
#define BUILD(...) build_service((const char *const[]){__VA_ARGS__, NULL})

static inline void free_service(struct served *served)
{
    mr_service_destroy(&served->service);
    mr_data_close(&served->data);
    mr_config_free(&served->config);
    free(served);
}

static inline struct served *start_service(const char *const *options)
{
    struct served *served = build_service(options);
    struct mr_fault fault;
    assert_int_equal(mr_service_listen(served->service, 0, &fault), MR_OK);
    served->port = (uint16_t)strtol(strrchr(mr_service_listeners(served->service)->at[0].url, ':') + 1, NULL, 10);
    assert_int_equal(pthread_create(&served->thread, NULL, run_served, served), 0);
    return served;
}
#define START(...) start_service((const char *const[]){"--listen=127.0.0.1:0", __VA_ARGS__, NULL})

/* Wait for the end of run(), which somebody has asked for; its status. Nothing may be left. */
static inline int end_service(struct served *served)
{
    pthread_join(served->thread, NULL);
    int status = served->status;
    free_service(served);
    return status;
}

/* As SIGTERM comes: run() must have begun, or nobody watches for the signal yet. An answer shows that it has. */
static inline int stop_service(struct served *served)
{
    kill(getpid(), SIGTERM);
    return end_service(served);
}

static inline int connect_to(const struct served *served)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(served->port), .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval patience = {.tv_sec = 30};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

static inline void send_all(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len > 0) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);
        assert_true(sent > 0);
        at += sent;
        len -= (size_t)sent;
    }
}

static inline void send_text(int fd, const char *text)
{
    send_all(fd, text, strlen(text));
}

/* A wait with a time limit is interrupted without a signal where libuv (1.45) keeps an io_uring for a loop of this
 * thread's: the kernel then has work for it. */
static inline ssize_t receive_some(int fd, void *bytes, size_t len)
{
    ssize_t got;
    do
        got = recv(fd, bytes, len, 0);
    while (got < 0 && errno == EINTR);
    return got;
}

/* What the server says until it closes, as text; owned by the caller. */
static inline char *read_to_end(int fd, size_t *len)
{
    size_t size = 1 << 20;
    char *answer = malloc(size);
    *len = 0;
    for (ssize_t got; (got = receive_some(fd, answer + *len, size - 1 - *len)) > 0;)
        *len += (size_t)got;
    answer[*len] = '\0';
    close(fd);
    return answer;
}

/* One request whose answer closes the connection. body may be NULL. */
static inline char *ask(const struct served *served, const char *method, const char *target, const void *body,
                        size_t body_len, size_t *len)
{
    char head[300];
    snprintf(head, sizeof(head),
             "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n", method, target,
             body_len);
    int fd = connect_to(served);
    send_text(fd, head);
    send_all(fd, body, body_len);
    return read_to_end(fd, len);
}

/* Its status only. */
static inline int ask_status(const struct served *served, const char *method, const char *target, const void *body,
                             size_t body_len)
{
    size_t len;
    char *answer = ask(served, method, target, body, body_len, &len);
    int status = len > 12 ? (int)strtol(answer + 9, NULL, 10) : 0;
    free(answer);
    return status;
}

static inline int get(const struct served *served, const char *target)
{
    return ask_status(served, "GET", target, NULL, 0);
}

/* Until the condition is true; the test's own time limit ends one that never is. */
#define WAIT_FOR(condition) \
    while (!(condition))    \
    sched_yield()

#endif
