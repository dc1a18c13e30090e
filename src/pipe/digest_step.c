/* DESIGN. The blocks are a ring; three numbers cut it:
 *
 *      passed <= hashed <= closed        blocks so far; blocks[closed] is being filled
 *
 * Whatever happens (bytes, the end, a job that came back, a receiver that resumes) is noted where it happens; then
 * pump_digest() does what has become possible, and nothing else does. */
#include "pipe/digest_step.h"
#include "base/assert.h"
#include "base/guard.h"
#include "base/macros.h"
#include "base/magic.h"
#include "media/digest/sha256.h"
#include "pipe/chunk.h"
#include "pipe/lender.h"
#include <stdlib.h>
#include <string.h>

#define DIGEST_STEP_MAGIC 0x64677374u /* "dgst" */

#define BLOCK_MIN (16 * MR_KIB)
#define BLOCK_MAX (256 * MR_KIB)
#define BLOCKS    5
#define BLOCKS_HIGH                                                                                  \
    3 /* in use: then the sender is paused. What it may still push takes one more (stream.h, rule 3) \
       */

struct mr_digest_step {
    uint32_t magic;
    struct mr_digest_step_config config;
    struct mr_stream *in; /* borrowed; NULL: not attached, or it is over */
    struct mr_stream out;
    struct mr_chunks chunks;
    struct mr_chunk chunk; /* the job; it has no output */
    struct mr_result none; /* so that this is none */
    struct mr_lender lender;
    struct mr_result blocks[BLOCKS];
    uint64_t closed, hashed, passed;
    size_t next_size;      /* of a block */
    struct mr_sha256 hash; /* of the job while it is out */
    uint8_t sha256[MR_SHA256_LEN];
    bool is_over;    /* ended, failed or destroyed */
    bool is_paused;  /* the sender of `in` was told to wait */
    bool is_blocked; /* the receiver of `out` said so */
    bool has_ended;  /* the input is all there */
    bool is_known;   /* sha256 is */
    bool is_posted;  /* `turn` is on its way */
    struct mr_inbox_node turn;
    struct mr_guard guard;
};

static void pump_digest(struct mr_digest_step *step);

/* ---- life and death ---- */

static void free_digest_step(struct mr_digest_step *step)
{
    mr_lender_clear(&step->lender);
    for (size_t i = 0; i < BLOCKS; i++)
        mr_result_close(&step->chunks, &step->blocks[i]);
    mr_chunks_clear(&step->chunks);
    mr_sha256_clear(&step->hash);
    step->magic = 0;
    free(step);
}

static struct mr_digest_step *digest_enter(void *context)
{
    struct mr_digest_step *step = mr_from_context(context, struct mr_digest_step, DIGEST_STEP_MAGIC);
    MR_ON_LOOP(step->config.loop);
    mr_guard_enter(&step->guard);
    return step;
}

static void digest_leave(struct mr_digest_step *step)
{
    if (mr_guard_leave(&step->guard) && step->chunks.jobs == 0 && !step->is_posted)
        free_digest_step(step);
}

static void stop_digest(struct mr_digest_step *step)
{
    step->is_over = true;
    mr_chunks_stop(&step->chunks);
    mr_chunk_cancel(&step->chunk);
}

/* Both sides are told. */
static void fail_digest(struct mr_digest_step *step, const struct mr_fault *why)
{
    if (step->is_over)
        return;
    stop_digest(step);
    if (step->in != NULL)
        mr_stream_cancel(step->in, why);
    mr_stream_abort(&step->out, why);
}

/* After whatever may have failed. */
static void heed_digest_failure(struct mr_digest_step *step)
{
    if (!step->chunks.is_failed || step->is_over)
        return;
    struct mr_fault fault = step->chunks.fault;
    fail_digest(step, &fault);
}

/* ---- blocks ---- */

static struct mr_result *block_at(struct mr_digest_step *step, uint64_t number)
{
    return &step->blocks[number % BLOCKS];
}

static struct mr_result *filling_block(struct mr_digest_step *step)
{
    return block_at(step, step->closed);
}

