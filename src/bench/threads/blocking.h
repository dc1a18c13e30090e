/* blocking.h -- one connection on a thread of its own, as servers without an event loop have it: the thread waits in
 * poll(2), receives, sends, and computes the connection's jobs itself. The third transport of http/http1/connection.h,
 * beside server.c and the tests' arrays.
 *
 * It waits with poll and not in recv or send, as it waits for three matters: its socket, in both directions (who sends
 * a long body and reads the answer only afterwards would wait for a server that waits for it), its loop (files are
 * read and written on file threads), and the word of the acceptor. */
#ifndef MR_BENCH_BLOCKING_H
#define MR_BENCH_BLOCKING_H

#include "http/http.h"
#include "loop/loop.h"

enum mr_blocking_stage {
    MR_BLOCKING_SERVE,
    MR_BLOCKING_DRAIN, /* close when idle, others after their answer; http->draining is set */
    MR_BLOCKING_CUT,   /* close */
    MR_BLOCKING_STAGES,
};

/* What the acceptor tells all threads, and what wakes them. */
struct mr_blocking_word {
    void (*on_drain)(void *context, struct mr_loop *loop); /* on a connection's thread, before it drains */
    void *context;
    _Atomic enum mr_blocking_stage stage; /* only goes up */
    int reached[MR_BLOCKING_STAGES];      /* eventfds: readable for good once their stage is reached; [0] is none */
};

/* MR_OK or MR_EIO; on_drain and context are the caller's to set. close: when no thread is left. */
int mr_blocking_word_open(struct mr_blocking_word *word);
void mr_blocking_word_close(struct mr_blocking_word *word);
/* Go on to `stage`, one after the other. The acceptor. */
void mr_blocking_tell(struct mr_blocking_word *word, enum mr_blocking_stage stage);

/* Serve the connected socket `fd` until it is over, then close it; returns when no request of it is alive any more. The
 * calling thread is the loop's meanwhile, and no other thread uses the loop. is_public: it came to a listener that
 * other machines can reach. True: something that was going on was cut. */
bool mr_blocking_serve(int fd, bool is_public, struct mr_http *http, struct mr_loop *loop,
                       struct mr_blocking_word *word);

#endif
