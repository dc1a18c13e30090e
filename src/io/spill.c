/* DESIGN. What is stored, oldest first: the piece that was read back, the file, the piece that is being written, the
 * piece that is being filled. One thing at a time is done by the pool, which then has its piece and the descriptor.
 *
 *      passing ----(out took nothing for a while)----> storing ----(all that was stored is passed on)----> passing */
#include "io/spill.h"
#include "base/assert.h"
#include "base/guard.h"
#include "base/macros.h"
#include "base/magic.h"
#include "io/file.h"
#include "io/temporary.h"
#include "loop/timer.h"
#include <stdlib.h>
#include <string.h>

#define PIECE_SIZE (256 * MR_KIB)
#define SLACK      MR_STREAM_PUSH_MAX /* what may still come after a pause (stream.h, rule 3) */
#define MEMORY     (3 * (PIECE_SIZE + SLACK))

#define SPILL_MAGIC 0x7370696cu /* "spil" */

struct piece {
    char *bytes; /* owned, PIECE_SIZE + SLACK; NULL until something is stored */
    size_t len, passed;
};

enum pool_work { POOL_IDLE, POOL_WRITES, POOL_READS };

struct mr_spill {
    uint32_t magic;
    struct mr_spill_config config;
    struct mr_stream out;
    bool storing; /* else passing */
    bool held;    /* config.holds, and it is still needed: `blocked` too */
    bool blocked; /* the receiver of `out` said so */
    bool paused;  /* the sender of `in` was told to wait */
    bool in_ended, over;
    bool lacks_disk; /* the disk budget had no room when it was last asked */
    struct piece reading, writing, filling;
    enum pool_work pool_work;
    struct mr_file_request request;
    struct mr_temporary file;
    uint64_t written, read; /* bytes of the file */
    struct mr_timer patience;
    struct mr_guard guard;
};

static void settle(struct mr_spill *spill);

/* ---- life ---- */

static void free_spill(struct mr_spill *spill)
{
    if (spill->filling.bytes != NULL)
        mr_budget_give_back(spill->config.budget, MEMORY);
    free(spill->filling.bytes);
    free(spill->writing.bytes);
    free(spill->reading.bytes);
    mr_temporary_close(&spill->file); /* by now only what was reserved */
    free(spill);
}

static int work_close(struct mr_file_request *request)
{
    mr_temporary_close(&mr_container_of(request, struct mr_spill, request)->file);
    return MR_OK;
}

static void spill_on_closed(struct mr_file_request *request)
{
    free_spill(mr_container_of(request, struct mr_spill, request));
}

/* Closing a large file is nothing for the loop. */
static void spill_release(struct mr_spill *spill)
{
    if (!mr_temporary_is_open(&spill->file)) {
        free_spill(spill);
        return;
    }
    spill->request.done = spill_on_closed;
    mr_file_run(&spill->request, work_close);
}

static void spill_enter(struct mr_spill *spill)
{
    MR_ON_LOOP(spill->config.loop);
    mr_guard_enter(&spill->guard);
}

static void spill_leave(struct mr_spill *spill)
{
    if (mr_guard_leave(&spill->guard) && spill->pool_work == POOL_IDLE)
        spill_release(spill);
}

static void spill_fail(struct mr_spill *spill, const struct mr_fault *why)
{
    if (spill->over)
        return;
    spill->over = true;
    mr_timer_clear(&spill->patience);
    if (!spill->in_ended)
        mr_stream_cancel(spill->config.in, why);
    mr_stream_abort(&spill->out, why);
}

/* ---- the pool ---- */

static int work_file(struct mr_file_request *request)
{
    struct mr_spill *spill = mr_container_of(request, struct mr_spill, request);
    const struct piece *reading = &spill->reading, *writing = &spill->writing;
    if (spill->pool_work == POOL_READS)
        return mr_temporary_read(&spill->file, reading->bytes, reading->len, spill->read, &request->failure);
    return mr_temporary_write(&spill->file, writing->bytes, writing->len, spill->written, &request->failure);
}

static void note_file(struct mr_spill *spill)
{
    if (spill->pool_work == POOL_READS) {
        spill->read += spill->reading.len;
    } else {
        spill->written += spill->writing.len;
        spill->writing.len = 0;
    }
}

