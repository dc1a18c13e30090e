/* codecs.h -- a whole input through one stage, as the runner of stages does it (stage.h), but with cuts and an order
 * that come from a seed; and inputs to send through. Input and output of each call lie in blocks of exactly their size,
 * so that AddressSanitizer sees a byte too far. What breaks the contract stops the program. Fuzz targets use it as
 * well: nothing here needs cmocka. */
#ifndef MR_TESTS_CODECS_H
#define MR_TESTS_CODECS_H

#include "base/assert.h"
#include "base/macros.h"
#include "media/codec/codec.h"
#include "media/codec/expansion.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct bytes {
    unsigned char *at;
    size_t len, room;
};

static inline void bytes_append(struct bytes *bytes, const void *more, size_t len)
{
    if (bytes->room - bytes->len < len) {
        bytes->room = 2 * bytes->room + len;
        bytes->at = realloc(bytes->at, bytes->room);
        MR_ASSERT(bytes->at != NULL);
    }
    if (len > 0)
        memcpy(bytes->at + bytes->len, more, len);
    bytes->len += len;
}

static inline uint32_t random_next(uint32_t *state) /* xorshift32 */
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static inline uint32_t random_below(uint32_t *state, uint32_t bound)
{
    return random_next(state) % bound;
}

/* ---- inputs; the result is the caller's to free */

static inline struct bytes make_zeros(size_t len)
{
    struct bytes out = {.at = calloc(1, len + 1), .len = len, .room = len};
    MR_ASSERT(out.at != NULL);
    return out;
}

static inline struct bytes make_noise(size_t len)
{
    struct bytes out = make_zeros(len);
    uint32_t state = 12345;
    for (size_t i = 0; i < len; i++)
        out.at[i] = (unsigned char)(random_next(&state) >> 11);
    return out;
}

/* Lines of words, some of them much more frequent than others. */
static inline struct bytes make_text(size_t len)
{
    struct bytes out = make_zeros(len);
    uint32_t state = 777;
    for (size_t i = 0; i < len;) {
        uint32_t word = random_below(&state, 1 + random_below(&state, 3000)) + 1;
        for (uint32_t letters = word * 2654435761U; i < len && letters > 1000; letters /= 27)
            out.at[i++] = (unsigned char)('a' + letters % 26);
        if (i < len)
            out.at[i++] = random_below(&state, 12) == 0 ? '\n' : ' ';
    }
    return out;
}

/* ---- runs */

struct run {
    const char *level;       /* NULL: the default */
    struct mr_stage_env env; /* zeros: no bounds */
    uint32_t seed;           /* of the cuts; 0: pieces as large as they may be, in order */
    bool never_whole;        /* a short input comes in pieces as well */
    size_t threads;          /* PARALLEL: that work at once, up to HANDS_MAX; 0: the caller alone */
    size_t out_room;         /* SEQUENTIAL: 0: as much as the stage wants */

    struct bytes out;
    struct mr_fault fault;
    uint32_t random; /* private, as the next */
    unsigned idle;   /* calls in a row that a SEQUENTIAL stage looked ahead in */
};

enum { HANDS_MAX = 4, IDLE_MAX = 300 };

static inline void run_end(struct run *run)
{
    free(run->out.at);
    run->out = (struct bytes){0};
}

static inline unsigned char *copy_of(const void *at, size_t len)
{
    unsigned char *copy = malloc(len);
    MR_ASSERT(copy != NULL);
    if (len > 0)
        memcpy(copy, at, len);
    return copy;
}

static inline size_t next_cut(struct run *run, size_t piece)
{
    if (run->seed == 0)
        return piece;
    static const uint32_t most[] = {1, 2, 30, 5000, 131072, 400000};
    return 1 + random_below(&run->random, most[random_below(&run->random, MR_ARRAY_SIZE(most))]);
}

static inline int run_call(struct run *run, const struct mr_stage_ops *ops, void *stage, struct mr_stage_piece *piece)
{
    struct mr_cancel cancel = {0};
    piece->out_len = piece->in_used = SIZE_MAX;
    piece->status = MR_STAGE_OPEN;
    int err = ops->work(stage, piece, &cancel, &run->fault);
    MR_ASSERT(err == MR_OK || run->fault.error == (enum mr_error)err);
    MR_ASSERT(err != MR_OK || piece->out_len <= piece->out_size);
    return err;
}

