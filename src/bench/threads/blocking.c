/* DESIGN. One step: wait for something, look at what the acceptor says, let the loop turn, give the connection what
 * came, carry out what it wants. poll() blocks; what follows takes only what is there (MSG_DONTWAIT), since poll may
 * have reported another matter. The loop does no I/O of the connection: a turn runs jobs (--offload=none) and delivers
 * what file threads have done. */
#include "bench/threads/blocking.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/macros.h"
#include "http/http1/connection.h"
#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define SEND_RUNS 16

struct peer {
    int fd;
    struct mr_http *http;             /* borrowed */
    struct mr_loop *loop;             /* borrowed */
    struct mr_connection *connection; /* owned */
    struct mr_blocking_word *word;    /* borrowed */
    enum mr_blocking_stage stage;     /* that the connection knows of */
    bool changed;                     /* by a job or handler: it wants a turn */
    bool full;                        /* the kernel takes no more output for now */
    size_t unacknowledged;            /* bytes that the client had not taken when that was asked last */
    bool readable;
    bool expired; /* the wait was over, and poll had nothing of the socket to tell */
    bool shut;
    bool was_cut;
    enum mr_wait wait;  /* for which the deadline holds */
    uint64_t progress;  /* of that wait, when the deadline was set */
    uint64_t wait_ends; /* monotonic ns; UINT64_MAX: never */
    char buffer[MR_STREAM_PUSH_MAX];
};

/* ---- the acceptor's word ---- */

int mr_blocking_word_open(struct mr_blocking_word *word)
{
    atomic_init(&word->stage, MR_BLOCKING_SERVE);
    word->reached[MR_BLOCKING_SERVE] = -1;
    word->reached[MR_BLOCKING_DRAIN] = eventfd(0, EFD_CLOEXEC);
    word->reached[MR_BLOCKING_CUT] = eventfd(0, EFD_CLOEXEC);
    if (word->reached[MR_BLOCKING_DRAIN] >= 0 && word->reached[MR_BLOCKING_CUT] >= 0)
        return MR_OK;
    mr_blocking_word_close(word);
    return MR_EIO;
}

void mr_blocking_word_close(struct mr_blocking_word *word)
{
    for (int stage = MR_BLOCKING_DRAIN; stage < MR_BLOCKING_STAGES; stage++) {
        if (word->reached[stage] >= 0)
            close(word->reached[stage]);
        word->reached[stage] = -1;
    }
}

void mr_blocking_tell(struct mr_blocking_word *word, enum mr_blocking_stage stage)
{
    const uint64_t one = 1;
    MR_ASSERT(stage == atomic_load(&word->stage) + 1);
    atomic_store(&word->stage, stage);
    ssize_t written = write(word->reached[stage], &one, sizeof(one)); /* nobody reads it: it stays readable */
    MR_ASSERT(written == sizeof(one));
}

