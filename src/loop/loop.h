/* loop.h -- one libuv loop on one thread: its completion inbox, its timers, its lag probe.
 *
 * This is the only code that wakes or closes a loop. What runs on the loop never computes and never waits: nothing
 * takes longer than a millisecond.
 *
 *                                the loop's thread   any thread   before run / after it ended
 *   create, destroy                     -                -                 yes
 *   run, adopt                     (becomes it)          -                  -
 *   post, stop                         yes              yes                yes
 *   everything else                    yes               -                 yes
 */
#ifndef MR_LOOP_LOOP_H
#define MR_LOOP_LOOP_H

#include "base/assert.h"
#include "loop/blocked.h"
#include "loop/inbox.h"
#include "loop/lag.h"
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct mr_loop;

/* index: 0 for the first loop of the process, counting up: the place of its numbers in per-loop tables. */
int mr_loop_create(struct mr_loop **out, unsigned index);
/* All handles opened on the loop by others must be closed. Waits for operations to come back, closes its own handles,
 * frees it, clears *loop. */
void mr_loop_destroy(struct mr_loop **loop);

/* Run on the calling thread until mr_loop_stop(). Returns once; a loop is not run twice. */
void mr_loop_run(struct mr_loop *loop);
/* For a thread that also waits for other things: instead of run. From adopt to release the calling thread is the
 * loop's; turn is one iteration that does not wait. Call it when poll(2) on mr_loop_fd() says "readable", and when the
 * time of mr_loop_wait_ms() is over (0: at once; -1: none), which each turn changes. As the caller waits for one matter
 * only, nobody could notice that the loop is late: there is no lag probe. A loop may be adopted again, by another
 * thread. */
void mr_loop_adopt(struct mr_loop *loop);
void mr_loop_release(struct mr_loop *loop);
void mr_loop_turn(struct mr_loop *loop);
int mr_loop_fd(struct mr_loop *loop);
int mr_loop_wait_ms(struct mr_loop *loop);
/* Ask the loop to return from run after the current iteration. */
void mr_loop_stop(struct mr_loop *loop);

/* The uv loop, for opening handles on it. */
uv_loop_t *mr_loop_uv(struct mr_loop *loop);
unsigned mr_loop_index(const struct mr_loop *loop);
/* Is the caller the loop's thread (or is the loop not running)? For MR_ON_LOOP. */
bool mr_loop_is_current(const struct mr_loop *loop);
#define MR_ON_LOOP(loop) MR_ASSERT(mr_loop_is_current(loop))

/* Hand *node to the loop: node->deliver runs there once, in a later turn, also when called from the loop itself. Wakes
 * the loop if it needs waking: with a system call, unless it is the loop's thread that posts. Lock-free. */
void mr_loop_post(struct mr_loop *loop, struct mr_inbox_node *node);

/* Cached time of the current callback, monotonic ns: good to a callback's length. */
uint64_t mr_loop_now(struct mr_loop *loop);

/* Bracket a callback that libuv makes into our code, so that what holds the loop has a name:
 *      uint64_t started = mr_loop_enter(loop);
 *      ...
 *      mr_loop_leave(loop, MR_LABEL_CONNECTION_READ, started);
 * Refreshes mr_loop_now(). Not nested. */
uint64_t mr_loop_enter(struct mr_loop *loop);
void mr_loop_leave(struct mr_loop *loop, enum mr_label label, uint64_t started);

/* Whom the bracketed callback that runs works for, from here to the next note or its end: copied, for the line that
 * says what blocked the loop. A job takes the note of the callback that submits it along. About 17 ns,
 * 130 when the id is another one. */
void mr_loop_note(struct mr_loop *loop, const struct mr_loop_note *note);
/* The note that holds now, to be noted again where the work goes on in another callback. */
const struct mr_loop_note *mr_loop_noted(const struct mr_loop *loop);
/* Iterations that are busy for longer than this are counted and logged (blocked.h). 0, as at first: none. */
void mr_loop_set_warn(struct mr_loop *loop, uint64_t ns);

/* A request came into flight / left it: arms the lag probe. */
void mr_loop_request_begin(struct mr_loop *loop);
void mr_loop_request_end(struct mr_loop *loop);
/* A request in flight waits for time alone, as an event stream does, and would not notice a late loop: for it there is
 * no lag probe, whose ticks would be all that the loop wakes up for. wake: before the request ends. */
void mr_loop_request_rest(struct mr_loop *loop);
void mr_loop_request_wake(struct mr_loop *loop);
unsigned mr_loop_requests(const struct mr_loop *loop);
/* An operation is handed to another thread, which posts it back, once, and may live longer than the loop: the loop is
 * not at rest before the operation has ended, and is not destroyed before the thread has left post. begin and end: the
 * loop's thread; post: any other. */
void mr_loop_operation_begin(struct mr_loop *loop);
void mr_loop_operation_post(struct mr_loop *loop, struct mr_inbox_node *node);
void mr_loop_operation_end(struct mr_loop *loop);
/* No request is in flight, nothing is to come back or waits to be delivered, and no handle is active but the loop's own
 * and those that were unreferenced. */
bool mr_loop_is_at_rest(struct mr_loop *loop);

/* Before it runs: keep its numbers in *stats, which is not zeroed and outlives the loop, and not in the loop. */
void mr_loop_count_in(struct mr_loop *loop, struct mr_loop_stats *stats);
/* The loop's numbers; the histograms may be read by any thread. */
struct mr_loop_stats *mr_loop_stats(struct mr_loop *loop);

#endif
