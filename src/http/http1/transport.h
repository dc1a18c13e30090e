/* transport.h -- what the files of the transport share. No file outside of it includes this header.
 *
 *   server.c       the server of a loop: its life, its turns
 *   accept.c       listeners, and the connections that they report
 *   socket.c       one socket: carries out what its connection wants
 *   sendfile.c     sends parts of files to it
 *   departures.c   so many sockets end in a turn, and the others wait */
#ifndef MR_HTTP1_TRANSPORT_H
#define MR_HTTP1_TRANSPORT_H

#include "http/http1/connection.h"
#include "http/http1/server.h"
#include "loop/timer.h"

union stream_handle {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
};

struct mr_listening; /* accept.c */
struct mr_sending;   /* sendfile.c */

#define MR_SERVER_MAGIC 0x73657276u /* "serv" */
#define MR_SOCKET_MAGIC 0x736f636bu /* "sock" */

struct mr_server {
    uint32_t magic;
    struct mr_http *http; /* borrowed */
    struct mr_loop *loop; /* borrowed */
    struct mr_listening *listeners;
    unsigned accepted;          /* connections, in this turn */
    int spare;                  /* a descriptor for when none is left; -1: there is none */
    uint64_t complained_at;     /* of connections that were dropped */
    struct mr_socket *sockets;  /* all open ones */
    unsigned socket_count;      /* also those being closed */
    uint64_t turn;              /* of the loop, counted */
    unsigned busy, busy_before; /* sockets that had something to read or write in this turn, and in the last */
    size_t written;             /* in this turn */
    uv_prepare_t turn_handle;
    struct mr_socket *waiting, *last_waiting; /* to depart, in order */
    unsigned departed;                        /* in this turn */
    uint64_t departing_since;                 /* when the first of them began */
    uv_idle_t hurry;                          /* active while some wait: the next poll does not sleep */
    struct mr_timer_list timers[MR_WAIT_COUNT];
    void (*depart)(struct mr_socket *socket);
    void (*on_quiet)(void *context);
    void *quiet_context;
    char read_buffer[MR_STREAM_PUSH_MAX];
};

struct mr_socket {
    union stream_handle uv;
    uint32_t magic;
    struct mr_server *server;
    struct mr_connection *connection;
    struct mr_socket *prev, *next;
    struct mr_timer timer;
    enum mr_wait wait;  /* for which the timer runs */
    uint64_t progress;  /* of that wait, when the timer was set */
    uint64_t busy_turn; /* the last turn in which it read or wrote, and how much then */
    size_t read_bytes, written_bytes;
    struct mr_inbox_node turn_node;
    bool reading, writing, shut, closing, closed, turn_posted;
    int ended;                  /* what libuv said of the peer's end, not heard by the connection yet; 0: nothing */
    struct mr_socket *behind;   /* in the queue of those that depart */
    bool waits;                 /* in that queue */
    uint64_t departed_turn;     /* the turn in which it was let depart */
    size_t queued;              /* bytes of the write that libuv holds */
    size_t unacknowledged;      /* bytes that the peer had not taken when that was asked last */
    struct mr_sending *sending; /* owned; NULL: it was sent no file */
    uv_write_t write;
    uv_shutdown_t shutdown;
};

/* ---- departures.c ---- */

/* depart: called in its turn for each socket that waited. */
void mr_departures_open(struct mr_server *server, void (*depart)(struct mr_socket *socket));
/* The socket waits for its turn to depart. */
void mr_departures_wait(struct mr_socket *socket);
/* May it depart in this turn? False: it waits, and is seen to in a later turn. */
bool mr_departures_let(struct mr_socket *socket);

/* ---- socket.c ---- */

/* Carry out what the connection wants. The one place where a socket changes. */
void mr_socket_settle(struct mr_socket *socket);
/* Close it, now or in its turn. */
void mr_socket_close(struct mr_socket *socket);
/* The connection hears of its peer's end, or that the server drains (is_over: has drained). */
void mr_socket_tell_end(struct mr_socket *socket, bool is_over);
/* It waited to depart, and this is its turn. */
void mr_socket_depart(struct mr_socket *socket);
/* Its connection was moved by a job or handler: it is looked at in a later turn. */
void mr_socket_changed(void *socket);
void mr_socket_expire(struct mr_timer *timer);
/* Have libuv write the runs, of which it says so to the connection. */
void mr_socket_write(struct mr_socket *socket, struct iovec *runs, int count);
/* It was closed while a thread sent to it, and now is free to go. */
void mr_socket_closed_meanwhile(struct mr_socket *socket);
/* What libuv was given is written, or failed. */
void mr_socket_written(struct mr_socket *socket, int status);
/* Bytes that the peer has not taken: those that libuv holds, and those in the kernel. */
size_t mr_socket_unacknowledged(const struct mr_socket *socket);

/* ---- sendfile.c ---- */

/* Send the next bytes of its connection, if they lie in a file. socket->writing until they are sent. */
void mr_sending_begin(struct mr_socket *socket);
/* Does a thread send? It has the descriptor then. NULL: no. */
bool mr_sending_is_under_way(const struct mr_sending *sending);

/* ---- accept.c ---- */

void mr_accept_open(struct mr_server *server);
void mr_accept_close(struct mr_server *server);

#endif
