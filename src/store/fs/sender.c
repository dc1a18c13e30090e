/* DESIGN. To a receiver that takes parts of files, a long payload is lent as such, a segment at a time, and nothing is
 * read here. To others it is read, as short ones are to all: a copy costs less than a thread's turn. Two
 * blocks take turns: one is filled while the receiver still has the other. Each is lent to the receiver (push_ref) in
 * parts; it is filled again when all of them have come back. What the page cache has is read on the loop, TURN_MAX
 * bytes a turn; the rest on a file thread, a block at a time. While the receiver is paused nothing is read.
 *
 * The first block's memory is taken from the budget before the first byte, so that a response that has begun is never
 * aborted for want of it; the second one is used where the budget has room. */
#include "base/guard.h"
#include "base/macros.h"
#include "base/magic.h"
#include "store/fs/reader.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SENDER_MAGIC 0x73656e64u /* "send" */
#define BLOCK_MAGIC  0x626c6f63u /* "bloc" */

#define BLOCKS     2
#define BLOCK_SIZE (256 * MR_KIB)
#define TURN_MAX   (256 * MR_KIB)
#define LEND_MAX   ((uint64_t)MR_GIB) /* at a time: queues count in a size_t */

struct block {
    uint32_t magic;
    struct mr_store_sender *sender;
    char *bytes;        /* owned; NULL: not used yet */
    size_t len, pushed; /* filled, and of that pushed */
    unsigned lent;      /* parts that the receiver has */
};

struct mr_store_sender {
    uint32_t magic;
    struct mr_store_reader *reader; /* owned: a share */
    struct mr_stream *stream;       /* NULL: not attached yet, or it is over */
    uint64_t at, left;              /* of the payload: to be read */
    struct block blocks[BLOCKS];
    struct block *filling; /* by the pool, or partly pushed; NULL: none */
    bool sends_files;      /* it is lent, and the blocks are not used */
    uint32_t lent;         /* the number of the segment that is; 0: none */
    size_t block_size;
    uint64_t charged;
    bool is_flowing;
    bool is_posted; /* `turn` is on its way */
    struct mr_inbox_node turn;
    struct mr_guard guard;

    struct mr_file_request request;
    size_t segment; /* whose file `fd` is */
    int fd;         /* owned, where it is not the first segment's; -1: none */
    struct mr_fault fault;
};

static void pump_sender(struct mr_store_sender *sender);

/* ---- life ---- */

static bool has_lent(const struct mr_store_sender *sender)
{
    if (sender->lent != 0)
        return true;
    for (size_t i = 0; i < BLOCKS; i++) {
        if (sender->blocks[i].lent > 0)
            return true;
    }
    return false;
}

static void free_sender(struct mr_store_sender *sender)
{
    struct mr_store *store = sender->reader->store;
    for (size_t i = 0; i < BLOCKS; i++)
        free(sender->blocks[i].bytes);
    mr_budget_give_back(store->memory, sender->charged);
    mr_store_close_file(store, sender->reader->loop, &sender->fd, mr_store_reader_object(sender->reader)->size);
    mr_store_reader_close(&sender->reader);
    free(sender);
}

static void enter_sender(struct mr_store_sender *sender)
{
    mr_guard_enter(&sender->guard);
}

/* Its last user frees it: the stream, the pool, the receiver of a part, the inbox. */
static void leave_sender(struct mr_store_sender *sender)
{
    if (sender->stream == NULL)
        mr_guard_destroy(&sender->guard);
    if (mr_guard_leave(&sender->guard) && mr_file_is_idle(&sender->request) && !has_lent(sender) && !sender->is_posted)
        free_sender(sender);
}

static void abort_sender(struct mr_store_sender *sender, const struct mr_fault *why)
{
    struct mr_stream *stream = sender->stream;
    sender->stream = NULL;
    mr_stream_abort(stream, why);
}

static void on_sender_turn(struct mr_inbox_node *node)
{
    struct mr_store_sender *sender = mr_container_of(node, struct mr_store_sender, turn);
    enter_sender(sender);
    sender->is_posted = false;
    pump_sender(sender);
    leave_sender(sender);
}