static void on_file(struct mr_file_request *request)
{
    struct mr_spill *spill = mr_container_of(request, struct mr_spill, request);
    struct mr_fault fault;
    bool has_failed = request->err != MR_OK;
    spill_enter(spill);
    if (!has_failed)
        note_file(spill);
    else
        mr_temporary_fault(&fault, &request->failure, "What the client does not read cannot be kept");
    spill->pool_work = POOL_IDLE;
    if (has_failed)
        spill_fail(spill, &fault);
    settle(spill);
    spill_leave(spill);
}

static void start_pool(struct mr_spill *spill, enum pool_work what)
{
    spill->pool_work = what;
    mr_file_run(&spill->request, work_file);
}

static void write_filling(struct mr_spill *spill)
{
    if (spill->filling.passed > 0) { /* a part has left already */
        spill->filling.len -= spill->filling.passed;
        memmove(spill->filling.bytes, spill->filling.bytes + spill->filling.passed, spill->filling.len);
        spill->filling.passed = 0;
    }
    struct piece empty = spill->writing;
    spill->writing = spill->filling;
    spill->filling = empty;
    start_pool(spill, POOL_WRITES);
}

static void read_back(struct mr_spill *spill)
{
    spill->reading.len = (size_t)MR_MIN(spill->written - spill->read, (uint64_t)PIECE_SIZE);
    spill->reading.passed = 0;
    start_pool(spill, POOL_READS);
}

/* ---- storing ---- */

static bool spill_get_memory(struct mr_spill *spill)
{
    if (spill->filling.bytes != NULL)
        return true;
    if (!mr_budget_try_take(spill->config.budget, MEMORY))
        return false;
    spill->filling.bytes = malloc(PIECE_SIZE + SLACK);
    spill->writing.bytes = malloc(PIECE_SIZE + SLACK);
    spill->reading.bytes = malloc(PIECE_SIZE + SLACK);
    MR_ASSERT(spill->filling.bytes != NULL && spill->writing.bytes != NULL && spill->reading.bytes != NULL);
    return true;
}

/* Take the disk budget for all that is stored once the piece that is filled is full. */
static bool reserve_or(struct mr_spill *spill, struct mr_fault *fault)
{
    uint64_t ahead = spill->pool_work == POOL_WRITES ? spill->writing.len : 0;
    uint64_t size = spill->written + ahead + PIECE_SIZE + SLACK;
    spill->lacks_disk = mr_temporary_reserve(&spill->file, size, fault) != MR_OK;
    return !spill->lacks_disk;
}

static bool spill_reserve(struct mr_spill *spill)
{
    struct mr_fault fault; /* not told: `in` waits instead */
    return reserve_or(spill, &fault);
}

static uint64_t stored_bytes(const struct mr_spill *spill)
{
    return spill->written + spill->writing.len + spill->filling.len;
}

/* Of what is held, the first piece stays in memory and needs no file. */
static bool is_within_max(const struct mr_spill *spill)
{
    if (spill->held)
        return stored_bytes(spill) <= MR_MAX(spill->config.max, (uint64_t)PIECE_SIZE);
    return spill->written + PIECE_SIZE <= spill->config.max;
}

static bool spill_has_room(struct mr_spill *spill)
{
    return spill->storing && spill->filling.len < PIECE_SIZE && is_within_max(spill) &&
           spill->config.is_needed(spill->config.context) && spill_reserve(spill);
}

/* The client has sent all, or more is held than may be. */
static void check_held(struct mr_spill *spill)
{
    struct mr_fault fault;
    if (!spill->held)
        return;
    if (spill->in_ended || !spill->config.is_needed(spill->config.context)) {
        spill->held = spill->blocked = false;
    } else if (!is_within_max(spill)) {
        mr_fault_limit(&fault, MR_ESPILL, "max-spill", spill->config.max, stored_bytes(spill));
        spill_fail(spill, &fault);
    } else if (spill->lacks_disk && !reserve_or(spill, &fault)) {
        spill_fail(spill, &fault);
    }
}

