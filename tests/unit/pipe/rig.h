/* rig.h -- a loop with an offload, and what stands on both sides of a stage at work: a sender that sends in parts of
 * random size, and a receiver that pauses at random and goes on later. Both note what they hear and assert what the
 * contract of streams promises them. At a chosen moment something happens from inside a callback. */
#ifndef MR_TESTS_RIG_H
#define MR_TESTS_RIG_H

#include "base/macros.h"
#include "base/stream.h"
#include "media/codec/codec.h"
#include "workers/offload.h"
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RIG_WORKERS  2u
#define RIG_KEPT_MAX 40u

/* Called back; where something may happen. */
enum moment { NEVER, AT_PUSH, AT_END, AT_ABORT, AT_CANCEL, AT_HOLD, AT_RELEASE, MOMENTS };

struct rig {
    struct mr_loop *loop;
    struct mr_offload *offload;
    struct mr_budget budget;
    uint32_t random;

    /* the sender */
    struct mr_stream in;
    const unsigned char *input; /* owned */
    size_t input_len, sent;
    size_t push_max;  /* bytes at a time */
    bool pushes_rest; /* after a pause, as far as the contract lets it */
    bool uses_space, paused, ended, aborted_in, keeps_open;
    unsigned pauses, cancels;
    struct mr_fault cancel_fault;

    /* the receiver */
    struct mr_stream *out;
    unsigned char *output; /* owned */
    size_t output_len, output_size;
    unsigned pause_percent; /* of pushes that are answered PAUSE; 100: all */
    bool wants_pause;       /* until rig_resume() */
    unsigned pushes, ends, aborts;
    struct mr_fault abort_fault;

    bool keeps;      /* takes bytes by reference, and keeps some of them for a while */
    bool keeps_long; /* as many as there is room for */
    struct rig_kept {
        const unsigned char *bytes;
        size_t len, at; /* also in the output */
        void (*release)(void *owner);
        void *owner;
    } kept[RIG_KEPT_MAX];
    unsigned kept_count;

    int held; /* hold minus release */
    unsigned holds;

    enum moment moment; /* when something happens */
    unsigned skip;      /* so many of them later */
    void (*happens)(struct rig *rig);
    bool happened;

    /* a job of somebody else's on each worker, until rig_free_workers() */
    struct rig_holder {
        struct mr_job job;
        sem_t *running, *go;
        bool is_out;
    } holders[RIG_WORKERS];
    sem_t running, go;
};

static inline uint32_t rig_random(struct rig *rig, uint32_t below)
{
    rig->random = rig->random * 1664525 + 1013904223;
    return (rig->random >> 8) % below;
}

static inline void rig_moment(struct rig *rig, enum moment moment)
{
    if (rig->happened || rig->happens == NULL || rig->moment != moment)
        return;
    if (rig->skip-- > 0)
        return;
    rig->happened = true;
    rig->happens(rig);
}

/* ---- the sender ---- */

static inline enum mr_flow rig_push(struct rig *rig, size_t max)
{
    size_t left = rig->input_len - rig->sent, part = 1 + rig_random(rig, (uint32_t)max), room = 1;
    part = MR_MIN(part, left);
    const unsigned char *at = rig->input + rig->sent;
    void *space = rig->uses_space ? mr_stream_space(&rig->in, &room) : NULL;
    if (space != NULL) {
        part = MR_MIN(part, room);
        memcpy(space, at, part);
        at = space;
    }
    rig->sent += part;
    return mr_stream_push(&rig->in, at, part);
}

/* Sends up to `max` times, until the receiver pauses. */
static inline void rig_send(struct rig *rig, unsigned max)
{
    while (max-- > 0 && rig->sent < rig->input_len && !rig->paused && mr_stream_is_open(&rig->in)) {
        if (rig_push(rig, rig->push_max) == MR_FLOW_MORE)
            continue;
        if (mr_stream_is_closed(&rig->in))
            return;
        rig->paused = true;
        rig->pauses++;
        if (rig->pushes_rest && rig->sent < rig->input_len)
            rig->paused = rig_push(rig, rig->push_max) == MR_FLOW_PAUSE;
    }
    if (rig->sent == rig->input_len && mr_stream_is_open(&rig->in) && !rig->keeps_open && !rig->in.pushing) {
        rig->ended = true;
        mr_stream_end(&rig->in);
    }
}

static inline void rig_on_in_resume(void *context)
{
    struct rig *rig = context;
    assert_false(rig->in.pushing);
    assert_false(rig->ended || rig->aborted_in || rig->cancels > 0);
    rig->paused = false;
    if (rig_random(rig, 2) == 0) /* else in a later turn */
        rig_send(rig, 2);
}