static void post_sender(struct mr_store_sender *sender)
{
    if (sender->is_posted)
        return;
    sender->is_posted = true;
    mr_loop_post(sender->reader->loop, &sender->turn);
}

/* ---- where the bytes are ---- */

static const struct mr_meta *meta_of(const struct mr_store_sender *sender)
{
    return &sender->reader->entry->file.meta;
}

/* The segment with the next byte, and the place in its file. Returns how many bytes follow in it. */
static uint64_t find_place(const struct mr_store_sender *sender, size_t *segment, uint64_t *place)
{
    const struct mr_meta *meta = meta_of(sender);
    uint64_t begin = 0;
    *segment = 0;
    while (sender->at - begin >= meta->segments[*segment].plain)
        begin += meta->segments[(*segment)++].plain;
    *place = meta->segments[*segment].room + (sender->at - begin);
    return meta->segments[*segment].plain - (sender->at - begin);
}

/* The file of a segment, or -1: it is not open. */
static int segment_file(const struct mr_store_sender *sender, size_t segment)
{
    if (segment == 0)
        return sender->reader->file->fd;
    return segment == sender->segment ? sender->fd : -1;
}

static size_t wanted(const struct mr_store_sender *sender, uint64_t follow)
{
    return (size_t)MR_MIN(MR_MIN(sender->left, follow), (uint64_t)sender->block_size);
}

/* ---- on the pool ---- */

static int open_sender_segment(struct mr_store_sender *sender, size_t segment)
{
    struct mr_disk_failure failure;
    if (sender->fd >= 0)
        mr_disk_close(&sender->fd, &failure);
    int err = mr_entry_open_segment(&sender->fd, sender->reader->store, meta_of(sender), segment, &sender->fault);
    if (err == MR_OK)
        sender->segment = segment;
    return err;
}

static int work_open_segment(struct mr_file_request *request)
{
    struct mr_store_sender *sender = mr_container_of(request, struct mr_store_sender, request);
    uint64_t place;
    size_t segment;
    find_place(sender, &segment, &place);
    return open_sender_segment(sender, segment);
}

/* A segment could not be read. ENODATA: it ends too early. Returns the error. */
static int report_unread(struct mr_store_sender *sender, uint32_t number, int error_number)
{
    const struct mr_disk_failure failure = {.operation = MR_DISK_READ, .error_number = error_number};
    if (error_number == ENODATA)
        mr_fault_set(&sender->fault, MR_EIO, "The object cannot be read: segment %u ends too early.", (unsigned)number);
    else
        mr_disk_fault(&sender->fault, &failure, "The object cannot be read");
    return mr_store_report(sender->reader->store, &sender->fault, sender->request.label);
}

static int work_fill(struct mr_file_request *request)
{
    struct mr_store_sender *sender = mr_container_of(request, struct mr_store_sender, request);
    struct block *block = sender->filling;
    uint64_t place;
    size_t segment, len = wanted(sender, find_place(sender, &segment, &place));
    int err = segment_file(sender, segment) < 0 ? open_sender_segment(sender, segment) : MR_OK;
    if (err != MR_OK)
        return err;
    int fd = segment_file(sender, segment);
    err = mr_disk_read(fd, block->bytes, len, place, &block->len, &request->failure);
    if (err == MR_OK && block->len == len)
        return MR_OK;
    return report_unread(sender, meta_of(sender)->segments[segment].number,
                         err != MR_OK ? request->failure.error_number : ENODATA);
}

/* ---- on the loop ---- */

static void advance_sender(struct mr_store_sender *sender, uint64_t len)
{
    sender->at += len;
    sender->left -= len;
}

static void note_filled(struct mr_store_sender *sender, struct block *block)
{
    advance_sender(sender, block->len);
    block->pushed = 0;
}

static void on_file_work(struct mr_file_request *request)
{
    struct mr_store_sender *sender = mr_container_of(request, struct mr_store_sender, request);
    enter_sender(sender);
    if (request->err != MR_OK && sender->stream != NULL)
        abort_sender(sender, &sender->fault);
    else if (request->err == MR_OK && !sender->sends_files)
        note_filled(sender, sender->filling);
    pump_sender(sender);
    leave_sender(sender);
}

