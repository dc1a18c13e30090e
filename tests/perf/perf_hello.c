/* perf_hello -- the floor that GET /healthz is measured against: the least that libuv and llhttp need to answer HTTP.
 *
 * Reads with uv_read_start, parses with llhttp (strict), answers every request, pipelined ones too, with the bytes that
 * Millrace gives for /healthz (a request id among them, which here is always the same). No routes, no limits, no
 * timeouts, no log, no counters. Says where it listens on standard error, as the server does; ends on SIGTERM. */
#include "base/assert.h"
#include "base/clock.h"
#include "base/macros.h"
#include <llhttp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define BATCH 64 /* answers written at once: what a full read of small requests asks for, more take another round */

struct connection {
    uv_tcp_t tcp;
    llhttp_t parser;
    unsigned due; /* requests parsed and not answered */
    bool close_after;
};

static char read_buffer[64 * 1024];
static char answer[512];
static size_t answer_len;
static int64_t answer_second;

static void refresh_answer(void)
{
    int64_t second = (int64_t)(mr_clock_wall() / MR_NS_PER_S);
    if (second == answer_second)
        return;
    char date[30];
    answer_second = second;
    mr_clock_http_date(date, second);
    int len = snprintf(answer, sizeof(answer),
                       "HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n"
                       "X-Request-Id: 0123456789abcdef\r\nX-Content-Type-Options: nosniff\r\n\r\nok\n",
                       date);
    MR_ASSERT(len > 0 && (size_t)len < sizeof(answer));
    answer_len = (size_t)len;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void close_connection(struct connection *connection)
{
    if (!uv_is_closing((uv_handle_t *)&connection->tcp))
        uv_close((uv_handle_t *)&connection->tcp, on_closed);
}

/* What the kernel did not take at once: a copy, since the answer changes with the second. */
struct rest {
    uv_write_t write;
    char bytes[];
};

static void on_written(uv_write_t *write, int status)
{
    if (status != 0 && status != UV_ECANCELED)
        close_connection(write->handle->data);
    free(mr_container_of(write, struct rest, write));
}

static void write_rest(struct connection *connection, unsigned count, size_t written)
{
    size_t total = count * answer_len, len = total - written;
    struct rest *rest = malloc(sizeof(*rest) + len);
    MR_ASSERT(rest != NULL);
    for (size_t i = 0; i < len; i++)
        rest->bytes[i] = answer[(written + i) % answer_len];
    uv_buf_t buf = uv_buf_init(rest->bytes, (unsigned)len);
    if (uv_write(&rest->write, (uv_stream_t *)&connection->tcp, &buf, 1, on_written) != 0) {
        free(rest);
        close_connection(connection);
    }
}

static void write_answers(struct connection *connection, unsigned count)
{
    MR_ASSERT(count > 0 && count <= BATCH);
    uv_buf_t bufs[BATCH];
    for (unsigned i = 0; i < count; i++)
        bufs[i] = uv_buf_init(answer, (unsigned)answer_len);
    int written = uv_try_write((uv_stream_t *)&connection->tcp, bufs, count);
    if (written < 0 && written != UV_EAGAIN) {
        close_connection(connection);
        return;
    }
    size_t taken = written < 0 ? 0 : (size_t)written;
    if (taken < count * answer_len)
        write_rest(connection, count, taken);
}

static int on_message_complete(llhttp_t *parser)
{
    struct connection *connection = parser->data;
    connection->due++;
    connection->close_after |= llhttp_should_keep_alive(parser) == 0;
    return 0;
}

static const llhttp_settings_t settings = {.on_message_complete = on_message_complete};

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    (void)handle;
    (void)suggested;
    *out = uv_buf_init(read_buffer, sizeof(read_buffer));
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
    struct connection *connection = stream->data;
    if (len == 0)
        return;
    if (len < 0 || llhttp_execute(&connection->parser, buf->base, (size_t)len) != HPE_OK) {
        close_connection(connection);
        return;
    }
    refresh_answer();
    while (connection->due > 0 && !uv_is_closing((uv_handle_t *)stream)) {
        unsigned count = MR_MIN(connection->due, BATCH);
        connection->due -= count;
        write_answers(connection, count);
    }
    if (connection->close_after)
        close_connection(connection);
}

static void on_connection(uv_stream_t *listener, int status)
{
    if (status != 0)
        return;
    struct connection *connection = calloc(1, sizeof(*connection));
    MR_ASSERT(connection != NULL);
    connection->tcp.data = connection;
    MR_ASSERT(uv_tcp_init(listener->loop, &connection->tcp) == 0);
    llhttp_init(&connection->parser, HTTP_REQUEST, &settings);
    connection->parser.data = connection;
    if (uv_accept(listener, (uv_stream_t *)&connection->tcp) != 0) {
        close_connection(connection);
        return;
    }
    uv_tcp_nodelay(&connection->tcp, 1);
    uv_read_start((uv_stream_t *)&connection->tcp, on_alloc, on_read);
}

int main(void)
{
    static uv_tcp_t listener;
    struct sockaddr_in address;
    int address_len = sizeof(address);
    uv_loop_t *loop = uv_default_loop();
    MR_ASSERT(uv_ip4_addr("127.0.0.1", 0, &address) == 0);
    MR_ASSERT(uv_tcp_init(loop, &listener) == 0);
    MR_ASSERT(uv_tcp_bind(&listener, (const struct sockaddr *)&address, 0) == 0);
    MR_ASSERT(uv_listen((uv_stream_t *)&listener, 1024, on_connection) == 0);
    MR_ASSERT(uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &address_len) == 0);
    fprintf(stderr, "listening on http://127.0.0.1:%u\n", ntohs(address.sin_port));
    return uv_run(loop, UV_RUN_DEFAULT);
}