static unsigned blocks_in_use(struct mr_digest_step *step)
{
    return (unsigned)(step->closed - step->passed) + (filling_block(step)->len > 0);
}

/* Memory for the block that is filled next. False: there is none now. */
static bool begin_block(struct mr_digest_step *step, size_t size, bool is_pressed)
{
    struct mr_result *block = filling_block(step);
    MR_ASSERT(step->closed - step->passed < BLOCKS && block->len == 0);
    if (block->room.size < size)
        mr_result_close(&step->chunks, block);
    if (block->room.bytes == NULL && !mr_room_open(&step->chunks, &block->room, size))
        return false;
    block->touched = block->room.size;
    if (mr_room_charge(&step->chunks, &block->room, block->room.size, is_pressed))
        return true;
    mr_result_close(&step->chunks, block);
    return false;
}

/* A fast stream gets larger ones, a slow one smaller ones. */
static void close_block(struct mr_digest_step *step)
{
    size_t twice = 2 * filling_block(step)->len;
    step->next_size = MR_MIN(MR_MAX(twice, (size_t)BLOCK_MIN), (size_t)BLOCK_MAX);
    step->closed++;
}

/* The sender cannot take them back: without memory for them the stream fails. */
static void take_digest_input(struct mr_digest_step *step, const unsigned char *bytes, size_t len)
{
    while (len > 0) {
        struct mr_result *block = filling_block(step);
        if (block->len == 0 && !begin_block(step, MR_MAX(step->next_size, len), true)) {
            mr_chunks_fail_for_memory(&step->chunks, len);
            return;
        }
        size_t part = MR_MIN(len, block->room.size - block->len);
        if (bytes != block->room.bytes + block->len) /* else they were read into their place */
            memcpy(block->room.bytes + block->len, bytes, part);
        block->len += part;
        bytes += part;
        len -= part;
        if (block->len == block->room.size)
            close_block(step);
    }
}

/* ---- the job ---- */

/* On a worker. */
static int hash_block(void *stage, struct mr_stage_piece *piece, const struct mr_cancel *cancel, struct mr_fault *fault)
{
    struct mr_digest_step *step = stage;
    int err = mr_cancel_check(cancel);
    if (err != MR_OK)
        return mr_fault_set(fault, err, NULL);
    bool is_done = mr_sha256_add(&step->hash, piece->in, piece->in_len);
    if (is_done && piece->last)
        is_done = mr_sha256_end(&step->hash, step->sha256);
    return is_done ? MR_OK : mr_fault_set(fault, MR_EMEMORY, NULL);
}

/* The next block, or the end behind the last one. False: there is nothing to do. */
static bool find_piece(struct mr_digest_step *step)
{
    bool is_turn_over = !step->is_posted || step->has_ended;
    if (step->hashed == step->closed && filling_block(step)->len > 0 && is_turn_over)
        close_block(step);
    bool has_block = step->hashed < step->closed;
    bool is_last = step->has_ended && step->hashed + has_block == step->closed && filling_block(step)->len == 0;
    if (!has_block && !is_last)
        return false;
    const struct mr_result *block = block_at(step, step->hashed);
    step->chunk.piece = (struct mr_stage_piece){.in = has_block ? block->room.bytes : (const unsigned char *)"",
                                                .in_len = has_block ? block->len : 0,
                                                .last = is_last};
    return true;
}

static void start_digest_job(struct mr_digest_step *step)
{
    bool is_due = step->chunk.state == CHUNK_WAITING && step->chunks.retry_due;
    if (step->chunk.state == CHUNK_IDLE && !step->is_known)
        is_due = find_piece(step);
    if (!is_due)
        return;
    step->chunks.retry_due = false;
    mr_chunk_submit(&step->chunks, &step->chunk, MR_LANE_BULK);
}

static void note_hashed(struct mr_digest_step *step)
{
    if (step->chunk.err != MR_OK) {
        mr_chunks_fail(&step->chunks, &step->chunk.fault);
        return;
    }
    step->chunk.state = CHUNK_IDLE;
    step->hashed += step->chunk.piece.in_len > 0;
    step->is_known = step->chunk.piece.last;
}

