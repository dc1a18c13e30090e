/* DESIGN. Two blocks take turns: one is filled on the pool while the other is pushed. Where the receiver has a place
 * for the next bytes a block lies there, and nothing is copied; then there is no other one meanwhile. The pool has the
 * block number `filled`, `got`, `last_read` and `read_errno` while is_reading; the loop has all else. */
#include "io/source.h"
#include "base/assert.h"
#include "base/macros.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCKS     2
#define BLOCK_SIZE (512 * MR_KIB)

struct block {
    char *own;   /* owned: BLOCK_SIZE */
    char *bytes; /* `own`, or the receiver's */
    size_t size, len, pushed;
};

struct mr_source {
    struct mr_loop *loop;
    int fd;
    struct mr_stream stream;
    struct block blocks[BLOCKS];
    uint64_t filled, emptied; /* blocks so far: filled - emptied of them hold bytes */
    uint64_t bytes;
    bool is_flowing, is_reading;
    bool is_direct; /* the last place was the receiver's */
    bool at_end;    /* there is nothing more to read */
    uv_work_t work;
    size_t got;
    ssize_t last_read; /* what the last read() of the block returned */
    int read_errno;
};

/* ---- on the pool ---- */

static bool is_readable(int fd, int timeout_ms)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    return poll(&wait, 1, timeout_ms) > 0;
}

/* What there is, at least one byte. A descriptor that we inherited may be one that does not block. */
static ssize_t read_some(int fd, char *to, size_t size)
{
    ssize_t got;
    while ((got = read(fd, to, size)) < 0 && (errno == EINTR || errno == EAGAIN))
        if (errno == EAGAIN)
            is_readable(fd, -1);
    return got;
}

/* A pipe gives little at a time: more of it while it is there at once, as handing a block over costs more. */
static void fill(uv_work_t *work)
{
    struct mr_source *source = mr_container_of(work, struct mr_source, work);
    const struct block *block = &source->blocks[source->filled % BLOCKS];
    ssize_t got;
    source->got = 0;
    source->read_errno = 0;
    do {
        got = read_some(source->fd, block->bytes + source->got, block->size - source->got);
        source->got += got > 0 ? (size_t)got : 0;
    } while (got > 0 && source->got < block->size && is_readable(source->fd, 0));
    if (got < 0)
        source->read_errno = errno;
    source->last_read = got;
}

/* ---- on the loop ---- */

static void pump(struct mr_source *source);

static void on_filled(uv_work_t *work, int status)
{
    struct mr_source *source = mr_container_of(work, struct mr_source, work);
    uint64_t started = mr_loop_enter(source->loop);
    MR_ASSERT(status == 0); /* nobody cancels it */
    source->is_reading = false;
    source->at_end = source->last_read <= 0;
    if (source->got > 0) {
        struct block *block = &source->blocks[source->filled++ % BLOCKS];
        block->len = source->got;
        block->pushed = 0;
        source->bytes += source->got;
    }
    pump(source);
    mr_loop_leave(source->loop, "source", started);
}

/* The receiver's, if all that was read before has gone there. */
static void choose_place(struct mr_source *source, struct block *block)
{
    size_t size = 1;
    bool is_next = source->is_flowing && source->filled == source->emptied;
    char *place = is_next ? mr_stream_space(&source->stream, &size) : NULL;
    source->is_direct = place != NULL;
    block->bytes = place != NULL ? place : block->own;
    block->size = place != NULL ? size : BLOCK_SIZE;
}

static void read_ahead(struct mr_source *source)
{
    bool is_full = source->filled - source->emptied == BLOCKS;
    bool waits = source->is_direct && !source->is_flowing; /* for a place: the receiver has enough to do until then */
    if (source->is_reading || source->at_end || is_full || waits)
        return;
    choose_place(source, &source->blocks[source->filled % BLOCKS]);
    source->is_reading = true;
    int err = uv_queue_work(mr_loop_uv(source->loop), &source->work, fill, on_filled);
    MR_ASSERT(err == 0);
}

static void push_block(struct mr_source *source)
{
    struct block *block = &source->blocks[source->emptied % BLOCKS];
    while (source->is_flowing && block->pushed < block->len) {
        size_t part = MR_MIN(block->len - block->pushed, MR_STREAM_PUSH_MAX);
        const char *at = block->bytes + block->pushed;
        block->pushed += part;
        source->is_flowing = mr_stream_push(&source->stream, at, part) == MR_FLOW_MORE;
    }
    if (block->pushed == block->len)
        source->emptied++;
}

static void end(struct mr_source *source)
{
    struct mr_fault fault;
    if (source->read_errno == 0) {
        mr_stream_end(&source->stream);
        return;
    }
    mr_fault_set(&fault, MR_EIO, "standard input: %s", strerror(source->read_errno));
    mr_stream_abort(&source->stream, &fault);
}

static void pump(struct mr_source *source)
{
    while (source->is_flowing && source->filled > source->emptied)
        push_block(source);
    read_ahead(source);
    bool is_over = !source->is_reading && source->at_end && source->filled == source->emptied;
    if (is_over && mr_stream_is_open(&source->stream))
        end(source);
}

static void on_resume(void *context)
{
    struct mr_source *source = context;
    source->is_flowing = true;
    pump(source);
}

static void on_cancel(void *context, const struct mr_fault *why)
{
    struct mr_source *source = context;
    (void)why; /* the receiver of the pipeline hears of it too */
    source->is_flowing = false;
}

static const struct mr_stream_sender sender = {.resume = on_resume, .cancel = on_cancel};

int mr_source_create(struct mr_source **out, struct mr_loop *loop, int fd)
{
    struct mr_source *source = calloc(1, sizeof(*source));
    char *blocks = malloc(BLOCKS * BLOCK_SIZE);
    if (source == NULL || blocks == NULL) {
        free(source);
        free(blocks);
        return MR_EMEMORY;
    }
    source->loop = loop;
    source->fd = fd;
    for (size_t i = 0; i < BLOCKS; i++)
        source->blocks[i].own = blocks + i * BLOCK_SIZE;
    mr_stream_attach_sender(&source->stream, &sender, source);
    *out = source;
    return MR_OK;
}

void mr_source_destroy(struct mr_source **out)
{
    struct mr_source *source = *out;
    *out = NULL;
    if (source == NULL)
        return;
    MR_ASSERT(!source->is_reading);
    free(source->blocks[0].own);
    free(source);
}

struct mr_stream *mr_source_stream(struct mr_source *source)
{
    return &source->stream;
}

uint64_t mr_source_bytes(const struct mr_source *source)
{
    return source->bytes;
}
