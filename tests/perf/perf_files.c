/* perf_files -- uploads and downloads of many files over connections that stay open, at the least cost: the client
 * beside which servers of files are measured. A thread with a blocking socket for each connection, closed loop: it
 * sends its next request when the last response has come.
 *
 *      perf_files URL METHOD COUNT SIZE CONNECTIONS [RATE [LIST]]
 *
 * PUT sends SIZE bytes to URL followed by a number, POST and all others to URL itself; GET asks for URL followed by the
 * lines of LIST in turn and wants SIZE bytes (0: any number). With LIST, a POST writes the last part of each Location
 * to it, a PUT the number that it sent to. RATE: requests/s of all connections together; 0: as fast as they are
 * answered.
 *
 * Large bodies cost it next to nothing: they are sent by sendfile from one MiB in memory, and what it receives of one
 * is dropped by the kernel (MSG_TRUNC). Prints JSON: seconds, its own CPU seconds, and percentiles of the time from
 * sending to the last byte. Ends with status 1 at the first response that is not the one expected (201 or 204 of an
 * upload, 200 of a GET, 404 of METHOD "DROP", which is a POST to be dropped). */
#define _GNU_SOURCE 1 /* memfd_create, strcasestr */
#include "base/clock.h"
#include "base/macros.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 256
#define COUNT_MAX       1000000
#define SMALL           (64 * MR_KIB) /* a body up to here is sent in one call with its head */
#define BLOCK           MR_MIB
#define HEAD_MAX        4096
#define NAME_MAX_LEN    64

static struct {
    struct sockaddr_in address;
    char host[80], target[1024];
    const char *method;
    bool puts, gets, drops;
    unsigned long count;
    size_t size;
    double rate;
    uint64_t began_at;
    int block; /* a file in memory of random bytes */
    char small[SMALL];
    char (*names)[NAME_MAX_LEN];
    uint64_t *latencies; /* ns */
    atomic_ulong next;   /* relaxed: it only deals out numbers */
} run;

_Noreturn static void fail(const char *what, const char *why)
{
    fprintf(stderr, "perf_files: %s: %s\n", what, why);
    exit(1);
}