static void on_digest_wake(struct mr_chunks *chunks, struct mr_chunk *back)
{
    struct mr_digest_step *step = mr_container_of(chunks, struct mr_digest_step, chunks);
    const struct mr_digest_step_config config = step->config;
    digest_enter(step);
    if (!step->is_over) {
        if (back != NULL && back->state == CHUNK_BACK)
            note_hashed(step);
        pump_digest(step);
    }
    bool is_released = mr_chunks_are_back(chunks);
    digest_leave(step);
    if (is_released && config.release != NULL)
        config.release(config.context);
}

/* ---- what has become possible ---- */

static void end_block(struct mr_digest_step *step, struct mr_result *block)
{
    bool is_kept = !mr_chunks_are_tight(&step->chunks);
    mr_lender_passed(&step->lender, block); /* its room may be another one then */
    block->len = block->passed = 0;
    if (!is_kept)
        mr_result_close(&step->chunks, block);
    step->passed++;
}

static void pass_blocks(struct mr_digest_step *step)
{
    while (step->passed < step->hashed && !step->is_blocked && !step->is_over) {
        struct mr_result *block = block_at(step, step->passed);
        size_t part = MR_MIN(block->len - block->passed, (size_t)MR_STREAM_PUSH_MAX);
        if (mr_lender_push(&step->lender, block, part) == MR_FLOW_PAUSE)
            step->is_blocked = true;
        if (block->passed == block->len)
            end_block(step, block);
    }
}

/* All that came has been passed on: the memory may serve others until more comes, which of a slow stream is long. */
static void rest_digest(struct mr_digest_step *step)
{
    bool is_hashing = step->chunk.state != CHUNK_IDLE;
    if (is_hashing || step->is_posted || step->passed < step->closed || filling_block(step)->len > 0)
        return;
    for (size_t i = 0; i < BLOCKS; i++)
        mr_result_close(&step->chunks, &step->blocks[i]);
    mr_lender_rest(&step->lender);
}

static void pump_digest(struct mr_digest_step *step)
{
    heed_digest_failure(step);
    if (step->is_over)
        return;
    start_digest_job(step);
    heed_digest_failure(step);
    pass_blocks(step);
    if (step->is_over)
        return;
    if (step->is_known && step->passed == step->closed) {
        stop_digest(step);
        mr_stream_end(&step->out);
        return;
    }
    rest_digest(step);
    if (step->is_paused && blocks_in_use(step) < BLOCKS_HIGH) {
        step->is_paused = false;
        mr_stream_resume(step->in);
    }
}

/* ---- the streams ---- */

static void on_digest_turn(struct mr_inbox_node *node)
{
    struct mr_digest_step *step = digest_enter(mr_container_of(node, struct mr_digest_step, turn));
    step->is_posted = false;
    if (!step->is_over)
        pump_digest(step);
    digest_leave(step);
}

/* More may come in this turn. What comes while the job is out is looked at when it comes back. */
static void post_digest_turn(struct mr_digest_step *step)
{
    if (step->is_posted || step->chunk.state != CHUNK_IDLE || step->hashed < step->closed)
        return;
    step->is_posted = true;
    mr_loop_post(step->config.loop, &step->turn);
}

static enum mr_flow on_digest_push(void *context, const void *bytes, size_t len)
{
    struct mr_digest_step *step = digest_enter(context);
    if (!step->is_over)
        take_digest_input(step, bytes, len);
    if (!step->is_over) {
        post_digest_turn(step);
        pump_digest(step);
    }
    step->is_paused = step->is_over || blocks_in_use(step) >= BLOCKS_HIGH;
    enum mr_flow flow = step->is_paused ? MR_FLOW_PAUSE : MR_FLOW_MORE;
    digest_leave(step);
    return flow;
}

static void on_digest_end(void *context)
{
    struct mr_digest_step *step = digest_enter(context);
    step->has_ended = true;
    step->in = NULL; /* its sender hears of nothing any more */
    step->is_paused = false;
    pump_digest(step);
    digest_leave(step);
}