/* One call of a SEQUENTIAL stage with the `len` bytes at `in`; room for the output is in *piece. */
static inline int run_step(struct run *run, const struct mr_stage_ops *ops, void *stage, const void *in, size_t len,
                           bool last, struct mr_stage_piece *piece)
{
    unsigned char *copy = copy_of(in, len);
    piece->in = copy, piece->in_len = len, piece->last = last;
    int err = run_call(run, ops, stage, piece);
    if (err == MR_OK) {
        MR_ASSERT(piece->in_used <= len);
        MR_ASSERT(piece->status != MR_STAGE_OPEN);
        run->idle = piece->status == MR_STAGE_FULL && piece->in_used == 0 && piece->out_len == 0 ? run->idle + 1 : 0;
        MR_ASSERT(run->idle <= IDLE_MAX);
        MR_ASSERT(piece->status != MR_STAGE_WANT || len - piece->in_used < 2 * MR_EXPANSION_PIECE);
        MR_ASSERT(piece->status != MR_STAGE_DONE || (last && piece->in_used == len));
        MR_ASSERT(piece->status != MR_STAGE_WANT || !last);
        bytes_append(&run->out, piece->out, piece->out_len);
    }
    free(copy);
    return err;
}

static inline int run_sequential(struct run *run, const struct mr_stage_ops *ops, void *stage, const unsigned char *in,
                                 size_t len)
{
    struct mr_stage_sizes sizes;
    ops->sizes(stage, &sizes);
    size_t room = run->out_room != 0 ? run->out_room : sizes.out_max, done = 0, arrived = 0;
    struct mr_stage_piece piece = {.out = malloc(room), .out_size = room};
    MR_ASSERT(piece.out != NULL);
    bool last = false;
    int err = MR_OK;
    while (err == MR_OK && piece.status != MR_STAGE_DONE) {
        if (piece.status != MR_STAGE_FULL) { /* more arrives, and sometimes only then that there is no more */
            bool late = arrived < len && run->seed % 2 == 1;
            size_t cut = next_cut(run, sizes.piece);
            arrived = MR_MIN(len, arrived + cut);
            last = arrived == len && !late;
        }
        err = run_step(run, ops, stage, in + done, arrived - done, last, &piece);
        done += err == MR_OK ? piece.in_used : 0;
    }
    free(piece.out);
    MR_ASSERT(err != MR_OK || done == len);
    return err;
}

static inline bool comes_whole(const struct run *run, const struct mr_stage_sizes *sizes, size_t len)
{
    return sizes->whole_max > 0 && len <= sizes->whole_max && !run->never_whole;
}

/* Work on piece `index` of a PARALLEL stage. */
static inline int run_piece(struct run *run, const struct mr_stage_ops *ops, void *stage, const unsigned char *in,
                            size_t len, size_t index, bool last, struct mr_stage_piece *piece)
{
    struct mr_stage_sizes sizes;
    ops->sizes(stage, &sizes);
    bool whole = comes_whole(run, &sizes, len);
    size_t start = MR_MIN(len, index * sizes.piece), in_len = whole ? len : MR_MIN(sizes.piece, len - start);
    size_t before = MR_MIN(start, sizes.history), room = whole ? sizes.whole_out_max : sizes.out_max;
    unsigned char *copy = copy_of(in + start - before, before + in_len), *out = malloc(room);
    MR_ASSERT(out != NULL);
    *piece = (struct mr_stage_piece){.index = index, .before = copy, .before_len = before, .in = copy + before};
    piece->in_len = in_len, piece->last = last, piece->whole = whole, piece->out = out, piece->out_size = room;
    int err = run_call(run, ops, stage, piece);
    MR_ASSERT(err != MR_OK || piece->status == MR_STAGE_DONE);
    free(copy);
    return err;
}

static inline int run_join(struct run *run, const struct mr_stage_ops *ops, void *stage, struct mr_stage_piece *piece)
{
    bytes_append(&run->out, piece->out, piece->out_len);
    return ops->join == NULL ? MR_OK : ops->join(stage, piece, &run->fault);
}

static inline int run_finish(struct run *run, const struct mr_stage_ops *ops, void *stage)
{
    if (ops->finish == NULL)
        return MR_OK;
    struct mr_stage_sizes sizes;
    ops->sizes(stage, &sizes);
    struct mr_stage_piece piece = {.out = malloc(sizes.out_max), .out_size = sizes.out_max, .out_len = SIZE_MAX};
    int err = ops->finish(stage, &piece, &run->fault);
    MR_ASSERT(err != MR_OK || piece.out_len <= piece.out_size);
    if (err == MR_OK)
        bytes_append(&run->out, piece.out, piece.out_len);
    free(piece.out);
    return err;
}

