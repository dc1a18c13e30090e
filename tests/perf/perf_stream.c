/* perf_stream -- posts one large file and reads the answer meanwhile, at the least cost: the client beside which
 * servers of streams are measured. millrace-bench is for many small requests; it holds the body in memory.
 *
 *      perf_stream URL FILE [CONNECTIONS [TIMES]]       URL: http://ADDRESS:PORT/TARGET
 *
 * Each connection has a thread that sends (sendfile: nothing is copied through this process) and one that receives;
 * with TIMES, new connections follow so often. Prints {"seconds":S,"received":BYTES} once all answers are complete;
 * ends with status 1 at the first that is not, or is not 200, and says what came. */
#include "base/clock.h"
#include "base/macros.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <llhttp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64
#define READ_SIZE       (256 * MR_KIB)

static struct sockaddr_in address;
static const char *file_name;
static char head[4096];
static off_t body_len;
static unsigned long times = 1;
static atomic_ullong received; /* bytes of bodies. Relaxed: read after the threads were joined */

struct transfer {
    int socket;
    bool is_complete;
    char excerpt[256]; /* of the body, to show it if it is an error */
    size_t excerpt_len;
};

_Noreturn static void fail(const char *what, const char *why)
{
    fprintf(stderr, "perf_stream: %s: %s\n", what, why);
    exit(1);
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct transfer *transfer = parser->data;
    size_t kept = MR_MIN(len, sizeof(transfer->excerpt) - transfer->excerpt_len);
    memcpy(transfer->excerpt + transfer->excerpt_len, at, kept);
    transfer->excerpt_len += kept;
    atomic_fetch_add_explicit(&received, len, memory_order_relaxed);
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    struct transfer *transfer = parser->data;
    if (parser->status_code < 200)
        return 0;
    transfer->is_complete = true;
    if (parser->status_code != 200) {
        fprintf(stderr, "perf_stream: answered %u: %.*s\n", (unsigned)parser->status_code, (int)transfer->excerpt_len,
                transfer->excerpt);
        exit(1);
    }
    return 0;
}

static const llhttp_settings_t settings = {.on_body = on_body, .on_message_complete = on_message_complete};

/* A server may answer before it has read all: then sending fails, and the answer says why. */
static void *send_request(void *argument)
{
    const struct transfer *transfer = argument;
    int file = open(file_name, O_RDONLY);
    if (file < 0)
        fail(file_name, strerror(errno));
    ssize_t n = send(transfer->socket, head, strlen(head), MSG_MORE);
    for (off_t at = 0; n > 0 && at < body_len;)
        n = sendfile(transfer->socket, file, &at, (size_t)(body_len - at));
    close(file);
    return NULL;
}

static void receive_answer(struct transfer *transfer, char *buffer)
{
    llhttp_t parser;
    ssize_t n;

    llhttp_init(&parser, HTTP_RESPONSE, &settings);
    parser.data = transfer;
    while (!transfer->is_complete && (n = recv(transfer->socket, buffer, READ_SIZE, 0)) > 0)
        if (llhttp_execute(&parser, buffer, (size_t)n) != HPE_OK)
            fail("the answer is not HTTP", llhttp_get_error_reason(&parser));
    if (!transfer->is_complete)
        fail("the answer is not complete", n < 0 ? strerror(errno) : "the server closed");
}

static void run_once(char *buffer)
{
    struct transfer transfer = {.socket = socket(AF_INET, SOCK_STREAM, 0)};
    pthread_t sender;

    if (connect(transfer.socket, (struct sockaddr *)&address, sizeof(address)) != 0)
        fail("connect", strerror(errno));
    if (pthread_create(&sender, NULL, send_request, &transfer) != 0)
        fail("pthread_create", strerror(errno));
    receive_answer(&transfer, buffer);
    pthread_join(sender, NULL);
    close(transfer.socket);
}

static void *run(void *unused)
{
    char *buffer = malloc(READ_SIZE);
    (void)unused;
    if (buffer == NULL)
        fail("malloc", strerror(errno));
    for (unsigned long i = 0; i < times; i++)
        run_once(buffer);
    free(buffer);
    return NULL;
}

static void parse_url(const char *url)
{
    char host[64], target[2048];
    unsigned short port;
    struct stat status;

    if (sscanf(url, "http://%63[^:]:%hu%2047s", host, &port, target) != 3)
        fail(url, "must be http://ADDRESS:PORT/TARGET");
    if (stat(file_name, &status) != 0)
        fail(file_name, strerror(errno));
    body_len = status.st_size;
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        fail(host, "is not an IPv4 address");
    snprintf(head, sizeof(head), "POST %s HTTP/1.1\r\nHost: %s:%u\r\nConnection: close\r\nContent-Length: %lld\r\n\r\n",
             target, host, port, (long long)body_len);
}

int main(int argc, char **argv)
{
    pthread_t threads[CONNECTIONS_MAX];

    if (argc < 3 || argc > 5)
        fail("usage", "perf_stream URL FILE [CONNECTIONS [TIMES]]");
    file_name = argv[2];
    parse_url(argv[1]);
    unsigned long connections = argc > 3 ? strtoul(argv[3], NULL, 10) : 1;
    times = argc > 4 ? strtoul(argv[4], NULL, 10) : 1;
    connections = MR_MIN(connections, CONNECTIONS_MAX);

    signal(SIGPIPE, SIG_IGN);
    uint64_t began = mr_clock_now();
    for (unsigned long i = 0; i < connections; i++)
        if (pthread_create(&threads[i], NULL, run, NULL) != 0)
            fail("pthread_create", strerror(errno));
    for (unsigned long i = 0; i < connections; i++)
        pthread_join(threads[i], NULL);
    printf("{\"seconds\":%.6f,\"received\":%llu}\n", (double)(mr_clock_now() - began) / (double)MR_NS_PER_S,
           atomic_load_explicit(&received, memory_order_relaxed));
    return 0;
}
