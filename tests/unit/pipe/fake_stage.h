/* fake_stage.h -- a stage of no use that says what it does and asserts what it is promised (media/stage.h): which
 * bytes, what stood before them, which piece is the last, in which order they are joined. Its output is each byte of
 * the input after the header, changed, `expand` times; before it what open() adds, after it what finish() adds. */
#ifndef MR_TESTS_FAKE_STAGE_H
#define MR_TESTS_FAKE_STAGE_H

#include "base/assert.h"
#include "media/stage.h"
#include "rig.h"
#include <sched.h>

#define NOWHERE UINT64_MAX

/* What it is to do; also what it has seen. Work() runs on workers: MR_ASSERT, as cmocka's asserts end nothing there. */
struct fake {
    struct mr_stage_sizes sizes;
    bool opens, adds;        /* has open(), finish() */
    size_t header;           /* bytes that open() wants to see at once, and uses */
    size_t preface, trailer; /* that it adds */
    unsigned expand;         /* SEQUENTIAL: bytes a byte becomes */
    size_t grain;            /* SEQUENTIAL: uses so many bytes or a multiple */
    bool says_done;          /* SEQUENTIAL: DONE, not WANT, at the end of input that is not the last */
    unsigned yields;         /* so that pieces come back out of order */
    bool heeds_cancel;       /* work() ends when it is told to */

    enum mr_error error; /* what it fails with */
    bool fails_open, fails_finish;
    uint64_t fails_work, fails_join; /* at this piece, or NOWHERE */

    uint64_t blocks_at; /* work() of this piece waits for `go`, or NOWHERE */
    sem_t is_blocked, go;

    const unsigned char *input; /* all that comes in */
    size_t input_len;

    /* seen */
    _Atomic unsigned opens_seen, works, lasts, wholes, running;
    uint64_t joins;
    size_t used; /* SEQUENTIAL, open: bytes of the input */
    unsigned finishes, destroys;
    _Atomic unsigned done_work; /* calls of work() that have returned */
};

static inline void fake_init(struct fake *fake)
{
    *fake = (struct fake){.expand = 1,
                          .grain = 1,
                          .error = MR_ECORRUPT,
                          .fails_work = NOWHERE,
                          .fails_join = NOWHERE,
                          .blocks_at = NOWHERE};
}

static inline unsigned char fake_change(unsigned char byte)
{
    return byte ^ 0x5a;
}

static inline int fake_fail(const struct fake *fake, struct mr_fault *fault)
{
    return mr_fault_set(fault, fake->error, "so it was to be");
}

static inline int fake_open(void *stage, struct mr_stage_piece *piece, const struct mr_cancel *cancel,
                            struct mr_fault *fault)
{
    struct fake *fake = stage;
    (void)cancel;
    fake->opens_seen++;
    MR_ASSERT(piece->in != NULL && fake->used == 0 && piece->in_len <= fake->input_len);
    MR_ASSERT(memcmp(piece->in, fake->input, piece->in_len) == 0);
    MR_ASSERT(!piece->last || piece->in_len == fake->input_len);
    MR_ASSERT(piece->out_size >= fake->sizes.out_max);
    piece->out_len = 0;
    piece->in_used = 0;
    piece->status = MR_STAGE_WANT;
    if (piece->in_len < fake->header && !piece->last)
        return MR_OK;
    if (fake->fails_open)
        return fake_fail(fake, fault);
    if (piece->in_len < fake->header)
        return MR_OK; /* WANT, and there is no more: the caller has to see it */
    memset(piece->out, 'H', fake->preface);
    piece->out_len = fake->preface;
    piece->in_used = fake->used = fake->header;
    piece->status = MR_STAGE_OPEN;
    return MR_OK;
}

static inline void fake_block(struct fake *fake)
{
    sem_post(&fake->is_blocked);
    sem_wait(&fake->go);
}

static inline int fake_be_busy(struct fake *fake, uint64_t index, const struct mr_cancel *cancel,
                               struct mr_fault *fault)
{
    fake->running++;
    if (index == fake->blocks_at)
        fake_block(fake);
    for (unsigned i = fake->yields > 0 ? (unsigned)(index * 2654435761u >> 8) % fake->yields : 0; i > 0; i--)
        sched_yield();
    int err = fake->heeds_cancel ? mr_cancel_check(cancel) : MR_OK;
    fake->running--;
    return err == MR_OK ? MR_OK : mr_fault_set(fault, (enum mr_error)err, NULL);
}

static inline void fake_check_piece(const struct fake *fake, const struct mr_stage_piece *piece)
{
    size_t total = fake->input_len - fake->header, at = (size_t)piece->index * fake->sizes.piece;
    size_t before = piece->whole ? 0 : MR_MIN(at, fake->sizes.history);
    size_t most = piece->whole ? fake->sizes.whole_max : fake->sizes.piece;
    const unsigned char *input = fake->input + fake->header + at;
    MR_ASSERT(piece->in != NULL && piece->in_len <= most && at + piece->in_len <= total);
    MR_ASSERT(memcmp(piece->in, input, piece->in_len) == 0);
    MR_ASSERT(piece->before_len == before);
    MR_ASSERT(before == 0 || memcmp(piece->before, input - before, before) == 0);
    MR_ASSERT(piece->last == (at + piece->in_len == total));
    MR_ASSERT(piece->last || piece->in_len == fake->sizes.piece);
    MR_ASSERT(piece->in_len > 0 || total == 0);
    MR_ASSERT(!piece->whole || (piece->last && piece->index == 0));
    MR_ASSERT(piece->out_size == (piece->whole ? fake->sizes.whole_out_max : fake->sizes.out_max));
}