/* One that is not lent and has memory. */
static struct block *get_block(struct mr_store_sender *sender)
{
    struct mr_budget *memory = sender->reader->store->memory;
    for (size_t i = 0; i < BLOCKS; i++) {
        struct block *block = &sender->blocks[i];
        if (block->lent > 0)
            continue;
        if (block->bytes == NULL && (sender->left <= sender->block_size || !mr_budget_try_grow(memory, BLOCK_SIZE)))
            continue; /* the other one has to do */
        if (block->bytes == NULL) {
            sender->charged += BLOCK_SIZE;
            block->bytes = malloc(BLOCK_SIZE);
            MR_ASSERT(block->bytes != NULL);
        }
        block->len = block->pushed = 0;
        return block;
    }
    return NULL;
}

/* Read what is in memory, else ask the pool. Returns bytes read. */
static size_t fill_block(struct mr_store_sender *sender)
{
    struct mr_disk_failure failure;
    struct block *block = sender->filling;
    uint64_t place;
    size_t segment, len = wanted(sender, find_place(sender, &segment, &place));
    int fd = segment_file(sender, segment);
    size_t got = 0;
    len = MR_MIN(len, MR_STREAM_PUSH_MAX);
    bool is_there = fd >= 0 && mr_disk_try_read(fd, block->bytes, len, place, &got, &failure) == MR_DISK_DONE;
    if (is_there && got > 0) {
        block->len = got;
        note_filled(sender, block);
        return got;
    }
    mr_file_run(&sender->request, work_fill); /* which finds out what is wrong, too */
    return 0;
}

static void on_release(void *context)
{
    struct block *block = mr_from_context(context, struct block, BLOCK_MAGIC);
    struct mr_store_sender *sender = block->sender;
    enter_sender(sender);
    if (--block->lent == 0 && sender->stream != NULL && sender->filling == NULL && sender->left > 0)
        post_sender(sender); /* a sender does not push from inside release */
    leave_sender(sender);
}

static void push_sender_block(struct mr_store_sender *sender)
{
    struct block *block = sender->filling;
    while (sender->is_flowing && sender->stream != NULL && block->pushed < block->len) {
        size_t part = MR_MIN(block->len - block->pushed, MR_STREAM_PUSH_MAX);
        const char *at = block->bytes + block->pushed;
        block->pushed += part;
        block->lent++;
        sender->is_flowing = mr_stream_push_ref(sender->stream, at, part, on_release, block) == MR_FLOW_MORE;
    }
    if (block->pushed == block->len)
        sender->filling = NULL;
}

/* ---- a segment that is lent ---- */

static void on_segment_released(void *context, int error_number)
{
    struct mr_store_sender *sender = mr_from_context(context, struct mr_store_sender, SENDER_MAGIC);
    enter_sender(sender);
    if (error_number != 0)
        report_unread(sender, sender->lent, error_number);
    sender->lent = 0;
    if (sender->stream != NULL && sender->left > 0)
        post_sender(sender);
    leave_sender(sender);
}

static void lend_segment(struct mr_store_sender *sender)
{
    size_t segment;
    struct mr_file_span span;
    span.len = MR_MIN(find_place(sender, &segment, &span.offset), MR_MIN(sender->left, LEND_MAX));
    span.fd = segment_file(sender, segment);
    if (span.fd < 0) {
        mr_file_run(&sender->request, work_open_segment);
        return;
    }
    advance_sender(sender, span.len);
    sender->lent = meta_of(sender)->segments[segment].number;
    sender->is_flowing = mr_stream_push_file(sender->stream, span, on_segment_released, sender) == MR_FLOW_MORE;
}

/* ---- all of it ---- */

static void end_sender(struct mr_store_sender *sender)
{
    struct mr_stream *stream = sender->stream;
    sender->stream = NULL;
    mr_stream_end(stream);
}

