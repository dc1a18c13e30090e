/* stages.h -- a stage run over bytes, as its contract (media/stage.h) says, in whatever pieces the bytes arrive. It is
 * the smallest caller there can be, and it asserts what a stage promises: sizes, progress, statuses, faults. Every
 * buffer it hands to a stage is exactly as long as it says, so that the address sanitizer sees a step beyond.
 * A function that fails ends the test. Everything handed out is given back by stages_end_test(), the teardown of each
 * test. */
#ifndef MR_TESTS_STAGES_H
#define MR_TESTS_STAGES_H

#include "base/macros.h"
#include "media/stage.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* How the input comes. All zero: at once, the pieces worked on in order, short inputs whole where the stage can. */
struct chunking {
    size_t arrival; /* bytes that come at a time, for open() and SEQUENTIAL work(); 0: as many as fit */
    uint32_t seed;  /* not 0: a random number of bytes up to `arrival` at a time */
    bool backwards; /* PARALLEL: the last piece is worked on first */
    bool in_pieces; /* PARALLEL: short inputs, too, go piece by piece */
};

/* What came out: of a run that failed, what was passed on before. */
struct outcome {
    int err; /* fault.error */
    struct mr_fault fault;
    uint8_t *at;
    size_t len;
};

static void **stages_owned;
static size_t stages_owned_count;

static inline void *stages_own(void *memory)
{
    stages_owned = realloc(stages_owned, (stages_owned_count + 1) * sizeof(*stages_owned));
    assert_non_null(stages_owned);
    stages_owned[stages_owned_count++] = memory;
    return memory;
}

static inline int stages_end_test(void **state)
{
    (void)state;
    while (stages_owned_count > 0)
        free(stages_owned[--stages_owned_count]);
    free(stages_owned);
    stages_owned = NULL;
    return 0;
}

/* `len` bytes that do not compress, the same for the same seed. */
static inline uint8_t *random_bytes(size_t len, uint32_t seed)
{
    uint8_t *bytes = stages_own(malloc(len + 1));
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525 + 1013904223;
        bytes[i] = (uint8_t)(seed >> 24);
    }
    return bytes;
}

/* ---- one run of one stage */

struct stage_run {
    const struct mr_stage_ops *ops;
    void *stage;
    const struct chunking *chunking;
    uint32_t random;
    struct mr_stage_sizes sizes;
    const uint8_t *in;
    size_t in_len;
    size_t used;    /* bytes of `in` that are done with */
    size_t offered; /* bytes behind them that have arrived */
    struct outcome *out;
    size_t room; /* bytes that out->at holds */
};

static const struct mr_cancel stages_no_cancel;

static inline void append_out(struct stage_run *run, const struct mr_stage_piece *piece)
{
    assert_true(piece->out_len <= piece->out_size);
    if (run->out->len + piece->out_len > run->room) { /* twice as much: a sanitizer's realloc copies all of it */
        run->room = 2 * (run->out->len + piece->out_len);
        run->out->at = realloc(run->out->at, run->room);
        assert_non_null(run->out->at);
    }
    memcpy(run->out->at + run->out->len, piece->out, piece->out_len);
    run->out->len += piece->out_len;
}

static inline int note_error(struct stage_run *run, int err)
{
    if (err != MR_OK)
        assert_int_equal(run->out->fault.error, err); /* every error has its fault */
    run->out->err = err;
    return err;
}

/* Exactly `len` bytes, so that a step beyond them is seen. */
static inline unsigned char *exact_copy(const uint8_t *from, size_t len)
{
    unsigned char *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    if (len > 0)
        memcpy(copy, from, len);
    return copy;
}

static inline void free_piece(struct mr_stage_piece *piece)
{
    free((void *)(uintptr_t)piece->in);
    free((void *)(uintptr_t)piece->before);
    free(piece->out);
}

/* More bytes arrive, at most a piece lies there unread. */
static inline void let_arrive(struct stage_run *run)
{
    size_t room = MR_MAX(run->sizes.piece, (size_t)1) - run->offered, left = run->in_len - run->used - run->offered;
    size_t count = run->chunking->arrival > 0 ? run->chunking->arrival : room;
    if (run->chunking->seed != 0) {
        run->random = run->random * 1664525 + 1013904223;
        count = 1 + (run->random >> 8) % count;
    }
    if (room == 0)
        fail_msg("%s wants more input than a piece has", run->ops->name);
    run->offered += MR_MIN(MR_MIN(count, room), left);
}