static inline int fake_work(void *stage, struct mr_stage_piece *piece, const struct mr_cancel *cancel,
                            struct mr_fault *fault)
{
    struct fake *fake = stage;
    fake->works++;
    fake->lasts += piece->last;
    fake->wholes += piece->whole;
    fake_check_piece(fake, piece);
    int err = fake_be_busy(fake, piece->index, cancel, fault);
    if (err == MR_OK && piece->index == fake->fails_work)
        err = fake_fail(fake, fault);
    for (size_t i = 0; i < piece->in_len; i++)
        piece->out[i] = fake_change(piece->in[i]);
    piece->out_len = piece->in_len;
    piece->status = MR_STAGE_DONE;
    piece->check = (uint32_t)piece->index;
    fake->done_work++;
    return err;
}

static inline int fake_work_on(void *stage, struct mr_stage_piece *piece, const struct mr_cancel *cancel,
                               struct mr_fault *fault)
{
    struct fake *fake = stage;
    size_t used = 0, len = 0;
    unsigned works = fake->works++;
    MR_ASSERT(fake->running == 0 && !piece->whole);
    MR_ASSERT(piece->in != NULL && fake->used + piece->in_len <= fake->input_len);
    MR_ASSERT(memcmp(piece->in, fake->input + fake->used, piece->in_len) == 0);
    MR_ASSERT(!piece->last || fake->used + piece->in_len == fake->input_len);
    MR_ASSERT(piece->out_size == fake->sizes.out_max);
    int err = fake_be_busy(fake, works, cancel, fault);
    if (err == MR_OK && works == fake->fails_work)
        err = fake_fail(fake, fault);
    while (used < piece->in_len && len + fake->expand <= piece->out_size &&
           (piece->last || piece->in_len - used >= fake->grain || used % fake->grain != 0)) {
        memset(piece->out + len, fake_change(piece->in[used++]), fake->expand);
        len += fake->expand;
    }
    bool is_full = used < piece->in_len && len + fake->expand > piece->out_size;
    piece->out_len = len;
    piece->in_used = used;
    fake->used += used;
    piece->status = is_full ? MR_STAGE_FULL : piece->last || fake->says_done ? MR_STAGE_DONE : MR_STAGE_WANT;
    fake->lasts += piece->last && !is_full;
    fake->done_work++;
    return err;
}

static inline int fake_join(void *stage, const struct mr_stage_piece *piece, struct mr_fault *fault)
{
    struct fake *fake = stage;
    assert_int_equal(piece->index, fake->joins);
    assert_int_equal(piece->check, fake->joins);
    return fake->joins++ == fake->fails_join ? fake_fail(fake, fault) : MR_OK;
}

static inline int fake_finish(void *stage, struct mr_stage_piece *piece, struct mr_fault *fault)
{
    struct fake *fake = stage;
    assert_int_equal(fake->finishes++, 0);
    assert_int_equal(fake->running, 0);
    assert_true(piece->out_size >= fake->sizes.out_max);
    if (fake->fails_finish)
        return fake_fail(fake, fault);
    memset(piece->out, 'T', fake->trailer);
    piece->out_len = fake->trailer;
    return MR_OK;
}

static inline void fake_sizes(const void *stage, struct mr_stage_sizes *out)
{
    *out = ((const struct fake *)stage)->sizes;
}

static inline void fake_destroy(void *stage)
{
    struct fake *fake = stage;
    assert_int_equal(fake->running, 0);
    assert_int_equal(fake->destroys++, 0);
}

#define FAKE_OPS(stage_kind, opens, adds)                                                                  \
    {                                                                                                      \
        .name = "fake", .kind = stage_kind, .sizes = fake_sizes, .open = (opens) ? fake_open : NULL,       \
        .work = stage_kind == MR_STAGE_PARALLEL ? fake_work : fake_work_on,                                \
        .join = stage_kind == MR_STAGE_PARALLEL ? fake_join : NULL, .finish = (adds) ? fake_finish : NULL, \
        .destroy = fake_destroy                                                                            \
    }
static const struct mr_stage_ops fake_ops[2][2][2] = {
    [MR_STAGE_PARALLEL] = {{FAKE_OPS(MR_STAGE_PARALLEL, 0, 0), FAKE_OPS(MR_STAGE_PARALLEL, 0, 1)},
                           {FAKE_OPS(MR_STAGE_PARALLEL, 1, 0), FAKE_OPS(MR_STAGE_PARALLEL, 1, 1)}},
    [MR_STAGE_SEQUENTIAL] = {{FAKE_OPS(MR_STAGE_SEQUENTIAL, 0, 0), FAKE_OPS(MR_STAGE_SEQUENTIAL, 0, 1)},
                             {FAKE_OPS(MR_STAGE_SEQUENTIAL, 1, 0), FAKE_OPS(MR_STAGE_SEQUENTIAL, 1, 1)}},
};

/* The output that is right is in fake_expected()'s hands: owned by the caller. */
static inline unsigned char *fake_expected(const struct fake *fake, size_t *len)
{
    size_t expand = fake->expand, body = (fake->input_len - fake->header) * expand;
    unsigned char *bytes = malloc(fake->preface + body + fake->trailer + 1);
    assert_non_null(bytes);
    memset(bytes, 'H', fake->preface);
    for (size_t i = 0; i < body; i++)
        bytes[fake->preface + i] = fake_change(fake->input[fake->header + i / expand]);
    memset(bytes + fake->preface + body, 'T', fake->trailer);
    *len = fake->preface + body + fake->trailer;
    return bytes;
}

#endif