static void on_digest_abort(void *context, const struct mr_fault *why)
{
    struct mr_digest_step *step = digest_enter(context);
    step->in = NULL;
    fail_digest(step, why);
    digest_leave(step);
}

static void *on_digest_space(void *context, size_t *len)
{
    struct mr_digest_step *step = mr_from_context(context, struct mr_digest_step, DIGEST_STEP_MAGIC);
    struct mr_result *block = filling_block(step);
    if (step->is_over || step->is_paused)
        return NULL;
    if (block->len == 0 && !begin_block(step, step->next_size, step->closed == step->passed))
        return NULL; /* the push says what comes of it */
    *len = block->room.size - block->len;
    return block->room.bytes + block->len;
}

static const struct mr_stream_receiver digest_receiver = {
    .push = on_digest_push, .end = on_digest_end, .abort = on_digest_abort, .get_buffer = on_digest_space};

static void on_digest_resume(void *context)
{
    struct mr_digest_step *step = digest_enter(context);
    step->is_blocked = false;
    if (!step->is_over)
        pump_digest(step);
    digest_leave(step);
}

static void on_digest_cancel(void *context, const struct mr_fault *why)
{
    struct mr_digest_step *step = digest_enter(context);
    fail_digest(step, why);
    digest_leave(step);
}

static const struct mr_stream_sender digest_sender = {.resume = on_digest_resume, .cancel = on_digest_cancel};

/* ---- from create to destroy ---- */

/* There is no stage: chunk.h asks for the kind and the sizes of one. */
static void digest_sizes(const void *stage, struct mr_stage_sizes *out)
{
    (void)stage;
    *out = (struct mr_stage_sizes){.piece = BLOCK_MAX};
}

static const struct mr_stage_ops digest_ops = {.name = "sha256", .kind = MR_STAGE_SEQUENTIAL, .sizes = digest_sizes};

int mr_digest_step_create(struct mr_digest_step **out, const struct mr_digest_step_config *config,
                          struct mr_fault *fault)
{
    MR_ON_LOOP(config->loop);
    struct mr_digest_step *step = *out = calloc(1, sizeof(*step));
    if (step == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    step->magic = DIGEST_STEP_MAGIC;
    step->config = *config;
    step->is_blocked = true; /* until there is a receiver */
    step->next_size = BLOCK_MIN;
    step->turn.deliver = on_digest_turn;
    step->chunk.call = hash_block;
    step->chunk.result = &step->none;
    step->chunks = (struct mr_chunks){
        .loop = config->loop,
        .offload = config->offload,
        .budget = config->budget,
        .failed = config->failed,
        .refused = config->refused,
        .patience_ns = config->patience_ns,
        .ops = &digest_ops,
        .stage = step,
        .wake = on_digest_wake,
        .hold = config->hold,
        .context = config->context,
    };
    step->lender = (struct mr_lender){.chunks = &step->chunks, .out = &step->out};
    mr_chunks_init(&step->chunks);
    mr_stream_attach_sender(&step->out, &digest_sender, step);
    return MR_OK;
}

void mr_digest_step_destroy(struct mr_digest_step **out)
{
    struct mr_digest_step *step = *out;
    *out = NULL;
    if (step == NULL)
        return;
    digest_enter(step);
    mr_guard_destroy(&step->guard);
    if (!step->is_over)
        stop_digest(step);
    digest_leave(step);
}

void mr_digest_step_attach(struct mr_digest_step *step)
{
    MR_ON_LOOP(step->config.loop);
    step->in = step->config.in;
    mr_stream_attach_receiver(step->in, &digest_receiver, step);
}

struct mr_stream *mr_digest_step_out(struct mr_digest_step *step)
{
    MR_ON_LOOP(step->config.loop);
    return &step->out;
}

const uint8_t *mr_digest_step_sha256(const struct mr_digest_step *step)
{
    MR_ON_LOOP(step->config.loop);
    return step->is_known ? step->sha256 : NULL;
}

uint64_t mr_digest_step_work_ns(const struct mr_digest_step *step)
{
    MR_ON_LOOP(step->config.loop);
    return step->chunks.work_ns;
}