/* One call of open() or of a SEQUENTIAL work() with what has arrived. */
static inline int call_once(struct stage_run *run,
                            int (*call)(void *, struct mr_stage_piece *, const struct mr_cancel *, struct mr_fault *),
                            enum mr_stage_status *status, bool *last)
{
    struct mr_stage_piece piece = {
        .in = exact_copy(run->in + run->used, run->offered),
        .in_len = run->offered,
        .last = run->used + run->offered == run->in_len,
        .out = malloc(MR_MAX(run->sizes.out_max, (size_t)1)),
        .out_size = run->sizes.out_max,
    };
    int err = note_error(run, call(run->stage, &piece, &stages_no_cancel, &run->out->fault));
    if (err == MR_OK) {
        assert_true(piece.in_used <= piece.in_len);
        append_out(run, &piece);
        run->used += piece.in_used;
        run->offered -= piece.in_used;
        if (piece.status == MR_STAGE_FULL)
            assert_true(piece.out_len > 0 || piece.in_used > 0); /* else it stays so for ever */
        if (piece.status == MR_STAGE_WANT && piece.last)
            fail_msg("%s wants more input than there is", run->ops->name);
    }
    *status = piece.status;
    *last = piece.last;
    free_piece(&piece);
    return err;
}

static inline int run_open(struct stage_run *run)
{
    enum mr_stage_status status = MR_STAGE_OPEN;
    bool last;
    if (run->ops->open == NULL)
        return MR_OK;
    do {
        let_arrive(run);
        int err = call_once(run, run->ops->open, &status, &last);
        if (err != MR_OK)
            return err;
        assert_true(status == MR_STAGE_OPEN || status == MR_STAGE_WANT);
    } while (status != MR_STAGE_OPEN);
    return MR_OK;
}

static inline int run_sequential(struct stage_run *run)
{
    enum mr_stage_status status = MR_STAGE_WANT;
    bool last = false;
    while (status != MR_STAGE_DONE || !last) {
        if (status != MR_STAGE_FULL)
            let_arrive(run);
        int err = call_once(run, run->ops->work, &status, &last);
        if (err != MR_OK)
            return err;
        assert_true(status != MR_STAGE_OPEN);
    }
    assert_int_equal(run->used, run->in_len);
    return MR_OK;
}

static inline void cut_piece(struct mr_stage_piece *out, const struct stage_run *run, size_t index, bool whole)
{
    size_t at = run->used + index * run->sizes.piece, left = run->in_len - at;
    size_t history = MR_MIN(at, run->sizes.history);
    *out = (struct mr_stage_piece){
        .index = index,
        .before = exact_copy(run->in + at - history, history),
        .before_len = history,
        .in_len = whole ? left : MR_MIN(left, run->sizes.piece),
        .whole = whole,
        .out_size = whole ? run->sizes.whole_out_max : run->sizes.out_max,
    };
    out->in = exact_copy(run->in + at, out->in_len);
    out->last = out->in_len == left;
    out->out = malloc(MR_MAX(out->out_size, (size_t)1));
    assert_non_null(out->out);
}

/* In the input's order: join and pass on, until the first that failed. */
static inline int join_pieces(struct stage_run *run, struct mr_stage_piece *pieces, const struct outcome *worked,
                              size_t count)
{
    for (size_t i = 0; i < count; i++) {
        run->out->fault = worked[i].fault;
        if (note_error(run, worked[i].err) != MR_OK)
            return worked[i].err;
        assert_int_equal(pieces[i].status, MR_STAGE_DONE);
        if (run->ops->join != NULL &&
            note_error(run, run->ops->join(run->stage, &pieces[i], &run->out->fault)) != MR_OK)
            return run->out->err;
        append_out(run, &pieces[i]);
    }
    return MR_OK;
}

static inline int run_parallel(struct stage_run *run)
{
    size_t left = run->in_len - run->used;
    bool whole = run->sizes.whole_max > 0 && left <= run->sizes.whole_max && !run->chunking->in_pieces;
    size_t count = whole || left == 0 ? 1 : (left + run->sizes.piece - 1) / run->sizes.piece;
    struct mr_stage_piece *pieces = calloc(count, sizeof(*pieces));
    struct outcome *worked = calloc(count, sizeof(*worked));
    assert_true(pieces != NULL && worked != NULL);
    for (size_t n = 0; n < count; n++) {
        size_t i = run->chunking->backwards ? count - 1 - n : n;
        cut_piece(&pieces[i], run, i, whole);
        worked[i].err = run->ops->work(run->stage, &pieces[i], &stages_no_cancel, &worked[i].fault);
    }
    int err = join_pieces(run, pieces, worked, count);
    for (size_t i = 0; i < count; i++)
        free_piece(&pieces[i]);
    free(pieces);
    free(worked);
    return err;
}