/* What is held must be stored, from its first byte. */
static void begin_to_hold(struct mr_spill *spill)
{
    struct mr_fault fault;
    if (spill->storing)
        return;
    check_held(spill);
    if (!spill->held || spill->over)
        return;
    spill->storing = spill_get_memory(spill);
    if (spill->storing)
        return;
    const struct mr_budget *budget = spill->config.budget;
    mr_fault_limit(&fault, MR_EBUDGET, "memory-budget", budget->limit, mr_budget_used(budget) + MEMORY);
    spill_fail(spill, &fault);
}

/* The receiver has taken nothing for a while; or what is stored has waited for the disk budget. */
static void on_patience(struct mr_timer *timer)
{
    struct mr_spill *spill = mr_container_of(timer, struct mr_spill, patience);
    spill_enter(spill);
    if (!spill->over && spill->config.is_needed(spill->config.context) && spill_get_memory(spill)) {
        spill->storing = true;
        settle(spill);
    }
    spill_leave(spill);
}

/* ---- passing ---- */

static void push_out(struct mr_spill *spill, const char *bytes, size_t len)
{
    if (mr_stream_push(&spill->out, bytes, len) == MR_FLOW_PAUSE)
        spill->blocked = true;
}

/* Pass on what is left of the piece. True: all of it. */
static bool spill_pass(struct mr_spill *spill, struct piece *piece)
{
    while (piece->passed < piece->len && !spill->blocked && !spill->over) {
        size_t part = MR_MIN(piece->len - piece->passed, (size_t)SLACK), from = piece->passed;
        piece->passed += part;
        push_out(spill, piece->bytes + from, part);
    }
    if (piece->passed < piece->len)
        return false;
    piece->len = piece->passed = 0;
    return true;
}

/* Pass on what is stored, as far as it goes now. True: nothing is left. */
static bool pass_stored(struct mr_spill *spill)
{
    if (spill->pool_work == POOL_READS || !spill_pass(spill, &spill->reading))
        return false;
    if (spill->read == spill->written && spill->pool_work == POOL_IDLE)
        return spill_pass(spill, &spill->filling);
    if (!spill->blocked && spill->pool_work == POOL_IDLE)
        read_back(spill);
    return false;
}

/* The file keeps its size, and is written again from its beginning. */
static void stop_storing(struct mr_spill *spill)
{
    spill->storing = false;
    spill->written = spill->read = 0;
}

/* ---- whatever happened: what has become possible ---- */

static void set_patience(struct mr_spill *spill)
{
    bool waits_for_disk = spill->storing && spill->paused && spill->lacks_disk; /* nothing tells when there is some */
    if (!spill->blocked)
        mr_timer_clear(&spill->patience);
    else if ((!spill->storing || waits_for_disk) && !mr_timer_is_set(&spill->patience) && spill->config.max > 0)
        mr_timer_set(mr_timer_list_share(spill->config.loop, MR_SPILL_AFTER_NS, on_patience), &spill->patience);
}

static void settle(struct mr_spill *spill)
{
    if (spill->over)
        return;
    check_held(spill);
    if (spill->over)
        return;
    bool is_empty = !spill->storing || pass_stored(spill);
    if (spill->over)
        return;
    if (is_empty && spill->storing && !spill->blocked)
        stop_storing(spill);
    if (spill->filling.len >= PIECE_SIZE && spill->pool_work == POOL_IDLE)
        write_filling(spill);
    if (is_empty && spill->in_ended) {
        spill->over = true;
        mr_timer_clear(&spill->patience);
        mr_stream_end(&spill->out);
        return;
    }
    bool resumes = spill->paused && (spill_has_room(spill) || (is_empty && !spill->blocked));
    set_patience(spill);
    if (resumes) {
        spill->paused = false;
        mr_stream_resume(spill->config.in);
    }
}

/* ---- `in` ---- */

static void store(struct mr_spill *spill, const void *bytes, size_t len)
{
    MR_ASSERT(len <= PIECE_SIZE + SLACK - spill->filling.len);
    memcpy(spill->filling.bytes + spill->filling.len, bytes, len);
    spill->filling.len += len;
}

