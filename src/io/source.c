/* DESIGN. Two blocks take turns: one is filled on the pool while the other is pushed. Where the receiver has a place
 * for the next bytes a block lies there, and nothing is copied; then there is no other one meanwhile. The pool has the
 * block number `filled`, `got` and `is_last` while the request is submitted; the loop has all else. */
#include "io/source.h"
#include "base/assert.h"
#include "base/macros.h"
#include "base/magic.h"
#include "io/file.h"
#include <poll.h>
#include <stdlib.h>

#define BLOCKS     2
#define BLOCK_SIZE (512 * MR_KIB)

#define SOURCE_MAGIC 0x736f7572u /* "sour" */

struct block {
    char *own;   /* owned: BLOCK_SIZE */
    char *bytes; /* `own`, or the receiver's */
    size_t size, len, pushed;
};

struct mr_source {
    uint32_t magic;
    int fd;
    struct mr_stream stream;
    struct block blocks[BLOCKS];
    uint64_t filled, emptied; /* blocks so far: filled - emptied of them hold bytes */
    uint64_t bytes;
    bool is_flowing;
    bool is_direct; /* the last place was the receiver's */
    bool at_end;    /* there is nothing more to read */
    struct mr_file_request request;
    size_t got;
    bool is_last; /* nothing follows what was read */
};

/* ---- on the pool ---- */

static bool is_readable(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    return poll(&wait, 1, 0) > 0;
}

/* A pipe gives little at a time: more of it while it is there at once, as handing a block over costs more. */
static int fill(struct mr_file_request *request)
{
    struct mr_source *source = mr_container_of(request, struct mr_source, request);
    const struct block *block = &source->blocks[source->filled % BLOCKS];
    size_t got;
    int err;
    source->got = 0;
    do {
        err =
            mr_disk_receive(source->fd, block->bytes + source->got, block->size - source->got, &got, &request->failure);
        source->got += got;
    } while (err == MR_OK && got > 0 && source->got < block->size && is_readable(source->fd));
    source->is_last = got == 0;
    return err;
}

/* ---- on the loop ---- */

static void source_pump(struct mr_source *source);

static void on_filled(struct mr_file_request *request)
{
    struct mr_source *source = mr_container_of(request, struct mr_source, request);
    source->at_end = source->is_last;
    if (source->got > 0) {
        struct block *block = &source->blocks[source->filled++ % BLOCKS];
        block->len = source->got;
        block->pushed = 0;
        source->bytes += source->got;
    }
    source_pump(source);
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
    if (!mr_file_is_idle(&source->request) || source->at_end || is_full || waits)
        return;
    choose_place(source, &source->blocks[source->filled % BLOCKS]);
    mr_file_run(&source->request, fill);
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
    if (source->request.err == MR_OK) {
        mr_stream_end(&source->stream);
        return;
    }
    mr_disk_fault(&fault, &source->request.failure, "standard input");
    mr_stream_abort(&source->stream, &fault);
}

static void source_pump(struct mr_source *source)
{
    while (source->is_flowing && source->filled > source->emptied)
        push_block(source);
    read_ahead(source);
    bool is_over = mr_file_is_idle(&source->request) && source->at_end && source->filled == source->emptied;
    if (is_over && mr_stream_is_open(&source->stream))
        end(source);
}

static void source_on_resume(void *context)
{
    struct mr_source *source = mr_from_context(context, struct mr_source, SOURCE_MAGIC);
    source->is_flowing = true;
    source_pump(source);
}

static void source_on_cancel(void *context, const struct mr_fault *why)
{
    struct mr_source *source = mr_from_context(context, struct mr_source, SOURCE_MAGIC);
    (void)why; /* the receiver of the pipeline hears of it too */
    source->is_flowing = false;
}

static const struct mr_stream_sender sender = {.resume = source_on_resume, .cancel = source_on_cancel};

int mr_source_create(struct mr_source **out, struct mr_loop *loop, int fd)
{
    MR_ON_LOOP(loop);
    struct mr_source *source = calloc(1, sizeof(*source));
    char *blocks = malloc(BLOCKS * BLOCK_SIZE);
    if (source == NULL || blocks == NULL) {
        free(source);
        free(blocks);
        return MR_EMEMORY;
    }
    source->magic = SOURCE_MAGIC;
    source->fd = fd;
    mr_file_init(&source->request, loop, MR_LABEL_SOURCE, on_filled);
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
    MR_ON_LOOP(source->request.loop);
    MR_ASSERT(mr_file_is_idle(&source->request));
    free(source->blocks[0].own);
    free(source);
}

struct mr_stream *mr_source_stream(struct mr_source *source)
{
    MR_ON_LOOP(source->request.loop);
    return &source->stream;
}

uint64_t mr_source_bytes(const struct mr_source *source)
{
    MR_ON_LOOP(source->request.loop);
    return source->bytes;
}