static inline void rig_on_in_cancel(void *context, const struct mr_fault *why)
{
    struct rig *rig = context;
    assert_false(rig->ended || rig->aborted_in);
    assert_int_equal(rig->cancels++, 0);
    rig->cancel_fault = *why;
    rig_moment(rig, AT_CANCEL);
}

static const struct mr_stream_sender rig_sender = {.resume = rig_on_in_resume, .cancel = rig_on_in_cancel};

static inline void rig_abort(struct rig *rig, enum mr_error error)
{
    struct mr_fault fault;
    mr_fault_set(&fault, error, NULL);
    if (!mr_stream_is_closed(&rig->in))
        rig->aborted_in = true;
    mr_stream_abort(&rig->in, &fault);
}

/* ---- the receiver ---- */

static inline enum mr_flow rig_on_push(void *context, const void *bytes, size_t len)
{
    struct rig *rig = context;
    assert_int_equal(rig->ends + rig->aborts, 0);
    assert_true(len > 0);
    assert_true(rig->output_len + len <= rig->output_size);
    memcpy(rig->output + rig->output_len, bytes, len);
    rig->output_len += len;
    rig->pushes++;
    rig->wants_pause = rig->wants_pause || rig_random(rig, 100) < rig->pause_percent;
    enum mr_flow flow = rig->wants_pause ? MR_FLOW_PAUSE : MR_FLOW_MORE;
    rig_moment(rig, AT_PUSH);
    return flow;
}

static inline void rig_on_end(void *context)
{
    struct rig *rig = context;
    assert_int_equal(rig->ends++ + rig->aborts, 0);
    rig_moment(rig, AT_END);
}

static inline void rig_on_abort(void *context, const struct mr_fault *why)
{
    struct rig *rig = context;
    assert_int_equal(rig->ends + rig->aborts++, 0);
    assert_true(why->error < 0);
    rig->abort_fault = *why;
    rig_moment(rig, AT_ABORT);
}

static const struct mr_stream_receiver rig_receiver = {.push = rig_on_push, .end = rig_on_end, .abort = rig_on_abort};

/* Give one back, which is as it was. */
static inline void rig_give_back(struct rig *rig)
{
    unsigned which = rig_random(rig, rig->kept_count);
    struct rig_kept kept = rig->kept[which];
    rig->kept[which] = rig->kept[--rig->kept_count];
    assert_memory_equal(kept.bytes, rig->output + kept.at, kept.len);
    kept.release(kept.owner);
}

static inline void rig_give_back_all(struct rig *rig)
{
    while (rig->kept_count > 0)
        rig_give_back(rig);
}

static inline enum mr_flow rig_on_push_ref(void *context, const void *bytes, size_t len, void (*release)(void *owner),
                                           void *owner)
{
    struct rig *rig = context;
    size_t at = rig->output_len;
    if (rig->kept_count == RIG_KEPT_MAX)
        rig_give_back(rig);
    rig->kept[rig->kept_count++] = (struct rig_kept){bytes, len, at, release, owner};
    enum mr_flow flow = rig_on_push(context, bytes, len);
    while (rig->kept_count > 0 && !rig->keeps_long && rig_random(rig, 2) == 0)
        rig_give_back(rig);
    return flow;
}

static const struct mr_stream_receiver rig_keeper = {
    .push = rig_on_push, .end = rig_on_end, .abort = rig_on_abort, .push_ref = rig_on_push_ref};

static inline void rig_resume(struct rig *rig)
{
    if (!rig->wants_pause)
        return;
    rig->wants_pause = false;
    mr_stream_resume(rig->out);
}

static inline void rig_hold(void *context)
{
    struct rig *rig = context;
    rig->holds++;
    rig->held++;
    rig_moment(rig, AT_HOLD);
}

static inline void rig_release(void *context)
{
    struct rig *rig = context;
    assert_true(--rig->held >= 0);
    rig_moment(rig, AT_RELEASE);
}

/* ---- turns ---- */

static inline bool rig_is_over(const struct rig *rig)
{
    return rig->ends + rig->aborts > 0;
}

static inline void rig_turn(struct rig *rig)
{
    uv_run(mr_loop_uv(rig->loop), UV_RUN_NOWAIT);
}