static inline int run_finish(struct stage_run *run)
{
    struct mr_stage_piece piece = {.out = malloc(MR_MAX(run->sizes.out_max, (size_t)1)),
                                   .out_size = run->sizes.out_max};
    if (run->ops->finish != NULL && note_error(run, run->ops->finish(run->stage, &piece, &run->out->fault)) == MR_OK)
        append_out(run, &piece);
    free_piece(&piece);
    return run->out->err;
}

/* Run a stage that is complete (make_stage) over all of the input; alone, without what sniff and wrap would add. The
 * stage is still the caller's to destroy. */
static inline struct outcome run_stage(const struct mr_stage_ops *ops, void *stage, const void *in, size_t in_len,
                                       struct chunking chunking)
{
    struct outcome out = {.at = malloc(1)};
    struct stage_run run = {.ops = ops,
                            .stage = stage,
                            .chunking = &chunking,
                            .random = chunking.seed,
                            .in = in != NULL ? in : "",
                            .in_len = in_len,
                            .out = &out};
    ops->sizes(stage, &run.sizes);
    assert_true(run.sizes.piece > 0 && run.sizes.history <= run.sizes.piece);
    if (run_open(&run) == MR_OK &&
        (ops->kind == MR_STAGE_PARALLEL ? run_parallel(&run) : run_sequential(&run)) == MR_OK)
        run_finish(&run);
    stages_own(out.at);
    return out;
}

/* ---- a stage from its name's table to its output */

/* Create a stage with parameters ("level=9&armor=1", not percent-coded) and check it. MR_OK and *stage, or an error. */
static inline int make_stage(void **stage, const struct mr_stage_ops *ops, const struct mr_stage_env *env,
                             const char *query, struct mr_fault *fault)
{
    int err = ops->create(stage, env, fault);
    if (err != MR_OK)
        return err;
    for (struct mr_slice rest = mr_slice_of(query); err == MR_OK && rest.at != NULL && rest.len > 0;) {
        struct mr_slice text = mr_slice_cut(&rest, '&');
        const struct mr_param_spec *spec = mr_param_find(ops->params, mr_slice_cut(&text, '='));
        struct mr_param_value value;
        assert_non_null(spec);
        err = mr_param_parse(spec, text.at != NULL ? text : MR_SLICE(""), &value, fault);
        if (err == MR_OK)
            err = ops->set(*stage, spec, &value, fault);
    }
    if (err == MR_OK && ops->check != NULL)
        err = ops->check(*stage, fault);
    if (err != MR_OK)
        ops->destroy(*stage);
    return err;
}

/* The whole way: the stage that its sniff asks for, itself, and the one that its wrap asks for. */
static inline struct outcome run_ops(const struct mr_stage_ops *ops, const struct mr_stage_env *env, const char *query,
                                     const void *in, size_t in_len, struct chunking chunking)
{
    const struct mr_stage_ops *first = ops->sniff != NULL ? ops->sniff(in, MR_MIN(in_len, (size_t)64)) : NULL;
    struct outcome out = {0};
    void *stage;
    if (first != NULL) {
        out = run_ops(first, env, "", in, in_len, chunking);
        if (out.err != MR_OK)
            return out;
        in = out.at;
        in_len = out.len;
    }
    out.err = make_stage(&stage, ops, env, query, &out.fault);
    if (out.err != MR_OK)
        return (struct outcome){.err = out.err, .fault = out.fault};
    out = run_stage(ops, stage, in, in_len, chunking);
    const struct mr_stage_ops *next = ops->wrap != NULL ? ops->wrap(stage) : NULL;
    ops->destroy(stage);
    return out.err == MR_OK && next != NULL ? run_ops(next, env, "", out.at, out.len, chunking) : out;
}

/* The same for what must succeed. */
static inline struct outcome run_well(const struct mr_stage_ops *ops, const struct mr_stage_env *env, const char *query,
                                      const void *in, size_t in_len, struct chunking chunking)
{
    struct outcome out = run_ops(ops, env, query, in, in_len, chunking);
    if (out.err != MR_OK)
        fail_msg("%s?%s: %s %s", ops->name, query, mr_error_name(out.err), out.fault.detail);
    return out;
}

#endif
