/* client.h -- one HTTP/1.1 connection to the server under test: it opens, sends one request at a time and hears the
 * answer.
 *
 *      CLOSED --open--> CONNECTING ----> FREE --send--> BUSY --answered--> FREE
 *         ^                 |             |              |
 *         +----------------CLOSING <------+--------------+   refused, closed by the peer, cut
 *
 * It keeps no time and counts nothing: its owner does, in the events. The loop's thread only. */
#ifndef MR_BENCH_CLIENT_H
#define MR_BENCH_CLIENT_H

#include "bench/load/target.h"
#include "bench/load/wire.h"
#include <llhttp.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct mr_client;

struct mr_client_events {
    void (*ready)(struct mr_client *client); /* FREE: opened, or done with the last request. May send from inside. */
    /* One of these two for each send: the whole answer came, or it will not come (a libuv error: UV_EOF the peer
     * closed, UV_EPROTO its answer is not HTTP). failed() may come from inside send. */
    void (*answered)(struct mr_client *client, int status);
    void (*failed)(struct mr_client *client, int error);
    /* CLOSED: may be opened again from inside. error: why (as above, or what connecting ended with). */
    void (*closed)(struct mr_client *client, int error);
};

/* What the clients of one stream share. Borrowed by them. */
struct mr_client_setup {
    uv_loop_t *loop;
    const struct mr_target *target; /* resolved */
    struct mr_wire *wire;
    uint64_t number; /* of the next request, where they have one */
    const struct mr_client_events *events;
    char read_buffer[64 * 1024];
};

enum mr_client_state { MR_CLIENT_CLOSED, MR_CLIENT_CONNECTING, MR_CLIENT_FREE, MR_CLIENT_BUSY, MR_CLIENT_CLOSING };

struct mr_client {
    struct mr_client_setup *setup;
    union { /* private */
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    };
    uv_connect_t connect; /* private, as all up to status */
    uv_write_t write;
    llhttp_t parser;
    int error;
    bool keep_alive, answer_complete, answer_told, write_done;
    int status;

    enum mr_client_state state; /* read-only */
    uint64_t received;          /* read-only: bytes since the last send */
    uint64_t answers;           /* read-only: on this connection */

    /* The owner's, as all below. */
    uint64_t intended_at;             /* when its request, in flight or waiting for it to open, was meant to leave */
    uint64_t opened_at, connected_at; /* connected_at 0: not yet */
    struct mr_client *next_free, *next_closed;
    bool in_free_list, has_waiting_request;
    void *owner;
};

/* CLOSED. The owner fields stay as they are. */
void mr_client_init(struct mr_client *client, struct mr_client_setup *setup);
void mr_client_open(struct mr_client *client);  /* CLOSED -> CONNECTING; ready() or closed() follows */
void mr_client_send(struct mr_client *client);  /* FREE -> BUSY */
void mr_client_close(struct mr_client *client); /* closed() follows, unless it is CLOSED already; failed() does not */

#endif