static inline void shuffle(struct run *run, size_t *order, size_t count)
{
    for (size_t i = 0; i < count; i++)
        order[i] = i;
    for (size_t i = count; run->seed != 0 && i > 1; i--) {
        size_t other = random_below(&run->random, (uint32_t)i), swapped = order[i - 1];
        order[i - 1] = order[other];
        order[other] = swapped;
    }
}

/* Who works on every `step`th of the pieces in their order. */
struct hand {
    struct run *run;
    const struct mr_stage_ops *ops;
    void *stage;
    const unsigned char *in;
    size_t len;
    const size_t *order;
    struct mr_stage_piece *pieces;
    size_t count, first, step;
    int err;
    pthread_t thread;
};

static inline void *hand_work(void *argument)
{
    struct hand *hand = argument;
    for (size_t i = hand->first; hand->err == MR_OK && i < hand->count; i += hand->step) {
        size_t index = hand->order[i];
        hand->err = run_piece(hand->run, hand->ops, hand->stage, hand->in, hand->len, index, index == hand->count - 1,
                              &hand->pieces[index]);
    }
    return NULL;
}

static inline void *hand_thread(void *argument)
{
    hand_work(argument);
    mr_codec_thread_end();
    return NULL;
}

static inline int work_on_all(struct hand *all, size_t threads)
{
    struct hand hands[HANDS_MAX];
    MR_ASSERT(threads <= HANDS_MAX);
    for (size_t i = 0; i < threads; i++) {
        hands[i] = *all;
        hands[i].first = i;
        hands[i].step = threads;
        MR_ASSERT(pthread_create(&hands[i].thread, NULL, hand_thread, &hands[i]) == 0);
    }
    if (threads == 0)
        hand_work(all);
    for (size_t i = 0; i < threads; i++) {
        MR_ASSERT(pthread_join(hands[i].thread, NULL) == 0);
        all->err = all->err != MR_OK ? all->err : hands[i].err;
    }
    return all->err;
}

static inline size_t count_pieces(const struct run *run, const struct mr_stage_sizes *sizes, size_t len)
{
    if (comes_whole(run, sizes, len) || len == 0)
        return 1;
    bool late = len % sizes->piece == 0 && run->seed % 2 == 1; /* that it was the end is known too late */
    return (len + sizes->piece - 1) / sizes->piece + (late ? 1 : 0);
}

static inline int run_parallel(struct run *run, const struct mr_stage_ops *ops, void *stage, const unsigned char *in,
                               size_t len)
{
    struct mr_stage_sizes sizes;
    ops->sizes(stage, &sizes);
    size_t count = count_pieces(run, &sizes, len);
    size_t *order = calloc(count, sizeof(*order));
    struct mr_stage_piece *pieces = calloc(count, sizeof(*pieces));
    MR_ASSERT(order != NULL && pieces != NULL);
    shuffle(run, order, count);
    struct hand all = {.run = run, .ops = ops, .stage = stage, .in = in, .len = len, .order = order};
    all.pieces = pieces, all.count = count, all.step = 1;
    int err = work_on_all(&all, run->threads);
    for (size_t i = 0; i < count; i++) {
        if (err == MR_OK)
            err = run_join(run, ops, stage, &pieces[i]);
        free(pieces[i].out);
    }
    free(pieces);
    free(order);
    return err != MR_OK ? err : run_finish(run, ops, stage);
}

static inline void set_level(const struct mr_stage_ops *ops, void *stage, const char *level)
{
    struct mr_param_value value;
    struct mr_fault fault;
    const struct mr_param_spec *spec = mr_param_find(ops->params, MR_SLICE("level"));
    MR_ASSERT(spec != NULL && mr_param_parse(spec, mr_slice_of(level), &value, &fault) == MR_OK);
    MR_ASSERT(ops->set(stage, spec, &value, &fault) == MR_OK);
}

/* The `len` bytes at `in` through the stage into run->out, which is the caller's to give to run_end(). Returns what the
 * stage does. */
static inline int run_stage(struct run *run, const struct mr_stage_ops *ops, const void *in, size_t len)
{
    void *stage = NULL;
    run->random = run->seed * 2654435761U + 1;
    run->fault = (struct mr_fault){0};
    run->idle = 0;
    run->out = (struct bytes){0};
    MR_ASSERT(ops->create(&stage, &run->env, &run->fault) == MR_OK);
    if (run->level != NULL)
        set_level(ops, stage, run->level);
    int err = ops->kind == MR_STAGE_PARALLEL ? run_parallel(run, ops, stage, in, len)
                                             : run_sequential(run, ops, stage, in, len);
    ops->destroy(stage);
    return err;
}

#endif
