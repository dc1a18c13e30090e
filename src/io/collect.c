/* DESIGN. Bytes go into the piece that is being filled. While the body may still fit into memory that is one piece for
 * all of it; otherwise, when a piece reaches its mark, it is handed to a file thread, which writes it to the file and
 * frees it, and a new one is filled meanwhile. One piece is written at a time: is the next one full before, the sender
 * is paused. A piece has room beyond its mark for what a paused sender may still push (stream.h, rule 3).
 *
 * The pool's thread has `writing` and `file` while `is_writing`; the loop has all else. A collector that
 * is destroyed meanwhile is freed when the write comes back. */
#include "io/collect.h"
#include "base/assert.h"
#include "base/macros.h"
#include "base/magic.h"
#include "io/file.h"
#include "io/temporary.h"
#include <stdlib.h>
#include <sys/mman.h>

#define PIECE_MAX   MR_MIB             /* to write at a time */
#define SLACK       MR_STREAM_PUSH_MAX /* room beyond the mark: one read (stream.h, rule 3) */
#define CHARGE_STEP (16 * MR_KIB)      /* the budget is taken in such steps as the body comes */
#define CHEAP_FREE  MR_MIB             /* returning more memory than this to the system takes too long for the loop */

#define COLLECT_MAGIC 0x636f6c6cu /* "coll" */

enum collect_state { FILLING, FLUSHING, COMPLETE, OVER };

struct piece {
    char *bytes; /* owned */
    size_t len, size;
    size_t mark;    /* when len reaches it the piece is due to be written; SIZE_MAX: it holds the whole body */
    size_t charged; /* bytes taken from the budget for it */
};

struct mr_collect {
    uint32_t magic;
    struct mr_collect_config config;
    enum collect_state state;
    bool is_looked_at; /* first() was called */
    bool is_paused;
    bool is_writing;
    bool is_destroyed; /* free it when the pool is done with it */
    struct piece filling, writing;
    uint64_t written; /* bytes in the file */
    struct mr_temporary file;
    void *mapped; /* of the file, `written` bytes; or NULL */
    struct mr_file_request request;
};

/* ---- Pieces ---- */

/* Take the budget for the first `len` bytes of the piece. */
static bool collect_charge(struct mr_collect *collect, struct piece *piece, size_t len)
{
    if (len <= piece->charged)
        return true;
    size_t wanted = MR_MIN(piece->size, (len + CHARGE_STEP - 1) / CHARGE_STEP * CHARGE_STEP);
    if (!mr_budget_try_take(collect->config.budget, wanted - piece->charged))
        return false;
    piece->charged = wanted;
    return true;
}

