#include "bench/load/client.h"
#include "base/assert.h"

static int on_message_begin(llhttp_t *parser)
{
    const struct mr_client *client = parser->data;
    return client->answer_complete ? -1 : 0; /* more than was asked for */
}

static int on_headers_complete(llhttp_t *parser)
{
    const struct mr_client *client = parser->data;
    return client->setup->wire->is_head && parser->status_code >= 200 ? 1 : 0; /* 1: no body follows */
}

static int on_message_complete(llhttp_t *parser)
{
    struct mr_client *client = parser->data;
    if (parser->status_code < 200)
        return 0; /* an interim answer (RFC 9110, section 15.2): the final one follows */
    client->status = parser->status_code;
    client->keep_alive = llhttp_should_keep_alive(parser) != 0;
    client->answer_complete = true;
    return 0;
}

static const llhttp_settings_t parser_settings = {
    .on_message_begin = on_message_begin,
    .on_headers_complete = on_headers_complete,
    .on_message_complete = on_message_complete,
};

void mr_client_init(struct mr_client *client, struct mr_client_setup *setup)
{
    client->setup = setup;
    client->state = MR_CLIENT_CLOSED;
}

static void on_closed(uv_handle_t *handle)
{
    struct mr_client *client = handle->data;
    client->state = MR_CLIENT_CLOSED;
    client->setup->events->closed(client, client->error);
}

static void close_with(struct mr_client *client, int error)
{
    if (client->state == MR_CLIENT_CLOSED || client->state == MR_CLIENT_CLOSING)
        return;
    client->state = MR_CLIENT_CLOSING;
    client->error = error;
    uv_close(&client->handle, on_closed);
}

void mr_client_close(struct mr_client *client)
{
    close_with(client, UV_ECANCELED);
}

/* The connection is lost, and with it the answer that is still due. */
static void fail(struct mr_client *client, int error)
{
    bool is_due = client->state == MR_CLIENT_BUSY && !client->answer_complete;
    close_with(client, error);
    if (is_due)
        client->setup->events->failed(client, error);
}

/* The request is over when the answer is complete and our side was written: a server may answer before it has read all.
 */
static void finish_request(struct mr_client *client)
{
    if (client->state != MR_CLIENT_BUSY || !client->answer_complete || !client->write_done)
        return;
    if (!client->keep_alive) {
        close_with(client, UV_EOF);
        return;
    }
    client->state = MR_CLIENT_FREE;
    client->setup->events->ready(client);
}

static void tell_answer(struct mr_client *client)
{
    if (!client->answer_complete || client->answer_told)
        return;
    client->answer_told = true;
    client->answers++;
    client->setup->events->answered(client, client->status);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct mr_client *client = handle->data;
    (void)suggested;
    *out = uv_buf_init(client->setup->read_buffer, sizeof(client->setup->read_buffer));
}

static void on_end(struct mr_client *client, int error)
{
    if (error == UV_EOF && client->state == MR_CLIENT_BUSY && llhttp_finish(&client->parser) == HPE_OK)
        tell_answer(client); /* one whose end is the end of the connection */
    fail(client, error);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
    struct mr_client *client = stream->data;
    if (len == 0)
        return;
    if (len < 0) {
        on_end(client, (int)len);
        return;
    }
    client->received += (uint64_t)len;
    bool is_good = client->state == MR_CLIENT_BUSY && llhttp_execute(&client->parser, buf->base, (size_t)len) == HPE_OK;
    tell_answer(client);
    if (is_good)
        finish_request(client);
    else
        fail(client, UV_EPROTO);
}

static void on_connected(uv_connect_t *connect, int error)
{
    struct mr_client *client = connect->data;
    if (client->state != MR_CLIENT_CONNECTING)
        return;
    if (error == 0)
        error = uv_read_start(&client->stream, on_alloc, on_read);
    if (error != 0) {
        close_with(client, error);
        return;
    }
    client->state = MR_CLIENT_FREE;
    client->setup->events->ready(client);
}

void mr_client_open(struct mr_client *client)
{
    MR_ASSERT(client->state == MR_CLIENT_CLOSED);
    const struct mr_target *target = client->setup->target;
    client->state = MR_CLIENT_CONNECTING;
    client->answer_complete = client->answer_told = false;
    client->answers = 0;
    client->connect.data = client->write.data = client;
    llhttp_init(&client->parser, HTTP_RESPONSE, &parser_settings);
    client->parser.data = client;

    if (target->is_unix) {
        MR_ASSERT(uv_pipe_init(client->setup->loop, &client->pipe, 0) == 0);
        client->handle.data = client;
        uv_pipe_connect(&client->connect, &client->pipe, target->unix_path, on_connected);
        return;
    }
    MR_ASSERT(uv_tcp_init(client->setup->loop, &client->tcp) == 0);
    client->handle.data = client;
    uv_tcp_nodelay(&client->tcp, 1);
    int error = uv_tcp_connect(&client->connect, &client->tcp, (const struct sockaddr *)&target->address, on_connected);
    if (error != 0)
        close_with(client, error);
}

static void on_written(uv_write_t *write, int error)
{
    struct mr_client *client = write->data;
    if (client->state != MR_CLIENT_BUSY)
        return;
    if (error != 0) {
        fail(client, error);
        return;
    }
    client->write_done = true;
    finish_request(client);
}

/* Write what uv_try_write left of the two runs. */
static int write_rest(struct mr_client *client, uv_buf_t runs[2], size_t written)
{
    for (int i = 0; i < 2; i++) {
        size_t skip = written < runs[i].len ? written : runs[i].len;
        runs[i].base += skip;
        runs[i].len -= skip;
        written -= skip;
    }
    unsigned first = runs[0].len == 0 ? 1 : 0;
    return uv_write(&client->write, &client->stream, runs + first, 2 - first, on_written);
}

void mr_client_send(struct mr_client *client)
{
    MR_ASSERT(client->state == MR_CLIENT_FREE);
    struct mr_wire *wire = client->setup->wire;
    client->state = MR_CLIENT_BUSY;
    client->answer_complete = client->answer_told = client->write_done = false;
    client->received = 0;
    if (wire->number_at != 0)
        mr_wire_number(wire, client->setup->number++);

    uv_buf_t runs[2] = {{.base = wire->head, .len = wire->head_len}, {.base = wire->body, .len = wire->body_len}};
    int written = uv_try_write(&client->stream, runs, wire->body_len > 0 ? 2 : 1);
    if (written == UV_EAGAIN)
        written = 0;
    int error = written < 0 ? written : 0;
    if (error == 0 && wire->number_at != 0 && (size_t)written < wire->head_len)
        error = UV_ENOBUFS; /* the next request writes over it; no kernel takes a part of so little */
    else if (error == 0 && (size_t)written < wire->head_len + wire->body_len)
        error = write_rest(client, runs, (size_t)written);
    else
        client->write_done = true;
    if (error != 0)
        fail(client, error);
}