static enum mr_flow end_push(struct mr_spill *spill)
{
    settle(spill);
    bool more = !spill->over && (spill->storing ? spill_has_room(spill) : !spill->blocked);
    spill->paused = !more;
    if (spill->lacks_disk && !spill->over)
        set_patience(spill);
    spill_leave(spill);
    return more ? MR_FLOW_MORE : MR_FLOW_PAUSE;
}

static enum mr_flow spill_on_push(void *context, const void *bytes, size_t len)
{
    struct mr_spill *spill = mr_from_context(context, struct mr_spill, SPILL_MAGIC);
    spill_enter(spill);
    begin_to_hold(spill);
    if (spill->storing && !spill->over)
        store(spill, bytes, len);
    else if (!spill->over)
        push_out(spill, bytes, len);
    return end_push(spill);
}

static enum mr_flow on_push_ref(void *context, const void *bytes, size_t len, void (*give_back)(void *owner),
                                void *owner)
{
    struct mr_spill *spill = mr_from_context(context, struct mr_spill, SPILL_MAGIC);
    spill_enter(spill);
    begin_to_hold(spill);
    if (spill->over) {
        give_back(owner);
    } else if (spill->storing) {
        store(spill, bytes, len);
        give_back(owner);
    } else if (mr_stream_push_ref(&spill->out, bytes, len, give_back, owner) == MR_FLOW_PAUSE) {
        spill->blocked = true;
    }
    return end_push(spill);
}

static void spill_on_end(void *context)
{
    struct mr_spill *spill = mr_from_context(context, struct mr_spill, SPILL_MAGIC);
    spill_enter(spill);
    spill->in_ended = true;
    spill->paused = false;
    settle(spill);
    spill_leave(spill);
}

static void spill_on_abort(void *context, const struct mr_fault *why)
{
    struct mr_spill *spill = mr_from_context(context, struct mr_spill, SPILL_MAGIC);
    spill_enter(spill);
    spill->in_ended = true;
    spill_fail(spill, why);
    spill_leave(spill);
}

static const struct mr_stream_receiver in_receiver = {
    .push = spill_on_push, .end = spill_on_end, .abort = spill_on_abort, .push_ref = on_push_ref};

/* ---- `out` ---- */

static void spill_on_resume(void *context)
{
    struct mr_spill *spill = mr_from_context(context, struct mr_spill, SPILL_MAGIC);
    spill_enter(spill);
    spill->blocked = spill->held; /* a receiver that is attached resumes, too */
    settle(spill);
    spill_leave(spill);
}

static void spill_on_cancel(void *context, const struct mr_fault *why)
{
    struct mr_spill *spill = mr_from_context(context, struct mr_spill, SPILL_MAGIC);
    spill_enter(spill);
    spill_fail(spill, why);
    spill_leave(spill);
}

static const struct mr_stream_sender out_sender = {.resume = spill_on_resume, .cancel = spill_on_cancel};

/* ---- from outside ---- */

int mr_spill_create(struct mr_spill **out, const struct mr_spill_config *config, struct mr_fault *fault)
{
    MR_ON_LOOP(config->loop);
    struct mr_spill *spill = calloc(1, sizeof(*spill));
    if (spill == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    spill->magic = SPILL_MAGIC;
    spill->config = *config;
    spill->held = spill->blocked = config->holds;
    mr_temporary_init(&spill->file, config->disk);
    mr_file_init(&spill->request, config->loop, MR_LABEL_SPILL, on_file);
    mr_stream_attach_sender(&spill->out, &out_sender, spill);
    *out = spill;
    return MR_OK;
}

void mr_spill_destroy(struct mr_spill **out)
{
    struct mr_spill *spill = *out;
    *out = NULL;
    if (spill == NULL)
        return;
    spill_enter(spill);
    spill->over = true;
    mr_guard_destroy(&spill->guard);
    mr_timer_clear(&spill->patience);
    spill_leave(spill);
}

void mr_spill_attach(struct mr_spill *spill)
{
    MR_ON_LOOP(spill->config.loop);
    mr_stream_attach_receiver(spill->config.in, &in_receiver, spill);
}

struct mr_stream *mr_spill_out(struct mr_spill *spill)
{
    MR_ON_LOOP(spill->config.loop);
    return &spill->out;
}