/* Push what there is, and read more, as long as the receiver and the turn allow. */
static void pump_sender(struct mr_store_sender *sender)
{
    size_t taken = 0;
    while (sender->stream != NULL && sender->is_flowing && mr_file_is_idle(&sender->request)) {
        if (sender->filling != NULL && sender->filling->len > 0) {
            push_sender_block(sender);
        } else if (sender->left == 0) {
            end_sender(sender);
        } else if (sender->lent != 0) {
            return; /* on_segment_released goes on */
        } else if (sender->sends_files) {
            lend_segment(sender);
        } else if (taken >= TURN_MAX) {
            post_sender(sender);
            return;
        } else {
            sender->filling = get_block(sender);
            if (sender->filling == NULL)
                return; /* on_release goes on */
            taken += fill_block(sender);
        }
    }
}

static void on_sender_resume(void *context)
{
    struct mr_store_sender *sender = mr_from_context(context, struct mr_store_sender, SENDER_MAGIC);
    enter_sender(sender);
    sender->is_flowing = true;
    pump_sender(sender);
    leave_sender(sender);
}

static void on_sender_cancel(void *context, const struct mr_fault *why)
{
    struct mr_store_sender *sender = mr_from_context(context, struct mr_store_sender, SENDER_MAGIC);
    (void)why;
    enter_sender(sender);
    sender->stream = NULL;
    leave_sender(sender);
}

static const struct mr_stream_sender store_sender = {.resume = on_sender_resume, .cancel = on_sender_cancel};

/* A short payload is sent from where the reader has it. */
static int init_blocks(struct mr_store_sender *sender, struct mr_fault *fault)
{
    struct mr_budget *memory = sender->reader->store->memory;
    const struct mr_meta *meta = meta_of(sender);
    size_t size = (size_t)MR_MIN(sender->left, (uint64_t)BLOCK_SIZE);
    for (size_t i = 0; i < BLOCKS; i++) {
        sender->blocks[i].magic = BLOCK_MAGIC;
        sender->blocks[i].sender = sender;
    }
    sender->block_size = size;
    if (!mr_budget_try_take(memory, size))
        return mr_fault_limit(fault, MR_EBUDGET, "memory-budget", memory->limit, mr_budget_used(memory) + size);
    sender->charged = size;
    struct block *first = &sender->blocks[0];
    first->bytes = malloc(MR_MAX(size, (size_t)1));
    if (first->bytes == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    if (meta->segment_count > 0 || size == 0)
        return MR_OK;
    memcpy(first->bytes, meta->payload.at + sender->at, size);
    first->len = size;
    sender->filling = first;
    note_filled(sender, first);
    return MR_OK;
}

static void begin_sender(struct mr_store_sender *sender, struct mr_stream *stream)
{
    mr_stream_attach_sender(stream, &store_sender, sender);
    sender->stream = stream;
    sender->is_flowing = stream->state == MR_STREAM_FLOWING;
    if (sender->is_flowing || mr_stream_is_closed(stream))
        post_sender(sender); /* which frees one that hears nothing more */
    if (mr_stream_is_closed(stream))
        sender->stream = NULL;
}

int mr_store_read(struct mr_store_reader *reader, uint64_t offset, uint64_t length, struct mr_stream *stream,
                  struct mr_fault *fault)
{
    uint64_t size = mr_store_reader_object(reader)->size;
    MR_ASSERT(offset <= size && length <= size - offset);
    MR_ASSERT(reader->file != NULL || reader->entry->file.meta.segment_count == 0);
    struct mr_store_sender *sender = calloc(1, sizeof(*sender));
    if (sender == NULL)
        return mr_fault_set(fault, MR_EMEMORY, NULL);
    sender->magic = SENDER_MAGIC;
    sender->reader = mr_store_reader_share(reader);
    sender->at = offset;
    sender->left = length;
    sender->fd = -1;
    sender->turn.deliver = on_sender_turn;
    mr_file_init(&sender->request, reader->loop, MR_LABEL_STORE_READ, on_file_work);
    sender->sends_files = mr_stream_takes_file(stream) && reader->file != NULL && length > BLOCK_SIZE;
    int err = sender->sends_files ? MR_OK : init_blocks(sender, fault);
    if (err != MR_OK) {
        free_sender(sender);
        return err;
    }
    begin_sender(sender, stream);
    return MR_OK;
}