/* One turn of everything: some bytes are sent, jobs come back, and now and then a receiver that paused goes on. */
static inline void rig_step(struct rig *rig)
{
    rig_send(rig, 1 + rig_random(rig, 20));
    while (rig->kept_count > 0 && !rig->keeps_long && rig_random(rig, 2) == 0)
        rig_give_back(rig);
    bool waits = rig->held > 0 && !rig->wants_pause && (rig->paused || rig->sent == rig->input_len);
    uv_run(mr_loop_uv(rig->loop), waits ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    if (rig->pause_percent < 100 && rig->wants_pause && rig_random(rig, 2) == 0 && !rig_is_over(rig) && !rig->happened)
        rig_resume(rig);
}

static inline void rig_run(struct rig *rig)
{
    while (!rig_is_over(rig))
        rig_step(rig);
}

/* Until nothing moves any more: nothing is sent, received or computed. */
static inline void rig_settle(struct rig *rig)
{
    for (unsigned quiet = 0; quiet < 20;) {
        size_t before = rig->sent + rig->output_len;
        rig_send(rig, 1000);
        rig_turn(rig);
        bool is_quiet = before == rig->sent + rig->output_len && rig->held == 0;
        quiet = is_quiet ? quiet + 1 : 0;
    }
}

/* ---- life ---- */

/* Of random bytes. */
static inline void rig_input(struct rig *rig, size_t len)
{
    unsigned char *bytes = malloc(len + 1);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (unsigned char)rig_random(rig, 256);
    free((void *)(uintptr_t)rig->input);
    rig->input = bytes;
    rig->input_len = len;
}

static inline void rig_output(struct rig *rig, size_t size)
{
    rig->output_size = size;
    rig->output = malloc(size + 1);
    assert_non_null(rig->output);
}

static inline struct rig *rig_open_with(uint32_t seed, struct mr_offload_config config, uint64_t budget)
{
    config.worker_end = mr_codec_thread_end; /* what threads keep from piece to piece */
    struct rig *rig = calloc(1, sizeof(*rig));
    assert_non_null(rig);
    rig->random = seed;
    rig->push_max = 1000;
    assert_int_equal(mr_loop_create(&rig->loop, 0), MR_OK);
    config.workers = RIG_WORKERS;
    config.priority = MR_PRIORITY_EQUAL;
    config.loops = &rig->loop;
    config.loop_count = 1;
    assert_int_equal(mr_offload_create(&rig->offload, &config), MR_OK);
    mr_budget_init(&rig->budget, budget);
    return rig;
}

static inline struct rig *rig_open(uint32_t seed, enum mr_offload_kind kind)
{
    return rig_open_with(seed, (struct mr_offload_config){.kind = kind, .queue_depth = 256}, 0);
}

static inline void rig_attach(struct rig *rig, struct mr_stream *out)
{
    rig->out = out;
    mr_stream_attach_receiver(out, rig->keeps ? &rig_keeper : &rig_receiver, rig);
}

static inline void rig_attach_sender(struct rig *rig)
{
    mr_stream_attach_sender(&rig->in, &rig_sender, rig);
}

/* Jobs that are still out come back first. */
static inline void rig_drain(struct rig *rig)
{
    while (rig->held > 0)
        uv_run(mr_loop_uv(rig->loop), UV_RUN_ONCE);
}

static inline void rig_close(struct rig *rig)
{
    rig_drain(rig);
    rig_give_back_all(rig);
    mr_offload_close(rig->offload);
    mr_offload_destroy(&rig->offload);
    mr_loop_destroy(&rig->loop);
    assert_int_equal(mr_budget_used(&rig->budget), 0);
    free((void *)(uintptr_t)rig->input);
    free(rig->output);
    free(rig);
}

/* ---- workers that are busy with something else ---- */

static inline void rig_hold_work(struct mr_job *job)
{
    struct rig_holder *holder = mr_container_of(job, struct rig_holder, job);
    sem_post(holder->running);
    sem_wait(holder->go);
}

static inline void rig_hold_done(struct mr_job *job)
{
    mr_container_of(job, struct rig_holder, job)->is_out = false;
}

static inline void rig_hold_workers(struct rig *rig)
{
    sem_init(&rig->running, 0, 0);
    sem_init(&rig->go, 0, 0);
    for (unsigned i = 0; i < RIG_WORKERS; i++) {
        rig->holders[i] = (struct rig_holder){
            .job = {.work = rig_hold_work, .done = rig_hold_done, .loop = rig->loop, .lane = MR_LANE_INTERACTIVE},
            .running = &rig->running,
            .go = &rig->go,
            .is_out = true};
        assert_int_equal(mr_offload_submit(rig->offload, &rig->holders[i].job), MR_OK);
        sem_wait(&rig->running);
    }
}

static inline void rig_free_workers(struct rig *rig)
{
    for (unsigned i = 0; i < RIG_WORKERS; i++)
        sem_post(&rig->go);
    for (unsigned i = 0; i < RIG_WORKERS; i++)
        while (rig->holders[i].is_out)
            uv_run(mr_loop_uv(rig->loop), UV_RUN_ONCE);
    sem_destroy(&rig->running);
    sem_destroy(&rig->go);
}

#endif