/* malloc does not touch the pages: a large piece costs nothing until it is filled. */
static int open_piece(struct mr_collect *collect, size_t size, size_t mark, struct mr_fault *fault)
{
    struct piece piece = {.bytes = malloc(MR_MAX(size, (size_t)1)), .size = size, .mark = mark};
    if (piece.bytes == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    collect->filling = piece;
    return MR_OK;
}

static void close_piece(struct mr_collect *collect, struct piece *piece)
{
    free(piece->bytes);
    mr_budget_give_back(collect->config.budget, piece->charged);
    *piece = (struct piece){.bytes = NULL};
}

/* One of those that are written. */
static int open_file_piece(struct mr_collect *collect, struct mr_fault *fault)
{
    size_t mark = (size_t)MR_MIN(collect->config.memory_max, (uint64_t)PIECE_MAX);
    return open_piece(collect, mark + SLACK, mark, fault);
}

static int open_first_piece(struct mr_collect *collect, struct mr_fault *fault)
{
    uint64_t length = collect->config.length, memory_max = collect->config.memory_max;
    if (length == MR_COLLECT_UNKNOWN)
        return open_piece(collect, (size_t)memory_max + SLACK, (size_t)memory_max, fault);
    if (length > memory_max)
        return open_file_piece(collect, fault);
    const struct mr_budget *budget = collect->config.budget;
    if (budget->limit != 0 && length > budget->limit) /* it will never fit */
        return mr_fault_limit(fault, MR_EBUDGET, "memory-budget", budget->limit, length);
    return open_piece(collect, (size_t)length, SIZE_MAX, fault);
}

/* ---- The file: on a file thread ---- */

static int work_write(struct mr_file_request *request)
{
    struct mr_collect *collect = mr_container_of(request, struct mr_collect, request);
    struct piece *piece = &collect->writing;
    int err = mr_temporary_write(&collect->file, piece->bytes, piece->len, collect->written, &request->failure);
    free(piece->bytes); /* here, as freeing much memory takes its time */
    piece->bytes = NULL;
    return err;
}

/* Hand the filling piece to the pool. */
static int write_piece(struct mr_collect *collect, struct mr_fault *fault)
{
    MR_ASSERT(!collect->is_writing);
    int err = mr_temporary_reserve(&collect->file, collect->written + collect->filling.len, fault);
    if (err != MR_OK)
        return err;
    collect->writing = collect->filling;
    collect->filling = (struct piece){.bytes = NULL};
    collect->is_writing = true;
    mr_file_run(&collect->request, work_write);
    return MR_OK;
}

/* ---- On the loop ---- */

static void collect_fail(struct mr_collect *collect, const struct mr_fault *why)
{
    collect->state = OVER;
    mr_stream_cancel(collect->config.stream, why);
    collect->config.events->failed(collect->config.context, why); /* may have freed the collector */
}

static void complete(struct mr_collect *collect)
{
    collect->state = COMPLETE;
    if (mr_temporary_is_open(&collect->file))
        close_piece(collect, &collect->filling);               /* nothing came after the last one written */
    collect->config.events->complete(collect->config.context); /* the same */
}

/* Write what is left; when nothing is, the body is complete. */
static void flush(struct mr_collect *collect)
{
    struct mr_fault fault;
    if (collect->filling.len == 0)
        complete(collect);
    else if (write_piece(collect, &fault) != MR_OK)
        collect_fail(collect, &fault);
}

static int look(struct mr_collect *collect, struct mr_fault *fault)
{
    struct mr_slice bytes = {collect->filling.bytes, MR_MIN(collect->filling.len, (size_t)MR_COLLECT_FIRST)};
    collect->is_looked_at = true;
    return collect->config.events->first(collect->config.context, bytes, fault);
}

/* Write the filling piece and begin a new one. */
static int turn_over(struct mr_collect *collect, struct mr_fault *fault)
{
    int err = write_piece(collect, fault);
    return err != MR_OK ? err : open_file_piece(collect, fault);
}

static int piece_is_full(struct mr_collect *collect, struct mr_fault *fault)
{
    if (!collect->is_writing)
        return turn_over(collect, fault);
    collect->is_paused = true;
    return MR_OK;
}

static int collect_take(struct mr_collect *collect, const char *bytes, size_t len, struct mr_fault *fault)
{
    struct piece *piece = &collect->filling;
    if (!collect_charge(collect, piece, piece->len + len))
        return mr_fault_limit(fault, MR_EBUDGET, "memory-budget", collect->config.budget->limit,
                              mr_budget_used(collect->config.budget) + len);
    if (bytes != piece->bytes + piece->len)
        memcpy(piece->bytes + piece->len, bytes, len);
    piece->len += len;
    if (!collect->is_looked_at && piece->len >= MR_COLLECT_FIRST)
        return look(collect, fault);
    return MR_OK;
}

static enum mr_flow collect_on_push(void *context, const void *bytes, size_t len)
{
    struct mr_collect *collect = mr_from_context(context, struct mr_collect, COLLECT_MAGIC);
    struct mr_fault fault;
    int err = MR_OK;
    MR_ASSERT(collect->state == FILLING);
    for (const char *at = bytes; len > 0 && err == 0;) {
        size_t part = MR_MIN(len, collect->filling.size - collect->filling.len);
        MR_ASSERT(part > 0); /* the sender keeps to the length it announced, and to its pause */
        err = collect_take(collect, at, part, &fault);
        if (err == 0 && collect->filling.len >= collect->filling.mark)
            err = piece_is_full(collect, &fault);
        at += part;
        len -= part;
    }
    if (err != 0) {
        collect_fail(collect, &fault);
        return MR_FLOW_PAUSE;
    }
    return collect->is_paused ? MR_FLOW_PAUSE : MR_FLOW_MORE;
}

static void collect_on_end(void *context)
{
    struct mr_collect *collect = mr_from_context(context, struct mr_collect, COLLECT_MAGIC);
    struct mr_fault fault;
    if (!collect->is_looked_at && look(collect, &fault) != 0) {
        collect_fail(collect, &fault);
        return;
    }
    bool is_in_file = collect->is_writing || mr_temporary_is_open(&collect->file);
    if (!is_in_file) {
        complete(collect);
        return;
    }
    collect->state = FLUSHING;
    if (collect->is_writing)
        return; /* collect_on_written goes on */
    flush(collect);
}

static void collect_on_abort(void *context, const struct mr_fault *why)
{
    struct mr_collect *collect = mr_from_context(context, struct mr_collect, COLLECT_MAGIC);
    collect->state = OVER;
    collect->config.events->aborted(collect->config.context, why);
}

/* Not beyond the mark: that room is for a paused sender. What is read to its place is charged when it is there, so
 * there is no place where the budget is tight. */
static void *collect_on_space(void *context, size_t *len)
{
    struct mr_collect *collect = mr_from_context(context, struct mr_collect, COLLECT_MAGIC);
    struct piece *piece = &collect->filling;
    size_t end = MR_MIN(piece->mark, piece->size);
    size_t wanted = MR_MAX(*len, (size_t)1);
    if (piece->len >= end || end - piece->len < wanted || mr_budget_is_tight(collect->config.budget))
        return NULL;
    *len = end - piece->len;
    return piece->bytes + piece->len;
}

const struct mr_stream_receiver mr_collect_receiver = {
    .push = collect_on_push, .end = collect_on_end, .abort = collect_on_abort, .get_buffer = collect_on_space};

static void fail_write(struct mr_collect *collect)
{
    struct mr_fault fault;
    mr_temporary_fault(&fault, &collect->request.failure, "The body cannot be kept in a temporary file");
    collect_fail(collect, &fault);
}

/* A piece came back from the pool and all is well: what next? */
static void collect_go_on(struct mr_collect *collect)
{
    struct mr_fault fault;
    bool is_flushing = collect->state == FLUSHING;
    if (is_flushing) {
        flush(collect);
    } else if (collect->is_paused) {
        collect->is_paused = false;
        if (turn_over(collect, &fault) != 0)
            collect_fail(collect, &fault);
        else
            mr_stream_resume(collect->config.stream);
    }
}

static void collect_release(struct mr_collect *collect);

static void collect_on_written(struct mr_file_request *request)
{
    struct mr_collect *collect = mr_container_of(request, struct mr_collect, request);
    collect->is_writing = false;
    collect->written += collect->writing.len;
    close_piece(collect, &collect->writing);
    if (collect->is_destroyed)
        collect_release(collect);
    else if (collect->state != OVER && request->err != MR_OK)
        fail_write(collect);
    else if (collect->state != OVER)
        collect_go_on(collect);
}

/* ---- Life ---- */

int mr_collect_create(struct mr_collect **out, const struct mr_collect_config *config, struct mr_fault *fault)
{
    MR_ON_LOOP(config->loop);
    struct mr_collect *collect = malloc(sizeof(*collect));
    if (collect == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    *collect = (struct mr_collect){.magic = COLLECT_MAGIC, .config = *config};
    mr_temporary_init(&collect->file, config->disk);
    mr_file_init(&collect->request, config->loop, MR_LABEL_BODY_WRITTEN, collect_on_written);
    int err = open_first_piece(collect, fault);
    if (err != 0)
        free(collect);
    else
        *out = collect;
    return err;
}

static int work_discard(struct mr_file_request *request)
{
    mr_collect_discard(mr_container_of(request, struct mr_collect, request));
    return MR_OK;
}

static void on_discarded(struct mr_file_request *request)
{
    free(mr_container_of(request, struct mr_collect, request));
}

/* The last step. Closing a large file, or returning much memory, is nothing for the loop. */
static void collect_release(struct mr_collect *collect)
{
    if (mr_temporary_is_open(&collect->file) || collect->filling.len > CHEAP_FREE) {
        collect->request.done = on_discarded;
        mr_file_run(&collect->request, work_discard);
        return;
    }
    mr_collect_discard(collect);
    free(collect);
}

void mr_collect_destroy(struct mr_collect **out)
{
    struct mr_collect *collect = *out;
    *out = NULL;
    if (collect == NULL)
        return;
    MR_ON_LOOP(collect->config.loop);
    collect->state = OVER;
    collect->is_destroyed = true;
    if (!collect->is_writing)
        collect_release(collect);
}

uint64_t mr_collect_length(const struct mr_collect *collect)
{
    MR_ON_LOOP(collect->config.loop);
    return collect->written + (collect->is_writing ? collect->writing.len : 0) + collect->filling.len;
}

bool mr_collect_in_memory(const struct mr_collect *collect)
{
    MR_ON_LOOP(collect->config.loop);
    return !collect->is_writing && !mr_temporary_is_open(&collect->file);
}

int mr_collect_map(struct mr_collect *collect, struct mr_slice *out)
{
    MR_ASSERT(collect->state == COMPLETE);
    if (!mr_temporary_is_open(&collect->file)) {
        *out = (struct mr_slice){collect->filling.bytes, collect->filling.len};
        return MR_OK;
    }
    if (collect->mapped == NULL) {
        void *at = mmap(NULL, collect->written, PROT_READ, MAP_SHARED, collect->file.fd, 0);
        if (at == MAP_FAILED)
            return MR_EIO;
        collect->mapped = at;
    }
    *out = (struct mr_slice){collect->mapped, collect->written};
    return MR_OK;
}

void mr_collect_discard(struct mr_collect *collect)
{
    MR_ASSERT(!collect->is_writing);
    if (collect->mapped != NULL)
        munmap(collect->mapped, collect->written);
    collect->mapped = NULL;
    mr_temporary_close(&collect->file);
    close_piece(collect, &collect->filling);
}