static int connect_one(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&run.address, sizeof(run.address)) != 0)
        fail("connect", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

/* ---- a request ---- */

static size_t write_head(char head[HEAD_MAX], unsigned long number)
{
    char name[NAME_MAX_LEN] = "";
    if (run.puts)
        snprintf(name, sizeof(name), "%lu", number);
    else if (run.gets)
        snprintf(name, sizeof(name), "%s", run.names[number]);
    int len = snprintf(head, HEAD_MAX, "%s %s%s HTTP/1.1\r\nHost: %s\r\n", run.drops ? "POST" : run.method, run.target,
                       name, run.host);
    if (run.gets)
        len += snprintf(head + len, HEAD_MAX - (size_t)len, "\r\n");
    else
        len += snprintf(head + len, HEAD_MAX - (size_t)len,
                        "Content-Type: application/octet-stream\r\nContent-Length: %zu\r\n\r\n", run.size);
    return (size_t)len;
}

static void send_all(int fd, struct iovec *runs, int count, int flags)
{
    struct msghdr message = {.msg_iov = runs, .msg_iovlen = (size_t)count};
    while (message.msg_iovlen > 0) {
        ssize_t sent = sendmsg(fd, &message, flags);
        if (sent < 0)
            fail("send", strerror(errno));
        for (size_t left = (size_t)sent; message.msg_iovlen > 0;) {
            size_t part = MR_MIN(left, message.msg_iov->iov_len);
            message.msg_iov->iov_base = (char *)message.msg_iov->iov_base + part;
            message.msg_iov->iov_len -= part;
            left -= part;
            if (message.msg_iov->iov_len > 0)
                break;
            message.msg_iov++;
            message.msg_iovlen--;
        }
    }
}

static void send_request(int fd, unsigned long number)
{
    char head[HEAD_MAX];
    struct iovec runs[2] = {{head, write_head(head, number)}, {run.small, run.size}};
    if (run.gets || run.size <= SMALL) {
        send_all(fd, runs, run.gets || run.size == 0 ? 1 : 2, 0);
        return;
    }
    send_all(fd, runs, 1, MSG_MORE);
    for (size_t left = run.size; left > 0;) {
        off_t at = (off_t)((run.size - left) % BLOCK);
        ssize_t sent = sendfile(fd, run.block, &at, MR_MIN(left, BLOCK - (size_t)at));
        if (sent <= 0)
            fail("sendfile", strerror(errno));
        left -= (size_t)sent;
    }
}

/* ---- its response ---- */

static void keep_name(unsigned long number, const char *head)
{
    const char *location = strcasestr(head, "\r\nLocation:"), *at, *end;
    if (run.puts) {
        snprintf(run.names[number], NAME_MAX_LEN, "%lu", number);
        return;
    }
    if (location == NULL)
        fail("there is no Location", head);
    end = strstr(location + 2, "\r\n");
    for (at = end; at[-1] != '/';)
        at--;
    snprintf(run.names[number], NAME_MAX_LEN, "%.*s", (int)(end - at), at);
}

/* Returns bytes of the body that have come already. */
static size_t receive_head(int fd, char head[HEAD_MAX], unsigned long number, size_t *body, bool *closes)
{
    size_t len = 0;
    char *end = NULL;
    while (end == NULL) {
        ssize_t got = len < HEAD_MAX - 1 ? recv(fd, head + len, HEAD_MAX - 1 - len, 0) : 0;
        if (got <= 0)
            fail("there is no response", got < 0 ? strerror(errno) : "the server closed");
        len += (size_t)got;
        head[len] = '\0';
        end = strstr(head, "\r\n\r\n");
    }
    end[2] = '\0'; /* what follows is the body */
    int status = atoi(head + sizeof("HTTP/1.1"));
    const char *length = strcasestr(head, "\r\nContent-Length:");
    *body = length != NULL ? strtoul(length + sizeof("\r\nContent-Length:") - 1, NULL, 10) : 0;
    *closes = strcasestr(head, "\r\nConnection: close") != NULL;
    if (run.drops  ? status != 404
        : run.gets ? status != 200 || (run.size != 0 && *body != run.size)
                   : status != 201 && status != 204)
        fail("unexpected response", head);
    if (!run.gets && !run.drops)
        keep_name(number, head);
    return len - (size_t)(end + 4 - head);
}

/* False: the server closes the connection. */
static bool receive_response(int fd, unsigned long number)
{
    static _Thread_local char scratch[SMALL];
    char head[HEAD_MAX];
    bool closes;
    size_t body, got = receive_head(fd, head, number, &body, &closes);
    bool is_large = body > SMALL;
    while (got < body) {
        struct iovec run_of = {scratch, MR_MIN(body - got, is_large ? (size_t)MR_GIB : sizeof(scratch))};
        struct msghdr message = {.msg_iov = &run_of, .msg_iovlen = 1};
        ssize_t received = recvmsg(fd, &message, is_large ? MSG_TRUNC : 0); /* not recv(): it checks the length */
        if (received <= 0)
            fail("the response is not whole", received < 0 ? strerror(errno) : "the server closed");
        got += (size_t)received;
    }
    return !closes;
}

/* ---- the run ---- */

static void wait_for_turn(unsigned long number)
{
    if (run.rate <= 0)
        return;
    uint64_t due = run.began_at + (uint64_t)((double)number / run.rate * (double)MR_NS_PER_S);
    struct timespec at = {(time_t)(due / MR_NS_PER_S), (long)(due % MR_NS_PER_S)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static void *run_connection(void *unused)
{
    (void)unused;
    unsigned long number;
    int fd = connect_one();
    while ((number = atomic_fetch_add_explicit(&run.next, 1, memory_order_relaxed)) < run.count) {
        wait_for_turn(number);
        uint64_t began = mr_clock_now();
        send_request(fd, number);
        bool is_kept = receive_response(fd, number);
        run.latencies[number] = mr_clock_now() - began;
        if (is_kept)
            continue;
        close(fd);
        fd = connect_one();
    }
    close(fd);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void report(double seconds)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    qsort(run.latencies, run.count, sizeof(run.latencies[0]), compare);
    printf("{\"seconds\":%.6f,\"cpu\":%.6f,\"p50\":%.9f,\"p99\":%.9f}\n", seconds, cpu,
           (double)run.latencies[run.count / 2] / 1e9, (double)run.latencies[run.count * 99 / 100] / 1e9);
}

/* ---- what to do ---- */

static void parse_url(const char *url)
{
    char host[64];
    unsigned short port;
    if (sscanf(url, "http://%63[^:]:%hu%1023s", host, &port, run.target) != 3)
        fail(url, "must be http://ADDRESS:PORT/TARGET");
    run.address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, host, &run.address.sin_addr) != 1)
        fail(host, "is not an IPv4 address");
    snprintf(run.host, sizeof(run.host), "%s:%u", host, port);
}

static void read_names(const char *path)
{
    FILE *list = fopen(path, "r");
    unsigned long known = 0;
    if (list == NULL)
        fail(path, strerror(errno));
    while (known < run.count && fscanf(list, "%63s", run.names[known]) == 1)
        known++;
    fclose(list);
    if (known == 0)
        fail(path, "names no file");
    for (unsigned long i = known; i < run.count; i++)
        memcpy(run.names[i], run.names[i % known], NAME_MAX_LEN);
}

static void write_names(const char *path)
{
    FILE *list = fopen(path, "w");
    if (list == NULL)
        fail(path, strerror(errno));
    for (unsigned long i = 0; i < run.count; i++)
        fprintf(list, "%s\n", run.names[i]);
    if (fclose(list) != 0)
        fail(path, strerror(errno));
}

/* xorshift: no server compresses it, and no two blocks are alike. */
static void make_body(void)
{
    uint64_t *block = malloc(BLOCK), state = 88172645463325252u;
    run.block = memfd_create("block", MFD_CLOEXEC);
    if (block == NULL || run.block < 0)
        fail("memory", strerror(errno));
    for (size_t i = 0; i < BLOCK / sizeof(*block); i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        block[i] = state;
    }
    memcpy(run.small, block, sizeof(run.small));
    if (write(run.block, block, BLOCK) != (ssize_t)BLOCK)
        fail("memfd", strerror(errno));
    free(block);
}

int main(int argc, char **argv)
{
    pthread_t threads[CONNECTIONS_MAX];
    if (argc < 6 || argc > 8)
        fail("usage", "perf_files URL METHOD COUNT SIZE CONNECTIONS [RATE [LIST]]");
    parse_url(argv[1]);
    run.method = argv[2];
    run.puts = strcmp(run.method, "PUT") == 0;
    run.gets = strcmp(run.method, "GET") == 0;
    run.drops = strcmp(run.method, "DROP") == 0;
    run.count = MR_MIN(strtoul(argv[3], NULL, 10), COUNT_MAX);
    run.size = strtoul(argv[4], NULL, 10);
    unsigned long connections = MR_MIN(strtoul(argv[5], NULL, 10), CONNECTIONS_MAX);
    run.rate = argc > 6 ? strtod(argv[6], NULL) : 0;
    run.names = calloc(run.count, sizeof(run.names[0]));
    run.latencies = calloc(run.count, sizeof(run.latencies[0]));
    if (run.names == NULL || run.latencies == NULL || run.count == 0)
        fail("memory", strerror(errno));
    if (run.gets)
        read_names(argc > 7 ? argv[7] : "");
    make_body();
    signal(SIGPIPE, SIG_IGN);

    run.began_at = mr_clock_now();
    for (unsigned long i = 0; i < connections; i++)
        if (pthread_create(&threads[i], NULL, run_connection, NULL) != 0)
            fail("pthread_create", strerror(errno));
    for (unsigned long i = 0; i < connections; i++)
        pthread_join(threads[i], NULL);
    report((double)(mr_clock_now() - run.began_at) / (double)MR_NS_PER_S);
    if (argc > 7 && !run.gets)
        write_names(argv[7]);
    return 0;
}