/* A request that lies in the kernel: it came in time, and closing now would reset it. */
static bool has_unread(const struct peer *peer)
{
    char octet;
    return recv(peer->fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void drain(struct peer *peer)
{
    peer->word->on_drain(peer->word->context, peer->loop);
    if (!has_unread(peer)) /* else its answer will close it: http->draining */
        mr_connection_drain(peer->connection);
}

static void cut(struct peer *peer)
{
    mr_connection_end_idle(peer->connection); /* who is idle is not cut */
    if (mr_connection_is_finished(peer->connection))
        return;
    peer->was_cut = !mr_connection_wants_shutdown(peer->connection);
    mr_connection_reset(peer->connection);
}

static void heed_word(struct peer *peer)
{
    enum mr_blocking_stage stage = atomic_load(&peer->word->stage);
    if (stage == peer->stage)
        return;
    peer->stage = stage;
    if (stage == MR_BLOCKING_CUT)
        cut(peer);
    else
        drain(peer);
}

/* ---- the socket ---- */

static size_t count_unacknowledged(const struct peer *peer)
{
    int in_kernel = 0;
    return ioctl(peer->fd, SIOCOUTQ, &in_kernel) == 0 ? (size_t)in_kernel : 0;
}

static void send_output(struct peer *peer)
{
    struct iovec runs[SEND_RUNS];
    while (!peer->full && !mr_connection_is_finished(peer->connection)) {
        int count = mr_connection_output(peer->connection, runs, SEND_RUNS);
        if (count == 0)
            return;
        struct msghdr message = {.msg_iov = runs, .msg_iovlen = (size_t)count};
        ssize_t sent = sendmsg(peer->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0)
            mr_connection_wrote(peer->connection, (size_t)sent);
        else if (errno == EAGAIN)
            peer->full = true;
        else if (errno != EINTR)
            mr_connection_reset(peer->connection);
    }
    if (peer->full)
        peer->unacknowledged = count_unacknowledged(peer);
}

/* Does it read no more either? */
static bool is_client_gone(const struct peer *peer)
{
    struct pollfd ready = {.fd = peer->fd};
    return poll(&ready, 1, 0) > 0 && (ready.revents & (POLLHUP | POLLERR)) != 0;
}

static void receive(struct peer *peer)
{
    size_t len;
    void *space = mr_connection_space(peer->connection, &len);
    if (space == NULL) {
        space = peer->buffer;
        len = MR_MIN(len, sizeof(peer->buffer));
    }
    ssize_t received = recv(peer->fd, space, len, MSG_DONTWAIT);
    if (received > 0)
        mr_connection_input(peer->connection, space, (size_t)received);
    else if (received == 0 && !is_client_gone(peer))
        mr_connection_eof(peer->connection);
    else if (received == 0 || (errno != EAGAIN && errno != EINTR))
        mr_connection_reset(peer->connection);
}

static void shut_down(struct peer *peer)
{
    if (peer->shut || !mr_connection_wants_shutdown(peer->connection))
        return;
    peer->shut = true;
    if (shutdown(peer->fd, SHUT_WR) != 0)
        mr_connection_reset(peer->connection);
}

static void close_socket(struct peer *peer)
{
    /* An answer that was cut must not look as if it had ended well. No effect on a Unix socket. */
    if (mr_connection_is_aborted(peer->connection) && !peer->shut)
        setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
    close(peer->fd);
}

/* ---- waiting ---- */

static void set_wait(struct peer *peer)
{
    enum mr_wait wait = mr_connection_wait(peer->connection);
    uint64_t progress = mr_connection_progress(peer->connection);
    if (wait == peer->wait && progress == peer->progress)
        return;
    peer->wait = wait;
    peer->progress = progress;
    uint64_t limit_ns = mr_wait_limit_ns(&peer->http->limits, wait);
    peer->wait_ends = limit_ns != 0 ? mr_clock_now() + limit_ns : UINT64_MAX;
}

/* Has the client taken bytes since it was asked last, and enough of them? poll() reports room only when a third of the
 * kernel's buffer is free. */
static bool is_taking(struct peer *peer)
{
    if (!peer->full)
        return false;
    size_t before = peer->unacknowledged, now = count_unacknowledged(peer);
    peer->unacknowledged = now;
    return now < before && !mr_connection_is_read_too_slowly(peer->connection, 0, now);
}

static void expire(struct peer *peer)
{
    if (mr_connection_wait(peer->connection) != peer->wait ||
        mr_connection_progress(peer->connection) != peer->progress)
        return; /* what the loop did meanwhile has ended it */
    if (is_taking(peer)) {
        peer->wait_ends = mr_clock_now() + mr_wait_limit_ns(&peer->http->limits, peer->wait);
        return;
    }
    if (peer->wait == MR_WAIT_HALF_CLOSED && is_client_gone(peer)) {
        mr_connection_reset(peer->connection);
        return;
    }
    mr_connection_timeout(peer->connection);
    peer->progress = UINT64_MAX; /* the deadline is not set any more, whatever the connection says */
}

static int wait_ms(const struct peer *peer)
{
    if (peer->changed || mr_connection_wants_turn(peer->connection))
        return 0;
    int loop_ms = mr_loop_wait_ms(peer->loop);
    uint64_t now = mr_clock_now();
    if (peer->wait_ends == UINT64_MAX)
        return loop_ms;
    uint64_t left_ns = peer->wait_ends > now ? peer->wait_ends - now : 0;
    int left_ms = (int)MR_MIN((left_ns + MR_NS_PER_MS - 1) / MR_NS_PER_MS, (uint64_t)INT_MAX); /* never early */
    return loop_ms < 0 ? left_ms : MR_MIN(loop_ms, left_ms);
}

/* Sleep until there is something to do, and let the loop do what is its. */
static void wait_and_turn(struct peer *peer)
{
    short events = mr_connection_wants_read(peer->connection) ? POLLIN : 0;
    if (peer->full)
        events |= POLLOUT;
    enum mr_blocking_stage next = peer->stage + 1;
    struct pollfd fds[] = {
        {.fd = events != 0 ? peer->fd : -1, .events = events}, /* else a reset would be reported again and again */
        {.fd = mr_loop_fd(peer->loop), .events = POLLIN},
        {.fd = next < MR_BLOCKING_STAGES ? peer->word->reached[next] : -1, .events = POLLIN},
    };
    peer->expired = peer->readable = false;
    if (poll(fds, MR_ARRAY_SIZE(fds), wait_ms(peer)) < 0)
        return; /* EINTR */
    /* Now, as what the loop does next may take long: that is not the client's fault. */
    peer->expired = fds[0].revents == 0 && mr_clock_now() >= peer->wait_ends;
    peer->full = peer->full && (fds[0].revents & ~POLLIN) == 0;
    peer->readable = (events & POLLIN) != 0 && (fds[0].revents & ~POLLOUT) != 0;
    if (fds[1].revents != 0 || mr_loop_wait_ms(peer->loop) == 0)
        mr_loop_turn(peer->loop);
}

/* ---- all of it ---- */

static void on_changed(void *transport)
{
    ((struct peer *)transport)->changed = true;
}

static void settle(struct peer *peer)
{
    send_output(peer);
    shut_down(peer);
    set_wait(peer);
}

static void step(struct peer *peer)
{
    wait_and_turn(peer);
    uint64_t started = mr_loop_enter(peer->loop);
    heed_word(peer); /* before an answer that the cut has spoilt is sent */
    if (peer->changed || mr_connection_wants_turn(peer->connection)) {
        peer->changed = false;
        mr_connection_turn(peer->connection);
    }
    if (peer->readable && mr_connection_wants_read(peer->connection))
        receive(peer);
    if (peer->expired && !mr_connection_is_finished(peer->connection))
        expire(peer);
    settle(peer);
    mr_loop_leave(peer->loop, MR_LABEL_CONNECTION, started);
}

/* The stages of a stream may hear of the end before their connection does, and fail: their answer is cut all the same.
 */
static bool was_cut(const struct peer *peer)
{
    bool is_spoilt = mr_connection_is_aborted(peer->connection) && !peer->shut;
    return peer->was_cut || (is_spoilt && atomic_load(&peer->word->stage) == MR_BLOCKING_CUT);
}

/* Jobs of requests that were abandoned, and their files on file threads, come back before the loop is another
 * connection's. */
static void wait_for_rest(struct mr_loop *loop)
{
    while (!mr_loop_is_at_rest(loop)) {
        struct pollfd ready = {.fd = mr_loop_fd(loop), .events = POLLIN};
        poll(&ready, 1, mr_loop_wait_ms(loop));
        mr_loop_turn(loop);
    }
}

bool mr_blocking_serve(int fd, bool is_public, struct mr_http *http, struct mr_loop *loop,
                       struct mr_blocking_word *word)
{
    struct peer peer = {
        .fd = fd, .http = http, .loop = loop, .word = word, .progress = UINT64_MAX, .wait_ends = UINT64_MAX};
    if (mr_connection_create(&peer.connection, http, loop, on_changed, &peer) != MR_OK) {
        close(fd);
        return false;
    }
    struct mr_peer other = mr_peer_of_socket(fd);
    mr_connection_set_peer(peer.connection, &other, is_public);
    mr_loop_adopt(loop);
    mr_loop_turn(loop); /* so that mr_loop_fd() knows of all that was opened on it */
    if (mr_connection_admit(peer.connection)) {
        settle(&peer);
        while (!mr_connection_is_finished(peer.connection))
            step(&peer);
    }
    bool result = was_cut(&peer);
    mr_connection_leave(peer.connection);
    close_socket(&peer);
    mr_connection_destroy(&peer.connection);
    wait_for_rest(loop);
    mr_loop_release(loop);
    return result;
}
